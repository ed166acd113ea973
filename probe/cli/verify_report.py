"""What a verification showed: to people a line for each test, to programs one object, to pipelines JUnit."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from probe.cli import files
from probe.cli.check_report import INDENT, wrapped
from probe.cli.files import Case
from probe.cli.output import duration, plain, stated
from probe.model.findings import Finding
from probe.verify.assessment import Shares, assessed, measured, recommendations
from probe.verify.model import Outcome, Result
from probe.verify.run import Verified

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.ERROR: "red", Outcome.SKIPPED: "yellow"}
_INTEGRATION = "integration"


def result_lines(result: Result) -> Iterator[str]:
    word = click.style(f"{result.outcome.value.upper():<8}", fg=_COLOURS[result.outcome], bold=True)
    lasted = f"{duration(result.seconds)} pretended" if result.pretended else duration(result.seconds)
    took = "" if result.outcome is Outcome.SKIPPED else f"  {lasted}"
    yield f"{word}{result.trial.name}{took}"
    yield wrapped(INDENT, plain(result.evidence.sentence))
    if result.causes:
        named = ", ".join(f"{cause.code} ({cause.certainty.value})" for cause in result.causes)
        yield wrapped("      cause  ", plain(named))


def closing_lines(verified: Verified) -> Iterator[str]:
    yield ""
    yield headline(verified)
    if verified.of(Outcome.FAILED, Outcome.ERROR):
        for advice in recommendations(verified):
            yield wrapped("next  ", plain(advice))


def headline(verified: Verified) -> str:
    shares = Shares.of(verified.results)
    told = [
        f"{count} {name}"
        for name, count in (
            ("passed", shares.passed),
            ("failed", shares.failed),
            ("with a bug of ours", shares.errors),
            ("skipped", shares.skipped),
            ("not run", verified.not_run),
        )
        if count
    ]
    return f"{stated(verified.state.value)}  {verified.target}: {', '.join(told)}"


def verified_data(verified: Verified, exit_code: int) -> dict[str, object]:
    """The same, for programs. Key names are a promise; see docs/verify.md."""
    results = verified.results
    shares = Shares.of(results)
    taken = sum(each.taken_seconds for each in results)
    integration = [each for each in results if each.suite == _INTEGRATION]
    return {
        "schema_version": 1,
        "kind": "verify",
        "at": _utc(verified.at_utc),
        "target": verified.target,
        "broker": verified.broker,
        "simulated": verified.simulated,
        "suites": list(verified.plan.suites),
        "verdict": verified.state.value,
        "exit_code": exit_code,
        "summary": {
            "total_tests": shares.total,
            "passed": shares.passed,
            "failed": shares.failed,
            "errors": shares.errors,
            "skipped": shares.skipped,
            "not_run": verified.not_run,
            "success_rate": shares.success_rate,
            "total_duration": taken,
        },
        "integration_summary": _integration_summary(integration) if integration else None,
        "detailed_results": [_result_data(each) for each in results],
        "performance_metrics": dict(measured(results)),
        "system_assessment": {
            each.group.value: {
                "score": each.shares.health_score,
                "status": each.status,
                "details": list(each.details),
            }
            for each in assessed(results)
        },
        "recommendations": recommendations(verified),
    }


def _integration_summary(results: Sequence[Result]) -> dict[str, object]:
    shares = Shares.of(results)
    taken = sum(each.taken_seconds for each in results)
    return {
        "test_start_time": _utc(results[0].at_utc),
        "test_end_time": _utc(results[-1].at_utc + results[-1].taken_seconds),
        "total_duration": taken,
        "test_execution_time": sum(each.seconds for each in results),
        "total_tests": shares.total,
        "passed_tests": shares.passed,
        "failed_tests": shares.failed,
        "error_tests": shares.errors,
        "skipped_tests": shares.skipped,
        "success_rate": shares.success_rate,
        "health_score": shares.health_score,
        "health_status": shares.health_status,
    }


def _result_data(result: Result) -> dict[str, object]:
    return {
        "suite": result.suite,
        "name": result.trial.name,
        "promise": result.trial.promise,
        "group": result.trial.group.value,
        "status": result.outcome.value,
        "evidence": result.evidence.words,
        "figures": dict(result.evidence.figures),
        "at": _utc(result.at_utc),
        "duration": result.seconds,
        "pretended": result.pretended,
        "taken": result.taken_seconds,
        "causes": [_cause_data(each) for each in result.causes],
    }


def _cause_data(cause: Finding) -> dict[str, str]:
    return {
        "code": cause.code,
        "severity": cause.state.value,
        "certainty": cause.certainty.value,
        "cause": cause.cause,
        "next_step": cause.next_step,
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def write_junit(runs: Sequence[Verified], path: Path) -> None:
    results = [each for run in runs for each in run.results]
    cases = [_case(each) for each in results]
    files.write_junit(path, "probe verify", cases, seconds=sum(each.taken_seconds for each in results))


def _case(result: Result) -> Case:
    causes = [
        f"{each.cause} ({each.certainty.value}: {each.code}). {each.next_step}" for each in result.causes
    ]
    is_wrong = result.outcome in (Outcome.FAILED, Outcome.ERROR)
    return Case(
        suite=f"{result.target}.{result.suite}",
        name=result.trial.name,
        failure=" ".join([result.evidence.sentence, *causes]) if is_wrong else "",
        kind=result.outcome.value,
        skipped=result.evidence.words if result.outcome is Outcome.SKIPPED else "",
        note=f"{result.trial.promise}\n{result.evidence.sentence}",
        seconds=result.taken_seconds,
    )
