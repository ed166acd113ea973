"""The kinds of values that settings have: each reads a raw value, and says as JSON Schema what it takes.

Messages repeat a value only where it is a short plain word: anything else may be a credential in the wrong place.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from probe.model.errors import ConfigError, near_miss
from probe.model.units import format_duration, parse_duration

Schema = dict[str, Any]

_DURATION_PATTERN = (
    r"^(?=.)((\d+(\.\d+)?|\.\d+)|"
    + "".join(rf"((\d+(\.\d+)?|\.\d+){unit}(?![a-z]))?" for unit in ("d", "h", "m", "s", "ms", "us"))
    + ")$"
)
_ON, _OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def repeatable(text: str) -> bool:
    return re.fullmatch(r"[\w.+%-]{1,20}", text) is not None


def is_finite(value: float) -> bool:
    """Also said of whole numbers that are too large to be anything."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def type_in_words(value: object) -> str:
    return _TYPES.get(type(value), "a date or time")


class Kind(ABC):
    what: ClassVar[str]  # in words, for the table in the documentation

    @abstractmethod
    def read(self, value: object, folder: Path) -> object:
        """What is meant. Paths are relative to `folder`.

        Raises:
            ConfigError: without a place; who knows it adds it.
        """

    @abstractmethod
    def schema(self) -> Schema: ...

    def of_text(self, text: str) -> object:
        """The raw value that a text in an environment variable or an option stands for."""
        return text

    @property
    def words(self) -> str:
        return self.what


def expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(
            "nobody here has that home directory", next_step="Write the whole path, or begin it with ~/."
        ) from None


def read_text(value: object, wanted: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"this is {type_in_words(value)}, not {wanted}", next_step="Write it in quotes.")
    return value


@dataclass(frozen=True, slots=True)
class Text(Kind):
    what = "text"
    longest: int = 200

    def read(self, value: object, folder: Path) -> str:
        text = read_text(value, "text")
        if not (text.strip() and text.isprintable() and len(text) <= self.longest):
            raise ConfigError(
                "this is empty, too long, or holds characters that cannot be shown",
                next_step=f"Write 1 to {self.longest} characters.",
            )
        return text

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": r"\S"}


@dataclass(frozen=True, slots=True)
class Word(Kind):
    what = "one of several words"
    choices: Callable[[], Sequence[str]]

    def read(self, value: object, folder: Path) -> str:
        there = list(self.choices())
        if not isinstance(value, str) and str(value) in there:
            raise ConfigError("this is a number, not text", next_step=f'Write it in quotes: "{value}".')
        text = read_text(value, f"one of {', '.join(there)}")
        if text not in there:
            shown = repr(text) if repeatable(text) else "this"
            raise ConfigError(
                f"{shown} is not one of the words that can stand here",
                suggestion=near_miss(text.lower(), there) or "",
                next_step=f"It is one of {', '.join(there)}.",
            )
        return text

    def schema(self) -> Schema:
        return {"enum": list(self.choices())}

    @property
    def words(self) -> str:
        return " or ".join(f"`{each}`" for each in self.choices())


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    what = "true or false"

    def read(self, value: object, folder: Path) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(
                f"this is {type_in_words(value)}, not true or false",
                next_step="Write true or false, without quotes.",
            )
        return value

    def of_text(self, text: str) -> object:
        lowered = text.lower()
        return True if lowered in _ON else False if lowered in _OFF else text

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number(Kind):
    what = "a number"
    least: float | None = None
    most: float | None = None
    whole: bool = False

    def read(self, value: object, folder: Path) -> float:
        right = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, right) or not is_finite(value):
            wanted = "a whole number" if self.whole else "a number"
            raise ConfigError(f"this is not {wanted}", next_step="Write digits, without quotes.")
        _within(value, self.least, self.most, str)
        return value

    def of_text(self, text: str) -> object:
        try:
            return int(text) if self.whole else float(text)
        except ValueError:
            return text

    def schema(self) -> Schema:
        return {"type": "integer" if self.whole else "number"} | _limits(self.least, self.most)

    @property
    def words(self) -> str:
        return f"a {'whole ' if self.whole else ''}number{_range(self.least, self.most, str)}"


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """Seconds, or None for 0 where `never` says that 0 means never."""

    what = "a duration"
    least: float
    most: float
    never: bool = False

    def read(self, value: object, folder: Path) -> float | None:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ConfigError(
                f"this is {type_in_words(value)}, not a duration", next_step='Write it like "1m30s".'
            )
        if isinstance(value, str):
            if not repeatable(value):
                raise ConfigError("this is not a duration", next_step='Write it like "1m30s".')
            value = parse_duration(value)
        if not is_finite(value):
            raise ConfigError("this is not a duration", next_step='Write it like "1m30s".')
        if self.never and value == 0:
            return None
        _within(value, self.least, self.most, format_duration)
        return float(value)

    def schema(self) -> Schema:
        number = {"type": "number"} | _limits(self.least, self.most)
        zero = [{"const": 0}] if self.never else []
        return {"anyOf": [number, *zero, {"type": "string", "pattern": _DURATION_PATTERN}]}

    @property
    def words(self) -> str:
        never = ", or 0 for never" if self.never else ""
        return f"a duration{_range(self.least, self.most, format_duration)}{never}"


def _within(value: float, least: float | None, most: float | None, write: Callable[[Any], str]) -> None:
    if (least is not None and value < least) or (most is not None and value > most):
        raise ConfigError(
            f"{write(value)} is out of range",
            next_step=f"It is{_range(least, most, write)}.".replace(",", ""),
        )


def _range(least: float | None, most: float | None, write: Callable[[Any], str]) -> str:
    low = f" from {write(least)}" if least is not None else ""
    return low + (f" to {write(most)}" if most is not None else " up" if low else "")


def _limits(least: float | None, most: float | None) -> Schema:
    return {name: limit for name, limit in (("minimum", least), ("maximum", most)) if limit is not None}


@dataclass(frozen=True, slots=True)
class ListOf(Kind):
    what = "a list"
    kind: Kind
    most: int
    unique: bool = True
    least: int = 0

    def read(self, value: object, folder: Path) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise ConfigError(
                f"this is {type_in_words(value)}, not a list", next_step='Write it like ["one", "two"].'
            )
        if not self.least <= len(value) <= self.most:
            raise ConfigError(
                f"this list has {len(value)} entries", next_step=f"It takes {self.least} to {self.most}."
            )
        read = tuple(self.kind.read(each, folder) for each in value)
        twice = next((index for index, each in enumerate(value) if each in value[:index]), None)
        if self.unique and twice is not None:
            raise ConfigError(f"entry {twice + 1} of this list stood in it before", next_step="Remove it.")
        return read

    def schema(self) -> Schema:
        limits = {"minItems": self.least, "maxItems": self.most, "uniqueItems": self.unique}
        return {"type": "array", "items": self.kind.schema()} | limits

    def of_text(self, text: str) -> object:
        return [each.strip() for each in text.split(",") if each.strip()]

    @property
    def words(self) -> str:
        return f"a list of {f'{self.least} to {self.most}' if self.least else f'at most {self.most}'}: {self.kind.words}"


@dataclass(frozen=True, slots=True)
class Choices(Kind):
    """A small table of words; which ones there are is known only beside other keys."""

    what = "a table"

    def read(self, value: object, folder: Path) -> dict[str, str]:
        if not isinstance(value, dict) or not all(type(each) in (str, int) for each in value.values()):
            raise ConfigError("this is not a table of words", next_step='Write it like { name = "value" }.')
        return {name: str(each) for name, each in value.items()}

    def schema(self) -> Schema:
        return {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}

    @property
    def words(self) -> str:
        return '`{ name = "value" }`'
