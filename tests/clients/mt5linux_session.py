"""What mt5linux's own client finds out through its own server. It runs in the environment of the clients."""

import json
import sys
from typing import Any

from mt5linux import MetaTrader5  # type: ignore[import-not-found]


def session(port: int) -> dict[str, Any]:
    far = MetaTrader5(host="127.0.0.1", port=port, timeout=10)
    before = (far.account_info(), list(far.last_error()))
    begun = far.initialize()
    refused = (far.login(1001, password="wrong", server="Fake-Demo"), list(far.last_error()))
    entered = far.login(1001, password="pass-1001", server="Fake-Demo")
    account, tick = far.account_info(), far.symbol_info_tick("BTCUSD")
    return {
        "before": before,
        "begun": begun,
        "refused": refused,
        "entered": entered,
        "account": [account.login, account.balance, account.server],
        "connected": far.terminal_info().connected,
        "tick": [tick.bid, tick.ask, tick.time_msc],
        "deals": [[deal.type, deal.profit] for deal in far.history_deals_get(0, 4_000_000_000)],
        "positions": list(far.positions_get()),
        "symbols": far.symbols_total(),
        "ended": far.shutdown(),
        "after": [far.account_info(), list(far.last_error())],
    }


if __name__ == "__main__":
    print(json.dumps(session(int(sys.argv[1]))))
