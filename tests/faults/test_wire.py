import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.faults.pipe import FaultyPipe
from probe.faults.stream import Corrupt, Cut, Delay, Flow, Freeze, Jitter, Reset, Slice, StreamFault, Throttle
from probe.faults.wire import FaultStack, FaultyWire
from probe.model.events import Ended, Event, Phase, Traffic
from probe.model.failures import Failure, Speaker
from probe.wire.drivable import Drivable, Signal

Arrival = tuple[float, bytes | Signal]
RESET = Failure(kind="session.tcp-reset", spoke_last=Speaker.REMOTE)


class Peer:
    """A wrapped session that notes what reaches it and when, and says what it is told to say."""

    def __init__(self, *, echo: bool = False, wakes_at: float | None = None) -> None:
        self.heard: list[tuple[float, bytes | Failure | str | None]] = []
        self.echo, self.wakes_at = echo, wakes_at
        self.to_say: list[bytes | Signal] = []
        self.to_tell: list[Event] = []

    def begin(self, now: float) -> None:
        self.heard.append((now, "begin"))

    def receive(self, item: bytes, now: float) -> None:
        self.heard.append((now, item))
        if self.echo:
            self.to_say.append(item)

    def receive_end(self, now: float, failure: Failure | None) -> None:
        self.heard.append((now, failure))

    def end(self, now: float) -> None:
        self.to_tell.append(Ended(at=now, phase=Phase.LIVE, failure=None, traffic=Traffic()))

    def wake(self, now: float) -> None:
        if self.wakes_at is not None and self.wakes_at <= now:
            self.heard.append((now, "woken"))
            self.wakes_at = None

    def next_wake(self) -> float | None:
        return self.wakes_at

    def outgoing(self) -> list[bytes | Signal]:
        said, self.to_say = self.to_say, []
        return said

    def events(self) -> list[Event]:
        told, self.to_tell = self.to_tell, []
        return told


class Line:
    """A driver with a pretend clock around a faulty server: `arrived` is what came out on the client's side."""

    def __init__(self, wire: Drivable, peer: Peer, begin_at: float = 0.0) -> None:
        self.wire, self.peer, self.now = wire, peer, begin_at
        self.arrived: list[Arrival] = []
        self.wakes: list[float] = []
        wire.begin(begin_at)
        self.flush()

    def flush(self) -> None:
        self.arrived += [(self.now, effect) for effect in self.wire.outgoing()]

    def until(self, at: float) -> None:
        while (due := self.wire.next_wake()) is not None and due <= at:
            assert due >= self.now, "a timer in the past"
            self.now = due
            self.wakes.append(due)
            assert len(self.wakes) < 100_000, "a timer that never stops"
            self.wire.wake(due)
            self.flush()
        self.now = max(at, self.now)

    def up(self, at: float, item: bytes) -> None:
        self.until(at)
        self.wire.receive(item, at)
        self.flush()

    def down(self, at: float, *items: bytes | Signal) -> None:
        self.until(at)
        self.peer.to_say += items
        self.wire.wake(at)
        self.flush()

    @property
    def heard(self) -> list[tuple[float, bytes | Failure | str | None]]:
        return self.peer.heard[1:]  # without "begin"


def line(*faults: StreamFault, seed: int = 1, begin_at: float = 0.0, **peer: bool) -> Line:
    inner = Peer(**peer)
    wire: Drivable = inner
    for fault in faults:
        wire = FaultyWire(wire, fault, Random(seed))
    return Line(wire, inner, begin_at)


def joined(arrivals: list[Arrival]) -> bytes:
    return b"".join(item for _, item in arrivals if isinstance(item, bytes))


# Each fault, exactly


def test_delay_moves_every_arrival_by_its_time_and_keeps_signals_in_their_place() -> None:
    it = line(Delay(seconds=0.25, direction=Flow.DOWN), begin_at=100.0)
    it.down(100.0, b"one", b"two", Signal.CLOSE)
    it.up(100.0, b"up")
    it.until(200.0)
    assert it.arrived == [(100.25, b"one"), (100.25, b"two"), (100.25, Signal.CLOSE)]
    assert it.heard == [(100.0, b"up")]
    assert it.wire.next_wake() is None


def test_delay_both_ways_costs_a_round_trip_twice() -> None:
    it = line(Delay(seconds=0.25), echo=True)
    it.up(1.0, b"ping")
    it.until(9.0)
    assert it.heard == [(1.25, b"ping")]
    assert it.arrived == [(1.5, b"ping")]


def test_the_end_of_the_transport_keeps_its_place_behind_the_last_bytes() -> None:
    it = line(Delay(seconds=0.25))
    it.up(1.0, b"last words")
    it.wire.receive_end(1.125, RESET)
    it.until(9.0)
    assert it.heard == [(1.25, b"last words"), (1.375, RESET)]
    assert it.wire.next_wake() is None


def test_jitter_is_within_its_bounds_and_never_overtakes() -> None:
    it = line(Jitter(seconds=0.5))
    sent = [n / 10 for n in range(100)]
    for at in sent:
        it.down(at, b"%f" % at)
    it.until(99.0)
    lateness = [at - then for (at, _), then in zip(it.arrived, sent, strict=True)]
    assert [item for _, item in it.arrived] == [b"%f" % at for at in sent]
    assert all(0 <= late <= 0.5 for late in lateness)
    assert max(lateness) > 0.4
    assert min(lateness) < 0.2


def test_slice_lets_pieces_out_with_a_pause_between_them() -> None:
    it = line(Slice(bytes=3, pause=0.5))
    it.down(1.0, b"abcdefgh", Signal.HALF_CLOSE)
    it.down(9.0, b"xy")
    it.until(20.0)
    assert it.arrived == [
        (1.0, b"abc"),
        (1.5, b"def"),
        (2.0, b"gh"),
        (2.0, Signal.HALF_CLOSE),
        (9.0, b"xy"),
    ]


def test_slice_pauses_between_the_pieces_of_two_messages_too() -> None:
    it = line(Slice(bytes=3, pause=0.5))
    it.down(1.0, b"ab")
    it.down(1.125, b"cd")
    it.until(9.0)
    assert it.arrived == [(1.0, b"ab"), (1.5, b"cd")]


def test_throttle_lets_each_piece_arrive_when_its_last_byte_is_through() -> None:
    it = line(Throttle(bytes_per_second=64))  # 50 ms of line time are three bytes
    it.down(2.0, b"abcdefgh", Signal.CLOSE)
    it.until(9.0)
    assert it.arrived == [
        (2 + 3 / 64, b"abc"),
        (2 + 6 / 64, b"def"),
        (2 + 8 / 64, b"gh"),
        (2 + 8 / 64, Signal.CLOSE),
    ]


def test_throttle_keeps_its_rate_over_many_messages_and_counts_no_idle_time() -> None:
    it = line(Throttle(bytes_per_second=1024))
    for n in range(8):
        it.down(n / 128, bytes(128))  # 16 times as fast as the line
    it.until(0.5)
    assert 512 - 51 < len(joined(it.arrived)) <= 512
    it.until(1.0)
    assert len(joined(it.arrived)) == 1024
    it.down(50.0, bytes(32))
    it.until(51.0)
    assert it.arrived[-1] == (50 + 32 / 1024, bytes(32))


def test_freeze_holds_everything_during_its_window_and_then_lets_it_go() -> None:
    it = line(Freeze(start=10.0, duration=5.0))
    it.down(9.0, b"before")
    it.down(10.0, b"at its start")
    it.up(12.0, b"up")
    it.down(14.0, Signal.HALF_CLOSE)
    it.down(15.0, b"at its end")
    it.until(20.0)
    assert it.arrived == [
        (9.0, b"before"),
        (15.0, b"at its start"),
        (15.0, Signal.HALF_CLOSE),
        (15.0, b"at its end"),
    ]
    assert it.heard == [(15.0, b"up")]


def test_freeze_without_an_end_is_a_black_hole_without_a_timer() -> None:
    it = line(Freeze(start=10.0, direction=Flow.UP))
    it.up(10.0, b"lost")
    it.wire.receive_end(11.0, None)
    it.down(12.0, b"still heard")
    it.until(10**6)
    assert it.heard == []
    assert it.arrived == [(12.0, b"still heard")]
    assert it.wire.next_wake() is None


@pytest.mark.parametrize("fault", [Delay(seconds=9, duration=2), Slice(bytes=1, pause=9, duration=2),
                                   Throttle(bytes_per_second=1, duration=2), Jitter(seconds=1e9, duration=2)])  # fmt: skip
def test_when_a_window_ends_what_is_held_is_let_go_and_the_fault_acts_no_more(fault: StreamFault) -> None:
    it = line(fault)
    it.down(1.0, b"abc")
    it.down(3.0, b"later")
    it.until(99.0)
    assert [item for at, item in it.arrived if at > 2] == [b"later"]
    assert joined(it.arrived) == b"abclater"
    assert it.arrived[-2][0] == 2.0


@pytest.mark.parametrize(
    ("fault", "signal", "failure"), [(Cut, Signal.CLOSE, None), (Reset, Signal.ABORT, RESET)]
)
@pytest.mark.parametrize("after", range(1, 9))
def test_a_cut_comes_exactly_after_its_byte_on_the_way_down(
    fault: type[Cut], signal: Signal, failure: Failure | None, after: int
) -> None:
    it = line(fault(after=after, direction=Flow.DOWN))
    it.up(1.0, b"a request much longer than that")
    it.down(2.0, b"abc")
    it.down(3.0, b"defgh", b"ij", Signal.HALF_CLOSE)
    it.up(4.0, b"into the void")
    it.down(5.0, b"into the void", Signal.CLOSE)
    it.wire.receive_end(6.0, None)
    it.until(9.0)
    cut_at = 2.0 if after <= 3 else 3.0
    assert joined(it.arrived) == b"abcdefghij"[:after]
    assert it.arrived[-1] == (cut_at, signal)
    assert [effect for _, effect in it.arrived if isinstance(effect, Signal)] == [signal]
    assert it.heard == [(1.0, b"a request much longer than that"), (cut_at, failure)]
    assert it.wire.next_wake() is None


def test_a_cut_on_the_way_up_comes_before_the_answer_to_its_last_byte() -> None:
    it = line(Cut(after=5, direction=Flow.UP), echo=True)
    it.up(1.0, b"abc")
    it.up(2.0, b"def")
    assert it.arrived == [(1.0, b"abc"), (2.0, Signal.CLOSE)]
    assert it.heard == [(1.0, b"abc"), (2.0, b"de"), (2.0, None)]


def test_a_cut_in_either_direction_counts_each_direction_for_itself() -> None:
    it = line(Cut(after=4))
    it.up(1.0, b"abc")
    it.down(2.0, b"def")
    it.down(3.0, b"ghi")
    assert it.arrived == [(2.0, b"def"), (3.0, b"g"), (3.0, Signal.CLOSE)]


@pytest.mark.parametrize("start", [0.0, 0.1, 7.7])
def test_a_cut_without_bytes_comes_at_its_time(start: float) -> None:
    it = line(Cut(start=start), begin_at=0.3)
    it.until(0.3 + start + 1)
    assert it.arrived == [(0.3 + start, Signal.CLOSE)]
    assert it.heard == [(0.3 + start, None)]
    assert it.wire.next_wake() is None


def test_a_cut_at_its_time_is_not_missed_by_a_late_driver() -> None:
    it = line(Reset(start=5.0, duration=0.5))
    it.now = 6.0
    it.wire.receive(b"too late", 6.0)
    it.flush()
    assert it.arrived == [(6.0, Signal.ABORT)]
    assert it.heard == [(6.0, RESET)]


def test_a_cut_counts_only_bytes_of_its_window() -> None:
    it = line(Cut(after=3, direction=Flow.DOWN, start=5.0, duration=5.0))
    it.down(1.0, b"abcdef")
    it.down(5.0, b"gh")
    it.down(10.0, b"ijklmn")
    it.until(99.0)
    assert joined(it.arrived) == b"abcdefghijklmn"
    assert Signal.CLOSE not in [effect for _, effect in it.arrived]


def test_corrupt_flips_one_bit_of_every_byte_from_its_offset_on() -> None:
    it = line(Corrupt(after=5, probability=1.0, direction=Flow.DOWN))
    it.down(1.0, bytes(4))
    it.down(2.0, bytes(4))
    it.up(3.0, bytes(8))
    got = joined(it.arrived)
    assert [byte.bit_count() for byte in got] == [0, 0, 0, 0, 0, 1, 1, 1]
    assert it.heard == [(3.0, bytes(8))]


def test_corrupt_hits_the_share_of_bytes_it_says_and_the_same_ones_however_they_are_cut() -> None:
    whole, cut = line(Corrupt(probability=0.1), seed=5), line(Corrupt(probability=0.1), seed=5)
    whole.down(1.0, bytes(10_000))
    for _ in range(100):
        cut.down(1.0, bytes(100))
    assert joined(whole.arrived) == joined(cut.arrived)
    assert 900 < sum(map(bool, joined(whole.arrived))) < 1100


@pytest.mark.parametrize("fault", [Cut(share=0.3), Freeze(share=0.3)])
def test_a_share_of_the_connections_is_hit_and_the_others_are_left_alone(fault: StreamFault) -> None:
    spared = 0
    for seed in range(1000):
        it = line(fault, seed=seed)
        it.down(1.0, b"x")
        spared += it.arrived == [(1.0, b"x")]
    assert 650 < spared < 750


# Wires as Drivables


@pytest.mark.parametrize(("receives", "delayed"), [(Flow.UP, b"up"), (Flow.DOWN, b"down")])
def test_up_is_client_to_server_whichever_side_is_wrapped(receives: Flow, delayed: bytes) -> None:
    peer = Peer()
    it = Line(FaultyWire(peer, Delay(seconds=1, direction=Flow.UP), Random(1), receives=receives), peer)
    it.up(0.0, b"up" if receives is Flow.UP else b"down")
    it.down(0.0, b"down" if receives is Flow.UP else b"up")
    it.until(9.0)
    at = {item: at for at, item in [*it.heard, *it.arrived]}
    assert at == {b"up": 1.0, b"down": 0.0}
    assert it.wire.next_wake() is None


def test_two_faults_add_up_in_the_order_they_are_stacked() -> None:
    it = line(Slice(bytes=2, pause=0.25), Delay(seconds=1.0))
    it.down(1.0, b"abcd")
    it.up(1.0, b"wxyz")
    it.until(9.0)
    assert it.arrived == [(2.0, b"ab"), (2.25, b"cd")]
    assert it.heard == [(2.0, b"wx"), (2.25, b"yz")]


def test_a_cut_outside_a_delay_reaches_the_inner_session_after_the_bytes_still_under_way() -> None:
    it = line(Delay(seconds=1.0), Cut(start=5.0))
    it.up(4.5, b"under way")
    it.down(4.5, b"never arrives")
    it.until(9.0)
    assert it.heard == [(5.5, b"under way"), (6.0, None)]
    assert it.arrived == [(5.0, Signal.CLOSE)]


def test_a_timer_of_the_inner_session_is_run_when_it_is_due_and_after_what_arrived_by_then() -> None:
    peer = Peer(wakes_at=2.0)
    it = Line(FaultyWire(peer, Delay(seconds=1.0), Random(1)), peer)
    it.up(1.0, b"just in time")
    it.until(9.0)
    assert it.heard == [(2.0, b"just in time"), (2.0, "woken")]


def test_a_dial_that_failed_is_told_at_once_because_there_never_was_a_line() -> None:
    peer = Peer()
    wire = FaultyWire(peer, Freeze(), Random(1))
    refused = Failure(kind="tcp.refused")
    wire.receive_end(3.0, refused)
    assert peer.heard == [(3.0, refused)]
    assert wire.next_wake() is None


@pytest.mark.parametrize(
    "fault", [Cut(start=50.0), Freeze(duration=50.0, direction=Flow.UP), Delay(seconds=50)]
)
def test_no_timer_is_left_when_the_inner_session_ended_and_nothing_is_to_deliver(fault: StreamFault) -> None:
    it = line(fault)
    it.up(1.0, b"held, or not")
    it.peer.end(2.0)
    it.wire.wake(2.0)
    it.wire.receive(b"nobody hears this", 3.0)
    it.wire.receive_end(4.0, None)
    assert [type(event) for event in it.wire.events()] == [Ended]
    assert it.wire.next_wake() is None
    it.until(99.0)
    assert it.arrived == []


def test_the_last_words_of_an_ended_session_are_still_delivered() -> None:
    it = line(Delay(seconds=1.0))
    it.peer.end(2.0)
    it.down(2.0, b"bye", Signal.CLOSE)
    it.until(9.0)
    assert it.arrived == [(3.0, b"bye"), (3.0, Signal.CLOSE)]
    assert it.wire.next_wake() is None


def test_a_fault_switched_off_lets_go_and_switched_on_begins_anew() -> None:
    it = line(Freeze(start=1.0))
    wire = it.wire
    assert isinstance(wire, FaultyWire)
    it.down(2.0, b"held")
    it.until(3.0)
    wire.switch(3.0, on=False)
    it.flush()
    it.down(4.0, b"free")
    wire.switch(5.0, on=True)
    it.down(5.5, b"not yet")
    it.down(6.0, b"held again")
    it.until(99.0)
    assert it.arrived == [(3.0, b"held"), (4.0, b"free"), (5.5, b"not yet")]


def test_a_cut_switched_off_does_not_come_and_switched_on_counts_anew() -> None:
    it = line(Cut(after=5, direction=Flow.DOWN))
    wire = it.wire
    assert isinstance(wire, FaultyWire)
    it.down(1.0, b"abcd")
    wire.switch(2.0, on=False)
    it.down(3.0, b"ef")
    wire.switch(4.0, on=True)
    it.down(5.0, b"ghijklm")
    assert joined(it.arrived) == b"abcdefghijk"


def test_a_cut_to_come_is_called_off_when_it_is_switched_off() -> None:
    it = line(Cut(start=5.0))
    wire = it.wire
    assert isinstance(wire, FaultyWire)
    wire.switch(2.0, on=False)
    assert wire.next_wake() is None
    it.down(6.0, b"alive")
    assert it.arrived == [(6.0, b"alive")]


def test_the_end_is_told_once_even_if_a_cut_comes_after_it() -> None:
    it = line(Reset(start=5.0))
    it.wire.receive_end(1.0, None)
    it.until(9.0)
    assert it.heard == [(1.0, None)]
    assert it.arrived == [(5.0, Signal.ABORT)]


def test_a_broken_line_cannot_be_switched_whole_again() -> None:
    it = line(Cut(start=1.0))
    it.until(2.0)
    wire = it.wire
    assert isinstance(wire, FaultyWire)
    wire.switch(3.0, on=False)
    wire.switch(3.0, on=True)
    it.up(9.0, b"?")
    assert it.heard == [(1.0, None)]
    assert wire.next_wake() is None


def test_what_is_held_is_counted_for_each_direction() -> None:
    it = line(Slice(bytes=2, pause=1.0))
    wire = it.wire
    assert isinstance(wire, FaultyWire)
    it.down(0.0, b"abcdefg")
    it.up(0.0, b"xyz")
    assert (wire.held(Flow.DOWN), wire.held(Flow.UP)) == (5, 1)
    it.until(9.0)
    assert (wire.held(Flow.DOWN), wire.held(Flow.UP)) == (0, 0)


# Properties

CHUNKS = st.lists(
    st.tuples(
        st.integers(0, 2000).map(lambda ms: ms / 1000), st.binary(max_size=40) | st.just(Signal.HALF_CLOSE)
    ),
    max_size=20,
)
WINDOW = {
    "start": st.integers(0, 3).map(float),
    "duration": st.none() | st.integers(1, 2000).map(lambda ms: ms / 1000),
}
HARMLESS = st.one_of(
    st.builds(Delay, seconds=st.floats(0, 3), **WINDOW),
    st.builds(Jitter, seconds=st.floats(0, 3), **WINDOW),
    st.builds(Slice, bytes=st.integers(1, 9), pause=st.floats(0, 1), **WINDOW),
    st.builds(Throttle, bytes_per_second=st.floats(1, 500), **WINDOW),
)


def run(faults: list[StreamFault], chunks: list[tuple[float, bytes | Signal]], seed: int) -> list[Arrival]:
    it = line(*faults, seed=seed)
    at = 0.0
    for gap, item in chunks:
        at += gap
        it.down(at, item)
    it.until(math.inf)
    assert it.wire.next_wake() is None
    return it.arrived


@given(faults=st.lists(HARMLESS, min_size=1, max_size=3), chunks=CHUNKS, seed=st.integers(0, 99))
def test_whatever_the_chunks_and_delays_all_bytes_arrive_in_order_with_signals_in_their_place(
    faults: list[StreamFault], chunks: list[tuple[float, bytes | Signal]], seed: int
) -> None:
    arrived = run(faults, chunks, seed)

    def script(items: list[bytes | Signal]) -> bytes:
        return b"".join(item if isinstance(item, bytes) else b"<SIGNAL>" for item in items)

    assert script([item for _, item in arrived]) == script([item for _, item in chunks])
    assert b"" not in [item for _, item in arrived]
    assert arrived == run(faults, chunks, seed)


@given(pieces=st.lists(st.binary(max_size=9), max_size=9), after=st.integers(1, 60), fault=HARMLESS)
def test_whatever_the_chunks_a_cut_lets_exactly_its_bytes_through(
    pieces: list[bytes], after: int, fault: StreamFault
) -> None:
    it = line(fault, Cut(after=after, direction=Flow.DOWN))
    for piece in pieces:
        it.down(it.now, piece)
    it.until(math.inf)
    sent = b"".join(pieces)
    assert joined(it.arrived) == sent[:after]
    assert it.arrived[-1:] == [(it.arrived[-1][0], Signal.CLOSE)] if len(sent) >= after else True


def test_chance_is_the_same_for_one_seed_and_not_for_another() -> None:
    chunks: list[tuple[float, bytes | Signal]] = [(0.125, bytes(20))] * 20
    faults: list[StreamFault] = [Jitter(seconds=0.5), Corrupt(probability=0.1)]
    assert run(faults, chunks, 1) == run(faults, chunks, 1)
    assert run(faults, chunks, 1) != run(faults, chunks, 2)


def test_traffic_one_way_does_not_change_what_chance_does_the_other_way() -> None:
    quiet, busy = line(Corrupt(probability=0.1)), line(Corrupt(probability=0.1))
    busy.up(0.0, bytes(500))
    for it in (quiet, busy):
        it.down(1.0, bytes(500))
    assert quiet.arrived == busy.arrived


def test_a_large_chunk_in_tiny_pieces_costs_no_memory_for_each_piece() -> None:
    pipe: FaultyPipe[Signal] = FaultyPipe(Slice(bytes=1, pause=1.0), Random(1))
    pipe.start(0.0)
    pipe.push(bytes(10**7), 0.0)
    assert [pipe.pop(float(n)) for n in range(3)] == [[b"\0"]] * 3
    assert pipe.held == 10**7 - 3
    assert pipe.next_wake() == 3.0


# Stacks that are exchanged while they run


def stack(*faults: StreamFault) -> tuple[FaultStack, Line]:
    peer = Peer()
    it = FaultStack(peer, faults, Random(1))
    return it, Line(it, peer)


def test_faults_set_on_a_live_stack_begin_then_and_removed_ones_let_go() -> None:
    it, the = stack()
    the.down(1.0, b"plain")
    it.set_faults([Delay(seconds=1.0, start=2.0)], 10.0)
    the.down(11.0, b"not yet")
    the.down(12.0, b"delayed")
    the.until(12.5)
    it.set_faults([], 12.5)
    the.flush()
    the.down(13.0, b"plain")
    assert the.arrived == [(1.0, b"plain"), (11.0, b"not yet"), (12.5, b"delayed"), (13.0, b"plain")]


def test_a_fault_that_stays_goes_on_and_what_a_removed_one_lets_go_still_passes_through_it() -> None:
    inner, stays, outer = Freeze(), Delay(seconds=1.0), Slice(bytes=2, pause=0.25)
    it, the = stack(inner, stays, outer)
    the.down(0.0, b"abcd", Signal.HALF_CLOSE)
    the.up(0.0, b"wxyz")
    the.until(5.0)
    it.set_faults([stays, outer], 5.0)
    the.flush()
    the.until(9.0)
    assert the.arrived == [(6.0, b"ab"), (6.25, b"cd"), (6.25, Signal.HALF_CLOSE)]
    assert the.heard == [(5.0, b"wx"), (5.0, b"yz")]
    assert it.next_wake() is None


def test_the_outermost_fault_can_go_and_the_line_stays_joined() -> None:
    stays = Delay(seconds=1.0)
    it, the = stack(stays, Freeze())
    the.down(0.0, b"held")
    the.up(0.0, b"held too")
    the.until(5.0)
    it.set_faults([stays], 5.0)
    the.flush()
    the.down(6.0, b"after")
    the.until(9.0)
    assert the.arrived == [(5.0, b"held"), (7.0, b"after")]
    assert the.heard == [(6.0, b"held too")]


def test_a_broken_line_is_not_mended_by_taking_the_fault_away() -> None:
    it, the = stack(Cut(start=1.0))
    the.until(2.0)
    it.set_faults([], 3.0)
    the.flush()
    the.up(4.0, b"?")
    the.down(5.0, b"?")
    assert the.arrived == [(1.0, Signal.CLOSE)]
    assert the.heard == [(1.0, None)]


def test_faults_exchanged_hundreds_of_times_leave_no_chain_of_old_ones() -> None:
    it, the = stack()
    for n in range(400):
        it.set_faults([Delay(seconds=n / 1000), Delay(seconds=(n + 1) / 1000)], float(n))
        the.down(float(n), b"x")
    the.until(math.inf)
    assert len(joined(the.arrived)) == 400
    assert it.held(Flow.DOWN) == 0


def test_faults_set_before_the_beginning_begin_with_it() -> None:
    peer = Peer()
    it = FaultStack(peer, [Freeze()], Random(1))
    it.set_faults([Delay(seconds=1.0)], 0.0)
    the = Line(it, peer, begin_at=5.0)
    the.down(5.0, b"x")
    the.until(9.0)
    assert the.arrived == [(6.0, b"x")]
    assert peer.heard == [(5.0, "begin")]
