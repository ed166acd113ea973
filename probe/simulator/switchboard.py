"""The faults of a running simulator, each with a number: switched on and off while sessions are open."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from types import MappingProxyType

from probe.brokers import all_brokers
from probe.faults.catalogue import read_fault
from probe.faults.grammar import FaultKind, FaultOrder
from probe.faults.listener import TLS_CERTIFICATE, TLS_VERSION
from probe.faults.misbehaviour import protocol_fault
from probe.faults.pages import page_fault
from probe.model.errors import ConfigError
from probe.session.broker import Broker


class Switchboard:
    """`apply` is told all orders that are on whenever they change.

    Raises:
        ConfigError: it says what is wrong with one of the faults.
    """

    def __init__(
        self,
        faults: Iterable[str],
        brokers: Sequence[Broker],
        apply: Callable[[tuple[FaultOrder, ...]], Awaitable[None]],
        *,
        tls: bool,
    ) -> None:
        self._brokers, self._tls = brokers, tls
        self._numbers = count(1)
        self._on = {next(self._numbers): self._read(fault) for fault in faults}
        self._apply = apply

    @property
    def orders(self) -> Mapping[int, FaultOrder]:
        return MappingProxyType(self._on)

    async def switch_on(self, fault: str) -> int:
        """In effect for open and coming connections when this returns. The number switches it off.

        Raises:
            ConfigError: it says what is wrong with the fault.
        """
        order, number = self._read(fault), next(self._numbers)
        self._on[number] = order
        await self._apply(tuple(self._on.values()))
        return number

    async def switch_off(self, number: int) -> None:
        """Nothing happens if it is not on."""
        if self._on.pop(number, None) is not None:
            await self._apply(tuple(self._on.values()))

    def _read(self, fault: str) -> FaultOrder:
        order = read_fault(fault)
        if not any(can_have(broker, order) for broker in self._brokers):
            others = " or ".join(broker.name for broker in all_brokers() if can_have(broker, order))
            raise ConfigError(
                f"no broker that is simulated here can have {order.spec.name}",
                where=f"fault {fault!r}",
                next_step=f"It is for {others}: name it when you start the simulator.",
            )
        if is_of_tls(order) and not self._tls:
            raise ConfigError(
                "nothing is served over TLS here",
                where=f"fault {fault!r}",
                next_step="Serve TLS too: leave out --no-tls.",
            )
        return order


def is_of_tls(order: FaultOrder) -> bool:
    """Whether it shows only where something is served over TLS."""
    return order.spec in (TLS_CERTIFICATE, TLS_VERSION)


def can_have(broker: Broker, order: FaultOrder) -> bool:
    """Whether the fault changes anything at this broker."""
    if order.spec.brokers:
        return broker.name in order.spec.brokers
    match order.spec.kind:
        case FaultKind.PROTOCOL:
            return broker.has_socket and (broker.rules.needs_login or not protocol_fault(order).of_login)
        case FaultKind.PAGES:
            has_people = (
                broker.web is not None and broker.has_socket
            )  # they sign in, and then open the socket
            return has_people or not page_fault(order).of_sign_in
        case _:
            return True
