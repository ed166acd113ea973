"""Failures that move: ten minutes of one cause, then ten of another, in one store of one monitor, are told apart by time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import pytest

from probe.brokers import find_broker
from probe.cli.doctor_report import Page, as_data
from probe.doctor.examine import Examination, Means, Patient, examine
from tests.doctor.scenes import Scene, stored
from tests.monitor.matrix import course
from tests.virtual.travelling import run

TEN_MINUTES = 600.0
SETTLED = 60.0
LONGEST_PAUSE = 300.0  # between two attempts
AT_THE_DOOR = ("refuse", "http-status", "no-open", "auth-silent")
BROKER = find_broker("pocketoption")


def clock(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%H:%M UTC")


async def lived_through(faults: Sequence[str], *, heals: bool) -> tuple[Examination, list[float]]:
    """One fault after the other, each for ten minutes, beneath a monitor; then the doctor comes. With the times at which they
    began and the last one ended."""
    async with course(BROKER) as one:
        assert await one.until(lambda: one.now >= SETTLED)
        turns = []
        for fault in faults:
            turns.append(one.began_utc + one.now)
            number = await one.simulator.board.switch_on(fault)
            if fault.startswith(AT_THE_DOOR):  # whoever is in stays in, until he is sent out
                sent_out = await one.simulator.board.switch_on("drop:at=0s")
                await asyncio.sleep(1.0)
                await one.simulator.board.switch_off(sent_out)
            await asyncio.sleep(TEN_MINUTES)
            if heals or fault != faults[-1]:
                await one.simulator.board.switch_off(number)
        turns.append(one.began_utc + one.now)
        await asyncio.sleep(TEN_MINUTES * heals)
        endpoint = one.simulator.plain_endpoints()[0]
        patient = Patient(
            name="one", broker=BROKER, endpoint=endpoint, key=one.simulator.key(endpoint), symbol="EURUSD_otc"
        )
        scene = Scene(patient=patient, means=Means(), utc=one.began_utc + one.now)
        async with stored(scene, one.records) as found:
            examination = await examine(found.patient, found.means, utc=lambda: one.began_utc + one.now)
        return examination, turns


def before(examination: Examination) -> list[str]:
    lines = [click.unstyle(line) for line in Page(columns=1000).of(examination)]
    start = next((place for place, line in enumerate(lines) if line.startswith("before ")), len(lines))
    rows = []
    for line in lines[start:]:
        if not line.strip():
            break
        rows.append(line[10:])
    return rows


@pytest.mark.parametrize(
    ("faults", "codes"),
    [
        (("refuse", "http-status:code=503"), ("tcp.refused", "http.bad-gateway")),
        (("silent-stall:at=0s", "no-open"), ("session.silent-stall", "eio.no-open")),
        pytest.param(
            ("http-status:code=503", "auth-silent"),
            ("http.bad-gateway", "auth.silent-after-connect"),
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_was_until_then_and_what_is_since_then(faults: tuple[str, str], codes: tuple[str, str]) -> None:
    examination, (first, turn, _) = run(lived_through(faults, heals=False))
    rows = {row["code"]: row for row in as_data(examination)["past"]}  # type: ignore[attr-defined]
    assert [code for code in rows if code in codes] == list(codes)
    one, two = (rows[code] for code in codes)
    assert abs(_utc(one["first"]) - first) < 60.0
    assert -1.0 < turn - _utc(one["last"]) < LONGEST_PAUSE
    assert 0.0 <= _utc(two["first"]) - turn < LONGEST_PAUSE
    told = [row for row in before(examination) if any(f"({code})" in row for code in codes)]
    assert told[0].startswith(f"From {clock(_utc(one['first']))} to {clock(_utc(one['last']))}: ")
    assert told[1].startswith(f"Since {clock(_utc(two['first']))}: ")
    assert examination.diagnosis.verdicts[0].code == codes[1]


def _utc(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def test_what_is_over_is_not_said_of_now() -> None:
    examination, (first, turn, end) = run(lived_through(("refuse", "http-status:code=503"), heals=True))
    assert examination.diagnosis.verdicts == ()
    dropped, refused, away = before(examination)
    assert dropped.startswith("At ")
    assert dropped.endswith("(session.closed-1006), 1 time.")
    assert refused.startswith(f"From {clock(first)} to ")
    assert away.startswith(f"From {clock(turn)} to ")
    assert max(_utc(row["last"]) for row in as_data(examination)["past"]) <= end  # type: ignore[attr-defined]
