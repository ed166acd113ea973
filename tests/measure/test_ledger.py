from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from probe.measure.ledger import Ledger
from probe.measure.records import Cause

OPEN, CLOSED = True, False


def test_every_bad_second_has_one_cause_and_good_seconds_are_the_rest() -> None:
    ledger = Ledger(100.0)
    ledger.advance(110.0, None, is_open=OPEN)
    ledger.advance(113.0, Cause.DISCONNECTED, is_open=OPEN)
    ledger.advance(114.0, Cause.AUTH, is_open=OPEN)
    ledger.advance(120.0, None, is_open=OPEN)
    assert ledger.observed == 20.0
    assert {cause: seconds for cause, seconds in ledger.bad.items() if seconds} == {
        Cause.DISCONNECTED: 3.0,
        Cause.AUTH: 1.0,
    }
    assert ledger.availability == 0.8


def test_nothing_observed_is_no_availability() -> None:
    assert Ledger(5.0).availability is None


def test_a_stall_that_is_noticed_late_takes_back_the_seconds_since_the_last_price() -> None:
    ledger = Ledger(0.0)
    ledger.advance(10.0, None, is_open=OPEN)
    ledger.claim(Cause.STALLED, 6.0)
    ledger.advance(12.0, Cause.STALLED, is_open=OPEN)
    assert (ledger.observed, ledger.bad[Cause.STALLED], ledger.blind) == (12.0, 6.0, 6.0)


def test_what_was_booked_as_bad_before_is_not_taken_twice() -> None:
    ledger = Ledger(0.0)
    ledger.advance(5.0, Cause.DEGRADED, is_open=OPEN)
    ledger.advance(8.0, None, is_open=OPEN)
    ledger.claim(Cause.STALLED, 2.0)
    assert (ledger.bad[Cause.DEGRADED], ledger.bad[Cause.STALLED], ledger.good) == (5.0, 3.0, 0.0)


def test_time_that_was_not_observed_is_neither_good_nor_bad() -> None:
    ledger = Ledger(0.0)
    ledger.advance(10.0, None, is_open=OPEN)
    assert ledger.skip(70.0) == 60.0
    ledger.claim(Cause.STALLED, 20.0)
    ledger.advance(80.0, None, is_open=OPEN)
    assert (ledger.observed, ledger.unobserved, ledger.good, ledger.blind) == (20.0, 60.0, 20.0, 0.0)


def test_only_an_open_market_makes_blind_seconds() -> None:
    ledger = Ledger(0.0)
    ledger.advance(10.0, Cause.DISCONNECTED, is_open=CLOSED)
    ledger.advance(14.0, Cause.DISCONNECTED, is_open=OPEN)
    ledger.advance(16.0, None, is_open=OPEN)
    ledger.advance(17.0, Cause.STALLED, is_open=OPEN)
    ledger.advance(27.0, Cause.DEGRADED, is_open=OPEN)
    assert (ledger.open, ledger.blind, ledger.longest_blind) == (17.0, 5.0, 4.0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["advance", "claim", "skip"]),
        st.floats(0.0, 100.0),
        st.sampled_from([None, *Cause]),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_the_sums_agree(history: list[tuple[str, float, Cause | None, bool]]) -> None:
    ledger, now = Ledger(0.0), 0.0
    seen: list[tuple[float, ...]] = []
    for what, seconds, cause, is_open in history:
        if what == "claim":
            ledger.claim(cause or Cause.STALLED, now - seconds)
        elif what == "skip":
            now += seconds
            ledger.skip(now)
        else:
            now += seconds
            ledger.advance(now, cause, is_open=is_open)
        seen.append((ledger.observed, ledger.unobserved, ledger.open, ledger.blind, *ledger.bad.values()))
    assert abs(ledger.observed + ledger.unobserved - now) < 1e-6
    assert ledger.good > -1e-6
    assert ledger.blind <= ledger.open + 1e-6
    assert ledger.longest_blind <= ledger.blind + 1e-6
    grows = [all(b >= a for a, b in zip(*pair, strict=True)) for pair in pairwise(seen)]
    assert all(grows)
