"""Commands that read a store, before whatever is wrong with it: one message, and what stood at the output's place stays."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from probe.cli.main import run
from probe.store.opened import OpenStore
from probe.store.place import beside
from probe.store.schema import MIGRATIONS
from tests.store.making import (
    ALERT,
    ATTEMPT,
    DISCONNECT,
    INCIDENT,
    NOTICE,
    SAMPLE,
    STATE,
    TICK,
    Kept,
    minute,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = 4096
MIDNIGHT = (time.time() - 3600) // 86400 * 86400  # of a day that an export writes anew each time
COMMANDS = {
    "csv": ("export", "--csv"),
    "parquet": ("export", "--parquet"),
    "jsonl": ("export", "--jsonl"),
    "report": ("report", "--html"),
}
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS)
EVERY_EXPORT = pytest.mark.parametrize("command", ["csv", "parquet", "jsonl"])
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "store.db"
    with closing(OpenStore(path, MIDNIGHT)) as store:
        for number in range(20):
            at = MIDNIGHT + 60 * number
            happened = (replace(each, at_utc=at + 1) for each in (STATE, ATTEMPT, DISCONNECT, NOTICE))
            troubles = (
                replace(INCIDENT, id=f"demo-{number}", began_utc=at + 5, ended_utc=at + 20),
                replace(ALERT, fired_utc=at + 5),
            )
            numbers = (each._replace(at_utc=at + second) for each in (SAMPLE, TICK) for second in range(40))
            assert store.save([*happened, *troubles, *numbers, minute(at)]) == []
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "store.db"))


def reading(command: str, store: Path, place: Path) -> list[str]:
    verb, form = COMMANDS[command]
    return [verb, "--store", str(store), form, str(place)]


def standing(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()
    }


def overwritten(at: int, content: bytes) -> Damage:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return damage


def page_of(name: str, content: bytes) -> Damage:
    """The first page of a table or an index."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as store:
            [(page,)] = store.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        overwritten((page - 1) * PAGE, content)(path)

    return damage


def sql(*statements: str) -> Damage:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as store:
            store.create_function("flipped", 1, lambda blob: bytes([*blob[:12], blob[12] ^ 1, *blob[13:]]))
            for statement in statements:
                store.execute(statement)

    return damage


def without_rules(table: str, change: str) -> Damage:
    """As a table whose columns take anything."""
    return sql(
        f"CREATE TABLE loose AS SELECT * FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE loose RENAME TO {table}",
        f"UPDATE {table} SET {change} WHERE rowid = 7",
    )


MALFORMED = "cannot be read (database disk image is malformed). If it is damaged, `sqlite3 FILE .recover`"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut short in the middle of a page": (
        lambda path: os.truncate(path, path.stat().st_size // PAGE // 2 * PAGE + 100),
        MALFORMED,
    ),
    "header overwritten": (
        overwritten(0, b"Dear diary,\n" * 10),
        "cannot be read (file is not a database). ",
    ),
    "a page of zeros in a table": (page_of("ticks", bytes(PAGE)), MALFORMED),
    "a page of noise in an index": (page_of("events_by_age", random.Random(1).randbytes(PAGE)), MALFORMED),
    "a flipped bit in a histogram": (
        sql("UPDATE minutes SET histograms = flipped(histograms) WHERE id = 7"),
        "cannot be read (ValueError: ",
    ),
    "an event's JSON that was cut": (
        sql("UPDATE events SET data = substr(data, 1, 20) WHERE id = 7"),
        "cannot be read (JSONDecodeError: ",
    ),
    "an event that no UTF-8 can hold": (
        sql("UPDATE events SET data = CAST(x'7b22ff1b5b324a' AS TEXT) WHERE id = 7"),
        "cannot be read (Could not decode to UTF-8 column 'data'). ",
    ),
    "a schema of noise": (
        sql(
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = 'CREATE \x1b[2J TABLE' || sql WHERE name = 'ticks'",
        ),
        "cannot be read (malformed database schema",
    ),
    "a word where a number stands": (
        sql("UPDATE ticks SET price = 'much' WHERE at_utc = (SELECT max(at_utc) FROM ticks)"),
        "cannot be read (TypeError: price in ticks is 'much'). ",
    ),
    "a word where a time stands": (
        sql("UPDATE samples SET at_utc = 'now' WHERE at_utc = (SELECT max(at_utc) FROM samples)"),
        "cannot be read (ValueError: could not convert string to float: 'now'). ",
    ),
    "a number where an object stands": (
        sql("UPDATE events SET data = '5' WHERE id = 7"),
        "cannot be read (",
    ),
    "objects in objects without end": (
        sql(f"UPDATE incidents SET data = '{'[' * 100_000}'"),
        "cannot be read (RecursionError: ",
    ),
    "nothing where an incident's details stand": (
        without_rules("incidents", "data = NULL"),
        "cannot be read (TypeError: ",
    ),
    "a number of no word": (sql("DELETE FROM words"), "cannot be read (KeyError: "),
    "a missing table": (sql("DROP TABLE incidents"), "cannot be read (no such table: incidents). "),
    "a missing column": (
        sql("ALTER TABLE ticks DROP COLUMN price"),
        "cannot be read (no such column: price). ",
    ),
    "a newer schema": (sql("PRAGMA user_version = 99"), "was written by a newer tradeprobe (schema 99, "),
    "another program's": (sql("PRAGMA application_id = 1"), "is the database of another program. Name another"),
    "nothing in it": (lambda path: os.truncate(path, 0), "is empty. Let `probe monitor` write to it once."),
}  # fmt: skip


NOT_READ_BY = {("report", "a word where a number stands"), ("report", "a word where a time stands")}
CASES = [(each, name) for each in COMMANDS for name in DAMAGES if (each, name) not in NOT_READ_BY]


@pytest.fixture(scope="module")
def used(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store, and a folder with what each command has made of it."""
    folder = tmp_path_factory.mktemp("used")
    store, results = Path(shutil.copy(sound, folder)), folder / "results"
    results.mkdir()
    for command in COMMANDS:
        assert run(reading(command, store, results / command)) == 0
    return store, results


@pytest.mark.parametrize(("command", "name"), CASES)
def test_a_damaged_store_is_told_and_what_stood_there_stays(
    sound: Path, used: tuple[Path, Path], capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    store, results = used
    before = standing(results)
    for each in (store, *beside(store)):
        each.unlink(missing_ok=True)
    shutil.copy(sound, store)
    damage, told = DAMAGES[name]
    damage(store)
    capsys.readouterr()
    assert run(reading(command, store, results / command)) == 2
    output = capsys.readouterr()
    assert re.match(f"error: (the store )?{re.escape(repr(str(store)))} ", output.err)
    assert told in output.err
    assert output.err.count("\n") == 1
    assert output.err.strip().isprintable()
    assert output.out == ""
    assert standing(results) == before


PLACES: dict[str, tuple[Damage, str]] = {
    "a folder": (Path.mkdir, "is no file. Move it away"),
    "a pipe": (os.mkfifo, "is no file. Move it away"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links). "),
    "nothing": (lambda path: None, "there is no store "),
}  # fmt: skip


@EVERY_COMMAND
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither pipes nor such links")
@pytest.mark.parametrize(("make", "told"), PLACES.values(), ids=PLACES)
def test_what_is_no_store_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, make: Damage, told: str
) -> None:
    store, place = tmp_path / "store.db", tmp_path / "out"
    make(store)
    assert run(reading(command, store, place)) == 2
    assert told in capsys.readouterr().err
    assert not place.exists()


@EVERY_COMMAND
def test_a_locked_store_is_told(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert run(reading(command, store, tmp_path / "out")) == 2
    assert (
        f"error: the store {str(store)!r} cannot be read (database is locked). Close what has it open"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


ALL_AT_ONCE = """
import json, sys
from probe.cli.main import run
print([run(each) for each in json.loads(sys.argv[1])])
"""
# Root, too, is refused what it may not read.
BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights otherwise")
def test_a_store_that_may_not_be_read_is_told(store: Path, tmp_path: Path) -> None:
    is_root = os.geteuid() == 0
    if is_root and shutil.which(BOUND[0]) is None:
        pytest.skip("no setpriv to give up root's rights with")
    store.chmod(0)
    asked = json.dumps([reading(command, store, tmp_path / command) for command in COMMANDS])
    ended = subprocess.run(
        [*(BOUND if is_root else ()), sys.executable, "-c", ALL_AT_ONCE, asked],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ended.stdout) == [2] * len(COMMANDS)
    told = f"error: the store {str(store)!r} cannot be read (unable to open database file). Check its rights and those of its folder.\n"
    assert ended.stderr == told * len(COMMANDS)


@EVERY_EXPORT
@pytest.mark.parametrize(
    "log", [None, b"", random.Random(2).randbytes(5 * PAGE)], ids=["no", "an empty", "noise as"]
)
def test_what_only_a_lost_log_held_was_never_written(
    sound: Path, tmp_path: Path, command: str, log: bytes | None
) -> None:
    running, copy = tmp_path / "running.db", tmp_path / "copy.db"
    shutil.copy(sound, running)
    with closing(OpenStore(running, MIDNIGHT)) as store:
        store.save([TICK._replace(at_utc=MIDNIGHT + 3600)])
        shutil.copy(running, copy)
    if log is not None:
        copy.with_name("copy.db-wal").write_bytes(log)
    for path in (sound, copy):
        assert run([*reading(command, path, tmp_path / path.stem), "--what", "ticks"]) == 0
    assert _content(tmp_path / "copy") == _content(tmp_path / sound.stem)


@EVERY_EXPORT
def test_the_first_version_of_a_store_reads_as_the_newest(sound: Path, tmp_path: Path, command: str) -> None:
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older, isolation_level=None)) as store:
        store.execute("ATTACH ? AS new", (str(sound),))
        for statement in (*MIGRATIONS[0], "PRAGMA user_version = 1"):
            store.execute(statement)
        tables = store.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            columns = ", ".join(name for _, name, *_ in store.execute(f"PRAGMA main.table_info({table})"))
            store.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    for path in (sound, older):
        assert run(reading(command, path, tmp_path / path.stem)) == 0
    assert _content(tmp_path / "older") == _content(tmp_path / sound.stem)


def _content(place: Path) -> bytes | dict[str, bytes]:
    """Without what names the store."""
    if place.is_file():
        return place.read_bytes()
    return {name: content for name, content in standing(place).items() if name != "manifest.json"}


ON_A_FULL_DISK = """
import io, json, shutil, subprocess, sys
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from probe.cli.main import run
from probe.store.opened import OpenStore
from tests.cli.test_damaged_store import COMMANDS, MIDNIGHT, reading, standing
from tests.store.making import TICK

folder, store = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
print("mounted", flush=True)

def told(command, path, place):
    with redirect_stderr(io.StringIO()) as said, redirect_stdout(io.StringIO()):
        return run(reading(command, path, place / command)), said.getvalue()

for command in COMMANDS:
    told(command, store, folder)
more = [TICK._replace(at_utc=MIDNIGHT + 3600 + at, price=at / 7) for at in range(3000)]
with closing(OpenStore(store, MIDNIGHT)) as opened:
    opened.save(more)
inside = Path(shutil.copy(store, folder / "store.db"))
stood = standing(folder)
with (folder / "filler").open("wb", 0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
full = {command: told(command, store, folder) for command in COMMANDS}
of_inside = {command: told(command, inside, store.parent) for command in COMMANDS}
(folder / "filler").unlink()
now = standing(folder)
changed = sorted(name for name in {*stood, *now} if stood.get(name) != now.get(name) and "store.db-" not in name)
print(json.dumps([changed, full, of_inside, {command: told(command, store, folder)[0] for command in COMMANDS}]))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare to make a mount namespace with")
def test_a_disk_that_fills_half_way_is_told_and_outlasted(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    program = [sys.executable, "-c", ON_A_FULL_DISK, str(folder), str(store)]
    alone = ["unshare", "--map-root-user", "--mount", *program]
    done = subprocess.run(alone, cwd=ROOT, text=True, capture_output=True, timeout=100, check=False)
    if not done.stdout:
        pytest.skip("this machine does not let this user mount anything in a namespace")
    assert done.returncode == 0, done.stderr
    changed, full, of_inside, afterwards = json.loads(done.stdout.splitlines()[1])
    assert changed == []
    for command in COMMANDS:
        code, told = full[command]
        assert (code, told.count("\n")) == (2, 1)
        assert str(folder / command) in told
        assert "No space left on device" in told
        assert "ake room" in told
        assert of_inside[command] == [
            2,
            f"error: the store {str(folder / 'store.db')!r} cannot be read (disk I/O error)."
            " Check the disk and the file system: they may be full.\n",
        ]
    assert afterwards == dict.fromkeys(COMMANDS, 0)


@EVERY_COMMAND
def test_a_store_is_read_beside_its_writer(store: Path, tmp_path: Path, command: str) -> None:
    kept = Kept(store)
    with kept.running() as writer:
        for number in range(5000):
            writer.write(TICK._replace(at_utc=MIDNIGHT + 3600 + number))
            if number == 2500:
                assert writer.flush(10)
                assert run(reading(command, store, tmp_path / "out")) == 0
        assert writer.flush(10)
        assert run(reading(command, store, tmp_path / "out")) == 0
    assert kept.codes == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_a_device_that_is_full_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(reading("jsonl", store, Path("/dev/full"))) == 2
    assert capsys.readouterr().err == (
        "error: /dev/full: it cannot be written (No space left on device). Make room, or name another place.\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_leaves_is_told(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def look() -> None:
        with pipe.open("rb") as file:
            file.read(1)

    with ThreadPoolExecutor() as pool:
        pool.submit(look)
        assert run(reading("jsonl", store, pipe)) == 2
    assert capsys.readouterr().err == (
        f"error: {pipe}: who was reading it has left. Start that again, and then this.\n"
    )
