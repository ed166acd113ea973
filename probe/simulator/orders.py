"""The house's rules for one order: whether it is taken, when it ends, and what it brings."""

from dataclasses import replace

from probe.model.intents import PlaceOrder, PlacePending
from probe.model.meanings import Direction, OptionKind, Order, PendingOrder
from probe.session.broker import HouseRules, OrderProblem
from probe.simulator.floor import Floor

# Clients count on half a step of the grid between an order and its end, else they take the step after it. The real
# limit is not known; this much later than that, an order may arrive.
LATE_SECONDS = 2.0
SMALLEST_AMOUNT, LARGEST_AMOUNT = 1.0, 50_000.0


def problem_with(
    asked: PlaceOrder | PlacePending, *, floor: Floor, house: HouseRules, at: float
) -> OrderProblem | None:
    """What is wrong with it whenever it is opened, and whoever asks."""
    shortest, longest = house.order_seconds
    if not floor.lists(asked.symbol):
        return OrderProblem.ASSET
    if not SMALLEST_AMOUNT <= asked.amount <= LARGEST_AMOUNT:
        return OrderProblem.AMOUNT
    if isinstance(asked, PlaceOrder) and asked.option is not OptionKind.TIMER:
        return None if _ends_well(asked, house, at + floor.zone) else OrderProblem.EXPIRY
    if not shortest <= asked.duration <= longest:
        return OrderProblem.DURATION
    return None


def _ends_well(asked: PlaceOrder, house: HouseRules, broker_time: float) -> bool:
    if asked.closes_at is None or asked.closes_at % house.expiry_grid:
        return False
    shortest, longest = house.order_seconds
    soonest = house.expiry_grid / 2 - LATE_SECONDS if asked.option is OptionKind.CLOCK else shortest
    return soonest <= asked.closes_at - broker_time <= longest


def end_of(asked: PlaceOrder | PendingOrder, opened_at: float) -> float:
    if isinstance(asked, PlaceOrder) and asked.option is not OptionKind.TIMER and asked.closes_at is not None:
        return asked.closes_at
    # Whole seconds, the difference to the second of opening: so it is written, so it is kept.
    return float(int(opened_at) + asked.duration)


def settled(order: Order, close_price: float) -> Order:
    gained = (
        close_price - order.open_price
        if order.direction is Direction.CALL
        else order.open_price - close_price
    )
    if gained > 0:
        profit = round(order.amount * order.payout_percent / 100, 2)
    else:
        profit = -order.amount if gained < 0 else 0.0
    return replace(order, close_price=close_price, profit=profit, request_id=None)


def sold(order: Order, close_price: float, closes_at: float) -> Order:
    """Before its time it wins or loses half of what it would if it ended now. How a real house prices that is not
    known; so it is right about the side, and always worse than waiting for a win.
    """
    ended = settled(order, close_price)
    return replace(ended, profit=round((ended.profit or 0.0) / 2, 2), closes_at=closes_at)
