"""What is claimed is judged by percentiles of everything that was measured, and never while this machine is the reason."""

import pytest

from probe.measure.histogram import Histogram
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from probe.verify import performance
from probe.verify.model import Failed, Outcome, Result, Skip
from probe.verify.performance import CONNECT, CONNECTS, LATENCY, SUITE, TOO_LATE, _Judge
from probe.verify.run import Plan, Subject, run_trial


def measured(*values: float) -> Histogram:
    histogram = Histogram()
    histogram.add_all(values)
    return histogram


def run(broker: str, name: str, *faults: str) -> Result:
    (target,) = resolve(f"sim:{broker}", TargetOptions())
    (trial,) = (each for each in SUITE.trials if each.name == name)
    plan = Plan(suites=("performance",), faults=faults)
    return run_trial(Subject(target=target, chosen=Chosen(), key=None), SUITE, trial, plan)


def test_a_claim_that_is_kept_is_said_with_its_percentiles() -> None:
    evidence = _Judge().durations("connections are live", CONNECT, measured(*[0.5] * 99, 1.0))
    assert evidence.words.startswith("kept: 95% of connections are live within 2 s: of 100 the median 0.5")
    assert evidence.figures["kept"] is True
    assert evidence.figures["count"] == 100
    assert evidence.figures["largest_seconds"] == 1.0


def test_a_mean_below_the_limit_does_not_keep_a_claim_that_one_in_ten_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = [0.01] * 90 + [0.5] * 10
    assert sum(values) / len(values) < LATENCY
    monkeypatch.setattr(performance, "waited_for_a_core", lambda: 0.0)
    with pytest.raises(Failed, match="not kept: 95% of questions") as failed:
        _Judge().durations("questions are answered", LATENCY, measured(*values))
    assert failed.value.evidence.figures["kept"] is False


def test_a_busy_machine_is_no_reason_to_say_that_a_claim_is_not_kept() -> None:
    judge = _Judge()
    judge.late = 2 * TOO_LATE
    with pytest.raises(Skip, match=r"its own timers were 0\.06 s late"):
        judge.durations("questions are answered", LATENCY, measured(1.0))
    assert judge.durations("questions are answered", LATENCY, measured(0.01)).figures["kept"] is True


def test_a_process_without_a_core_cannot_judge_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "waited_for_a_core", lambda: 0.5)
    with pytest.raises(Skip, match="50% of the time there is no core"):
        _Judge().durations("questions are answered", LATENCY, measured(1.0))


def test_nothing_measured_is_nothing_kept() -> None:
    with pytest.raises(Failed, match="nothing was measured"):
        _Judge().durations("questions are answered", LATENCY, Histogram())


def test_connections_are_counted_and_timed_one_by_one() -> None:
    result = run("pocketoption", "Connect time")
    assert result.outcome in (Outcome.PASSED, Outcome.SKIPPED)
    assert not result.pretended
    if result.outcome is Outcome.PASSED:
        assert result.evidence.figures["count"] == CONNECTS


def test_requests_over_http_are_timed_where_there_are_no_other_questions() -> None:
    result = run("crypto", "Message latency")
    assert "requests are answered within 0.1 s: of 30 the" in result.evidence.words


@pytest.mark.parametrize(
    ("name", "fault"),
    [("Connect time", "slow:seconds=3s"), ("Message latency", "delay:seconds=0.2")],
)
def test_what_is_slow_does_not_keep_its_claim(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, value in {"CONNECTS": 1, "SESSIONS": 1, "QUESTIONS": 2}.items():
        monkeypatch.setattr(performance, constant, value)
    result = run("pocketoption", name, fault)
    assert result.outcome in (Outcome.FAILED, Outcome.SKIPPED)  # the second on a machine that is busy
    assert "of 1 the" in result.evidence.words or "of 2 the" in result.evidence.words


@pytest.mark.long
def test_operations_are_done_as_fast_as_they_are_due() -> None:
    result = run("pocketoption", "Throughput")
    assert result.outcome in (Outcome.PASSED, Outcome.SKIPPED)
    assert "50 were due each second" in result.evidence.words


@pytest.mark.long
def test_a_session_alone_in_a_process_tells_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "WATCHED", 1.0)
    result = run("quotex", "Memory and processor")
    assert result.outcome is Outcome.PASSED, result.evidence.words
    own, resident = (result.evidence.figures[f"{kind}_megabytes"] for kind in ("own", "resident"))
    assert isinstance(own, float)
    assert isinstance(resident, float)
    assert 5 < own < resident


@pytest.mark.long
def test_a_session_that_does_not_open_alone_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "WATCHED", 1.0)
    result = run("quotex", "Memory and processor", "auth-refused")
    assert result.outcome is Outcome.FAILED
    assert "did not open" in result.evidence.words
