"""Which files a load run writes, and what is in them."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from probe.cli import files
from probe.cli.bridges import bridge
from probe.cli.files import Case, Wanted
from probe.disk import write_result
from probe.load.causes import unsaid
from probe.load.record import RunRecord

STANDARD_OUTPUT = "-"


def wanted_files(
    *, json_path: str | None, html: str | None, csv: str | None, junit: str | None
) -> list[Wanted[RunRecord]]:
    there: list[Wanted[RunRecord]] = []
    if json_path is not None and json_path != STANDARD_OUTPUT:
        there.append(Wanted(option="--json", path=json_path, write=write_json))
    if html is not None:
        there.append(Wanted(option="--html", path=html, write=bridge("load_html")))
    if csv is not None:
        there.append(Wanted(option="--csv", path=csv, write=bridge("load_csv"), is_folder=True))
    if junit is not None:
        there.append(Wanted(option="--junit", path=junit, write=write_junit))
    return there


def saved_elsewhere(record: RunRecord) -> Path | None:
    """The record in the folder of temporary files, where no other place took it."""
    path = Path(tempfile.gettempdir()) / f"tradeprobe-load-{record.plan.run}.json"
    with suppress(OSError):
        write_json(record, path)
        return path
    return None


def write_json(record: RunRecord, path: Path) -> None:
    write_result(path, (json.dumps(record.to_json()) + "\n").encode())


def write_junit(record: RunRecord, path: Path) -> None:
    """A test case for the verdict, with what else the run shows, and one for each threshold; one that was not measured is skipped."""
    verdict = record.verdict
    shown = (
        f"{each.code} ({each.certainty.value}): {each.says}. {each.advice[0]}" for each in unsaid(record)
    )
    cases = [
        Case(
            suite="load",
            name="verdict",
            failure="" if verdict.is_valid else verdict.headline,
            kind="" if verdict.is_valid else verdict.reasons[0].slug or verdict.reasons[0].code,
            note="\n".join(shown),
        ),
        *(
            Case(
                suite="load",
                name=each.threshold.text,
                failure=str(each) if each.holds is False else "",
                skipped=str(each) if each.holds is None else "",
            )
            for each in record.thresholds
        ),
    ]
    name = f"probe load {record.plan.scenario.name}"
    files.write_junit(path, name, cases, seconds=record.seconds)
