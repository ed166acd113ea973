"""docs/probe-endpoint.md has the table that the program writes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from exporters.probing.metrics import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "probe-endpoint.md"


def test_every_metric_of_a_probe_is_on_its_page_with_the_same_words() -> None:
    rows = [
        f"| `{name}` | {', '.join(f'`{label.name}`' for label in family.labels)} | {family.help} |"
        for family, name in NAMES.items()
    ]
    told = [
        line
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith(("| `probe_", "| `tradeprobe_"))
    ]
    assert told == rows


@pytest.mark.parametrize(("number", "what"), [(0, "config"), (1, "config"), (2, "rules")])
def test_prometheus_takes_what_it_shows(number: int, what: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    file = tmp_path / "shown.yml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[number])
    done = subprocess.run([promtool, "check", what, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stdout + done.stderr
