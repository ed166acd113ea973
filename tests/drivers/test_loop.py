"""The event loop of those who hold many connections."""

import asyncio
import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from probe.drivers.loop import AT_ONCE, run

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system has another way")
MANY = 5 * AT_ONCE


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(MANY)]
        for each in (end for pair in made for end in pair):
            each.setblocking(False)
            stack.enter_context(each)
        yield made


def test_a_timer_that_is_due_does_not_wait_for_all_that_is_to_be_read(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    read: list[int] = []
    before: list[int] = []

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def take(number: int) -> None:
            pairs[number][0].recv(1)
            read.append(number)
            if len(read) == 1:
                loop.call_later(0, lambda: before.append(len(read)))
            if len(read) == MANY:
                done.set()

        for number, (near, far) in enumerate(pairs):
            far.send(b".")
            loop.add_reader(near, take, number)
        await asyncio.wait_for(done.wait(), 10.0)

    run(main())
    assert sorted(read) == list(range(MANY))
    assert before
    assert before[0] <= 2 * AT_ONCE


def test_a_few_that_always_have_something_do_not_keep_the_others_waiting(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    turns: Counter[int] = Counter()

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def take(number: int) -> None:
            pairs[number][0].recv(1)
            pairs[number][1].send(b".")
            turns[number] += 1
            if sum(turns.values()) == 10 * MANY:
                done.set()

        for number, (near, far) in enumerate(pairs):
            far.send(b".")
            loop.add_reader(near, take, number)
        await asyncio.wait_for(done.wait(), 10.0)

    run(main())
    assert len(turns) == MANY
    assert max(turns.values()) - min(turns.values()) <= 2


def test_what_it_runs_may_return_and_raise() -> None:
    async def add(one: int) -> int:
        if one < 0:
            raise ValueError("less than nothing")
        return one + 1

    assert run(add(1)) == 2
    with pytest.raises(ValueError, match="less than nothing"):
        run(add(-1))
