"""What the doctor reads out of a store is what a monitor wrote into it."""

from pathlib import Path

import pytest

from probe.diagnose.case import End, Past, Try
from probe.doctor.past import read_past
from probe.measure.records import Attempt, Disconnected
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
        tries=(
            Try(ago_seconds=500.0),
            Try(ago_seconds=98.0, code="http.429", kind="http.429", status=429),
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
    )


def test_of_a_target_or_a_store_that_nobody_knows_nothing_is_said(store: Path) -> None:
    assert read_past(store, "nobody", NOON) is None
    assert read_past(store.with_name("absent"), "one", NOON) is None
    damaged = store.with_name("damaged")
    damaged.write_bytes(b"x" * 5000)
    assert read_past(damaged, "one", NOON) is None
