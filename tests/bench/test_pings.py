"""Reported round trips are the wire's, not our own work: compared with what the kernel stamped on the same pings."""

import statistics

import pytest

from tests.bench.pings import NAMES, captured, compare
from tests.bench.sniff import Segment

PORT = 40_000
HEAD, TEXT = b"...\r\n\r\n", b"\x81\x7e\x01\x00" + b"." * 256


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("sessions", "seconds", "within"),
    # Beside other tests a process waits for its turn, and the kernel's stamp does not. A figure is `make bench`'s to give.
    [(8, 1.8, 0.1), pytest.param(60, 21.0, 0.005, marks=[pytest.mark.long, pytest.mark.alone])],
    ids=["short", "long"],
)
def test_reported_ping_round_trips_agree_with_a_capture(
    name: str, sessions: int, seconds: float, within: float
) -> None:
    try:
        pairs = compare(name, sessions, seconds)
    except PermissionError as problem:
        pytest.skip(str(problem))
    assert len(pairs) >= sessions
    assert statistics.median(abs(told - true) for told, true in pairs) < within
    assert all(told > 0 and true > 0 for told, true in pairs)


# -- the capture --------------------------------------------------------------------------------------------------------


def ping(number: int) -> bytes:
    return b"\x89\x82\x01\x02\x03\x04" + bytes((number ^ 1, number ^ 2))


def pong(number: int) -> bytes:
    return b"\x8a\x02" + bytes((number, number))


def said(from_client: bool, *pieces: tuple[int, bytes]) -> list[Segment]:
    """Each with its milliseconds. The numbers wrap within the first."""
    segments, at = [], 2**32 - 3
    for milliseconds, piece in pieces:
        segments.append(Segment(PORT, from_client, at, milliseconds * 10**6, piece.hex()))
        at = (at + len(piece)) % 2**32
    return segments


ASKED = said(True, (0, HEAD), (10, ping(1)), (20, ping(2)), (30, ping(3)))
ANSWERED = said(False, (5, HEAD), (11, pong(1)), (22, TEXT), (23, pong(2) + TEXT), (35, pong(3)))


def test_a_round_trip_is_from_the_ping_to_its_pong() -> None:
    assert captured(ASKED + ANSWERED) == {PORT: [0.001, 0.003, 0.005]}


@pytest.mark.parametrize("place", range(1, 5))
def test_what_is_sent_again_counts_when_it_first_passed(place: int) -> None:
    again = [segment._replace(stamp=24 * 10**6) for segment in ANSWERED[:place]]
    both = again[0]._replace(payload="".join(segment.payload for segment in again))
    assert captured([*ASKED, *ANSWERED, *again, both]) == {PORT: [0.001, 0.003, 0.005]}


def test_a_pong_counts_when_all_before_it_has_passed_too() -> None:
    late = [*ANSWERED]
    late[2] = ANSWERED[2]._replace(stamp=29 * 10**6)
    assert captured(ASKED + late) == {PORT: [0.001, 0.009, 0.005]}


def test_the_order_in_which_segments_were_noted_does_not_matter() -> None:
    assert captured([*reversed(ANSWERED), *reversed(ASKED)]) == {PORT: [0.001, 0.003, 0.005]}


@pytest.mark.parametrize("ending", [pong(3)[:1], pong(3)[:3], b""])
def test_only_the_last_ping_may_have_no_pong(ending: bytes) -> None:
    cut = ANSWERED[-1]._replace(payload=ending.hex())
    assert captured([*ASKED, *ANSWERED[:-1], cut]) == {PORT: [0.001, 0.003]}
    skipped = said(False, (5, HEAD), (11, pong(1)), (35, pong(3)))
    for answered in (ANSWERED[:2], skipped):
        with pytest.raises(ValueError, match=r"3 pings and [12] pongs that do not match"):
            captured(ASKED + answered)


def test_a_capture_with_a_hole_is_refused() -> None:
    with pytest.raises(ValueError, match=f"port {PORT}: the capture lacks bytes"):
        captured([*ASKED, *ANSWERED[:2], *ANSWERED[3:]])
