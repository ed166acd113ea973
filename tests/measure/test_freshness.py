"""A closed market is not a dead feed, and a dead feed is found."""

import random
import sys
from collections.abc import Callable, Iterable
from itertools import count, islice, repeat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probe.measure import calendar
from probe.measure.freshness import (
    CLOSING,
    FEW_ASKED,
    FIRST,
    LEAST,
    LOOKS_EVERY,
    MOST,
    OPENING,
    POLLS,
    STANDING,
    Freshness,
    Overdue,
)

SYMBOL = "EURUSD"
HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
MONDAY = 1_781_481_600.0  # 2026-06-15 00:00 UTC
Calendar = Callable[[str, float], bool | None]


def by_calendar(symbol: str, utc: float) -> bool | None:
    return calendar.is_open(symbol, None, utc)


def says(answer: bool | None) -> Calendar:
    return lambda symbol, utc: answer


OPEN = says(True)


class World:
    """Pretended time: monotonic seconds from 0, looks twice a second, ticks in between."""

    def __init__(
        self, is_open: Calendar = OPEN, *symbols: str, epoch: float = MONDAY, every: float = 0.0
    ) -> None:
        self.fresh = Freshness(is_open, every)
        self.epoch = epoch
        self.now = 0.0
        for symbol in symbols or (SYMBOL,):
            self.fresh.expect(symbol, 0.0)

    @property
    def utc(self) -> float:
        return self.epoch + self.now

    def run(
        self,
        seconds: float,
        gaps: Iterable[float] = (),
        *,
        symbol: str = SYMBOL,
        looks_every: float = LOOKS_EVERY,
    ) -> list[tuple[float, Overdue]]:
        """What the looks found, with the time of each. Gaps count from now."""
        end, coming, found = self.now + seconds, iter(gaps), []
        tick, look = self.now + next(coming, 1e18), self.now + looks_every
        while min(tick, look) <= end:
            if tick <= look:
                self.now = tick
                self.fresh.tick(symbol, tick)
                tick += next(coming, 1e18)
            else:
                self.now = look
                found += [(look, each) for each in self.fresh.overdue(look, self.utc)]
                look += looks_every
        self.now = end
        return found


def used_to(gap: float, ticks: int = 100) -> World:
    world = World()
    assert world.run(gap * ticks, repeat(gap)) == []
    return world


# -- a dead feed --------------------------------------------------------------------------------------------------------


def test_a_dead_feed_is_found_within_five_seconds_and_told_until_it_lives() -> None:
    world = used_to(0.5)
    died = world.now
    found = world.run(8.0)
    assert died + 4.5 <= found[0][0] <= died + 5.0
    assert found[0][1] == Overdue(SYMBOL, died, 4.5, False)
    assert [when for when, _ in found] == [died + 4.5 + 0.5 * look for look in range(8)]
    assert world.run(5.0, repeat(0.5)) == []


def test_a_slow_symbol_is_not_called_dead_at_six_seconds_and_is_found_within_24() -> None:
    gaps = random.Random(3)
    world = World()
    assert world.run(3 * HOUR, iter(lambda: gaps.uniform(2.0, 8.0), None)) == []
    world.fresh.tick(SYMBOL, world.now)
    assert world.run(20.0) == []
    assert world.run(4.0) != []


def test_a_first_tick_that_never_comes_is_found() -> None:
    world = World()
    assert world.run(9.5) == []
    assert world.run(0.5) == [(10.0, Overdue(SYMBOL, 0.0, FIRST, True))]


def test_a_first_tick_of_a_symbol_used_to_more_than_ten_seconds_may_take_as_long() -> None:
    world = used_to(8.0)
    world.fresh.restart(world.now)
    assert world.run(22.0) == []
    assert [each.is_first for _, each in world.run(0.5)] == [True]


def test_before_twenty_gaps_the_limit_is_ten_seconds() -> None:
    world = used_to(0.5, 20)
    assert world.fresh.limit(SYMBOL) == 10.0
    world.run(0.5, [0.5])
    assert world.fresh.limit(SYMBOL) == 4.5


@pytest.mark.parametrize("every", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("prices", [1, 30, FEW_ASKED])
def test_a_price_that_is_asked_for_may_stand_still_while_too_little_is_known_of_it(
    every: float, prices: int
) -> None:
    world = World(every=every)
    world.run(prices * every, repeat(every))
    stands = world.now
    assert world.run(STANDING - LOOKS_EVERY) == []
    assert [each.since for _, each in world.run(LOOKS_EVERY)] == [stands]


@pytest.mark.parametrize("every", [1.0, 2.0, 5.0])
def test_once_enough_is_known_of_a_price_that_is_asked_for_three_times_the_same_is_a_dead_feed(
    every: float,
) -> None:
    world = World(every=every)
    world.run((FEW_ASKED + 1) * every, repeat(every))
    died = world.now
    assert next(when - died for when, _ in world.run(60.0)) == max(POLLS * every, LEAST)
    world.fresh.restart(world.now)  # and a new connection forgets nothing of it
    assert next(each.limit for _, each in world.run(60.0)) == max(FIRST, (POLLS + 1) * every)


def test_of_two_symbols_the_dead_one_is_reported_for_itself() -> None:
    world = World(OPEN, SYMBOL, "GBPUSD")
    for _ in range(60):
        world.fresh.tick("GBPUSD", world.now)
        world.run(0.5, [0.4])
    assert {each.symbol for _, each in world.run(7.0, repeat(0.5))} == {"GBPUSD"}


def test_rare_slow_gaps_are_not_forgotten_when_old_gaps_fade() -> None:
    fresh, now, limits = World().fresh, 0.0, set()
    for tick in range(6000):
        now += 5.0 + tick / 600 if tick % 40 == 0 else 0.5  # each of another length
        fresh.tick(SYMBOL, now)
        if tick > 200:
            limits.add(fresh.limit(SYMBOL))
    assert min(limits) > 2.7 * 5.0


def test_no_limit_is_above_two_minutes() -> None:
    world = World()
    for _ in range(100):
        world.now += 100.0
        world.fresh.tick(SYMBOL, world.now)
    assert world.fresh.limit(SYMBOL) == MOST


def test_a_symbol_that_was_forgotten_is_owed_nothing() -> None:
    world = World()
    world.fresh.forget(SYMBOL)
    assert world.run(60.0) == []
    assert world.fresh.tick(SYMBOL, world.now) is None
    assert world.fresh.due() is None
    assert not world.fresh.any_open(world.utc)


# -- gaps ---------------------------------------------------------------------------------------------------------------


def test_a_tick_tells_the_gap_and_the_first_of_a_connection_tells_none() -> None:
    fresh = World().fresh
    assert [fresh.tick(SYMBOL, when) for when in (1.0, 1.5, 4.0)] == [None, 0.5, 2.5]
    fresh.restart(5.0)
    assert [fresh.tick(SYMBOL, when) for when in (6.0, 6.5)] == [None, 0.5]


def test_an_age_is_that_of_the_last_tick_over_this_connection() -> None:
    fresh = World().fresh
    assert fresh.age(SYMBOL, 3.0) is None
    fresh.tick(SYMBOL, 1.0)
    assert fresh.age(SYMBOL, 3.0) == 2.0
    fresh.restart(3.0)
    assert fresh.age(SYMBOL, 4.0) is None


def test_after_a_reconnect_silence_counts_from_the_subscription_and_what_was_learnt_stays() -> None:
    world = used_to(8.0)
    limit = world.fresh.limit(SYMBOL)
    world.now += 1000.0
    world.fresh.restart(world.now)
    world.fresh.expect(SYMBOL, world.now)
    world.run(1.0, [0.5])
    assert world.fresh.limit(SYMBOL) == limit > 20.0


def test_time_we_were_late_is_no_age_and_no_gap() -> None:
    world = used_to(0.5)
    died = world.now
    world.now += 60.0
    world.fresh.skip(died + 1.0, world.now)
    assert world.run(3.0) == []
    assert world.run(0.5) == [(died + 63.5, Overdue(SYMBOL, died + 59.0, 4.5, False))]
    assert world.fresh.tick(SYMBOL, world.now) is None
    assert world.fresh.limit(SYMBOL) == 4.5


def test_being_late_over_and_over_hides_no_dead_feed() -> None:
    world = used_to(0.5)
    died = world.now
    found: list[tuple[float, Overdue]] = []
    while not found and world.now < died + 20.0:
        world.fresh.skip(world.now - 0.2, world.now)
        found = world.run(0.5)
    assert world.now == died + 7.5  # of each half second 0.2 were not observed


def test_silence_is_looked_at_early_while_the_last_gaps_may_have_taught_something() -> None:
    world = used_to(6.0, ticks=30)
    last = world.now
    assert world.fresh.due() == last + 4.5
    world.run(5.0)
    assert world.fresh.due() == last + world.fresh.limit(SYMBOL) > last + 10.0


def test_the_next_change_is_when_the_first_symbol_will_be_overdue() -> None:
    world = used_to(0.5)
    world.fresh.expect("GBPUSD", world.now)
    assert world.fresh.due() == world.now + 4.5
    world.run(5.0)
    assert world.fresh.due() == world.now + 5.0
    world.run(6.0)
    assert world.fresh.due() is None


# -- markets ------------------------------------------------------------------------------------------------------------


def test_a_closed_market_is_not_a_dead_feed() -> None:
    world = World(says(False))
    assert world.run(HOUR) == []
    assert not world.fresh.any_open(world.utc)


def test_a_weekend_of_currencies_raises_nothing_and_a_feed_that_stays_dead_afterwards_is_found() -> None:
    friday = MONDAY + 4 * DAY + 20.5 * HOUR
    world = World(by_calendar, epoch=friday)
    assert world.run(0.5 * HOUR - 20.0, repeat(0.5)) == []  # the last price comes before the last second
    assert world.run(2 * DAY + 20.0) == []
    assert world.run(5 * 60.0 + 59.0) == []  # the Sunday's pause, and a minute for the market to start
    found = world.run(2.0)
    assert [(when, each.is_first) for when, each in found[:1]] == [(found[0][0], True)]


def test_a_weekend_does_not_teach_its_gap() -> None:
    friday = MONDAY + 4 * DAY + 20.5 * HOUR
    world = World(by_calendar, epoch=friday)
    world.run(0.5 * HOUR, repeat(0.5))
    world.run(2 * DAY, repeat(30.0))  # a price now and then, as some brokers do
    world.run(6 * 60.0, repeat(0.5))
    assert world.fresh.limit(SYMBOL) == 4.5
    fresh = world.fresh
    assert fresh.is_open(SYMBOL, world.utc) is True


def test_the_first_tick_after_an_opening_tells_no_gap() -> None:
    world = World(lambda symbol, utc: not 60.0 <= utc - MONDAY < 600.0)
    world.run(60.0, repeat(0.5))
    world.run(600.0)
    assert [world.fresh.tick(SYMBOL, world.now + after) for after in (0.0, 0.5)] == [None, 0.5]


def test_of_a_closed_market_no_gap_is_learnt_even_of_ticks_between_two_looks() -> None:
    fresh = World(says(False)).fresh
    fresh.overdue(1.0, MONDAY)
    assert [fresh.tick(SYMBOL, 1.0 + after) for after in (0.1, 0.2, 0.3)] == [None, None, None]


def test_a_dead_over_the_counter_feed_is_found_on_a_saturday() -> None:
    world = World(by_calendar, "EURUSD_otc", epoch=MONDAY + 5 * DAY)
    world.run(60.0, repeat(0.5), symbol="EURUSD_otc")
    assert [when for when, _ in world.run(5.0)] == [64.5, 65.0]


@pytest.mark.parametrize("word", [None, True])
def test_the_daily_pause_of_currencies_raises_nothing(word: bool | None) -> None:
    world = World(by_calendar, epoch=MONDAY + 20.9 * HOUR)
    assert world.run(0.1 * HOUR, repeat(0.5)) == []
    for _ in range(5):
        world.fresh.market(SYMBOL, word)  # its list comes again and again, and does not know of the pause
        assert world.run(60.0) == []
    assert world.run(50.0) == []
    assert world.run(HOUR, repeat(0.5)) == []


def test_a_broker_that_says_closed_is_believed_and_one_that_opens_again_owes_prices() -> None:
    world = used_to(0.5)
    world.fresh.market(SYMBOL, False)
    assert world.run(HOUR) == []
    assert world.fresh.is_open(SYMBOL, world.utc) is False
    world.fresh.market(SYMBOL, True)
    assert world.run(OPENING - 1.0) == []
    assert [each.is_first for _, each in world.run(1.0)][:1] == [True]


def test_a_word_said_before_the_subscription_counts() -> None:
    fresh = Freshness(says(True))
    fresh.market(SYMBOL, False)
    assert fresh.is_open(SYMBOL, MONDAY) is False
    fresh.expect(SYMBOL, 0.0)
    assert fresh.overdue(100.0, MONDAY) == ()


def test_a_broker_that_says_open_beats_a_calendar_that_says_closed() -> None:
    world = World(says(False))
    world.fresh.market(SYMBOL, True)
    assert world.fresh.is_open(SYMBOL, world.utc) is True
    assert [when for when, _ in world.run(10.0)] == [10.0]


def test_an_open_said_on_friday_does_not_make_saturday_a_dead_feed() -> None:
    world = World(by_calendar, epoch=MONDAY + 4 * DAY + 20 * HOUR)
    world.fresh.market(SYMBOL, True)
    assert world.run(0.9 * HOUR, repeat(0.5)) == []
    world.run(0.1 * HOUR, repeat(0.5))
    assert world.run(DAY) == []
    world.fresh.market(SYMBOL, True)  # and said on Saturday it does
    assert world.run(OPENING + 1.0) != []


def test_an_old_closed_is_proved_wrong_by_prices_once_the_calendar_opened() -> None:
    sunday = MONDAY + 6 * DAY + 20.9 * HOUR
    world = World(by_calendar, epoch=sunday)
    world.fresh.market(SYMBOL, False)
    assert world.run(HOUR) == []  # no price, no proof
    assert world.fresh.is_open(SYMBOL, world.utc) is False
    world.fresh.restart(world.now)
    assert world.fresh.is_open(SYMBOL, world.utc) is False
    assert world.run(60.0, repeat(0.5)) == []
    assert world.fresh.is_open(SYMBOL, world.utc) is True
    assert world.run(5.0) != []


def test_a_reconnect_is_no_price_that_proves_a_closed_wrong() -> None:
    world = World(lambda symbol, utc: utc >= MONDAY + 60.0)
    world.fresh.market(SYMBOL, False)
    world.run(59.0, repeat(5.0))  # brokers repeat old prices in closed markets
    world.run(10.0)
    world.fresh.restart(world.now)
    assert world.fresh.is_open(SYMBOL, world.utc) is False


def test_in_the_last_minute_before_a_close_nothing_is_called_dead() -> None:
    closes = MONDAY + 600.0
    world = World(lambda symbol, utc: utc < closes)
    world.run(600.0 - CLOSING, repeat(0.5))
    assert world.run(CLOSING + 600.0) == []


def test_of_an_unknown_symbol_nobody_says_and_its_silence_counts() -> None:
    world = World(says(None))
    assert world.fresh.is_open(SYMBOL, world.utc) is None
    assert world.fresh.any_open(world.utc)
    assert [when for when, _ in world.run(10.0)] == [10.0]


# -- habits -------------------------------------------------------------------------------------------------------------


def live(world: World, days: int, *, reconnects_every: float | None = None) -> list[float]:
    """Each day of 24 hours has a price every ten seconds, but for the hour from noon. When it was called dead."""
    dead: list[float] = []
    for second in range(0, int(days * DAY), 10):
        at = world.now + second
        if (world.epoch + at) % DAY // HOUR != 12:
            world.fresh.tick(SYMBOL, at)
        elif reconnects_every and second % reconnects_every == 0:
            world.fresh.restart(at)
        dead += [at for _ in world.fresh.overdue(at, world.epoch + at)]
    world.now += days * DAY
    return dead


def test_a_lunch_hour_is_learnt_in_two_weeks_though_its_silence_makes_the_monitor_reconnect() -> None:
    world = World(says(None))
    lunches = [live(world, 7, reconnects_every=50.0) for _ in range(3)]
    assert [bool(dead) for dead in lunches] == [True, True, False]
    assert world.fresh.is_open(SYMBOL, world.epoch + 12.5 * HOUR) is False
    assert world.fresh.is_open(SYMBOL, world.epoch + 13.5 * HOUR) is None


def test_habits_survive_a_restart_of_the_program() -> None:
    before, after = World(says(None)), World(says(None))
    live(before, 14)
    after.fresh.recall(before.fresh.learnt())
    assert live(after, 1) == []


def test_where_the_calendar_knows_no_habits_are_kept() -> None:
    world = World(by_calendar)
    live(world, 1)
    assert world.fresh.learnt() == {}


@pytest.mark.parametrize(("looks_every", "late"), [(60.0, 0.0), (120.0, 0.0), (60.0, 5.0)])
def test_only_minutes_watched_from_end_to_end_are_taken_for_silence(looks_every: float, late: float) -> None:
    fresh = World(says(None)).fresh
    for look in range(int(2 * WEEK / looks_every)):
        at = look * looks_every
        if late:
            fresh.skip(at - late, at)
        fresh.overdue(at, MONDAY + at)
    is_learnt = fresh.is_open(SYMBOL, MONDAY + 5 * HOUR) is False
    assert is_learnt is (looks_every == 60.0 and not late)


def test_the_minute_before_a_pause_of_looking_is_not_taken_for_the_one_before_its_end() -> None:
    fresh = World(says(None)).fresh
    for minute in range(2 * 7 * 24 * 60):
        if minute % 4 != 3:
            fresh.overdue(minute * 60.0, MONDAY + minute * 60.0)
    assert (
        fresh.is_open(SYMBOL, MONDAY + 5 * HOUR) is None
    )  # a quarter of each hour was watched from end to end


# -- any feed -----------------------------------------------------------------------------------------------------------


def regular(rng: random.Random, mean: float) -> Iterable[float]:
    return (mean * rng.uniform(0.7, 1.3) for _ in count())


def bursts(rng: random.Random, mean: float) -> Iterable[float]:
    """A handful at once, then a hole."""
    return (mean * (rng.uniform(0.01, 0.1) if rng.random() < 0.7 else rng.uniform(2.0, 4.0)) for _ in count())


def memoryless(rng: random.Random, mean: float) -> Iterable[float]:
    return (rng.expovariate(1 / mean) for _ in count())


FEEDS = {"regular": regular, "bursts": bursts, "memoryless": memoryless}


@pytest.mark.parametrize(
    ("feed", "mean", "days"),
    [("regular", 0.5, 0.5), ("regular", 7.5, 10.0), ("bursts", 2.0, 4.0), ("memoryless", 0.2, 0.2)],
)
def test_days_of_healthy_feeds_raise_nothing(feed: str, mean: float, days: float) -> None:
    """Nothing changes in a gap: a look at its end finds whatever a look in it would have found."""
    fresh, now = World().fresh, 0.0
    alarms: list[Overdue] = []
    for gap in FEEDS[feed](random.Random(f"{feed} {mean}"), mean):
        now += gap
        if gap > 4.0:
            alarms += fresh.overdue(now, MONDAY + now)
        fresh.tick(SYMBOL, now)
        if now > days * DAY:
            break
    assert alarms == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FEEDS)), st.floats(0.05, 15.0), st.integers(30, 400), st.integers(0, 2**32))
@example("memoryless", 1.0, 113, 3332215886)  # its p99 had just fallen from the largest gap
@example("memoryless", 1.0, 216, 1230544903)
def test_whatever_the_feed_its_death_is_found_in_time(feed: str, mean: float, ticks: int, seed: int) -> None:
    world = World()
    gaps = list(islice(FEEDS[feed](random.Random(seed), mean), ticks))
    world.run(sum(gaps) + 1e-6, gaps)
    age = world.fresh.age(SYMBOL, world.now)
    assert age is not None
    died = world.now - age
    p99 = sorted(gaps[1:])[-1 - (ticks - 1) // 100]
    found = world.run(130.0)
    assert found[0][0] - died <= max(5.0, 3 * p99) + 1e-3
    assert found[0][1].since == pytest.approx(died)


def test_a_symbol_takes_less_than_three_kibibytes() -> None:
    world = World(says(None))
    live(world, 2)
    found = world.fresh._symbols[SYMBOL]
    parts = [getattr(found, name) for name in type(found).__slots__]
    assert found.quiet is not None
    parts += [found, *(getattr(found.quiet, name) for name in type(found.quiet).__slots__)]
    assert sum(map(sys.getsizeof, parts)) < 3 * 1024
