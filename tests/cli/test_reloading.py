"""Reading the configuration again: one at a time, never for ever, and told in every case."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
import pytest

from probe.cli import reloading
from probe.cli.reloading import Reloading
from probe.measure.records import Notice
from probe.model.errors import ConfigError


class Pretended:
    """What a reload asks, with a configuration that is read as `read` says."""

    def __init__(self, read: Callable[[], Sequence[Any]]) -> None:
        self.targets, self.ssid, self._read = (), None, read
        self.notices: list[Notice] = []
        self.applied: list[Sequence[Any]] = []
        self.told: list[str] = []

    def understood(self, **_: object) -> tuple[Sequence[Any], None]:
        return self._read(), None

    async def of(self, targets: Sequence[Any]) -> Sequence[Any]:
        return targets

    async def apply(self, wanted: Sequence[Any]) -> dict[str, list[str]]:
        self.applied.append(wanted)
        return {"added": ["demo"]}

    def emit(self, notice: Notice) -> None:
        self.notices.append(notice)

    def reloading(self) -> None:
        self.told.append("reloading")

    def ready(self) -> None:
        self.told.append("ready")


def run(pretended: Any, use: Callable[[Reloading], Awaitable[None]]) -> None:
    async def used() -> None:
        await use(Reloading(pretended, pretended, pretended, pretended))

    with click.Context(click.Command("watch")):
        asyncio.run(used())


def test_a_file_that_never_answers_changes_nothing_and_the_next_reload_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reloading, "READ_WITHIN", 0.05)
    answered, reads = threading.Event(), 0

    def read() -> Sequence[Any]:
        nonlocal reads
        reads += 1
        answered.wait(15.0)
        return ()

    async def use(reload: Reloading) -> None:
        for _ in range(3):
            with pytest.raises(ConfigError, match=r"could not be read within 0\.05 s"):
                await reload()
        assert pretended.applied == []
        assert reads == 1  # of which there is a thread that hangs
        answered.set()
        monkeypatch.setattr(reloading, "READ_WITHIN", 15.0)
        assert "added: demo" in await reload()

    pretended = Pretended(read)
    run(pretended, use)
    assert [notice.code for notice in pretended.notices] == ["config.reload-failed"] * 3 + ["config.reloaded"]
    assert pretended.told == ["reloading", "ready"] * 4


def test_who_asks_while_one_is_at_it_waits_for_it() -> None:
    async def use(reload: Reloading) -> None:
        await asyncio.gather(*(reload() for _ in range(5)))

    pretended = Pretended(tuple)
    run(pretended, use)
    assert pretended.told == ["reloading", "ready"] * 5
    assert len(pretended.applied) == 5
