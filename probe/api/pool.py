"""Sessions of one target, used again: proven before they are handed out, replaced when dead, never more than allowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from probe.api.errors import PoolTimeout, SessionClosed
from probe.api.opening import Options
from probe.api.session import TIMEOUT, Session, open_session
from probe.model.errors import ProbeError

PROVEN_FOR = 10.0  # an answer that young says that a session works
PROVE_WITHIN = 5.0


class PoolOptions(Options, total=False):
    timeout: float | None
    reconnect: bool
    config: Path | str | None


class SessionPool:
    """Use it as a block; `open_session` explains target and options.

    Args:
        size: The most sessions at a time. Real brokers may end the older of two sessions of one account; then it is 1.
    """

    def __init__(self, target: str, *, size: int, **options: Unpack[PoolOptions]) -> None:
        if size < 1:
            raise ValueError("a pool needs room for at least one session")
        self.size = size
        options.setdefault("connect", "fallback")  # a race would open more than are wanted

        def open_one() -> AbstractAsyncContextManager[Session]:
            return open_session(target, **options)

        self._open_one = open_one  # where nothing shows a credential
        self._free = asyncio.Semaphore(size)  # who waited longest is next
        self._idle: list[Session] = []
        self._open: dict[Session, AsyncExitStack] = {}
        self._in_use = 0
        self._is_closed = False
        self.opened = self.replaced = 0

    def __repr__(self) -> str:
        return f"<probe.SessionPool of {self.size}: {self.in_use} in use, {self.idle} idle>"

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def in_use(self) -> int:
        return self._in_use

    @asynccontextmanager
    async def session(self, *, timeout: float = TIMEOUT) -> AsyncIterator[Session]:
        """One that works, for the block.

        Raises:
            PoolTimeout: none became free, or could be opened, in time.
            ConnectionFailed, ConfigError …: as `open_session`.
        """
        session = await self._take(timeout)
        try:
            yield session
        finally:
            await self._give_back(session)

    async def _take(self, timeout: float) -> Session:
        try:
            async with asyncio.timeout(timeout):
                await self._free.acquire()
                self._in_use += 1
                try:
                    return await self._working()
                except BaseException:
                    self._in_use -= 1
                    self._free.release()
                    raise
        except TimeoutError:
            raise PoolTimeout(self.size, self._in_use, timeout) from None

    async def _working(self) -> Session:
        while self._idle and not self._is_closed:
            session = self._idle.pop()  # the one used last is the likeliest to work
            try:
                if await self._works(session):
                    return session
            except BaseException:
                await self._drop(session)
                raise
            self.replaced += 1
            await self._drop(session)
        if self._is_closed:
            raise SessionClosed("the pool's target")
        return await self._opened()

    async def _works(self, session: Session) -> bool:
        if not session.is_live:
            return False
        silent = session.silent_seconds
        if silent is not None and silent < PROVEN_FOR:
            return True
        try:
            async with asyncio.timeout(PROVE_WITHIN):
                await session.round_trip()
        except (ProbeError, TimeoutError):
            return False
        return True

    async def _opened(self) -> Session:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(self._open_one())
            if self._is_closed:
                raise SessionClosed(session.name)
            self._open[session] = stack.pop_all()
        self.opened += 1
        return session

    async def _give_back(self, session: Session) -> None:
        try:
            if session.is_live and not self._is_closed:
                self._idle.append(session)
            else:
                await self._drop(session)
        finally:
            self._in_use -= 1
            self._free.release()

    async def _drop(self, session: Session) -> None:
        stack = self._open.pop(session, None)
        if stack is not None:
            await stack.aclose()

    async def close(self) -> None:
        """Also the sessions in use; who waits for one is told."""
        self._is_closed = True
        self._idle.clear()
        self._free.release()  # the first who waits is told, and lets the next one know
        await asyncio.gather(*(self._drop(session) for session in list(self._open)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
