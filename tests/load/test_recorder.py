import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.load.figures import Figures, Requests, Slice
from probe.load.recorder import Recorder
from probe.measure.histogram import Histogram
from probe.model.events import Traffic

BEGAN = 1000.0


@dataclass(frozen=True)
class Asked:
    name: str
    due: float
    lateness: float
    service: float | None  # None: it failed
    was_sent: bool


SECONDS = st.floats(0, 5)
ASKED = st.lists(
    st.builds(
        Asked,
        name=st.sampled_from(["balance", "candles"]),
        due=SECONDS.map(lambda seconds: BEGAN + seconds),
        lateness=SECONDS,
        service=st.none() | SECONDS,
        was_sent=st.booleans(),
    ),
    max_size=40,
)


def told(recorder: Recorder, asked: Asked) -> float:
    meter = recorder.request(asked.name)
    meter.due(asked.due)
    sent = asked.due + asked.lateness
    if not asked.was_sent:
        meter.failed("not-live", asked.due, sent)
        return sent
    meter.sent(asked.due, sent)
    if asked.service is None:
        meter.failed("expired", asked.due, sent + 1, sent)
        return sent + 1
    meter.answered(asked.due, sent, sent + asked.service)
    return sent + asked.service


def together(slices: Iterable[Slice]) -> Figures:
    whole = Figures()
    for each in slices:
        whole.add(each.figures, later=True)
    return whole


@settings(max_examples=50)
@given(ASKED, st.lists(st.floats(0, 12), max_size=6))
def test_however_it_is_cut_every_due_ends_in_exactly_one_answer_or_failure(
    asked: list[Asked], cuts: list[float]
) -> None:
    recorder = Recorder(BEGAN, "w")
    slices: list[Slice] = []
    moments = sorted(BEGAN + cut for cut in cuts)
    for number, each in enumerate(asked):
        told(recorder, each)
        if number < len(moments):
            slices += recorder.cut(moments[number])
    slices += recorder.cut(BEGAN + 100, at_the_end=True)
    whole = together(slices)
    everything = whole.all_requests()
    assert everything.due == everything.answered + everything.failures == len(asked)
    assert everything.sent == sum(each.was_sent for each in asked)
    for name in {each.name for each in asked}:
        one = whole.requests[name]
        answered = [
            each for each in asked if each.name == name and each.was_sent and each.service is not None
        ]
        assert one.answered == len(answered)
        assert one.response == Histogram.of(
            each.due + each.lateness + (each.service or 0) - each.due for each in answered
        )
        assert one.lateness.count == one.sent


@settings(max_examples=50)
@given(ASKED)
def test_what_happened_counts_in_the_second_and_the_stage_in_which_it_happened(asked: list[Asked]) -> None:
    """Stages begin with every third second, and are heard of when the first message of theirs is due."""
    recorder, stage = Recorder(BEGAN, "w"), 0
    dues, answers = Counter[int](), Counter[int]()
    for each in sorted(asked, key=lambda asked: asked.due):
        second = int(each.due - BEGAN)
        if second // 3 > stage:
            stage = second // 3
            recorder.enter(stage, 3.0 * stage)
        at = told(recorder, each)
        dues[second] += 1
        if each.was_sent and each.service is not None:
            answers[int(at - BEGAN)] += 1
    for later in range(stage + 1, 10):
        recorder.enter(later, 3.0 * later)
    slices = [each for each in recorder.cut(BEGAN + 25, at_the_end=True) if each.figures.requests]
    assert all(each.stage == each.second // 3 for each in slices)
    assert +Counter({each.second: each.figures.all_requests().due for each in slices}) == dues
    assert +Counter({each.second: each.figures.all_requests().answered for each in slices}) == answers


def test_what_has_no_time_counts_in_the_stage_of_its_second_though_the_next_one_has_begun() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.enter(1, 1.0)
    recorder.left()  # before the first second is cut
    recorder.connecting(BEGAN + 1.0)
    found = {each.stage: (each.second, each.figures) for each in recorder.cut(BEGAN + 2.0)}
    assert {stage: second for stage, (second, _) in found.items()} == {0: 0, 1: 1}
    assert found[0][1].sessions.left == 1
    assert found[1][1].connects.begun == 1


def test_what_was_counted_between_the_beginning_of_a_stage_and_when_that_was_heard_is_the_stages() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.connecting(BEGAN + 1.2)
    recorder.request("balance").due(BEGAN + 1.2)
    recorder.enter(1, 1.0)
    assert [
        (each.second, each.stage, each.figures.connects.begun, each.figures.all_requests().due)
        for each in recorder.cut(BEGAN + 2.0)
    ] == [(0, 0, 0, 0), (1, 1, 1, 1)]


def test_every_second_has_a_slice_even_when_nothing_happens() -> None:
    recorder = Recorder(BEGAN, "w")
    assert [each.second for each in recorder.cut(BEGAN + 3.2)] == [0, 1, 2]
    assert recorder.cut(BEGAN + 3.9) == []
    assert [each.second for each in recorder.cut(BEGAN + 3.9, at_the_end=True)] == [3]


def test_what_comes_late_of_a_second_comes_as_another_slice_of_it_without_levels() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.live(5)
    recorder.request("balance").sent(BEGAN + 0.5, BEGAN + 0.5)
    recorder.cut(BEGAN + 1.0)
    recorder.request("balance").due(BEGAN + 0.5)
    late, present = recorder.cut(BEGAN + 2.0)
    assert (late.second, late.figures.requests["balance"].due, late.figures.sessions.live.is_known) == (
        0,
        1,
        False,
    )
    assert (present.second, present.figures.sessions.live.last) == (1, 5)


def test_levels_go_on_from_second_to_second_until_they_change() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.live(2)
    recorder.live(7)
    recorder.live(4)
    levels = [each.figures.sessions.live for each in recorder.cut(BEGAN + 2)]
    assert [(each.lowest, each.last, each.highest) for each in levels] == [(2, 4, 7), (4, 4, 4)]


def test_a_second_of_two_stages_tells_levels_once() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.live(3)
    recorder.request("balance").due(BEGAN + 0.2)
    recorder.enter(1, 0.5)
    recorder.request("balance").due(BEGAN + 0.8)
    first, second = recorder.cut(BEGAN + 1)
    assert [(each.second, each.stage) for each in (first, second)] == [(0, 0), (0, 1)]
    assert [each.figures.sessions.live.is_known for each in (first, second)] == [False, True]


def test_a_stage_that_begins_before_a_second_is_cut_has_nothing_of_it() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.live(3)
    recorder.stream().tick("EURUSD", 1.0, 1.1, BEGAN + 0.5)
    recorder.enter(1, 1.0)
    (only,) = recorder.cut(BEGAN + 1.25)
    assert (only.stage, only.figures.ticks["EURUSD"].staleness) == (0, Histogram.of([0.75]))


def test_a_heartbeat_and_a_message_that_were_late_are_in_the_generators_lateness() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.request("balance").sent(BEGAN, BEGAN + 0.25)
    recorder.beat_sent(BEGAN, BEGAN + 0.5)
    (only,) = recorder.cut(BEGAN + 1)
    assert only.figures.generators["w"].lateness == Histogram.of([0.25, 0.5])


def test_an_end_counts_in_the_second_in_which_it_came_however_late_that_is_cut() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.connect_failed("http.429", BEGAN + 1.001)
    recorder.lost("server.closed", BEGAN + 1.002)
    recorder.dropped(BEGAN + 1.003)
    (only,) = (each for each in recorder.cut(BEGAN + 2.01) if each.figures.connects.failed)
    assert (only.second, only.figures.sessions.lost, only.figures.sessions.dropped) == (
        1,
        {"server.closed": 1},
        1,
    )


def test_everything_else_is_counted() -> None:
    recorder = Recorder(BEGAN, "w")
    recorder.connecting(BEGAN)
    recorder.connecting(BEGAN)
    recorder.phase("resolving", 0.01)
    recorder.connected(BEGAN, BEGAN + 0.5)
    recorder.connect_failed("auth.refused", BEGAN + 0.5)
    recorder.lost("server.closed", BEGAN + 0.6)
    recorder.left()
    recorder.dropped(BEGAN + 0.7)
    recorder.recovered(0.75)
    recorder.surprise()
    recorder.beat_answered(BEGAN, BEGAN + 0.1, BEGAN + 0.6)
    recorder.beat_missed()
    recorder.peer_beat()
    recorder.unsent()
    recorder.refused("rate")
    recorder.frames(Traffic(messages_sent=1, messages_received=2, bytes_sent=3, bytes_received=4))
    recorder.wanted(9)
    (only,) = recorder.cut(BEGAN + 1)
    connects, sessions, frames = only.figures.connects, only.figures.sessions, only.figures.frames
    assert (connects.begun, connects.opened, connects.failed) == (2, 1, {"auth.refused": 1})
    assert connects.whole == Histogram.of([0.5])
    assert connects.phases == {"resolving": Histogram.of([0.01])}
    assert (sessions.lost, sessions.left, sessions.dropped, sessions.reopened) == (
        {"server.closed": 1},
        1,
        1,
        1,
    )
    assert (sessions.recovery, sessions.surprises) == (Histogram.of([0.75]), 1)
    assert (sessions.beats_answered, sessions.beats_missed, sessions.peer_beats) == (1, 1, 1)
    assert sessions.beat_round_trip == Histogram.of([0.5])
    assert (frames.messages_sent, frames.messages_received) == (1, 2)
    assert (frames.bytes_sent, frames.bytes_received) == (3, 4)
    assert sessions.wanted.last == 9
    assert (only.figures.generators["w"].unsent, only.figures.generators["w"].refused) == (1, {"rate": 1})


def test_a_meter_is_that_of_its_name() -> None:
    recorder = Recorder(BEGAN, "w")
    assert recorder.request("balance") is recorder.request("balance")
    recorder.request("balance").failed("expired", BEGAN, BEGAN + 0.1)
    (only,) = recorder.cut(BEGAN + 1)
    assert only.figures.requests["balance"].failed == {"expired": 1}


@pytest.mark.parametrize("moments", [[0.5, 1.5, 2.5], [2.5, 0.5, 1.5], [1.9999999, 2.0, 0.0, 0.9999999]])
def test_moments_are_told_apart_to_the_last_microsecond_in_any_order(moments: Sequence[float]) -> None:
    recorder = Recorder(0.0, "w")
    for each in moments:
        recorder.request("balance").due(each)
    slices = recorder.cut(3.0)
    expected = Counter(math.floor(each) for each in moments)
    assert {s.second: s.figures.requests.get("balance", Requests()).due for s in slices} == {
        second: expected[second] for second in range(3)
    }
