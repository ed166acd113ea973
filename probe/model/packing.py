"""Dataclasses, named tuples, enums, sets and mappings as JSON and back, by their types. What stands at its default is left out;
where several classes may stand, the value says its own: `{"Class": …}`. Reading makes nothing that was not declared."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_ODD_NUMBERS = ("nan", "inf", "-inf")  # JSON has no such numbers


class Unreadable(ValueError):
    """It is no such value, or none that is ever written."""


def packed(value: object) -> Any:
    kind: Any = type(value)  # types can be hashed, and mypy does not know it
    return _form(kind).write(value)


def unpacked(kind: type[T], data: object) -> T:
    """What the data has and the type has not is left aside: a later version may know more.

    Raises:
        Unreadable: it says where, and what was expected.
    """
    hint: Any = kind
    value: T = _form(hint).read(data)
    return value


class _Form(NamedTuple):
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


@cache
def _form(hint: Any) -> _Form:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is UnionType or origin is Union:
        return _one_of(parts)
    if origin is None and isinstance(hint, type):
        return _of_class(hint)
    if origin in (tuple, list, frozenset) and (origin is not tuple or parts[1:] == (...,)):
        return _several(origin, _form(parts[0]))
    if origin is tuple:
        return _row(tuple, [_form(part) for part in parts])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*map(_form, parts))
    return _Form(_as_it_is, _as_it_is)


def _of_class(kind: Any) -> _Form:
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if kind in _SCALARS:
        return _Form(_finite if kind is float else _as_it_is, _scalar(kind))
    if issubclass(kind, Enum):
        return _Form(lambda each: each.value, _member(kind))
    if issubclass(kind, tuple):
        return _row(lambda values: kind(*values), [_form(of) for of in get_type_hints(kind).values()])
    if kind is object:
        return _Form(_as_it_is, _as_it_is)
    raise Unreadable(f"{kind.__name__} is not to be written down")


def _as_it_is(data: Any) -> Any:
    return data


def _finite(value: float) -> float | str:
    return value if isfinite(value) else str(value)


# What JSON may have where the type asks for one of these: a whole number is a number, too, and truth is none.
_SCALARS: dict[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _scalar(kind: type) -> Callable[[Any], Any]:
    fitting = _SCALARS[kind]

    def read(data: Any) -> Any:
        if type(data) in fitting:
            return data
        if kind is float and data in _ODD_NUMBERS:
            return float(data)
        raise Unreadable(f"{_NAMES[kind]} was expected")

    return read


def _member(kind: type[Enum]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        try:
            return kind(data)
        except ValueError:
            raise Unreadable(f"it is no {kind.__name__} that is known here") from None

    return read


def _several(made: Callable[[Iterable[Any]], Any], of: _Form) -> _Form:
    def write(values: Iterable[Any]) -> Any:
        rows = [of.write(each) for each in values]
        return sorted(rows) if made is frozenset else rows  # a set has no order of its own

    return _Form(write, lambda data: made([of.read(each) for each in _list(data)]))


def _row(made: Callable[[Iterable[Any]], Any], forms: list[_Form]) -> _Form:
    def read(data: Any) -> Any:
        if len(_list(data)) != len(forms):
            raise Unreadable(f"{len(forms)} values were expected")
        return made([form.read(each) for form, each in zip(forms, data, strict=True)])

    return _Form(
        lambda values: [form.write(each) for form, each in zip(forms, values, strict=True)],
        read,
    )


def _list(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Unreadable("a list was expected")
    return data


def _dict(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Unreadable("an object was expected")
    return data


def _mapping(of_key: _Form, of_value: _Form) -> _Form:
    return _Form(
        lambda value: {str(of_key.write(key)): of_value.write(each) for key, each in value.items()},
        lambda data: {of_key.read(key): of_value.read(each) for key, each in _dict(data).items()},
    )


def _one_of(parts: tuple[Any, ...]) -> _Form:
    kinds = [part for part in parts if part is not NoneType]
    of = _form(kinds[0]) if len(kinds) == 1 else _named(kinds)
    if len(kinds) == len(parts):
        return of
    return _Form(
        lambda value: None if value is None else of.write(value),
        lambda data: None if data is None else of.read(data),
    )


def _named(kinds: list[Any]) -> _Form:
    scalars = [kind for kind in kinds if kind in _SCALARS]
    classes = {kind.__name__: kind for kind in kinds if kind not in scalars}

    def write(value: Any) -> Any:
        name = type(value).__name__
        return {name: _form(classes[name]).write(value)} if name in classes else value

    def read(data: Any) -> Any:
        if type(data) in scalars:
            return data
        [(name, inside)] = _dict(data).items() if len(_dict(data)) == 1 else [("", None)]
        if name not in classes:
            raise Unreadable("it is nothing that is known here")
        return _form(classes[name]).read(inside)

    return _Form(write, read)


def _dataclass(kind: Any) -> _Form:
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    forms = {each.name: _form(hints[each.name]) for each in fields}
    usual = {each.name: _usual(each) for each in fields}

    def write(value: Any) -> Any:
        said = ((name, getattr(value, name)) for name in forms)
        return {name: forms[name].write(each) for name, each in said if each != usual[name]}

    def read(data: Any) -> Any:
        values = {}
        for name, each in _dict(data).items():
            if name in forms:
                try:
                    values[name] = forms[name].read(each)
                except Unreadable as problem:
                    raise Unreadable(f"{name}: {problem}") from None
        try:
            return kind(**values)
        except (TypeError, ValueError) as problem:  # one is missing, or impossible
            raise Unreadable(str(problem)) from None

    return _Form(write, read)


def _usual(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()
