"""Whether a decoded value is what its annotations promise, which no type checker can see where JSON comes in."""

import math
from collections.abc import Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from probe.model.credentials import Secret


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def misfits(value: object, promised: Any = None, path: str = "") -> list[str]:
    """Where `value` is not what was promised: fields of the wrong type, numbers that are not finite, unprintable texts.

    Without a promise, the fields of a dataclass or named tuple are held against their own annotations.
    """
    if promised is object:
        return []
    if isinstance(promised, UnionType):
        return min((misfits(value, choice, path) for choice in get_args(promised)), key=len)
    if get_origin(promised) is tuple:
        return _misfits_in_tuple(value, get_args(promised), path)
    kind: Any = promised or type(value)
    wrong = [f"{path or type(value).__name__} is {type(value).__name__}, not {kind}"]
    if kind is float:
        return [] if type(value) in (int, float) and math.isfinite(value) else wrong  # type: ignore[arg-type]
    if type(value) is not kind and not (isinstance(value, kind) and issubclass(kind, Enum | str)):
        return wrong
    if isinstance(value, str):
        return [] if value == value.encode(errors="replace").decode() else [f"{path} cannot be printed"]
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        fields = _hints(kind).items()
        return [
            said for name, hint in fields for said in misfits(getattr(value, name), hint, f"{path}.{name}")
        ]
    assert kind in (int, bool, NoneType, Secret) or issubclass(kind, Enum), f"no rule for {kind}"
    return []


def _misfits_in_tuple(value: object, promised: Sequence[Any], path: str) -> list[str]:
    if not isinstance(value, tuple):
        return [f"{path} is {type(value).__name__}, not tuple"]
    if promised[-1] is Ellipsis:
        promised = [promised[0]] * len(value)
    if len(value) != len(promised):
        return [f"{path} has {len(value)} elements"]
    pairs = zip(value, promised, strict=True)
    return [said for at, (item, hint) in enumerate(pairs) for said in misfits(item, hint, f"{path}[{at}]")]
