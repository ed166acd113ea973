"""Writes docs/doctor-compared.md: `make compared`. A long test keeps it equal to what clients and doctor say."""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.clients.isolated import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "doctor-compared.md"


def page(found: Mapping[str, Mapping[str, str]]) -> str:
    clients = [name for name in next(iter(found.values())) if name != "doctor"]
    lines = [
        "# The same failure, as clients say it and as the doctor does",
        "",
        "Twelve frequent failures, staged on one machine. Each was met by three public client libraries and by `probe doctor`; the clients' words",
        "are their own exceptions as they end up in a log, cut after 200 signs. Drawn by `make compared`, held by a test.",
    ]
    for name, said in found.items():
        lines += ["", f"## {name[0].upper()}{name[1:]}", "", "| who | says |", "|---|---|"]
        lines += [f"| {client} | {_cell(said[client])} |" for client in clients]
        lines += [f"| **probe doctor** | **{_cell(said['doctor'])}** |"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "tests.clients.compared_inside"]
        outcome = run(command, home=Path(home), cwd=ROOT, most_seconds=300)
    if outcome.status or outcome.cut_short:
        sys.exit(outcome.output or outcome.cut_short)
    PAGE.write_text(page(json.loads(outcome.output.splitlines()[-1])))


if __name__ == "__main__":
    main()
