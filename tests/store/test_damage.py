"""Whatever stands in a store's place: it is told, nothing hangs, nothing is lost that a person may want back."""

import os
import random
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from probe.store.place import StoreError
from probe.store.reader import StoreReader
from tests.store.making import NOON, TICK, Kept, minute

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")


def can_be_kept(kept: Kept) -> bool:
    """Whether a record can be kept there now."""
    writer = kept.writer(retry_seconds=30)
    writer.start()
    writer.write(TICK)
    writer.write(minute(NOON))
    assert writer.close(10)
    return writer.failing is None


def ticks_in(kept: Kept) -> int:
    with closing(StoreReader(kept.path)) as reader:
        return len(reader.ticks("demo", 0, 2 * NOON))


def filled(kept: Kept) -> bytes:
    kept.keep(*[TICK] * 2000, *[minute(NOON + 60 * number) for number in range(200)])
    assert kept.codes == []
    return kept.path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"Dear diary,\n" * 1000,
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:5000],
        lambda whole: whole[:50],
        lambda whole: whole[:4096] + bytes(len(whole) - 4096),
        lambda whole: b"\xff" * 100 + whole[100:],
    ],
    ids=["a text", "half", "a page and a bit", "less than a header", "zeros", "no header"],
)
def test_a_damaged_store_is_moved_aside_and_a_new_one_begun(
    kept: Kept, damage: Callable[[bytes], bytes]
) -> None:
    bad = damage(filled(kept))
    kept.path.write_bytes(bad)
    assert can_be_kept(kept)
    assert ticks_in(kept) == 1
    [aside] = kept.path.parent.glob("store.db.damaged-*Z")
    assert aside.read_bytes()[100:] == bad[100:]  # SQLite counts in the header how often it was opened
    assert [notice.sentence for notice in kept.notices if notice.code == "store.damaged"] == [
        f"the store {str(kept.path)!r} is damaged. It was moved to {aside.name!r} and a new one is begun;"
        " `sqlite3 FILE .recover` may save what was in it."
    ]


def test_an_emptied_store_is_told(kept: Kept) -> None:
    filled(kept)
    kept.path.write_bytes(b"")
    assert can_be_kept(kept)
    assert ticks_in(kept) == 1
    assert [notice.sentence for notice in kept.notices] == [
        f"the store {str(kept.path)!r} was empty. A new one is begun in it."
    ]


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_never_stop_anything(kept: Kept, seed: int) -> None:
    chance, bad = random.Random(seed), bytearray(filled(kept))
    for _ in range(chance.choice([1, 20, 500])):
        bad[chance.randrange(len(bad)) if chance.random() < 0.5 else chance.randrange(8192)] ^= (
            chance.randrange(1, 256)
        )
    kept.path.write_bytes(bad)
    with suppress(StoreError), closing(StoreReader(kept.path)) as reader:
        reader.ticks("demo", 0, 2 * NOON)
        reader.periods("demo", 0, 2 * NOON)
    assert can_be_kept(kept) or [code for code in kept.codes if code != "store.dropped"]


@posix_only
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, "is a folder"),
        (os.mkfifo, "is no file"),
        (lambda path: path.symlink_to("/dev/null"), "is a link"),
    ],
    ids=["a folder", "a pipe", "a link"],
)
def test_what_is_no_file_is_told_and_stays(kept: Kept, make: Callable[[Path], object], words: str) -> None:
    kept.path.parent.mkdir()
    make(kept.path)
    before = kept.path.lstat()
    assert not can_be_kept(kept)
    assert kept.codes == ["store.unusable", "store.dropped"]
    assert kept.notices[0].sentence == (
        f"{str(kept.path)!r} {words}. Move it away, or name another store with --store;"
        " it is tried again every 30 s. Monitoring goes on, without history."
    )
    assert os.path.samestat(before, kept.path.lstat())
    with pytest.raises(StoreError):
        StoreReader(kept.path)


@posix_only
@pytest.mark.parametrize("name", ["store.db-wal", "store.db-shm", "store.db.lock"])
def test_a_planted_link_is_not_followed(kept: Kept, tmp_path: Path, name: str) -> None:
    kept.path.parent.mkdir()
    (kept.path.parent / name).symlink_to(tmp_path / "elsewhere")
    assert not can_be_kept(kept)
    assert not (tmp_path / "elsewhere").exists()


def test_a_sound_store_is_never_moved(kept: Kept) -> None:
    filled(kept)
    with closing(sqlite3.connect(kept.path)) as other:
        other.execute("DROP TABLE hours")
    assert not can_be_kept(kept)
    assert "cannot be used (no such table: hours). " in kept.notices[0].sentence
    assert ticks_in(kept) == 2000
    assert list(kept.path.parent.glob("*damaged*")) == []
