"""Faults of a broker's web side: what a client meets on its way from a password to a session, and where it asks for data.

Their time counts from when they are switched on, for everybody alike. The pages ask the board at each request.
"""

from collections.abc import Iterable, Mapping
from random import Random
from typing import TypeVar, cast

from probe.faults.backend import BACKEND_FAULTS
from probe.faults.exchange import EXCHANGE_FAULTS
from probe.faults.gateway import GATEWAY_FAULTS
from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec, parameters_of
from probe.faults.paged import Entries, PageFault
from probe.faults.posted import PostedOrders
from probe.faults.signin import SIGN_IN_FAULTS
from probe.model.errors import ConfigError

_ENTRIES: Entries = {**SIGN_IN_FAULTS, **GATEWAY_FAULTS, **BACKEND_FAULTS, **EXCHANGE_FAULTS}

PAGE_FAULTS: Mapping[str, FaultSpec] = {
    name: FaultSpec(
        name=name,
        kind=FaultKind.PAGES,
        summary=summary,
        parameters=parameters_of(fault),
        finding=finding,
        brokers=fault.brokers,
    )
    for name, (fault, finding, summary) in _ENTRIES.items()
}
_SPECS = {fault: PAGE_FAULTS[name] for name, (fault, _, _) in _ENTRIES.items()}

F = TypeVar("F", bound=PageFault)


def page_fault(order: FaultOrder) -> PageFault:
    """The fault an order for one of the `PAGE_FAULTS` asks for.

    Raises:
        ConfigError: its values do not go together.
    """
    fault = _ENTRIES[order.spec.name][0]
    try:
        return fault(**cast("dict[str, float]", order.values))
    except ValueError as problem:
        raise ConfigError(str(problem), where=f"fault {str(order)!r}") from None


class PageBoard:
    """Which of them a broker's pages suffer; may be changed while they are served."""

    def __init__(self, rng: Random) -> None:
        self._orders = PostedOrders()
        self._rng = rng

    def set_faults(self, orders: Iterable[FaultOrder], now: float) -> None:
        """What was on already goes on; the new ones count from now."""
        self._orders.replace(orders, now)

    def strikes(self, fault: type[F], now: float) -> F | None:
        """Whether such a fault happens to a request that is answered now."""
        order = self._orders.acting(_SPECS[fault], now)
        if order is None:
            return None
        acting = page_fault(order)
        return cast("F", acting) if self._rng.random() < acting.share else None
