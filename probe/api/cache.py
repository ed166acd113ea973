"""Answers kept for a while: each says its age, many who ask at once cause one question, and a new connection forgets all."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from probe.api.answers import Answer
from probe.api.session import Session
from probe.model.meanings import Asset, Balance, Candle

T = TypeVar("T")

MOST_KEPT = 256


class Cache:
    """
    Args:
        seconds: How long an answer is good for; older ones are asked for again.
    """

    def __init__(self, session: Session, *, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self._connections = session.connections
        self._kept: dict[object, Answer[object]] = {}
        self._asking: dict[object, asyncio.Task[Answer[object]]] = {}

    async def balance(self) -> Answer[Balance]:
        return await self._get("balance", lambda: self._session.balance(fresh=True))

    async def assets(self) -> Answer[tuple[Asset, ...]]:
        return await self._get("assets", lambda: self._session.assets(fresh=True))

    async def candles(self, symbol: str, period: int = 60, *, count: int = 100) -> Answer[tuple[Candle, ...]]:
        return await self._get(
            (symbol, period, count), lambda: self._session.candles(symbol, period, count=count)
        )

    def clear(self) -> None:
        """What is on its way is given to those who wait for it, and not kept."""
        self._kept.clear()
        self._asking.clear()

    async def _get(self, key: object, ask: Callable[[], Coroutine[Any, Any, Answer[T]]]) -> Answer[T]:
        if self._connections != self._session.connections:
            self.clear()
            self._connections = self._session.connections
        kept = self._kept.get(key)
        if kept is not None and kept.age_seconds < self._seconds:
            return cast("Answer[T]", kept)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(ask())
            task.add_done_callback(lambda done: self._answered(key, done))
        return cast(
            "Answer[T]", await asyncio.shield(task)
        )  # one who leaves does not spoil it for the others

    def _answered(self, key: object, task: "asyncio.Task[Answer[object]]") -> None:
        failed = task.cancelled() or task.exception() is not None
        if self._asking.get(key) is not task:  # cleared meanwhile
            return
        del self._asking[key]
        if failed or self._connections != self._session.connections:
            return
        self._kept.pop(key, None)
        self._kept[key] = task.result()
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
