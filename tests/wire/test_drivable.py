import random

from probe.wire.drivable import Timers


def test_the_earliest_timer_is_known_whatever_is_set_moved_and_cancelled() -> None:
    rng, timers, due = random.Random(1), Timers(), dict[str, float]()
    for _ in range(5000):
        name, at = rng.choice("abcde"), float(rng.randrange(20))
        match rng.randrange(4):
            case 0:
                timers.set(name, at)
                due[name] = at
            case 1:
                timers.set_no_later(name, at)
                due[name] = min(at, due.get(name, at))
            case 2:
                timers.cancel(name)
                due.pop(name, None)
            case _:
                if (first := timers.pop_due(at)) is not None:
                    assert first[1] == min(due.values()) == due.pop(first[0])
        assert timers.next() == min(due.values(), default=None)
        assert len(timers) == len(due)
