"""The faults of a running simulator, each with a number: switched on and off while sessions are open."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import count
from types import MappingProxyType

from probe.faults.catalogue import read_fault
from probe.faults.grammar import FaultOrder


class Switchboard:
    """`apply` is told all orders that are on whenever they change."""

    def __init__(
        self, orders: Iterable[FaultOrder], apply: Callable[[tuple[FaultOrder, ...]], Awaitable[None]]
    ) -> None:
        self._numbers = count(1)
        self._on = {next(self._numbers): order for order in orders}
        self._apply = apply

    @property
    def orders(self) -> Mapping[int, FaultOrder]:
        return MappingProxyType(self._on)

    async def switch_on(self, fault: str) -> int:
        """In effect for open and coming connections when this returns. The number switches it off.

        Raises:
            ConfigError: it says what is wrong with the fault.
        """
        order, number = read_fault(fault), next(self._numbers)
        self._on[number] = order
        await self._apply(tuple(self._on.values()))
        return number

    async def switch_off(self, number: int) -> None:
        """Nothing happens if it is not on."""
        if self._on.pop(number, None) is not None:
            await self._apply(tuple(self._on.values()))
