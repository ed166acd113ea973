"""Quotex's pending orders as payloads: those that wait for their time or their price."""

from datetime import UTC, datetime, timedelta
from typing import Any

from probe.brokers.quotex.orders import EPOCH, read_direction, read_refusal
from probe.model import intents
from probe.model.meanings import Direction, Meaning, Notice, PendingFailed, PendingOrder
from probe.session.reading import MILLISECONDS, number, text


def iso_text(at: float) -> str:
    """With milliseconds and a zone, as the broker demands."""
    written = EPOCH + timedelta(milliseconds=round(at * 1000))
    return f"{written.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def iso_seconds(written: Any) -> float:
    """Without a zone it is UTC too."""
    read = datetime.fromisoformat(text(written))
    at = round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp(), 3)
    if not 0 <= at < MILLISECONDS:
        raise ValueError("expected a time")
    return at


def read_pending(row: Any) -> PendingOrder:
    by_price = number(row.get("openType") or 0) == 1
    return PendingOrder(
        ticket=text(row["ticket"]),
        symbol=text(row["asset"]),
        direction=read_direction(row["command"]),
        amount=number(row["amount"]),
        duration=int(number(row["timeframe"])),
        open_at=None if by_price else iso_seconds(row["openTime"]),
        open_price=number(row["openPrice"]) if by_price else None,
    )


def write_pending(order: PendingOrder, user: str | None) -> dict[str, object]:
    return {
        "ticket": order.ticket,
        **_write_terms(order),
        "uid": int(user) if user and user.isdecimal() else 0,
        "command": int(order.direction is Direction.PUT),
    }


def read_pending_request(payload: Any) -> intents.PlacePending:
    by_price = number(payload.get("openType") or 0) == 1
    return intents.PlacePending(
        symbol=text(payload["asset"]),
        direction=read_direction(payload["command"]),
        amount=number(payload["amount"]),
        duration=int(number(payload["timeframe"])),
        open_at=None if by_price else iso_seconds(payload["openTime"]),
        open_price=number(payload["openPrice"]) if by_price else None,
    )


def write_pending_request(asked: intents.PlacePending) -> dict[str, object]:
    """The direction as a word: a number is taken, and makes the opening fail later."""
    return _write_terms(asked) | {"command": asked.direction.value}


def _write_terms(order: PendingOrder | intents.PlacePending) -> dict[str, object]:
    opens: dict[str, object] = (
        {"openType": 1, "openPrice": str(order.open_price or 0)}
        if order.open_at is None
        else {"openType": 0, "openTime": iso_text(order.open_at)}
    )
    return opens | {"asset": order.symbol, "timeframe": order.duration, "amount": order.amount}


def read_failed_opening(payload: Any) -> Meaning:
    """Without an error it only announces that the order is about to be opened."""
    if payload.get("error") is None:
        return Notice(name="f_pending/opened")
    return PendingFailed(**read_refusal(payload))
