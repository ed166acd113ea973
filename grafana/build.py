"""Writes every file of this folder that is made from the project's tables: `python -m grafana.build`, or `--check`."""

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards.all import BOARDS
from grafana.boards.board import Board
from grafana.rules import files

HERE = Path(__file__).parent
MADE = ("dashboards", "prometheus", "alertmanager", "compose/prometheus", "compose/alertmanager")


def dashboard(board: Board) -> str:
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def made() -> dict[str, str]:
    """Path within grafana/, and text. In compose/ stands what the containers are given: they have names, not addresses."""
    inside = files(
        exporter="exporter:18480",
        alertmanager_at="alertmanager:9093",
        dashboards_url="http://127.0.0.1:3000/d/",
        webhook="http://alerts:18490/alerts",
    )
    return {
        **{f"dashboards/{board.uid}.json": dashboard(board) for board in BOARDS},
        **files(),
        **{f"compose/{path}": text for path, text in inside.items()},
    }


def differing(folder: Path = HERE) -> list[str]:
    """What is missing, is different, or is no longer made."""
    wanted = made()
    found = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for name in MADE
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    return sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


def write(folder: Path = HERE) -> list[str]:
    """What it changed."""
    wanted, changed = made(), differing(folder)
    for path in changed:
        file = folder / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], encoding="utf-8")
        else:
            file.unlink()
    return changed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="Write nothing; fail if a file is not as it would be."
    )
    if parser.parse_args(arguments).check:
        stale = differing()
        for path in stale:
            sys.stderr.write(f"grafana/{path} is not what the tables say: run `python -m grafana.build`.\n")
        return 1 if stale else 0
    for path in write():
        sys.stdout.write(f"grafana/{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
