import json
import os
from collections.abc import Callable, Iterator

import gevent
import pytest

from loadtests.outlet import NowhereOutlet, Outlet, outlet, speak_through

Said = Callable[[int], list[dict[str, object]]]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    yield ours, theirs
    for fd in (ours, theirs):
        os.close(fd)


def read_all(fd: int, lines: int) -> list[dict[str, object]]:
    """So many of them, while the outlet goes on writing."""
    os.set_blocking(fd, False)
    text = b""
    with gevent.Timeout(10):
        while text.count(b"\n") < lines:
            try:
                text += os.read(fd, 65_536)
            except BlockingIOError:
                gevent.sleep(0.001)
    return [json.loads(line) for line in text.splitlines()]


def test_what_is_said_is_one_line_of_json_each(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    told = Outlet(theirs)
    told.say("stage", number=1, name="Peak\nand more")
    told.say("ended")
    assert read_all(ours, 2) == [
        {"kind": "stage", "number": 1, "name": "Peak\nand more"},
        {"kind": "ended"},
    ]


def test_a_reader_who_is_slow_is_not_waited_for_and_misses_nothing(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    told = Outlet(theirs)
    for number in range(100):
        told.say("slice", number=number, figures="x" * 10_000)  # 1 MB, and the pipe holds 64 KiB
    assert [each["number"] for each in read_all(ours, 100)] == list(range(100))


def test_closing_writes_what_still_waits(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    told = Outlet(theirs)
    told.say("slice", figures="x" * 200_000)
    reading = gevent.spawn(read_all, ours, 1)
    told.close()
    assert [each["kind"] for each in reading.get(timeout=10)] == ["slice"]


def test_a_reader_who_has_gone_is_no_error() -> None:
    ours, theirs = os.pipe()
    told = Outlet(theirs)
    os.close(ours)
    told.say("stage")
    told.say("stage")
    told.close()
    os.close(theirs)
    assert not told.has_reader


def test_a_forked_process_does_not_speak_in_its_parents_name(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pipe
    told = Outlet(theirs)
    here = os.getpid()
    monkeypatch.setattr("os.getpid", lambda: here + 1)
    told.say("of the child")
    told.close()
    monkeypatch.undo()
    told.say("of the parent")
    assert [each["kind"] for each in read_all(ours, 1)] == ["of the parent"]


def test_without_a_command_nobody_is_told() -> None:
    assert isinstance(outlet(), NowhereOutlet)
    outlet().say("slice", figures={})
    outlet().close()


def test_a_process_speaks_through_what_was_chosen(pipe: tuple[int, int]) -> None:
    before, chosen = outlet(), Outlet(pipe[1])
    speak_through(chosen)
    try:
        assert outlet() is chosen
    finally:
        speak_through(before)
