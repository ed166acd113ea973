"""Staged for real: one address family, region, symbol, account or connection of several has it, and the page says which."""

import asyncio
from dataclasses import replace
from unittest.mock import patch

import click
import pytest

from probe.cli.doctor_report import Page, as_data
from probe.cli.share import shared
from probe.diagnose.case import Lookup
from probe.doctor import names
from probe.doctor.examine import Examination, Means, examine
from probe.measure.records import Record
from tests.doctor.scenes import Scene, stored
from tests.doctor.simulated import simulated
from tests.doctor.staged import login
from tests.doctor.staging import Stage, _examined
from tests.doctor.test_deep import with_another_region
from tests.monitor.matrix import WEDNESDAY_NOON, course, simulated_at
from tests.virtual.travelling import run

PO = "pocketoption"
BOTH_FAMILIES = Lookup(family=0, addresses=("::1", "127.0.0.1"), seconds=0.001)


def said(examination: Examination) -> str:
    """As a page has it, in one line."""
    lines = Page(columns=1000).of(examination)
    return next((row for row in map(click.unstyle, lines) if row.startswith("who ")), "")


def seen(stage: Stage, **means: object) -> Examination:
    return run(_examined(stage, Means(**means), WEDNESDAY_NOON))  # type: ignore[arg-type]


def test_an_address_family() -> None:
    async def look_up(*_: object) -> Lookup:
        return BOTH_FAMILIES

    async def examined() -> Examination:
        async with simulated(PO, "http-status:code=503", key=None)() as patient:
            assert patient.endpoint is not None
            url = patient.endpoint.url.replace("127.0.0.1", "two.sim.test")
            return await examine(replace(patient, endpoint=replace(patient.endpoint, url=url)), Means())

    with patch.object(names, "system_lookup", look_up):
        examination = asyncio.run(examined())
    if {way.family for way in examination.case.ways} != {4, 6}:
        pytest.skip("this machine has no IPv6, not even for itself")
    assert said(examination).startswith("who       Only over IPv6 (::1); IPv4 (127.0.0.1) connects in ")


def test_a_region() -> None:
    examination = seen(with_another_region(), deep=True, budget=180.0)
    here = examination.case.looks.first.endpoint.region  # type: ignore[union-attr]
    assert said(examination) == f"who       Only in the region {here}; far lets in."
    assert as_data(examination)["scope"] == [f"only in the region {here}; far lets in"]


def test_a_symbol() -> None:
    examination = seen(simulated(PO, "one-symbol-stall:at=2s,symbol=EURUSD_otc"))
    assert (
        said(examination) == "who       Only EURUSD_otc; prices of #AAPL_otc come over the same connection."
    )


async def watched(name: str, *faults: str) -> list[Record]:
    """What a monitor tells of this target in its first minutes."""
    async with course(PO, *faults, name=name) as one:
        await one.until(lambda: False, within=150.0)
        return list(one.records)


async def of_two_accounts() -> Examination:
    records = await watched("mine", "auth-refused") + await watched("my other one")
    clock = asyncio.get_running_loop().time
    with simulated_at(WEDNESDAY_NOON + clock()):
        async with simulated(PO, "auth-refused", known_as="mine")() as patient:
            scene = Scene(patient=patient, means=Means(), utc=WEDNESDAY_NOON)
            async with stored(scene, records, "mine") as one:
                return await examine(one.patient, one.means, utc=lambda: WEDNESDAY_NOON + clock())


def test_an_account_of_those_that_one_monitor_watches_and_strangers_do_not_learn_their_names() -> None:
    examination = run(of_two_accounts())
    assert said(examination) == (
        "who       Only this target; my other one, which the same monitor watches, is well."
    )
    posted = shared(examination, str)
    assert "my other one" not in posted
    assert "target 2, which the same monitor watches, is well" in posted


def test_a_connection_of_several_of_this_machine() -> None:
    examination = seen(login._full_house(3))
    assert said(examination) == (
        "who       Only this connection; 3 others of this machine's programs to the same place stand."
    )


def test_of_what_nothing_else_was_looked_at_nothing_is_said() -> None:
    assert said(seen(simulated(PO, "auth-refused"))) == ""


def test_of_what_is_well_nothing_is_said() -> None:
    assert said(seen(simulated(PO))) == ""
