"""Draws docs/phases.md from the table in probe/session/phases.py: `make docs`. A test keeps them equal."""

from itertools import pairwise
from pathlib import Path

from probe.session.phases import DEADLINES, TABLE, Move

PHASES = Path(__file__).parents[2] / "docs" / "phases.md"
ORDER = ("upgrading", "opening", "joining", "authenticating", "live")


def phases_page() -> str:
    lines = [
        "# The phases of a session",
        "",
        "Drawn from `probe/session/phases.py` by `make docs`. Both ends of a session obey this one table. A dialect says",
        "which of these phases it has and who speaks first in each; what is not drawn is a surprise, noted and survived.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> upgrading",
        "    upgrading --> opening: WebSocket open",
    ]
    following = dict(pairwise(ORDER))
    for (phase, step), move in TABLE.items():
        target = {Move.STAY: phase.value, Move.NEXT: following.get(phase.value, ""), Move.CLOSE: "closing"}[
            move
        ]
        lines.append(f"    {phase.value} --> {target}: {step.value}")
    lines += ["    closing --> [*]", "```", "", "| phase | must be over after |", "|---|---|"]
    lines += [f"| {phase.value} | {seconds:g} s |" for phase, seconds in DEADLINES.items()]
    lines += [
        "",
        "The end that serves waits four times as long: client libraries dawdle. Resolving, connecting and securing belong to the dialler and",
        "have deadlines of their own (5, 10 and 10 s). Entering `closing` clears every timer but its own deadline, whose last resort is to",
        "drop the connection.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PHASES.write_text(phases_page())
