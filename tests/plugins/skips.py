"""Where CI=true, a skipped test is a failed one, unless tests/allowed-skips.txt names it and says why."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ALLOWED_SKIPS = Path("tests/allowed-skips.txt")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(NoUnexplainedSkips(read_allowed_skips(config.rootpath / ALLOWED_SKIPS)))


def read_allowed_skips(file: Path) -> dict[str, str]:
    """Node ids and why they may be skipped, from lines `nodeid # reason`."""
    allowed: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        nodeid, _, reason = line.rpartition(" # ")
        if not nodeid.strip() or not reason.strip():
            raise pytest.UsageError(f"{file.name}: {line!r} gives no reason; write `nodeid # reason`")
        allowed[nodeid.strip()] = reason.strip()
    return allowed


class NoUnexplainedSkips:
    def __init__(self, allowed: dict[str, str]) -> None:
        self._allowed = allowed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._judge(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._judge(report)
        return report

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        expected_failure = hasattr(report, "wasxfail")  # pytest calls that a skip, too
        if report.skipped and not expected_failure and report.nodeid not in self._allowed:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome = "failed"
            report.longrepr = (
                f"{reason}\nNothing may be skipped where CI=true unless {ALLOWED_SKIPS} says why."
            )
