from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.brokers.mt5.journal import (
    DAY,
    Authorized,
    Disconnected,
    Journal,
    JournalEvent,
    Lost,
    OrderDone,
    OrderFailed,
    Started,
    Switched,
    Synchronized,
    date_of,
    read,
)
from probe.model.meanings import Effect, Figure, Figures, Meaning, Trouble, Troubles
from probe.wire.calls import NewLines

TODAY = date(2026, 11, 23)
MIDNIGHT = 20_780 * DAY  # since 1970


def line(at: str, text: str, source: str = "Network") -> str:
    return f"PE\t0\t{at}\t{source}\t{text}"


def at(hours: int, minutes: int, seconds: float) -> float:
    return MIDNIGHT + hours * 3600 + minutes * 60 + seconds


LOST = "'12345678': connection to Broker-Demo lost"
BACK = "'12345678': authorized on Broker-Demo through Access Server NY-3 (ping: 8.42 ms, build 4755)"
SYNC = "'12345678': terminal synchronized with Some Company: 0 positions, 0 orders, 3165 symbols, 0 spreads"
BETTER = "'12345678': auto connecting to a better access point with 92% quality (previous: 71%)"
LEFT = "'12345678': disconnected from Broker-Demo"


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            line("16:27:33.764", BACK),
            Authorized(
                at=at(16, 27, 33.764),
                server="Broker-Demo",
                access_point="Access Server NY-3",
                ping_seconds=0.00842,
                build=4755,
            ),
        ),
        (
            line("16:27:33.764", "'1': authorized on Broker-Demo through Access Point SG 2"),
            Authorized(at=at(16, 27, 33.764), server="Broker-Demo", access_point="Access Point SG 2"),
        ),
        (
            line("16:27:33.764", "'1': authorized on Broker-Demo"),
            Authorized(at=at(16, 27, 33.764), server="Broker-Demo"),
        ),
        (line("16:27:29.512", LOST), Lost(at=at(16, 27, 29.512), server="Broker-Demo")),
        (line("16:27:34.649", SYNC), Synchronized(at=at(16, 27, 34.649), company="Some Company")),
        (line("16:30:00", BETTER), Switched(at=at(16, 30, 0), quality_percent=92)),
        (line("16:30:00.100", LEFT), Disconnected(at=at(16, 30, 0.1), server="Broker-Demo")),
        (
            line(
                "09:00:00.000",
                "'1': order #77 buy stop 0.16 / 0.16 XAUUSD at 4772.25 done in 4.105 ms",
                "Trades",
            ),
            OrderDone(at=at(9, 0, 0), seconds=0.004105),
        ),
        (
            line("09:00:00.000", "'1': failed market buy 0.1 EURUSD [Off quotes]", "Trades"),
            OrderFailed(at=at(9, 0, 0), reason="Off quotes"),
        ),
        (
            line("08:00:00.000", "MetaTrader 5 x64 build 5833 started for Some Company", "Terminal"),
            Started(at=at(8, 0, 0), build=5833),
        ),
    ],
)
def test_each_known_line_is_one_event(text: str, event: JournalEvent) -> None:
    assert read(text, TODAY) == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\tnot a line",
        line("16:27:33.764", "'1': previous successful authorization performed from 192.0.2.1 on 2026.04.23"),
        line("16:27:33.764", "'1': scanning network for access points"),
        line("16:27:33.764", "'1': trading has been enabled - hedging mode"),
        line("16:27:33.764", LOST, "Experts"),
        line("16:27:33.764", LOST) + " " * 5000,
    ],
)
def test_other_lines_are_no_event(text: str) -> None:
    assert read(text, TODAY) is None


def test_the_mark_before_the_first_line_of_a_file_is_read_over() -> None:
    assert read("\ufeff" + line("16:27:29.512", LOST), TODAY) == Lost(
        at=at(16, 27, 29.512), server="Broker-Demo"
    )


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    read(text, TODAY)


PIECES = st.sampled_from(
    [
        "authorized on ", "connection to ", " lost", "terminal synchronized with ", "done in ", " ms", "failed ", "[", "]",
        "build ", " started", "through ", "(ping: ", "9" * 12, ".", "connecting to a better access point with ", "%", "\t", "٣",
    ]
)  # fmt: skip


@given(
    st.sampled_from(["Network", "Trades", "Terminal"]), st.lists(PIECES | st.text(max_size=5), max_size=12)
)
def test_no_line_that_is_nearly_one_raises(source: str, pieces: list[str]) -> None:
    said = read(line("23:59:59.999", "".join(pieces), source), TODAY)
    Journal().fold(NewLines(file="x", lines=(repr(said),), is_first=False), 0.0)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("20261123.log", TODAY), ("20261399.log", None), ("terminal.log", None), ("", None)],
)
def test_the_date_stands_in_the_name(file: str, expected: date | None) -> None:
    assert date_of(file) == expected


class Reading:
    """A journal that was opened before."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.told: tuple[Meaning, ...] = ()
        self.add(0.0, is_first=True)

    def add(
        self, now: float, *lines: str, file: str = "20261123.log", is_first: bool = False
    ) -> list[Trouble]:
        self.told = self.journal.fold(NewLines(file=file, lines=lines, is_first=is_first), now)
        return [row for each in self.told if isinstance(each, Troubles) for row in each.rows]

    @property
    def figures(self) -> list[Figure]:
        return [row for each in self.told if isinstance(each, Figures) for row in each.rows]


def test_a_journal_without_events_has_no_trouble() -> None:
    reading = Reading()
    assert reading.add(5.0, line("10:00:00.000", "'1': scanning network finished")) == []
    assert reading.told == (Troubles(about="journal"),)


def test_a_lost_link_stalls_until_it_is_back() -> None:
    reading = Reading()
    (trouble,) = reading.add(5.0, line("16:27:29.512", LOST))
    assert (trouble.code, trouble.effect) == ("mt5.no-server-connection", Effect.STALLS)
    (trouble,) = reading.add(10.0, line("16:27:33.764", BACK), line("16:27:34.649", SYNC))
    assert trouble.effect is Effect.NOTED
    (outage,) = reading.journal.outages
    assert outage.seconds == pytest.approx(4.252, abs=1e-5)
    assert outage.access_point == "Access Server NY-3"
    assert reading.journal.sync_seconds == pytest.approx(0.885, abs=1e-5)
    assert reading.journal.build == 4755


@pytest.mark.parametrize("file", ["20261124.log", "terminal.log"])
def test_an_outage_over_midnight_keeps_its_length(file: str) -> None:
    reading = Reading()
    reading.add(5.0, line("23:59:50.000", LOST), file=file if file == "terminal.log" else "20261123.log")
    reading.add(40.0, line("00:00:20.000", BACK), file=file)
    assert [each.seconds for each in reading.journal.outages] == [pytest.approx(30.0)]


def test_three_drops_within_an_hour_degrade_and_are_forgotten_later() -> None:
    reading = Reading()
    told = [
        reading.add(60.0 * minute, line(f"10:0{minute}:00.000", LOST), line(f"10:0{minute}:02.500", BACK))
        for minute in range(3)
    ]
    assert [[each.effect for each in rows] for rows in told] == [
        [Effect.NOTED],
        [Effect.NOTED],
        [Effect.DEGRADES],
    ]
    ((last,),) = told[2:]
    assert last.sentence == "the terminal lost its broker 3 times within an hour, for 2.5 s at the longest"
    assert reading.add(3_800.0) == []


def test_going_to_a_better_access_server_is_no_fault() -> None:
    reading = Reading()
    assert reading.add(5.0, line("16:30:00.000", BETTER), line("16:30:00.200", LOST)) == []
    assert reading.add(10.0, line("16:30:01.000", BACK)) == []
    assert list(reading.journal.outages) == []


def test_a_switch_that_does_not_arrive_is_a_lost_link() -> None:
    reading = Reading()
    reading.add(5.0, line("16:30:00.000", BETTER), line("16:30:00.200", LEFT))
    assert [each.effect for each in reading.add(15.0)] == [Effect.STALLS]


def test_a_drop_long_after_a_switch_counts() -> None:
    reading = Reading()
    reading.add(5.0, line("16:30:00.000", BETTER))
    reading.add(65.0, line("16:31:00.000", LOST), line("16:31:05.000", BACK))
    assert [each.seconds for each in reading.journal.outages] == [pytest.approx(5.0)]


def test_what_happened_before_we_came_counts_for_nothing() -> None:
    journal = Journal()
    lines = (
        line("09:00:00.000", LOST),
        line("09:05:00.000", BACK),
        line("09:06:00.000", "'1': failed market buy 0.1 EURUSD [Off quotes]", "Trades"),
    )
    assert journal.fold(NewLines(file="20261123.log", lines=lines, is_first=True), 0.0) == (
        Troubles(about="journal"),
    )
    assert (list(journal.outages), journal.access_point) == ([], "Access Server NY-3")


def test_a_link_that_was_lost_before_we_came_is_lost() -> None:
    journal = Journal()
    told = journal.fold(
        NewLines(file="20261123.log", lines=(line("09:00:00.000", LOST),), is_first=True), 0.0
    )
    assert [row.effect for each in told if isinstance(each, Troubles) for row in each.rows] == [Effect.STALLS]


def test_pings_and_orders_are_figures() -> None:
    reading = Reading()
    reading.add(
        5.0,
        line("16:27:33.764", BACK),
        line("16:28:00.000", "'1': order #1 buy 0.1 / 0.1 EURUSD at 1.1 done in 120.5 ms", "Trades"),
    )
    assert reading.figures == [Figure("terminal_ping_seconds", 0.00842), Figure("order_rtt_seconds", 0.1205)]


def test_orders_that_fail_for_want_of_prices_are_noted_for_ten_minutes() -> None:
    reading = Reading()
    failed = line("10:00:00.000", "'1': failed market buy 0.1 EURUSD [Off quotes]", "Trades")
    rows = reading.add(5.0, failed, failed, failed.replace("Off quotes", "Not enough money"))
    assert [(each.code, each.effect) for each in rows] == [("mt5.no-prices", Effect.NOTED)]
    assert "2 orders" in rows[0].sentence
    assert reading.add(700.0) == []
