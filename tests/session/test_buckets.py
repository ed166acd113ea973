"""Token buckets: what they let through, and that they count it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.session.buckets import Bucket, Limited, Rate


def test_so_many_leave_at_once_and_one_more_every_so_many_seconds() -> None:
    bucket = Bucket(Rate(size=3, every=2.0), patience=60.0)
    assert [bucket.take(100.0) for _ in range(5)] == [0.0, 0.0, 0.0, 2.0, 4.0]
    assert bucket.figures == Limited(
        says="3 at once, one more every 2 s", allowed=3, delayed=2, refused=0, waited_seconds=6.0
    )


def test_a_bucket_fills_again_and_no_further_than_its_size() -> None:
    bucket = Bucket(Rate(size=2, every=1.0), patience=60.0)
    assert [bucket.take(0.0), bucket.take(0.0), bucket.take(1.0)] == [0.0, 0.0, 0.0]
    assert [bucket.take(1_000.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_who_would_wait_too_long_is_refused_and_takes_nothing() -> None:
    bucket = Bucket(Rate(size=1, every=10.0), patience=15.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 10.0, None, None]
    assert bucket.take(10.0) == 10.0
    assert (bucket.figures.refused, bucket.figures.delayed) == (2, 2)


def test_without_a_rate_anything_goes_and_is_counted() -> None:
    bucket = Bucket(None, patience=0.0)
    assert [bucket.take(0.0) for _ in range(100)] == [0.0] * 100
    assert bucket.figures == Limited(says="no limit", allowed=100)


@pytest.mark.parametrize(("size", "every"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_rate_that_lets_nothing_through_is_none(size: int, every: float) -> None:
    with pytest.raises(ValueError, match="lets something through"):
        Rate(size=size, every=every)


@given(
    size=st.integers(1, 20),
    every=st.sampled_from([0.1, 0.5, 3.0]),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=80),
)
def test_in_no_stretch_of_time_does_more_leave_than_was_promised(
    size: int, every: float, gaps: list[float]
) -> None:
    bucket, now, left = Bucket(Rate(size=size, every=every), patience=1e9), 0.0, []
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        assert wait is not None
        left.append(now + wait)
    assert left == sorted(left)
    for first, at in enumerate(left):
        for last in range(first, len(left)):
            most = size + (left[last] - at) / every
            assert last - first + 1 <= most + 1e-6
    figures = bucket.figures
    assert figures.allowed + figures.delayed == len(gaps)
