from datetime import UTC, datetime
from math import inf

import pytest

from probe.simulator.market import CATALOGUE, Hours, Instrument, Kind, is_open, next_change

BY_ID = {instrument.id: instrument for instrument in CATALOGUE}
BY_SYMBOL = {instrument.symbol: instrument for instrument in CATALOGUE}


def utc(text: str) -> float:
    """A moment of the week of Sunday 2 November 2025, such as "Fri 22:00"."""
    day, clock = text.split()
    number = 2 + ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat").index(day)
    hour, minute = map(int, clock.split(":"))
    return datetime(2025, 11, number, hour, minute, tzinfo=UTC).timestamp()


SESSIONS = [
    (Hours.FOREX, "Sun 22:00", "Fri 22:00"),
    (Hours.EXCHANGE, "Mon 13:30", "Mon 20:00"),
    (Hours.EXCHANGE, "Wed 13:30", "Wed 20:00"),
    (Hours.EXCHANGE, "Fri 13:30", "Fri 20:00"),
    (Hours.COMMODITY, "Sun 22:00", "Mon 21:00"),
    (Hours.COMMODITY, "Mon 22:00", "Tue 21:00"),
    (Hours.COMMODITY, "Thu 22:00", "Fri 21:00"),
]


@pytest.mark.parametrize(("hours", "opens", "closes"), SESSIONS)
def test_a_session_begins_and_ends_at_its_borders(hours: Hours, opens: str, closes: str) -> None:
    moments = [utc(opens) - 0.001, utc(opens), utc(closes) - 0.001, utc(closes)]
    assert [is_open(hours, at) for at in moments] == [False, True, True, False]


@pytest.mark.parametrize(("hours", "opens", "closes"), SESSIONS)
def test_the_next_change_is_the_next_border_and_never_now(hours: Hours, opens: str, closes: str) -> None:
    assert next_change(hours, utc(opens) - 0.001) == utc(opens)
    assert next_change(hours, utc(opens)) == utc(closes)
    assert next_change(hours, utc(closes) - 0.001) == utc(closes)


@pytest.mark.parametrize(
    ("hours", "closed_at", "opens"),
    [
        (Hours.FOREX, "Fri 22:00", "Sun 22:00"),
        (Hours.EXCHANGE, "Fri 20:00", "Mon 13:30"),
        (Hours.COMMODITY, "Fri 21:00", "Sun 22:00"),
    ],
)
def test_a_weekend_is_closed_until_the_next_week_opens(hours: Hours, closed_at: str, opens: str) -> None:
    week = 7 * 86400
    assert not is_open(hours, utc("Sat 12:00"))
    assert next_change(hours, utc(closed_at)) == utc(opens) + week


def test_every_change_of_a_week_turns_open_into_closed_or_back() -> None:
    for hours, changes in ((Hours.FOREX, 2), (Hours.EXCHANGE, 10), (Hours.COMMODITY, 10)):
        at = end = utc("Sun 00:00")
        end += 7 * 86400
        seen = 0
        while (change := next_change(hours, at)) < end:
            assert is_open(hours, change) != is_open(hours, (at + change) / 2)
            at = change
            seen += 1
        assert seen == changes


def test_over_the_counter_and_crypto_never_close() -> None:
    always = [i for i in CATALOGUE if i.is_otc or i.kind is Kind.CRYPTOCURRENCY]
    assert {i.hours for i in always} == {Hours.ALWAYS}
    assert all(is_open(Hours.ALWAYS, utc(day)) for day in ("Sat 23:59", "Sun 00:00", "Wed 12:00"))
    assert next_change(Hours.ALWAYS, utc("Sat 12:00")) == inf


def test_the_others_have_the_hours_of_their_kind() -> None:
    hours = {(i.kind, i.hours) for i in CATALOGUE if not i.is_otc}
    assert hours == {
        (Kind.CURRENCY, Hours.FOREX),
        (Kind.STOCK, Hours.EXCHANGE),
        (Kind.INDEX, Hours.EXCHANGE),
        (Kind.CRYPTOCURRENCY, Hours.ALWAYS),
        (Kind.COMMODITY, Hours.COMMODITY),
    }


def test_the_catalogue_has_the_size_and_the_known_numbers_of_a_real_one() -> None:
    first = CATALOGUE[0]
    assert (first.id, first.symbol, first.label, first.kind) == (5, "#AAPL", "Apple", Kind.STOCK)
    assert (BY_SYMBOL["EURUSD"].id, BY_SYMBOL["EURUSD_otc"].id) == (1, 66)
    assert BY_SYMBOL["EURUSD_otc"].label == "EUR/USD OTC"
    assert {"#AAPL_otc", "AMZN_otc", "ADA-USD_otc"} <= BY_SYMBOL.keys()
    assert 170 <= len(CATALOGUE) <= 190


def test_ids_and_symbols_are_unique() -> None:
    assert len(BY_ID) == len(BY_SYMBOL) == len(CATALOGUE)


def test_twins_name_each_other_and_are_one_thing() -> None:
    def underlying(instrument: Instrument) -> tuple[str, Kind, int]:
        return instrument.symbol.removesuffix("_otc"), instrument.kind, instrument.digits

    twins = [(i, BY_ID[i.twin_id]) for i in CATALOGUE if i.twin_id is not None]
    assert len(twins) > 100
    for one, other in twins:
        assert other.twin_id == one.id
        assert {one.is_otc, other.is_otc} == {False, True}
        assert underlying(one) == underlying(other)


def test_an_instrument_without_a_twin_has_none_in_the_catalogue() -> None:
    for instrument in CATALOGUE:
        if instrument.twin_id is None:
            symbol = instrument.symbol
            assert (symbol.removesuffix("_otc") if instrument.is_otc else symbol + "_otc") not in BY_SYMBOL


def test_digits_and_payouts_are_in_the_captured_ranges() -> None:
    assert all(1 <= i.digits <= 7 and 0 < i.payout_percent <= 92 for i in CATALOGUE)
    assert [BY_SYMBOL[s].digits for s in ("EURUSD", "USDJPY", "#AXP", "BTCUSD")] == [5, 3, 3, 2]


def test_every_price_has_room_to_move_in_its_digits() -> None:
    daily_points = [i.base_price * i.daily_volatility * 10**i.digits for i in CATALOGUE]
    assert min(daily_points) >= 20
