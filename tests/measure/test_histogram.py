import contextlib
import math
import random
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.measure.histogram import LOWEST_SECONDS, Histogram

DAY = 86400.0
DURATIONS = st.one_of(
    st.floats(LOWEST_SECONDS, DAY), st.floats(math.log(LOWEST_SECONDS), math.log(DAY)).map(math.exp)
)
ANY = st.one_of(DURATIONS, st.floats(-10, 10 * DAY), st.just(0.0))
HISTOGRAMS = st.lists(ANY, max_size=40).map(Histogram.of)
SHARES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))


def merged(*parts: Histogram) -> Histogram:
    whole = Histogram()
    for part in parts:
        whole.merge(part)
    return whole


@given(st.lists(DURATIONS, min_size=1, max_size=200), SHARES)
def test_a_quantile_is_within_one_percent_of_the_sorted_values(values: list[float], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values) - 1e-9)) - 1]
    found = Histogram.of(values).quantile(share)
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact


@given(st.lists(ANY, max_size=60))
def test_count_total_smallest_and_largest_are_exact(values: list[float]) -> None:
    histogram = Histogram.of(values)
    assert histogram.count == len(values)
    assert histogram.smallest == min(values, default=math.inf)
    assert histogram.largest == max(values, default=-math.inf)
    assert histogram.total == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-6)


@given(st.lists(ANY, min_size=1, max_size=40), SHARES, SHARES)
def test_quantiles_rise_and_stay_between_the_smallest_and_the_largest(
    values: list[float], one: float, other: float
) -> None:
    histogram = Histogram.of(values)
    low, high = (histogram.quantile(share) for share in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert histogram.smallest <= low <= high <= histogram.largest


@given(st.lists(ANY, max_size=40), st.lists(ANY, max_size=40))
def test_merging_equals_having_added_everything_to_one(some: list[float], more: list[float]) -> None:
    assert merged(Histogram.of(some), Histogram.of(more)) == Histogram.of(some + more)


@given(HISTOGRAMS, HISTOGRAMS, HISTOGRAMS)
def test_merging_goes_in_any_order(one: Histogram, two: Histogram, three: Histogram) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three)) == merged(three, two, one)


@given(HISTOGRAMS)
def test_bytes_come_back_to_the_last_bit(histogram: Histogram) -> None:
    back = Histogram.from_bytes(histogram.to_bytes())
    assert back == histogram
    assert (back.count, back.total) == (histogram.count, histogram.total)
    assert back.to_bytes() == histogram.to_bytes()


@given(HISTOGRAMS, st.data())
def test_damaged_bytes_are_refused_with_words(histogram: Histogram, data: st.DataObject) -> None:
    packed = bytearray(histogram.to_bytes())
    at = data.draw(st.integers(0, len(packed) - 1))
    cut = bytes(packed[:at])
    packed[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(packed), cut, bytes(packed) + b"\0"):
        with pytest.raises(ValueError, match="histogram"):
            Histogram.from_bytes(damaged)


@given(st.binary(max_size=60))
def test_bytes_of_somebody_else_with_a_right_checksum_are_refused_or_make_sense(body: bytes) -> None:
    body = b"\x01" + body
    packed = body + zlib.crc32(body).to_bytes(4, "little")
    with contextlib.suppress(ValueError):
        read = Histogram.from_bytes(packed)
        assert Histogram.from_bytes(read.to_bytes()) == read
        assert (read.quantile(0.5) is None) == (read.count == 0)


def test_a_smallest_value_of_another_bucket_is_refused() -> None:
    histogram = Histogram.of([0.1, 0.2])
    histogram.smallest = 0.15
    with pytest.raises(ValueError, match="not those of its buckets"):
        Histogram.from_bytes(histogram.to_bytes())


def test_a_later_version_is_told_from_damage() -> None:
    body = b"\x02" + Histogram().to_bytes()[1:-4]
    with pytest.raises(ValueError, match="version 2"):
        Histogram.from_bytes(body + zlib.crc32(body).to_bytes(4, "little"))


def test_no_value_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert repr(Histogram()) == "<Histogram: empty>"


def test_a_share_is_not_a_percentage() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Histogram.of([1.0]).quantile(95)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_duration_is_refused_and_changes_nothing(value: float) -> None:
    histogram = Histogram.of([1.0])
    with pytest.raises(ValueError, match="not a duration"):
        histogram.add(value)
    with pytest.raises(ValueError, match="0 times"):
        histogram.add(1.0, 0)
    assert histogram == Histogram.of([1.0])


def test_nothing_and_less_count_in_the_lowest_bucket() -> None:
    histogram = Histogram.of([-1.0, 0.0, 0.0, 0.0, 1e-9, 1e-6])
    assert histogram.count == 6
    assert histogram.smallest == -1.0
    assert histogram.quantile(0.5) == pytest.approx(0.0, abs=LOWEST_SECONDS)
    assert Histogram.of([0.0]).quantile(0.5) == 0.0


def test_a_value_can_be_added_many_times_at_once() -> None:
    many = Histogram()
    many.add(0.25, 3)
    assert many == Histogram.of([0.25] * 3)


def test_histograms_of_other_values_are_not_equal() -> None:
    assert Histogram.of([1.0]) != Histogram.of([2.0])
    assert Histogram.of([1.0]) != Histogram.of([1.001])
    assert Histogram.of([1.0, 2.0, 4.0, 5.0]) != Histogram.of([1.0, 2.5, 3.5, 5.0])
    assert Histogram.of([1.0]) != [1.0]


def test_it_is_shown_in_figures() -> None:
    assert (
        repr(Histogram.of([0.1] * 9 + [0.9])) == "<Histogram: 10 from 0.1 to 0.9 s, p50 0.1001 s, p95 0.9 s>"
    )


def test_it_takes_little_room() -> None:
    rng = random.Random(1)
    minute = [rng.lognormvariate(math.log(0.05), 0.2) for _ in range(3)]
    hour = [rng.lognormvariate(math.log(0.05), 0.2) for _ in range(180)]
    fresh = Histogram()
    assert sys.getsizeof(fresh) + sys.getsizeof(fresh._counts) < 256
    assert len(Histogram.of(minute).to_bytes()) <= 45
    assert len(Histogram.of(hour).to_bytes()) <= 300


@given(st.lists(st.floats(1e-5, 1e5), max_size=60))
def test_a_packed_histogram_says_the_same(values: list[float]) -> None:
    whole = Histogram.of(values)
    packed, merged = whole.packed(), Histogram.of([1.0])
    merged.merge(packed)
    assert packed == whole
    assert packed.to_bytes() == whole.to_bytes()
    assert [packed.quantile(share) for share in (0.5, 0.99)] == [
        whole.quantile(share) for share in (0.5, 0.99)
    ]
    assert merged == Histogram.of([1.0, *values])


@given(
    st.lists(
        st.one_of(ANY, st.floats(1e-9, 1e299), st.sampled_from([0.0, -0.0, -1.0, 1e-6, 1.0, 0.5])),
        max_size=60,
    )
)
def test_adding_all_at_once_is_adding_one_by_one(values: list[float]) -> None:
    at_once = Histogram.of([0.25])
    at_once.add_all(values)
    assert at_once == Histogram.of([0.25, *values])


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_nothing_is_added_when_one_of_them_is_no_duration(wrong: float) -> None:
    histogram = Histogram.of([0.25])
    with pytest.raises(ValueError, match="not a duration"):
        histogram.add_all([1.0, wrong, 2.0])
    assert histogram == Histogram.of([0.25])


def test_buckets_say_where_they_begin_and_end_and_hold_every_value() -> None:
    values = [0.0, 1e-6, 0.001, 0.00101, 0.5, 0.5, 3.0, 7200.0]
    buckets = list(Histogram.of(values).buckets())
    assert sum(count for _, _, count in buckets) == len(values)
    assert [sum(begins <= max(each, 1e-6) < ends for begins, ends, _ in buckets) for each in values] == [
        1
    ] * len(values)
    assert all(begins < ends <= begins * (1 + 1 / 64) for begins, ends, _ in buckets)
    assert buckets == sorted(buckets)
