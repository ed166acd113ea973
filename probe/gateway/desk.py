"""The terminal as the gateway's routes see it: one call at a time, each within a deadline, and never data of a terminal that is
lost, has lost its broker, or holds another account.

A call that is under way cannot be taken back: who waited too long is told so, and the terminal stays busy until it returns.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from probe.drivers.terminal import Terminal
from probe.gateway.models import Account
from probe.logs import get_logger
from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

T = TypeVar("T")

SURE_FOR = 1.0  # seconds for which a look at the terminal's state holds
GLANCE = 0.25  # seconds that a glance may take
RECENTLY = 5.0  # for which it believes the last look, should the terminal be busy
ENTER_EVERY = 30.0  # seconds between logins of our own: the broker counts those that fail
LOST_CODES = range(
    -10005, -9999
)  # of the way to the terminal: https://www.mql5.com/en/docs/python_metatrader5/mt5lasterror_py
AUTH_FAILED = -6
ENTRY_MS = 60_000  # what the terminal takes by default to start and log in


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAccount:
    """The one account that a gateway opens."""

    number: int
    password: Secret
    server: str


class Unavailable(Exception):
    """There is no answer, in words that are for everybody."""

    def __init__(
        self, words: str, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE, *, lost: bool = False
    ) -> None:
        super().__init__(words)
        self.words, self.status = words, status
        self.lost = lost  # the terminal: logging in may bring it back


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the terminal's state was, and when."""

    at: float
    found: Account | Unavailable

    def told(self) -> Account:
        if isinstance(self.found, Unavailable):
            raise Unavailable(self.found.words, self.found.status)  # a new one: many may raise it
        return self.found


class Desk:
    """`queue` is how many requests may be on their way to the terminal, each for `deadline` seconds."""

    def __init__(
        self,
        terminal: Terminal,
        account: GatewayAccount,
        *,
        clock: Callable[[], float],
        deadline: float,
        queue: int,
    ) -> None:
        self._terminal, self._account = terminal, account
        self._clock, self._deadline, self._queue = clock, deadline, queue
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._running: set[asyncio.Task[object]] = set()
        self._looking: asyncio.Task[_Look] | None = None
        self._look: _Look | None = None  # None: nobody has logged in yet
        self._entered_at: float | None = None
        self._refused: Unavailable | None = None  # what became of the last login of our own
        self._log = get_logger(source="gateway")

    @property
    def is_used(self) -> bool:
        return self._look is not None

    async def enter(self) -> None:
        """Log the terminal in, unless it is.

        Raises:
            Unavailable: why it is not.
        """
        async with self._place():
            await self._checked(by_login=True)

    async def account(self) -> Account:
        """The account, of a terminal that holds it and has its broker.

        Raises:
            Unavailable: it holds another one, or has lost its broker, or is lost itself.
        """
        async with self._place():
            return await self._checked()

    async def glance(self) -> Account:
        """The same at once, and in nobody's way: a busy terminal still has what was seen in it lately."""
        last = self._look
        try:
            async with asyncio.timeout(GLANCE):
                return await self._checked()
        except TimeoutError:
            if last is not None and self._clock() - last.at < RECENTLY:
                return last.told()
            raise _slow() from None

    async def ask(self, function: str, kind: type[T], *arguments: object) -> T:
        """What the terminal tells, as a `kind`.

        Raises:
            Unavailable: it tells nothing, or nothing of that kind.
        """
        async with self._place():
            await self._checked()
            return self._read(await self._ask(function, *arguments), kind)

    async def find(self, function: str, kind: type[T], *arguments: object) -> T | None:
        """The same of something that may not be there."""
        async with self._place():
            await self._checked()
            reply = await self._call(TerminalCall(function=function, arguments=arguments))
            if reply.value is None and reply.error in LOST_CODES:
                raise self._failed(reply)
            return None if reply.value is None else self._read(reply.value, kind)

    # -- state -------------------------------------------------------------------------------------------------------

    async def _checked(self, *, by_login: bool = False) -> Account:
        look = self._look
        if look is None and not by_login:
            raise Unavailable("The terminal is not logged in yet. Log in here first.")
        if look is None or self._clock() - look.at >= SURE_FOR or by_login:
            if by_login and self._looking is not None:
                await asyncio.shield(self._looking)  # it may be one that would not log in
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_again(by_login=by_login))
            look = await asyncio.shield(self._looking)
        return look.told()

    async def _look_again(self, *, by_login: bool) -> _Look:
        """For everybody who wants to know at this time."""
        found: Account | Unavailable
        try:
            async with self._deadlined():
                found = await self._found(by_login=by_login)
        except Unavailable as problem:
            found = problem
        self._look = _Look(at=self._clock(), found=found)
        return self._look

    async def _found(self, *, by_login: bool) -> Account:
        if self._look is not None:
            try:
                return await self._state()
            except Unavailable as problem:
                if not (by_login or problem.lost):
                    raise
                is_early = self._entered_at is not None and self._clock() - self._entered_at < ENTER_EVERY
                if is_early and (self._refused or not by_login):
                    raise self._refused or problem from None
        await self._enter()
        return await self._state()

    async def _enter(self) -> None:
        found = await self._carry(LookForProcess())
        if isinstance(found, Failure):
            raise self._unreachable(found)
        if isinstance(found, ProcessFound) and found.running is False:  # the call would start one
            raise Unavailable("The terminal is not running. Start it on its machine.", lost=True)
        self._entered_at, self._refused = self._clock(), None
        account = self._account
        named = {
            "login": account.number,
            "password": account.password,
            "server": account.server,
            "timeout": ENTRY_MS,
        }
        reply = await self._call(TerminalCall(function="initialize", named=named))
        if not reply.value:
            self._refused = self._failed(reply)
            raise self._refused

    async def _state(self) -> Account:
        state = await self._ask("terminal_info")
        account = self._read(await self._ask("account_info"), Account)
        if not (isinstance(state, dict) and state.get("connected") is True):
            raise Unavailable(
                "The terminal has no connection to its broker; what it would tell is old. "
                "Look at the connection that it shows."
            )
        if account.login != self._account.number:
            raise Unavailable(
                "The terminal is logged in to another account than this gateway's. "
                "Log in here again, or log it in by hand."
            )
        return account

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _ask(self, function: str, *arguments: object) -> object:
        reply = await self._call(TerminalCall(function=function, arguments=arguments))
        if reply.value is None:
            raise self._failed(reply)
        return reply.value

    async def _call(self, call: TerminalCall) -> TerminalReply:
        reply = await self._carry(call)
        if not isinstance(reply, TerminalReply):
            raise self._unreachable(reply)
        return reply

    def _read(self, value: object, kind: type[T]) -> T:
        try:
            return TypeAdapter(kind).validate_python(value)
        except ValidationError as problem:
            self._log.warning("answer_not_understood", kind=str(kind), flaws=problem.error_count())
            raise Unavailable(
                "The terminal's answer makes no sense. Check that terminal and bridge fit each other."
            ) from None

    def _unreachable(self, said: ProcessFound | Failure) -> Unavailable:
        self._log.warning("terminal_unreachable", failure=str(said))
        return Unavailable(
            "The terminal cannot be reached. Look at the bridge to it on its machine.", lost=True
        )

    def _failed(self, reply: TerminalReply) -> Unavailable:
        self._log.warning("call_failed", error=reply.error, words=reply.error_text)
        if reply.error == AUTH_FAILED:
            return Unavailable("The broker does not accept this gateway's account. Check what it was given.")
        if reply.error in LOST_CODES:
            return Unavailable(
                f"The terminal does not answer (code {reply.error}). See whether it runs and shows a dialog.",
                lost=True,
            )
        return Unavailable(f"The terminal refused the call (code {reply.error}).")

    async def _carry(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        """When it is this call's turn. Whoever gives up waiting leaves it running."""
        await self._turn.acquire()
        running = asyncio.create_task(self._run(call))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def _run(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        try:
            return await self._terminal.ask(call)
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= self._queue:
            raise Unavailable("Too many requests wait for the terminal. Ask again later, and less often.")
        self._waiting += 1
        try:
            async with self._deadlined():
                yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def _deadlined(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except TimeoutError:
            self._log.warning("call_slow", seconds=self._deadline)
            raise _slow() from None


def _slow() -> Unavailable:
    return Unavailable(
        "The terminal did not answer in time. See whether it shows a dialog.", HTTPStatus.GATEWAY_TIMEOUT
    )
