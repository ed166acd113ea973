"""What BinaryOptionsToolsV2 finds, unmodified, when its public arguments point it at the simulator.

Its arguments are the endpoint and the control API as the simulator's JSON has them. Runs in the client's own environment
and prints one line of JSON. It must not run where anything but loopback can be reached: see isolated.py.
"""

import asyncio
import json
import os
import sys
import time
from functools import partial
from typing import Any

from BinaryOptionsToolsV2.pocketoption import PocketOptionAsync  # type: ignore[import-not-found]

from tests.clients.control import Control, until

OTC = "EURUSD_otc"
ZONE_SECONDS = 7200
SERVE_EARLY = {"fault": "pre-auth-events:policy=serve"}


async def ticks_after(stream: Any, at: float, *, count: int, within: float) -> list[dict[str, Any]]:
    """As many as come, up to `count`; older ones only waited in the client."""
    found: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(within):
            while len(found) < count:
                tick = await anext(stream)
                if tick["timestamp"] > at:
                    found.append(tick)
    except TimeoutError:
        pass
    return found


async def balances(api: Any, control: Control, account: str) -> tuple[float, float]:
    """The client's, and the simulator's; the news of it may still be under way."""
    for _ in range(40):
        if await api.balance() == control.balance(account):
            break
        await asyncio.sleep(0.05)
    return await api.balance(), control.balance(account)


async def look(api: Any, control: Control, account: str) -> dict[str, Any]:
    payouts = await api.payouts()
    return {
        "is_demo": api.is_demo(),
        "balances": await balances(api, control, account),
        "payout": payouts.get(OTC),
        "active": [asset["symbol"] for asset in await api.active_assets()],
    }


async def result(api: Any, order: str) -> dict[str, Any]:
    """The client now and then drops its own question when the order is settled at that very moment; then it knows the result."""
    try:
        return dict(await api.check_win(order, timeout_seconds=15))
    except RuntimeError as problem:
        if "responder dropped" not in str(problem):
            raise
        return dict(await api.check_win(order, timeout_seconds=15))


async def trade(api: Any, control: Control) -> dict[str, Any]:
    """Both ways at once, so that hardly ever neither wins."""
    placed = [await api.buy(OTC, 10.0, 5), await api.sell(OTC, 7.0, 5)]
    opened = await balances(api, control, "demo")
    settled = [await result(api, id_) for id_, _ in placed]
    return {"opened": opened, "orders": settled, "settled": await balances(api, control, "demo")}


async def lose_connection(
    api: Any, stream: Any, control: Control, url: str, *, watch_seconds: float
) -> dict[str, Any]:
    """It reconnects by itself; what it then has."""
    lost = control.live_session(url)
    control.post(f"/sessions/{lost}/drop")
    await asyncio.to_thread(until, lambda: control.live_session(url) not in (None, lost), "a new session")
    live_at = time.time() + ZONE_SECONDS
    return {
        "ticks": await ticks_after(stream, live_at, count=3, within=watch_seconds),
        "is_connected": api.is_connected(),
        "balances": await balances(api, control, "demo"),
    }


async def demo(api: Any, control: Control, url: str) -> dict[str, Any]:
    found = await look(api, control, "demo")
    trading = asyncio.create_task(trade(api, control))  # takes its five seconds beside the rest
    stream = await api.subscribe_symbol(OTC)
    found["ticks"] = await ticks_after(stream, 0.0, count=5, within=10)
    found["clock_ahead"] = await api.get_server_time() - time.time()
    found["candles"] = await api.candles(OTC, 60, count=10)
    found["trade"] = await trading
    lose = partial(lose_connection, api, stream, control, url)
    found["after early requests were ignored"] = await lose(watch_seconds=2.5)
    control.post("/faults", SERVE_EARLY)
    found["after early requests were served"] = await lose(watch_seconds=10)
    return found


async def live(api: Any, control: Control, url: str) -> dict[str, Any]:
    found = await look(api, control, "live")
    number = control.live_session(url)
    assert number is not None

    def asked() -> list[str]:
        return [text.split('"')[1] for text in control.heard(number) if text.startswith("42")]

    await asyncio.to_thread(until, lambda: "subfor" in asked(), "the last of the requests after the login")
    return found | {"asked": asked()}


async def main() -> None:
    endpoint, control = json.loads(sys.argv[1]), Control(**json.loads(sys.argv[2]))
    api = PocketOptionAsync(endpoint["credential"], url=endpoint["url"])
    async with asyncio.timeout(35):
        await api.wait_for_assets(10)
        session = {"demo": demo, "live": live}[endpoint["account"]]
        print(json.dumps(await session(api, control, endpoint["url"])), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # this client's threads can crash an interpreter that is on its way out
