"""What `probe report` costs on a month of ten targets, and how that grows: through the command line, a process for each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from probe.measure.plain import iso
from tests.bench.commands import cost_of
from tests.bench.figures import Figure
from tests.bench.month import BEGAN, DAY, DAYS, TARGETS, kept_month

ASKED = ((1, 10), (7, 10), (DAYS, 1), (DAYS, 3), (DAYS, 10))


def report() -> Iterator[Figure]:
    with kept_month() as store:
        for days, targets in ASKED:
            yield from _reported(store, days, targets)


def _reported(store: Path, days: int, targets: int) -> Iterator[Figure]:
    """The newest days of the first targets."""
    end = BEGAN + DAYS * DAY
    period = ("--since", iso(end - days * DAY), "--until", iso(end))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        cost = cost_of("report", *TARGETS[:targets], "--store", str(store), *period, "--html", str(page))
        size = page.stat().st_size / 2**20
    name = f"report, HTML, {targets} target(s), {days} day(s)"
    yield Figure(f"{name}: CPU", cost.cpu_seconds, "s", 5.0, f"{cost.wall_seconds:.2f} s; page {size:.2f} MB")
    yield Figure(f"{name}: peak of memory", cost.peak_mb, "MB", 400.0)
