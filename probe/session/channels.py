"""What a broker's public software says can be asked of it over HTTP: each as a flow that tries it and judges what is in the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure
from probe.wire.calls import Flow, HttpCall, HttpReply, NotJson, read_json

Header = tuple[str, str | Secret]


class NotAsPromised(Exception):
    """The words say what is so instead, the code what the catalogue calls it where that is known."""

    def __init__(self, words: str, code: str = "") -> None:
        self.code = code
        super().__init__(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Words without their full stop, and the figures in them."""

    words: str
    figures: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlan:
    base: str  # the endpoint's URL, without a slash at its end
    symbol: str
    utc: float  # now
    credentials: Credentials | None = None
    user: str | None = None  # whose account it is; None: nobody said
    login: PasswordLogin | None = None  # of a simulator only


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    name: str
    promise: str  # one sentence, true of what passes
    flow: Callable[[ChannelPlan], Flow[Seen]]  # raises NotAsPromised
    changes: bool = False  # something at the other end: never tried but in a simulator
    needs_account: bool = True


def promised(holds: object, words: str) -> None:
    """
    Raises:
        NotAsPromised: with the words, for it does not hold.
    """
    if not holds:
        raise NotAsPromised(words)


def ask(
    url: str, *headers: Header, method: str = "GET", json: object = None, status: int | tuple[int, ...] = 200
) -> Flow[HttpReply]:
    """
    Raises:
        NotAsPromised: there is no answer, or one with another status.
    """
    came = yield HttpCall(
        method=method, url=url, headers=(("Accept", "application/json"), *headers), json=json
    )
    shown = f"{method} {path_of(url)}"
    if isinstance(came, Failure):
        raise NotAsPromised(f"{shown}: {came}")
    if not isinstance(came, HttpReply):
        raise LocalProtocolError(f"a call was answered with {type(came).__name__}")
    wanted = (status,) if isinstance(status, int) else status
    promised(came.status in wanted, f"{shown}: HTTP {came.status} instead of {' or '.join(map(str, wanted))}")
    return came


def path_of(url: str) -> str:
    """Without host and query, which may hold what is nobody's business."""
    return "/" + url.split("://", 1)[-1].partition("?")[0].partition("/")[2]


def body_of(reply: HttpReply) -> Any:
    """
    Raises:
        NotAsPromised: it is no JSON.
    """
    try:
        return read_json(reply)
    except NotJson as problem:
        raise NotAsPromised(f"{path_of(reply.url)}: {problem}") from None


def object_of(reply: HttpReply, *keys: str) -> dict[str, Any]:
    """
    Raises:
        NotAsPromised: it is no JSON object that has all of them.
    """
    data = body_of(reply)
    return having(data, path_of(reply.url), *keys)


def having(data: object, what: str, *keys: str) -> dict[str, Any]:
    promised(isinstance(data, dict), f"{what}: there is no JSON object")
    fields: dict[str, Any] = data  # type: ignore[assignment]
    missing = [key for key in keys if key not in fields]
    promised(not missing, f"{what}: it has no {', '.join(missing)}")
    return fields


def number_in(fields: Mapping[str, Any], key: str, what: str) -> float:
    """A number, or one in quotes, as some write prices."""
    value = fields.get(key)
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise NotAsPromised(f"{what}: its {key} is no number") from None


def time_in(text: object, what: str) -> float:
    """UTC seconds of ISO 8601; UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise NotAsPromised(f"{what}: its time cannot be read") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def sound_candles(rows: list[tuple[float, float, float, float, float]], period: float, what: str) -> None:
    """Start, open, high, low, close each; one after the other.

    Raises:
        NotAsPromised: no market makes such candles.
    """
    promised(rows, f"{what}: there are none")
    for at, opened, high, low, close in rows:
        promised(
            low <= min(opened, close) <= max(opened, close) <= high,
            f"{what}: the one at {at:.0f} is impossible",
        )
    starts = [row[0] for row in rows]
    steps = {after - before for before, after in pairwise(starts)}
    promised(
        steps <= {period}, f"{what}: they do not follow each other by {period:g} s, but by {sorted(steps)}"
    )
