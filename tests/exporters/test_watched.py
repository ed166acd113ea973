"""A monitor is asked from another thread, and answers in its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from exporters.watched import AT_ONCE, Watched
from probe.model.errors import ConfigError

MANY = 3 * AT_ONCE


class Pretended:
    """A monitor that notes in which thread it is asked."""

    wanted = ("demo",)

    def __init__(self) -> None:
        self.looks: list[int] = []
        self.watches = {f"demo-{number}": object() for number in range(MANY)}

    def snapshots(self, names: list[str]) -> list[str]:
        self.looks.append(threading.get_ident())
        return names


def asked(monitor: Any, use: Callable[[Watched], Awaitable[None]]) -> None:
    """In a thread and loop of its own, as a server does."""

    async def reload() -> str:
        raise ConfigError("it is wrong")

    async def use_it(watched: Watched) -> None:
        await use(watched)

    async def run() -> None:
        watched = Watched(monitor, reload)
        await asyncio.to_thread(asyncio.run, use_it(watched))

    asyncio.run(run())


def test_many_who_look_at_once_cost_one_look_in_the_monitors_own_thread_a_few_targets_at_a_time() -> None:
    async def use(watched: Watched) -> None:
        found: list[object] = [*await asyncio.gather(*(watched.snapshots() for _ in range(20)))]
        assert set(found) == {tuple(monitor.watches)}
        wanted: object = await watched.wanted()
        assert wanted == ("demo",)

    monitor = Pretended()
    asked(monitor, use)
    assert monitor.looks == [threading.get_ident()] * 3


def test_why_a_configuration_was_not_taken_over_comes_to_who_asked() -> None:
    async def use(watched: Watched) -> None:
        with pytest.raises(ConfigError, match="it is wrong"):
            await watched.reload()

    asked(Pretended(), use)
