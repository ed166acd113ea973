"""`probe compare` of what the monitor has kept: periods, regions, vantage points, and before and after a change."""

import json
import re
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from probe.cli.main import run
from probe.measure.periods import MINUTE
from probe.measure.pieces import DAY, HOUR
from probe.measure.plain import iso
from probe.measure.records import Period, Record
from probe.store.opened import OpenStore
from probe.store.schema import MIGRATIONS, connect
from tests.measure.histories import history
from tests.store.making import STATE

SECRET = '42["auth",{"session":"PLANTED-SECRET","isDemo":1}]'
BEGAN = time.time() // 60 * 60 - DAY
CHANGED = BEGAN + 2 * 3600
Say = Callable[..., tuple[int, str, str]]


def at(place: float) -> str:
    """So many minutes after the beginning."""
    return iso(BEGAN + place * MINUTE).replace(".000", "")


def shifted(periods: Sequence[Period], begin: float, target: str = "main") -> list[Period]:
    first = periods[0].began_utc
    return [replace(each, target=target, began_utc=each.began_utc - first + begin) for each in periods]


def store(path: Path, *records: Record) -> Path:
    with closing(OpenStore(path, BEGAN)) as opened:
        opened.save(records)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hours of `main`, slower in the second half, where another region is in use; `calm` stays as it is."""
    folder, rng = tmp_path_factory.mktemp("stores"), Random(1)
    calm = history(rng, count=240, drops=0.0)
    slower = history(rng, count=120, drops=0.0, added=0.3)
    store(
        folder / "a.db",
        *shifted(calm[:120], BEGAN),
        *shifted(slower, CHANGED),
        *shifted(calm, BEGAN, "calm"),
        *shifted(history(rng, count=1), BEGAN, "once"),
        *shifted(history(rng, count=20, values=1), BEGAN, "sparse"),
        replace(STATE, at_utc=BEGAN, target="main", endpoint="eu"),
        replace(STATE, at_utc=CHANGED, target="main", endpoint="us\x1b[31m"),
        replace(STATE, at_utc=BEGAN, target="calm", endpoint="eu"),
        replace(STATE, at_utc=BEGAN, target="idle"),
    )
    store(folder / "b.db", *shifted(history(rng, count=240, drops=0.0, added=0.3), BEGAN, "calm"))
    store(folder / "empty.db")
    return folder


@pytest.fixture
def say(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.chdir(folder)

    def said(*arguments: str) -> tuple[int, str, str]:
        named = () if "--store" in arguments else ("--store", "a.db")
        code = run(["compare", *arguments, *named])
        output = capsys.readouterr()
        return code, output.out, output.err

    return said


def test_a_period_that_was_slower_than_another_is_told(say: Say) -> None:
    code, out, err = say(f"main,{at(0)}..{at(120)}", f"main,{at(120)}..")
    assert (code, err, out.partition(":")[0]) == (1, "", "WORSE")
    assert re.search(
        r"WebSocket ping\n  p50 +\d+\.\d ms +\d+\.\d ms +\+\d+\.\d % +\+\d+\.\d to \+\d+\.\d %  worse", out
    )
    assert "A and B are of other hours" in out


def test_a_change_is_looked_at_for_equally_long_on_both_sides(say: Say) -> None:
    code, out, _ = say("main", "--change", iso(CHANGED), "--since", at(30), "--json")
    told = json.loads(out)
    assert code == 1
    assert [(each["since"], each["until"]) for each in told["sides"]] == [
        (iso(CHANGED - 90 * MINUTE), iso(CHANGED)),
        (iso(CHANGED), iso(CHANGED + 90 * MINUTE)),
    ]


def test_the_other_way_round_it_is_better(say: Say) -> None:
    code, out, _ = say(f"main,{at(120)}..", f"main,{at(0)}..{at(120)}")
    assert (code, out.partition(":")[0]) == (0, "BETTER")


def test_two_halves_of_the_same_are_the_same(say: Say) -> None:
    code, out, _ = say("calm", "--change", iso(CHANGED))
    assert (code, out.partition(":")[0]) == (0, "SAME")


def test_regions_are_compared_for_as_long_as_each_was_in_use(say: Say) -> None:
    code, out, _ = say("main@eu", "main@us\x1b[31m", "--json")
    told = json.loads(out)
    assert (code, [each["region"] for each in told["sides"]]) == (1, ["eu", "us\x1b[31m"])
    assert [each["observed_seconds"] for each in told["sides"]] == [7200.0, 7200.0]
    _, out, _ = say("main@eu", "main@us\x1b[31m")
    assert "\x1b[31m" not in out
    assert "A and B are of other hours" not in out


def test_two_stores_are_two_vantage_points(say: Say) -> None:
    code, out, _ = say("calm", "calm", "--store", "a.db", "--store", "b.db")
    assert (code, out.partition(":")[0]) == (1, "WORSE")


def test_programs_get_the_same(say: Say) -> None:
    code, out, _ = say("main", "--change", iso(CHANGED), "--json")
    told = json.loads(out)
    assert (code, list(told)) == (
        1,
        ["schema_version", "kind", "at", "verdict", "obstacles", "sides", "differences"],
    )
    assert (told["kind"], told["verdict"], told["obstacles"]) == ("period_comparison", "worse", [])
    median = next(
        each
        for each in told["differences"]
        if (each["name"], each["quantile"]) == ("ws_ping_rtt_seconds", 0.5)
    )
    assert (median["change"], set(median["relative"])) == ("worse", {"by", "least", "most"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["idle,9999999d..", "calm"], "A: nothing of 'idle' was kept. Let `probe monitor` watch it"),
        (["once", "calm"], "A has 1 min, and 8 minutes are the least"),
        ([f"calm,{at(0)}..{at(9)}", f"calm,{at(9)}.."], "Name periods of which one is at most 24 times"),
        ([f"calm,2d..{at(-1)}", "main"], "A: nothing of 'calm' was kept then. It goes from "),
        (["calm@su", "calm"], "A: 'calm' did not use 'su' then, as far as is known. It used: eu."),
        (["main@eux", "calm"], "(did you mean 'eu'?)"),
        (["main", "--change", at(-5)], "--change is not within what was kept, from "),
        ([f"sparse,{at(0)}..{at(10)}", f"sparse,{at(10)}.."], "there is too little"),
    ],
)
def test_what_cannot_be_judged_says_why(say: Say, arguments: list[str], says: str) -> None:
    code, out, err = say(*arguments)
    assert (code, err, out.startswith("COULD NOT JUDGE: ")) == (4, "", True)
    assert says in out
    code, out, _ = say(*arguments, "--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["verdict"], len(told["obstacles"])) == (4, "could not judge", 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mian", "calm"], "A: 'mian' is not the name of a target in this store (did you mean 'main'?)"),
        (["main", "main,7d"], "B: what follows the comma is no period. Write it like 14d..7d"),
        ([SECRET, "main"], "A: a credential is not the name of a target"),
        (["main", f"{SECRET}@eu,7d.."], "B: a credential is not the name of a target"),
        (["main", "wss://user:PLANTED-SECRET@host"], "B: a URL is not the name of a target"),
        (["main", "main,7d.."], "B: it has time in common with A, from "),
        ([f"main,{at(0)}..{at(9)}", f"main@eu,{at(8)}.."], "B: it has time in common with A"),
        (["main", "calm,7d..14d"], "B: it ends before it begins"),
        (["main", "calm,yesterday.."], "B: 'yesterday' is not a moment"),
        (["main"], "Give one of the two: B, or --change WHEN"),
        (["main", "calm", "--change", "1h"], "Give one of the two: B, or --change WHEN"),
        (["main", "calm", "--baseline", "a.db", "--baseline", "b.db"], "it is for load runs"),
        (["main", "after.json"], "B: there is no such file"),
        (["a.db", "main"], "A is a file, and B is none"),
        (["main", "a.db"], "B is a file, and A is none"),
        (["a.db"], "B: a second load run is missing"),
        (["a.db", "b.db"], "--store: it is for periods, and these are load runs"),
        (["main", "calm", *("--store", "a.db") * 3], "there are two sides only"),
    ],
)
def test_what_makes_no_sense_is_refused_and_tells_no_secret(
    say: Say, arguments: list[str], says: str
) -> None:
    code, out, err = say(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "PLANTED-SECRET" not in err


def test_a_store_that_cannot_be_read_is_told(say: Say, folder: Path) -> None:
    content = (folder / "a.db").read_bytes()
    (folder / "bad.db").write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    for name, version in (("newer.db", len(MIGRATIONS) + 1), ("older.db", 0)):
        (folder / name).write_bytes(content)
        with closing(connect(folder / name, "mode=rw")) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
    for name, says in (
        ("bad.db", "cannot be read"),
        ("newer.db", "newer"),
        ("older.db", "is empty"),
        ("nowhere.db", "there is no store"),
        ("none", "no history is kept"),
    ):
        code, out, err = say("main", "calm", "--store", "a.db", "--store", name)
        assert (code, out, says in err) == (2, "", True), err
    code, _, err = say("main", "calm", "--store", "empty.db")
    assert (code, "It has: none." in err) == (2, True)


def test_a_month_of_hours_is_compared_hour_by_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every afternoon is slower, and the sides are no whole days; then a real change."""
    rng, began = Random(2), time.time() // 3600 * 3600 - 9 * DAY
    whole = history(rng, count=24 * 9, daily=0.4, drops=0.0, step=HOUR, values=10)
    after = history(rng, count=24 * 9, daily=0.4, drops=0.0, added=0.3, step=HOUR, values=10)
    path = store(tmp_path / "month.db", *shifted(whole, began), *shifted(after, began, "slower"))
    assert run(shlex.split(f"compare main,9d..110h main,110h.. --store {path}")) == 0
    assert run(shlex.split(f"compare main slower --store {path}")) == 1
    assert "of other hours" not in capsys.readouterr().out
