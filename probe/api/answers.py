"""An answer, and how old it is."""

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T_co]):
    value: T_co
    at: float  # monotonic, of the event loop
    at_utc: float
    rtt_seconds: float | None = None  # None: the broker told it unasked

    @property
    def age_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self.at
