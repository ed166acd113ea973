import pytest

from probe.measure.clocks import ClockOffset
from probe.measure.vitals import (
    CLOCK_TICKS,
    FLOOD_RATE,
    FROZEN_SECONDS,
    FROZEN_TICKS,
    STRANGE_SECONDS,
    SURPRISES,
    TURN_SECONDS,
    Vitals,
)
from probe.model.endpoint import Account
from probe.model.events import HeartbeatAnswered, Phase, RequestAnswered, RequestExpired, Surprise
from probe.model.intents import AskHistory, Watch
from probe.model.meanings import Candle, History
from tests.measure.watched import ASKED, SYMBOL, ZERO_UTC, demo_balance


def vitals() -> Vitals:
    return Vitals(0.0, ZERO_UTC)


def tick(it: Vitals, at: float, *, ahead: float = 0.0, price: float = 1.0) -> None:
    it.tick(at, SYMBOL, ZERO_UTC + at + ahead, price)


def skew(it: Vitals) -> ClockOffset | None:
    return it.skew


def tail(it: Vitals) -> float | None:
    return it.history_tail_age


def flooded_since(it: Vitals) -> float | None:
    return it.flooded_since


def page(it: Vitals, at: float, newest: float) -> None:
    candle = Candle(newest, 1.0, 1.0, 1.0, 1.0)
    asked = AskHistory(symbol=SYMBOL, period=60, until=ZERO_UTC + at, span=300, index=1)
    history = History(symbol=SYMBOL, period=60, index=1, candles=(candle,))
    it.answered(RequestAnswered(at=at, request=1, intent=asked, answer=history, sent_at=at))


def test_a_price_that_moves_is_no_duplicate_and_one_that_comes_twice_is() -> None:
    it = vitals()
    it.tick(1.0, SYMBOL, 10.0, 1.0)
    it.tick(1.1, SYMBOL, 10.0, 2.0)
    it.tick(1.2, SYMBOL, 11.0, 2.0)
    assert it.lately("duplicates") == 0
    it.tick(1.3, SYMBOL, 11.0, 2.0)
    assert (it.lately("duplicates"), it.lately("ticks")) == (1, 4)


def test_a_tick_is_late_against_the_one_before_it_so_a_clock_set_back_is_wrong_once() -> None:
    it = vitals()
    for at, ahead in ((1.0, 3600.0), (2.0, 3600.0), (3.0, 0.0), (4.0, 0.0), (5.0, 0.0)):
        tick(it, at, ahead=ahead, price=at)
    assert it.lately("late_ticks") == 1


def test_counts_cover_this_turn_and_the_one_before() -> None:
    it = vitals()
    tick(it, 1.0)
    it.turn(TURN_SECONDS, 5)
    tick(it, TURN_SECONDS + 1.0)
    assert (it.lately("ticks"), it.lately("messages")) == (2, 5)
    it.turn(2 * TURN_SECONDS, 0)
    assert (it.lately("ticks"), it.lately("messages")) == (1, 0)


def test_the_clock_is_estimated_once_a_turn_with_its_zone_taken_off() -> None:
    it = vitals()
    for at in range(CLOCK_TICKS):
        tick(it, float(at), ahead=7200.0 + 3.0)
    assert skew(it) is None
    it.turn(TURN_SECONDS, 0)
    assert it.skew is not None
    assert it.skew.zone_seconds == 7200.0
    assert it.skew.skew_seconds == pytest.approx(3.0)


def test_a_jump_by_an_hour_is_a_wrong_clock_and_no_new_zone() -> None:
    it = vitals()
    for turn, ahead in enumerate((7200.0, 10_800.0, 7200.0)):
        for at in range(5):
            tick(it, turn * TURN_SECONDS + at, ahead=ahead)
        it.turn((turn + 1) * TURN_SECONDS, 0)
        assert it.skew is not None
        assert it.skew.skew_seconds == pytest.approx(ahead - 7200.0)


def test_a_step_of_our_own_clock_is_no_skew_of_the_brokers() -> None:
    it = vitals()
    tick(it, 1.0)
    it.clock_stepped(ZERO_UTC + 100.0)
    it.tick(2.0, SYMBOL, ZERO_UTC + 102.0, 1.0)
    it.turn(TURN_SECONDS, 0)
    assert it.skew is not None
    assert it.skew.skew_seconds == pytest.approx(0.0)


def test_a_price_is_frozen_after_enough_ticks_and_enough_seconds_and_not_before() -> None:
    it = vitals()
    for at in range(FROZEN_TICKS + 1):
        tick(it, float(at))
    assert it.frozen(FROZEN_SECONDS - 0.5) is None
    assert it.frozen(FROZEN_SECONDS) == (SYMBOL, FROZEN_SECONDS)
    tick(it, 61.0, price=1.1)
    assert it.frozen(200.0) is None


def test_few_ticks_of_one_price_are_not_frozen_however_long() -> None:
    it = vitals()
    for at in range(FROZEN_TICKS):
        tick(it, at * 10.0)
    assert it.frozen(1000.0) is None


def test_a_page_lacks_what_ticked_and_only_two_in_a_row_count() -> None:
    it = vitals()
    for at in range(0, 500, 10):
        tick(it, float(at))
    page(it, 490.0, ZERO_UTC + 90.0)
    assert tail(it) is None
    page(it, 490.0, ZERO_UTC + 290.0)
    assert tail(it) == 200.0
    page(it, 490.0, ZERO_UTC + 490.0)
    assert tail(it) == 0.0


def test_the_history_of_a_market_that_does_not_tick_is_not_old() -> None:
    it = vitals()
    page(it, 5000.0, ZERO_UTC)
    page(it, 5060.0, ZERO_UTC)
    assert tail(it) is None
    tick(it, 0.0)
    page(it, 5120.0, ZERO_UTC)
    page(it, 5180.0, ZERO_UTC)
    assert tail(it) == 0.0


def test_an_answer_ends_an_expired_request_and_a_subscriptions_does_not() -> None:
    it = vitals()
    it.expired(RequestExpired(at=5.0, request=1, intent=ASKED, sent_at=0.0))
    assert (it.request_expired_at, it.request_expired) == (5.0, "AskHistory")
    history = History(symbol=SYMBOL, period=60, index=None)
    it.answered(RequestAnswered(at=6.0, request=2, intent=Watch(symbol=SYMBOL), answer=history, sent_at=6.0))
    assert (it.request_expired_at, it.answered_at) == (5.0, 6.0)
    it.answered(RequestAnswered(at=7.0, request=3, intent=ASKED, answer=history, sent_at=6.0))
    assert (it.request_expired_at, it.answered_at) == (None, 7.0)


def test_the_last_three_websocket_round_trips_are_kept_and_no_others() -> None:
    it = vitals()
    for rtt in (1.0, 2.0, 3.0, 4.0):
        beat = HeartbeatAnswered(at=10.0 + rtt, name="x", due_at=10.0, sent_at=10.0)
        it.beat_answered(beat, is_ping=True)
    it.beat_answered(HeartbeatAnswered(at=19.0, name="x", due_at=10.0, sent_at=10.0), is_ping=False)
    assert it.round_trips == [2.0, 3.0, 4.0]


def test_messages_that_are_not_understood_are_strange_while_they_come() -> None:
    it = vitals()
    for at in range(SURPRISES):
        assert not it.is_strange(float(at))
        it.surprised(Surprise(at=float(at), phase=Phase.LIVE, problem="new", preview=""))
    last = SURPRISES - 1
    assert (it.is_strange(last + STRANGE_SECONDS), it.is_strange(last + STRANGE_SECONDS + 0.1)) == (
        True,
        False,
    )


def test_a_flood_begins_above_its_rate_and_ends_at_it() -> None:
    it = vitals()
    it.turn(0.5, round(FLOOD_RATE / 2))
    assert flooded_since(it) is None
    it.turn(1.0, round(FLOOD_RATE / 2) + 1)
    it.turn(1.5, 10_000)
    assert flooded_since(it) == 0.5
    it.turn(2.0, 10)
    assert flooded_since(it) is None


@pytest.mark.parametrize(
    ("account", "is_demo", "said"),
    [
        (Account.DEMO, True, None),
        (Account.DEMO, False, "live"),
        (Account.LIVE, True, "demo"),
        (Account.LIVE, False, None),
        (Account.NONE, False, None),
        (Account.DEMO, None, None),
    ],
)
def test_the_servers_word_contradicts_the_credentials_or_not(
    account: Account, *, is_demo: bool | None, said: str | None
) -> None:
    it = vitals()
    assert it.contradicts(account) is None
    it.balance = demo_balance(is_demo=is_demo)
    assert it.contradicts(account) == said
