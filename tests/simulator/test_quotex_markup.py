"""What the simulated pages of Quotex say to a person; what programs look for there is tried beside the routes."""

import pytest

from tests.simulator.markup import tree
from tests.simulator.test_web_quotex import Visit, play


def links(page: str) -> dict[str, str]:
    return {each.text or "": each.get("href", "") for each in tree(page).iter("a")}


@pytest.mark.parametrize("faults", [(), ("signin-settings-missing:flaw=not-json",)])
def test_a_person_who_signed_in_is_told_where_this_is_and_finds_the_way_out(faults: tuple[str, ...]) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in("/pt/sign-in/")
        assert "the built-in simulator of tradeprobe, not" in answer.text
        assert "<code>/socket.io/</code> on this host and port" in answer.text
        there = links(answer.text)
        assert "EIO=3" in (await visit.get(there["its whole address"])).text
        assert (await visit.get(there["Sign out"])).url.path == "/pt/sign-in"
        assert (await visit.get("/pt/trade")).url.path == "/pt/sign-in"

    play(scenario, *faults)


def test_a_page_that_expired_leads_back_to_the_sign_in_page() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in("/pt/sign-in/", _token="stale")
        assert answer.status_code == 419
        assert links(answer.text) == {"To the sign-in page": "/pt/sign-in"}

    play(scenario)
