"""Simulated brokers that can be made to fail while they are watched, and the command that watches them and is scraped."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.simulator.run import Simulator
from tests.exporters.live.programs import PATIENCE, Program, ended, eventually

T = TypeVar("T")
Target = dict[str, Any]

ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1|localhost):\d+")
LENIENT = 0.5  # an objective: of it no budget burns


class Stage:
    """Runs simulators in a loop of its own, for tests that wait for real programs.

    Args:
        home: The folder of configurations and credentials.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.simulators: dict[str, Simulator] = {}
        self._credentials: dict[str, Secret] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def target(self, name: str, broker: str, *, tls: bool = False, **settings: object) -> Target:
        """Its lines for the configuration; it has a simulator of its own, and so its own faults."""
        simulator = Simulator([broker], seed=len(self.simulators), tls=tls)
        self._run(self._stack.enter_async_context(simulator))
        self.simulators[name] = simulator
        endpoint = next(
            each
            for each in simulator.endpoints
            if each.account is not Account.LIVE and (each.ca_file is not None) is tls
        )
        self._credentials[name] = endpoint.credential
        self.credit(name)
        ca = {"ca": str(simulator.ca_file)} if tls else {}
        return {
            "broker": broker, "endpoints": [endpoint.url], "credentials": f"file:{name}.secret", "proxy": "none",
            "objective": LENIENT, "knock_every": 0, **ca, **settings,
        }  # fmt: skip

    def credit(self, name: str) -> None:
        """Writes its credential."""
        self._write(name, self._credentials[name])

    def spoil(self, name: str) -> None:
        """Writes another one, which nobody takes."""
        self.target("nobody", "pocketoption")
        self._write(name, self._credentials["nobody"])

    def _write(self, name: str, credential: Secret) -> None:
        file = self.home / f"{name}.secret"
        file.write_text(credential.reveal(), encoding="utf-8")
        file.chmod(0o600)

    def switch_on(self, name: str, *faults: str) -> None:
        for fault in faults:
            self._run(self.simulators[name].board.switch_on(fault))

    def all_well(self, *names: str) -> None:
        for name in names or self.simulators:
            board = self.simulators[name].board
            for number in tuple(board.orders):
                self._run(board.switch_off(number))


def write_configuration(
    file: Path, targets: Mapping[str, Target], *, more: str = "", **exporter: object
) -> None:
    sections: dict[str, Mapping[str, object]] = {f"targets.{name}": each for name, each in targets.items()}
    sections["exporter"] = {"listen": "127.0.0.1:0", **exporter}
    lines = []
    for name, settings in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
    file.write_text("\n".join([*lines, more, ""]), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Exporter(Program):
    config: Path = field(kw_only=True)


@contextmanager
def exporter(home: Path, config: Path) -> Iterator[Exporter]:
    """`probe exporter` as people start it."""
    log = home / f"{config.stem}.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("TRADEPROBE_")}
    with log.open("wb") as written:
        process = subprocess.Popen(
            (sys.executable, "-m", "probe", "exporter", "--config", str(config)),
            stdout=written, stderr=subprocess.STDOUT, cwd=home,
            env={**own, "TRADEPROBE_HOME": str(home / config.stem), "NO_PROXY": "*"},
        )  # fmt: skip
    try:

        def address() -> str | None:
            said = log.read_text(encoding="utf-8")
            if process.poll() is not None:
                pytest.fail(f"the exporter ended with {process.returncode}:\n{said}")
            found = ADDRESS.search(said)
            return found[0] if found else None

        yield Exporter(process, eventually(address, "the exporter says where it listens"), log, config=config)
    finally:
        ended(process)
