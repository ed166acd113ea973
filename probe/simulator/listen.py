"""One port of a simulated broker: page requests and sessions, plain or TLS, behind the network of its region.

Every connection is a stack of Drivables on one plain TCP transport, from the outside in: stream faults (the region's
latency is one of them), TLS, the doorway that reads the request head, and then a session or the way to the web pages.
So what can be done to bytes can be done to the TLS handshake too, and all of it can be changed while it runs.
"""

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

from probe.drivers.aio import Connection, adopt
from probe.faults.board import MisbehaviourBoard
from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec
from probe.faults.listener import (
    CONNECTION_CAP,
    REFUSE,
    TLS_CERTIFICATE,
    TLS_VERSION,
    BadCertificate,
    TlsVersion,
)
from probe.faults.opening import http_answer
from probe.faults.posted import PostedOrders
from probe.faults.stream import Delay, StreamFault, stream_fault
from probe.faults.wire import FaultStack
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.events import Ended, Event
from probe.session.behaviour import Misbehaviour, Refusal
from probe.session.broker import Broker, Region
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.doorway import Doorway, PagesConnection, asks_for_socket
from probe.simulator.proof import Proving, nonce_asked, proof_of
from probe.simulator.secure import SecuredSession
from probe.simulator.sessions import SessionLog, SessionRecord
from probe.simulator.world import World
from probe.wire.drivable import Drivable
from probe.wire.heads import Head
from probe.wire.websocket import UpgradeRequested

HOST = "127.0.0.1"  # and never another: what it serves is for this machine only
BACKLOG = 1024
FRAMES_KEPT = 100
RETRY_AFTER_SECONDS = 30.0
FULL_STATUS = 429  # to one connection more than a broker takes

ServerContext = Callable[[BadCertificate | None, TlsVersion | None], ssl.SSLContext]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Somebody with a password at a simulated broker."""

    email: Secret
    password: Secret
    login: Secret  # all of it, as the broker's password logins are written
    pin: Secret | None  # what would have been mailed; None: it never asks for one

    def revealed(self) -> dict[str, object]:
        told: dict[str, object] = json.loads(self.login.reveal())
        return told if self.pin is None else told | {"pin": self.pin.reveal()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimEndpoint:
    """Where a client goes, and with what. The credential opens nothing but this simulator."""

    broker: str
    region: str
    url: str
    account: Account
    latency: float
    credential: Secret
    ca_file: Path | None  # what a TLS client must trust
    sign_in: SignIn | None  # None: the broker has no sign-in pages


class Listener:
    """`tls` makes the server's side of TLS; without it the port is plain. `pages_port` is the web application's.
    With a `key` it can prove that it is a simulator."""

    def __init__(
        self,
        *,
        broker: Broker,
        region: Region,
        world: World,
        board: MisbehaviourBoard,
        log: SessionLog,
        rng: Random,
        tls: ServerContext | None = None,
        pages_port: int | None = None,
        key: Secret | None = None,
    ) -> None:
        self.broker, self.region, self.world = broker, region, world
        self.board, self.log, self.rng = board, log, rng
        self.tls, self.pages_port, self.key = tls, pages_port, key
        self.port = 0
        self.stream_faults: tuple[StreamFault, ...] = ()
        self.visits: set[Visit] = set()
        self.bugs: list[Exception] = []
        self.stopped = False
        self._loop = asyncio.get_running_loop()
        self._orders = PostedOrders()
        self._held: socket.socket | None = None  # keeps the port while nobody listens
        self._server: asyncio.Server | None = None
        self._turning = asyncio.Lock()
        self._timers: list[asyncio.TimerHandle] = []
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        region, rules = self.region, self.broker.rules
        path = region.path
        if path is None:
            query = "&".join(f"{name}={value}" for name, value in rules.query.items())
            path = f"{rules.path}{'?' if query else ''}{query}"
        return f"{region.scheme}{'s' if self.tls else ''}://{HOST}:{self.port}{path}"

    async def start(self, port: int, faults: Sequence[FaultOrder]) -> None:
        """Port 0 takes any that is free.

        Raises:
            ConfigError: the port cannot be had.
        """
        self._held = bound_to(port)
        self.port = int(self._held.getsockname()[1])
        await self.set_faults(faults)

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        self.stopped = True
        for timer in self._timers:
            timer.cancel()
        async with self._turning:
            if self._held is not None:
                self._held.close()
            if self._server is not None:
                self._server.close()
        await asyncio.gather(*(visit.drop() for visit in tuple(self.visits)))

    async def set_faults(self, orders: Sequence[FaultOrder]) -> None:
        """What was on already goes on; in effect when this returns. The board is somebody else's to change, first."""
        now = self._loop.time()
        self._orders.replace((order for order in orders if order.spec.kind is FaultKind.LISTENER), now)
        latency = (Delay(seconds=self.region.latency),) if self.region.latency else ()
        chosen = (stream_fault(order) for order in orders if order.spec.kind is FaultKind.STREAM)
        self.stream_faults = (*latency, *chosen)
        for visit in tuple(self.visits):
            visit.suffer(self.stream_faults)
        await self._turn()
        for timer in self._timers:
            timer.cancel()
        self._timers = [self._loop.call_at(at, self._turn_soon) for at in self._orders.borders(REFUSE, now)]

    def acting(self, spec: FaultSpec) -> FaultOrder | None:
        return self._orders.acting(spec, self._loop.time())

    def tls_context(self) -> ssl.SSLContext | None:
        """Of one more connection; None: this port is plain."""
        if self.tls is None:
            return None
        flaw, version = self.acting(TLS_CERTIFICATE), self.acting(TLS_VERSION)
        return self.tls(
            cast("BadCertificate", flaw.values["kind"]) if flaw else None,
            cast("TlsVersion", version.values["only"]) if version else None,
        )

    def misbehaviour(self, peer: str) -> Misbehaviour:
        """Of one more session with that client address."""
        order = self.acting(CONNECTION_CAP)
        cap, status = self.broker.house.connection_cap, FULL_STATUS
        if order is not None:
            cap, status = (cast("int", order.values[name]) for name in ("cap", "code"))
        if cap is not None and sum(visit.serves(peer) for visit in self.visits) >= cap:
            return _Full(status)
        return self.board.for_session()

    def _turn_soon(self) -> None:
        turn = self._loop.create_task(self._turn())
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    async def _turn(self) -> None:
        """Listen, or refuse."""
        async with self._turning:
            if self.stopped:
                return
            refusing = self.acting(REFUSE) is not None
            if refusing and self._server is not None:
                self._server.close()
                self._server, self._held = None, bound_to(self.port)
            elif not refusing and self._held is not None:
                held, self._held = self._held, None
                self._server = await self._loop.create_server(lambda: Visit(self), sock=held, backlog=BACKLOG)


class Visit(asyncio.Protocol):
    """One connection, from its arrival until its transport is gone."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._record: SessionRecord | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        listener = self._listener
        if listener.stopped:  # it was on its way in
            cast("asyncio.Transport", transport).abort()
            return
        self._peer = str(transport.get_extra_info("peername")[0])
        self._rng = Random(listener.rng.getrandbits(64))
        inner: Drivable = Doorway(self._choose)
        if (context := listener.tls_context()) is not None:
            inner = SecuredSession(inner, context)
        self._stack = FaultStack(inner, listener.stream_faults, self._rng)
        self._connection: Connection[FaultStack] = adopt(
            cast("asyncio.Transport", transport), self._stack, on_event=self._note
        )
        listener.visits.add(self)
        self._gone = asyncio.get_running_loop().create_task(self._follow())

    def serves(self, peer: str) -> bool:
        return self._peer == peer and self._record is not None and self._record.open

    def suffer(self, faults: tuple[StreamFault, ...]) -> None:
        """These from now on; the session looks at the board as well."""
        self._connection.act(lambda stack, now: stack.set_faults(faults, now))
        self._wake()

    async def drop(self) -> None:
        self.suffer(())  # what is held back would keep the session from its end
        self._connection.abort()
        await self._gone

    def _choose(self, head: Head | None) -> Drivable:
        listener = self._listener
        nonce = nonce_asked(head)
        if listener.key is not None and nonce is not None:
            return Proving(proof_of(listener.key, nonce, f"{HOST}:{listener.port}"))
        broker = listener.broker
        wants_socket = broker.has_socket and asks_for_socket(head, broker.rules.path)
        if listener.pages_port is not None and not wants_socket:
            return PagesConnection(listener.pages_port, self._wake)
        session = ServedSession(
            codec=broker.codec(),
            desk=WorldDesk(listener.world, account_kind=listener.region.account, rng=self._rng),
            misbehaviour=listener.misbehaviour(self._peer),
            rng=self._rng,
            keep_messages=FRAMES_KEPT,
        )
        self._record = SessionRecord(
            number=listener.log.next_number(),
            broker=listener.broker.name,
            region=listener.region.name,
            url=listener.url,
            peer=self._peer,
            opened_at=time.time(),
            session=session,
            close=lambda code: self._ask(lambda now: session.close(now, code)),
            drop=self._connection.abort,
        )
        listener.log.add(self._record)
        return session

    def _ask(self, action: Callable[[float], None]) -> None:
        self._connection.act(lambda _, now: action(now))
        self._wake()

    def _wake(self) -> None:
        """What happened behind the stack's back comes out."""
        self._connection.act(lambda stack, now: stack.wake(now))

    def _note(self, event: Event) -> None:
        if isinstance(event, Ended) and self._record is not None:
            self._listener.log.end(self._record, in_order=event.in_order)

    async def _follow(self) -> None:
        try:
            await self._connection.ended()
        except Exception as bug:  # noqa: BLE001 - the top of a connection; whoever stops the simulator hears of it
            self._listener.bugs.append(bug)
            if self._record is not None and self._record.open:
                self._listener.log.end(self._record, in_order=False)
        self._listener.visits.discard(self)


class _Full(Misbehaviour):
    def __init__(self, status: int) -> None:
        self._status = status

    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal:
        return http_answer(self._status, RETRY_AFTER_SECONDS)


def bound_to(port: int) -> socket.socket:
    bound = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # named, or asyncio leaves Nagle on
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.setblocking(False)
    except (OSError, OverflowError) as problem:
        bound.close()
        why = problem.strerror if isinstance(problem, OSError) else "ports go from 1 to 65535"
        raise ConfigError(
            f"the simulator cannot listen on port {port} ({why})",
            next_step="Choose another one, or name none and it takes any that are free.",
        ) from None
    return bound
