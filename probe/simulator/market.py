"""What can be traded, and when: a fixed catalogue of instruments and their weekly hours in UTC.

Most instruments exist twice: the exchange's own, with its hours, and an over-the-counter (OTC) twin that the
broker quotes by itself around the clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from math import inf

_HOUR = 3600
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_A_SUNDAY = 3 * _DAY  # 1970-01-04; with weeks counted from Sunday 00:00 no session crosses their border


class Kind(Enum):
    CURRENCY = "currency"
    STOCK = "stock"
    INDEX = "index"
    CRYPTOCURRENCY = "cryptocurrency"
    COMMODITY = "commodity"


class Hours(Enum):
    """The sessions of a week, as (opens, closes) in seconds since Sunday 00:00 UTC."""

    _value_: tuple[tuple[int, int], ...]

    ALWAYS = ((0, _WEEK),)
    FOREX = ((22 * _HOUR, 5 * _DAY + 22 * _HOUR),)
    EXCHANGE = tuple((day * _DAY + 27 * _HOUR // 2, day * _DAY + 20 * _HOUR) for day in range(1, 6))
    COMMODITY = tuple((day * _DAY + 22 * _HOUR, (day + 1) * _DAY + 21 * _HOUR) for day in range(5))


def is_open(hours: Hours, utc: float) -> bool:
    into = (utc - _A_SUNDAY) % _WEEK
    return any(opens <= into < closes for opens, closes in hours.value)


def next_change(hours: Hours, utc: float) -> float:
    """The first instant after `utc` at which the market opens or closes; infinite for one that never does."""
    if hours is Hours.ALWAYS:
        return inf
    week = (utc - _A_SUNDAY) // _WEEK * _WEEK + _A_SUNDAY
    borders: list[float] = [week + border for session in hours.value for border in session]
    return next((border for border in borders if border > utc), borders[0] + _WEEK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    id: int
    symbol: str
    label: str
    kind: Kind
    digits: int
    """Decimals of its prices."""
    payout_percent: int
    """Gain of a won trade as a share of the stake, also while the market is closed."""
    is_otc: bool
    twin_id: int | None
    """The same thing over the counter, or on its exchange."""
    hours: Hours
    base_price: float
    """The price that its path wanders around."""
    daily_volatility: float
    """Typical change from day to day, as a share of the price."""


_HOURS = {
    Kind.CURRENCY: Hours.FOREX,
    Kind.STOCK: Hours.EXCHANGE,
    Kind.INDEX: Hours.EXCHANGE,
    Kind.CRYPTOCURRENCY: Hours.ALWAYS,
    Kind.COMMODITY: Hours.COMMODITY,
}
_VOLATILITY = {
    Kind.CURRENCY: 0.005,
    Kind.STOCK: 0.018,
    Kind.INDEX: 0.010,
    Kind.CRYPTOCURRENCY: 0.030,
    Kind.COMMODITY: 0.015,
}

# Numbers that clients know by heart; the others follow from 100 in catalogue order.
_KNOWN_IDS = {"EURUSD": 1, "#AAPL": 5, "EURUSD_otc": 66}

# One row per underlying: where it is listed, symbol, label, price. "both" has an OTC twin.
_STOCKS = """
both #AAPL  Apple               228.0
both #MSFT  Microsoft           428.0
both #TSLA  Tesla               262.0
both #FB    FACEBOOK INC        575.0
both #INTC  Intel                23.4
both #BA    Boeing Company      152.0
both #JPM   JPMorgan            222.0
both #JNJ   Johnson & Johnson   161.0
both #PFE   Pfizer Inc           29.1
both #XOM   ExxonMobil          120.0
both #AXP   American Express    272.0
both #MCD   McDonald's          296.0
both #CSCO  Cisco                54.6
both #NFLX  Netflix             756.0
both #C     Citigroup Inc        64.2
real #KO    Coca-Cola            66.8
real #NKE   Nike                 79.5
real #DIS   Walt Disney          96.4
real #GS    Goldman Sachs       528.0
otc  AMZN   Amazon              189.0
otc  BABA   Alibaba              97.3
otc  FDX    FedEx               271.0
otc  VISA   Visa                289.0
otc  GME    GameStop Corp        21.7
otc  COIN   Coinbase Global     214.0
otc  PLTR   Palantir             44.9
otc  MARA   Marathon Digital     17.8
"""
_CURRENCIES = """
both EURUSD 1.085
both GBPUSD 1.298
both USDJPY 152.3
both USDCHF 0.866
both USDCAD 1.388
both AUDUSD 0.661
both NZDUSD 0.599
both EURGBP 0.836
both EURJPY 165.2
both EURCHF 0.939
both EURCAD 1.506
both EURAUD 1.641
both EURNZD 1.811
both GBPJPY 197.6
both GBPCHF 1.124
both GBPCAD 1.801
both GBPAUD 1.963
both AUDJPY 100.6
both AUDCAD 0.917
both AUDCHF 0.572
both AUDNZD 1.104
both CADJPY 109.7
both CADCHF 0.624
both CHFJPY 175.9
both NZDJPY 91.2
both NZDCAD 0.831
otc  USDRUB 97.2
otc  EURRUB 105.4
otc  CHFNOK 12.66
otc  EURHUF 404.5
otc  EURTRY 37.1
otc  USDCNH 7.13
otc  USDSGD 1.321
otc  USDBRL 5.71
otc  USDMXN 19.86
otc  USDINR 84.1
otc  USDIDR 15690
otc  USDMYR 4.36
otc  USDPHP 58.3
otc  USDTHB 33.8
otc  USDVND 25340
otc  USDPKR 277.8
otc  USDBDT 119.5
otc  USDEGP 48.7
otc  USDARS 986.0
otc  USDCLP 951.0
otc  USDCOP 4320
otc  USDDZD 133.4
otc  AEDCNY 1.942
otc  BHDCNY 18.92
otc  JODCNY 10.06
otc  OMRCNY 18.53
otc  QARCNY 1.957
otc  SARCNY 1.899
otc  NGNUSD 0.00061
otc  KESUSD 0.00775
"""
_INDICES = """
both SP500   S&P 500      5810
both NASUSD  US 100      20350
both DJI30   DJI30       42110
both JPN225  JPN225      37910
both D30EUR  D30/EUR     19460
both E50EUR  E50/EUR      4943
both F40EUR  F40/EUR      7497
both E35EUR  E35/EUR     11820
both 100GBP  100/GBP      8249
both AUS200  AUS 200      8211
real AEX25   AEX 25        888
real SMI20   SMI 20      12150
"""
_CRYPTOCURRENCIES = """
both BTCUSD  Bitcoin       67800
both ETHUSD  Ethereum       2480
both LTCUSD  Litecoin       69.8
real DASHUSD Dash           23.4
real BCHUSD  Bitcoin Cash    357
real BTCGBP  BTC/GBP       52300
real BTCJPY  BTC/JPY    10320000
both LNKUSD  Chainlink      11.4
otc  ADA-USD  Cardano      0.334
otc  AVAX-USD Avalanche     25.9
otc  BNB-USD  BNB            587
otc  DOGE-USD Dogecoin     0.138
otc  DOT-USD  Polkadot      4.07
otc  MATIC-USD Polygon     0.341
otc  SOL-USD  Solana         171
otc  TON-USD  Toncoin       4.92
otc  TRX-USD  TRON         0.165
"""
_COMMODITIES = """
both XAUUSD  Gold         2741
both XAGUSD  Silver       33.7
both UKBrent Brent Oil    75.9
both USCrude WTI Crude Oil 71.7
both XNGUSD  Natural Gas  2.54
both XPTUSD  Platinum spot 1024
both XPDUSD  Palladium spot 1192
real XAUEUR  XAU/EUR      2528
"""


def _digits(price: float) -> int:
    """About six significant figures, within the decimals that brokers use."""
    return 2 if price >= 1000 else 3 if price >= 20 else 5 if price >= 0.1 else 7


def _instruments() -> Iterator[Instrument]:
    tables = {
        Kind.STOCK: _STOCKS,
        Kind.CURRENCY: _CURRENCIES,
        Kind.INDEX: _INDICES,
        Kind.CRYPTOCURRENCY: _CRYPTOCURRENCIES,
        Kind.COMMODITY: _COMMODITIES,
    }
    free_ids = count(100)
    for kind, table in tables.items():
        for row in table.split("\n")[1:-1]:
            listing, symbol, *words, price = row.split()
            label = " ".join(words) or f"{symbol[:3]}/{symbol[3:]}"
            exchange_id = _id(symbol, free_ids) if listing != "otc" else None
            otc_id = _id(symbol + "_otc", free_ids) if listing != "real" else None
            for is_otc, id_, twin_id in ((False, exchange_id, otc_id), (True, otc_id, exchange_id)):
                if id_ is not None:
                    yield Instrument(
                        id=id_,
                        symbol=symbol + "_otc" * is_otc,
                        label=label + " OTC" * is_otc,
                        kind=kind,
                        digits=_digits(float(price)),
                        payout_percent=_payout_percent(id_, is_otc=is_otc),
                        is_otc=is_otc,
                        twin_id=twin_id,
                        hours=Hours.ALWAYS if is_otc else _HOURS[kind],
                        base_price=float(price),
                        daily_volatility=_VOLATILITY[kind],
                    )


def _payout_percent(id_: int, *, is_otc: bool) -> int:
    """Any mixture will do; EUR/USD pays most, as it does for real."""
    if is_otc:
        return 92 - (id_ - _KNOWN_IDS["EURUSD_otc"]) * 7 % 31
    return 85 - (id_ - _KNOWN_IDS["EURUSD"]) * 7 % 41


def _id(symbol: str, free_ids: Iterator[int]) -> int:
    return _KNOWN_IDS.get(symbol) or next(free_ids)


CATALOGUE: tuple[Instrument, ...] = tuple(_instruments())
"""Every instrument; the first is number 5, `#AAPL`."""
