"""Rules about live sessions, where no staged failure comes by."""

from dataclasses import replace
from functools import partial

import pytest

from probe.diagnose.case import Case, Host, Look, Looks
from probe.diagnose.facts import Facts
from probe.diagnose.rules import ends, pings, session
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import (
    WEBSOCKET,
    Ended,
    HeartbeatAnswered,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    TcpFacts,
    Told,
    Traffic,
)
from probe.model.failures import CloseFacts, Failure, Seen
from probe.model.findings import Certainty, State
from probe.model.intents import AskHistory, Watch
from probe.model.meanings import Admitted, Asset, Assets, Joined, Welcome

BOOK = session.book | pings.book | ends.book
SYMBOL = "EURUSD_otc"
ENDPOINT = Endpoint(
    broker="sim", region="near", url="wss://sim.test/", account=Account.DEMO, named_by_user=True
)
QUIET_KERNEL = TcpFacts(
    rtt_seconds=0.01, rtt_variation_seconds=0.0, retransmits=0, heard_seconds=9.0, acknowledged_seconds=9.0
)
LISTED = Asset(
    id=1, symbol=SYMBOL, label="", kind="currency", digits=5, payout_percent=80, is_otc=True, is_open=True
)


def look_at(
    *events: object,
    seconds: float = 30.0,
    failure: Failure | None = None,
    messages: int = 100,
    kernel: TcpFacts | None = None,
    market_open: bool | None = True,
) -> Look:
    facts = Facts(kernel=kernel)
    login = (
        PhaseFinished(at=0.0, phase=Phase.AUTHENTICATING, began_at=-1.0),
        Told(at=0.0, meaning=Admitted()),
    )
    traffic = Traffic(messages_received=messages)
    end = Ended(at=seconds, phase=Phase.LIVE, failure=failure, traffic=traffic)
    for event in (*login, *events, end):
        facts.add(event)  # type: ignore[arg-type]
    asked = Asked(login=True, symbol=SYMBOL, market_open=market_open)
    return Look(endpoint=ENDPOINT, facts=facts, asked=asked)


def ticks(until: float, every: float = 0.5) -> list[QuoteArrived]:
    count = int(until / every)
    return [QuoteArrived(number * every, SYMBOL, number * every, 1.0 + number) for number in range(count)]


def named(look: Look, **known: object) -> set[str]:
    case = Case(looks=Looks(first=look), **known)  # type: ignore[arg-type]
    return {code for code, rule in BOOK.items() if rule(case) is not None}


PING = HeartbeatSent(at=15.0, name=WEBSOCKET, due_at=15.0)
PONG = HeartbeatAnswered(at=15.1, name=WEBSOCKET, due_at=15.0, sent_at=15.0)


def test_prices_that_flow_are_no_stall() -> None:
    assert named(look_at(*ticks(30.0), PING, PONG)) == set()


def test_prices_that_stop_are_one_if_pings_are_answered() -> None:
    assert named(look_at(*ticks(12.0), PING, PONG)) == {"session.silent-stall"}


def test_prices_that_stopped_a_moment_ago_are_none_yet() -> None:
    assert named(look_at(*ticks(27.0), PING, PONG)) == set()


def test_a_closed_market_never_stalls() -> None:
    listed = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(is_open=False),)))
    assert named(look_at(listed, *ticks(12.0), PING, PONG)) == set()
    assert named(look_at(*ticks(12.0), PING, PONG, market_open=False)) == set()


def test_a_request_that_is_lost_with_the_prices_makes_it_a_mere_heartbeat() -> None:
    history = AskHistory(symbol=SYMBOL, period=60, until=0.0, span=300.0, index=1)
    lost = RequestExpired(at=26.0, request=1, intent=history, sent_at=16.0)
    assert named(look_at(*ticks(12.0), PING, PONG, lost)) == {"session.heartbeat-without-data"}


def test_a_request_that_only_the_end_of_the_look_cut_off_is_not_lost() -> None:
    history = AskHistory(symbol=SYMBOL, period=60, until=0.0, span=300.0, index=1)
    cut_off = RequestExpired(at=30.0, request=1, intent=history, sent_at=29.0)
    assert named(look_at(*ticks(30.0), PING, PONG, cut_off)) == set()


@pytest.mark.parametrize(
    ("kernel", "proxy", "code"),
    [
        (QUIET_KERNEL, "", "session.peer-stopped-ponging"),
        (QUIET_KERNEL, "http://proxy.test:3128", "session.half-open"),  # it is the proxy that acknowledges
        (replace(QUIET_KERNEL, backoff=3), "", "session.half-open"),
        (None, "", "session.half-open"),
    ],
)
def test_whether_what_is_sent_is_acknowledged_tells_a_hung_server_from_a_dead_way(
    kernel: TcpFacts | None, proxy: str, code: str
) -> None:
    look = replace(look_at(*ticks(12.0), PING, kernel=kernel), proxy=proxy)
    assert named(look) == {code}


def test_a_flood_is_more_than_any_program_reads() -> None:
    assert named(look_at(*ticks(30.0), messages=30_000)) == {"session.slow-consumer"}


CODES = [
    (1000, "session.closed-normal", "session.closed-normal"),
    (1011, "session.closed-other", "session.closed-normal"),
    (1009, "session.closed-other", "session.message-too-big"),
    (1007, "session.closed-other", "session.protocol-error"),
    (4001, "session.app-close", "session.app-close-4xxx"),
]


@pytest.mark.parametrize(("number", "kind", "code"), CODES, ids=[str(number) for number, _, _ in CODES])
def test_each_close_code_has_one_name(number: int, kind: str, code: str) -> None:
    failure = Failure(kind=kind, close=CloseFacts(received_code=number, received_first=True))
    assert named(look_at(*ticks(30.0), failure=failure), host=Host()) == {code}


def test_a_1011_after_our_own_hiccup_is_our_fault() -> None:
    failure = Failure(kind="session.closed-other", close=CloseFacts(received_code=1011, received_first=True))
    assert named(look_at(*ticks(30.0), failure=failure), host=Host(loop_lag_seconds=4.0)) == {
        "session.we-stopped-ponging"
    }


@pytest.mark.parametrize("error", ["EPIPE", "ECONNRESET"])
def test_a_reset_and_a_write_that_came_too_late_are_two_things(error: str) -> None:
    failure = Failure(kind="session.tcp-reset", seen=Seen(error=error))
    code = "session.used-after-close" if error == "EPIPE" else "session.tcp-reset"
    assert named(look_at(*ticks(30.0), failure=failure)) == {code}


def test_a_reset_after_a_long_silence_may_be_an_idle_timeout() -> None:
    reset = partial(look_at, failure=Failure(kind="session.tcp-reset", seen=Seen(error="ECONNRESET")))
    rule = BOOK["session.tcp-reset"]
    amid, after = (rule(Case(looks=Looks(first=reset(*ticks(until))))) for until in (30.0, 10.0))
    assert amid is not None
    assert after is not None
    assert set(amid.excluded) - set(after.excluded) == {"session.idle-timeout"}


def test_mute_from_the_start_without_any_answer_is_for_those_who_judge_logins() -> None:
    assert named(look_at(PING, PONG)) == set()


def test_what_was_never_asked_is_not_missed() -> None:
    look = look_at(PING, PONG)
    assert named(replace(look, asked=replace(look.asked, symbol=None))) == set()


def test_a_stall_keeps_a_trader_from_trading_and_a_lost_pong_does_not() -> None:
    stall = BOOK["session.silent-stall"](Case(looks=Looks(first=look_at(*ticks(12.0), PING, PONG))))
    ponging = BOOK["session.peer-stopped-ponging"](Case(looks=Looks(first=look_at(*ticks(30.0), PING))))
    assert stall is not None
    assert ponging is not None
    assert (stall.state, ponging.state) == (State.FAILED, State.DEGRADED)


def test_a_pong_that_took_long_before_may_take_as_long_again() -> None:
    again = replace(PING, at=26.0, due_at=26.0)
    assert named(look_at(PING, replace(PONG, at=19.4), again, *ticks(30.0))) == set()
    assert named(look_at(PING, PONG, again, *ticks(30.0))) == {"session.peer-stopped-ponging"}


def test_prices_that_are_late_as_well_leave_open_whether_a_pong_is_only_late() -> None:
    def ponging(lag: float) -> tuple[str, ...]:
        rows = [each._replace(broker_time=each.at - lag * (each.at > PING.at)) for each in ticks(30.0)]
        sign = BOOK["session.peer-stopped-ponging"](Case(looks=Looks(first=look_at(*rows, PING))))
        assert sign is not None
        return tuple(sign.excluded)

    assert "net.slow" in ponging(0.2)
    assert "net.slow" not in ponging(4.0)


def test_a_server_that_does_not_read_hangs_at_whatever_stage() -> None:
    look = look_at(failure=Failure(kind="session.peer-not-reading"))
    look.facts.admitted = None
    assert named(look) == {"session.peer-stopped-ponging"}


OTHER = "GBPUSD_otc"


def beside(rows: list[QuoteArrived], until: float = 60.0) -> Look:
    """A symbol and its prices, beside another whose prices never rest."""
    others = [each._replace(symbol=OTHER) for each in ticks(until)]
    listed = Told(at=0.1, meaning=Assets(rows=(LISTED,)))
    asked = RequestAnswered(at=0.3, request=1, intent=Watch(symbol=OTHER), answer=Joined(), sent_at=0.2)
    look = look_at(
        listed, asked, PING, PONG, *sorted([*rows, *others], key=lambda each: each.at), seconds=until
    )
    return replace(look, control_symbol=OTHER)


@pytest.mark.parametrize(
    ("rows", "weight"),
    [
        (ticks(30.0), (Certainty.CERTAIN, State.FAILED)),
        (ticks(45.0, every=15.0), (Certainty.POSSIBLE, State.UNKNOWN)),  # it trades now and then
        (ticks(15.0, every=15.0), (Certainty.POSSIBLE, State.UNKNOWN)),  # what it last was, and no more
        ([], (Certainty.POSSIBLE, State.UNKNOWN)),
    ],
)
def test_the_silence_of_a_symbol_that_seldom_trades_alarms_nobody(
    rows: list[QuoteArrived], weight: tuple[Certainty, State]
) -> None:
    look = beside(rows, until=90.0)
    case = Case(looks=Looks(first=look))
    found = [sign for rule in BOOK.values() if (sign := rule(case)) is not None]
    assert [(each.at_most, each.state) for each in found] == [weight]


def test_a_last_known_price_told_to_whoever_subscribes_moves_nothing() -> None:
    rows = ticks(30.0)
    kept, fresh = rows[-3:], [each._replace(broker_time=each.broker_time + 60.0) for each in ticks(3.0)]
    rule = BOOK["session.one-symbol-stall"]
    excluded = []
    for later in (kept, fresh):
        sign = rule(Case(looks=Looks(first=beside(rows), fresh=look_at(*later, seconds=3.0))))
        assert sign is not None
        excluded.append("data.market-closed" in sign.excluded)
    assert excluded == [False, True]


@pytest.mark.parametrize(("interval", "excluded"), [(25.0, True), (5.0, False)])
def test_a_close_when_the_heartbeat_was_due_may_be_of_another_version(
    *, interval: float, excluded: bool
) -> None:
    failure = Failure(kind="session.closed-normal", close=CloseFacts(received_code=1000, received_first=True))
    terms = Told(at=0.0, meaning=Welcome(sid="1", ping_interval=interval, ping_timeout=5.0))
    sign = BOOK["session.closed-normal"](
        Case(looks=Looks(first=look_at(terms, *ticks(9.0), seconds=9.5, failure=failure)))
    )
    assert sign is not None
    assert ("eio.version" in sign.excluded) is excluded


def test_prices_that_grow_old_where_nothing_waits_to_be_read_may_be_late_at_the_brokers() -> None:
    late = [each._replace(broker_time=each.broker_time * 0.8) for each in ticks(30.0)]
    rule = BOOK["session.slow-consumer"]
    signs = [
        rule(Case(looks=Looks(first=look_at(*late, kernel=replace(QUIET_KERNEL, unread_bytes=waiting)))))
        for waiting in (0, 9000)
    ]
    assert [each and each.at_most for each in signs] == [Certainty.POSSIBLE, Certainty.CERTAIN]
