from probe.load.figures import Ticks
from probe.load.recorder import Recorder
from probe.load.streams import WINDOW
from probe.measure.histogram import Histogram

EURUSD = "EURUSD"


def ticks(recorder: Recorder, now: float = 10.0) -> Ticks:
    whole = Ticks()
    for each in recorder.cut(now):
        whole.add(each.figures.ticks.get(EURUSD, Ticks()))
    return whole


def test_gaps_lie_between_two_ticks_of_one_session() -> None:
    recorder = Recorder(0.0, "w")
    one, other = recorder.stream(), recorder.stream()
    for stream, at in ((one, 1.0), (other, 1.25), (one, 2.0), (other, 2.75), (one, 2.5)):
        stream.tick(EURUSD, at, at, at)
    found = ticks(recorder)
    assert (found.arrived, found.gap) == (5, Histogram.of([1.0, 1.5, 0.5]))


def test_the_first_tick_is_timed_from_its_subscription_and_again_after_a_new_one() -> None:
    recorder = Recorder(0.0, "w")
    stream = recorder.stream()
    stream.subscribed(EURUSD, 1.0)
    stream.tick(EURUSD, 1.0, 1.1, 1.5)
    stream.tick(EURUSD, 2.0, 1.1, 2.0)
    stream.subscribed(EURUSD, 3.0)
    stream.tick(EURUSD, 3.0, 1.1, 3.25)
    found = ticks(recorder)
    assert (found.first, found.gap) == (Histogram.of([0.5, 0.25]), Histogram.of([0.5, 1.25]))


def test_the_same_tick_again_is_a_duplicate_and_the_same_price_later_is_not() -> None:
    recorder = Recorder(0.0, "w")
    stream = recorder.stream()
    for broker_time, price in ((1.0, 1.1), (1.0, 1.1), (2.0, 1.1), (2.0, 1.2)):
        stream.tick(EURUSD, broker_time, price, 1.0)
    found = ticks(recorder)
    assert (found.duplicates, found.out_of_order) == (1, 0)


def test_a_tick_older_than_the_one_before_is_out_of_order() -> None:
    recorder = Recorder(0.0, "w")
    stream = recorder.stream()
    for broker_time in (1.0, 3.0, 2.0, 4.0):
        stream.tick(EURUSD, broker_time, 1.1, 1.0)
    found = ticks(recorder)
    assert (found.out_of_order, found.duplicates) == (1, 0)


def test_sessions_do_not_share_what_came_before() -> None:
    recorder = Recorder(0.0, "w")
    recorder.stream().tick(EURUSD, 5.0, 1.1, 1.0)
    recorder.stream().tick(EURUSD, 1.0, 1.1, 1.0)
    found = ticks(recorder)
    assert (found.out_of_order, found.duplicates, found.gap.count) == (0, 0, 0)


def test_skew_is_how_long_after_the_first_session_the_others_had_a_tick() -> None:
    recorder = Recorder(0.0, "w")
    streams = [recorder.stream() for _ in range(3)]
    for stream in streams:
        stream.tick(EURUSD, 0.5, 1.0, 0.5)
    for stream, at in zip(streams, (1.0, 1.25, 1.5), strict=True):
        stream.tick(EURUSD, 1.0, 1.1, at)
    assert ticks(recorder).skew == Histogram.of([0.25, 0.5])


def test_the_first_tick_of_a_session_has_no_skew_for_it_may_be_an_old_one() -> None:
    recorder = Recorder(0.0, "w")
    old, new = recorder.stream(), recorder.stream()
    old.tick(EURUSD, 0.5, 1.0, 0.5)
    old.tick(EURUSD, 1.0, 1.1, 1.0)
    new.tick(EURUSD, 1.0, 1.1, 9.0)
    assert ticks(recorder).skew.count == 0


def test_ticks_are_remembered_for_a_window_and_not_longer() -> None:
    recorder = Recorder(0.0, "w")
    one, other = recorder.stream(), recorder.stream()
    for stream in (one, other):
        stream.tick(EURUSD, -1.0, 1.0, 0.0)
    for number in range(2 * WINDOW + 1):
        one.tick(EURUSD, float(number), 1.0, 1.0)
    other.tick(EURUSD, float(2 * WINDOW), 1.0, 2.0)  # the newest
    other.tick(EURUSD, float(WINDOW + 1), 1.0, 3.0)  # so many ago
    other.tick(EURUSD, 0.0, 1.0, 4.0)  # forgotten
    assert ticks(recorder).skew == Histogram.of([1.0, 2.0])


def test_staleness_is_noted_once_a_second_of_each_session_that_listens() -> None:
    recorder = Recorder(0.0, "w")
    ticking, silent, gone = recorder.stream(), recorder.stream(), recorder.stream()
    ticking.tick(EURUSD, 0.0, 1.0, 0.75)
    silent.subscribed(EURUSD, 0.5)
    gone.subscribed(EURUSD, 0.5)
    gone.closed()
    first, second = recorder.cut(2.0)
    assert first.figures.ticks[EURUSD].staleness == Histogram.of([0.25, 0.5])
    assert second.figures.ticks[EURUSD].staleness == Histogram.of([1.25, 1.5])


def test_symbols_are_apart() -> None:
    recorder = Recorder(0.0, "w")
    stream = recorder.stream()
    stream.tick(EURUSD, 1.0, 1.0, 0.5)
    stream.tick("GBPUSD", 0.5, 1.0, 0.75)
    (only,) = recorder.cut(1.0)
    assert {name: (each.arrived, each.out_of_order) for name, each in only.figures.ticks.items()} == {
        EURUSD: (1, 0),
        "GBPUSD": (1, 0),
    }
