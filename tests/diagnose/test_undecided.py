"""Facts that do not decide between two causes: both are named and neither is certain, each with the observation that would
decide; and once that is made, in either way, it is the one or the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from probe.brokers import find_broker
from probe.catalogue import entries
from probe.diagnose.case import (
    TLS_1_2,
    TLS_1_3,
    USUAL,
    Case,
    Clock,
    Control,
    End,
    Handshake,
    Host,
    Look,
    Looks,
    Past,
    Source,
    Try,
)
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.measure.clocks import ClockOffset
from probe.model.events import (
    FirstData,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    TcpFacts,
    TlsFacts,
    Told,
)
from probe.model.failures import Answer, CloseFacts, Failure
from probe.model.findings import Certainty
from probe.model.intents import AskHistory
from probe.model.meanings import Assets, Joined
from tests.diagnose import test_login as login
from tests.diagnose import test_names as of_names
from tests.diagnose import test_tls as of_tls
from tests.diagnose import test_ways as ways
from tests.diagnose.test_session import LISTED, PING, PONG, QUIET_KERNEL, SYMBOL, look_at, ticks
from tests.diagnose.test_upgrade import answered, looked

RULES = rules_for(find_broker("pocketoption"))
Observed = Callable[[Case], Case]


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """
    Args:
        one: What is said first as long as nothing decides.
        other: What it may be as well.
        for_one: The case with the observation that speaks for it.
    """

    one: str
    other: str
    case: Callable[[], Case]
    for_one: Observed
    for_other: Observed

    @property
    def id(self) -> str:
        return f"{self.one}-or-{self.other}"


def known(**facts: object) -> Observed:
    return lambda case: replace(case, **facts)  # type: ignore[arg-type]


def case_of(look: Look, **known: object) -> Case:
    return Case(looks=Looks(first=look), **known)  # type: ignore[arg-type]


def looks(**others: object) -> Observed:
    """More connections of the same run."""
    return lambda case: replace(case, looks=replace(case.looks, **others))  # type: ignore[type-var]


# -- what may be observed ----------------------------------------------------------------------------------------------

HISTORY = AskHistory(symbol=SYMBOL, period=60, until=0.0, span=300.0, index=1)
FIRST = FirstData(at=0.0, asked_at=0.0)
ANSWERED = RequestAnswered(at=16.2, request=1, intent=HISTORY, answer=Joined(), sent_at=16.0)
UNANSWERED = RequestExpired(at=26.0, request=1, intent=HISTORY, sent_at=16.0)
LIST = Told(at=0.1, meaning=Assets(rows=(LISTED,)))
SHUT = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(is_open=False),)))
OTHER_LIST = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(symbol="GBPUSD_otc"),)))
GREETED = RequestAnswered(at=0.3, request=2, intent=HISTORY, answer=Joined(), sent_at=0.2)


def stalled(*more: object) -> Look:
    return look_at(*ticks(12.0), FIRST, PING, PONG, *more)


def frozen(*more: object) -> Look:
    rows = [each._replace(price=1.0) for each in ticks(40.0)]
    return look_at(LIST, *rows, *more, seconds=40.0)


def later(count: int) -> Look:
    """A second connection, that gets so many new prices."""
    rows = [QuoteArrived(50.0 + each, SYMBOL, 50.0 + each, 2.0 + each) for each in range(count)]
    return look_at(*rows, seconds=60.0)


def skewed() -> Look:
    off = ClockOffset(zone_seconds=0.0, skew_seconds=30.0, uncertainty_seconds=0.1, samples=60)
    return replace(
        look_at(*(each._replace(broker_time=each.broker_time + 30.0) for each in ticks(30.0))), clock=off
    )


def clocks(ours_is_off_by: float, *sources: str) -> tuple[Clock, ...]:
    return tuple(
        Clock(source=each, offset_seconds=ours_is_off_by, uncertainty_seconds=0.6)
        for each in sources or ("one.test", "two.test")
    )


def mute(kernel: TcpFacts | None = None) -> Look:
    return look_at(LIST, *ticks(12.0), PING, kernel=kernel)


DEAD_WAY = TcpFacts(
    rtt_seconds=0.05,
    rtt_variation_seconds=0.01,
    retransmits=6,
    unacknowledged=2,
    backoff=5,
    heard_seconds=18.0,
    acknowledged_seconds=18.0,
)


def elsewhere(failure: Failure | None) -> Look:
    other = login.look(failure)
    return replace(other, endpoint=replace(other.endpoint, region="us", url="wss://us.test/"))


def sources(*others: Source) -> Observed:
    used = Source(name="PO_SSID", fingerprint="aaaa", age_seconds=9 * 86_400.0, used=True)

    def observe(case: Case) -> Case:
        pasted = case.pasted or login.bound("", 1.0)
        return replace(case, pasted=replace(pasted, sources=(used, *others)))

    return observe


def page(status: int = 200, **headers: str) -> Case:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return answered(
        Answer(status=status, headers=(("content-type", "text/html"), *named), body="<html></html>")
    )


def tries(count: int, every: float) -> Past:
    return Past(seconds=7200.0, tries=tuple(Try(ago_seconds=1.0 + each * every) for each in range(count)))


def ended(*idle_and_lived: tuple[float, float]) -> Past:
    rows = [
        End(
            ago_seconds=900.0 - place,
            lived_seconds=lived,
            code="session.closed-1006",
            heard_seconds=idle,
            said_seconds=idle,
        )
        for place, (idle, lived) in enumerate(idle_and_lived)
    ]
    return Past(seconds=3600.0, ends=tuple(rows))


def jumped(slept: float | None) -> Case:
    return Case(host=Host(clock_jump_seconds=3600.0, slept_seconds=slept))


def shaken(*others: Handshake) -> Observed:
    return lambda case: replace(case, handshakes=(*case.handshakes, *others))


def of_certificate(tls: TlsFacts) -> Handshake:
    return of_tls.made(USUAL, tls=tls)


CONTROL = Control(host="control.test", port=443, way=ways.way("192.0.2.80"))


def a_control(**facts: object) -> Observed:
    return known(controls=(replace(CONTROL, **facts),))  # type: ignore[arg-type]


UNDECIDED = (
    Undecided(
        one="session.silent-stall",
        other="data.market-closed",
        case=lambda: case_of(stalled(ANSWERED)),
        for_one=looks(fresh=later(5)),
        for_other=lambda case: case_of(stalled(ANSWERED, SHUT)),
    ),
    Undecided(
        one="session.silent-stall",
        other="session.heartbeat-without-data",
        case=lambda: case_of(stalled()),
        for_one=lambda case: case_of(stalled(ANSWERED)),
        for_other=lambda case: case_of(stalled(UNANSWERED)),
    ),
    Undecided(
        one="data.stale-ticks",
        other="data.market-closed",
        case=lambda: case_of(frozen()),
        for_one=looks(fresh=later(5)),
        for_other=lambda case: case_of(frozen(SHUT)),
    ),
    Undecided(
        one="data.clock-offset",
        other="host.clock-wrong",
        case=lambda: case_of(skewed()),
        for_one=known(clocks=clocks(0.0)),
        for_other=known(clocks=clocks(-30.0)),
    ),
    Undecided(
        one="session.half-open",
        other="session.peer-stopped-ponging",
        case=lambda: case_of(mute()),
        for_one=lambda case: case_of(mute(DEAD_WAY)),
        for_other=lambda case: case_of(mute(replace(QUIET_KERNEL, unacknowledged=0, unread_bytes=0))),
    ),
    Undecided(
        one="session.subscription-not-armed",
        other="data.unknown-asset",
        case=lambda: case_of(look_at(GREETED)),
        for_one=lambda case: case_of(look_at(GREETED, LIST)),
        for_other=lambda case: case_of(look_at(GREETED, OTHER_LIST)),
    ),
    Undecided(
        one="session.closed-1006",
        other="session.idle-timeout",
        case=lambda: case_of(look_at(*ticks(12.0), failure=Failure(kind="session.closed-1006"))),
        for_one=known(past=ended((2.0, 400.0), (70.0, 90.0), (31.0, 800.0))),
        for_other=known(past=ended((60.0, 400.0), (60.0, 90.0), (60.0, 800.0))),
    ),
    Undecided(
        one="session.closed-normal",
        other="auth.logged-in-elsewhere",
        case=lambda: case_of(closed(1000)),
        for_one=lambda case: case_of(closed(1012)),
        for_other=lambda case: case_of(closed(1000, "logged in elsewhere")),
    ),
    Undecided(
        one="auth.session-expired",
        other="auth.ip-bound",
        case=lambda: login.refused(pasted=login.bound("8.8.4.4", 1), ours="192.168.1.2"),
        for_one=lambda case: login.refused(pasted=login.bound("8.8.4.4", 1), ours="8.8.4.4"),
        for_other=lambda case: login.refused(pasted=login.bound("8.8.4.4", 1), ours="1.1.1.1"),
    ),
    Undecided(
        one="auth.session-expired",
        other="auth.wrong-region",
        case=login.refused,
        for_one=looks(elsewhere=elsewhere(Failure(kind="auth.refused"))),
        for_other=looks(elsewhere=elsewhere(None)),
    ),
    Undecided(
        one="auth.session-expired",
        other="cfg.ssid-stale-cache",
        case=login.refused,
        for_one=sources(),
        for_other=sources(Source(name="~/.po", fingerprint="bbbb", age_seconds=60.0)),
    ),
    Undecided(
        one="http.open-timeout",
        other="http.ban-disguised",
        case=lambda: looked(Failure(kind="http.open-timeout")),
        for_one=known(past=tries(2, 600.0)),
        for_other=known(past=tries(20, 1.0)),
    ),
    Undecided(
        one="http.200-not-101",
        other="tcp.captive-portal",
        case=page,
        for_one=a_control(status=204),
        for_other=a_control(status=302, redirects_to="http://login.hotel.example/"),
    ),
    Undecided(
        one="http.403-origin",
        other="auth.connection-cap",
        case=lambda: answered(Answer(status=403)),
        for_one=known(own_connections=0),
        for_other=known(own_connections=3),
    ),
    Undecided(
        one="dns.nxdomain",
        other="dns.blocked",
        case=lambda: Case(names=of_names.names(of_names.lookup(kind="dns.nxdomain"), of_names.asking("NXDOMAIN"))),
        for_one=lambda case: of_names.NXDOMAIN,
        for_other=lambda case: Case(
            names=of_names.names(
                of_names.lookup(kind="dns.nxdomain"),
                of_names.asking("NXDOMAIN"),
                of_names.asking("NOERROR", of_names.PUBLIC, is_systems=False),
            )
        ),
    ),
    Undecided(
        one="tcp.timeout",
        other="net.ipv6-blackhole",
        case=lambda: Case(ways=(ways.way("2001:db8::9", "tcp.timeout", 5.0),)),
        for_one=known(ways=(ways.way("2001:db8::9", "tcp.timeout", 5.0), ways.way("192.0.2.9", "tcp.timeout", 5.0))),
        for_other=known(ways=(ways.way("2001:db8::9", "tcp.timeout", 5.0), ways.way("192.0.2.9"))),
    ),
    Undecided(
        one="tls.server-cert-expired",
        other="tls.clock-skew",
        case=lambda: of_tls.shown("tls.server-cert-expired", of_tls.EXPIRED),
        for_one=known(clocks=clocks(0.0)),
        for_other=known(clocks=clocks(2.5 * of_tls.DAY)),
    ),
    Undecided(
        one="tls.eof-in-handshake",
        other="tls.version",
        case=lambda: of_tls.tried("tls.eof-in-handshake"),
        for_one=shaken(*(of_tls.made(how, "tls.eof-in-handshake") for how in (TLS_1_2, TLS_1_3))),
        for_other=shaken(
            of_tls.made(TLS_1_2, tls=of_tls.certificate()), of_tls.made(TLS_1_3, "tls.eof-in-handshake")
        ),
    ),
    Undecided(
        one="host.clock-stepped",
        other="host.suspend-resume",
        case=lambda: jumped(None),
        for_one=lambda case: jumped(0.0),
        for_other=lambda case: jumped(3600.0),
    ),
    Undecided(
        one="host.event-loop-blocked",
        other="host.cpu-starved",
        case=lambda: Case(host=Host(loop_lag_seconds=0.6, slept_seconds=0.0)),
        for_one=lambda case: Case(
            host=Host(loop_lag_seconds=0.6, slept_seconds=0.0, blocked_in="somebody, busy, line 7")
        ),
        for_other=lambda case: Case(host=Host(loop_lag_seconds=0.6, slept_seconds=0.0, cpu_waited=0.8)),
    ),
)  # fmt: skip


def closed(code: int, reason: str = "") -> Look:
    close = CloseFacts(received_code=code, received_reason=reason)
    return look_at(*ticks(30.0), failure=Failure(kind="session.closed-normal", close=close))


@pytest.fixture(params=UNDECIDED, ids=lambda row: row.id)
def row(request: pytest.FixtureRequest) -> Undecided:
    found: Undecided = request.param
    return found


def verdicts(case: Case) -> dict[str, Verdict]:
    return {each.code: each for each in diagnose(case, RULES).verdicts}


def test_as_long_as_nothing_decides_both_are_named_and_what_would_tell(row: Undecided) -> None:
    said = verdicts(row.case())
    assert next(iter(said)) == row.one
    assert said[row.one].certainty is not Certainty.CERTAIN
    assert said[row.one].remaining[row.other] == entries()[row.one].look_alikes[row.other]
    assert row.other not in said or said[row.other].certainty is not Certainty.CERTAIN


def test_what_speaks_for_the_one_leaves_nothing_of_the_other(row: Undecided) -> None:
    said = verdicts(row.for_one(row.case()))
    assert row.one in said
    assert row.other not in said
    assert row.other not in said[row.one].remaining


def test_what_speaks_for_the_other_makes_it_that(row: Undecided) -> None:
    said = verdicts(row.for_other(row.case()))
    assert row.other in said
    assert row.one not in said or row.other in said[row.one].remaining
