"""What is remembered of endpoints survives other processes, other versions and damage, and is never in anybody's way."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from probe.model.endpoint import Account, Endpoint
from probe.monitor import winners as module
from probe.monitor.winners import Winners


def endpoint(region: str, *, url: str = "", broker: str = "one") -> Endpoint:
    return Endpoint(broker=broker, region=region, url=url or f"wss://{region}.test/", account=Account.DEMO)


A, B, C, D = (endpoint(name) for name in "abcd")


class Home:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "endpoints.json"
        self.warnings: list[str] = []

    def open(self) -> Winners:
        return Winners(self.path, warn=self.warnings.append)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_fastest_comes_first_then_the_unknown_then_those_that_failed(home: Home) -> None:
    winners = home.open()
    winners.failed(A, 1.0)
    winners.reached(C, 0.3, 2.0, live=True)
    winners.reached(D, 0.1, 3.0, live=True)
    assert winners.ordered([A, B, C, D]) == [D, C, B, A]
    winners.failed(D, 4.0)
    winners.failed(D, 5.0)
    assert winners.ordered([A, B, C, D]) == [C, B, A, D]
    winners.reached(D, 0.2, 6.0)
    assert winners.ordered([A, B, C, D]) == [D, C, B, A]
    known = winners.known(D)
    assert known is not None
    assert (known.best_seconds, known.last_seconds, known.wins, known.failures) == (0.1, 0.2, 1, 0)


def test_only_where_a_session_went_live_somebody_won(home: Home) -> None:
    winners = home.open()
    winners.reached(A, 0.1, 1.0)
    assert winners.best([A, B]) is None
    winners.reached(A, 0.1, 2.0, live=True)
    assert winners.best([A, B]) == A
    winners.failed(A, 3.0)
    assert winners.best([A, B]) is None


def test_it_is_remembered_for_nobody_else_to_read(home: Home) -> None:
    winners = home.open()
    winners.reached(B, 0.25, 10.0, live=True)
    winners.save()
    again = home.open()
    assert again.best([A, B]) == B
    assert again.known(B) == winners.known(B)
    assert home.warnings == []
    if os.name == "posix":
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o600


def test_two_processes_add_to_each_other(home: Home) -> None:
    first, second = home.open(), home.open()
    for winners, where in ((first, A), (second, A), (second, B), (first, C)):
        winners.reached(where, 0.5, 1.0, live=True)
    threads = [threading.Thread(target=winners.save) for winners in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = home.open()
    assert [known.known(each).wins for each in (A, B, C)] == [2, 1, 1]  # type: ignore[union-attr]


def test_an_address_that_moved_is_another_one(home: Home) -> None:
    winners = home.open()
    winners.reached(A, 0.1, 1.0, live=True)
    winners.save()
    moved = endpoint("a", url="wss://elsewhere.test/")
    again = home.open()
    assert again.known(moved) is None
    again.failed(moved, 2.0)
    again.save()
    latest = home.open().known(moved)
    assert latest is not None
    assert (latest.wins, latest.failures) == (0, 1)
    assert home.open().known(endpoint("a", broker="two")) is None


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"version": 2, "endpoints": []}',
    b'{"version": 1, "endpoints": [{}]}',
    b'{"version": 1, "endpoints": 5}',
    b'{"version": 1, "endpoints": [{"broker": 1, "region": "a", "url": "u", "best_seconds": 1, "last_seconds": 1, "at_utc": 1, "wins": 1, "failures": 0}]}',
    b'{"version": 1, "endpoints": [{"broker": "b", "region": "a", "url": "u", "best_seconds": NaN, "last_seconds": 1, "at_utc": 1, "wins": 1, "failures": 0}]}',
    b'{"version": 1, "endpoints": [{"broker": "b", "region": "a", "url": "u", "best_seconds": 1, "last_seconds": 1, "at_utc": 1, "wins": -1, "failures": 0}]}',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_forgotten_with_a_warning(home: Home, text: bytes) -> None:
    home.path.parent.mkdir()
    home.path.write_bytes(text)
    winners = home.open()
    (warning,) = home.warnings
    assert "endpoints.json" in warning
    assert winners.ordered([B, A]) == [B, A]
    winners.reached(A, 0.1, 1.0, live=True)
    winners.save()
    assert home.open().best([B, A]) == A


def test_what_cannot_be_written_is_said_and_stops_nothing(home: Home) -> None:
    home.path.parent.write_bytes(b"a file where the folder should be")
    winners = home.open()
    winners.reached(A, 0.1, 1.0, live=True)
    winners.save()
    assert any("TRADEPROBE_HOME" in warning for warning in home.warnings)
    assert winners.best([A]) == A


@pytest.mark.skipif(os.name != "posix", reason="links are for everybody there")
def test_somebody_elses_link_is_not_followed(home: Home, tmp_path: Path) -> None:
    home.path.parent.mkdir()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"version": 1, "endpoints": []}))
    home.path.symlink_to(other)
    home.open()
    assert len(home.warnings) == 1


def test_it_does_not_grow_for_ever(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    winners = home.open()
    for number in range(20):
        winners.reached(endpoint(f"r{number}"), 0.1, float(number))
    winners.save()
    rows = json.loads(home.path.read_text())["endpoints"]
    assert sorted(row["region"] for row in rows) == sorted(f"r{number}" for number in range(15, 20))


def test_without_news_nothing_is_written(home: Home) -> None:
    home.open().save()
    assert not home.path.exists()
