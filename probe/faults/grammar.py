"""How a fault is described and how it is written: ``NAME[:param=value,…][@start[+duration]]``.

A `FaultSpec` is a catalogue entry, which command line, documentation and tests read; a `FaultOrder` is one use of it.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from probe.model.errors import ConfigError, near_miss
from probe.model.units import format_duration, parse_duration, parse_rate, parse_size


class FaultKind(Enum):
    STREAM = "stream"  # done to the bytes, whatever they mean
    PROTOCOL = "protocol"  # done by the simulated broker itself
    LISTENER = "listener"  # done by whoever takes the connections
    PAGES = "pages"  # done by the web pages of the simulated broker


class ParameterType(Enum):
    SECONDS = "duration"
    BYTES = "bytes"
    RATE = "rate"
    COUNT = "whole number"
    NUMBER = "number"
    PROBABILITY = "probability"
    TEXT = "text"


Value = str | float | Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    type: ParameterType | type[Enum]  # an Enum's values are the words to choose from
    default: Value
    help: str
    minimum: float = 0.0  # of anything that is a number

    def problem_with(self, value: Value) -> str:
        """Why the value is impossible; empty when it is not."""
        if not isinstance(value, int | float):
            return ""
        if math.isnan(value) or value < self.minimum:
            return f"{self.name} must be at least {self.minimum:g}"
        if self.type is ParameterType.PROBABILITY and value > 1:
            return f"{self.name} is a probability: it must be between 0 and 1"
        return ""

    def parse(self, text: str, *, where: str) -> Value:
        value = self._read(text, where)
        if problem := self.problem_with(value):
            raise ConfigError(f"{problem}, not {text!r}", where=where)
        return value

    def show(self, value: Value) -> str:
        """The value as `parse` reads it."""
        if isinstance(value, Enum):
            return str(value.value)
        if self.type is ParameterType.SECONDS and isinstance(value, int | float):
            return format_duration(value)
        return str(value)

    def _read(self, text: str, where: str) -> Value:
        match self.type:
            case ParameterType.SECONDS:
                return parse_duration(text, where=where)
            case ParameterType.BYTES:
                return parse_size(text, where=where)
            case ParameterType.RATE:
                return parse_rate(text, where=where)
            case ParameterType.TEXT:
                return text
            case ParameterType.COUNT | ParameterType.NUMBER | ParameterType.PROBABILITY as kind:
                try:
                    return int(text) if kind is ParameterType.COUNT else float(text)
                except ValueError:
                    raise ConfigError(f"{self.name} is a {kind.value}, not {text!r}", where=where) from None
            case words:
                try:
                    return words(text)
                except ValueError:
                    known = [str(word.value) for word in words]
                    raise ConfigError(
                        f"{self.name} cannot be {text!r}",
                        where=where,
                        suggestion=near_miss(text, known) or "",
                        next_step=f"Choose from: {', '.join(known)}.",
                    ) from None


def about(type_: ParameterType | type[Enum], help_: str, *, minimum: float = 0.0) -> Mapping[str, Any]:
    """What makes a dataclass field a `Parameter`: all that its own name and default do not say."""
    return {"type": type_, "help": help_, "minimum": minimum}


def parameters_of(fault: type[Any]) -> tuple[Parameter, ...]:
    """The parameters of a fault's dataclass."""
    return tuple(
        Parameter(name=each.name, default=each.default, **each.metadata)
        for each in fields(fault)
        if each.metadata
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    name: str
    kind: FaultKind
    summary: str
    parameters: tuple[Parameter, ...] = ()
    finding: str  # the verdict it must cause; empty: no verdict, only the numbers get worse
    brokers: tuple[str, ...] = ()  # empty: all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOrder:
    spec: FaultSpec
    values: Mapping[str, Value]  # one for each parameter, defaults filled in
    start: float = 0.0  # seconds since the connection began
    duration: float | None = None  # None: for as long as the connection lives

    def __str__(self) -> str:
        chosen = [
            f"{parameter.name}={parameter.show(value)}"
            for parameter in self.spec.parameters
            if (value := self.values[parameter.name]) != parameter.default
        ]
        text = self.spec.name + (f":{','.join(chosen)}" if chosen else "")
        if self.start or self.duration is not None:
            text += f"@{format_duration(self.start)}"
        return text if self.duration is None else f"{text}+{format_duration(self.duration)}"


# A separator is one only where a parameter follows, so that a text may hold commas and colons.
_SEPARATOR = re.compile(r"[:,](?=[\w-]+=)")


def parse_fault(text: str, catalogue: Mapping[str, FaultSpec]) -> FaultOrder:
    """Read one fault as it is written on the command line.

    Raises:
        ConfigError: it names the fault, what is wrong with it, and a near miss where there is one.
    """
    where = f"fault {text!r}"
    body, window = text, ""
    if "@" in text:
        body, _, window = text.rpartition("@")
    name, *pairs = _SEPARATOR.split(body)
    spec = catalogue.get(name)
    if spec is None:
        raise _unknown(name, catalogue, where)
    start, duration = _parse_window(window, where) if "@" in text else (0.0, None)
    return FaultOrder(spec=spec, values=_parse_values(spec, pairs, where), start=start, duration=duration)


def _unknown(name: str, catalogue: Iterable[str], where: str) -> ConfigError:
    known, colon, rest = name.partition(":")
    if colon and known in catalogue:
        return ConfigError(
            f"{rest!r} is not a parameter with a value", where=where, next_step="Write it like name=value."
        )
    return ConfigError(
        f"there is no fault {known!r}",
        where=where,
        suggestion=near_miss(known, catalogue) or "",
        next_step="`probe sim --list-faults` lists them all.",
    )


def _parse_values(spec: FaultSpec, pairs: Iterable[str], where: str) -> Mapping[str, Value]:
    parameters = {parameter.name: parameter for parameter in spec.parameters}
    given: dict[str, Value] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in parameters:
            raise ConfigError(
                f"{spec.name} has no parameter {name!r}",
                where=where,
                suggestion=near_miss(name, parameters) or "",
                next_step=f"It takes: {', '.join(parameters) or 'none'}.",
            )
        if name in given:
            raise ConfigError(f"{name} is given twice", where=where, next_step="Remove one of them.")
        given[name] = parameters[name].parse(value, where=where)
    return {name: given.get(name, parameter.default) for name, parameter in parameters.items()}


def _parse_window(text: str, where: str) -> tuple[float, float | None]:
    start, plus, duration = text.partition("+")
    if not plus:
        return parse_duration(start, where=where), None
    seconds = parse_duration(duration, where=where)
    if seconds == 0:
        raise ConfigError(
            "it would last no time at all", where=where, next_step="Leave +0 out, or give it time."
        )
    return parse_duration(start, where=where), seconds
