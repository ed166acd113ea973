"""Examinations in a process of their own, which may be made as sick as one likes."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.monitor.namespaces import ROOT, Side

NEW = ["unshare", "--net", "--mount", *(("--user", "--map-root-user") if os.geteuid() else ())]
WITHIN = 100.0

Told = dict[str, Any]


def examined(how: str, inside: Sequence[str] = ()) -> Told:
    command = [*inside, sys.executable, "-m", "tests.host.sick", how]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert ran.returncode == 0, ran.stderr
    told: Told = json.loads(ran.stdout)
    assert told["is_within_budget"], told
    return told


def examined_alone(how: str, setup: str) -> Told:
    """In namespaces of its own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory()))
        return examined(how, Side(stack, home, NEW, setup).enter)
