"""What `probe export` costs on a month of ten targets, and how that grows: through the command line, a process for each."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from probe.measure.plain import iso
from reports.export.tables import TABLES
from tests.bench.commands import cost_of
from tests.bench.figures import Figure
from tests.bench.month import BEGAN, DAY, DAYS, TARGETS, kept_month

AIMS = {"csv": 150_000, "parquet": 500_000}  # rows a second
ASKED = (
    ("samples", 1, 10), ("samples", 7, 10), ("samples", DAYS, 1), ("samples", DAYS, 3), ("samples", DAYS, 10),
    (",".join(TABLES), DAYS, 10),
)  # fmt: skip


def exports() -> Iterator[Figure]:
    with kept_month() as store:
        for form in AIMS:
            for tables, days, targets in ASKED:
                yield _exported(store, form, tables, days, targets)


def _exported(store: Path, form: str, tables: str, days: int, targets: int) -> Figure:
    """The newest days of the first targets."""
    end = BEGAN + DAYS * DAY
    asked = ("--what", tables, "--since", iso(end - days * DAY), "--until", iso(end))
    with tempfile.TemporaryDirectory(dir=store.parent) as folder:
        cost = cost_of("export", *TARGETS[:targets], "--store", str(store), f"--{form}", folder, *asked)
        files = json.loads((Path(folder) / "manifest.json").read_bytes())["files"]
    rows = sum(each["rows"] for each in files.values())
    what = tables if tables == "samples" else "all tables"
    return Figure(
        f"export, {form}, {what}, {targets} target(s), {days} day(s): a row",
        1e6 * cost.cpu_seconds / rows,
        "µs",
        round(1e6 / AIMS[form], 2),
        f"{rows / cost.cpu_seconds:,.0f} rows a second of CPU, {rows / cost.wall_seconds:,.0f} of wall; {rows:,} rows,"
        f" {cost.cpu_seconds:.2f} s, {cost.peak_mb:.0f} MB",
    )
