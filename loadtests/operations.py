"""What a scenario calls an operation, as intents; and which of them a broker's protocol has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from loadtests.polled import asked_of, is_polled
from probe.model.errors import ConfigError, LocalProtocolError, near_miss
from probe.model.intents import AskAssets, AskBalance, AskHistory, AskOrders, Intent, PlaceOrder, Watch
from probe.model.meanings import Direction
from probe.session.broker import Broker

HISTORY_SECONDS = 9_000.0  # 150 candles of a minute, which is a page
ORDER_SECONDS = 60
ORDER_AMOUNT = 1.0


class Operation(NamedTuple):
    """`intent` makes the next one; it is None for a sign of life, which every session has."""

    name: str
    intent: Callable[[], Intent | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the questions are about."""

    symbols: tuple[str, ...]
    broker_time: Callable[[], float]
    takes_orders: bool = False


def all_operations(asking: Asking) -> dict[str, Operation]:
    """All there are, by their names in scenarios."""
    numbers = count()

    def symbol() -> str:
        return asking.symbols[next(numbers) % len(asking.symbols)]

    def candles() -> Intent:
        until = int(asking.broker_time())
        # As the browser does: ten digits of broker time and two of its own, which tell pages apart that are asked for together.
        index = until * 100 + next(numbers) % 100
        return AskHistory(symbol=symbol(), period=60, until=float(until), span=HISTORY_SECONDS, index=index)

    def order() -> Intent:
        number, at = next(numbers), asking.broker_time()
        return PlaceOrder(
            symbol=symbol(),
            direction=(Direction.CALL, Direction.PUT)[number % 2],
            amount=ORDER_AMOUNT,
            duration=ORDER_SECONDS,
            request_id=int(at) * 1000 + number % 1000,
            closes_at=(int(at) // 60 + 3) * 60.0,
        )

    there = {
        "ping": lambda: None,
        "balance": AskBalance,
        "assets": AskAssets,
        "get_orders": AskOrders,
        "check_order": AskOrders,
        "candles": candles,
        "market_data": lambda: Watch(symbol=symbol()),
    }
    if asking.takes_orders:
        there["place_order"] = order
    return {name: Operation(name, intent) for name, intent in there.items()}


def answerable(
    broker: Broker, wanted: Mapping[str, float], asking: Asking, url: str
) -> tuple[list[tuple[Operation, float]], list[str]]:
    """The operations that the broker's protocol has at this URL, with their weights, and the names of those it has not.

    Raises:
        ConfigError: there is no such operation at all.
    """
    known = all_operations(asking)
    polled = asked_of(broker, url, asking.symbols) if is_polled(broker, url) else None
    found: list[tuple[Operation, float]] = []
    missing: list[str] = []
    for name, weight in wanted.items():
        if name not in known:
            raise ConfigError(
                f"there is no operation {name!r}",
                where="operations",
                suggestion=near_miss(name, known) or "",
                next_step=f"There are: {', '.join(known)}.",
            )
        intent = known[name].intent()
        if intent is None or (_has(broker, intent) if polled is None else intent in polled):
            found.append((known[name], weight))
        else:
            missing.append(name)
    return found, missing


def _has(broker: Broker, intent: Intent) -> bool:
    try:
        return bool(broker.codec().encode_intent(intent))
    except LocalProtocolError:
        return False
