"""Rows of one message, read one by one: an odd one does not cost the others, and one complaint tells of all odd ones."""

from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

from probe.model.meanings import Meaning, Quote, Quotes, Unrecognised
from probe.session.reading import LARGEST, MILLISECONDS, NUMBERS, number, seconds, text
from probe.session.socketio import NOT_AS_EXPECTED
from probe.wire.socketio import PREVIEW, quoted

T = TypeVar("T")
Ticks = tuple[tuple[float, float], ...]


class Sieve:
    """What held back the odd rows of one message."""

    __slots__ = ("_first", "_odd", "_row", "good")

    def __init__(self) -> None:
        self.good = 0
        self._odd = 0
        self._first: Exception = ValueError()
        self._row: object = None

    def __bool__(self) -> bool:
        return self._odd > 0

    def through(self, read: Callable[[Any], T], rows: Any) -> tuple[T, ...]:
        good = []
        for row in rows:
            try:
                good.append(read(row))
            except NOT_AS_EXPECTED as error:
                self.hold(row, error)
        self.good += len(good)
        return tuple(good)

    def hold(self, row: object, error: Exception) -> None:
        if not self._odd:
            self._first, self._row = error, row
        self._odd += 1

    def complaint(self, name: str) -> list[Meaning]:
        """At most one, beside the good rows that are told.

        Raises:
            Exception: the first odd row's own; no row was good, so there is nothing to tell.
        """
        if not self._odd:
            return []
        if not self.good:
            raise self._first
        said = str(self._first)
        detail = f": {said}" if len(said) <= 80 else ""  # never cut: it may quote a secret
        why = f"the first: {type(self._first).__name__}{detail}"
        problem = (
            f"{self._odd} of {self._odd + self.good} rows of {quoted(name)} do not look as expected ({why})"
        )
        return [Unrecognised(problem=problem, preview=repr(self._row)[:PREVIEW])]


def read_rows(name: str, read: Callable[[Any, Sieve], Meaning], payload: Any) -> list[Meaning]:
    """What a reader of rows makes of a message, and the complaint about those that it could not read."""
    sieve = Sieve()
    told = read(payload, sieve)
    return [told, *sieve.complaint(name)]


def read_quotes(payload: Any, name: str, fields: tuple[int, ...]) -> list[Meaning]:
    """Ticks in rows of so many fields, or one row by itself. More fields are noted, and the rest is read."""
    rows = [payload] if type(payload[0]) is str else payload
    quotes = []
    sieve = None
    drift = 0
    most = fields[-1]
    for row in rows:
        try:
            symbol, at, price = row[:3]
            usual = type(symbol) is str and type(at) in NUMBERS and type(price) in NUMBERS
            if not (usual and 0 <= at < MILLISECONDS and 0 <= price < LARGEST):
                if type(row) is not list:
                    raise TypeError("expected a row")
                symbol, at, price = text(symbol), seconds(at), number(price)
        except NOT_AS_EXPECTED as error:
            sieve = sieve or Sieve()
            sieve.hold(row, error)
            continue
        if len(row) > most:
            drift = len(row)
        quotes.append(tuple.__new__(Quote, (symbol, at, price)))
    told: list[Meaning] = [Quotes(tuple(quotes))]
    if sieve:
        sieve.good = len(quotes)
        return told + sieve.complaint(name)
    if drift:
        wanted = " or ".join(map(str, fields))
        problem = f"{quoted(name)} rows have {drift} elements instead of {wanted}"
        told.append(Unrecognised(problem=problem, preview=repr(rows[:3])[:PREVIEW]))
    return told


def read_ticks(rows: Any, sieve: Sieve) -> Ticks:
    """Time and price, whatever a row has besides.

    More than a thousand rows follow each subscription: checked in bulk, one by one only where something is unusual.
    """
    usual = _usual_ticks(rows)
    if usual is None:
        return sieve.through(_tick, rows)
    sieve.good += len(usual)
    return usual


def _usual_ticks(rows: Any) -> Ticks | None:
    if set(map(type, rows)) != {list}:
        return None
    lengths = set(map(len, rows))
    if min(lengths) < 2:
        return None
    pairs: Any = tuple(map(tuple, rows)) if lengths == {2} else tuple((row[0], row[1]) for row in rows)
    flat = tuple(chain.from_iterable(pairs))
    if set(map(type, flat)) <= {float, int} and max(flat) < MILLISECONDS and min(flat) >= 0:
        return pairs  # type: ignore[no-any-return]
    return None


def _tick(row: Any) -> tuple[float, float]:
    if type(row) is not list:
        raise TypeError("expected a row")
    return seconds(row[0]), number(row[1])
