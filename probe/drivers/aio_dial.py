"""Finding and reaching a host on asyncio, within the deadline of each phase."""

import asyncio
import socket
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from probe.drivers.dial import (
    STAGGER_SECONDS,
    DialPlan,
    Found,
    NotDialled,
    Stopwatch,
    literal_address,
    most_telling,
    on_a_thread,
    without_a_source,
)
from probe.model.endpoint import Address
from probe.model.proxy import Proxy
from probe.wire.tunnel import tunnel_through

LARGEST_READ = 65_536

T = TypeVar("T")


async def in_time(step: Awaitable[T], plan: DialPlan, watch: Stopwatch) -> T:
    """One phase of dialling.

    Raises:
        NotDialled: it failed, or did not finish within its deadline.
    """
    try:
        async with asyncio.timeout(plan.deadlines[watch.phase]):
            return await step
    except OSError as error:
        raise NotDialled(plan.failure_of(error, watch.phase)) from error


async def find(plan: DialPlan) -> tuple[Sequence[Found], list[Found]]:
    """All addresses of the host, and those to try."""
    host, port = plan.first_hop
    found: Sequence[Found] | None = literal_address(host, port)
    if found is None:
        found = await asyncio.wrap_future(on_a_thread(lambda: plan.resolve(host, port)))
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


async def pass_through(proxy: Proxy, target: Address, sock: socket.socket) -> None:
    """Have the proxy open a way to the target on the socket that is connected to it.

    Raises:
        NotDialled: it did not.
    """
    loop = asyncio.get_running_loop()
    tunnel = tunnel_through(proxy, target)
    send = tunnel.begin()
    while not tunnel.open:
        await loop.sock_sendall(sock, send)
        if data := await loop.sock_recv(sock, LARGEST_READ):
            send = tunnel.receive(data)
        else:
            tunnel.receive_end()
        if tunnel.failure is not None:
            raise NotDialled(tunnel.failure)
