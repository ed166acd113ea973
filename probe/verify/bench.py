"""What a test is given: one target to open sessions to, its clock, and the other side where that is a simulator."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from probe.api.holding import Holding
from probe.api.session import Session
from probe.api.streams import Quote, QuoteStream
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.failures import Failure
from probe.monitor.monitor import Monitor
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import Wanted
from probe.session.broker import Broker, SimulatedAccount
from probe.simulator.run import Simulator
from probe.simulator.world import World
from probe.verify.model import Failed, Need, Skip

LIVE_WITHIN = 30.0
QUOTE_WITHIN = 15.0
LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Made anew for each test; against a simulator with a simulator of its own, in which faults that were asked for are on."""

    wanted: Wanted
    symbols: tuple[str, ...]  # the usual one first; all open now, as far as is known
    utc: Callable[[], float]  # passes as the event loop's clock does
    rng: random.Random
    simulator: Simulator | None
    orders_allowed: bool
    pretends: bool  # time does not pass, it is jumped over
    ended: list[Failure] = field(default_factory=list)  # of what sessions that were opened here have ended

    @property
    def broker(self) -> Broker:
        return self.wanted.broker

    @property
    def endpoint(self) -> Endpoint:
        return self.wanted.endpoints[0]

    @property
    def symbol(self) -> str:
        return self.symbols[0]

    @property
    def is_pushed(self) -> bool:
        """Whether prices come by themselves."""
        return self.endpoint.scheme in ("ws", "wss")

    @property
    def needs_login(self) -> bool:
        return not self.broker.is_public(self.endpoint)

    @property
    def has_history(self) -> bool:
        """Whether past prices can be asked for."""
        return self.is_pushed and self.broker.rules.asks_history

    @property
    def has_account(self) -> bool:
        return self.wanted.key is not None

    def meets(self, need: Need) -> bool:
        match need:
            case Need.SIMULATOR:
                return self.simulator is not None
            case Need.PAGES:
                return self.simulator is not None and self.broker.web is not None
            case Need.ORDERS:
                return self.orders_allowed and self.is_pushed and self.needs_login
            case Need.ACCOUNT:
                return self.has_account
            case Need.HISTORY:
                return self.has_history
            case Need.SOCKET:
                return self.is_pushed
            case Need.REAL_TIME:
                return True

    # -- the target ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(
        self,
        *,
        reconnect: bool = False,
        symbols: Sequence[str] | None = None,
        timeout: float = LIVE_WITHIN,
        key: Credentials | SignIn | None = None,
    ) -> AsyncIterator[Session]:
        """A live session of the API's, closed with its block.

        Args:
            reconnect: Restored by itself when it is lost.
            symbols: Whose prices come from the beginning on; None: those of the usual one.
            key: Instead of the target's own.

        Raises:
            ConnectionFailed: there is none.
        """
        watched = (self.symbol,) if symbols is None else tuple(symbols)
        holding = Holding(
            replace(self.wanted, symbols=watched, key=key or self.wanted.key),
            reconnect=reconnect,
            max_retries=None,
            phase_deadline=None,
            utc=self.utc,
        )
        try:
            await holding.open(timeout)
            yield Session(holding)
        finally:
            await holding.close()
            if holding.last_failure is not None:
                self.ended.append(holding.last_failure)

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[Monitor]:
        """The monitor of `probe monitor` on this target, stopped with its block."""
        wanted = replace(self.wanted, symbols=(self.symbol,), knock_every=None)
        monitor = Monitor([wanted], utc=self.utc, rng=self.rng)
        running = asyncio.create_task(monitor.run())
        try:
            yield monitor
        finally:
            monitor.stop()
            await running

    # -- the clock -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def lasting(self, *, pretended: float, real: float) -> float:
        """How long to look where a longer look shows more, and time is dear unless it is pretended."""
        return pretended if self.pretends else real

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], object], within: float) -> None:
        """
        Raises:
            TimeoutError: it did not come true.
        """
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - conditions are about many things, and not all of them tell
                await asyncio.sleep(LOOK_EVERY)

    async def next_quote(self, stream: QuoteStream, within: float = QUOTE_WITHIN) -> Quote:
        """
        Raises:
            Failed: none comes.
        """
        try:
            async with asyncio.timeout(within):
                return await anext(stream)
        except TimeoutError:
            raise Failed(f"no price came within {within:g} s", waited_seconds=within) from None

    async def timed(self, doing: Awaitable[object]) -> float:
        """Seconds that it took."""
        began = self.now
        await doing
        return self.now - began

    # -- the other side ------------------------------------------------------------------------------------------------

    @property
    def there(self) -> Simulator:
        """
        Raises:
            Skip: the target is none.
        """
        if self.simulator is None:
            raise Skip("it needs a simulator")
        return self.simulator

    @property
    def world(self) -> World:
        """What the simulated broker knows: prices, accounts, tokens."""
        return self.there.worlds[self.broker.name]

    @property
    def identity(self) -> SimulatedAccount:
        """Whose account the simulated one is."""
        accounts = self.world.accounts
        return next((each for each in accounts if each.account is self.endpoint.account), accounts[0])

    @asynccontextmanager
    async def fault(self, text: str) -> AsyncIterator[None]:
        """It goes wrong in the simulator for as long as the block runs; written as for `probe sim --fault`."""
        number = await self.there.board.switch_on(text)
        try:
            yield
        finally:
            await self.there.board.switch_off(number)
