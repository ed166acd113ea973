"""What the gateway's endpoints answer, read into values. An answer that is none of them is told in words that quote little of it."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from probe.model.credentials import Redactor
from probe.model.failures import Failure
from probe.session.refusal import failure_of_reply
from probe.wire.calls import HttpReply, NotJson, read_json

SHOWN = 160  # characters of an answer's own words
LARGEST = 1e15  # no price, balance or count of a real account is beyond it
_HINTS = {
    503: "; nginx answers so when it limits requests, and also when the gateway behind it is gone",
    504: "; the proxy gave up waiting, and the gateway may still be busy with the question",
}


class Unreadable(Exception):
    """The words say which part of an answer is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A success."""

    data: object
    reply: HttpReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """The gateway's own word for what went wrong; below 400 it is ours, for a success that cannot be read."""

    status: int
    words: str
    seconds: float
    kind: str = ""  # of failure, below 400

    @property
    def is_refusal(self) -> bool:
        return self.status in (401, 403)


def read_answer(reply: HttpReply, redact: Redactor) -> Body | Complaint | Failure:
    """A failure is what somebody in between says, or a server that is no gateway."""
    failure = failure_of_reply(reply, redact)
    if failure is not None and (failure.kind in ("http.cf-challenge", "http.429", "http.redirect")):
        return failure
    try:
        data = read_json(reply)
    except NotJson as problem:
        if failure is None:
            words = redact.shorten(str(problem), SHOWN)
            kind = "http.200-not-101" if reply.complete else "session.message-too-big"
            return Complaint(status=reply.status, words=words, seconds=reply.seconds, kind=kind)
        if reply.status == 401:
            return Complaint(status=401, words="without words", seconds=reply.seconds)
        return replace(failure, detail=failure.detail + _HINTS.get(reply.status, ""))
    if failure is None:
        return Body(data=data, reply=reply)
    return Complaint(status=reply.status, words=_words(data, redact), seconds=reply.seconds)


def _words(data: object, redact: Redactor) -> str:
    """``detail`` is FastAPI's key, ``error`` that of other gateways. What was sent is never repeated."""
    said = data.get("detail", data.get("error")) if isinstance(data, dict) else None
    if isinstance(said, list):
        rows = [row for row in said[:5] if isinstance(row, dict)]
        said = "; ".join(f"{_path(row.get('loc'))}: {row.get('msg')}" for row in rows)
    text = said if isinstance(said, str) and said else "without words"
    return redact.shorten("".join(sign if sign.isprintable() else " " for sign in text[:2000]), SHOWN)


def _path(location: object) -> str:
    return ".".join(str(step) for step in location[:5]) if isinstance(location, list) else "somewhere"


# -- one reader for each endpoint -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    login: int
    balance: float
    equity: float
    margin: float
    margin_free: float
    margin_level: float
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    bid: float
    ask: float
    point: float
    spread: float  # in points


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTime:
    seconds: float  # the broker's clock face, as if it were UTC
    is_own_clock: bool  # microseconds in it: no tick has them, the gateway's clock has
    offset: float  # hours, as the gateway believes


def read_health(data: object) -> int | None:
    """How many sessions it counts; None: it does not say. Other gateways' health is none of ours."""
    fields = _object(data)
    if not isinstance(fields.get("status"), str):
        raise Unreadable("it has no status")
    sessions = fields.get("active_sessions")
    return sessions if type(sessions) is int and 0 <= sessions < LARGEST else None


def read_account(data: object) -> AccountState:
    fields = _object(data)
    login = fields.get("login")
    if type(login) is not int or not 0 <= login < LARGEST * 1000:
        raise Unreadable("its login is no account number")
    server = fields.get("server")
    return AccountState(
        login=login,
        balance=_number(fields, "balance"),
        equity=_number(fields, "equity"),
        margin=_number(fields, "margin"),
        margin_free=_number(fields, "margin_free"),
        margin_level=_number(fields, "margin_level"),
        server=server[:SHOWN] if isinstance(server, str) and server.isprintable() else "",
    )


def read_amount(data: object, key: str) -> float:
    return _number(_object(data), key)


def read_price(data: object) -> Price:
    fields = _object(data)
    return Price(
        bid=_number(fields, "bid"),
        ask=_number(fields, "ask"),
        point=_number(fields, "point"),
        spread=_number(fields, "spread"),
    )


def read_server_time(data: object) -> ServerTime:
    fields = _object(data)
    text = fields.get("server_time")
    try:
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
        seconds = at.replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        raise Unreadable("its server_time is no time") from None
    return ServerTime(
        seconds=seconds, is_own_clock=at.microsecond != 0, offset=_number(fields, "timezone_offset")
    )


def read_positions(data: object) -> int:
    return len(_rows(data, ("ticket", "symbol", "volume", "type")))


def read_orders(data: object) -> int:
    return len(_rows(_object(data).get("orders"), ("ticket", "symbol", "type")))


def read_history(data: object) -> int:
    fields = _object(data)
    deals = len(_rows(fields.get("deals"), ("ticket", "time", "profit")))
    if fields.get("deals_count") != deals:
        raise Unreadable(f"its deals_count is not the number of its deals, {deals}")
    return deals


def read_snapshot(data: object) -> int:
    fields = _object(data)
    for key in ("balance", "equity", "margin_used", "day_start_balance", "day_start_equity"):
        _number(fields, key)
    return len(_rows(fields.get("positions"), ("position_id", "symbol", "side")))


def read_paths(data: object) -> tuple[str, frozenset[str]]:
    """Title and paths of an OpenAPI description."""
    fields = _object(data)
    paths, info = fields.get("paths"), fields.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    shown = re.sub(r"[^ -~]", "?", title[:40]) if isinstance(title, str) else ""
    return shown, frozenset(paths if isinstance(paths, dict) else ())


def server_seconds(reply: HttpReply) -> float | None:
    """How long the gateway says it took."""
    text = reply.header("x-process-time")
    if not re.fullmatch(r"\d{1,4}(\.\d{1,20})?(e-\d{1,2})?", text, re.ASCII):
        return None
    return float(text)


def date_of(reply: HttpReply) -> float | None:
    """The gateway's own clock, in UTC seconds."""
    try:
        return parsedate_to_datetime(reply.header("date")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise Unreadable("it is no JSON object")
    return data


def _rows(data: object, keys: tuple[str, ...]) -> list[object]:
    if not isinstance(data, list):
        raise Unreadable("it holds no list where one should be")
    for row in data:
        if not isinstance(row, dict) or any(key not in row for key in keys):
            raise Unreadable(f"a row of it lacks one of {', '.join(keys)}")
    return data


def _number(fields: dict[str, object], key: str) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise Unreadable(f"its {key} is no number that can be" if key in fields else f"it has no {key}")
    return float(value)
