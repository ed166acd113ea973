"""Figures that add up exactly: over workers at the same moment, and over moments of one run.

A count adds, a histogram merges, a mapping merges key by key. Only a level (how many sessions are open) differs: of two workers it
is the sum, of two moments the later one.
"""

import base64
import typing
from dataclasses import dataclass, fields
from functools import lru_cache
from math import inf
from typing import Any, Self, get_args, get_origin

from probe.measure.histogram import Histogram


@dataclass(slots=True)
class Level:
    """Something that has a height at each moment."""

    last: float = 0.0
    lowest: float = inf
    highest: float = -inf

    def put(self, value: float) -> None:
        self.last = value
        self.lowest = min(self.lowest, value)
        self.highest = max(self.highest, value)

    @property
    def is_known(self) -> bool:
        return self.highest >= self.lowest

    def add(self, other: Self, *, later: bool) -> None:
        if not other.is_known:
            return
        if not self.is_known:
            self.last, self.lowest, self.highest = other.last, other.lowest, other.highest
        elif later:
            self.last = other.last
            self.lowest = min(self.lowest, other.lowest)
            self.highest = max(self.highest, other.highest)
        else:
            self.last += other.last
            self.lowest += other.lowest
            self.highest += other.highest


class Mergeable:
    """Base of dataclasses whose fields are counts, histograms, levels, others of this kind, or mappings from names to these."""

    __slots__ = ()

    def add(self, other: Self, *, later: bool = False) -> None:
        """Take another's figures in: of another worker at the same moment, or of the same run `later`."""
        own: Any = type(self)
        for name in _kinds(own):
            setattr(self, name, _sum(getattr(self, name), getattr(other, name), later=later))

    def to_json(self) -> dict[str, Any]:
        """What is empty is left out."""
        own: Any = type(self)
        written = {name: _written(getattr(self, name)) for name in _kinds(own)}
        return {name: value for name, value in written.items() if value}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """What `to_json` gave.

        Raises:
            ValueError: it holds what no version of this program writes.
        """
        own: Any = cls
        kinds = _kinds(own)
        if unknown := told.keys() - kinds:
            raise ValueError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        return cls(**{name: _read(kinds[name], value) for name, value in told.items()})


@lru_cache
def _kinds(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {each.name: hints[each.name] for each in fields(cls)}


def _sum(ours: Any, theirs: Any, *, later: bool) -> Any:
    if isinstance(ours, Histogram):
        ours.merge(theirs)
    elif isinstance(ours, (Mergeable, Level)):
        ours.add(theirs, later=later)
    elif isinstance(ours, dict):
        for name, value in theirs.items():
            ours[name] = _sum(ours.get(name, _empty(value)), value, later=later)
    else:
        ours += theirs
    return ours


def _empty(like: Any) -> Any:
    return Histogram() if isinstance(like, Histogram) else type(like)()


def _written(value: Any) -> Any:
    if isinstance(value, Histogram):
        return base64.b64encode(value.to_bytes()).decode() if value.count else None
    if isinstance(value, Level):
        return [value.last, value.lowest, value.highest] if value.is_known else None
    if isinstance(value, Mergeable):
        return value.to_json()
    if isinstance(value, dict):
        return {name: _written(each) or 0 for name, each in value.items()}
    return value


def _read(kind: Any, value: Any) -> Any:
    if get_origin(kind) is dict:
        of = get_args(kind)[1]
        return {name: _read(of, each) for name, each in value.items()}
    if not value:
        return kind()
    if kind is Histogram:
        return Histogram.from_bytes(base64.b64decode(value))
    if kind is Level:
        return Level(*value)
    if issubclass(kind, Mergeable):
        return kind.from_json(value)
    return kind(value)
