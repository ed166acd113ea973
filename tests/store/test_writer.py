import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from probe.measure.records import Notice, Record
from probe.store import opened, schema
from probe.store.place import StoreBusy, default_path
from probe.store.reader import StoreReader
from tests.store.making import MINUTE, NOON, NOTICE, TICK, Kept

ROOT = Path(__file__).parents[2]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")


class Told(list[Notice]):
    """Notices that can be waited for."""

    def __init__(self) -> None:
        self.last, self.arrived = "", Event()

    def __call__(self, notice: Notice) -> None:
        self.append(notice)
        self.arrived.set()

    def until(self, code: str) -> Notice:
        end = monotonic() + 20
        while monotonic() < end:
            for notice in self:
                if notice.code == code:
                    return notice
            self.arrived.wait(1)
            self.arrived.clear()
        raise AssertionError(f"no {code} among {self}")


@pytest.fixture
def told() -> Told:
    return Told()


def ticks_in(path: Path) -> int:
    with closing(StoreReader(path)) as reader:
        return len(reader.ticks("demo", 0, 2 * NOON))


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_nobody_else_can_read_any_file_of_it(kept: Kept) -> None:
    umask = os.umask(0)
    try:
        with kept.running() as writer:
            writer.write(TICK)
            assert writer.flush(10)
            names = {each.name: rights(each) for each in kept.path.parent.iterdir()}
    finally:
        os.umask(umask)
    own = ("store.db", "store.db-wal", "store.db-shm", "store.db.lock")
    assert (names, rights(kept.path.parent)) == (dict.fromkeys(own, 0o600), 0o700)


@posix_only
def test_a_folder_of_the_user_keeps_its_rights(kept: Kept) -> None:
    kept.path.parent.mkdir(mode=0o755)
    kept.path.parent.chmod(0o755)
    kept.keep(TICK)
    assert (rights(kept.path.parent), rights(kept.path)) == (0o755, 0o600)


def test_without_a_name_it_is_where_this_user_keeps_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", "somewhere")
    assert default_path() == Path("somewhere/store.db")


def test_everything_is_counted(kept: Kept) -> None:
    with kept.running() as writer:
        for _ in range(5000):
            writer.write(TICK)
        assert writer.flush(10)
        assert (writer.queued, writer.dropped, writer.written, writer.failing) == (0, 0, 5000, None)
    assert (ticks_in(kept.path), kept.codes) == (5000, [])


def test_what_was_queued_is_written_at_the_end(kept: Kept) -> None:
    with kept.running() as writer:
        writer.write(TICK)
    assert sorted(each.name for each in kept.path.parent.iterdir()) == ["store.db", "store.db.lock"]
    assert ticks_in(kept.path) == 1


def test_a_run_that_ended_in_order_has_an_end(kept: Kept) -> None:
    kept.keep(TICK)
    with closing(sqlite3.connect(kept.path)) as other:
        assert other.execute("SELECT began_utc, ended_utc FROM runs").fetchall() == [(NOON, NOON)]


def test_after_the_end_nothing_is_taken(kept: Kept) -> None:
    writer = kept.writer()
    writer.start()
    assert writer.close(10)
    writer.write(TICK)
    assert (writer.queued, writer.dropped, writer.flush(0)) == (0, 1, False)


def test_a_full_queue_drops_and_tells_how_many(kept: Kept) -> None:
    writer = kept.writer(capacity=10)
    for _ in range(25):
        writer.write(TICK)
    assert (writer.queued, writer.dropped) == (10, 15)
    writer.start()
    assert writer.close(10)
    assert ticks_in(kept.path) == 10
    assert [notice.sentence for notice in kept.notices] == [
        f"15 records were not kept in {str(kept.path)!r}: more came than was written: the disk is slow, or the store fails."
    ]


def test_drops_are_told_at_most_once_a_minute(kept: Kept) -> None:
    writer = kept.writer(capacity=0)
    writer.start()
    for _ in range(3):
        writer.write(TICK)
        assert writer.flush(10)
        assert writer.flush(10)  # what was dropped before the first has been told by the second
    assert kept.codes == ["store.dropped"]
    assert writer.close(10)
    assert [notice.sentence.split(" ")[0] for notice in kept.notices] == ["1", "2"]


def test_a_record_that_fits_no_row_does_not_hold_up_the_others(kept: Kept) -> None:
    strange: list[Record] = [
        TICK._replace(price=float("nan")),
        TICK._replace(symbol="\ud800"),
        TICK._replace(price=object()),  # type: ignore[arg-type]
    ]
    kept.keep(TICK, *strange, TICK)
    assert ticks_in(kept.path) == 2
    assert kept.codes == ["store.dropped"]
    assert "3 records were not kept" in kept.notices[0].sentence
    assert "a damaged row, or a bug to report" in kept.notices[0].sentence


def test_a_listener_that_fails_does_not_stop_the_writing(kept: Kept) -> None:
    def fail(_: Notice) -> None:
        raise RuntimeError

    kept.path.parent.mkdir()
    kept.path.touch()  # this is told
    writer = kept.writer()
    writer._notice = fail
    writer.start()
    writer.write(TICK)
    assert writer.close(10)
    assert ticks_in(kept.path) == 1


def test_a_second_writer_is_told_whose_the_store_is(kept: Kept) -> None:
    program = (
        "import sys; from pathlib import Path; from probe.store.place import StoreLock\n"
        "lock = StoreLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(kept.path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreBusy) as caught:
            kept.writer().start()
        assert caught.value.process == holder.pid
        assert str(caught.value) == (
            f"the store {str(kept.path)!r} is being written by process {holder.pid}."
            " Stop that one, or name another store with --store."
        )
        holder.kill()
    kept.keep(TICK)  # the system has let go of it
    assert ticks_in(kept.path) == 1


def test_readers_are_not_kept_out(kept: Kept) -> None:
    with kept.running() as writer:
        writer.write(TICK)
        assert writer.flush(10)
        program = (
            "import sys; from pathlib import Path; from probe.store.reader import StoreReader\n"
            "print(StoreReader(Path(sys.argv[1])).targets())"
        )
        command = [sys.executable, "-c", program, str(kept.path)]
        assert subprocess.check_output(command, cwd=ROOT) == b"['demo']\n"


def resumes(kept: Kept, told: Told, code: str, repair: Callable[[], object]) -> Notice:
    """The trouble is told once, a repair is noticed, and what came meanwhile is written."""
    writer = kept.writer()
    writer._notice = told
    writer.start()
    writer.write(TICK)
    trouble = told.until(code)
    assert not writer.flush(0.2)  # some attempts later
    assert writer.failing == trouble
    repair()
    told.until("store.resumed")
    assert writer.flush(10)
    assert writer.close(10)
    assert [notice.code for notice in told] == [code, "store.resumed"]
    assert ticks_in(kept.path) == 1
    return trouble


def test_a_lock_of_another_program_is_told_and_outlasted(kept: Kept, told: Told) -> None:
    kept.keep(MINUTE)
    with closing(sqlite3.connect(kept.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        trouble = resumes(kept, told, "store.locked", lambda: other.execute("ROLLBACK"))
    assert trouble.sentence == (
        f"another program holds the store {str(kept.path)!r} locked. Close what has it open (a database browser, a"
        " backup); it is tried again every 0 s. Monitoring goes on, without history."
    )


def test_a_full_store_is_told_and_outlasted(kept: Kept, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says of its own limit what it says of a disk's."""
    kept.keep(MINUTE)

    def narrow(path: Path, mode: str) -> sqlite3.Connection:
        connection = schema.connect(path, mode)
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("PRAGMA cache_size = 1")
        return connection

    with closing(sqlite3.connect(kept.path)) as other:  # not a page is free
        other.execute("VACUUM")
    text = NOTICE.__class__(at_utc=NOON, code="long", sentence="x" * 100_000)
    with monkeypatch.context() as patch:
        patch.setattr(opened, "connect", narrow)
        writer = kept.writer()
        writer._notice = told
        writer.start()
        writer.write(text)
        trouble = told.until("store.disk-full")
        assert not writer.flush(0.2)
    told.until("store.resumed")
    assert writer.flush(10)
    assert writer.close(10)
    assert [notice.code for notice in told] == ["store.disk-full", "store.resumed"]
    assert trouble.sentence.startswith(f"the disk of the store {str(kept.path)!r} is full. Make room there; ")


def test_a_newer_store_is_refused_and_left_as_it_is(kept: Kept, told: Told) -> None:
    kept.keep(MINUTE)

    def version(number: int) -> None:
        with closing(sqlite3.connect(kept.path)) as other:
            other.execute(f"PRAGMA user_version = {number}")

    version(99)
    trouble = resumes(kept, told, "store.newer", lambda: version(2))
    assert (
        "was written by a newer tradeprobe (schema 99, this one knows 2). Update tradeprobe"
        in trouble.sentence
    )


def test_a_migration_is_made_whole_or_not_at_all(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.keep(TICK)
    known = schema.MIGRATIONS
    for second, version, table in (
        (("CREATE TABLE more (a)", "no statement"), 2, []),
        (("CREATE TABLE more (a)",), 3, [("more",)]),
    ):
        monkeypatch.setattr(schema, "MIGRATIONS", (*known, second))
        writer = kept.writer()
        writer.start()
        assert writer.close(10)
        with closing(sqlite3.connect(kept.path)) as other:
            assert other.execute("PRAGMA user_version").fetchone() == (version,)
            assert other.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall() == table
    assert kept.codes == ["store.failed"]


def test_a_database_of_another_program_is_left_alone(kept: Kept, told: Told) -> None:
    kept.path.parent.mkdir()
    with closing(sqlite3.connect(kept.path)) as other:
        other.execute("CREATE TABLE theirs (a)")
    before = kept.path.read_bytes()
    writer = kept.writer()
    writer._notice = told
    writer.start()
    trouble = told.until("store.unusable")
    assert writer.close(10)
    assert "is the database of another program. Name another store with --store" in trouble.sentence
    assert kept.path.read_bytes() == before


@pytest.mark.parametrize("everything", [True, False], ids=["its folder", "the file"])
def test_a_store_that_vanished_is_begun_anew(kept: Kept, told: Told, everything: bool) -> None:
    writer = kept.writer()
    writer._notice = told
    writer.start()
    writer.write(TICK)
    assert writer.flush(10)
    if everything:
        shutil.rmtree(kept.path.parent)
    else:
        kept.path.rename(kept.path.with_name("elsewhere.db"))
    writer.write(TICK)
    assert writer.flush(10)
    assert [notice.code for notice in told] == ["store.vanished"]
    assert ticks_in(kept.path) == 1
    with pytest.raises(StoreBusy):
        kept.writer().start()
    assert writer.close(10)


IN_A_SMALL_WORLD = """
import json, os, subprocess, sys
from pathlib import Path
from probe.measure.records import Notice
from probe.store.reader import StoreReader
from tests.store.making import NOON, TICK, Kept
from tests.store.test_writer import Told

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
print("mounted", flush=True)
told, kept = Told(), Kept(folder / "store.db")
writer = kept.writer()
writer._notice = told
writer.start()
writer.write(TICK)
assert writer.flush(20)
filler = folder / "filler"
with filler.open("wb", 0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
for number in range(20):
    writer.write(Notice(at_utc=NOON, code="long", sentence="x" * 100_000))
full = told.until("store.disk-full")
assert not writer.flush(0.2)
filler.unlink()
told.until("store.resumed")
assert writer.flush(20)
assert writer.close(20)
reader = StoreReader(kept.path)
held = len(reader.events(Notice, 0, 2 * NOON))
reader.close()

subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
reader = StoreReader(kept.path)
still = len(reader.events(Notice, 0, 2 * NOON))
reader.close()
told.clear()
writer = kept.writer()
writer._notice = told
writer.start()
writer.write(TICK)
read_only = told.until("store.read-only")
subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
told.until("store.resumed")
assert writer.flush(20)
assert writer.close(20)
print(json.dumps([held, still, full.sentence, read_only.sentence]))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare to make a mount namespace with")
def test_a_disk_that_is_full_and_one_that_is_read_only_are_told_and_outlasted(tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", IN_A_SMALL_WORLD, str(tmp_path)]
    done = subprocess.run(alone, cwd=ROOT, text=True, capture_output=True, timeout=100, check=False)
    if not done.stdout:
        pytest.skip("this machine does not let this user mount anything in a namespace")
    assert done.returncode == 0, done.stderr
    held, still, full, read_only = json.loads(done.stdout.splitlines()[1])
    path = str(tmp_path / "store.db")
    assert (held, still) == (20, 20)
    assert full.startswith(f"the disk of the store {path!r} is full. Make room there; ")
    assert read_only.startswith(f"the store {path!r} cannot be written (")
    assert "Make its folder writable, or name another store with --store; " in read_only


def test_writing_never_waits_for_the_disk(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, go_on = Event(), Event()

    def hang(*_: object) -> list[Exception]:
        stuck.set()
        assert go_on.wait(20)
        return []

    monkeypatch.setattr(opened.OpenStore, "save", hang)
    with kept.running(capacity=100) as writer:
        writer.write(TICK)
        assert not writer.flush(0)
        assert stuck.wait(20)
        for _ in range(1000):
            writer.write(TICK)
        assert writer.dropped > 800
        go_on.set()


def test_a_text_that_no_utf8_can_hold_is_kept(kept: Kept) -> None:
    kept.keep(replace(NOTICE, sentence="a \ud83d of theirs"))
    with closing(StoreReader(kept.path)) as reader:
        assert [each.sentence for each in reader.events(Notice, 0, 2 * NOON)] == ["a \ud83d of theirs"]
    assert kept.codes == []
