"""Stands where the real package of that name would: the same functions and named tuples, over the simulated terminal.

For whoever imports it by its name, as ``PYTHONPATH=tests/clients/fake_mt5 python -m mt5linux`` does. The environment variable
`FAKE_TERMINAL` may hold attributes of the simulated terminal as JSON, and `at`: the UTC at which its clock stands.
"""

import functools
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

if (root := str(Path(__file__).resolve().parents[3])) not in sys.path:
    sys.path.append(root)

from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.simulator.terminal_shapes import TIMEFRAMES

__version__ = "5.0.6231"

RES_S_OK = 1
RES_E_FAIL = -1
RES_E_AUTH_FAILED = -6
RES_E_INTERNAL_FAIL_CONNECT = -10004
RES_E_INTERNAL_FAIL_TIMEOUT = -10005
TIMEFRAME_M1, TIMEFRAME_H1, TIMEFRAME_D1 = (
    key for key, span in TIMEFRAMES.items() if span in (60, 3600, 86_400)
)
TRADE_ACTION_DEAL, ORDER_TYPE_BUY, ORDER_TYPE_SELL = 1, 0, 1

_knobs = json.loads(os.environ.get("FAKE_TERMINAL", "{}"))
_at = _knobs.pop("at", None)
accounts = {
    login: TerminalAccount(login=login, password=f"pass-{login}", server="Fake-Demo", balance=10_000.0)
    for login in (1001, 1002)
}
terminal = SimulatedTerminal(
    accounts=accounts,
    floor=Floor(seed=1, epoch=0.0, zone_seconds=0.0, skew_seconds=0.0),
    utc=time.time if _at is None else lambda: _at,
)
for _name, _value in _knobs.items():
    setattr(terminal, _name, tuple(_value) if isinstance(_value, list) else _value)


def _call(function: str, *arguments: Any, **named: Any) -> Any:
    if function != "last_error":
        if terminal.hangs:
            threading.Event().wait()
        time.sleep(terminal.call_seconds)
    return terminal.call(function, *arguments, **named)


def __getattr__(name: str) -> Any:
    if name == "last_error" or name in terminal.functions:
        return functools.partial(_call, name)
    raise AttributeError(name)
