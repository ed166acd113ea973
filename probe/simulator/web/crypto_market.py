"""The broker behind the backend: its prices, and the keys with which it is asked for more than prices."""

import asyncio
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Literal, NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from fastapi import FastAPI, HTTPException, Query

from probe.faults.backend import (
    BrokerClock,
    BrokerFlaw,
    BrokerLimited,
    BrokerUnreachable,
    CachedMarket,
    KeyLost,
    StaleMarket,
    Telling,
)
from probe.simulator.floor import Listing
from probe.simulator.market import CATALOGUE, Instrument, Kind
from probe.simulator.web.crypto_core import Broken, BrokerProblem, Core, Pin, stamp
from probe.simulator.web.crypto_people import Trader
from probe.simulator.web.crypto_shapes import (
    BrokerConnected,
    BrokerGiven,
    BrokerStatus,
    Kline,
    KlineList,
    Message,
    Symbol,
    SymbolList,
    SymbolOut,
    Ticker,
    problems,
)
from probe.simulator.web.crypto_store import User

MAX_LEVERAGE = 125
LATENCY_SECONDS = 0.085  # what the broker is said to take
KEY_LENGTH = 20  # of a key or secret that the broker would know, at least; all are letters and digits
_INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
_RENAMED = {"LNK": "LINK"}


def _pairs() -> Mapping[str, Instrument]:
    """All that the market has against the dollar; it trades around the clock."""
    coins: dict[str, Instrument] = {}
    for instrument in CATALOGUE:
        symbol = instrument.symbol.removesuffix("_otc")
        if instrument.kind is Kind.CRYPTOCURRENCY and symbol.endswith("USD"):
            coin = symbol.removesuffix("USD").removesuffix("-")
            coins.setdefault(f"{_RENAMED.get(coin, coin)}-USDT", instrument)
    return coins


PAIRS = _pairs()


class Price(NamedTuple):
    at: float  # UTC; the instant it is the price of
    last: float
    source_time: float


class Exchange:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._stale, self._cached = Pin(core, StaleMarket), Pin(core, CachedMarket)
        self._fernet = Fernet(Fernet.generate_key())
        self._last_check: float | None = None

    # -- prices ----------------------------------------------------------------------------------------------------------

    def listing(self, symbol: str) -> Listing:
        floor = self._core.world.floor
        return floor.listing(symbol if floor.lists(symbol) else PAIRS[symbol].symbol)

    def price_at(self, symbol: str, at: float) -> float:
        return self.listing(symbol).price_at(at)

    def price(self, symbol: str) -> Price:
        """As the backend has it now."""
        now, stale, cached = self._core.utc(), self._stale.since(), self._cached.since()
        at = stale or cached or now
        tick = self.listing(symbol).ticks(at - 5.0, at)[-1]
        return Price(at, tick.price, now if cached else tick.at)

    # -- calls -----------------------------------------------------------------------------------------------------------

    async def ask(self) -> None:
        """An unsigned call.

        Raises:
            BrokerProblem: it fails.
        """
        gone = self._core.suffers(BrokerUnreachable)
        if gone and gone.flaw is BrokerFlaw.SILENT:
            await asyncio.sleep(gone.seconds)
            raise BrokerProblem(504, "Broker timed out")
        if gone:
            raise BrokerProblem(502, "Broker unavailable")

    async def ask_within_limit(self) -> None:
        await self.ask()
        if self._core.suffers(BrokerLimited):
            words = "Broker rate limited: the current system is busy, please try again later"
            raise BrokerProblem(503, words, 100410)

    async def ask_signed(self, user: User) -> None:
        """A call in the user's name.

        Raises:
            Broken: his keys cannot be read.
            BrokerProblem: he has none, or the broker refuses.
        """
        if user.broker_keys is None:
            raise BrokerProblem(400, "Broker not connected")
        lost = self._core.suffers(KeyLost)
        fernet = self._fernet if lost is None else Fernet(Fernet.generate_key())
        try:
            fernet.decrypt(user.broker_keys)
        except InvalidToken:
            tells = lost.tells if lost else Telling.FULL
            raise Broken("cryptography.fernet.InvalidToken", tells) from None
        await self.ask_within_limit()
        if self._core.suffers(BrokerClock):
            raise BrokerProblem(502, "Broker refused: Null timestamp or timestamp mismatch", 100421)

    def give_keys(self, user: User, key: str, secret: str) -> None:
        user.broker_keys = self._fernet.encrypt(f"{key}:{secret}".encode())

    # -- routes ----------------------------------------------------------------------------------------------------------

    async def symbols(self, user: Trader) -> SymbolList:
        await self.ask_within_limit()
        items = [
            SymbolOut(
                symbol=symbol,
                base=symbol.partition("-")[0],
                quote="USDT",
                price_precision=instrument.digits,
                max_leverage=MAX_LEVERAGE,
                status="TRADING",
            )
            for symbol, instrument in PAIRS.items()
        ]
        now = stamp(self._core.utc())
        return SymbolList(items=items, total=len(items), source_time=now, fetched_at=now)

    async def ticker(self, user: Trader, symbol: Symbol) -> Ticker:
        await self.ask_within_limit()
        price, point = self.price(self._known(symbol)), 10.0 ** -PAIRS[symbol].digits
        day = [*islice(self.listing(symbol).candles_back(3_600, price.at, price.at), 24)]
        return Ticker(
            symbol=symbol,
            last_price=price.last,
            bid_price=round(price.last - point, 10),
            ask_price=round(price.last + point, 10),
            high_24h=max(candle.high for candle in day),
            low_24h=min(candle.low for candle in day),
            source_time=stamp(price.source_time),
            fetched_at=stamp(self._core.utc()),
        )

    async def klines(
        self,
        user: Trader,
        symbol: Symbol,
        interval: Interval = "1m",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> KlineList:
        await self.ask_within_limit()
        price = self.price(self._known(symbol))
        candles = islice(self.listing(symbol).candles_back(_INTERVALS[interval], price.at, price.at), limit)
        items = [
            Kline(open_time=stamp(start), open=first, high=high, low=low, close=last)
            for start, first, high, low, last in candles
        ]
        return KlineList(
            symbol=symbol,
            interval=interval,
            items=items[::-1],
            source_time=stamp(price.source_time),
            fetched_at=stamp(self._core.utc()),
        )

    async def connect(self, user: Trader, asked: BrokerGiven) -> BrokerConnected:
        await self.ask_within_limit()
        if not _could_be_key(asked.api_key):
            raise BrokerProblem(400, "Broker refused: Incorrect apiKey", 100413)
        if not _could_be_key(asked.api_secret):
            raise BrokerProblem(400, "Broker refused: Signature verification failed", 100001)
        self.give_keys(user, asked.api_key, asked.api_secret)
        return BrokerConnected(message="Broker connected", broker=asked.broker, connected=True)

    async def status(self, user: Trader) -> BrokerStatus:
        if user.broker_keys is None:
            return BrokerStatus(broker=None, connected=False, last_check=None, latency_ms=None)
        code, error = None, None
        try:
            await self.ask_signed(user)
        except BrokerProblem as problem:
            code, error = problem.code, problem.detail
        return BrokerStatus(
            broker="bingx",
            connected=error is None,
            last_check=stamp(self._core.utc()),
            latency_ms=LATENCY_SECONDS * 1000 if error is None else None,
            broker_code=code,
            error=error,
        )

    async def disconnect(self, user: Trader) -> Message:
        if user.broker_keys is None:
            raise HTTPException(404, "Broker not connected")
        user.broker_keys = None
        return Message(message="Broker disconnected")

    def _known(self, symbol: str) -> str:
        if symbol not in PAIRS:
            raise HTTPException(404, "Unknown symbol")
        return symbol


def _could_be_key(text: str) -> bool:
    return len(text) >= KEY_LENGTH and text.isalnum()


def serve_market(app: FastAPI, exchange: Exchange) -> None:
    app.get("/market/symbols", responses=problems(401, 502, 503, 504))(exchange.symbols)
    app.get("/market/ticker", responses=problems(401, 404, 502, 503, 504))(exchange.ticker)
    app.get("/market/klines", responses=problems(401, 404, 502, 503, 504))(exchange.klines)
    app.post("/broker/connect", responses=problems(400, 401, 502, 503, 504))(exchange.connect)
    app.get("/broker/status", responses=problems(401))(exchange.status)
    app.delete("/broker", responses=problems(401, 404))(exchange.disconnect)
