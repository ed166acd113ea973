"""Finding, reaching and securing a host in the thread that asks for it, within the deadline of each phase.

No wait is longer than a slice: after it the dialler looks whether another thread has given the attempt up. Sockets never
block; what waits is `selectors.DefaultSelector`, and gevent puts a cooperative one in its place.
"""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait

from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.blocking_transport import Transport
from probe.drivers.dial import (
    STAGGER_SECONDS,
    UNDER_WAY,
    DialPlan,
    Found,
    NotDialled,
    Stopwatch,
    literal_address,
    most_telling,
    on_a_thread,
    without_a_source,
)
from probe.drivers.tls import tls_facts
from probe.model.endpoint import Address
from probe.model.events import Dialled, Event, Phase
from probe.model.proxy import Proxy
from probe.wire.tunnel import tunnel_through

SLICE_SECONDS = 0.25  # the longest wait: what another thread did is noticed after it at the latest

# How long the next wait may be. Raises TimeoutError at the phase's deadline, and whatever ends the dialling before.
Slice = Callable[[], float]


def dial(
    plan: DialPlan, watch: Stopwatch, say: Callable[[Event], None], go_on: Callable[[], None]
) -> Transport:
    """Each phase is said when it is finished, and at last what was dialled. `go_on` raises when nobody waits any more.

    Raises:
        ConfigError: the plan's file of certificate authorities cannot be used.
        NotDialled: a phase failed.
    """
    context = plan.tls.context() if plan.address.secure else None  # the first time is slow, so in no phase
    watch.begin(Phase.RESOLVING)
    with _in_time(plan, watch, go_on) as next_slice:
        found, targets = _find(plan, next_slice)
    say(watch.finished())
    watch.begin(Phase.CONNECTING)
    with _in_time(plan, watch, go_on) as next_slice:
        transport, reached = _reach(plan, targets, next_slice)
    try:
        say(watch.finished())
        if plan.proxy is not None:
            watch.begin(Phase.TUNNELLING)
            with _in_time(plan, watch, go_on) as next_slice:
                _pass_through(plan.proxy, plan.address, transport, next_slice)
            say(watch.finished())
        facts = None
        if context is not None:
            watch.begin(Phase.SECURING)
            tls = TlsLayer(context, plan.verified_name)
            with _in_time(plan, watch, go_on) as next_slice:
                _secure(tls, transport, next_slice)
            say(watch.finished())
            facts = tls_facts(tls.secured)
        local_address, local_port, *_ = transport.socket.getsockname()
        dialled = Dialled(
            at=time.monotonic(),
            addresses=tuple(one.host for one in found),
            address=reached.host,
            local_port=local_port,
            tls=facts,
            proxy=None if plan.proxy is None else str(plan.proxy),
            local_address=local_address,
        )
        say(dialled)
    except BaseException:
        transport.hang_up()
        raise
    return transport


@contextlib.contextmanager
def _in_time(plan: DialPlan, watch: Stopwatch, go_on: Callable[[], None]) -> Iterator[Slice]:
    """What is done inside is one phase.

    Raises:
        NotDialled: the phase failed, or did not finish within its deadline.
    """
    until = time.monotonic() + plan.deadlines[watch.phase]

    def next_slice() -> float:
        go_on()
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, SLICE_SECONDS)

    try:
        yield next_slice
    except OSError as error:
        raise NotDialled(plan.failure_of(error, watch.phase)) from error


def _find(plan: DialPlan, next_slice: Slice) -> tuple[Sequence[Found], list[Found]]:
    """All addresses of the host, and those to try."""
    host, port = plan.first_hop
    # An address, too: gevent asks its threads about it, and they may all be waiting for other lookups.
    answer = on_a_thread(lambda: literal_address(host, port) or plan.resolve(host, port))
    while not answer.done():
        wait((answer,), next_slice())
    found = answer.result()
    return found, plan.candidates(found)


def _reach(plan: DialPlan, targets: Sequence[Found], next_slice: Slice) -> tuple[Transport, Found]:
    trying = selectors.DefaultSelector()
    try:
        sock, reached = _race(plan, targets, trying, next_slice)
    except BaseException:
        trying.close()
        raise
    return Transport(sock, trying), reached


def _race(
    plan: DialPlan, targets: Sequence[Found], trying: selectors.BaseSelector, next_slice: Slice
) -> tuple[socket.socket, Found]:
    """The first target to connect wins; the next one joins when the one before failed or was alone for long enough."""
    waiting = list(targets)
    errors: list[OSError] = []
    join_at = 0.0
    try:
        while waiting or trying.get_map():
            if waiting and time.monotonic() >= join_at:
                target = waiting.pop(0)
                try:
                    sock = _attempt(plan, target)
                except OSError as error:
                    errors.append(without_a_source(error, target))
                    continue
                trying.register(sock, selectors.EVENT_WRITE, (sock, target))
                join_at = time.monotonic() + STAGGER_SECONDS
            alone = max(0.0, join_at - time.monotonic()) if waiting else SLICE_SECONDS
            for key, _ in trying.select(min(alone, next_slice())):
                sock, target = key.data
                trying.unregister(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not number:
                    return sock, target
                sock.close()
                errors.append(without_a_source(OSError(number, os.strerror(number)), target))
                join_at = 0.0
    finally:
        for key in list(trying.get_map().values()):
            sock, _ = key.data
            trying.unregister(sock)
            sock.close()
    raise most_telling(errors)


def _attempt(plan: DialPlan, target: Found) -> socket.socket:
    sock = plan.open_socket(target.family)
    sock.setblocking(False)
    number = sock.connect_ex(target.address)
    if number and number not in UNDER_WAY:
        sock.close()
        raise OSError(number, os.strerror(number))
    return sock


def _pass_through(proxy: Proxy, target: Address, transport: Transport, next_slice: Slice) -> None:
    """Have the proxy open a way to the target.

    Raises:
        NotDialled: it did not.
    """
    tunnel = tunnel_through(proxy, target)
    send = tunnel.begin()
    while not tunnel.open:
        if received := _exchange(transport, send, next_slice):
            send = tunnel.receive(received)
        else:
            tunnel.receive_end()
        if tunnel.failure is not None:
            raise NotDialled(tunnel.failure)


def _secure(tls: TlsLayer, transport: Transport, next_slice: Slice) -> None:
    try:
        while not tls.shake_hands():
            if received := _exchange(transport, tls.to_send(), next_slice):
                tls.take(received)
            else:
                tls.take_end()
    finally:
        transport.write(tls.to_send())  # our last word, or the alert that says what was wrong
    transport.tls = tls


def _exchange(transport: Transport, send: bytes, next_slice: Slice) -> bytes:
    """Send it, and wait for an answer; without one it is the end."""
    transport.write(send)
    received = b""
    while not received and not transport.end_heard:
        if transport.wait(next_slice()):
            received = transport.receive()
        transport.flush()
    return received
