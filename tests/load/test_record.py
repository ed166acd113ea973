import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.load.figures import Figures, Generator, Requests, Sessions, Slice, Ticks
from probe.load.mergeable import Level
from probe.load.plan import LoadPlan, Scenario, SearchBy, SearchPlan, Stage, Upset, UpsetKind
from probe.load.record import ALL_SYMBOLS, MOST_POINTS, RunRecord
from probe.load.thresholds import read_threshold
from probe.load.verdict import Busy
from probe.measure.histogram import Histogram

PLAN = LoadPlan(
    run="r",
    broker="quotex",
    url="ws://127.0.0.1:1/",
    users=10,
    rate=10.0,
    scenario=Scenario(
        name="s",
        title="Two stages.",
        stages=(
            Stage(name="Ramp Up", seconds=4, ramp=4),
            Stage(name="Peak", seconds=6, upsets=(Upset(kind=UpsetKind.DROP),)),
        ),
        operations={"balance": 1.0},
        thresholds=(read_threshold("response p99 < 250ms"), read_threshold("tick-rate >= 2")),
    ),
)


def part(
    second: int, *, stage: int = 0, worker: str = "w-1", answers: int = 1, live: float | None = None
) -> Slice:
    figures = Figures(
        requests={
            "balance": Requests(
                due=answers,
                sent=answers,
                answered=answers,
                response=Histogram.of([0.01 * (second + 1)] * answers),
            )
        },
        ticks={"EURUSD": Ticks(arrived=2), "GBPUSD": Ticks(arrived=1)},
        sessions=Sessions(live=Level() if live is None else Level(live, live, live)),
        generators={worker: Generator(cpu_seconds=0.5, wall_seconds=1.0)},
    )
    return Slice(second=second, stage=stage, figures=figures)


def record(*parts: Slice, plan: LoadPlan = PLAN) -> RunRecord:
    made = RunRecord(plan, began_utc=1_700_000_000.0)
    for each in parts:
        made.add(each)
    return made


SLICES = st.lists(
    st.builds(
        part,
        st.integers(0, 2000),
        stage=st.integers(0, 2),
        worker=st.sampled_from(["w-1", "w-2"]),
        answers=st.integers(0, 3),
        live=st.none() | st.integers(0, 9),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(SLICES)
def test_stages_and_the_timeline_add_up_to_the_total_in_whatever_order_slices_come(
    parts: list[Slice],
) -> None:
    made = record(*parts)
    for some in ([each.figures for each in made.stages.values()], [each.figures for each in made.timeline]):
        whole = Figures()
        for figures in some:
            whole.add(figures, later=True)
        assert whole.requests == made.total.requests
        assert whole.all_ticks() == made.total.all_ticks()
        assert whole.generators == made.total.generators
    assert made.total.all_requests().answered == sum(each.figures.all_requests().answered for each in parts)


@settings(max_examples=30)
@given(SLICES)
def test_json_gives_back_everything(parts: list[Slice]) -> None:
    made = record(*parts)
    made.notes, made.ended, made.simulated = ["a note"], "interrupted", True
    made.lost_workers, made.refused_workers = {"w-2": "gone"}, {"w-3": "0.9"}
    made.search, made.simulator_cpu_seconds = {"end": "found"}, 1.5
    made.versions = {"tradeprobe": "0.1.0"}
    made.busiest = {"w-1": Busy(share=0.95, second=3)}
    written = json.loads(json.dumps(made.to_json()))
    restored = RunRecord.from_json(written)
    assert json.loads(json.dumps(restored.to_json())) == written
    assert restored.total == made.total
    assert [each.figures for each in restored.timeline] == [each.figures for each in made.timeline]
    assert {number: each.figures for number, each in restored.stages.items()} == {
        number: each.figures for number, each in made.stages.items()
    }
    assert (restored.plan, restored.verdict, restored.seconds) == (made.plan, made.verdict, made.seconds)


def test_the_document_begins_as_all_of_ours_and_says_the_verdict_next() -> None:
    document = record(part(0, live=2)).to_json()
    assert list(document)[:6] == ["schema_version", "kind", "at", "verdict", "headline", "reasons"]
    assert (document["kind"], document["at"], document["verdict"]) == (
        "load",
        "2023-11-14T22:13:20.000Z",
        "INVALID",
    )
    assert document["reasons"][0]["code"] == "nothing-measured"


def test_figures_are_told_in_words_and_seconds_and_what_was_not_measured_is_null() -> None:
    balance = record(part(0, answers=4)).to_json()["figures"]["operations"]["balance"]
    assert {name: balance[name] for name in ("due", "sent", "answered", "failed")} == {
        "due": 4, "sent": 4, "answered": 4, "failed": {},
    }  # fmt: skip
    assert balance["response"] == {
        "count": 4, "p50": 0.01, "p90": 0.01, "p95": 0.01, "p99": 0.01, "p99.9": 0.01, "max": 0.01,
    }  # fmt: skip
    assert balance["service"] == {
        "count": 0, "p50": None, "p90": None, "p95": None, "p99": None, "p99.9": None, "max": None,
    }  # fmt: skip


def test_thresholds_are_told_with_what_they_were_and_null_where_nobody_knows() -> None:
    assert record(part(0)).to_json()["thresholds"] == [
        {"threshold": "response p99 < 250ms", "value": 0.01, "limit": 0.25, "samples": 1, "holds": True},
        {"threshold": "tick-rate >= 2", "value": None, "limit": 2.0, "samples": 0, "holds": None},
    ]


def test_stages_have_the_plans_names_and_the_times_they_took() -> None:
    made = record(part(0), part(3), part(3, stage=1), part(7, stage=1), part(8, stage=5))
    assert [(each.name, each.began, each.ended) for each in made.stages.values()] == [
        ("Ramp Up", 0, 4),
        ("Peak", 3, 8),
        ("stage 6", 8, 9),
    ]


def test_a_long_run_has_at_most_600_points_of_neighbours_together() -> None:
    made = record(*(part(second) for second in range(MOST_POINTS)))
    assert [(each.second, each.seconds) for each in made.timeline] == [
        (second, 1) for second in range(MOST_POINTS)
    ]
    made.add(part(MOST_POINTS))
    points = list(made.timeline)
    assert [(each.second, each.seconds) for each in points[:2]] == [(0, 2), (2, 2)]
    assert len(points) == MOST_POINTS // 2 + 1
    assert points[0].figures.all_requests().answered == 2
    made.add(part(5 * MOST_POINTS))
    assert made.timeline.width == 8


def test_the_timeline_holds_the_ticks_of_all_symbols_together() -> None:
    (point,) = record(part(0)).timeline
    assert point.figures.ticks == {ALL_SYMBOLS: Ticks(arrived=3)}


def test_levels_of_one_second_add_up_and_those_of_the_next_follow() -> None:
    made = record(
        part(0, live=2), part(0, live=3, worker="w-2"), part(1, live=4), part(1, live=5, worker="w-2")
    )
    for found in (made.total, made.stages[0].figures):
        assert found.sessions.live == Level(9, 5, 9)
    assert [each.figures.sessions.live.last for each in made.timeline] == [5, 9]


def test_levels_of_a_slice_that_is_late_are_passed_over_and_its_counts_are_not() -> None:
    made = record(part(0, live=2), part(1, live=4), part(0, live=100, answers=7))
    assert made.total.sessions.live == Level(4, 2, 4)
    assert made.total.all_requests().answered == 9


def with_load(second: int, cpu: float, *, measured: bool = True) -> Slice:
    figures = Figures(generators={"w-1": Generator(cpu_seconds=cpu, wall_seconds=1.0)})
    if measured:
        figures.ticks = {"EURUSD": Ticks(arrived=1)}
    return Slice(second=second, stage=0, figures=figures)


def test_the_busiest_five_seconds_of_each_worker_are_found() -> None:
    loads = [0.1] * 10 + [1.0] * 4 + [0.8] + [0.1] * 10
    made = record(*(with_load(second, cpu) for second, cpu in enumerate(loads)))
    assert made.busiest == {"w-1": Busy(share=4.8 / 5, second=10)}
    assert "cpu" in [each.code for each in made.verdict.reasons]


def test_seconds_in_which_nothing_was_measured_may_be_busy() -> None:
    made = record(*(with_load(second, 1.0, measured=False) for second in range(10)))
    assert made.busiest == {}


def test_the_plans_rate_is_wanted_from_the_second_after_somebody_was_live_for_as_long_as_the_run_went() -> (
    None
):
    # The last three of four seconds of a ramp to ten a second, and the first five of six at ten.
    made = record(part(0, live=2), part(9, stage=1))
    assert made.around.wanted == pytest.approx((3.75 + 6.25 + 8.75) + 5 * 10)
    search = SearchPlan(by=SearchBy.RATE, most=100.0)
    assert record(part(9), plan=replace(PLAN, search=search)).around.wanted is None
    assert record(part(9), plan=replace(PLAN, rate=None)).around.wanted is None
    assert record().around.wanted is None


DOCUMENT = json.dumps(record(part(0, live=1)).to_json())


def changed(path: Sequence[str], value: Any) -> Any:
    document = inner = json.loads(DOCUMENT)
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "is not the JSON of a load run"),
        ({"kind": "check"}, "is not the JSON of a load run, but of kind 'check'"),
        ({"kind": "load"}, "schema version None; this program reads 1"),
        (changed(["schema_version"], 2), "schema version 2"),
        ({"kind": "load", "schema_version": 1}, "has no 'plan'"),
        (changed(["plan", "users_"], 3), "LoadPlan has no users_"),
        (changed(["histograms", "total", "figures", "frames"], {"pigeons": 1}), "Frames has no pigeons"),
        (changed(["histograms", "timeline"], None), "is damaged"),
        (
            changed(["histograms", "total", "figures"], {"requests": {"a": {"response": "AAAA"}}}),
            "not a histogram",
        ),
        (changed(["at"], "yesterday"), "yesterday"),
    ],
)
def test_what_is_no_load_run_is_refused_in_words(document: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        RunRecord.from_json(document)
    assert said in str(refused.value)
