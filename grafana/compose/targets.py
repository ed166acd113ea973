"""Writes a probe.toml that watches one endpoint of each broker that `probe sim --json` tells of on standard input.

What the simulator makes up as credentials goes to files beside it. It reads on until the simulator ends.
"""

import json
import sys
from pathlib import Path


def written(lines: list[dict[str, str]], folder: Path) -> str:
    """The configuration. The first endpoint of a broker is the nearest one, and a practice account."""
    targets = []
    for broker, line in {line["broker"]: line for line in reversed(lines)}.items():
        target = [f"[targets.{broker}]", f'broker = "{broker}"', f"endpoints = [{json.dumps(line['url'])}]"]
        if line.get("credential"):
            kept = folder / f"{broker}.credential"
            kept.touch(mode=0o600)
            kept.write_text(line["credential"], encoding="utf-8")
            target.append(f'credentials = "file:{broker}.credential"')
        targets.append("\n".join(target))
    return "\n\n".join([*reversed(targets), "[store]\nenabled = false"]) + "\n"


def main(folder: Path) -> None:
    lines: list[dict[str, str]] = []
    for text in sys.stdin:
        line = json.loads(text)
        if line["kind"] == "endpoint":
            lines.append(line)
        elif line["kind"] == "ready":
            unfinished = folder / "unfinished.toml"
            unfinished.write_text(written(lines, folder), encoding="utf-8")
            unfinished.replace(folder / "probe.toml")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
