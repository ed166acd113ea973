"""Where a load run's results go: tried before it begins, written at its end, each file for itself."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from probe.cli.bridges import bridge
from probe.disk import write_result
from probe.load.record import RunRecord
from probe.model.errors import ConfigError

TRIED_WITH = bytes(64 * 1024)  # a small record is of this size
STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One place that an option named."""

    option: str
    path: str
    write: Callable[[RunRecord, Path], object]
    is_folder: bool = False


Written = tuple[Wanted, OSError | None]  # and what kept it from being written


def wanted_files(
    *, json_path: str | None, html: str | None, csv: str | None, junit: str | None
) -> list[Wanted]:
    there = []
    if json_path is not None and json_path != STANDARD_OUTPUT:
        there.append(Wanted(option="--json", path=json_path, write=write_json))
    if html is not None:
        there.append(Wanted(option="--html", path=html, write=bridge("load_html")))
    if csv is not None:
        there.append(Wanted(option="--csv", path=csv, write=bridge("load_csv"), is_folder=True))
    if junit is not None:
        there.append(Wanted(option="--junit", path=junit, write=write_junit))
    return there


def try_all(wanted: Sequence[Wanted]) -> None:
    """
    Raises:
        ConfigError: one of them could not be written at the end.
    """
    for each in wanted:
        path = Path(each.path)
        folder = path if each.is_folder else path.parent
        try:
            if each.is_folder:
                path.mkdir(parents=True, exist_ok=True)
            elif path.is_dir():
                raise IsADirectoryError(None, "it is a folder, and a file is written")
            if path.exists() and not path.is_dir() and not os.access(path, os.W_OK):
                raise PermissionError(None, "it may not be written")
            with tempfile.NamedTemporaryFile(dir=folder) as tried:
                tried.write(TRIED_WITH)
        except OSError as problem:
            raise ConfigError(
                f"{path} cannot be written: {problem.strerror}",
                where=each.option,
                next_step="Nothing was run. Name another place, or make room there.",
            ) from None


def write_all(record: RunRecord, wanted: Sequence[Wanted]) -> Iterator[Written]:
    """Each for itself: what keeps one of them from being written does not lose the others."""
    for each in wanted:
        try:
            each.write(record, Path(each.path))
        except OSError as problem:
            yield each, problem
        except Exception as bug:  # noqa: BLE001 - what it has measured is worth more than this one file
            yield each, OSError(None, f"a bug of ours, {type(bug).__name__}")
        else:
            yield each, None


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
    """A test case for the verdict and one for each threshold; one that was not measured is skipped."""
    verdict, thresholds = record.verdict, record.thresholds
    broken = sum(each.holds is False for each in thresholds) + (not verdict.is_valid)
    suite = ET.Element(
        "testsuite",
        name=f"probe load {_written(record.plan.scenario.name)}",
        tests=f"{1 + len(thresholds)}",
        failures=f"{broken}",
        skipped=f"{sum(each.holds is None for each in thresholds)}",
        time=f"{record.seconds}",
    )
    case = ET.SubElement(suite, "testcase", classname="load", name="verdict")
    if not verdict.is_valid:
        ET.SubElement(case, "failure", message=_written(verdict.headline))
    for each in thresholds:
        case = ET.SubElement(suite, "testcase", classname="load", name=_written(each.threshold.text))
        if each.holds is not True:
            word = "skipped" if each.holds is None else "failure"
            ET.SubElement(case, word, message=_written(str(each)))
    write_result(path, ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _written(text: str) -> str:
    """XML has no control characters."""
    return "".join(each if each.isprintable() else "�" for each in text)
