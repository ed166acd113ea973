"""The series of a monitored session say what its watch knows, begin at zero and go with their target."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporters.book import Book
from exporters.observer import Observer
from probe.measure.metrics import FAMILIES, PREFIX
from probe.measure.records import Attempt, Disconnected, Metric, Notice, Period, Sample, Tick
from probe.model.credentials import redactor_for
from probe.model.failures import Failure
from tests.exporters.exported import KEPT, exported
from tests.monitor.matrix import Course, course
from tests.monitor.matrix_coins import REST
from tests.virtual.travelling import run

SETTLES = 30.0
SATURDAY = datetime(2026, 1, 10, 12, tzinfo=UTC).timestamp()


def values(book: Book, name: str) -> dict[tuple[str, ...], float]:
    """By the labels' values, the target's apart."""
    return {
        tuple(text for key, text in sample.labels.items() if key != "target"): sample.value
        for family in book.collect()
        for sample in family.samples
        if sample.name == f"{PREFIX}{name}"
    }


def value(book: Book, name: str, *labels: str) -> float | None:
    return values(book, name).get(labels)


def targets(book: Book) -> set[str]:
    return {sample.labels.get("target", "") for family in book.collect() for sample in family.samples} - {""}


async def a_look() -> None:
    await asyncio.sleep(1.5)


def test_a_drop_is_told_in_every_way() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            assert value(book, "session_up") == 1.0
            assert value(book, "reconnects_total", "remote_close") == 0.0
            assert set(values(book, "session_bad_seconds_total")) == {("disconnected",), ("auth",), ("stalled",), ("degraded",)}  # fmt: skip
            messages = value(book, "messages_received_total") or 0.0
            number = await one.simulator.board.switch_on("drop:at=0s")
            await one.until(lambda: one.incidents)
            await one.simulator.board.switch_off(number)
            await one.until(lambda: one.is_over)
            await asyncio.sleep(SETTLES)
            ends = one.monitor.watches["one"].tries.disconnects
            assert ends >= 1
            assert values(book, "disconnects_total") == {("near", "network", "none"): ends}
            assert sum(values(book, "reconnects_total").values()) == ends
            assert value(book, "reconnect_gap_seconds_count") == ends
            assert value(book, "incidents_total", "disconnected") == len(one.incidents)
            assert value(book, "diagnosis", "session.closed-1006") is None  # it holds no more
            assert value(book, "session_start_timestamp_seconds") == one.snapshot().session_since_utc
            assert (
                (value(book, "messages_received_total") or 0.0)
                > messages
                > one.snapshot().traffic.messages_received / 9
            )
            await a_look()
            ledger = one.monitor.watches["one"].ledger
            assert (value(book, "session_observed_seconds_total") or 0.0) == pytest.approx(
                ledger.observed, abs=1.1
            )
            assert value(book, "session_bad_seconds_total", "disconnected") == pytest.approx(
                ledger.bad[next(iter(ledger.bad))]
            )

    run(scene())


def test_what_is_told_while_it_is_bad_holds_then_and_not_afterwards() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            number = await one.simulator.board.switch_on("silent-stall:at=0s")
            await asyncio.sleep(20.0)
            assert (value(book, "session_up"), value(book, "stalls_total")) == (0.0, 1.0)
            assert value(book, "session_state", "stalled") == 1.0
            assert value(book, "diagnosis", "session.silent-stall") == 1.0
            exemplars = [s.exemplar for family in book.collect() for s in family.samples if s.exemplar]
            assert any("incident" in each.labels for each in exemplars)
            assert all(sum(map(len, (*each.labels, *each.labels.values()))) <= 128 for each in exemplars)
            await one.simulator.board.switch_off(number)
            assert await one.until(lambda: one.is_over)
            await a_look()
            assert (value(book, "session_up"), value(book, "session_state", "stalled")) == (1.0, 0.0)
            assert value(book, "diagnosis", "session.silent-stall") is None

    run(scene())


def test_a_refused_login_is_a_failure_with_its_step_and_reason_and_the_credential_is_called_so() -> None:
    async def scene() -> None:
        async with exported("pocketoption", "auth-refused") as (_, book):
            await asyncio.sleep(SETTLES)
            assert value(book, "connect_failures_total", "near", "authenticating", "auth_expired") == 1.0
            assert value(book, "connect_failures_total", "near", "upgrading", "http_status") == 0.0
            assert value(book, "credential_state", "expired") == 1.0
            assert value(book, "session_start_timestamp_seconds") is None
            assert value(book, "health_score") == 0.0
            assert value(book, "clock_offset_seconds") is None

    run(scene())


def test_what_belongs_to_the_monitor_itself_is_exported() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (_, book):
            await asyncio.sleep(SETTLES)
            sent, lost = KEPT.delivered["hook"]
            assert (value(book, "notifications_total", "hook"), value(book, "notifications_failed_total", "hook")) == (sent, lost)  # fmt: skip
            assert (value(book, "store_failing"), value(book, "uplink_up")) == (0.0, 1.0)
            assert (value(book, "event_loop_lag_seconds_count") or 0.0) > SETTLES

    run(scene())


def test_without_history_channels_and_control_address_there_are_no_such_series() -> None:
    async def scene() -> None:
        async with course("pocketoption") as one:
            book = await attached(one)
            assert (values(book, "store_failing"), values(book, "uplink_up"), values(book, "notifications_total")) == ({}, {}, {})  # fmt: skip

    run(scene())


async def attached(one: Course, max_targets: int = 64) -> Book:
    """An observer that comes late, and runs for some seconds."""
    book = Book(FAMILIES, max_series=5000)
    await asyncio.sleep(SETTLES)
    observing = asyncio.create_task(Observer(one.monitor, book, max_targets=max_targets).run())
    await asyncio.sleep(10.0)
    observing.cancel()
    await asyncio.wait([observing])
    return book


def test_an_observer_that_comes_late_has_the_totals_from_the_beginning() -> None:
    async def scene() -> None:
        async with course("pocketoption") as one:
            book = await attached(one)
            watch = one.monitor.watches["one"]
            assert value(book, "connect_attempts_total", "near") == watch.tries.tried["near"]
            assert (value(book, "ticks_total", "EURUSD_otc") or 0.0) > SETTLES
            assert (value(book, "heartbeats_total") or 0.0) > 0.0

    run(scene())


def test_the_series_of_a_target_go_with_it_and_those_of_a_changed_one_begin_anew() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            wanted = one.monitor.wanted[0]
            await one.monitor.apply([replace(wanted, name="two"), wanted])
            await asyncio.sleep(SETTLES)
            assert targets(book) == {"one", "two"}
            await one.monitor.apply([replace(wanted, name="two", objective=0.9)])
            await a_look()
            assert targets(book) == {"two"}
            assert value(book, "slo_objective_ratio") == 0.9
            assert (value(book, "session_observed_seconds_total") or 0.0) < 5.0
            await one.monitor.apply([])
            await a_look()
            assert targets(book) == set()

    run(scene())


def test_targets_that_are_too_many_are_told_and_take_their_place_when_there_is_one() -> None:
    async def scene() -> None:
        async with exported("pocketoption", max_targets=1) as (one, book):
            wanted = one.monitor.wanted[0]
            await one.monitor.apply([wanted, replace(wanted, name="two")])
            await asyncio.sleep(SETTLES)
            assert (targets(book), value(book, "targets_refused")) == ({"one"}, 1.0)
            await one.monitor.apply([replace(wanted, name="two")])
            await a_look()
            assert (targets(book), value(book, "targets_refused")) == ({"two"}, 0.0)

    run(scene())


def test_a_number_that_was_taken_while_we_were_late_is_in_no_histogram() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            before = value(book, "ws_ping_rtt_seconds_count", "near")
            for tainted in (True, True, False):
                one.monitor.emit(Sample(one.now, "one", "near", Metric.WS_RTT, 0.01, tainted))
            one.monitor.emit(Sample(one.now, "one", "near", Metric.CLOCK_SKEW, 0.01, tainted=False))
            assert value(book, "ws_ping_rtt_seconds_count", "near") == (before or 0.0) + 1

    run(scene())


def test_what_a_failure_quotes_is_in_no_series() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            failure = Failure(kind="tcp.refused", detail="planted-secret-4471")
            one.monitor.emit(
                Attempt(at_utc=one.began_utc, target="one", endpoint="near", purpose="knock", failure=failure)
            )
            shown = str([sample for family in book.collect() for sample in family.samples])
            assert value(book, "connect_failures_total", "near", "connecting", "refused") == 1.0
            assert "planted" not in shown
            redact = redactor_for(one.simulator.key(one.monitor.wanted[0].endpoints[0]))
            assert redact(shown) == shown

    run(scene())


def test_times_before_and_after_a_step_of_the_clock_are_not_compared() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            later = Tick(one.monitor.now_utc + 3600.0, "one", "EURUSD_otc", 1.0, 1.0)
            before = value(book, "tick_interarrival_seconds_sum")
            one.monitor.emit(Notice(at_utc=one.began_utc, code="clock.stepped", sentence="it went forward"))
            one.monitor.emit(later)
            assert value(book, "tick_interarrival_seconds_sum") == before
            one.monitor.emit(later._replace(at_utc=later.at_utc + 0.5))
            assert value(book, "tick_interarrival_seconds_sum") == pytest.approx((before or 0.0) + 0.5)

    run(scene())


def test_a_price_s_time_by_a_clock_that_was_wrong_is_not_kept() -> None:
    async def scene() -> None:
        async with exported("pocketoption", utc=SATURDAY, symbols=("EURUSD",)) as (one, book):
            await asyncio.sleep(SETTLES)
            one.monitor.emit(Tick(one.monitor.now_utc, "one", "EURUSD", 1.0, 1.0))
            await a_look()
            assert set(values(book, "last_tick_timestamp_seconds")) == {("EURUSD",)}
            one.monitor.emit(Notice(at_utc=one.began_utc, code="clock.stepped", sentence="it went back"))
            await a_look()
            assert values(book, "last_tick_timestamp_seconds") == {}

    run(scene())


def test_a_session_that_ends_before_its_beginning_was_told_has_its_gap_too() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            now = one.monitor.now_utc
            end = Disconnected(
                at_utc=now,
                target="one",
                endpoint="near",
                lasted_seconds=9.0,
                initiator="network",
                close_code=None,
                planned=False,
                failure=None,
            )
            flows = Sample(now + 2.0, "one", "near", Metric.CONNECT, 2.0, tainted=False)
            for record in (end, replace(end, at_utc=now + 2.2), flows, flows._replace(at_utc=now + 5.2)):
                one.monitor.emit(record)
            assert value(book, "reconnect_gap_seconds_count") == 2.0
            assert value(book, "reconnect_gap_seconds_sum") == pytest.approx(2.0 + 3.0)

    run(scene())


def test_when_something_last_came_is_still_known_when_the_session_is_over() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(SETTLES)
            await one.simulator.board.switch_on("silent-stall:at=0s")
            await asyncio.sleep(20.0)  # pongs come, and no prices
            before = value(book, "last_message_timestamp_seconds") or 0.0
            await one.simulator.board.switch_on("refuse")
            await one.simulator.board.switch_on("drop:at=0s")
            assert await one.until(lambda: one.monitor.watches["one"].vitals is None)
            await a_look()
            assert one.monitor.watches["one"].vitals is None
            assert (value(book, "last_message_timestamp_seconds") or 0.0) >= before > one.began_utc

    run(scene())


def test_where_there_is_no_credential_nothing_is_said_of_it() -> None:
    async def scene() -> None:
        async with exported("bingx", at=REST, key=None) as (_, book):
            await asyncio.sleep(SETTLES)
            assert (value(book, "session_up"), value(book, "credential_state", "unknown")) == (1.0, 1.0)

    run(scene())


def test_counts_go_on_over_the_ends_of_minutes() -> None:
    async def scene() -> None:
        async with exported("pocketoption") as (one, book):
            await asyncio.sleep(150.0)
            minutes = one.of(Period)
            assert len(minutes) == 2
            for name, field in (("heartbeats", "beats_sent"), ("requests", "requests_sent")):
                told = [getattr(each, field) for each in minutes]
                assert min(told) > 0
                assert (value(book, f"{name}_total") or 0.0) > sum(told)

    run(scene())
