"""What all parts of the simulated backend share: its settings, its clock, its faults, and how its requests fail."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TypeVar

from fastapi import HTTPException

from probe.faults.backend import Telling
from probe.faults.paged import PageFault
from probe.faults.pages import PageBoard
from probe.simulator.world import World

DEVELOPMENT = "development"
F = TypeVar("F", bound=PageFault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """In development the documentation is open and errors are told in full."""

    environment: str = "production"
    origins: tuple[str, ...] = ("https://app.sim.test",)
    requests_per_minute: int = 100


class Broken(Exception):
    """A request that ends in status 500, with the words of what broke."""

    def __init__(self, words: str, tells: Telling = Telling.FULL, traceback: str | None = None) -> None:
        super().__init__(words)
        self.words, self.tells, self.traceback = words, tells, traceback


class BrokerProblem(HTTPException):
    """What the broker behind said no to."""

    def __init__(self, status: int, detail: str, code: int | None = None) -> None:
        super().__init__(status, detail)
        self.code = code


class Core:
    def __init__(self, *, settings: Settings, world: World, board: PageBoard, rng: Random) -> None:
        self.settings, self.world, self.rng = settings, world, rng
        self.processor = asyncio.Lock()  # held by work that keeps all other requests waiting
        self._board = board

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> float:
        return self.world.floor.utc(self.now())

    def suffers(self, fault: type[F]) -> F | None:
        return self._board.strikes(fault, self.now())

    def draw(self, digits: int) -> str:
        """So many hexadecimal digits that nobody has seen."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def new_id(self) -> str:
        """As its database makes them: the time, and then chance."""
        return f"{int(self.utc()):08x}{self.draw(16)}"


class Pin:
    """Since when a fault has been noticed, in UTC; None: it does not act now."""

    def __init__(self, core: Core, fault: type[PageFault]) -> None:
        self._core, self._fault = core, fault
        self._since: float | None = None

    def since(self) -> float | None:
        if self._core.suffers(self._fault) is None:
            self._since = None
        elif self._since is None:
            self._since = self._core.utc()
        return self._since


def stamp(utc: float) -> datetime:
    return datetime.fromtimestamp(utc, UTC)
