"""The pages on load tests are true: their commands are understood, their YAML too, and their locustfile runs."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from probe.cli.compare import compare
from probe.cli.load import load
from probe.cli.monitor import monitor
from probe.cli.sim import sim

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.name: path.read_text("utf-8") for path in DOCS.glob("load*.md")} | {
    "compare.md": (DOCS / "compare.md").read_text("utf-8")
}
VERBS: dict[str, click.Command] = {"load": load, "compare": compare, "monitor": monitor, "sim": sim}
WITHIN = 120.0


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


def understood(words: list[str], folder: Path) -> None:
    """As far as what is typed goes; files that it names are there."""
    verb, *arguments = words
    for place, word in enumerate(arguments):
        if word.endswith((".json", ".har", ".pem")) or (word == "FILE"):
            arguments[place] = str(folder / Path(word).name)
            Path(arguments[place]).write_text("{}", "utf-8")
    VERBS[verb].make_context(verb, arguments)


def test_what_a_cluster_is_told_is_yaml_and_its_commands_are_understood(tmp_path: Path) -> None:
    (text,) = (each for each in blocks("load.md", "yaml") if "kind: Job" in each)
    told: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    assert [(each["kind"], each["metadata"]["name"]) for each in told] == [
        ("Service", "load-master"),
        ("Job", "load-master"),
        ("Job", "load-workers"),
    ]
    service, master, workers = told
    assert service["spec"]["selector"] == master["spec"]["template"]["metadata"]["labels"]
    arguments = [
        [str(word) for word in job["spec"]["template"]["spec"]["containers"][0]["args"]]
        for job in (master, workers)
    ]
    for words in arguments:
        words[words.index("--config") + 1] = str(tmp_path / "probe.toml")
        (tmp_path / "probe.toml").touch()
        understood(words, tmp_path)
    expected = arguments[0][arguments[0].index("--expect-workers") + 1]
    assert int(expected) == workers["spec"]["parallelism"] == workers["spec"]["completions"]


def test_the_locustfile_of_ones_own_runs_as_it_is(tmp_path: Path) -> None:
    (text,) = blocks("load-users.md", "python")
    (tmp_path / "trader.py").write_text(text, "utf-8")
    (line,) = (line for line in "".join(blocks("load-users.md", "sh")).splitlines() if "--headless" in line)
    words = shlex.split(line, comments=True)
    words[words.index("trader.py")] = str(tmp_path / "trader.py")
    words[words.index("30s")] = "3s"
    record = tmp_path / "record.json"
    ran = subprocess.run(
        [sys.executable, "-m", *words, "--exit-code-on-error", "0", "--load-json", str(record)],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    operations = json.loads(record.read_text("utf-8"))["figures"]["operations"]
    assert set(operations) <= {"balance", "chart", "orders"}
    assert operations["balance"]["answered"] > 0
