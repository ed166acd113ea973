"""A report in each of its forms, as files: for its owner, and for strangers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from probe.disk import write_result
from probe.logs import redact
from reports.diagnostics.facts import Report
from reports.diagnostics.html import page
from reports.diagnostics.markdown import markdown
from reports.diagnostics.plain import report_data
from reports.diagnostics.shared import mapped, shared

Form = Callable[[Report], str]


def _json(report: Report) -> str:
    """The other forms take secrets out where they write a text."""
    return json.dumps(report_data(mapped(report, redact)), indent=1, allow_nan=False) + "\n"


FORMS: Mapping[str, Form] = {".html": page, ".json": _json, ".md": markdown}


def write_html(report: Report, path: Path) -> None:
    _write(page, report, path)


def write_json(report: Report, path: Path) -> None:
    _write(_json, report, path)


def write_markdown(report: Report, path: Path) -> None:
    _write(markdown, report, path)


def write_shared(report: Report, path: Path) -> None:
    _write(FORMS[path.suffix], shared(report), path)


def _write(form: Form, report: Report, path: Path) -> None:
    """Only this user can read it.

    Raises:
        OSError: the file cannot be written; what stood there before still does.
    """
    write_result(path, form(report).encode("utf-8", "replace"), mode=0o600)
