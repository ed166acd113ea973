"""When the regular markets trade: what can be said from a symbol's name and the time alone.

True: open. False: closed. None: nobody can tell from here, because brokers differ or because the symbol is not known.
A broker's own quotes over the counter never close by the calendar. Exchanges also close for reasons that no rule
knows (funerals of state, storms): then only the broker's word helps.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SLOT = 300  # seconds; every border of every market lies on five minutes, also in UTC
_FARTHEST = 12 * 24 * 3600 // SLOT  # no market keeps its state longer, unless it keeps it for ever
_SUN, _MON, _TUE, _WED, _THU, _FRI = range(6)
_ALL_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    name: str
    zone: str
    week: tuple[
        tuple[int, bool | None], ...
    ]  # (minute since Sunday 00:00 on the zone's clock, from there on)
    usual_until: Callable[[date], int]  # the minute of the day up to which the week holds: 0 on a holiday
    instead: bool | None  # what stands for an open market after that


def is_open(symbol: str, kind: str | None, utc: float) -> bool | None:
    """`kind` is the broker's own word for what the symbol is, such as ``currency`` or ``stock``."""
    market = market_of(symbol, kind)
    return market if market is None or market is True else _in_slot(market, int(utc // SLOT))


def next_change(symbol: str, kind: str | None, utc: float) -> float | None:
    """The first instant after `utc` at which `is_open` says something else. None: it never does."""
    market = market_of(symbol, kind)
    return None if market is None or market is True else _next_border(market, int(utc // SLOT))


@lru_cache(maxsize=4096)
def market_of(symbol: str, kind: str | None) -> Market | bool | None:
    """True: it trades around the clock. None: not known."""
    if _OVER_THE_COUNTER.search(symbol):
        return True
    sort = _SORTS.get((kind or "").strip().lower())
    name = re.sub(r"[^A-Z0-9]", "", symbol.upper().split(".")[0])
    if sort == "stock" or symbol.startswith("#"):
        return NEW_YORK_STOCKS
    if sort == "crypto":
        return True
    for names, market in _NAMES:
        if names.fullmatch(name):
            return market
    return WEEKDAYS if sort else None


@lru_cache(maxsize=1024)
def _in_slot(market: Market, slot: int) -> bool | None:
    return _answer(market, slot)


@lru_cache(maxsize=256)
def _next_border(market: Market, slot: int) -> float | None:
    now = _answer(market, slot)
    later = range(slot + 1, slot + _FARTHEST)
    return next((float(each * SLOT) for each in later if _answer(market, each) is not now), None)


def _answer(market: Market, slot: int) -> bool | None:
    local = datetime.fromtimestamp(slot * SLOT, ZoneInfo(market.zone))
    minute = local.hour * 60 + local.minute
    at = local.isoweekday() % 7 * _ALL_DAY + minute
    # Before the first change of the week the last one of the week before holds.
    answer = market.week[bisect_right(market.week, at, key=lambda change: change[0]) - 1][1]
    return market.instead if answer and minute >= market.usual_until(local.date()) else answer


# -- holidays -----------------------------------------------------------------------------------------------------------


def easter(year: int) -> date:
    """Of the Gregorian calendar (Meeus, Jones and Butcher)."""
    century, of_century = divmod(year, 100)
    leap, rest = divmod(century, 4)
    moon = (19 * (year % 19) + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * rest + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (year % 19 + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def _monday(year: int, month: int, which: int) -> date:
    """The first is 1, the last is -1."""
    if which < 0:
        return _monday(year, month + 1, 1) - timedelta(days=7)
    first = date(year, month, 1)
    return first + timedelta(days=-first.weekday() % 7 + 7 * (which - 1))


@lru_cache(maxsize=16)
def stock_holidays(year: int) -> frozenset[date]:
    """The days on which the New York exchanges stay closed (NYSE rule 7.2)."""

    def moved(month: int, day: int) -> date:
        """A holiday on a Saturday is kept on Friday, one on a Sunday on Monday."""
        on = date(year, month, day)
        return on + timedelta(days={5: -1, 6: 1}.get(on.weekday(), 0))

    def days() -> Iterator[date]:
        if date(year, 1, 1).weekday() != 5:  # of a Saturday nothing is kept: Friday ends the year's books
            yield moved(1, 1)
        if year >= 1998:
            yield _monday(year, 1, 3)  # Martin Luther King
        yield _monday(year, 2, 3)  # Washington
        yield easter(year) - timedelta(days=2)
        yield _monday(year, 5, -1)  # Memorial
        if year >= 2022:
            yield moved(6, 19)
        yield moved(7, 4)
        yield _monday(year, 9, 1)  # Labor
        yield _thanksgiving(year)
        yield moved(12, 25)

    return frozenset(days())


def _thanksgiving(year: int) -> date:
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 21)


def _new_york_until(day: date) -> int:
    if day in stock_holidays(day.year):
        return 0
    # Before Independence Day, before Christmas, after Thanksgiving.
    early = (day.month, day.day) in {(7, 3), (12, 24)} or day == _thanksgiving(day.year) + timedelta(days=1)
    return 13 * 60 if early else _ALL_DAY


def _turn_of_the_year(day: date) -> int:
    doubtful = (day.month, day.day) in {(12, 24), (12, 25), (12, 26), (12, 31), (1, 1), (1, 2)}
    return 0 if doubtful else _ALL_DAY


def _futures_until(day: date) -> int:
    return min(_new_york_until(day), _turn_of_the_year(day))


def _europe_until(day: date) -> int:
    """All days on which one of the large exchanges of Europe stays closed: not worth telling them apart."""
    feasts = {easter(day.year) + timedelta(days=days) for days in (-2, 1)} | {date(day.year, 5, 1)}
    banks = {_monday(day.year, 5, 1), _monday(day.year, 5, -1), _monday(day.year, 8, -1)}
    return 0 if day in feasts | banks else _turn_of_the_year(day)


def _no_holidays(_: date) -> int:
    return _ALL_DAY


# -- the table ----------------------------------------------------------------------------------------------------------


def _week(*changes: tuple[int | tuple[int, ...], str, bool | None]) -> tuple[tuple[int, bool | None], ...]:
    def listed() -> Iterator[tuple[int, bool | None]]:
        for days, clock, answer in changes:
            hour, minute = map(int, clock.split(":"))
            for day in (days,) if isinstance(days, int) else days:
                yield day * _ALL_DAY + hour * 60 + minute, answer

    return tuple(sorted(listed(), key=lambda change: change[0]))


_WORKDAYS = (_MON, _TUE, _WED, _THU, _FRI)
_NIGHTS = (_SUN, _MON, _TUE, _WED, _THU)

CURRENCIES = Market(
    name="currencies",
    zone="America/New_York",
    week=_week(
        (_NIGHTS, "17:00", None),  # banks and brokers turn the day over
        (_NIGHTS, "17:05", True),
        (_FRI, "16:55", None),  # some stop early
        (_FRI, "17:00", False),
    ),
    usual_until=_turn_of_the_year,
    instead=None,
)
NEW_YORK_STOCKS = Market(
    name="US stocks",
    zone="America/New_York",
    week=_week((_WORKDAYS, "09:30", True), (_WORKDAYS, "16:00", False)),
    usual_until=_new_york_until,
    instead=False,
)
NEW_YORK_INDICES = Market(
    name="US indices",
    zone="America/New_York",
    week=_week(
        (_SUN, "17:00", None),
        (_WORKDAYS, "09:30", True),
        (_WORKDAYS, "16:00", None),  # the night belongs to the futures, which not every broker follows
        (_FRI, "17:00", False),
    ),
    usual_until=_new_york_until,
    instead=None,
)
EUROPEAN_INDICES = Market(
    name="European indices",
    zone="Europe/Berlin",
    week=_week(
        (_SUN, "23:00", None), (_WORKDAYS, "09:00", True), (_WORKDAYS, "17:30", None), (_FRI, "23:00", False)
    ),
    usual_until=_europe_until,
    instead=None,
)
METALS = Market(
    name="metals",
    zone="America/New_York",
    week=_week(
        (_SUN, "17:00", None),
        (_NIGHTS, "18:15", True),
        (_WORKDAYS, "16:45", None),  # an hour of rest, longer or shorter
        (_FRI, "17:00", False),
    ),
    usual_until=_futures_until,
    instead=None,
)
ENERGIES = Market(
    name="energies",
    zone="America/New_York",
    week=_week(
        (_SUN, "17:00", None), (_WORKDAYS, "04:00", True), (_WORKDAYS, "14:30", None), (_FRI, "17:00", False)
    ),
    usual_until=_futures_until,
    instead=None,
)
WEEKDAYS = Market(  # its kind is known and its hours are not: closed at the weekend is all that is sure
    name="others",
    zone="America/New_York",
    week=_week((_SUN, "17:00", None), (_FRI, "17:00", False)),
    usual_until=_no_holidays,
    instead=None,
)
MARKETS = (CURRENCIES, NEW_YORK_STOCKS, NEW_YORK_INDICES, EUROPEAN_INDICES, METALS, ENERGIES, WEEKDAYS)

_OVER_THE_COUNTER = re.compile(r"(?:[ _-]|[ _-]?\()otc\)?$", re.IGNORECASE)
# The words that brokers use for kinds.
_SORTS = {
    "currency": "currency", "currencies": "currency", "forex": "currency", "fx": "currency",
    "stock": "stock", "stocks": "stock", "equity": "stock", "equities": "stock", "share": "stock", "shares": "stock",
    "cryptocurrency": "crypto", "cryptocurrencies": "crypto", "crypto": "crypto",
    "index": "index", "indices": "index",
    "commodity": "commodity", "commodities": "commodity", "metal": "commodity", "metals": "commodity",
    "energy": "commodity", "energies": "commodity",
}  # fmt: skip
_FREE = (
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|SEK|NOK|DKK|SGD|HKD|PLN|CZK|HUF|MXN|ZAR"  # traded all week, everywhere
)
_BOUND = "TRY|RUB|CNH|CNY|INR|IDR|MYR|PHP|THB|VND|KRW|TWD|BRL|CLP|COP|ARS|ILS|AED|SAR|EGP|PKR|BDT|NGN|KES"
_COINS = (
    "BTC|XBT|ETH|LTC|XRP|BCH|BSV|DASH|DSH|EOS|XLM|ADA|DOT|SOL|DOGE|BNB|AVAX|MATIC|POL|LINK|LNK|TRX|TON|ETC|XMR|ZEC|"
    "UNI|ATOM|NEAR|SHIB|PEPE|APT|ARB|OP|SUI|FIL|AAVE|ALGO|XTZ|NEO"
)
# By what they are called, letters and digits only; the first that fits.
_NAMES: tuple[tuple[re.Pattern[str], Market | bool], ...] = (
    (re.compile(rf"(?:{_FREE}){{2}}"), CURRENCIES),
    (re.compile(rf"(?:{_FREE}|{_BOUND}){{2}}"), WEEKDAYS),
    (re.compile(rf"(?:{_COINS})(?:{_FREE}|{_BOUND}|USDT|USDC|BTC|ETH)"), True),
    (re.compile(rf"(?:XAU|XAG|XPT|XPD)(?:{_FREE})|GOLD|SILVER|PLATINUM|PALLADIUM"), METALS),
    (
        re.compile(
            r"(?:UK|US)?(?:BRENT|CRUDE|OIL)|BRENTOIL|CRUDEOIL|WTI|XTIUSD|XBRUSD|WTIUSD|BCOUSD|XNGUSD|NGAS|NATGAS"
        ),
        ENERGIES,
    ),
    (
        re.compile(
            r"SP500|SPX|SPX500|US500|NAS100|NASUSD|NASDAQ|NDX|NDX100|US100|USTEC|DJI|DJI30|DJ30|US30|WS30|US2000"
        ),
        NEW_YORK_INDICES,
    ),
    (
        re.compile(
            r"D30EUR|DAX|DAX30|DAX40|DE30|DE40|GER30|GER40|E50EUR|EU50|EUSTX50|STOXX50|F40EUR|CAC40|FR40|FRA40|E35EUR|"
            r"IBEX35|ES35|ESP35|100GBP|UK100|FTSE100|AEX25|NL25|SMI20|CH20|SWI20|IT40|ITA40"
        ),
        EUROPEAN_INDICES,
    ),
    (re.compile(r"JPN?225|J225|NIKKEI|NIKKEI225|AUS?200|ASX200|HK50|HKG33|HSI|CN50|CHINA50"), WEEKDAYS),
)
