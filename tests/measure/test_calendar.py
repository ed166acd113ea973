"""Market hours against known dates."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from probe.measure.calendar import (
    CURRENCIES,
    ENERGIES,
    EUROPEAN_INDICES,
    MARKETS,
    METALS,
    NEW_YORK_INDICES,
    NEW_YORK_STOCKS,
    WEEKDAYS,
    Market,
    easter,
    is_open,
    market_of,
    next_change,
    stock_holidays,
)
from probe.simulator.market import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "market-hours.md"


def at(written: str) -> float:
    """UTC, as written."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC).timestamp()


def test_currencies_open_and_close_at_five_in_new_york_on_both_sides_of_its_clock_changes() -> None:
    changes = {
        "2026-03-06T22:00": (None, False),  # winter: Friday's end
        "2026-03-08T21:00": (False, None),  # the clocks changed in the morning of this Sunday
        "2026-03-08T21:05": (None, True),
        "2026-03-13T21:00": (None, False),
        "2026-10-30T21:00": (None, False),
        "2026-11-01T22:00": (False, None),  # and back on this one
        "2026-11-01T22:05": (None, True),
        "2026-11-06T22:00": (None, False),
    }
    around = {
        when: tuple(is_open("EURUSD", "currency", at(when) + shift) for shift in (-1, 0)) for when in changes
    }
    assert around == changes


def test_currencies_may_rest_for_five_minutes_a_day_and_stop_five_minutes_early_on_friday() -> None:
    said = {
        when: is_open("GBPJPY", None, at(when))
        for when in (
            "2026-06-10T20:59:59", "2026-06-10T21:00:00", "2026-06-10T21:04:59", "2026-06-10T21:05:00",
            "2026-06-12T20:54:59", "2026-06-12T20:55:00",
        )
    }  # fmt: skip
    assert list(said.values()) == [True, None, None, True, True, None]


@pytest.mark.parametrize(
    "day", ["2025-12-24", "2025-12-25", "2025-12-26", "2025-12-31", "2026-01-01", "2026-01-02"]
)
def test_around_christmas_and_new_year_nobody_knows_of_currencies(day: str) -> None:
    assert is_open("EURUSD", "currency", at(f"{day}T12:00")) is None


def test_a_christmas_on_a_weekend_is_a_weekend() -> None:
    assert is_open("EURUSD", "currency", at("2027-12-25T12:00")) is False


def test_us_stocks_trade_from_half_past_nine_to_four_on_both_sides_of_new_yorks_clock_changes() -> None:
    hours = {}
    for day in ("2026-03-06", "2026-03-09", "2026-10-30", "2026-11-02"):
        opens = next_change("#AAPL", "stock", at(f"{day}T00:00"))
        assert opens is not None
        closes = next_change("#AAPL", "stock", opens)
        assert closes is not None
        hours[day] = tuple(f"{datetime.fromtimestamp(each, UTC):%H:%M}" for each in (opens, closes))
    assert hours == {
        "2026-03-06": ("14:30", "21:00"),
        "2026-03-09": ("13:30", "20:00"),
        "2026-10-30": ("13:30", "20:00"),
        "2026-11-02": ("14:30", "21:00"),
    }


@pytest.mark.parametrize(
    ("year", "days"),
    [
        (2011, "01-17 02-21 04-22 05-30 07-04 09-05 11-24 12-26"),  # New Year was a Saturday: nothing kept
        (2021, "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24"),
        (2022, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26"),
        (2023, "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25"),
        (2024, "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25"),
        (2025, "01-01 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25"),
        (2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25"),
        (2027, "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24"),
    ],
)
def test_the_exchanges_holidays_follow_its_rules(year: int, days: str) -> None:
    assert stock_holidays(year) == {date.fromisoformat(f"{year}-{day}") for day in days.split()}
    assert {is_open("#AAPL", None, at(f"{year}-{day}T16:00")) for day in days.split()} == {False}


@pytest.mark.parametrize(
    "day", ["2024-07-03", "2024-11-29", "2024-12-24", "2025-07-03", "2025-11-28", "2026-12-24"]
)
def test_on_early_days_stocks_close_at_one(day: str) -> None:
    one = next_change("#MSFT", "stock", at(f"{day}T16:00"))
    assert one == at(f"{day}T{'17' if '-07-' in day else '18'}:00")


def test_easter_is_where_it_was() -> None:
    known = ["2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2025-04-20", "2026-04-05", "2038-04-25"]
    assert [easter(int(each[:4])).isoformat() for each in known] == known


@pytest.mark.parametrize(
    "symbol",
    ["EURUSD_otc", "EURUSD-OTC", "EURUSD (OTC)", "Gold (OTC)", "#AAPL_otc", "AMZN_otc", "USDBDT_OTC"],
)
def test_what_a_broker_quotes_by_itself_is_open_at_any_hour_of_the_year(symbol: str) -> None:
    year = at("2026-01-01T00:00")
    assert {is_open(symbol, "currency", year + hour * 3600) for hour in range(365 * 24)} == {True}
    assert next_change(symbol, "stock", year) is None


def test_crypto_is_open_on_christmas_and_on_sunday() -> None:
    for symbol, kind in (("BTCUSD", None), ("ADA-USD", None), ("WHATEVER", "cryptocurrency")):
        for when in ("2026-12-25T12:00", "2026-06-14T03:00"):
            assert is_open(symbol, kind, at(when)) is True


def test_of_an_unknown_symbol_nothing_is_said() -> None:
    assert is_open("FROBNIX", None, 0.0) is None
    assert next_change("FROBNIX", "lottery", 0.0) is None


@pytest.mark.parametrize(
    ("market", "symbols"),
    [
        (CURRENCIES, "EURUSD EUR/USD eurusd EURUSD.m USDMXN"),
        (NEW_YORK_STOCKS, "#AAPL #BRK.B #GOLD"),
        (NEW_YORK_INDICES, "SP500 US100 NAS100 DJI30"),
        (EUROPEAN_INDICES, "D30EUR DE40 100GBP CAC40"),
        (METALS, "XAUUSD XAU/EUR GOLD XPDUSD"),
        (ENERGIES, "UKBrent USCrude XNGUSD WTI"),
        (WEEKDAYS, "USDRUB USDINR AEDCNY JPN225 AUS200"),
        (True, "BTCUSD ETH-USD BTCJPY SOLUSDT DASHUSD"),
        (None, "AAPL EURUSDX XAU FROBNIX EUR"),
    ],
)
def test_names_are_sorted(market: Market | bool | None, symbols: str) -> None:
    assert {symbol: market_of(symbol, None) for symbol in symbols.split()} == dict.fromkeys(
        symbols.split(), market
    )


def test_the_brokers_word_decides_where_the_name_does_not() -> None:
    assert market_of("GOLD", "stock") is NEW_YORK_STOCKS
    assert market_of("COCOA", "commodity") is WEEKDAYS
    assert market_of("XAUUSD", "Commodity") is METALS


def test_every_symbol_of_the_simulators_catalogue_is_known_with_its_kind() -> None:
    unknown = [each.symbol for each in CATALOGUE if market_of(each.symbol, each.kind.value) is None]
    assert unknown == []


@pytest.mark.parametrize("symbol", ["EURUSD", "#AAPL", "SP500", "D30EUR", "XAUUSD", "USCrude", "JPN225"])
def test_the_next_change_is_the_next_change(symbol: str) -> None:
    """Over a year, minute by minute around each, and nothing in between."""
    now, end = at("2026-01-01T00:00"), at("2027-01-10T00:00")
    quarters = iter(range(int(now), int(end), 900))
    while now < end:
        change = next_change(symbol, None, now)
        assert change is not None
        state = is_open(symbol, None, now)
        while (quarter := next(quarters, None)) is not None and quarter < change:
            assert is_open(symbol, None, quarter) is state
        assert is_open(symbol, None, change - 1) is state
        assert is_open(symbol, None, change) is not state
        now = change


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
def test_no_market_is_said_to_be_open_in_the_middle_of_a_weekend(market: Market) -> None:
    symbols = {
        "currencies": "EURUSD", "US stocks": "#AAPL", "US indices": "SP500", "European indices": "DE40",
        "metals": "XAUUSD", "energies": "WTI", "others": "USDINR",
    }  # fmt: skip
    saturday = datetime(2026, 1, 3, 12, tzinfo=UTC)
    weekends = [(saturday + timedelta(weeks=week)).timestamp() for week in range(60)]
    assert {is_open(symbols[market.name], None, when) for when in weekends} == {False}


def test_the_page_tells_every_market_with_its_zone() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    missing = [
        market.name
        for market in MARKETS
        if not any(market.name in row and market.zone in row for row in rows)
    ]
    assert missing == []
