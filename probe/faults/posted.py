"""Fault orders whose time counts from when they were switched on, not from the beginning of a connection."""

from collections.abc import Iterable
from math import inf

from probe.faults.grammar import FaultOrder, FaultSpec


class PostedOrders:
    def __init__(self) -> None:
        self._spans: list[tuple[FaultOrder, float, float]] = []  # each with its beginning and its end

    def replace(self, orders: Iterable[FaultOrder], now: float) -> None:
        """What was on already goes on; the new ones count from now."""
        spans = {id(order): (order, begins_at, ends_at) for order, begins_at, ends_at in self._spans}
        self._spans = [spans.get(id(order)) or _span(order, now) for order in orders]

    def acting(self, spec: FaultSpec, now: float) -> FaultOrder | None:
        """The first order for that fault whose time it is."""
        for order, begins_at, ends_at in self._spans:
            if order.spec is spec and begins_at <= now < ends_at:
                return order
        return None

    def borders(self, spec: FaultSpec, now: float) -> list[float]:
        """When orders for that fault will begin or end."""
        of_spec = [span for span in self._spans if span[0].spec is spec]
        return [at for _, begins_at, ends_at in of_spec for at in (begins_at, ends_at) if now < at < inf]


def _span(order: FaultOrder, now: float) -> tuple[FaultOrder, float, float]:
    begins_at = now + order.start
    return order, begins_at, begins_at + (inf if order.duration is None else order.duration)
