"""What the doctor reads out of a store is what a monitor wrote into it."""

from pathlib import Path

import pytest

from probe.diagnose.case import End, Held, Past, Reconnected, Spell, Try
from probe.doctor.past import read_past
from probe.measure.histogram import Histogram
from probe.measure.records import Attempt, Disconnected, Metric, Notice, Period, Record, Tick, Trigger
from probe.model.failures import Failure
from probe.store.retention import Keep
from probe.store.writer import StoreWriter

NOON = 1_767_787_200.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "kept.sqlite"
    writer = StoreWriter(path, keep=Keep(), notice=print, clock_utc=lambda: NOON)
    writer.start()
    for record in (
        Attempt(at_utc=NOON - 500, target="one", endpoint="near", purpose="hold"),
        Disconnected(
            at_utc=NOON - 100,
            target="one",
            endpoint="near",
            lasted_seconds=399.0,
            initiator="remote",
            close_code=1005,
            planned=False,
            failure=Failure(kind="session.closed-1005"),
            heard_seconds=0.5,
            said_seconds=12.0,
        ),
        Attempt(
            at_utc=NOON - 98,
            target="one",
            endpoint="near",
            purpose="hold",
            failure=Failure(kind="http.429", http_status=429),
            http_status=429,
        ),
        Attempt(at_utc=NOON - 200_000, target="one", endpoint="near", purpose="hold"),
        Attempt(at_utc=NOON - 5, target="other", endpoint="near", purpose="hold"),
    ):
        writer.write(record)
    assert writer.close(30.0)
    return path


def test_attempts_and_ends_of_the_last_day_come_back_with_the_time_between_them(store: Path) -> None:
    assert read_past(store, "one", NOON) == Past(
        seconds=500.0,
        region="near",
        tries=(
            Try(ago_seconds=500.0, endpoint="near"),
            Try(ago_seconds=98.0, code="http.429", kind="http.429", status=429, endpoint="near"),
        ),
        ends=(
            End(
                ago_seconds=100.0,
                lived_seconds=399.0,
                code="session.closed-1005",
                heard_seconds=0.5,
                said_seconds=12.0,
                next_try_after_seconds=2.0,
            ),
        ),
        spells=(
            Spell(code="session.closed-1005", first_ago_seconds=100.0, last_ago_seconds=100.0, times=1),
            Spell(code="http.429", first_ago_seconds=98.0, last_ago_seconds=98.0, times=1),
        ),
    )


def test_of_a_target_or_a_store_that_nobody_knows_nothing_is_said(store: Path) -> None:
    assert read_past(store, "nobody", NOON) is None
    assert read_past(store.with_name("absent"), "one", NOON) is None
    damaged = store.with_name("damaged")
    damaged.write_bytes(b"x" * 5000)
    assert read_past(damaged, "one", NOON) is None


def kept(path: Path, *records: Record) -> None:
    writer = StoreWriter(path, keep=Keep(), notice=print, clock_utc=lambda: NOON)
    writer.start()
    for each in records:
        writer.write(each)
    assert writer.close(30.0)


def tried(
    ago: float,
    target: str = "one",
    failure: Failure | None = None,
    trigger: Trigger = Trigger.REMOTE_CLOSE,
    endpoint: str = "near",
) -> Attempt:
    return Attempt(
        at_utc=NOON - ago, target=target, endpoint=endpoint, purpose="hold", trigger=trigger, failure=failure
    )


def dropped(ago: float) -> Disconnected:
    return Disconnected(
        at_utc=NOON - ago,
        target="one",
        endpoint="near",
        lasted_seconds=100.0,
        initiator="remote",
        close_code=None,
        planned=False,
        failure=Failure(kind="session.closed-1006"),
    )


def priced(ago: float, symbol: str, target: str = "one") -> Tick:
    return Tick(NOON - ago, target, symbol, NOON - ago, 1.1)


def test_a_session_that_still_has_prices_is_held_and_one_that_ended_is_not(tmp_path: Path) -> None:
    kept(tmp_path / "a", tried(500), priced(3, "A"))
    kept(tmp_path / "b", tried(500), priced(3, "A"), dropped(2))
    kept(tmp_path / "c", tried(500), priced(300, "A"))
    held = [past.held for name in "abc" if (past := read_past(tmp_path / name, "one", NOON))]
    assert held == [Held(region="near", seconds=500.0, heard_seconds=3.0), None, None]


def test_which_symbols_had_prices_before_and_after_the_last_reconnect(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    before = (tried(900), priced(800, "A"), priced(650, "B"), dropped(600))
    kept(path, *before, tried(590), priced(5, "A"), priced(4, "C", target="other"))
    past = read_past(path, "one", NOON)
    assert past is not None
    assert past.reconnected == Reconnected(
        ago_seconds=590.0, symbols_before=frozenset("AB"), symbols_since=frozenset("A")
    )


def test_a_monitor_that_was_started_anew_may_watch_other_symbols(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    kept(path, tried(900), priced(650, "B"), dropped(600), tried(590, trigger=Trigger.START), priced(5, "A"))
    past = read_past(path, "one", NOON)
    assert past is not None
    assert past.reconnected is None


def test_others_of_the_same_broker_are_read_if_they_are_named(tmp_path: Path) -> None:
    path, refused = tmp_path / "kept", Failure(kind="auth.refused")
    kept(path, tried(9), tried(8, "two", refused), tried(7, "three"))
    past = read_past(path, "one", NOON, ["two", "one", "absent"])
    assert past is not None
    assert [[each.kind for each in other.tries] for other in past.neighbours] == [["auth.refused"]]


def test_the_usual_round_trip_leaves_out_the_last_minutes(tmp_path: Path) -> None:
    def minute(ago: float, seconds: float) -> Period:
        trips = {Metric.WS_RTT: Histogram.of([seconds] * 12)}
        return Period(began_utc=NOON - ago, seconds=60.0, target="one", histograms=trips)

    enough = (minute(3600, 0.1), minute(3540, 0.1), minute(60, 3.0))
    kept(tmp_path / "few", tried(9), minute(3600, 0.1))
    kept(tmp_path / "kept", tried(9), *enough)
    kept(tmp_path / "two regions", tried(9), tried(8, endpoint="far"), *enough)
    pasts = [read_past(tmp_path / name, "one", NOON) for name in ("few", "kept", "two regions")]
    usual = [past.usual_round_trip for past in pasts if past]
    assert usual == [None, pytest.approx(0.1, rel=0.02), None]


def test_what_a_monitor_could_not_keep_is_told_in_its_own_words(tmp_path: Path) -> None:
    notices = [
        Notice(at_utc=NOON - ago, code=code, sentence=f"{code} {ago} s ago")
        for code, ago in (("store.dropped", 7200), ("store.dropped", 50), ("clock.stepped", 40))
    ]
    kept(tmp_path / "kept", tried(9), *notices)
    past = read_past(tmp_path / "kept", "one", NOON)
    assert past is not None
    assert past.not_kept == ("store.dropped 50 s ago",)
