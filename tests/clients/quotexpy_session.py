"""What quotexpy finds when it is pointed at a simulated Quotex, past the browser it would log in with.

Arguments and surroundings are those of bo2_session.py. After a failure it turns a core and writes a log without end: its
log is switched off here, and whoever starts this sets a limit to its time.
"""

import asyncio
import json
import logging
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quotexpy import Quotex  # type: ignore[import-not-found]
from quotexpy.api import QuotexAPI  # type: ignore[import-not-found]

from tests.clients.control import Control, until

OTC = "EURUSD_otc"
NAME = "nobody@example.invalid"
STAKE, MORE_THAN_THERE_IS = 10, 10_500


def point_at(url: str, token: str) -> None:
    """It has no option for an address, and looks for the login in a file that an earlier one left."""
    original = QuotexAPI.__init__

    def pointed(api: Any, *arguments: Any, **options: Any) -> None:
        original(api, *arguments, **options)
        api.wss_url = url

    QuotexAPI.__init__ = pointed
    login = {"ssid": token, "cookies": "", "user_agent": ""}
    Path(".session.pkl").write_bytes(pickle.dumps({NAME: [login]}))


async def eventually(happened: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(until, happened, what)


async def candles(client: Any) -> dict[str, Any]:
    """Each request subscribes as well, and it takes either answer for the page."""
    await client.get_candles(OTC, 3600, 60)
    await eventually(lambda: isinstance(client.api.candles.candles_data, dict), "a page of candles")
    return {"page": client.api.candles.candles_data, "recent": await client.get_candle_v2(OTC, 60)}


async def prices(client: Any) -> dict[str, Any]:
    client.start_candles_stream(OTC, 60)
    ticks, sentiments = client.api.realtime_price, client.api.realtime_sentiment
    await eventually(lambda: len(ticks[OTC]) >= 3 and OTC in sentiments, "ticks and a sentiment")
    return {"ticks": ticks[OTC][:3], "sentiment": sentiments[OTC]["sentiment"]}


async def trade(client: Any, control: Control, url: str) -> dict[str, Any]:
    """Of a settlement this client reads the new balance and nothing else."""
    before = control.balance("demo")
    taken, order = await client.trade("call", STAKE, OTC, 5)
    opened = await client.get_balance()
    session = control.live_session(url)
    assert session is not None
    await eventually(lambda: any("s_orders/close" in each for each in control.told(session)), "a settlement")
    settled = control.balance("demo")
    await eventually(
        lambda: client.api.account_balance["demoBalance"] == settled, "the news of the settlement"
    )
    return {"taken": taken, "order": order, "balances": [before, opened, settled]}


async def main() -> None:
    endpoint, control = json.loads(sys.argv[1]), Control(**json.loads(sys.argv[2]))
    _, login = json.loads(endpoint["credential"].removeprefix("42"))
    point_at(endpoint["url"], login["session"])
    client = Quotex(NAME, "")
    found = {"connected": await client.connect(), "balance": await client.get_balance()}
    found |= await candles(client) | await prices(client)
    found["payments"] = client.get_payment()
    found["trade"] = await trade(client, control, endpoint["url"])
    found["refused"] = await client.trade("call", MORE_THAN_THERE_IS, OTC, 60)
    print(json.dumps(found), flush=True)
    client.api.websocket.close()


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main())
    os._exit(0)  # its thread goes on listening for more than an hour, and its own `close` waits for that
