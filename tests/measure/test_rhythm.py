import random

import pytest

from probe.measure.rhythm import Rhythm, due, find_rhythm

MINUTE = 60.0


def planted(
    rng: random.Random, count: int, *, drifts: bool, jitter: float = 0.05
) -> tuple[float, list[float]]:
    """A period from 3 min to 2 h. Drifting: each step begins where the last one ended; else beats keep to a clock."""
    period, began = rng.uniform(3 * MINUTE, 120 * MINUTE), rng.uniform(0, 1e6)
    times = [began]
    for beat in range(1, count):
        base = times[-1] + period if drifts else began + beat * period
        times.append(base + rng.uniform(-jitter, jitter) * period)
    return period, times


def test_random_times_have_no_rhythm() -> None:
    called = 0
    for seed in range(1000):
        rng = random.Random(seed)
        times = [0.0]
        for _ in range(rng.randint(3, 15)):
            times.append(times[-1] + rng.expovariate(1 / 1000))
        called += find_rhythm(times) is not None
    assert called <= 20


@pytest.mark.parametrize("drifts", [True, False])
@pytest.mark.parametrize(("count", "missing", "strangers"), [(6, 0, 0), (10, 1, 1), (14, 2, 2)])
def test_a_planted_rhythm_is_found(count: int, missing: int, strangers: int, drifts: bool) -> None:
    found = 0
    for seed in range(100):
        rng = random.Random(seed)
        period, times = planted(rng, count, drifts=drifts)
        for _ in range(missing):
            del times[rng.randrange(1, len(times) - 1)]
        times += [rng.uniform(times[0], times[-1]) for _ in range(strangers)]
        rhythm = find_rhythm(times)
        found += rhythm is not None and abs(rhythm.period_seconds - period) < 0.05 * period
    assert found >= 95


def test_a_noise_of_a_tenth_is_still_a_rhythm() -> None:
    found = [find_rhythm(planted(random.Random(seed), 6, drifts=True, jitter=0.1)[1]) for seed in range(100)]
    assert sum(each is not None for each in found) >= 95


def test_three_times_are_too_few() -> None:
    assert find_rhythm([0.0, 600.0, 1200.0]) is None
    assert find_rhythm([0.0, 600.0, 1200.0, 1800.0]) == Rhythm(
        period_seconds=600.0, spread_seconds=0.0, count=4
    )


def test_the_order_of_the_times_does_not_matter() -> None:
    assert find_rhythm([1800.0, 0.0, 1200.0, 600.0]) == find_rhythm([0.0, 600.0, 1200.0, 1800.0])


def test_a_burst_at_one_moment_is_not_a_rhythm() -> None:
    assert find_rhythm([5.0] * 20) is None
    assert find_rhythm([0.0, 1.0, 2.0, 3.0, 4.0]) is None


def test_a_long_past_without_rhythm_does_not_hide_one() -> None:
    rng = random.Random(3)
    old = [rng.uniform(-1e6, -1e5) for _ in range(40)]
    assert find_rhythm(old + [beat * 1000.0 for beat in range(24)]) is not None


@pytest.mark.parametrize(
    ("period", "spread", "says"),
    [
        (18 * MINUTE + 4, 1 * MINUTE, "every 18 min ± 1"),
        (18 * MINUTE, 10.0, "every 18 min ± 0.2"),
        (45.0, 2.4, "every 45 s ± 2"),
        (24 * 3600.0, 0.0, "every 24 h ± 0"),
        (2.5 * 3600, 300.0, "every 150 min ± 5"),
    ],
)
def test_it_is_said_as_people_say_it(period: float, spread: float, says: str) -> None:
    assert str(Rhythm(period_seconds=period, spread_seconds=spread, count=6)) == says


def test_a_disconnect_on_the_beat_is_due_and_another_is_not() -> None:
    rhythm = Rhythm(period_seconds=1000.0, spread_seconds=20.0, count=6)
    on_beat = [960.0, 1000.0, 1049.0, 2060.0, 3000.0]
    off_beat = [0.0, 30.0, 500.0, 940.0, 1070.0, 1500.0, 4000.0]
    assert [due(rhythm, 0.0, at) for at in on_beat + off_beat] == [True] * 5 + [False] * 7


def test_a_wide_rhythm_does_not_make_everything_due() -> None:
    wide = Rhythm(period_seconds=1000.0, spread_seconds=150.0, count=6)
    assert due(wide, 0.0, 1150.0)
    assert not due(wide, 0.0, 1200.0)
