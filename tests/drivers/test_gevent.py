"""The blocking driver on gevent, which has to patch before anything else is imported: in an interpreter of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.drivers.runtimes import RUNTIME_VARIABLE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_SECONDS = 100
# The look-up opens the descriptors of gevent's own threads, before any test counts.
PATCH_AND_TEST = """
from gevent import monkey
monkey.patch_all()
import socket, sys
socket.getaddrinfo("127.0.0.1", 1)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_greenlets_keep_the_contract() -> None:
    """The very files that hold the other runtimes to it; what failed in there is named here."""
    files = sorted(HERE.glob("test_contract*.py"))
    ran = subprocess.run(
        [sys.executable, "-c", PATCH_AND_TEST, "-q", "-p", "no:cacheprovider", *map(str, files), str(HERE / "test_blocking.py")],
        env=os.environ | {RUNTIME_VARIABLE: "gevent"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )  # fmt: skip
    failed = re.findall(r"^(?:FAILED|ERROR) (\S.*)", ran.stdout, re.MULTILINE)
    assert failed == [], ran.stdout
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (passed := re.search(r"(\d+) passed", ran.stdout))
    assert int(passed[1]) > 100
