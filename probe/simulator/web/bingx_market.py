"""What BingX says about its markets, in its three families; the prices are the floor's."""

from collections.abc import Callable
from itertools import islice

from probe.simulator.floor import Floor, Listing

DAY, HOUR = 86_400, 3_600
MOST_ROWS = 1_000
COINS = ("BTC-USD", "ETH-USD", "SOL-USD")  # of coin-margined futures
NO_SYMBOL, OFFLINE, BAD_ARGUMENT = 109425, 109418, 100400

_UNITS = {"m": (60, (1, 3, 5, 15, 30)), "h": (HOUR, (1, 2, 4, 6, 8, 12)), "d": (DAY, (1,))}
_PERIODS = {
    f"{count}{unit}": count * seconds for unit, (seconds, counts) in _UNITS.items() for count in counts
}
Query = dict[str, str]
Answer = Callable[[Query, float], object]


class CannotBeHad(Exception):
    """What is asked for; with the exchange's number for why."""

    def __init__(self, code: int) -> None:
        self.code = code


class Market:
    """`is_offline` is asked about a symbol at each request."""

    def __init__(self, floor: Floor, symbols: tuple[str, ...], is_offline: Callable[[str], bool]) -> None:
        self._floor, self._symbols, self._is_offline = floor, symbols, is_offline

    def routes(self) -> dict[str, Answer]:
        return {
            "swap/v2/server/time": self._time,
            "swap/v2/quote/contracts": self._contracts,
            "swap/v2/quote/ticker": self._one_or_all(self._ticker),
            "swap/v2/quote/bookTicker": self._book_ticker,
            "swap/v2/quote/depth": self._depth,
            "swap/v2/quote/trades": self._trades,
            "swap/v2/quote/premiumIndex": self._one_or_all(self._premium),
            "swap/v2/quote/fundingRate": self._funding,
            "swap/v2/quote/openInterest": self._open_interest,
            "swap/v3/quote/klines": self._klines,
            "spot/v1/server/time": self._time,
            "spot/v1/common/symbols": self._spot_symbols,
            "spot/v1/ticker/24hr": lambda query, at: self._listed(self._one_or_all(self._ticker)(query, at)),
            "spot/v1/ticker/bookTicker": lambda query, at: [self._spot_book_ticker(query, at)],
            "spot/v1/market/depth": self._depth,
            "spot/v1/market/trades": self._trades,
            "spot/v1/market/kline": self._spot_klines,
            "spot/v2/market/kline": self._spot_klines,
            "cswap/v1/market/contracts": self._coin_contracts,
            "cswap/v1/market/ticker": lambda query, at: self._listed(self._ticker(query, at)),
        }

    # -- symbols -----------------------------------------------------------------------------------------------------

    def _listing(self, query: Query) -> Listing:
        symbol = query.get("symbol", "")
        if symbol in COINS:
            symbol += "T"
        if symbol not in self._symbols:
            raise CannotBeHad(NO_SYMBOL)
        if self._is_offline(symbol):
            raise CannotBeHad(OFFLINE)
        return self._floor.listing(symbol)

    def _one_or_all(self, answer: Answer) -> Answer:
        def answer_all(query: Query, at: float) -> object:
            if "symbol" in query:
                return answer(query, at)
            return [
                answer({"symbol": symbol}, at) for symbol in self._symbols if not self._is_offline(symbol)
            ]

        return answer_all

    def _listed(self, answer: object) -> object:
        return answer if isinstance(answer, list) else [answer]

    # -- answers -----------------------------------------------------------------------------------------------------

    def _time(self, _: Query, at: float) -> object:
        return {"serverTime": milliseconds(at)}

    def _contracts(self, _: Query, at: float) -> object:
        return [
            {
                "contractId": str(100 + place),
                "symbol": symbol,
                "size": "0.0001",
                "quantityPrecision": 4,
                "pricePrecision": self._floor.listing(symbol).instrument.digits,
                "feeRate": 0.0005,
                "makerFeeRate": 0.0002,
                "takerFeeRate": 0.0005,
                "tradeMinLimit": 0,
                "tradeMinQuantity": 0.0001,
                "tradeMinUSDT": 2,
                "maxLongLeverage": 125,
                "maxShortLeverage": 125,
                "currency": "USDT",
                "asset": symbol.removesuffix("-USDT"),
                "status": 0 if self._is_offline(symbol) else 1,
                "apiStateOpen": "true",
                "apiStateClose": "true",
                "brokerState": True,
                "launchTime": 1_500_000_000_000,
                "maintainTime": 0,
                "offTime": milliseconds(at) if self._is_offline(symbol) else 0,
                "displayName": symbol,
            }
            for place, symbol in enumerate(self._symbols)
        ]

    def _spot_symbols(self, _: Query, at: float) -> object:
        rows = [
            {
                "symbol": symbol,
                "minQty": 0.0001,
                "maxQty": 1000,
                "minNotional": 2,
                "maxNotional": 100_000,
                "status": 0 if self._is_offline(symbol) else 1,
                "tickSize": 10 ** -self._floor.listing(symbol).instrument.digits,
                "stepSize": 0.0001,
                "apiStateSell": True,
                "apiStateBuy": True,
                "timeOnline": 0,
                "offTime": milliseconds(at) if self._is_offline(symbol) else 0,
                "maintainTime": 0,
            }
            for symbol in self._symbols
        ]
        return {"symbols": rows}

    def _coin_contracts(self, _: Query, __: float) -> object:
        return [
            {
                "symbol": symbol,
                "pricePrecision": self._floor.listing(symbol + "T").instrument.digits,
                "minTickSize": "10",
                "minTradeValue": "10",
                "minQty": "1.00000000",
                "status": 0 if self._is_offline(symbol + "T") else 1,
                "timeOnline": 1_713_175_200_000,
            }
            for symbol in COINS
        ]

    def _ticker(self, query: Query, at: float) -> object:
        listing = self._listing(query)
        hours = list(islice(listing.candles_back(HOUR, at + 1, at), 24))
        price, opened = listing.price_at(at), hours[-1].open
        bid, ask = _around(listing, price)
        change = price - opened
        return {
            "symbol": query["symbol"],
            "priceChange": _text(change),
            "priceChangePercent": f"{100 * change / opened:.2f}%",
            "lastPrice": _text(price),
            "lastQty": "0.0100",
            "highPrice": _text(max(hour.high for hour in hours)),
            "lowPrice": _text(min(hour.low for hour in hours)),
            "volume": "1000.0000",
            "quoteVolume": _text(1000 * price),
            "openPrice": _text(opened),
            "openTime": milliseconds(at - DAY),
            "closeTime": milliseconds(at),
            "bidPrice": _text(bid),
            "bidQty": "1.0000",
            "askPrice": _text(ask),
            "askQty": "1.0000",
        }

    def _book_ticker(self, query: Query, at: float) -> object:
        return {
            "book_ticker": {
                **self._best(query, at),
                "lastUpdateId": milliseconds(at),
                "time": milliseconds(at),
            }
        }

    def _spot_book_ticker(self, query: Query, at: float) -> object:
        return {"eventType": "bookTicker", "time": milliseconds(at), **self._best(query, at)}

    def _best(self, query: Query, at: float) -> dict[str, str]:
        listing = self._listing(query)
        bid, ask = _around(listing, listing.price_at(at))
        return {
            "symbol": query["symbol"],
            "bidPrice": _text(bid),
            "bidVolume": "1.0000",
            "askPrice": _text(ask),
            "askVolume": "1.0000",
        }

    def _depth(self, query: Query, at: float) -> object:
        listing, levels = self._listing(query), _limit(query, 20)
        bid, ask = _around(listing, listing.price_at(at))
        step = ask - bid
        bids = [[_text(bid - step * level), "1.0000"] for level in range(levels) if bid > step * level]
        asks = [
            [_text(ask + step * level), "1.0000"] for level in reversed(range(levels))
        ]  # the best one last
        return {"T": milliseconds(at), "ts": milliseconds(at), "bids": bids, "asks": asks}

    def _trades(self, query: Query, at: float) -> object:
        ticks = self._listing(query).ticks(at - 600, at)[-_limit(query, 500) :]
        return [
            {
                "id": milliseconds(tick.at),
                "fillId": str(milliseconds(tick.at)),
                "time": milliseconds(tick.at),
                "isBuyerMaker": False,
                "buyerMaker": False,
                "price": _text(tick.price),
                "qty": "0.0100",
                "quoteQty": _text(tick.price / 100),
            }
            for tick in reversed(ticks)
        ]

    def _klines(self, query: Query, at: float) -> object:
        return [
            {
                "open": _text(candle.open),
                "close": _text(candle.close),
                "high": _text(candle.high),
                "low": _text(candle.low),
                "volume": "10.00",
                "time": milliseconds(candle.start),
            }
            for candle in islice(
                self._listing(query).candles_back(_period(query), at + 1, at), _limit(query, 500)
            )
        ]

    def _spot_klines(self, query: Query, at: float) -> object:
        period = _period(query)
        return [
            [
                milliseconds(start),
                opened,
                high,
                low,
                close,
                10.0,
                milliseconds(start + period) - 1,
                10 * close,
            ]
            for start, opened, high, low, close in islice(
                self._listing(query).candles_back(period, at + 1, at), _limit(query, 500)
            )
        ]

    def _premium(self, query: Query, at: float) -> object:
        price = _text(self._listing(query).price_at(at))
        return {
            "symbol": query["symbol"],
            "markPrice": price,
            "indexPrice": price,
            "lastFundingRate": "0.00010000",
            "nextFundingTime": milliseconds(at // (8 * HOUR) * 8 * HOUR + 8 * HOUR),
        }

    def _funding(self, query: Query, at: float) -> object:
        self._listing(query)
        last = at // (8 * HOUR) * 8 * HOUR
        return [
            {
                "symbol": query["symbol"],
                "fundingRate": "0.00010000",
                "fundingTime": milliseconds(last - 8 * HOUR * back),
            }
            for back in range(_limit(query, 100))
        ]

    def _open_interest(self, query: Query, at: float) -> object:
        self._listing(query)
        return {"openInterest": "1000000.00", "symbol": query["symbol"], "time": milliseconds(at)}


def _around(listing: Listing, price: float) -> tuple[float, float]:
    """Bid and ask."""
    step = 10**-listing.instrument.digits
    return price - step, price + step


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _text(price: float) -> str:
    return f"{price:.7f}".rstrip("0").rstrip(".")


def _limit(query: Query, usual: int) -> int:
    asked = query.get("limit", "")
    return min(max(int(asked), 1), MOST_ROWS) if asked.isdecimal() and len(asked) < 9 else usual


def _period(query: Query) -> int:
    """Of ``1m``, and of ``1min`` as spot writes it."""
    period = _PERIODS.get(query.get("interval", "").replace("min", "m"))
    if period is None:
        raise CannotBeHad(BAD_ARGUMENT)
    return period
