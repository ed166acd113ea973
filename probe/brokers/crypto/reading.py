"""The backend's bodies, read with as little trust as strangers deserve: what is not as agreed is said, not guessed."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from probe.brokers.crypto.judging import Health, cause_in
from probe.model.meanings import Balance
from probe.wire.calls import HttpReply

_PRICES = ("last_price", "price", "lastPrice", "last")
_ID = re.compile(r"[!-~]{1,64}")
_LEAKS = (
    "Traceback (most recent call last)",
    "ServerSelectionTimeoutError",
    "Topology Description",
    'File "/',
)


def number(value: object) -> float | None:
    """JSON's, or one in quotes, as brokers like to send them."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", value, re.ASCII):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def utc_of(value: object) -> float | None:
    """ISO 8601, UTC where it names no zone; or seconds or milliseconds since 1970."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    seconds = number(value)
    if seconds is None:
        return None
    return seconds / 1000 if seconds > 1e11 else seconds


def health_of(body: Any, reply: HttpReply, at: float) -> Health:
    """Of any body: one that only says that it is there is read as such."""
    data = body if isinstance(body, dict) else {}
    checks = data.get("checks")
    status = data.get("status")
    return Health(
        at=at,
        seconds=reply.seconds,
        says_well=reply.status < 400 and status not in ("unhealthy", "down", "error"),
        checks=tuple(
            (name, check["status"] in ("up", "ok", "healthy", "connected"))
            for name, check in (checks.items() if isinstance(checks, dict) else ())
            if isinstance(check, dict) and check.get("status") not in (None, "unknown")
        ),
        uptime=number(data.get("uptime_seconds")),
        cause=cause_in(reply.body[:4096].decode("utf-8", "replace")),
    )


def price_of(body: dict[str, Any]) -> float | None:
    return next(
        (price for key in _PRICES if (price := number(body.get(key))) is not None and price > 0), None
    )


def balance_of(body: Any) -> Balance | None:
    amount = number(body.get("equity")) if isinstance(body, dict) else None
    return None if amount is None else Balance(amount=amount, is_demo=None)


def items_of(body: Any) -> list[Any] | None:
    """A list, bare or in its usual wrapper."""
    items = body.get("items", body.get("snapshots")) if isinstance(body, dict) else body
    return items if isinstance(items, list) else None


def process_seconds(reply: HttpReply) -> float | None:
    text = reply.header("x-process-time").strip()
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,12})?)\s?(ms|s)?", text, re.ASCII)
    return None if found is None else float(found[1]) / (1000 if found[2] == "ms" else 1)


def evidence_of(reply: HttpReply, path: str, body: Any) -> str:
    """Where it was seen, and the id under which the backend's log knows it."""
    id_ = reply.header("x-request-id") or (body.get("request_id") if isinstance(body, dict) else None)
    known = f", request {id_}" if isinstance(id_, str) and _ID.fullmatch(id_) else ""
    return f"GET {path}: HTTP {reply.status}{known}"


def tells_too_much(reply: HttpReply) -> bool:
    words = reply.body[:16_384].decode("utf-8", "replace")
    return any(leak in words for leak in _LEAKS)
