"""The assembled simulator: brokers, regions, plain and TLS, in the event loop of whoever asks for it."""

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Self

from probe.brokers import broker_names, find_broker
from probe.faults.board import MisbehaviourBoard
from probe.faults.grammar import FaultKind, FaultOrder
from probe.faults.pages import PageBoard
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Endpoint
from probe.session.broker import Broker, Region, SimulatedAccount
from probe.simulator.listen import Listener, ServerContext, SignIn, SimEndpoint, bound_to
from probe.simulator.sessions import Counters, SessionLog
from probe.simulator.switchboard import Switchboard, can_have
from probe.simulator.world import World

if TYPE_CHECKING:
    from fastapi import FastAPI  # takes half a second


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    broker: str
    account: Account
    user: str
    balance: float
    credential: Secret
    sign_in: SignIn | None  # None: the broker has no sign-in pages


class Simulator:
    """Serves while its block runs; afterwards no task, socket or thread is left.

    Args:
        brokers: Their names, or themselves where a choice of dialect was made; none means all.
        seed: Another seed gives other prices, accounts and tokens.
        faults: On from the start, written as on the command line.
        port: Of the first endpoint; the others follow it. 0: any that are free.
        tls: Serve every region a second time, over TLS.
        pages: Serve the broker's web pages on the same ports. Costs half a second to start.
        regions: Of each broker, instead of its own.
        key: By which it proves to whoever has it, too, that it is a simulator.
        utc: When it begins; None: now.

    Raises:
        UnknownBroker, ConfigError: a name, a fault or a port is impossible, or the CA's folder is.
    """

    def __init__(
        self,
        brokers: Sequence[str | Broker] = (),
        *,
        seed: int = 0,
        faults: Iterable[str] = (),
        port: int = 0,
        tls: bool = False,
        pages: bool = False,
        regions: Sequence[Region] | None = None,
        key: Secret | None = None,
        utc: float | None = None,
    ) -> None:
        self._brokers = [
            find_broker(each) if isinstance(each, str) else each for each in brokers or broker_names()
        ]
        self._seed, self._port, self._tls, self._pages, self._regions = seed, port, tls, pages, regions
        self._key, self._utc = key, utc
        self.board = Switchboard(faults, self._brokers, self._apply, tls=tls)
        self.sessions = SessionLog()
        self.endpoints: list[SimEndpoint] = []
        self.ca_file: Path | None = None
        self.worlds: dict[str, World] = {}
        self.pages: dict[str, FastAPI] = {}  # by broker, where web pages are served
        self._misbehaviour: dict[str, MisbehaviourBoard] = {}
        self._page_faults: dict[str, PageBoard] = {}
        self._listeners: list[Listener] = []
        self._cleanup = AsyncExitStack()

    @property
    def counters(self) -> Counters:
        return self.sessions.counters()

    def plain_endpoints(self) -> list[Endpoint]:
        """As a client takes them."""
        return self._taken(encrypted=False)

    def encrypted_endpoints(self) -> list[Endpoint]:
        """The same, of those that are served over TLS."""
        return self._taken(encrypted=True)

    def _taken(self, *, encrypted: bool) -> list[Endpoint]:
        return [
            Endpoint(
                broker=each.broker, region=each.region, url=each.url, account=each.account, named_by_user=True
            )
            for each in self.endpoints
            if (each.ca_file is not None) is encrypted
        ]

    def credential(self, endpoint: Endpoint) -> Secret:
        return next(each.credential for each in self.endpoints if each.url == endpoint.url)

    def key(self, endpoint: Endpoint) -> Credentials | None:
        """What opens it; None: it is open to everybody."""
        broker = next(each for each in self._brokers if each.name == endpoint.broker)
        if broker.is_public(endpoint):
            return None
        return broker.read_credentials(self.credential(endpoint).reveal())

    def accounts(self) -> list[AccountFacts]:
        return [
            self._account(broker, each)
            for broker in self._brokers
            for each in self.worlds[broker.name].accounts
        ]

    def _account(self, broker: Broker, identity: SimulatedAccount) -> AccountFacts:
        world = self.worlds[broker.name]
        account = world.account(identity.user, identity.account)
        account.settle(world.floor.at(asyncio.get_running_loop().time()))
        return AccountFacts(
            broker=broker.name,
            account=identity.account,
            user=identity.user,
            balance=account.balance().amount,
            credential=Secret(broker.write_credential(identity)),
            sign_in=self._sign_in(broker, identity),
        )

    def _sign_in(self, broker: Broker, identity: SimulatedAccount) -> SignIn | None:
        if broker.web is None:
            return None
        pin = Secret(self.worlds[broker.name].pin(identity.user))
        return SignIn(
            email=Secret(identity.email),
            password=Secret(identity.password),
            login=Secret(broker.web.write_login(identity)),
            pin=pin if broker.has_socket else None,  # then there are pages beside it, which may ask
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as cleanup:
            await self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()
        bugs = [bug for listener in self._listeners for bug in listener.bugs]
        if bugs and error is None:
            raise ExceptionGroup("served sessions broke", bugs)

    async def _start(self, cleanup: AsyncExitStack) -> None:
        context: ServerContext | None = None
        if self._tls:
            from probe.simulator.authority import open_authority  # noqa: PLC0415 - cryptography takes 0.1 s

            authority = open_authority()
            self.ca_file, context = authority.ca_file, authority.context
        now = asyncio.get_running_loop().time()
        epoch = (time.time() if self._utc is None else self._utc) - now
        for broker in self._brokers:
            self.worlds[broker.name] = World(broker=broker, seed=self._seed, epoch=epoch)
            orders = self.board.orders.values()
            self._misbehaviour[broker.name] = MisbehaviourBoard(_of(FaultKind.PROTOCOL, orders, broker))
            self._page_faults[broker.name] = PageBoard(Random(f"{self._seed}/{broker.name}/page faults"))
            self._page_faults[broker.name].set_faults(_of(FaultKind.PAGES, orders, broker), now)
        # Bound now, for the listeners to know the way; served last, so that a port that is taken is told at once.
        inside = {broker.name: _inside(cleanup) for broker in self._brokers if self._pages or broker.surveys}
        for tls in (None, context) if context else (None,):
            for broker in self._brokers:
                for region in self._regions or broker.house.regions:
                    await self._listen(broker, region, tls, inside.get(broker.name), cleanup)
        for broker in self._brokers:
            if broker.name in inside:
                await self._serve_pages(broker, inside[broker.name], cleanup)

    async def _serve_pages(self, broker: Broker, inside: socket.socket, cleanup: AsyncExitStack) -> None:
        from probe.simulator.web import serving  # noqa: PLC0415 - FastAPI and uvicorn take half a second
        from probe.simulator.web.pages import pages_of  # noqa: PLC0415 - see above

        app = pages_of(
            broker,
            world=self.worlds[broker.name],
            board=self._page_faults[broker.name],
            rng=Random(f"{self._seed}/{broker.name}/pages"),
        )
        self.pages[broker.name] = app
        await cleanup.enter_async_context(serving(app, inside))

    async def _listen(
        self,
        broker: Broker,
        region: Region,
        tls: ServerContext | None,
        inside: socket.socket | None,
        cleanup: AsyncExitStack,
    ) -> None:
        world = self.worlds[broker.name]
        listener = Listener(
            broker=broker,
            region=region,
            world=world,
            board=self._misbehaviour[broker.name],
            log=self.sessions,
            rng=Random(f"{self._seed}/{broker.name}/{region.name}/{tls is not None}"),
            tls=tls,
            pages_port=inside.getsockname()[1] if inside else None,
            key=self._key,
        )
        cleanup.push_async_callback(listener.stop)
        port = self._port + len(self._listeners) if self._port else 0
        await listener.start(port, _meant_for(broker, self.board.orders.values()))
        self._listeners.append(listener)
        identity = next(
            (each for each in world.accounts if each.account is region.account), world.accounts[0]
        )
        self.endpoints.append(
            SimEndpoint(
                broker=broker.name,
                region=region.name,
                url=listener.url,
                account=region.account,
                latency=region.latency,
                credential=Secret(broker.write_credential(identity)),
                ca_file=self.ca_file if tls else None,
                sign_in=self._sign_in(broker, identity),
            )
        )

    async def _apply(self, orders: Iterable[FaultOrder]) -> None:
        orders, now = tuple(orders), asyncio.get_running_loop().time()
        for broker in self._brokers:
            self._misbehaviour[broker.name].set_faults(_of(FaultKind.PROTOCOL, orders, broker), now)
            self._page_faults[broker.name].set_faults(_of(FaultKind.PAGES, orders, broker), now)
        for listener in self._listeners:
            await listener.set_faults(_meant_for(listener.broker, orders))


def _inside(cleanup: AsyncExitStack) -> socket.socket:
    bound = bound_to(0)
    cleanup.callback(bound.close)
    return bound


def _meant_for(broker: Broker, orders: Iterable[FaultOrder]) -> list[FaultOrder]:
    return [order for order in orders if can_have(broker, order)]


def _of(kind: FaultKind, orders: Iterable[FaultOrder], broker: Broker) -> list[FaultOrder]:
    return [order for order in _meant_for(broker, orders) if order.spec.kind is kind]
