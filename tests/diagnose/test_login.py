"""Which of the refusals a refused login is taken for, and what is ruled out of it, where no staged failure comes by."""

from dataclasses import replace

import pytest

from probe.catalogue import entries
from probe.diagnose.case import Case, Held, Look, Looks, Neighbour, Past, Pasted, Source, Try
from probe.diagnose.facts import Facts
from probe.diagnose.rules import RULES
from probe.diagnose.verdict import Asked
from probe.model.credentials import Bound
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Dialled, Ended, Phase, PhaseFinished, TcpFacts, Traffic
from probe.model.failures import Blame, Failure
from probe.model.findings import Certainty, State
from probe.model.meanings import Admitted, Effect, Trouble

NOW = 1_767_787_200.0
DAY = 86_400.0
REFUSALS = (
    "auth.session-expired",
    "auth.rejected-41",
    "auth.ip-bound",
    "auth.ua-bound",
    "auth.rejected-fleetwide",
    "auth.session-outlives-token",
    "auth.wrong-region",
    "auth.demo-real-mismatch",
    "cfg.ssid-stale-cache",
    "cfg.ssid-field-override",
)


def look(failure: Failure | None, *, ours: str = "", theirs: str = "198.51.100.9", at: float = 0.2) -> Look:
    facts = Facts()
    if ours:
        facts.add(
            Dialled(at=0.0, addresses=(theirs,), address=theirs, local_port=1, tls=None, local_address=ours)
        )
    facts.add(PhaseFinished(at=0.1, phase=Phase.JOINING, began_at=0.0))
    if failure is None:
        facts.add(PhaseFinished(at=0.2, phase=Phase.AUTHENTICATING, began_at=0.1))
        facts.admitted = Admitted()
    facts.add(Ended(at=at, phase=Phase.AUTHENTICATING, failure=failure, traffic=Traffic()))
    endpoint = Endpoint(broker="one", region="eu", url="wss://eu.test/", account=Account.DEMO)
    asked = Asked(login=True, symbol="A", account=Account.DEMO)
    return Look(endpoint=endpoint, facts=facts, asked=asked, began_utc=NOW)


def refused(
    kind: str = "auth.refused", *, pasted: Pasted | None = None, ours: str = "", **of_look: str
) -> Case:
    return Case(looks=Looks(first=look(Failure(kind=kind), ours=ours, **of_look)), pasted=pasted)  # type: ignore[arg-type]


def bound(address: str, unused_days: float) -> Pasted:
    return Pasted(bound=Bound(address=address, last_used_utc=NOW - unused_days * DAY))


def of_a_browser(address: str, unused_days: float) -> Pasted:
    last = NOW - unused_days * DAY
    return Pasted(bound=Bound(address=address, last_used_utc=last, has_unsendable_agent=True))


def refused_of_late(ago: float = 60.0, proxy: str = "") -> tuple[Try, ...]:
    """Let in, and then refused twice."""
    refusals = (
        Try(ago_seconds=ago - each, code="auth.session-expired", kind="auth.refused", proxy=proxy)
        for each in (0.0, 30.0)
    )
    return (Try(ago_seconds=ago + 300.0, proxy=proxy), *refusals)


def beside(*others: tuple[Try, ...]) -> Case:
    past = Past(
        seconds=DAY,
        tries=refused_of_late(),
        neighbours=tuple(Neighbour(name=str(place), tries=each) for place, each in enumerate(others)),
    )
    return replace(refused(), past=past)


def running(written: float | None = None, region: str = "eu") -> Case:
    """A monitor's session of an hour, and a credential that was written so long ago."""
    used = Source(name="the file", fingerprint="aaaaaa", age_seconds=written, used=True)
    held = Held(region=region, seconds=3600.0, heard_seconds=0.5)
    return replace(refused(pasted=Pasted(sources=(used,))), past=Past(seconds=DAY, held=held))


def named(case: Case) -> list[str]:
    return [code for code in REFUSALS if RULES[code](case) is not None]


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (refused(), "auth.session-expired"),
        (refused("auth.rejected-41"), "auth.rejected-41"),
        (refused("auth.closed"), "auth.demo-real-mismatch"),
        # a public address of our own
        (refused(pasted=bound("1.2.3.4", 1), ours="8.8.8.8"), "auth.ip-bound"),
        (refused(pasted=bound("8.8.8.8", 1), ours="8.8.8.8"), "auth.session-expired"),
        (refused("auth.closed", pasted=bound("1.2.3.4", 1), ours="8.8.8.8"), "auth.ip-bound"),
        # behind a router nobody knows under which address we are seen
        (refused(pasted=bound("1.2.3.4", 1), ours="192.168.1.2"), "auth.session-expired"),
        (refused(pasted=bound("1.2.3.4", 1), ours="127.0.0.1", theirs="127.0.0.1"), "auth.ip-bound"),
        # two families cannot be compared
        (refused(pasted=bound("1.2.3.4", 1), ours="2001:4860:4860::8888"), "auth.session-expired"),
        # what nobody used for so long has expired, wherever it was made
        (refused(pasted=bound("1.2.3.4", 40), ours="8.8.8.8"), "auth.session-expired"),
        (refused("auth.closed", pasted=bound("1.2.3.4", 40)), "auth.session-expired"),
        (refused("auth.rejected-41", pasted=bound("1.2.3.4", 40)), "auth.rejected-41"),
        (refused("auth.closed", pasted=bound("1.2.3.4", 1)), "auth.demo-real-mismatch"),
        # a clock that is wrong says nothing
        (refused(pasted=bound("1.2.3.4", -40), ours="8.8.8.8"), "auth.ip-bound"),
        # a browser whose name cannot be sent
        (refused(pasted=of_a_browser("8.8.8.8", 0.5), ours="8.8.8.8"), "auth.ua-bound"),
        (refused(pasted=of_a_browser("1.2.3.4", 0.5), ours="8.8.8.8"), "auth.ip-bound"),
        (refused("auth.closed", pasted=of_a_browser("8.8.8.8", 40), ours="8.8.8.8"), "auth.session-expired"),
        # others beside it
        (beside(refused_of_late()), "auth.rejected-fleetwide"),
        (beside(refused_of_late(ago=7200.0)), "auth.session-expired"),
        (beside(refused_of_late()[1:]), "auth.session-expired"),
        (beside((Try(ago_seconds=900.0),)), "auth.session-expired"),
        (running(), "auth.session-outlives-token"),
    ],
)
def test_a_refusal_is_taken_for_one_failure_only(case: Case, code: str) -> None:
    assert named(case) == [code]


def test_another_address_does_not_rule_out_that_the_session_has_expired() -> None:
    sign = RULES["auth.ip-bound"](refused(pasted=bound("1.2.3.4", 1), ours="8.8.8.8"))
    assert sign is not None
    assert "auth.session-expired" not in sign.excluded


def test_what_is_odd_in_the_credential_is_told_with_its_refusal() -> None:
    pasted = Pasted(repairs=("it is odd",), bound=Bound(last_used_utc=NOW + DAY))
    sign = RULES["auth.session-expired"](refused(pasted=pasted))
    assert sign is not None
    assert sign.evidence == ("the server answered 100 ms after the login", "it is odd")


def test_a_refusal_that_the_server_names_itself_is_left_to_it() -> None:
    case = Case(looks=Looks(first=look(Failure(kind="auth.refused", slug="mt5.auth-failed"))))
    assert named(case) == []


def test_only_what_was_observed_rules_a_cause_of_the_refusal_out() -> None:
    token = Source(name="an argument", fingerprint="aaaaaa", used=True)
    pasted = Pasted(bound=Bound(address="8.8.8.8"), sources=(token,))
    elsewhere = look(Failure(kind="auth.refused"))
    first = look(Failure(kind="auth.refused"), ours="8.8.8.8")
    known = Case(looks=Looks(first=first, elsewhere=elsewhere), pasted=pasted)
    signs = [RULES["auth.session-expired"](case) for case in (refused(), known)]
    assert [set(sign.excluded) if sign else None for sign in signs] == [
        set(),
        {"auth.ip-bound", "cfg.ssid-stale-cache", "auth.wrong-region"},
    ]


@pytest.mark.parametrize(("at", "at_most"), [(0.9, Certainty.CERTAIN), (5.0, Certainty.LIKELY)])
def test_a_41_is_a_refusal_for_certain_if_it_follows_the_login_at_once(at: float, at_most: Certainty) -> None:
    sign = RULES["auth.rejected-41"](Case(looks=Looks(first=look(Failure(kind="auth.rejected-41"), at=at))))
    assert sign is not None
    assert sign.at_most is at_most


@pytest.mark.parametrize(("unacknowledged", "excluded"), [(0, True), (3, False)])
def test_silence_is_the_servers_own_if_tcp_acknowledged_the_login(
    unacknowledged: int, excluded: bool
) -> None:
    first = look(Failure(kind="auth.silent-after-connect"), at=30.0)
    first.facts.kernel = TcpFacts(
        rtt_seconds=0.01, rtt_variation_seconds=0.0, retransmits=0, unacknowledged=unacknowledged
    )
    sign = RULES["auth.silent-after-connect"](Case(looks=Looks(first=first)))
    assert sign is not None
    assert ("session.half-open" in sign.excluded) is excluded
    assert sign.at_most is Certainty.POSSIBLE


@pytest.mark.parametrize("code", ["auth.bad-credentials", "auth.connection-cap", "auth.session-expired"])
def test_what_answers_say_of_the_login_is_passed_on(code: str) -> None:
    first = look(None)
    trouble = Trouble(
        code=code, sentence="it says so", advice="Do it.", effect=Effect.SHUTS_OUT, blame=Blame.CREDENTIAL
    )
    first.facts.troubles["login"] = (trouble,)
    sign = RULES[code](Case(looks=Looks(first=first)))
    assert sign is not None
    assert (sign.evidence, sign.state) == (("it says so",), State.FAILED)


def test_a_login_that_is_withdrawn_where_everything_is_asked_for_is_named_too() -> None:
    case = Case(looks=Looks(first=look(Failure(kind="auth.revoked"))))
    assert RULES["auth.logged-in-elsewhere"](case) is not None
    assert RULES["auth.false-success"](case) is None


@pytest.mark.parametrize(
    ("case", "at_most", "remains"),
    [
        (running(written=7200.0), Certainty.CERTAIN, set()),
        (running(written=60.0), Certainty.LIKELY, set()),
        (running(), Certainty.LIKELY, set()),
        (running(written=7200.0, region="us"), Certainty.CERTAIN, {"auth.wrong-region"}),
    ],
)
def test_that_a_session_outlives_its_token_is_certain_only_if_it_is_the_same_token(
    case: Case, at_most: Certainty, remains: set[str]
) -> None:
    code = "auth.session-outlives-token"
    sign = RULES[code](case)
    assert sign is not None
    assert (sign.at_most, entries()[code].look_alikes.keys() - sign.excluded.keys()) == (at_most, remains)


@pytest.mark.parametrize(
    ("proxy", "at_most"), [("", Certainty.POSSIBLE), ("http://proxy.test:3128", Certainty.LIKELY)]
)
def test_that_all_are_refused_is_likely_only_if_they_come_from_two_addresses(
    proxy: str, at_most: Certainty
) -> None:
    sign = RULES["auth.rejected-fleetwide"](beside(refused_of_late(proxy=proxy)))
    assert sign is not None
    assert (sign.at_most, "auth.ip-bound" in sign.excluded) == (at_most, bool(proxy))


@pytest.mark.parametrize(
    ("pasted", "ours", "at_most"),
    [
        (of_a_browser("8.8.8.8", 0.5), "8.8.8.8", Certainty.LIKELY),
        (of_a_browser("8.8.8.8", 5), "8.8.8.8", Certainty.POSSIBLE),
        (of_a_browser("8.8.8.8", 0.5), "192.168.1.2", Certainty.POSSIBLE),
    ],
)
def test_that_it_is_the_browser_is_likely_only_if_address_and_age_are_ruled_out(
    pasted: Pasted, ours: str, at_most: Certainty
) -> None:
    sign = RULES["auth.ua-bound"](refused(pasted=pasted, ours=ours))
    assert sign is not None
    assert sign.at_most is at_most
