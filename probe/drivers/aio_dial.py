"""Finding and reaching a host on asyncio, within the deadline of each phase."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from probe.drivers.dial import (
    STAGGER_SECONDS,
    DialPlan,
    Found,
    Stopwatch,
    failure_of,
    literal_address,
    most_telling,
    without_a_source,
)
from probe.model.failures import Failure

T = TypeVar("T")


class NotDialled(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


async def in_time(step: Awaitable[T], plan: DialPlan, watch: Stopwatch) -> T:
    """One phase of dialling.

    Raises:
        NotDialled: it failed, or did not finish within its deadline.
    """
    seconds = plan.deadlines[watch.phase]
    try:
        async with asyncio.timeout(seconds):
            return await step
    except OSError as error:
        failure = failure_of(error, watch.phase)
        if isinstance(error, TimeoutError) and error.errno is None:
            failure = replace(failure, detail=f"no answer in {seconds:g} s")
        raise NotDialled(failure) from error


async def find(plan: DialPlan) -> tuple[Sequence[Found], list[Found]]:
    """All addresses of the host, and those to try."""
    host, port = plan.address.host, plan.address.port
    found: Sequence[Found] | None = literal_address(host, port)
    if found is None:
        found = await _on_a_thread(lambda: plan.resolve(host, port))
    return found, plan.candidates(found)


async def reach(plan: DialPlan, targets: Sequence[Found]) -> tuple[socket.socket, Found]:
    """The first target to connect wins; the next one joins when the one before failed or was alone for long enough."""
    if len(targets) == 1:
        return await _attempt(plan, targets[0])
    winner: tuple[socket.socket, Found] | None = None
    running: set[asyncio.Task[tuple[socket.socket, Found]]] = set()
    errors: list[OSError] = []
    waiting = list(targets)
    try:
        while winner is None and (waiting or running):
            if waiting:
                running.add(asyncio.create_task(_attempt(plan, waiting.pop(0))))
            alone = STAGGER_SECONDS if waiting else None
            done, _ = await asyncio.wait(running, timeout=alone, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if winner is None:
                    running.discard(task)
                    try:
                        winner = task.result()
                    except OSError as error:
                        errors.append(error)
        await _dismiss(running)
    except BaseException:
        if winner is not None:
            winner[0].close()
        await _dismiss(running)
        raise
    if winner is None:
        raise most_telling(errors)
    return winner


async def _dismiss(losers: set[asyncio.Task[tuple[socket.socket, Found]]]) -> None:
    for task in losers:
        task.cancel()
    for loser in await asyncio.gather(*losers, return_exceptions=True):
        if not isinstance(loser, BaseException):
            loser[0].close()


async def _attempt(plan: DialPlan, target: Found) -> tuple[socket.socket, Found]:
    sock = plan.open_socket(target.family)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, target.address)
    except OSError as error:
        sock.close()
        raise without_a_source(error, target) from None
    except BaseException:
        sock.close()
        raise
    return sock, target


async def _on_a_thread(call: Callable[[], T]) -> T:
    """On a thread of its own: in asyncio's pool the time would include our own queue, and a resolver that hangs would
    hold up other lookups and the end of the program."""
    answer: Future[T] = Future()
    answer.set_running_or_notify_cancel()

    def run() -> None:
        try:
            answer.set_result(call())
        except Exception as problem:  # noqa: BLE001 - raised where it is waited for
            answer.set_exception(problem)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return await asyncio.wrap_future(answer)
