import json
from collections.abc import Iterable
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.load.figures import Connects, Figures, Frames, Generator, Requests, Sessions, Ticks
from probe.load.mergeable import Level
from probe.measure.histogram import Histogram

COUNTS = st.integers(0, 1000)
HISTOGRAMS = st.lists(st.floats(1e-6, 100), max_size=4).map(Histogram.of)
NAMES = st.sampled_from(["a", "b", "c"])
LEVELS = st.one_of(
    st.builds(Level),
    st.tuples(*[st.integers(0, 100)] * 3).map(sorted).map(lambda three: Level(three[1], three[0], three[2])),
)
TALLIES = st.dictionaries(NAMES, st.integers(1, 9), max_size=2)
FIGURES = st.builds(
    Figures,
    requests=st.dictionaries(
        NAMES,
        st.builds(Requests, due=COUNTS, sent=COUNTS, answered=COUNTS, failed=TALLIES, response=HISTOGRAMS),
        max_size=2,
    ),
    ticks=st.dictionaries(NAMES, st.builds(Ticks, arrived=COUNTS, gap=HISTOGRAMS), max_size=2),
    connects=st.builds(Connects, begun=COUNTS, phases=st.dictionaries(NAMES, HISTOGRAMS, max_size=2)),
    sessions=st.builds(Sessions, live=LEVELS, lost=TALLIES, recovery=HISTOGRAMS),
    frames=st.builds(Frames, messages_sent=COUNTS, bytes_received=COUNTS),
    generators=st.dictionaries(
        NAMES, st.builds(Generator, lag=HISTOGRAMS, resident_bytes=LEVELS, refused=TALLIES), max_size=2
    ),
)
few = settings(max_examples=40)


def together(parts: Iterable[Figures], *, later: bool = False) -> Figures:
    whole = Figures()
    for part in parts:
        whole.add(part, later=later)
    return whole


@few
@given(
    st.lists(FIGURES, min_size=2, max_size=4).flatmap(
        lambda parts: st.tuples(st.just(parts), st.permutations(parts))
    )
)
def test_workers_add_up_to_the_same_in_any_order(both: tuple[list[Figures], list[Figures]]) -> None:
    one, other = both
    assert together(one) == together(other)


@few
@given(st.lists(FIGURES, max_size=4), st.integers(0, 4), st.booleans())
def test_parts_add_up_to_the_same_in_any_groups(parts: list[Figures], at: int, later: bool) -> None:
    grouped = [together(parts[:at], later=later), together(parts[at:], later=later)]
    assert together(grouped, later=later) == together(parts, later=later)


@few
@given(FIGURES, FIGURES)
def test_what_is_added_stays_as_it_was_and_apart(one: Figures, other: Figures) -> None:
    before = deepcopy(other)
    whole = Figures()
    whole.add(other)
    whole.add(one)
    assert other == before


@few
@given(FIGURES)
def test_json_gives_back_the_same(figures: Figures) -> None:
    assert Figures.from_json(json.loads(json.dumps(figures.to_json()))) == figures


def test_nothing_is_written_of_what_is_empty() -> None:
    assert Figures().to_json() == {}


def test_json_of_another_version_is_refused_by_the_name_of_what_it_holds() -> None:
    with pytest.raises(ValueError, match="Frames has no smoke_signals"):
        Figures.from_json({"frames": {"smoke_signals": 3}})


@pytest.mark.parametrize(
    ("later", "expected"), [(False, Level(7.0, 3.0, 12.0)), (True, Level(5.0, 1.0, 9.0))]
)
def test_levels_of_two_workers_add_up_and_of_two_moments_the_later_counts(
    later: bool, expected: Level
) -> None:
    level = Level(2.0, 1.0, 3.0)
    level.add(Level(5.0, 2.0, 9.0), later=later)
    assert level == expected


@pytest.mark.parametrize("later", [False, True])
def test_a_level_that_nobody_knows_changes_nothing(later: bool) -> None:
    level = Level(2.0, 1.0, 3.0)
    level.add(Level(), later=later)
    assert level == Level(2.0, 1.0, 3.0)


def test_all_requests_and_all_ticks_are_those_of_every_name() -> None:
    figures = Figures(
        requests={"a": Requests(due=1, failed={"expired": 1}), "b": Requests(due=2, failed={"expired": 2})},
        ticks={"a": Ticks(arrived=3), "b": Ticks(arrived=4)},
    )
    assert figures.all_requests() == Requests(due=3, failed={"expired": 3})
    assert figures.all_requests().failures == 3
    assert figures.all_ticks() == Ticks(arrived=7)
    assert figures.requests["a"] == Requests(due=1, failed={"expired": 1})
