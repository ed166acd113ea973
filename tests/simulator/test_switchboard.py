"""Which faults change anything at which broker."""

import pytest

from probe.brokers import find_broker
from probe.faults.catalogue import read_fault
from probe.simulator.switchboard import can_have


@pytest.mark.parametrize(
    ("broker", "fault", "expected"),
    [
        ("pocketoption", "auth-refused", True),
        ("bingx", "auth-refused", False),  # nobody logs in there
        ("bingx", "kicked-elsewhere", False),
        ("bingx", "silent-stall", True),
        ("crypto", "silent-stall", False),  # it has no socket
        ("crypto", "freeze", True),
        ("crypto", "backend-busy", True),
        ("bingx", "backend-busy", False),
    ],
)
def test_a_fault_is_only_for_those_whom_it_can_happen_to(broker: str, fault: str, expected: bool) -> None:
    assert can_have(find_broker(broker), read_fault(fault)) is expected
