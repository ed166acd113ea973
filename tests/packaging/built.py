"""Distributions, built from a tree without an index: the build back end is part of the development environment."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "outside-broker"


def built(kind: str, folder: Path, tree: Path = ROOT) -> Path:
    """
    Args:
        kind: `wheel` or `sdist`.
    """
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (made,) = folder.iterdir()
    return made


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def beside_ours(wheel: Path, folder: Path) -> Mapping[str, str]:
    """An environment in which this tree and that package can be imported, with its metadata as pip would lay it."""
    with ZipFile(wheel) as packed:
        packed.extractall(folder)
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
