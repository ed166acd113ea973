"""What this process takes is known where the system says it."""

from pathlib import Path

import pytest

from probe.monitor import own


def test_what_is_resident_now_is_told_in_megabytes() -> None:
    resident = own.resident_megabytes()
    assert resident is not None
    assert 10 < resident < 10_000


@pytest.mark.parametrize("text", ["", "12", "12 many"])
def test_elsewhere_it_is_not_known(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "STATM", tmp_path / "statm")
    assert own.resident_megabytes() is None
    own.STATM.write_text(text)
    assert own.resident_megabytes() is None


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_worst_lag_of_the_last_moments_is_told_and_then_forgotten() -> None:
    clock = Clock()
    host = own.OwnHost(lambda: 1e9 + clock.now, clock)
    host.late(clock.now, 0.0)
    host.late(clock.now, 1.5)
    host.late(clock.now, 0.2)
    assert host.look(counts=False).loop_lag_seconds == 1.5
    for _ in range(2):
        clock.now += own.LAG_TURN_SECONDS
        host.late(clock.now, 0.0)
    assert host.look(counts=False).loop_lag_seconds == 0.0


def test_a_wall_clock_that_was_set_is_told() -> None:
    clock, ahead = Clock(), 1e9
    host = own.OwnHost(lambda: ahead + clock.now, clock)
    assert host.look(counts=False).clock_jump_seconds == 0.0
    ahead += 3600.0
    clock.now += own.READ_EVERY
    assert host.look(counts=False).clock_jump_seconds == 3600.0


def test_handles_and_ports_are_counted_only_for_whoever_asks() -> None:
    clock = Clock()
    host = own.OwnHost(lambda: clock.now, clock)
    assert host.look(counts=False).handles_used is None
    counted = host.look(counts=True)
    assert counted.handles_used is not None
    assert counted.ports is not None


def test_this_machine_is_read_once_for_many_incidents(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, reads = Clock(), list[float]()
    host = own.OwnHost(lambda: clock.now, clock)

    def cores() -> set[int]:
        reads.append(clock.now)
        return {0}

    monkeypatch.setattr(own, "cores", cores)
    for _ in range(100):
        host.look(counts=False)
    clock.now += own.READ_EVERY
    host.look(counts=False)
    assert reads == [100.0, 100.0 + own.READ_EVERY]
