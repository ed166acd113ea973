"""A password becomes a session that is kept, renewed when it is rejected, and never used again after that."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.kept import KeptSessions, SessionFile
from probe.model.credentials import PasswordLogin, Secret
from probe.model.endpoint import Endpoint, Sureness
from probe.model.events import Phase
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.monitor.sign_in import SignIn
from probe.session.broker import REGIONS
from probe.simulator.run import Simulator
from probe.wire.calls import Question

BROKER = find_broker("quotex")
QUICK = replace(BROKER, house=replace(BROKER.house, login_seconds=(0.0, 0.0)))
NEAR = (replace(REGIONS[0], latency=0.0),)


class Place:
    """A simulated broker and somebody with a password there."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.endpoint: Endpoint = simulator.plain_endpoints()[0]
        self.world = simulator.worlds["quotex"]
        self.pin: Secret | None = None
        self.asked: list[str] = []
        self.warnings: list[str] = []
        self.keep: KeptSessions = SessionFile(folder, warn=self.warnings.append)
        known = simulator.endpoints[0].sign_in
        assert known is not None
        self.known = known
        self.login = PasswordLogin(
            broker="quotex", user=known.email, password=known.password, account=self.endpoint.account
        )

    def answer(self, question: Question) -> Secret | None:
        self.asked.append(question.prompt)
        return self.pin

    async def knock(self, endpoint: Endpoint | None = None) -> Knock:
        assert QUICK.web is not None
        key = SignIn(web=QUICK.web, login=self.login, keep=self.keep, answer=self.answer)
        return await knock(QUICK, endpoint or self.endpoint, key, tls=TlsProfile(), timeout=10)

    @property
    def token(self) -> Secret:
        kept = self.keep.load("quotex", self.login.key)
        assert kept is not None
        return kept.session.token


@asynccontextmanager
async def place(folder: Path, *faults: str) -> AsyncIterator[Place]:
    async with Simulator([QUICK], faults=faults, regions=NEAR, pages=True) as simulator:
        yield Place(simulator, folder)


def visit(folder: Path, what: Callable[[Place], Awaitable[None]], *faults: str) -> None:
    async def run() -> None:
        async with place(folder, *faults) as found:
            await what(found)

    asyncio.run(run())


def how(result: Knock) -> tuple[State, str, int]:
    assert result.entered is not None
    return result.verdict.state, result.entered.how, len(result.entered.calls)


def test_the_first_time_takes_the_password_and_the_second_the_kept_session(tmp_path: Path) -> None:
    async def twice(at: Place) -> None:
        first, second = await at.knock(), await at.knock()
        assert how(first)[:2] == (State.HEALTHY, "the password")
        assert how(second) == (State.HEALTHY, "a kept session", 0)
        assert [done.phase for done in first.facts.phases][:2] == [Phase.SIGNING_IN, Phase.RESOLVING]
        assert at.warnings == []

    visit(tmp_path, twice)


def test_a_rejected_token_is_renewed_by_its_cookies_and_never_used_again(tmp_path: Path) -> None:
    async def rejected(at: Place) -> None:
        await at.knock()
        dead = at.token
        at.world.revoke(dead)
        again = await at.knock()
        assert how(again) == (State.HEALTHY, "a renewed token", 1)
        assert at.token != dead
        assert how(await at.knock()) == (State.HEALTHY, "a kept session", 0)

    visit(tmp_path, rejected)


def test_where_the_cookies_are_dead_too_the_password_is_asked_for(tmp_path: Path) -> None:
    async def expired(at: Place) -> None:
        await at.knock()
        at.world.revoke(at.token)
        await at.simulator.board.switch_on("signin-expired")
        state, words, calls = how(await at.knock())
        assert (state, words) == (State.HEALTHY, "the password")
        assert calls > 2

    visit(tmp_path, expired)


def test_a_broker_that_hands_out_the_rejected_token_again_is_told_so(tmp_path: Path) -> None:
    async def stale(at: Place) -> None:
        await at.knock()
        await at.simulator.board.switch_on("signin-stale-token")
        at.world.revoke(at.token)
        first, second = await at.knock(), await at.knock()
        for result in (first, second):
            assert result.verdict.state is State.FAILED
        assert second.verdict.findings[0].code == "auth.reconnect-stale-token"
        heard = sum(record.session.traffic.messages_received for record in at.simulator.sessions.records())
        await at.knock()
        after = sum(record.session.traffic.messages_received for record in at.simulator.sessions.records())
        assert after == heard  # the dead token did not go out once more

    visit(tmp_path, stale)


def test_a_fresh_token_that_is_refused_is_not_tried_twice(tmp_path: Path) -> None:
    async def refused(at: Place) -> None:
        result = await at.knock()
        assert result.verdict.findings[0].code == "auth.session-expired"
        assert len(at.simulator.sessions.records()) == 1
        kept = at.keep.load("quotex", at.login.key)
        assert kept is not None
        assert (kept.has_token, len(kept.rejected)) == (False, 1)

    visit(tmp_path, refused, "auth-refused")


@pytest.mark.parametrize(("given", "code"), [(None, "auth.2fa-pin"), ("000000", "auth.2fa-pin")])
def test_a_pin_that_nobody_gives_or_a_wrong_one_is_the_verdict(
    tmp_path: Path, given: str | None, code: str
) -> None:
    async def without(at: Place) -> None:
        at.pin = None if given is None else Secret(given)
        result = await at.knock()
        (finding,) = result.verdict.findings
        assert (finding.code, result.verdict.not_checked) == (code, ("login", "prices"))
        assert len(at.asked) == 1
        assert at.simulator.sessions.records() == []  # no socket was opened

    visit(tmp_path, without, "signin-pin")


def test_the_right_pin_opens(tmp_path: Path) -> None:
    async def with_pin(at: Place) -> None:
        at.pin = at.known.pin
        assert (await at.knock()).verdict.state is State.HEALTHY

    visit(tmp_path, with_pin, "signin-pin")


PAGE_FAULTS = [
    ("signin-challenge", "http.cf-challenge"),
    ("signin-challenge:status=200", "http.cf-challenge"),
    ("signin-form-missing", "cfg.login-page-changed"),
    ("signin-region-blocked", "geo.blocked"),
    ("signin-refused", "auth.bad-credentials"),
    ("signin-settings-missing", "cfg.login-page-changed"),
]


def test_every_trouble_of_the_pages_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    async def look(number: int, fault: str) -> Knock:
        async with place(tmp_path / str(number), fault) as at:
            return await at.knock()

    async def look_at_all() -> list[Knock]:
        return await asyncio.gather(*(look(number, fault) for number, (fault, _) in enumerate(PAGE_FAULTS)))

    findings = [result.verdict.findings[0] for result in asyncio.run(look_at_all())]
    assert [finding.code for finding in findings] == [code for _, code in PAGE_FAULTS]
    assert len({finding.cause for finding in findings}) == len(PAGE_FAULTS)


def test_a_host_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    async def claimed(at: Place) -> None:
        result = await at.knock(replace(at.endpoint, sureness=Sureness.CLAIMED, named_by_user=False))
        assert result.entered is None
        assert "the credential was not sent" in result.verdict.findings[0].cause

    visit(tmp_path, claimed)


def test_a_session_kept_from_one_place_is_not_shown_to_another(tmp_path: Path) -> None:
    async def moved(at: Place) -> None:
        assert how(await at.knock())[1] == "the password"

    visit(tmp_path, moved)
    visit(tmp_path, moved)  # on another port, so from another origin


def test_what_was_typed_and_won_is_in_nothing_that_a_knock_tells(tmp_path: Path) -> None:
    async def told(at: Place) -> None:
        at.pin = at.known.pin
        result = await at.knock()
        shown = repr(result)
        assert [
            secret
            for secret in (at.known.email, at.known.password, at.known.pin, at.token)
            if secret and secret.reveal() in shown
        ] == []

    visit(tmp_path, told, "signin-pin")
