import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.load.capacity import CapacityResult, CapacitySearch, Judged, Level, SearchEnd
from probe.load.plan import SearchBy, SearchPlan
from probe.model.errors import ConfigError

SLO = ("response p99 < 250ms",)


def plan(**said: object) -> SearchPlan:
    return SearchPlan(**{"by": SearchBy.USERS, "most": 1000.0} | said)  # type: ignore[arg-type]


def searched(search: SearchPlan, capacity: float, *, for_long: float | None = None) -> CapacityResult:
    """Of a server that bears so much, and in long windows perhaps less."""
    looking = CapacitySearch(search)
    level = looking.level
    for _ in range(10_000):
        if level is None:
            return looking.result
        limit = for_long if level.is_confirmation and for_long is not None else capacity
        held = level.value <= limit
        level = looking.judged(Judged(held=held, broken=() if held else SLO))
    raise AssertionError("it does not come to an end")


def levels(result: CapacityResult) -> list[float]:
    return [each.level.value for each in result.tried]


def test_it_doubles_until_it_breaks_bisects_and_confirms() -> None:
    result = searched(plan(within=0.1), 90)
    assert levels(result) == [1, 2, 4, 8, 16, 32, 64, 128, 96, 80, 88, 88]
    assert [each.level.is_confirmation for each in result.tried] == [False] * 11 + [True]
    assert [each.level.seconds for each in result.tried] == [10.0] * 11 + [30.0]
    assert (result.end, result.is_confirmed) == (SearchEnd.FOUND, True)
    assert (result.highest_held, result.lowest_broken, result.broken_by) == (88, 96, SLO)


def test_what_does_not_hold_for_longer_is_confirmed_a_step_lower() -> None:
    result = searched(plan(within=0.1), 90, for_long=75)
    assert levels(result)[-3:] == [88, 79, 71]
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.FOUND, 71, 79)


def test_a_server_that_bears_the_most_is_confirmed_and_told_to_have_no_limit_here() -> None:
    result = searched(plan(most=100.0), 1e9)
    assert levels(result) == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.NO_LIMIT, 100, None)


def test_where_nothing_held_nothing_is_found() -> None:
    result = searched(plan(begin=10.0), 5)
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.NOTHING_HELD, None, 10)


def test_where_nothing_holds_for_long_nothing_is_found() -> None:
    result = searched(plan(begin=10.0), 50, for_long=0)
    assert (result.end, result.highest_held, result.is_confirmed) == (SearchEnd.NOTHING_HELD, None, False)


def test_a_generator_that_is_saturated_twice_ends_it_and_what_held_before_is_not_called_confirmed() -> None:
    looking = CapacitySearch(plan())
    for _ in range(3):
        looking.judged(Judged(held=True))
    assert looking.judged(Judged(held=None, valid=False)) == Level(value=8, seconds=10.0)
    assert looking.judged(Judged(held=None, valid=False)) is None
    result = looking.result
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.GENERATOR, 4, None)
    assert not result.is_confirmed
    assert "not the server" in result.end.value


def test_a_generator_that_was_saturated_once_goes_on() -> None:
    looking = CapacitySearch(plan())
    looking.judged(Judged(held=None, valid=False))
    assert looking.judged(Judged(held=True)) == Level(value=2, seconds=10.0)


def test_a_level_that_cannot_be_judged_is_tried_once_more() -> None:
    looking = CapacitySearch(plan())
    assert looking.judged(Judged(held=None)) == Level(value=1, seconds=10.0)
    assert looking.judged(Judged(held=True)) == Level(value=2, seconds=10.0)
    looking.judged(Judged(held=None))
    assert looking.judged(Judged(held=None)) is None
    assert (looking.result.end, looking.result.highest_held) == (SearchEnd.NOT_JUDGED, 1)


def test_a_search_that_is_stopped_says_what_it_knew() -> None:
    looking = CapacitySearch(plan())
    looking.judged(Judged(held=True))
    looking.stopped()
    assert (looking.level, looking.result.end, looking.result.highest_held) == (None, SearchEnd.STOPPED, 1)
    with pytest.raises(ValueError, match="over"):
        looking.judged(Judged(held=True))


@pytest.mark.parametrize("wrong", [{"begin": 0.0}, {"begin": 2000.0}, {"within": 0.0}, {"within": 1.0}])
def test_a_search_without_an_answer_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="has no answer"):
        CapacitySearch(plan(**wrong))


@settings(max_examples=200, deadline=None)
@given(
    by=st.sampled_from(SearchBy),
    capacity=st.floats(1, 99_999),
    long=st.floats(0.5, 1),
    within=st.floats(0.01, 0.3),
)
def test_the_answer_is_as_near_as_wanted_after_few_windows(
    by: SearchBy, capacity: float, long: float, within: float
) -> None:
    search = plan(by=by, most=100_000.0, within=within)
    for_long = max(1.0, capacity * long)
    result = searched(search, capacity, for_long=for_long)
    assert result.end is SearchEnd.FOUND
    assert result.is_confirmed
    held, broken = result.highest_held, result.lowest_broken
    assert held is not None
    assert broken is not None
    whole_users = 1 if by is SearchBy.USERS else 0
    assert held <= for_long < broken
    assert broken - held <= (within + 1e-9) * broken + whole_users
    doubling, bisecting = math.log2(100_000) + 2, math.log2(1 / within) + 2
    stepping = math.log(long) / math.log(1 - within) + 2
    assert len(result.tried) <= doubling + bisecting + stepping
