import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.measure.health import (
    CAPS,
    FEWEST_SECONDS,
    FEWEST_SHARE,
    MEASURES,
    NEVER_SECONDS,
    PARTS,
    WINDOW_SECONDS,
    Component,
    Figures,
    Grade,
    HealthScore,
    explain,
    health_score,
)
from probe.measure.records import SessionState

PAGE = (Path(__file__).parents[2] / "docs" / "health-score.md").read_text(encoding="utf-8")

FINE = Figures(
    state=SessionState.STREAMING,
    ever_streamed=True,
    window_seconds=900,
    observed_seconds=900,
    bad_seconds=0,
    beats_sent=45,
    beats_missed=0,
    requests_sent=15,
    requests_expired=0,
    surprises=0,
    messages=3600,
    disconnects=0,
    rtt_p95_seconds=0.08,
    rtt_count=45,
    rtt_baseline_seconds=0.07,
    worst_tick_age_ratio=0.3,
    stalled_seconds=0,
    certificate_seconds_left=60 * 86400.0,
)
NEVER = replace(
    FINE,
    state=SessionState.CONNECTING,
    ever_streamed=False,
    beats_sent=0,
    requests_sent=0,
    messages=0,
    rtt_p95_seconds=None,
    rtt_count=0,
    rtt_baseline_seconds=None,
    worst_tick_age_ratio=None,
    certificate_seconds_left=None,
)

FEWER = settings(max_examples=40)  # figures are many, and each is drawn
SECONDS = st.floats(0, 900)
AMOUNT = st.integers(0, 1000)


def maybe(figures: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    return st.one_of(st.none(), figures)


@st.composite
def any_figures(draw: st.DrawFn) -> Figures:
    window = draw(SECONDS)
    observed = draw(st.floats(0, window))
    beats, requests, messages = draw(AMOUNT), draw(AMOUNT), draw(AMOUNT)
    return Figures(
        state=draw(st.sampled_from(SessionState)),
        ever_streamed=draw(st.booleans()),
        window_seconds=window,
        observed_seconds=observed,
        bad_seconds=draw(st.floats(0, observed)),
        beats_sent=beats,
        beats_missed=draw(st.integers(0, beats)),
        requests_sent=requests,
        requests_expired=draw(st.integers(0, requests)),
        surprises=draw(st.integers(0, messages)),
        messages=messages,
        disconnects=draw(st.integers(0, 20)),
        rtt_p95_seconds=draw(maybe(st.floats(0, 20))),
        rtt_count=draw(AMOUNT),
        rtt_baseline_seconds=draw(maybe(st.floats(0, 5))),
        worst_tick_age_ratio=draw(maybe(st.floats(0, 20))),
        stalled_seconds=draw(st.floats(0, observed)),
        certificate_seconds_left=draw(maybe(st.floats(-1e6, 1e8))),
    )


def component(score: HealthScore, name: str) -> Component:
    return next(each for each in score.components if each.name == name)


@FEWER
@given(any_figures())
def test_a_score_lies_between_0_and_100_and_its_points_sum_to_it(figures: Figures) -> None:
    score = health_score(figures)
    assert [each.name for each in score.components] == [part.name for part in PARTS]
    assert all(0 <= each.points <= each.weight + 1e-9 for each in score.components)
    if score.value is None:
        assert score.grade is Grade.UNKNOWN
        return
    points = sum(each.points for each in score.components)
    assert 0 <= score.value <= 100
    at_most = min((cap.at_most for cap in CAPS if cap.holds(figures)), default=100.0)
    assert score.value == pytest.approx(min(points, at_most))
    assert score.grade is not Grade.UNKNOWN


@FEWER
@given(any_figures())
def test_no_data_is_never_a_number(figures: Figures) -> None:
    short = figures.observed_seconds < max(FEWEST_SECONDS, FEWEST_SHARE * figures.window_seconds)
    idle = figures.state is SessionState.IDLE
    capped = any(cap.holds(figures) for cap in CAPS)
    assert (health_score(figures).value is None) == (idle or (short and not capped))


WORSE: dict[str, st.SearchStrategy[float]] = {
    "bad_seconds": st.floats(0, 900),
    "beats_missed": st.integers(0, 1000),
    "requests_expired": st.integers(0, 1000),
    "surprises": st.integers(0, 1000),
    "disconnects": st.integers(0, 20),
    "rtt_p95_seconds": st.floats(0, 20),
    "worst_tick_age_ratio": st.floats(0, 20),
    "stalled_seconds": st.floats(0, 900),
}


@FEWER
@pytest.mark.parametrize("name", WORSE)
@given(data=st.data(), figures=any_figures())
def test_a_worse_figure_never_raises_the_score(name: str, data: st.DataObject, figures: Figures) -> None:
    level: dict[str, Any] = {name: getattr(figures, name) or 0}
    figures = replace(figures, **level)
    level[name] += data.draw(WORSE[name])
    worse = replace(figures, **level)
    before, after = health_score(figures).value, health_score(worse).value
    assert (before is None) == (after is None)
    assert before is None or after is None or after <= before + 1e-9


@FEWER
@given(any_figures(), st.floats(-1e6, 1e8), st.floats(0, 1e8))
def test_a_certificate_that_ends_sooner_never_raises_the_score(
    figures: Figures, left: float, less: float
) -> None:
    before = health_score(replace(figures, certificate_seconds_left=left)).value
    after = health_score(replace(figures, certificate_seconds_left=left - less)).value
    assert before is None or after is None or after <= before + 1e-9


@FEWER
@given(any_figures(), st.sampled_from(SessionState))
def test_a_state_that_is_not_streaming_never_scores_more_than_streaming(
    figures: Figures, state: SessionState
) -> None:
    streaming = health_score(replace(figures, state=SessionState.STREAMING)).value
    other = health_score(replace(figures, state=state)).value
    assert streaming is None or other is None or other <= streaming + 1e-9


@FEWER
@given(any_figures())
def test_the_explanation_fits_a_terminal_and_names_every_component(figures: Figures) -> None:
    lines = explain(health_score(figures))
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(f"  {part.name}") for line in lines) for part in PARTS)


def test_the_weights_sum_to_100() -> None:
    assert sum(part.weight for part in PARTS) == 100
    assert {measure.part for measure in MEASURES} == {part.name for part in PARTS}


def test_a_fine_session_is_excellent() -> None:
    score = health_score(FINE)
    assert (score.value, score.grade, score.cap) == (100.0, Grade.EXCELLENT, None)
    assert score.sentence == "100.0 of 100, EXCELLENT."


def test_a_silent_stall_is_not_excellent_for_88_seconds() -> None:
    for second in range(5, 89):
        stalled = replace(
            FINE,
            state=SessionState.STALLED,
            bad_seconds=second,
            stalled_seconds=second,
            worst_tick_age_ratio=second / 5,
        )
        score = health_score(stalled)
        assert score.value is not None
        assert (score.value <= 50, score.grade) == (True, Grade.POOR), f"after {second} s"
        assert score.cap == "at most 50: prices have stopped while the market is open"


def test_never_connected_is_not_fair() -> None:
    for observed in range(15, 900, 5):
        score = health_score(
            replace(NEVER, window_seconds=observed, observed_seconds=observed, bad_seconds=observed)
        )
        assert (score.value, score.grade) == (0.0, Grade.POOR)
        assert score.cap == "at most 0: prices have never come"


def test_not_connected_yet_is_unknown_for_a_quarter_of_a_minute() -> None:
    score = health_score(replace(NEVER, window_seconds=10, observed_seconds=10, bad_seconds=10))
    assert (score.value, score.grade) == (None, Grade.UNKNOWN)
    assert score.sentence == "Not judged yet: 10 s were observed, at least 5 s more are needed."


@pytest.mark.parametrize(
    ("state", "at_most"),
    [
        (SessionState.AUTH_REJECTED, 20.0),
        (SessionState.STOPPED, 40.0),
        (SessionState.BACKOFF, 40.0),
        (SessionState.CONNECTING, 40.0),
        (SessionState.AUTHENTICATING, 40.0),
        (SessionState.STALLED, 50.0),
    ],
)
@pytest.mark.parametrize("observed", [5.0, 900.0])
def test_what_is_dead_now_is_poor_at_once_however_good_it_was(
    state: SessionState, at_most: float, observed: float
) -> None:
    score = health_score(replace(FINE, state=state, observed_seconds=observed))
    assert (score.value, score.grade) == (at_most, Grade.POOR)


def test_the_lowest_cap_counts() -> None:
    rejected = replace(NEVER, state=SessionState.AUTH_REJECTED, bad_seconds=900)
    assert health_score(rejected).value == 0.0
    early = health_score(replace(rejected, observed_seconds=5, bad_seconds=5))
    assert early.cap == "at most 20: the credential is rejected"


def test_a_rejected_credential_gives_no_points() -> None:
    rejected = component(health_score(replace(FINE, state=SessionState.AUTH_REJECTED)), "credential")
    assert (rejected.weight, rejected.points, rejected.figure) == (5.0, 0.0, "1 × rejected")


def test_what_is_not_started_is_unknown() -> None:
    for figures in (replace(FINE, state=SessionState.IDLE), replace(NEVER, state=SessionState.IDLE)):
        score = health_score(figures)
        assert (score.value, score.grade, score.cap) == (None, Grade.UNKNOWN, None)


@pytest.mark.parametrize(
    ("window", "observed", "more"), [(40.0, 40.0, 20), (900.0, 449.5, 1), (900.0, 100.0, 350)]
)
def test_too_little_observed_is_unknown_and_says_how_much_more(
    window: float, observed: float, more: int
) -> None:
    score = health_score(replace(FINE, window_seconds=window, observed_seconds=observed))
    assert (score.value, score.grade) == (None, Grade.UNKNOWN)
    assert f"at least {more} s more are needed" in score.sentence


def test_what_was_not_measured_does_not_count_and_says_so() -> None:
    closed = health_score(replace(FINE, worst_tick_age_ratio=None, bad_seconds=45))
    freshness = component(closed, "freshness")
    assert (freshness.weight, freshness.points) == (0.0, 0.0)
    assert (
        freshness.sentence
        == "Not measured, no price was due from an open market: its 25 points go to the others."
    )
    assert component(closed, "availability").weight == 40.0
    assert sum(each.weight for each in closed.components) == pytest.approx(100)


def test_a_component_says_figure_threshold_and_points() -> None:
    assert component(health_score(replace(FINE, bad_seconds=45)), "availability").sentence == (
        "95 % good (observed seconds that were good; full at 99.9, none at 90 %): 15.2 of 30.0 points."
    )


def test_two_round_trips_are_no_percentile() -> None:
    assert component(health_score(replace(FINE, rtt_count=2)), "latency").weight == 0
    assert component(health_score(replace(FINE, rtt_count=3)), "latency").weight == 15


def test_latency_is_the_worse_of_absolute_and_by_the_targets_own_usual() -> None:
    def points(p95: float, usual: float | None) -> float:
        score = health_score(replace(FINE, rtt_p95_seconds=p95, rtt_baseline_seconds=usual))
        return component(score, "latency").points

    assert points(0.28, None) == 15
    assert points(0.28, 0.07) == 0
    assert points(1.15, None) == pytest.approx(7.5)
    assert points(1.15, 1.1) == pytest.approx(7.5)


def test_a_few_milliseconds_more_than_almost_none_cost_nothing() -> None:
    quick = replace(FINE, rtt_p95_seconds=0.012, rtt_baseline_seconds=0.001)
    assert component(health_score(quick), "latency").points == 15


@pytest.mark.parametrize(
    ("changes", "value", "grade"),
    [
        ({"disconnects": 3}, 92.5, Grade.EXCELLENT),
        ({"disconnects": 4}, 90.0, Grade.GOOD),
        ({"bad_seconds": 90, "disconnects": 0}, 70.0, Grade.FAIR),
        ({"worst_tick_age_ratio": 1.0, "beats_missed": 45, "disconnects": 3}, 52.5, Grade.FAIR),
        ({"worst_tick_age_ratio": 1.0, "beats_missed": 45, "disconnects": 4}, 50.0, Grade.POOR),
    ],
)
def test_a_grade_begins_above_its_bound(changes: dict[str, Any], value: float, grade: Grade) -> None:
    score = health_score(replace(FINE, **changes))
    assert score.value == pytest.approx(value)
    assert score.grade is grade


def parts_table() -> str:
    lines = [
        "| component | weight | figure | all points at | no points at | not measured when |",
        "|---|---|---|---|---|---|",
    ]
    for part in PARTS:
        lines += [
            f"| {part.name} | {part.weight:g} | {measure.what} | {measure.full_at:g}{measure.unit} "
            f"| {measure.none_at:g}{measure.unit} | {part.missing} |"
            for measure in MEASURES
            if measure.part == part.name
        ]
    return "\n".join(lines)


def caps_table() -> str:
    return "\n".join(
        ["| at most | when |", "|---|---|", *(f"| {cap.at_most:g} | {cap.why} |" for cap in CAPS)]
    )


def test_the_page_states_the_formula_as_it_is() -> None:
    assert parts_table() in PAGE
    assert caps_table() in PAGE
    for stated in (
        f"{WINDOW_SECONDS / 60:g} minutes",
        f"{FEWEST_SECONDS:g} s",
        f"{NEVER_SECONDS:g} s",
        f"{100 * FEWEST_SHARE:g} %",
    ):
        assert stated in PAGE


EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") >= 4


@pytest.mark.parametrize("example", range(len(EXAMPLES)))
def test_an_example_of_the_page_is_what_it_says(example: int) -> None:
    code, output = EXAMPLES[example]
    score = health_score(eval(code, {"Figures": Figures, "SessionState": SessionState}))
    assert "\n".join(explain(score)) + "\n" == output
