"""Plans as JSON and back: dataclasses, enums, tuples and mappings, by their annotations."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """As JSON writes it. Dataclasses become objects with all their fields."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: to_plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(each) for each in value]
    if is_dataclass(value):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    return value


def from_plain(kind: type[T], told: Any) -> T:
    """What `to_plain` gave of a value of this kind.

    Raises:
        ValueError: no version of this program wrote it.
    """
    read: T = _read(kind, told)
    return read


def _read(kind: Any, told: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if told is None:
            return None
        (kind,) = (each for each in get_args(kind) if each is not type(None))
        return _read(kind, told)
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], each) for each in told)
    if origin is not None and issubclass(origin, Mapping):
        return {name: _read(get_args(kind)[1], each) for name, each in told.items()}
    return _read_fields(kind, told) if is_dataclass(kind) else kind(told)


def _read_fields(kind: Any, told: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    if unknown := told.keys() - hints:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: _read(hints[name], each) for name, each in told.items()})
    except TypeError as problem:  # a field that has no default is missing
        raise ValueError(f"{kind.__name__}: {problem}") from None


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
