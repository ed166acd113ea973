"""Quotex's orders as payloads: opened, refused, settled, sold.

A settlement names orders by ids alone, and ids were seen to change between opening and settling. `Opened` remembers
which request opened what.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from probe.brokers.quotex.payloads import plain
from probe.model import intents
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.meanings import (
    Direction,
    OptionKind,
    Order,
    OrderRejected,
    PendingFailed,
    PendingRejected,
    SaleRejected,
)
from probe.session.reading import YES, any_id, number, seconds, text

NUMBER_OF_OPTION = {OptionKind.CLOCK: 1, OptionKind.TURBO: 3, OptionKind.TIMER: 100}
OPTION_OF_NUMBER: dict[float, OptionKind] = {code: option for option, code in NUMBER_OF_OPTION.items()}
REMEMBERED = 256  # more than anybody has open at a time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Opening(NamedTuple):
    request_id: str | int | None
    option: OptionKind
    symbol: str
    second: int


class Opened:
    """What the last openings said of their orders: found by the order's id or, if that changed, by symbol and second."""

    __slots__ = ("_by_id", "_unsettled")

    def __init__(self) -> None:
        self._by_id: dict[str, _Opening] = {}  # by every id an order had
        self._unsettled: dict[tuple[str, int], set[_Opening]] = {}  # only openings that are in `_by_id`

    def note(self, order: Order) -> None:
        opening = _opening(order)
        self._remember(order.id, opening)
        self._unsettled.setdefault(opening[2:], set()).add(opening)

    def known(self, order: Order) -> Order:
        """The order with what the opening under its id said of it."""
        opening = self._by_id.get(order.id)
        if opening is None or order.request_id is not None:
            return order
        return replace(order, request_id=opening.request_id, option=opening.option)

    def renamed(self, orders: Sequence[Order]) -> None:
        """Find the openings of ids that changed, given all orders of one message.

        Where several could be meant nobody is: neither the one of two openings nor the one of two orders.
        """
        strangers = {
            order.id: (order.symbol, int(order.opened_at))
            for order in orders
            if order.id not in self._by_id and order.request_id is None
        }
        taken = {self._by_id.get(order.id, _opening(order)) for order in orders if order.id not in strangers}
        rivals = Counter(strangers.values())
        for id_, start in strangers.items():
            left = self._unsettled.get(start, set()) - taken
            if len(left) == 1 and rivals[start] == 1:
                self._remember(id_, *left)

    def settled(self, orders: Sequence[Order]) -> None:
        """Their openings serve no other id any more."""
        for order in orders:
            self._close(self._by_id.get(order.id))

    def _remember(self, id_: str, opening: _Opening) -> None:
        if self._by_id.get(id_, opening) != opening:
            self._close(self._by_id[id_])
        self._by_id[id_] = opening
        if len(self._by_id) > REMEMBERED:
            self._close(self._by_id.pop(next(iter(self._by_id))))

    def _close(self, opening: _Opening | None) -> None:
        if opening is not None and opening in (alike := self._unsettled.get(opening[2:], set())):
            alike.remove(opening)
            if not alike:
                del self._unsettled[opening[2:]]


def _opening(order: Order) -> _Opening:
    return _Opening(order.request_id, order.option, order.symbol, int(order.opened_at))


def clock_text(at: float) -> str:
    return f"{(EPOCH + timedelta(seconds=int(at))).replace(tzinfo=None)}"


def read_direction(said: Any) -> Direction:
    """A word in requests and a number in answers, but clients write both."""
    if said in ("call", "put"):
        return Direction(said)
    if number(said) not in (0, 1):
        raise ValueError("expected call or put")
    return Direction.PUT if number(said) else Direction.CALL


def read_order(deal: Any) -> Order:
    closed = number(deal.get("closePrice") or 0) != 0
    return Order(
        id=text(deal["id"]),
        symbol=text(deal["asset"]),
        direction=read_direction(deal["command"]),
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
        option=OPTION_OF_NUMBER.get(number(deal.get("optionType") or 100), OptionKind.TIMER),
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
        "openMs": opened_ms,
        "uid": int(order.user) if order.user and order.user.isdecimal() else 0,
        "isDemo": int(order.is_demo),
        "amount": order.amount,
        "profit": order.profit if is_closed else round(order.amount * order.payout_percent / 100, 2),
        "percentProfit": order.payout_percent,
        "percentLoss": 100,
        "openPrice": order.open_price,
        "closePrice": order.close_price if is_closed else 0,
        "command": int(order.direction is Direction.PUT),
        "asset": order.symbol,
        "optionType": NUMBER_OF_OPTION[order.option],
    }
    if is_closed:
        deal["closeMs"] = 0
    if order.request_id is not None:
        deal["requestId"] = order.request_id
    return deal


def read_rejection(payload: Any) -> OrderRejected:
    amount = payload.get("amount")
    return OrderRejected(
        error=str(payload.get("error")),
        request_id=any_id(payload.get("requestId")),
        symbol=None if payload.get("asset") is None else text(payload["asset"]),
        amount=None if amount is None else number(amount),
    )


def write_rejection(rejected: OrderRejected) -> dict[str, object]:
    known = {"requestId": rejected.request_id, "asset": rejected.symbol, "amount": rejected.amount}
    return {"error": rejected.error} | {name: value for name, value in known.items() if value is not None}


def read_order_request(payload: Any) -> intents.PlaceOrder:
    option = OPTION_OF_NUMBER[number(payload.get("optionType", 100))]
    is_timer = option is OptionKind.TIMER
    request_id = any_id(payload.get("requestId"))
    return intents.PlaceOrder(
        symbol=text(payload["asset"]),
        direction=read_direction(payload["action"]),
        amount=number(payload["amount"]),
        duration=int(number(payload["time"])) if is_timer else 0,
        request_id="" if request_id is None else request_id,
        account=Account.DEMO if payload.get("isDemo") in YES else Account.LIVE,
        option=option,
        closes_at=None if is_timer else seconds(payload["time"]),
    )


def write_order_request(order: intents.PlaceOrder, tournament: int) -> dict[str, object]:
    return {
        "asset": order.symbol,
        "amount": order.amount,
        "time": ends(order),
        "action": order.direction.value,
        "isDemo": int(order.account is Account.DEMO),
        "tournamentId": tournament,
        "requestId": order.request_id,
        "optionType": NUMBER_OF_OPTION[order.option],
    }


def ends(order: intents.PlaceOrder) -> float:
    """After so many seconds, or at that second."""
    if order.option is OptionKind.TIMER:
        return order.duration
    if order.closes_at is None:
        raise LocalProtocolError(
            f"a {order.option.value} option ends at an instant, and closes_at names none"
        )
    return plain(order.closes_at)


def settings_before(order: intents.PlaceOrder, spelling: str) -> tuple[str, dict[str, object]]:
    """What the web page, and clients after it, send before an order: an event and its payload."""
    is_fast = order.option is OptionKind.TIMER
    if spelling == "apply":
        return "settings/apply", {"asset": order.symbol, "time": ends(order), "isFastOption": is_fast}
    chart: dict[str, object] = {
        "chartType": 2,
        "currentExpirationTime": ends(order),
        "isFastOption": is_fast,
        "isFastAmountOption": False,
        "isIndicatorsMinimized": False,
        "isIndicatorsShowing": True,
        "isShortBetElement": False,
        "chartPeriod": 4,
        "currentAsset": {"symbol": order.symbol},
        "dealValue": order.amount,
        "dealPercentValue": 1,
        "isVisible": True,
        "timePeriod": order.duration,
        "gridOpacity": 8,
        "isAutoScrolling": 1,
        "isOneClickTrade": True,
        "upColor": "#0FAF59",
        "downColor": "#FF6251",
    }
    return "settings/store", {"chartId": "graph", "settings": chart}


def read_refusal(payload: Any) -> dict[str, Any]:
    """The fields of a refusal that is about a ticket, if it names one."""
    ticket = payload.get("ticket")
    return {"error": str(payload.get("error")), "ticket": None if ticket is None else str(ticket)}


def write_refusal(refused: SaleRejected | PendingRejected | PendingFailed) -> dict[str, object]:
    said: dict[str, object] = {"error": refused.error}
    return said if refused.ticket is None else said | {"ticket": refused.ticket}
