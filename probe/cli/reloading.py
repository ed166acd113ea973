"""The one way in which a running command reads its configuration again, whoever asks for it: a signal or a web page."""

import asyncio
import time
from collections.abc import Sequence

import click

from probe.cli.options import Typed
from probe.cli.watching import Understanding
from probe.measure.records import Notice
from probe.model.errors import ConfigError, ProbeError
from probe.monitor.monitor import Monitor
from probe.monitor.service import ServiceManager
from probe.monitor.understanding import told_twice
from probe.targets import Target

READ_WITHIN = 10.0  # seconds; a pipe in a file's place, or a keyring that asks its owner, can take for ever


class Reloading:
    """Called, it says what changed. One at a time; who comes meanwhile waits.

    Raises, when called:
        ProbeError: the configuration was not taken over, and everything goes on as before.
    """

    def __init__(
        self, typed: Typed, understanding: Understanding, held: Monitor, service: ServiceManager
    ) -> None:
        self._typed, self._understanding, self._held, self._service = typed, understanding, held, service
        self._context = click.get_current_context()
        self._turn = asyncio.Lock()
        self._reading: asyncio.Task[Sequence[Target]] | None = None

    async def __call__(self) -> str:
        async with self._turn:
            self._service.reloading()
            try:
                words = await self._taken_over()
            except ProbeError as problem:
                self._note(
                    "config.reload-failed",
                    f"the configuration was not taken over, and everything goes on as before: {problem}",
                )
                raise
            finally:
                self._service.ready()
            self._note("config.reloaded", words)
            return words

    async def _taken_over(self) -> str:
        if "-" in (*self._typed.targets, self._typed.ssid):
            raise ConfigError(
                "a credential came by standard input, which can be read only once",
                next_step="Give it as file:PATH, and reloading works.",
            )
        warnings: list[str] = []

        def read() -> Sequence[Target]:
            with self._context.scope(cleanup=False):
                return self._typed.understood(always_read=True, all_without=True, tell=warnings.append)[0]

        try:  # in a thread: a slow disk keeps nobody else waiting
            async with asyncio.timeout(READ_WITHIN):
                if (
                    self._reading is not None
                ):  # it still hangs, perhaps: a thread cannot be ended, so there is one
                    await asyncio.wait([self._reading])
                self._reading = asyncio.create_task(asyncio.to_thread(read))
                self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
                found = await asyncio.shield(self._reading)
        except TimeoutError:
            raise ConfigError(
                f"it could not be read within {READ_WITHIN:g} s: a file that it names does not answer, or a keyring asks its owner",
                next_step="Look whether one of the credentials is a pipe or lies on a disk that is gone.",
            ) from None
        wanted = await self._understanding.of(found)
        changes = await self._held.apply(wanted)
        for warning in (*warnings, told_twice(wanted)):
            if warning:
                self._note("config.warning", warning)
        said = "; ".join(f"{what}: {', '.join(names)}" for what, names in changes.items() if names)
        return (
            f"the configuration was read again ({said or 'no target changed'}); what it says about "
            "the monitor, alerts, the exporter and the store takes effect at the next start"
        )

    def _note(self, code: str, sentence: str) -> None:
        self._held.emit(Notice(at_utc=time.time(), code=code, sentence=sentence))
