"""Sessions with nothing wrong: no verdict may be said of them, not even a possible one."""

from probe.brokers import find_broker
from tests.doctor.simulated import simulated
from tests.doctor.staging import Staged, travelling
from tests.monitor.matrix_coins import REST, SPOT, SWAP

CASES = [
    Staged(code="", name=name, play=travelling(simulated(broker, at=at), ""))
    for name, broker, at in (
        ("pocketoption", find_broker("pocketoption"), None),
        ("quotex", find_broker("quotex"), None),
        ("mt5", find_broker("mt5"), None),
        ("crypto", find_broker("crypto"), None),
        ("bingx swap", find_broker("bingx"), SWAP),
        ("bingx spot", find_broker("bingx").speaking({"heartbeat": "spot"}), SPOT),
        ("bingx rest", find_broker("bingx"), REST),
    )
]
