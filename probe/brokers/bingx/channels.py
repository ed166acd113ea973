"""What the exchange's public REST interface says of its markets, tried once, with what the answers must hold."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from probe.session.channels import (
    Channel,
    ChannelPlan,
    NotAsPromised,
    Seen,
    ask,
    having,
    number_in,
    object_of,
    promised,
    sound_candles,
)
from probe.wire.calls import Flow

CLOCK_WITHIN = 5.0
CANDLES = 50
UNKNOWN = "NOBODY-USDT"


def _data(plan: ChannelPlan, path: str, **query: str) -> Flow[Any]:
    asked = f"?{urlencode(query)}" if query else ""
    told = object_of((yield from ask(f"{plan.base}/openApi/{path}{asked}")), "code", "data")
    promised(told["code"] == 0, f"{path}: code {told['code']}")
    return told["data"]


def _row(data: Any, what: str, *keys: str) -> dict[str, Any]:
    return having(data[0] if isinstance(data, list) and data else data, what, *keys)


def _time(plan: ChannelPlan) -> Flow[Seen]:
    told = having((yield from _data(plan, "swap/v2/server/time")), "the time", "serverTime")
    skew = number_in(told, "serverTime", "the time") / 1000 - plan.utc
    promised(abs(skew) < CLOCK_WITHIN, f"its clock is {skew:+.1f} s from ours")
    return Seen(words=f"its clock is {skew:+.2f} s from ours", figures={"skew_seconds": skew})


def _contracts(plan: ChannelPlan) -> Flow[Seen]:
    rows = yield from _data(plan, "swap/v2/quote/contracts")
    symbols = [having(row, "a contract", "symbol", "status", "pricePrecision")["symbol"] for row in rows]
    promised(plan.symbol in symbols, f"{plan.symbol} is not among them")
    return Seen(
        words=f"{len(symbols)} contracts, {plan.symbol} among them", figures={"contracts": len(symbols)}
    )


def _ticker(path: str, plan: ChannelPlan) -> Flow[Seen]:
    row = _row((yield from _data(plan, path, symbol=plan.symbol)), path, "symbol", "lastPrice")
    low, last, high = (number_in(row, key, path) for key in ("lowPrice", "lastPrice", "highPrice"))
    promised(low <= last <= high, f"{last:g} is not between the day's {low:g} and {high:g}")
    return Seen(
        words=f"{plan.symbol} at {last:g}, between the day's {low:g} and {high:g}", figures={"price": last}
    )


def _book(plan: ChannelPlan) -> Flow[Seen]:
    data = yield from _data(plan, "swap/v2/quote/depth", symbol=plan.symbol, limit="20")
    book = having(data, "the book", "bids", "asks")
    promised(book["bids"] and book["asks"], "one side is empty")
    bid, asked = (max(float(row[0]) for row in book["bids"]), min(float(row[0]) for row in book["asks"]))
    promised(bid < asked, f"the best bid {bid:g} is not below the best ask {asked:g}")
    return Seen(
        words=f"{len(book['bids'])} bids up to {bid:g}, {len(book['asks'])} asks from {asked:g} on",
        figures={"bid": bid, "ask": asked},
    )


def _klines(plan: ChannelPlan) -> Flow[Seen]:
    path = "swap/v3/quote/klines"
    rows = yield from _data(plan, path, symbol=plan.symbol, interval="1m", limit=str(CANDLES))
    keys = ("time", "open", "high", "low", "close")
    candles = sorted(_candle(having(row, path, *keys), path) for row in rows)
    sound_candles(candles, 60, path)
    return Seen(words=f"{len(candles)} candles a minute apart", figures={"candles": len(candles)})


def _candle(row: Mapping[str, Any], what: str) -> tuple[float, float, float, float, float]:
    opened, high, low, close = (number_in(row, key, what) for key in ("open", "high", "low", "close"))
    return number_in(row, "time", what) / 1000, opened, high, low, close


def _unknown(plan: ChannelPlan) -> Flow[Seen]:
    reply = yield from ask(f"{plan.base}/openApi/swap/v2/quote/ticker?symbol={UNKNOWN}", status=(200, 400))
    told = object_of(reply, "code", "msg")
    if told["code"] == 0:
        raise NotAsPromised(f"{UNKNOWN} has a price")
    return Seen(words=f"code {told['code']}: {str(told['msg'])[:60]}", figures={"code": told["code"]})


def _reading(path: str, promise: str, flow: Any) -> Channel:
    return Channel(name=f"GET {path}", promise=promise, flow=flow, needs_account=False)


CHANNELS = (
    _reading("swap/v2/server/time", "The exchange's clock is ours.", _time),
    _reading("swap/v2/quote/contracts", "The symbol is listed.", _contracts),
    *(
        _reading(path, "The price is within those of the day.", partial(_ticker, path))
        for path in ("swap/v2/quote/ticker", "spot/v1/ticker/24hr")
    ),
    _reading("swap/v2/quote/depth", "Bids are below asks.", _book),
    _reading("swap/v3/quote/klines", "The candles are sound.", _klines),
    _reading("an unknown symbol", "It is refused with a code.", _unknown),
)
