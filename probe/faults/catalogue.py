"""All faults by name, for command line, documentation and tests."""

from collections.abc import Iterable, Mapping

from probe.faults.board import MisbehaviourBoard
from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec, parse_fault
from probe.faults.listener import LISTENER_FAULTS
from probe.faults.misbehaviour import PROTOCOL_FAULTS, protocol_fault
from probe.faults.pages import PAGE_FAULTS, page_fault
from probe.faults.stream import STREAM_FAULTS, stream_fault
from probe.session.behaviour import Misbehaviour

FAULTS: Mapping[str, FaultSpec] = {
    **PROTOCOL_FAULTS,
    **PAGE_FAULTS,
    **STREAM_FAULTS,
    **LISTENER_FAULTS,
}


def read_fault(text: str) -> FaultOrder:
    """A fault as written on the command line.

    Raises:
        ConfigError: there is no such fault, or its values are impossible, alone or together.
    """
    order = parse_fault(text, FAULTS)
    if order.spec.kind is FaultKind.PROTOCOL:
        protocol_fault(order)
    elif order.spec.kind is FaultKind.STREAM:
        stream_fault(order)
    elif order.spec.kind is FaultKind.PAGES:
        page_fault(order)
    return order


def compose(orders: Iterable[FaultOrder]) -> Misbehaviour:
    """Several protocol faults as one, for one session."""
    return MisbehaviourBoard(orders).for_session()
