"""What a request to `/probe` asks for: one configured target, how far to go, and for how long. Nothing else is taken from it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

from probe.cli.output import plain
from probe.model.errors import near_miss

LONGEST_QUERY = 2048  # bytes
SHOWN = 60  # characters of what somebody typed
NAMED = 20  # of the names there are
OFFSET_SECONDS = 0.5  # our answer has to be there before the scraper gives up
DEFAULT_SECONDS, MOST_SECONDS = 9.5, 60.0
_PARAMETERS = ("target", "module", "endpoint", "debug")


class Module(Enum):
    """How far a probe goes."""

    OPEN = "open"
    LOGIN = "login"
    DATA = "data"


class Refused(Exception):
    """The request is answered with this status and these words, and nobody is connected to."""

    def __init__(self, words: str, *, status: int = 400, retry_after: float | None = None) -> None:
        self.words, self.status, self.retry_after = words, status, retry_after
        super().__init__(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    target: str
    module: Module
    endpoint: str | None  # a region; None: the target's own choice
    debug: bool


def read_query(query: bytes) -> Asking:
    """
    Raises:
        Refused: it cannot be understood in one way only.
    """
    if len(query) > LONGEST_QUERY:
        raise Refused(
            f"The query has {len(query)} bytes; {LONGEST_QUERY} are the most. Name one target in it."
        )
    given: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True):
        if name not in _PARAMETERS:
            raise Refused(_no_such("parameter", name, _PARAMETERS))
        if name in given:
            raise Refused(
                f"There is more than one {name} in the query. One probe is of one target: give one."
            )
        given[name] = value
    target = given.get("target", "")
    if not target:
        raise Refused(
            "No target is named. Add target=NAME: the name of a target in the configuration, never a host."
        )
    modules = {each.value: each for each in Module}
    module = given.get("module") or Module.OPEN.value
    if module not in modules:
        raise Refused(_no_such("module", module, modules))
    return Asking(
        target=target,
        module=modules[module],
        endpoint=given.get("endpoint") or None,
        debug=given.get("debug") == "true",
    )


def read_timeout(header: bytes | None) -> float:
    """How long a probe may take, from `X-Prometheus-Scrape-Timeout-Seconds`.

    Raises:
        Refused: it is no time.
    """
    if header is None:
        return DEFAULT_SECONDS
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise Refused("X-Prometheus-Scrape-Timeout-Seconds is not a number of seconds above 0.")
    return min(seconds - OFFSET_SECONDS if seconds > OFFSET_SECONDS else seconds, MOST_SECONDS)


def pick(what: str, name: str, known: Iterable[str]) -> str:
    """The name, if there is such a one.

    Raises:
        Refused: there is none; it says which there are.
    """
    names = list(known)
    if name not in names:
        raise Refused(_no_such(what, name, names))
    return name


def _no_such(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    shown = plain(name[:SHOWN]) + ("…" if len(name) > SHOWN else "")
    meant = near_miss(name[:SHOWN], names)
    hint = f"Did you mean {meant!r}? " if meant else ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"There is no {what} {shown!r}. {hint}There are: {', '.join(names[:NAMED]) or 'none'}{more}."
