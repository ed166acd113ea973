"""Writes the pages of docs/ that are drawn from tables: `make docs`. A test keeps them equal."""

import json
from itertools import pairwise
from pathlib import Path

from probe.brokers import all_brokers
from probe.session.broker import DialectChoice
from probe.session.phases import DEADLINES, TABLE, Move
from reports.diagnostics.schema import report_schema
from tests.docs.commands import commands_page
from tests.docs.configuration import configuration_page
from tests.docs.coverage import coverage_page
from tests.docs.failures import failures_page
from tests.docs.faults import faults_page
from tests.docs.load_scenarios import load_scenarios_page
from tests.docs.man import man_pages
from tests.docs.metrics import metrics_page
from tests.docs.reading import reading_page
from tests.docs.schemas import schemas_page
from tests.exporters.live.story import live_page
from tests.monitor.states_page import states_page
from tests.verify.mutations import mutations_page

DOCS = Path(__file__).parents[2] / "docs"
ORDER = ("upgrading", "opening", "joining", "authenticating", "live")


def phases_page() -> str:
    lines = [
        "# The phases of a session",
        "",
        "Drawn from `probe/session/phases.py` by `make docs`. Both ends of a session obey this one table. A dialect says",
        "which of these phases it has and who speaks first in each; what is not drawn is a surprise, noted and survived.",
        "",
        "| in | this | leads to |",
        "|---|---|---|",
        "| – | dialling | upgrading |",
        "| upgrading | WebSocket open | opening |",
    ]
    following = dict(pairwise(ORDER))
    for (phase, step), move in TABLE.items():
        target = {Move.STAY: "the same", Move.NEXT: following.get(phase.value, ""), Move.CLOSE: "closing"}[
            move
        ]
        lines.append(f"| {phase.value} | {step.value} | {target} |")
    lines += ["", "| phase | must be over after |", "|---|---|"]
    lines += [f"| {phase.value} | {seconds:g} s |" for phase, seconds in DEADLINES.items()]
    lines += [
        "",
        "The end that serves waits four times as long: client libraries dawdle. Resolving, connecting, tunnelling (through a proxy) and",
        "securing belong to the dialler and have deadlines of their own (5, 10, 15 and 10 s). Entering `closing` clears every timer but",
        "its own deadline, whose last resort is to drop the connection.",
        "",
    ]
    return "\n".join(lines)


def dialects_page() -> str:
    lines = [
        "# Dialects",
        "",
        "Of some brokers no official documentation exists, and public sources contradict each other. Where they do, one",
        "reading is the default, with its reason, and the others are settings: `--dialect NAME=VALUE` for `probe check`,",
        "and for `probe sim`, which then speaks it too. Where it is somebody's own server, its paths and names are settings of",
        "the same kind.",
    ]
    for broker in all_brokers():
        if broker.choices:
            lines += ["", f"## {broker.title}", "", "| name | default | or | why |", "|---|---|---|---|"]
            lines += [
                f"| `{choice.name}` | `{choice.default}` | {_others(choice)} | {choice.reason} |"
                for choice in broker.choices
            ]
    return "\n".join([*lines, ""])


def _others(choice: DialectChoice) -> str:
    return "what you write" if choice.is_free else ", ".join(f"`{each}`" for each in choice.others)


def schema_page() -> str:
    return json.dumps(report_schema(), indent=1) + "\n"


PAGES = {
    "commands.md": commands_page,
    "failures.md": failures_page,
    "faults.md": faults_page,
    "doctor-coverage.md": coverage_page,
    "doctor-reading.md": reading_page,
    "phases.md": phases_page,
    "dialects.md": dialects_page,
    "configuration.md": configuration_page,
    "monitor-states.md": states_page,
    "metrics.md": metrics_page,
    "verify-mutations.md": mutations_page,
    "load-scenarios.md": load_scenarios_page,
    "alerts-live.md": live_page,
    "report.schema.json": schema_page,
    **man_pages(),
    "schemas.md": schemas_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
