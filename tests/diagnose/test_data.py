"""Rules about prices and markets, where no staged failure comes by."""

from dataclasses import replace

import pytest

from probe.diagnose.case import Case, Clock, Looks
from probe.diagnose.rules.data import book
from probe.measure.clocks import ClockOffset
from probe.model.events import QuoteArrived, Told
from probe.model.failures import Blame
from probe.model.findings import Certainty, Sign, State
from probe.model.meanings import Assets, Effect, Trouble, Troubles
from tests.diagnose.test_session import LISTED, look_at, ticks

OFF = ClockOffset(zone_seconds=0.0, skew_seconds=30.0, uncertainty_seconds=0.1, samples=60)


def named(*events: object, market_open: bool | None = True) -> set[str]:
    case = Case(looks=Looks(first=look_at(*events, market_open=market_open)))
    return {code for code, rule in book.items() if rule(case) is not None}


def sign(code: str, case: Case) -> Sign:
    found = book[code](case)
    assert found is not None
    return found


def test_prices_that_flow_are_all_right() -> None:
    assert named(*ticks(30.0)) == set()


def test_a_calendar_alone_is_no_certainty() -> None:
    shut = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(is_open=False),)))
    by_calendar = sign("data.market-closed", Case(looks=Looks(first=look_at(market_open=False))))
    by_flag = sign("data.market-closed", Case(looks=Looks(first=look_at(shut))))
    assert (by_calendar.at_most, by_flag.at_most) == (Certainty.LIKELY, Certainty.CERTAIN)
    assert by_flag.state is State.UNKNOWN


def test_prices_prove_a_calendar_wrong() -> None:
    assert named(*ticks(30.0), market_open=False) == set()


def test_a_symbol_is_unknown_only_if_there_is_a_list_without_it() -> None:
    other = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(symbol="EURUSD"),)))
    assert named(other) == {"data.unknown-asset"}
    assert named() == set()
    assert "it has EURUSD" in sign("data.unknown-asset", Case(looks=Looks(first=look_at(other)))).says


@pytest.mark.parametrize(
    ("clocks", "is_excluded"),
    [
        ((), False),
        (("one.test",), False),
        (("one.test", "two.test"), True),
        (("one.test", "sim.test"), False),  # the broker's own
    ],
)
def test_whose_clock_is_wrong_takes_two_hosts_that_have_nothing_to_do_with_it(
    clocks: tuple[str, ...], *, is_excluded: bool
) -> None:
    look = replace(look_at(*ticks(30.0)), clock=OFF)
    known = tuple(Clock(source=each, offset_seconds=0.1, uncertainty_seconds=0.1) for each in clocks)
    found = sign("data.clock-offset", Case(looks=Looks(first=look), clocks=known))
    assert ("host.clock-wrong" in found.excluded) is is_excluded


def test_a_single_step_back_of_an_hour_is_no_disorder() -> None:
    rows = [each._replace(broker_time=each.broker_time - 3600.0 * (each.at > 15.0)) for each in ticks(30.0)]
    assert named(*rows) == {"data.clock-offset"}


def test_prices_that_are_late_after_a_pause_are_no_clock_that_jumped() -> None:
    paused = [each._replace(at=each.at + 4.0 * (each.at > 15.0)) for each in ticks(26.0)]
    assert named(*paused) == set()


def test_few_odd_prices_are_not_worth_a_word() -> None:
    rows = ticks(30.0)
    twice: list[QuoteArrived] = [each for row in rows[:3] for each in (row, row)]
    assert named(*twice, *rows[3:]) == set()


def test_what_an_answer_says_in_so_many_words_is_certain() -> None:
    trouble = Trouble(
        code="data.cached-as-fresh",
        sentence="the price is stamped with the time of the request",
        advice="Ask the source.",
        effect=Effect.DEGRADES,
        blame=Blame.BROKER,
        certain=True,
    )
    for certain in (True, False):
        shown = Troubles(about="market", rows=(replace(trouble, certain=certain),))
        found = sign("data.cached-as-fresh", Case(looks=Looks(first=look_at(Told(at=0.2, meaning=shown)))))
        assert bool(found.excluded) is certain
        assert (found.says, found.state) == (trouble.sentence, State.DEGRADED)


def test_prices_of_the_symbol_are_what_counts() -> None:
    others = [each._replace(symbol="GBPUSD") for each in ticks(30.0)]
    shut = Told(at=0.1, meaning=Assets(rows=(LISTED._replace(is_open=False),)))
    assert named(shut, *others) == {"data.market-closed"}


@pytest.mark.parametrize("every", [0.5, 15.0])
def test_an_old_price_told_at_the_beginning_is_no_clock_that_is_off(every: float) -> None:
    kept, *rows = ticks(60.0, every=every)
    look = look_at(kept._replace(broker_time=-300.0), *rows, seconds=60.0)
    lonely = look_at(kept._replace(broker_time=-300.0))
    for each in (look, lonely):
        seen = replace(each, clock=each.facts.clock(0.0))
        assert book["data.clock-offset"](Case(looks=Looks(first=seen))) is None


@pytest.mark.parametrize(("every", "is_gap"), [(0.5, True), (12.0, False)])
def test_a_pause_is_a_gap_only_where_prices_are_usually_nearer(*, every: float, is_gap: bool) -> None:
    rows = [each for each in ticks(90.0, every=every) if not 30.0 < each.at < 50.0]
    assert (book["data.gap"](Case(looks=Looks(first=look_at(*rows, seconds=90.0)))) is not None) is is_gap


def test_a_price_that_stands_still_by_itself_alarms_nobody() -> None:
    still = [each._replace(price=1.0) for each in ticks(31.0)]
    burst = [each._replace(at=each.at / 10, broker_time=each.broker_time / 10) for each in still]
    for rows, weight in ((still, (Certainty.POSSIBLE, State.UNKNOWN)), (burst, None)):
        found = book["data.stale-ticks"](Case(looks=Looks(first=look_at(*rows))))
        assert (found and (found.at_most, found.state)) == weight
