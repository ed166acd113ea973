"""What ccxt finds when its BingX, REST and streams, is pointed at a simulated one.

Arguments and surroundings are those of bo2_session.py.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro  # type: ignore[import-not-found]

from tests.clients.control import Control, until

SWAP, SPOT, COIN = "BTC/USDT:USDT", "BTC/USDT", "BTC/USD:BTC"
TICKS = 5


def pointed_at(port: int | None) -> Any:
    """The address of futures keeps the word `swap`, by which ccxt knows the market.

    All are on one port, where a connection that asked for pages never becomes a stream; the other name of the host keeps
    ccxt from reusing it.
    """
    exchange = ccxt.pro.bingx()
    api = dict.fromkeys(exchange.urls["api"], f"http://localhost:{port}/openApi")
    streams = {"spot": "market", "linear": "swap-market", "inverse": "market"}
    exchange.urls["api"] = {
        **api,
        "ws": {name: f"ws://127.0.0.1:{port}/{path}" for name, path in streams.items()},
    }
    return exchange


async def asked(exchange: Any) -> dict[str, Any]:
    server_time = await exchange.fetch_time()
    ahead = server_time - exchange.milliseconds()
    markets = await exchange.load_markets()
    tickers = {symbol: await exchange.fetch_ticker(symbol) for symbol in (SWAP, SPOT, COIN)}
    candles = await exchange.fetch_ohlcv(SWAP, "1m", limit=5)
    book = await exchange.fetch_order_book(SPOT, 5)
    try:
        await exchange.fetch_ticker("BTC/USDT:USDT", {"symbol": "NONE-USDT"})
        refused = ""
    except ccxt.BaseError as error:
        refused = str(error)
    return {
        "ahead": ahead,
        "markets": {symbol: markets[symbol]["active"] for symbol in (SWAP, SPOT, COIN)},
        "prices": {symbol: ticker["last"] for symbol, ticker in tickers.items()},
        "candles": candles,
        "book": [book["bids"][0][0], book["asks"][0][0]],
        "refused": refused,
    }


async def watched(exchange: Any) -> dict[str, Any]:
    async def some(symbol: str) -> list[Any]:
        tickers = [await exchange.watch_ticker(symbol) for _ in range(TICKS)]
        return [[each["timestamp"], each["last"]] for each in tickers]

    swap, spot = await asyncio.gather(some(SWAP), some(SPOT))
    return {"swap": swap, "spot": spot}


async def held(exchange: Any) -> dict[str, Any]:
    """What the account's stream tells, opened with a listen key that ccxt makes and renews."""
    balances = []
    for _ in range(2):  # one object, which is told anew
        told = await exchange.watch_balance({"type": "swap", "fetchBalanceSnapshot": False})
        balances.append([told["timestamp"], told["VST"]["free"]])
    key = exchange.options["listenKey"]
    await exchange.keep_alive_listen_key()
    return {"balances": balances, "renewed": len(key) == 64 and exchange.options["listenKey"] == key}


async def main() -> None:
    endpoint, control = json.loads(sys.argv[1]), Control(**json.loads(sys.argv[2]))
    port = urlsplit(endpoint["url"]).port
    exchange, trader = pointed_at(port), pointed_at(port)
    trader.apiKey, trader.secret = "dummy", "dummy"
    try:
        found = await asked(exchange) | await watched(exchange)
        sessions = [each["number"] for each in control.sessions_at(endpoint["url"])]

        def answers() -> list[str]:
            return [said for number in sessions for said in control.heard(number) if "ong" in said]

        waiting = asyncio.to_thread(until, lambda: len(answers()) >= len(sessions), "an answer to each ping")
        found |= {"sessions": len(sessions), "answers": await waiting and answers()}
        trader.set_markets(exchange.markets)  # or it asks for currencies first, which wants a signature
        found |= await held(trader)
    finally:
        await exchange.close()
        await trader.close()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
