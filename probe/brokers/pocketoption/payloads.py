"""The payloads inside PocketOption's events: one reader and one writer for each shape, and nothing about packets.

Readers trust nothing: what does not fit raises ValueError, TypeError or KeyError, and the codec's base turns that into
an `Unrecognised`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from probe.model import intents
from probe.model.endpoint import Account
from probe.model.intents import Intent
from probe.model.meanings import (
    Admitted,
    Asset,
    Assets,
    Balance,
    Candle,
    Direction,
    History,
    Order,
    OrderRejected,
    PendingOrder,
    PendingRejected,
    Refused,
    Sentiment,
    Signal,
    Signals,
)
from probe.session.reading import YES, any_id, number, seconds, text
from probe.session.rows import Sieve, read_ticks

TIMEFRAMES = (60, 120, 180, 300, 600, 900, 1800, 2700, 3600, 7200, 10800, 14400)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clock_text(at: float) -> str:
    """The broker writes its own wall time without a zone; as UTC it decodes to the same number."""
    return f"{(_EPOCH + timedelta(seconds=int(at))).replace(tzinfo=None)}"


def clock_seconds(written: Any) -> float:
    return datetime.strptime(text(written), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


def read_success(payload: Any) -> Admitted:
    payload = payload if isinstance(payload, dict) else {}
    server, user = payload.get("serverName"), payload.get("id")
    return Admitted(server=str(server) if server else None, user=str(user) if user else None)


def read_refusal(payload: Any) -> Refused:
    reason = payload.get("reason") if isinstance(payload, dict) else None
    return Refused(reason=f"NotAuthorized: {reason}" if reason else "NotAuthorized")


def read_balance(payload: Any) -> Balance:
    said = payload.get("isDemo")
    return Balance(amount=number(payload["balance"]), is_demo=bool(said) if said in (0, 1) else None)


_ASSET_TYPES = [int, str, str, str, int, int]


def read_asset(row: Any) -> Asset:
    changes = row[18] if len(row) > 18 else -1
    changes_at = seconds(changes) if changes not in (-1, 0, None) else None
    if list(map(type, row[:6])) == _ASSET_TYPES:  # nearly always
        number_, symbol, label, kind, digits, payout = row[:6]
        return Asset(number_, symbol, label, kind, digits, payout, row[9] in YES, row[14] in YES, changes_at)
    return Asset(
        int(number(row[0])),
        text(row[1]),
        text(row[2]),
        text(row[3]),
        int(number(row[4])),
        int(number(row[5])),
        row[9] in YES,
        row[14] in YES,
        changes_at,
    )


def write_asset(asset: Asset) -> list[object]:
    changes = asset.opens_or_closes_at
    return [
        asset.id,
        asset.symbol,
        asset.label,
        asset.kind,
        asset.digits,
        asset.payout_percent,
        60,
        30,
        3,
        int(asset.is_otc),
        0,
        0,
        [],
        0,
        asset.is_open,
        [{"time": frame} for frame in TIMEFRAMES],
        0 if asset.is_otc else -1,
        5 if asset.is_otc else 60,
        -1 if changes is None else int(changes),
    ]


def read_assets(payload: Any, sieve: Sieve) -> Assets:
    if not isinstance(payload, list):
        raise TypeError("expected a list of assets")
    return Assets(rows=sieve.through(read_asset, payload))


def read_recent(payload: Any, sieve: Sieve) -> History:
    """The burst after a subscription. Candles come newest first."""
    return History(
        symbol=text(payload["asset"]),
        period=int(number(payload["period"])),
        index=None,
        ticks=read_ticks(payload.get("history") or [], sieve),
        candles=tuple(sorted(sieve.through(_candle, payload.get("candles") or ()))),
    )


def _candle(row: Any) -> Candle:
    start, opened, closed, high, low = row[:5]
    return Candle(seconds(start), number(opened), number(high), number(low), number(closed))


def write_recent(history: History) -> dict[str, object]:
    return {
        "asset": history.symbol,
        "period": history.period,
        "history": [list(tick) for tick in history.ticks],
        "candles": [[c.start, c.open, c.close, c.high, c.low] for c in reversed(history.candles)],
    }


def read_page(payload: Any, sieve: Sieve) -> History:
    index = payload.get("index")
    rows = sieve.through(_row_of_page, payload["data"])
    return History(
        symbol=text(payload["asset"]),
        period=int(number(payload["period"])),
        index=0 if index is None else int(number(index)),
        ticks=tuple(row for row in rows if not isinstance(row, Candle)),
        candles=tuple(sorted(row for row in rows if isinstance(row, Candle))),
    )


def _row_of_page(row: Any) -> Candle | tuple[float, float]:
    if "price" in row:
        return seconds(row["time"]), number(row["price"])
    prices = (number(row[name]) for name in ("open", "high", "low", "close"))
    return Candle(seconds(row["time"]), *prices)


def write_page(history: History) -> dict[str, object]:
    data: list[dict[str, object]] = [
        {"asset": history.symbol, "time": at, "price": price} for at, price in history.ticks
    ]
    data += [
        {
            "symbol_id": 0,
            "time": c.start,
            "open": c.open,
            "close": c.close,
            "high": c.high,
            "low": c.low,
            "asset": history.symbol,
        }
        for c in history.candles
    ]
    return {"asset": history.symbol, "index": history.index, "period": history.period, "data": data}


def read_order(deal: Any) -> Order:
    closed = number(deal.get("closePrice") or 0) != 0
    return Order(
        id=text(deal["id"]),
        symbol=text(deal["asset"]),
        direction=Direction.PUT if number(deal["command"]) == 1 else Direction.CALL,
        amount=number(deal["amount"]),
        opened_at=(seconds(deal["openTimestamp"]) * 1000 + number(deal.get("openMs") or 0)) / 1000,
        closes_at=seconds(deal["closeTimestamp"]),
        open_price=number(deal["openPrice"]),
        payout_percent=number(deal["percentProfit"]),
        is_demo=deal.get("isDemo") in YES,
        close_price=number(deal["closePrice"]) if closed else None,
        profit=number(deal["profit"]) if closed else None,
        request_id=any_id(deal.get("requestId")),
        user=str(deal.get("uid") or "") or None,
    )


def write_order(order: Order) -> dict[str, object]:
    is_closed = order.close_price is not None
    opened_seconds, opened_ms = divmod(round(order.opened_at * 1000), 1000)
    deal: dict[str, object] = {
        "id": order.id,
        "openTime": clock_text(opened_seconds),
        "closeTime": clock_text(order.closes_at),
        "openTimestamp": opened_seconds,
        "closeTimestamp": int(order.closes_at),
        "uid": int(order.user) if order.user and order.user.isdecimal() else 0,
        "isDemo": int(order.is_demo),
        "amount": order.amount,
        "profit": order.profit if is_closed else round(order.amount * order.payout_percent / 100, 2),
        "percentProfit": order.payout_percent,
        "percentLoss": 100,
        "openPrice": order.open_price,
        "copyTicket": "",
        "closePrice": order.close_price if is_closed else 0,
        "command": int(order.direction is Direction.PUT),
        "asset": order.symbol,
        "openMs": opened_ms,
        "optionType": 100,
        "isCopySignal": False,
        "currency": "USD",
    }
    if is_closed:
        deal |= {"closeMs": 0, "amountUSD": order.amount, "refundTime": None, "refundTimestamp": None}
    if order.request_id is not None:
        deal["requestId"] = order.request_id
    return deal


def read_orders(payload: Any) -> tuple[Order, ...]:
    return tuple(read_order(deal) for deal in payload)


def read_rejection(payload: Any) -> OrderRejected:
    amount = payload.get("amount")
    return OrderRejected(
        error=str(payload.get("error")),
        request_id=any_id(payload.get("requestId")),
        symbol=None if payload.get("asset") is None else text(payload["asset"]),
        amount=None if amount is None else number(amount),
    )


def write_rejection(rejected: OrderRejected) -> dict[str, object]:
    known = {"amount": rejected.amount, "asset": rejected.symbol, "requestId": rejected.request_id}
    return {"error": rejected.error} | {name: value for name, value in known.items() if value is not None}


def read_pending(row: Any) -> PendingOrder:
    by_price = number(row.get("openType") or 0) == 1
    return PendingOrder(
        ticket=text(row["ticket"]),
        symbol=text(row.get("symbol", row.get("asset"))),
        direction=Direction.PUT if number(row["command"]) == 1 else Direction.CALL,
        amount=number(row["amount"]),
        duration=int(number(row["timeframe"])),
        open_at=None if by_price else clock_seconds(row["openTime"]),
        open_price=number(row["openPrice"]) if by_price else None,
        min_payout_percent=int(number(row.get("minPayout") or 0)),
    )


def write_pending(order: PendingOrder) -> dict[str, object]:
    return {
        "ticket": order.ticket,
        "openType": int(order.open_at is None),
        "amount": order.amount,
        "symbol": order.symbol,
        "openTime": "" if order.open_at is None else clock_text(order.open_at),
        "openPrice": order.open_price or 0,
        "timeframe": order.duration,
        "minPayout": order.min_payout_percent,
        "command": int(order.direction is Direction.PUT),
        "dateCreated": "",
        "id": 0,
    }


def write_pending_request(intent: intents.PlacePending) -> dict[str, object]:
    return {
        "openType": int(intent.open_at is None),
        "amount": intent.amount,
        "asset": intent.symbol,
        "openTime": "" if intent.open_at is None else clock_text(intent.open_at),
        "openPrice": intent.open_price or 0,
        "timeframe": intent.duration,
        "minPayout": intent.min_payout_percent,
        "command": int(intent.direction is Direction.PUT),
    }


def read_sentiment(payload: Any) -> Sentiment:
    rows = tuple((text(row[0]), int(number(row[1]))) for row in payload)
    if not all(0 <= percent <= 100 for _, percent in rows):
        raise ValueError("expected percent")
    return Sentiment(rows=rows)


def read_signals(payload: Any) -> Signals:
    rows = tuple(
        Signal(
            text(symbol),
            tuple((60 * _whole(minutes), _level(level)) for minutes, level in said),
            number(price),
        )
        for symbol, said, price in payload["signals"]
    )
    times = [seconds(at) for at in payload["times"].values()]
    return Signals(at=max(times, default=None), rows=rows)


def write_signals(signals: Signals) -> dict[str, object]:
    return {
        "signals": [
            [row.symbol, [[ahead // 60, int(level)] for ahead, level in row.said], row.price]
            for row in signals.rows
        ],
        "times": {} if signals.at is None else {"1": signals.at},
    }


def _whole(value: Any) -> int:
    found = number(value)
    if found != int(found):
        raise ValueError("expected a whole number")
    return int(found)


def _level(value: Any) -> str:
    level = _whole(value)
    if not 0 <= level <= 4:
        raise ValueError("expected a level from 0 to 4")
    return str(level)


def read_pending_refusal(payload: Any) -> PendingRejected:
    ticket = payload.get("ticket")
    return PendingRejected(error=str(payload.get("error")), ticket=None if ticket is None else str(ticket))


def read_history_request(payload: Any) -> Intent:
    index = payload.get("index")
    return intents.AskHistory(
        symbol=text(payload["asset"]),
        period=int(number(payload.get("period") or 0)),
        until=seconds(payload["time"]),
        span=number(payload["offset"]),
        index=0 if index is None else int(number(index)),
    )


def read_order_request(payload: Any) -> Intent:
    request_id = any_id(payload.get("requestId"))
    return intents.PlaceOrder(
        symbol=text(payload["asset"]),
        direction=Direction(payload["action"]),
        amount=number(payload["amount"]),
        duration=int(number(payload["time"])),
        request_id="" if request_id is None else request_id,
        account=Account.DEMO if payload.get("isDemo") in YES else Account.LIVE,
    )


def read_pending_request(payload: Any) -> Intent:
    by_price = number(payload.get("openType") or 0) == 1
    return intents.PlacePending(
        symbol=text(payload["asset"]),
        direction=Direction.PUT if number(payload["command"]) == 1 else Direction.CALL,
        amount=number(payload["amount"]),
        duration=int(number(payload["timeframe"])),
        open_at=None if by_price else clock_seconds(payload["openTime"]),
        open_price=number(payload["openPrice"]) if by_price else None,
        min_payout_percent=int(number(payload.get("minPayout") or 0)),
    )
