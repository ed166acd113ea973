import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from probe.diagnose.loaded import LoadFacts
from probe.load.causes import causes, load_case, unsaid
from probe.load.figures import Figures, Generator, Requests, Slice
from probe.load.mergeable import Level
from probe.load.plan import Scenario, Stage
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from tests.load import made

CLOSED = Scenario(
    name="s", title="", stages=(Stage(name="One", seconds=9),), operations={"balance": 1.0}, pace=0.1
)


def run(*seconds: Callable[[Figures], object], **plan: object) -> RunRecord:
    """Each makes a second of it."""
    record = RunRecord(made.plan(**plan), began_utc=0.0)
    for second, make in enumerate(seconds):
        figures = Figures()
        make(figures)
        record.add(Slice(second=second, stage=0, figures=figures))
    return record


def facts(record: RunRecord) -> LoadFacts:
    found = load_case(record).load
    assert found is not None
    return found


def nothing(_: Figures) -> None: ...


def loses(count: int) -> Callable[[Figures], None]:
    return lambda figures: figures.sessions.lost.update({"session.tcp-reset": count})


def come_back(*pauses: float) -> Callable[[Figures], None]:
    return lambda figures: figures.sessions.pause.add_all(list(pauses))


def answers(*seconds: float) -> Callable[[Figures], object]:
    answered = Requests(due=len(seconds), answered=len(seconds), service=Histogram.of(seconds))
    return lambda figures: figures.requests.update({"balance": answered})


def kernel(**counts: Any) -> Callable[[Figures], object]:
    one, other = Generator(**counts), Generator(**counts)
    return lambda figures: figures.generators.update({"worker-1": one, "worker-2": other})


def test_who_ended_together_and_how_they_came_back_is_told_of_each_end() -> None:
    record = run(
        loses(30), loses(20), come_back(*[1.0] * 25, *[1.5] * 25), nothing, loses(40), come_back(3.0)
    )
    first, second = facts(record).returns
    assert (first.second, first.seconds, first.ended, first.back, first.is_planned) == (0, 2, 50, 50, False)
    assert first.spread == pytest.approx(0.5, rel=0.02)
    assert (second.second, second.ended, second.back) == (4, 40, 1)


def test_a_few_sessions_that_end_all_the_time_hide_no_common_end() -> None:
    record = run(loses(1), loses(1), loses(90), come_back(*[1.0] * 90), loses(1), loses(1))
    (end,) = facts(record).returns
    assert (end.second, end.ended, end.back) == (2, 90, 90)


def test_whoever_is_cut_by_the_scenario_is_no_loss_of_the_servers() -> None:
    (end,) = facts(run(lambda figures: setattr(figures.sessions, "dropped", 30))).returns
    assert (end.ended, end.is_planned) == (30, True)


def test_what_a_wait_kept_from_being_asked_is_counted_by_the_pace() -> None:
    waited = facts(run(answers(*[0.01] * 199, 2.0), rate=None, scenario=CLOSED)).waited
    assert waited is not None
    assert (waited.asked, waited.missing, waited.longest) == (200, 19, 2.0)
    by_share = {each.share: (each.asked, each.wanted) for each in waited.percentiles}
    assert by_share[0.99] == pytest.approx((0.01, 1.8), rel=0.02)
    assert by_share[0.5] == pytest.approx((0.01, 0.01), rel=0.02)


@pytest.mark.parametrize(
    "plan",
    [
        {"rate": 10.0, "scenario": CLOSED},
        {"rate": None, "scenario": replace(CLOSED, persistent=False)},
        {"rate": None, "scenario": replace(CLOSED, pace=0.0)},
        {"rate": None, "scenario": replace(CLOSED, operations={"candles": 1.0})},
        {"rate": None, "scenario": CLOSED, "replay": "one.har"},
    ],
    ids=["by the clock", "a session for each", "as fast as it goes", "somebody's own tasks", "a recording"],
)
def test_where_no_pace_is_known_nothing_is_missing(plan: dict[str, Any]) -> None:
    assert facts(run(answers(*[0.01] * 199, 2.0), **plan)).waited is None


def test_a_stage_has_a_pace_of_its_own() -> None:
    slow = replace(CLOSED, stages=(Stage(name="One", seconds=9, pace=4.0),))
    waited = facts(run(answers(0.01, 2.0), rate=None, scenario=slow)).waited
    assert waited is not None
    assert waited.missing == 0


def test_what_the_kernel_of_one_machine_counts_is_not_counted_by_each_process_on_it() -> None:
    record = run(
        kernel(queue_overflows=7, syns_again=3, tracked=Level(9, 9, 9), tracked_limit=Level(9, 9, 9))
    )
    found = facts(record)
    assert (found.queue_overflows, found.syns_again, found.tracked, found.tracked_limit) == (7, 3, 9, 9)


def test_only_on_its_own_machine_is_the_kernel_the_servers() -> None:
    assert facts(run(nothing)).is_here
    assert not facts(run(nothing, url="ws://load.example/")).is_here


def test_what_the_verdict_says_is_not_said_again() -> None:
    record = made.record(None, "busy-generator")
    assert "load.generator-saturated" in {each.slug for each in record.verdict.reasons}
    assert [each.code for each in causes(record)] == ["load.generator-saturated"]
    assert unsaid(record) == ()


def test_a_document_names_them_and_is_read_with_or_without() -> None:
    record = run(loses(30), come_back(*[1.0] * 30), rate=None)
    told = json.loads(json.dumps(record.to_json()))
    (cause,) = (each for each in told["causes"] if each["code"] == "load.reconnect-herd")
    assert (cause["certainty"], cause["advice"][0][:15]) == ("certain", "Let each client")
    assert causes(RunRecord.from_json(told)) == causes(record)
    del told["causes"]
    assert causes(RunRecord.from_json(told)) == causes(record)


def test_a_document_of_a_broker_that_nobody_knows_here_is_judged_all_the_same() -> None:
    record = run(loses(30), come_back(*[1.0] * 30), broker="elsewhere")
    assert "load.reconnect-herd" in {each.code for each in causes(record)}


def test_a_run_that_never_began_shows_nothing() -> None:
    assert causes(RunRecord(made.plan())) == ()
