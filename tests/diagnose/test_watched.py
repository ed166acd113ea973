"""What whoever has watched for long knows better than one look, and what the rules make of it."""

from dataclasses import replace

import pytest

from probe.diagnose.case import Case, Look, Looks, Past
from probe.diagnose.rules import ends, engine, pings, session
from probe.measure.freshness import Overdue
from probe.model.events import (
    WEBSOCKET,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    QuoteArrived,
    Told,
)
from probe.model.failures import Blame, Failure
from probe.model.findings import State
from probe.model.meanings import Effect, Trouble, Troubles, Welcome
from tests.diagnose.test_session import SYMBOL, look_at, ticks

BOOK = session.book | pings.book | ends.book | engine.book
OTHER = "GBPUSD_otc"
LAST = QuoteArrived(12.0, SYMBOL, 12.0, 1.1)
PINGED = (
    HeartbeatSent(at=15.0, name=WEBSOCKET, due_at=15.0),
    HeartbeatAnswered(at=15.1, name=WEBSOCKET, due_at=15.0, sent_at=15.0),
)
LATE = Overdue(SYMBOL, 12.0, 5.0, False)


def named(look: Look, past: Past | None = None) -> set[str]:
    case = Case(looks=Looks(first=look), past=past)
    return {code for code, rule in BOOK.items() if rule(case) is not None}


def test_one_price_is_enough_where_it_is_known_how_seldom_they_come() -> None:
    look = look_at(LAST, *PINGED)
    assert named(replace(look, overdue=(LATE,))) == {"session.silent-stall"}
    assert named(replace(look, overdue=())) == set()


@pytest.mark.parametrize(("overdue", "state"), [((LATE,), State.FAILED), (None, State.UNKNOWN)])
def test_a_silence_that_is_known_to_be_unusual_is_no_quiet_hour(
    overdue: tuple[Overdue, ...] | None, state: State
) -> None:
    sign = BOOK["session.silent-stall"](
        Case(looks=Looks(first=replace(look_at(LAST, *PINGED), overdue=overdue)))
    )
    assert sign is not None
    assert sign.state is state


def test_of_symbols_that_were_asked_for_at_once_the_one_that_stopped_is_told_apart() -> None:
    beside = [each._replace(symbol=OTHER) for each in ticks(30.0)]
    look = replace(look_at(*beside[:24], LAST, *beside[24:], *PINGED), overdue=(LATE,), control_symbol=OTHER)
    assert named(look) == {"session.one-symbol-stall"}


@pytest.mark.parametrize(("rate", "codes"), [(900.0, {"session.slow-consumer"}), (5.0, set())])
def test_a_flood_of_late_is_one_however_calm_the_hours_before_were(rate: float, codes: set[str]) -> None:
    assert named(replace(look_at(*ticks(30.0)), messages_per_second=rate)) == codes


def test_prices_whose_clock_jumps_once_do_not_grow_old() -> None:
    jumped = [each._replace(broker_time=each.broker_time - 60.0 * (each.at > 15.0)) for each in ticks(30.0)]
    assert named(look_at(*jumped)) == set()


TERMS = Told(at=0.0, meaning=Welcome(sid="1", ping_interval=25.0, ping_timeout=5.0))
SILENT = Failure(kind="eio.ping-timeout")


@pytest.mark.parametrize(
    ("beats", "past", "code"),
    [
        ((), None, "eio.ping-direction"),
        ((), Past(seconds=3600.0), "eio.ping-direction"),
        ((), Past(seconds=3600.0, peer_beats=7), "eio.ping-timeout"),
        ((PeerBeat(at=5.0),), None, "eio.ping-timeout"),
    ],
)
def test_heartbeats_of_earlier_sessions_show_who_sends_them(
    beats: tuple[PeerBeat, ...], past: Past | None, code: str
) -> None:
    assert named(look_at(TERMS, *ticks(30.0), *beats, failure=SILENT), past) == {code}


def test_a_question_that_hangs_where_an_answer_says_why_is_no_pong_that_is_missing() -> None:
    trouble = Trouble(
        code="crypto.health-hangs",
        sentence="/health hangs",
        advice="Look at it.",
        effect=Effect.DEGRADES,
        blame=Blame.BROKER,
    )
    missed = HeartbeatMissed(at=20.0, name=WEBSOCKET, sent_at=10.0)
    told = Told(at=19.0, meaning=Troubles(about="health", rows=(trouble,)))
    assert named(look_at(*ticks(30.0), missed)) == {"session.peer-stopped-ponging"}
    assert named(look_at(*ticks(30.0), told, missed)) == set()
