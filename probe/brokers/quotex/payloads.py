"""The payloads of Quotex's events about prices, money and instruments: one reader and one writer for each shape.

Readers trust nothing: what does not fit raises ValueError, TypeError or KeyError, and the codec's base turns that into
an `Unrecognised`.
"""

from typing import Any

from probe.brokers.quotex.dialect import Dialect
from probe.model import intents
from probe.model.endpoint import Account
from probe.model.meanings import (
    Admitted,
    Asset,
    Assets,
    Balance,
    Candle,
    History,
    Meaning,
    Purses,
    Quotes,
    Refused,
    Sentiment,
    Signal,
    Signals,
    Unrecognised,
)
from probe.session.reading import NO, YES, any_id, number, seconds, text
from probe.session.rows import Sieve, read_ticks
from probe.session.socketio import NOT_AS_EXPECTED
from probe.wire.socketio import PREVIEW

TIMEFRAMES = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400)
OTC = "_otc"
MONEY = {"balance", "demoBalance", "liveBalance"}


def plain(value: float) -> float:
    """Whole numbers as the clients write them, without a fraction."""
    return int(value) if value == int(value) else value


# -- the login and money ------------------------------------------------------------------------------------------------


def read_verdict(payload: Any) -> list[Meaning]:
    """Usually there is no payload; one that tells whose session this is tells the balance too."""
    if not isinstance(payload, dict):
        return [Admitted()]
    user = any_id(payload.get("uid"))
    told: list[Meaning] = [Admitted(user=str(user) if user else None)]
    try:
        return [*told, read_money(payload)] if MONEY & payload.keys() else told
    except NOT_AS_EXPECTED:  # let in is let in
        return [
            *told,
            Unrecognised(problem="'s_authorization' tells no balance", preview=repr(payload)[:PREVIEW]),
        ]


def read_refusal(name: str, payload: Any) -> Refused:
    said = payload.get("error", payload.get("reason")) if isinstance(payload, dict) else payload
    return Refused(reason=f"{name}: {said}" if said else name)


def read_money(payload: Any) -> Balance | Purses:
    """What one purse holds, or what both do; nothing is a balance too."""
    if isinstance(payload, list):
        held = {_says_demo(row["isDemo"]): number(row["balance"]) for row in payload}
        if None in held:
            raise ValueError("expected demo or not")
        return _purses(held.get(True), held.get(False))
    if payload.get("balance") is None:
        demo, live = (
            None if payload.get(name) is None else number(payload[name])
            for name in ("demoBalance", "liveBalance")
        )
        return _purses(demo, live)
    return Balance(amount=number(payload["balance"]), is_demo=_says_demo(payload.get("isDemo")))


def _says_demo(flag: Any) -> bool | None:
    return True if flag in YES else False if flag in NO else None


def _purses(demo: float | None, live: float | None) -> Purses:
    if demo is None and live is None:
        raise ValueError("expected a balance")
    return Purses(demo=demo, live=live)


def write_balance(balance: Balance, user: str | None) -> dict[str, object]:
    fields: dict[str, object] = {"uid": int(user)} if user and user.isdecimal() else {}
    fields |= {"balance": balance.amount}
    return fields if balance.is_demo is None else fields | {"isDemo": int(balance.is_demo)}


def write_purses(purses: Purses) -> dict[str, object]:
    held = {"liveBalance": purses.live, "demoBalance": purses.demo}
    return {name: amount for name, amount in held.items() if amount is not None}


def read_choice(payload: Any) -> intents.ChooseAccount:
    tournament = payload.get("tournamentId")
    return intents.ChooseAccount(
        account=Account.DEMO if payload["demo"] in YES else Account.LIVE,
        tournament=0 if tournament is None else int(number(tournament)),
    )


# -- prices -------------------------------------------------------------------------------------------------------------


def write_quotes(quotes: Quotes, dialect: Dialect, last: dict[str, float]) -> list[list[object]]:
    """`last` remembers the price before, for the flag that says whether this one rose."""
    rows: list[list[object]] = []
    for symbol, at, price in quotes.rows:
        row: list[object] = [symbol, round(at * 1000) if dialect.quote_time == "milliseconds" else at, price]
        if dialect.quote_fields == "4":
            row.append(int(price >= last.get(symbol, price)))
        last[symbol] = price
        rows.append(row)
    return rows


def read_recent(payload: Any, sieve: Sieve, dialect: Dialect) -> History:
    """What follows a subscription."""

    def candle(row: Any) -> Candle:
        start, *prices = row[:5]
        opened, second, high, fourth = map(number, prices)
        closed, low = (second, fourth) if dialect.candle_columns == "ochl" else (fourth, second)
        return Candle(seconds(start), opened, high, low, closed)

    return History(
        symbol=text(payload["asset"]),
        period=int(number(payload["period"])),
        index=None,
        ticks=read_ticks(payload.get("history") or (), sieve),
        candles=tuple(sorted(sieve.through(candle, payload.get("candles") or ()))),
    )


def write_recent(history: History, dialect: Dialect) -> dict[str, object]:
    is_usual = dialect.candle_columns == "ochl"
    rising = [1, *(int(new[1] >= old[1]) for old, new in zip(history.ticks, history.ticks[1:], strict=False))]
    return {
        "asset": history.symbol,
        "period": history.period,
        "history": [[at, price, flag] for (at, price), flag in zip(history.ticks, rising, strict=False)],
        "candles": [
            [c.start, c.open, *((c.close, c.high, c.low) if is_usual else (c.low, c.high, c.close)), 0]
            for c in history.candles
        ],
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
    data: list[dict[str, object]] = [{"time": at, "price": price} for at, price in history.ticks]
    data += [
        {"time": c.start, "open": c.open, "close": c.close, "high": c.high, "low": c.low, "ticks": 0}
        for c in history.candles
    ]
    return {"asset": history.symbol, "index": history.index, "period": history.period, "data": data}


def read_history_request(payload: Any) -> intents.AskHistory:
    index = payload.get("index")
    return intents.AskHistory(
        symbol=text(payload["asset"]),
        period=int(number(payload.get("period") or 0)),
        until=seconds(payload["time"]),
        span=number(payload["offset"]),
        index=0 if index is None else int(number(index)),
    )


def write_history_request(asked: intents.AskHistory) -> dict[str, object]:
    return {
        "asset": asked.symbol,
        "index": asked.index,
        "time": plain(asked.until),
        "offset": plain(asked.span),
        "period": asked.period,
    }


def read_sentiment(payload: Any) -> Sentiment:
    rows = tuple((text(row[0]), int(number(row[1]))) for row in payload)
    if not all(0 <= percent <= 100 for _, percent in rows):
        raise ValueError("expected percent")
    return Sentiment(rows=rows)


def read_signals(payload: Any) -> Signals:
    rows = tuple(
        Signal(text(row[0]), tuple(map(_advice, row[1] if isinstance(row[1], list) else [row[1]])))
        for row in payload["signals"]
    )
    return Signals(at=seconds(payload["time"]), rows=rows)


def _advice(said: Any) -> tuple[int, str]:
    ahead, word = (said["timeFrame"], said["signal"]) if isinstance(said, dict) else said
    return int(number(ahead)), text(word)


def write_signals(signals: Signals) -> dict[str, object]:
    return {
        "time": signals.at,
        "signals": [
            [row.symbol, [[ahead, word] for ahead, word in row.said], signals.at] for row in signals.rows
        ],
    }


# -- instruments --------------------------------------------------------------------------------------------------------

_FIRST_TYPES = [int, str, str, str, int, int]


def read_assets(payload: Any, sieve: Sieve) -> Assets:
    if not isinstance(payload, list):
        raise TypeError("expected a list of instruments")
    return Assets(rows=sieve.through(read_asset, payload))


def read_asset(row: Any) -> Asset:
    first = row[:6]
    if list(map(type, first)) != _FIRST_TYPES:
        first = [int(number(row[0])), *map(text, row[1:4]), int(number(row[4])), int(number(row[5]))]
    id_, symbol, label, kind, digits, payout = first
    is_otc = row[11] not in (0, "0", None) or symbol.endswith(OTC)
    return Asset(
        id_, symbol, label.replace("\n", "") if "\n" in label else label, kind, digits, payout, is_otc, row[14] in YES
    )  # fmt: skip


def write_asset(asset: Asset) -> list[object]:
    """The columns that nobody knows hold what they were seen to hold, or nothing."""
    payout = asset.payout_percent
    known: dict[int, object] = {
        0: asset.id,
        1: asset.symbol,
        2: asset.label,
        3: asset.kind,
        4: asset.digits,
        5: payout,
        6: 60,
        7: 30,
        8: 3,
        11: int(asset.is_otc),
        12: list(TIMEFRAMES),
        14: asset.is_open,
        15: [{"time": frame} for frame in TIMEFRAMES],
        18: payout,
        19: ["call", "put"],  # clients know the list by one of these words, wherever it stands
        20: payout,  # of a day, a minute and five minutes, which clients count from the end
        21: payout,
        22: payout,
    }
    return [known.get(column, 0) for column in range(30)]
