"""examples/outside-broker/ is whole: its own tests pass where it is installed, and nothing of ours knows it."""

import subprocess
import sys
from pathlib import Path

from probe.brokers import broker_names
from tests.packaging.built import EXAMPLE, ROOT, beside_ours, built

OURS = ("probe", "exporters", "loadtests", "reports", "grafana")


def test_its_own_tests_pass_where_it_is_installed(tmp_path: Path) -> None:
    """They check, monitor and diagnose it in the simulator, and name it as a target."""
    environment = beside_ours(built("wheel", tmp_path / "wheel", EXAMPLE), tmp_path / "site")
    told = {
        name: value for name, value in environment.items() if not name.startswith(("PYTEST", "TRADEPROBE"))
    }
    told["TRADEPROBE_HOME"] = str(tmp_path / "home")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(EXAMPLE)]
    ran = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert " skipped" not in ran.stdout


def test_no_file_of_ours_names_it() -> None:
    assert "kestrel" not in broker_names()
    files = [path for package in OURS for path in (ROOT / package).rglob("*") if path.is_file()]
    assert len(files) > 600
    assert [path for path in files if b"kestrel" in path.read_bytes().lower()] == []
