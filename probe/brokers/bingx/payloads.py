"""What the market channels carry: prices as BingX writes them, futures as texts and spot as numbers."""

from collections.abc import Callable
from typing import Any

from probe.model.meanings import Meaning, Notice, Quote, Quotes
from probe.session.reading import number, seconds
from probe.session.rows import Sieve, read_rows

UNREAD = ("depth", "incrDepth", "kline_", "markPrice")  # known, and no price of a trade


def read_channel(topic: str, data: Any) -> list[Meaning] | None:
    """What one message of a topic such as ``BTC-USDT@ticker`` says; None: no such channel is known."""
    symbol, _, channel = topic.partition("@")
    read = _READERS.get(channel)
    if read is None:
        return [Notice(name=channel)] if channel.startswith(UNREAD) else None
    rows = data if isinstance(data, list) else [data]

    def read_all(rows: Any, sieve: Sieve) -> Meaning:
        return Quotes(sieve.through(lambda row: Quote(symbol, *read(row)), rows))

    return read_rows(topic, read_all, rows)


def _last(row: Any) -> tuple[float, float]:
    return seconds(row["E"]), number(
        row["c"]
    )  # E, not C: that is the last trade, a minute ago on quiet pairs


def _trade(row: Any) -> tuple[float, float]:
    return seconds(row["T"]), number(row["p"])


def _between(row: Any) -> tuple[float, float]:
    return seconds(row["E"]), (number(row["a"]) + number(row["b"])) / 2  # here A and B are amounts


_READERS: dict[str, Callable[[Any], tuple[float, float]]] = {
    "ticker": _last,
    "lastPrice": _last,
    "trade": _trade,
    "bookTicker": _between,
}
CHANNELS = tuple(_READERS)


def write_channel(channel: str, quote: Quote, *, as_text: bool) -> object:
    """The data of one message. What a price alone does not tell is made up: no change, no volume."""
    at = round(quote.broker_time * 1000)
    price: object = repr(quote.price) if as_text else quote.price
    none: object = "0" if as_text else 0.0
    head = {"E": at, "s": quote.symbol}
    match channel:
        case "ticker":
            day = {"o": price, "h": price, "l": price, "c": price, "v": none, "q": none}
            change = {"p": none, "P": "0.00" if as_text else "0.00%"}
            return {"e": "24hTicker", **head, **change, **day, "O": at - 86_400_000, "C": at,
                    "A": price, "a": none, "B": price, "b": none, **({"L": none} if as_text else {})}  # fmt: skip
        case "lastPrice":
            return {"e": "lastPriceUpdate", **head, "c": price}
        case "bookTicker":
            return {"e": "bookTicker", **head, "u": at, "T": at, "b": price, "B": none, "a": price, "A": none}
        case _:
            trade = {"q": none, "p": price, "T": at, "m": False, "s": quote.symbol}
            return [trade] if as_text else trade
