from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.collector import WAITS, Collector, WorkerCollector
from probe.load.figures import Figures, Generator, Requests, Sessions, Slice
from probe.load.mergeable import Level
from probe.load.plan import LoadPlan, Scenario, SearchBy, SearchPlan, Stage
from probe.load.record import RunRecord
from probe.load.recorder import Recorder
from probe.measure.histogram import Histogram

VERSION = "1.2.3"
PLAN = LoadPlan(
    run="r",
    broker="quotex",
    url="ws://127.0.0.1:1/",
    users=10,
    rate=None,
    scenario=Scenario(name="s", title="", stages=(Stage(name="One", seconds=60),)),
)
SEARCHED = replace(PLAN, search=SearchPlan(by=SearchBy.USERS, most=10))


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def say(self, kind: str, **fields: object) -> None:
        self.said.append((kind, fields))

    def close(self) -> None: ...

    def record(self) -> RunRecord:
        """As the other end of the pipe has it."""
        made = RunRecord(PLAN)
        for kind, fields in self.said:
            if kind == "slice":
                made.add(
                    Slice(
                        second=fields["second"],
                        stage=fields["stage"],
                        figures=Figures.from_json(fields["figures"]),
                    )
                )
        return made

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [fields for each, fields in self.said if each == kind]


class Meter:
    """Of a process that does nothing but that: a second of processor time each time it is asked."""

    def take(self) -> Generator:
        return Generator(cpu_seconds=1.0, wall_seconds=2.0)


def worker(name: str, version: str = VERSION) -> tuple[Recorder, WorkerCollector]:
    recorder = Recorder(0.0, name)
    return recorder, WorkerCollector(recorder.cut, Meter(), worker=name, version=version)  # type: ignore[arg-type]


def master(plan: LoadPlan = PLAN) -> tuple[Heard, Collector]:
    heard = Heard()
    return heard, Collector(plan, None, None, heard, version=VERSION)


def answered(recorder: Recorder, at: float, took: float = 0.25) -> None:
    meter = recorder.request("balance")
    meter.due(at - took)
    meter.sent(at - took, at - took)
    meter.answered(at - took, at - took, at)


ANSWERS = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0.5, 9.9), st.floats(0.001, 0.4)), max_size=30
)  # worker, at, took


@settings(max_examples=60)
@given(ANSWERS, st.lists(st.tuples(st.integers(0, 2), st.floats(0, 10), st.booleans()), max_size=12))
def test_however_work_is_split_over_workers_seconds_and_reports_the_total_is_the_same(
    answers: list[tuple[int, float, float]], ticks: list[tuple[int, float, bool]]
) -> None:
    heard, collector = master()
    workers = [worker(f"w-{number}") for number in range(3)]
    moments = iter(sorted(ticks, key=lambda each: each[1]))
    for chosen, at, took in answers:
        answered(workers[chosen][0], at, took)
        if (moment := next(moments, None)) is not None:
            one, now, reports = moment
            workers[one][1].tick(now)
            if reports:
                collector.take(workers[one][1].pack())
    for _, each in workers:
        each.finish(10.0)
        collector.take(each.pack())
    record = collector.finish(10.0)
    expected = Requests(due=len(answers), sent=len(answers), answered=len(answers))
    for _, at, took in answers:
        expected.response.add(at - (at - took))
        expected.service.add(at - (at - took))
        expected.lateness.add(0.0)
    assert record.total.all_requests() == expected
    assert heard.record().total == record.total
    assert record.lost_workers == {}


def test_alone_a_second_counts_as_soon_as_it_is_cut() -> None:
    heard, recorder = Heard(), Recorder(0.0, "alone")
    collector = Collector(PLAN, recorder.cut, Meter(), heard, version=VERSION)  # type: ignore[arg-type]
    answered(recorder, 0.5)
    assert collector.record.total.requests == {}
    told = collector.tick(1.0)
    assert [each.second for each in told] == [0]
    assert collector.record.total.requests["balance"].answered == 1
    assert collector.record.total.generators["alone"].cpu_seconds == 1.0
    answered(recorder, 1.5)
    assert collector.finish(1.75).total.requests["balance"].answered == 2
    assert heard.record().total == collector.record.total


def test_a_second_waits_for_every_worker_and_levels_add_up() -> None:
    heard, collector = master()
    (one, ones), (other, others) = worker("w-1"), worker("w-2")
    one.live(3)
    other.live(4)
    collector.joined("w-2")
    ones.tick(2.0)
    collector.take(ones.pack())
    assert heard.of("slice") == []
    others.tick(1.0)
    collector.take(others.pack())
    (first,) = heard.of("slice")
    assert (first["second"], first["figures"]["sessions"]["live"]) == (0, [7, 7, 7])


def test_workers_that_change_stages_a_moment_apart_tell_levels_once_for_the_second() -> None:
    _, collector = master()
    (one, ones), (other, others) = worker("w-1"), worker("w-2")
    collector.joined("w-1")
    collector.joined("w-2")
    for recorder, live in ((one, 3), (other, 4)):
        recorder.live(live)
        recorder.request("balance").due(0.1)
    one.enter(1, 0.75)  # at the end of second 0; the other's comes a moment later, in second 1
    one.request("balance").due(0.9)
    for collecting in (ones, others):
        collecting.tick(1.0)
        collector.take(collecting.pack())
    assert collector.record.total.sessions.live == Level(7, 7, 7)
    assert collector.record.stages[1].figures.sessions.live == Level(7, 7, 7)


def test_nobody_waits_for_a_worker_that_is_silent_for_too_long_and_what_it_tells_later_still_counts() -> None:
    _, collector = master()
    (one, ones), (silent, silents) = worker("w-1"), worker("w-2")
    collector.joined("w-2")
    silent.live(9)
    answered(silent, 0.5)
    silents.tick(1.0)
    answered(one, 0.5)
    one.live(1)
    ones.tick(WAITS + 1.0)
    collector.take(ones.pack())
    assert collector.record.total.requests["balance"].answered == 1
    ones.tick(WAITS + 2.0)
    collector.take(ones.pack())
    collector.take(silents.pack())
    assert collector.record.total.requests["balance"].answered == 2
    assert collector.record.total.sessions.live.highest == 1


def test_a_worker_that_died_is_told_once_and_what_it_told_before_counts() -> None:
    heard, collector = master()
    recorder, dying = worker("w-1")
    answered(recorder, 0.5)
    dying.tick(1.0)
    collector.take(dying.pack())
    collector.lost("w-1", "its connection ended")
    collector.lost("w-1", "its heartbeats stopped")
    record = collector.finish(2.0)
    assert record.total.requests["balance"].answered == 1
    assert record.lost_workers == {"w-1": "its connection ended"}
    assert heard.of("worker-lost") == [{"worker": "w-1", "why": "its connection ended"}]
    assert "worker-lost" in [each.code for each in record.verdict.reasons]


def test_a_worker_that_never_said_that_it_was_over_is_lost() -> None:
    _, collector = master()
    (_, ended), (_, silent) = worker("w-1"), worker("w-2")
    for each in (ended, silent):
        each.tick(3.0)
    ended.finish(3.5)
    for each in (ended, silent):
        collector.take(each.pack())
    assert collector.finish(4.0).lost_workers == {"w-2": "it told nothing of second 3 and after"}


def test_workers_have_names_that_people_can_tell_apart() -> None:
    _, collector = master()
    names = [f"gateway_{number:032x}" for number in (7, 9)]
    for name in names:
        recorder, told = worker(name)
        answered(recorder, 0.5)
        told.finish(1.0)
        collector.take(told.pack())
    collector.lost(names[1], "its connection ended")
    assert list(collector.record.total.generators) == ["worker 1 on gateway", "worker 2 on gateway"]
    assert list(collector.record.lost_workers) == ["worker 2 on gateway"]


def test_a_run_is_complete_when_every_worker_has_told_its_last() -> None:
    _, collector = master()
    (_, one), (_, other) = worker("w-1"), worker("w-2")
    collector.joined("w-2")
    one.finish(1.0)
    collector.take(one.pack())
    assert collector.waits_for == {"w-2"}
    other.finish(1.0)
    collector.take(other.pack())
    assert collector.waits_for == set()


def test_a_worker_that_is_no_longer_there_is_lost_and_nobody_waits_for_it() -> None:
    heard, collector = master()
    (one, ones), (other, others) = worker("w-1"), worker("w-2")
    collector.joined("w-1")
    collector.joined("w-2")
    for recorder, collecting in ((one, ones), (other, others)):
        answered(recorder, 0.5)
        collecting.tick(1.0)
        collector.take(collecting.pack())
    others.finish(2.0)
    collector.take(others.pack())
    collector.look_round({"w-1"})
    collector.look_round(set())
    assert collector.record.lost_workers == {
        "w-1": "nothing is heard of it any more",
        "w-2": "it ended before the run did",
    }
    assert [said["worker"] for said in heard.of("worker-lost")] == ["w-2", "w-1"]
    assert collector.waits_for == set()
    assert collector.record.total.requests["balance"].answered == 2


def test_nobody_waits_for_a_worker_of_another_version_that_was_expected() -> None:
    _, collector = master()
    collector.joined("w-1")
    collector.take({"version": "0.0.1", "worker": "w-1", "number": 1})
    collector.look_round(set())
    assert collector.waits_for == set()
    assert collector.record.lost_workers == {}
    assert collector.record.refused_workers == {"w-1": "0.0.1"}


def test_a_worker_of_another_version_is_refused_and_noted_once() -> None:
    heard, collector = master()
    recorder, other = worker("w-1", version="0.9")
    answered(recorder, 0.5)
    other.tick(1.0)
    assert collector.take(other.pack()) is False
    assert collector.take(other.pack()) is False
    record = collector.finish(2.0)
    assert record.total == Figures()
    assert record.refused_workers == {"w-1": "0.9"}
    assert heard.of("worker-refused") == [{"worker": "w-1", "version": "0.9"}]


def test_a_report_counts_once_and_one_that_is_missing_is_told() -> None:
    _, collector = master()
    recorder, told = worker("w-1")
    answered(recorder, 0.5)
    told.tick(1.0)
    report = told.pack()
    collector.take(report)
    collector.take(report)
    assert collector.record.total.requests["balance"].answered == 1
    told.pack()  # goes astray
    collector.take(told.pack())
    assert collector.record.lost_workers == {"w-1": "1 of its reports did not arrive"}


@pytest.mark.parametrize(
    "report", [{}, {"worker": "w", "version": VERSION, "number": 1, "slices": b"x"}, {"worker": "w", "version": VERSION, "number": None}]
)  # fmt: skip
def test_what_no_worker_of_ours_packed_is_refused_in_words(report: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no report of a worker of tradeprobe"):
        master()[1].take(report)


def test_the_figures_of_a_window_are_those_of_its_seconds_once_all_were_told() -> None:
    recorder = Recorder(0.0, "alone")
    collector = Collector(SEARCHED, recorder.cut, None, Heard(), version=VERSION)
    for second in range(6):
        answered(recorder, second + 0.5)
        collector.tick(second + 1.0)
    assert collector.window(2, 7) is None
    figures = collector.window(2, 5)
    assert figures is not None
    assert figures.all_requests().answered == 3


def test_histograms_and_sessions_survive_the_report() -> None:
    _, collector = master()
    recorder, told = worker("w-1")
    recorder.recovered(0.75)
    told.finish(0.5)
    collector.take(told.pack())
    assert collector.record.total.sessions == Sessions(reopened=1, recovery=Histogram.of([0.75]))
