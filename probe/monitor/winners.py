"""Which endpoint was good the last times, remembered between runs."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from pathlib import Path

from probe.disk import NO_LINK, NO_WAIT, data_folder, locked, make_private_folder, replace_file
from probe.model.endpoint import Endpoint

VERSION = 1
LARGEST = 256 * 1024  # bytes
MOST = 512  # endpoints, of all brokers; the longest unheard of are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Seconds are from the first dial to the transport's greeting."""

    url: str
    best_seconds: float | None = None
    last_seconds: float | None = None
    at_utc: float = 0.0  # of the last connection or failure
    wins: int = 0  # sessions that went live there
    failures: int = 0  # since it was last reached

    @property
    def rank(self) -> tuple[int, float]:
        """The smaller the better; 0 is that of an endpoint nobody knows."""
        if self.failures:
            return self.failures, inf
        return -1, inf if self.last_seconds is None else self.last_seconds


Key = tuple[str, str]  # broker and region


class Winners:
    """Told what was found, and asked for an order; on the disk when `save` is called.

    Args:
        path: None: in the user's data folder.
        warn: Told in words what is wrong with the file. Nothing is ever stopped by it.
    """

    def __init__(self, path: Path | None = None, *, warn: Callable[[str], object]) -> None:
        self._path = path or data_folder() / "endpoints.json"
        self._warn = warn
        self._news: list[tuple[Key, Callable[[Remembered | None], Remembered]]] = []
        self._saving = threading.Lock()
        self._known = self._load()

    def reached(
        self, endpoint: Endpoint, seconds: float | None, at_utc: float, *, live: bool = False
    ) -> None:
        """`live`: a session went live there."""

        def better(old: Remembered | None) -> Remembered:
            old = old or Remembered(url=endpoint.url)
            times = [each for each in (old.best_seconds, seconds) if each is not None]
            return replace(
                old,
                best_seconds=min(times, default=None),
                last_seconds=old.last_seconds if seconds is None else seconds,
                at_utc=at_utc,
                wins=old.wins + live,
                failures=0,
            )

        self._note(endpoint, better)

    def failed(self, endpoint: Endpoint, at_utc: float) -> None:
        def worse(old: Remembered | None) -> Remembered:
            old = old or Remembered(url=endpoint.url)
            return replace(old, at_utc=at_utc, failures=old.failures + 1)

        self._note(endpoint, worse)

    def known(self, endpoint: Endpoint) -> Remembered | None:
        found = self._known.get(_key(endpoint))
        return found if found is not None and found.url == endpoint.url else None

    def ordered(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """The fastest that was reached the last time first; then those nobody tried, as they come; then those that failed."""

        def rank(endpoint: Endpoint) -> tuple[int, float]:
            found = self.known(endpoint)
            return found.rank if found is not None else (0, 0.0)

        return sorted(endpoints, key=rank)

    def best(self, endpoints: Iterable[Endpoint]) -> Endpoint | None:
        """The one of them that would be dialled first for what is remembered."""
        first = next(iter(self.ordered(endpoints)), None)
        found = self.known(first) if first is not None else None
        return first if found is not None and found.wins and not found.failures else None

    def save(self) -> None:
        """What is new is put onto what other processes wrote meanwhile. May take long: not for the event loop's thread."""
        with self._saving:
            news, self._news = self._news, []
            if not news:
                return
            try:
                make_private_folder(self._path.parent)
                with locked(self._path.with_suffix(".lock")):
                    known = self._load()
                    for key, change in news:
                        known[key] = change(_of_the_same(known.get(key), self._known.get(key)))
                    newest = sorted(known, key=lambda key: known[key].at_utc)[-MOST:]
                    replace_file(self._path, _write({key: known[key] for key in newest}), mode=0o600)
            except OSError as problem:
                self._warn(
                    f"which endpoints are fast is not remembered: {str(self._path)!r} cannot be written "
                    f"({problem.strerror}). Name a folder of your own with TRADEPROBE_HOME."
                )

    def _note(self, endpoint: Endpoint, change: Callable[[Remembered | None], Remembered]) -> None:
        key = _key(endpoint)
        self._known[key] = change(self.known(endpoint))
        self._news.append((key, change))

    def _load(self) -> dict[Key, Remembered]:
        try:
            return _parse(self._read())
        except FileNotFoundError:
            return {}
        except OSError as problem:
            why = problem.strerror or "it is no file of its owner's"
        except (ValueError, TypeError, KeyError, RecursionError):
            why = "it is damaged, or another version's"
        self._warn(f"{str(self._path)!r} cannot be read ({why}). Which endpoints are fast is learnt anew.")
        return {}

    def _read(self) -> bytes:
        descriptor = os.open(self._path, os.O_RDONLY | NO_LINK | NO_WAIT)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError
            return file.read(LARGEST + 1)


def _key(endpoint: Endpoint) -> Key:
    return endpoint.broker, endpoint.region


def _of_the_same(old: Remembered | None, newer: Remembered | None) -> Remembered | None:
    """A region's memory is worth nothing for another address."""
    return old if old is not None and newer is not None and old.url == newer.url else None


def _write(known: dict[Key, Remembered]) -> bytes:
    rows = [{"broker": broker, "region": region} | asdict(each) for (broker, region), each in known.items()]
    return json.dumps({"version": VERSION, "endpoints": rows}, indent=1).encode()


def _parse(text: bytes) -> dict[Key, Remembered]:
    """
    Raises:
        ValueError, TypeError, KeyError: it is not what `_write` wrote.
    """
    data = json.loads(text)
    if data["version"] != VERSION:
        raise ValueError("another version")
    return {(_text(row["broker"]), _text(row["region"])): _entry(row) for row in data["endpoints"]}


def _entry(row: dict[str, object]) -> Remembered:
    return Remembered(
        url=_text(row["url"]),
        best_seconds=_seconds(row["best_seconds"]),
        last_seconds=_seconds(row["last_seconds"]),
        at_utc=_seconds(row["at_utc"]) or 0.0,
        wins=_count(row["wins"]),
        failures=_count(row["failures"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (isfinite(value) and value >= 0):
        raise ValueError
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError
    return value
