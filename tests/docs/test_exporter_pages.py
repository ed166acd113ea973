"""docs/exporter.md and docs/exporter-fleets.md are true: commands, options, paths, and what Prometheus says of each configuration."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from exporters.book import Book
from exporters.run import pages
from exporters.watched import Watched
from probe.cli.exporter import exporter
from probe.cli.options import Typed
from probe.config import load_settings
from probe.measure.metrics import FAMILIES
from probe.monitor.monitor import Monitor

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FLEETS = ((DOCS / name).read_text(encoding="utf-8") for name in ("exporter.md", "exporter-fleets.md"))


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


def test_every_option_of_its_own_is_explained() -> None:
    own = {
        option
        for each in exporter.params
        if isinstance(each, click.Option) and each.name not in Typed.__dataclass_fields__
        for option in each.opts
    }
    table = PAGE.partition("| option | meaning |")[2].partition("## Reading")[0]
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(--[a-z-]+)", rows)) == own


async def served() -> set[str]:
    async def reload() -> str:
        return ""

    routes = pages(Book(FAMILIES, max_series=100), Watched(Monitor(()), reload), None)
    await asyncio.sleep(0)
    return {str(getattr(route, "path", "")) for route in routes}


def test_every_path_has_its_row_and_every_row_its_path() -> None:
    table = PAGE.partition("| path | what |")[2].partition("\n\n")[0]
    told = {
        path.partition("?")[0]
        for line in table.splitlines()
        for path in re.findall(r"`(/[^`]*)`", line.split("|")[1] if "|" in line else "")
    }
    found = {path.replace("{name:path}", "NAME") for path in asyncio.run(served())}
    assert told == {path for path in found if not path.startswith("/status.") and "icon" not in path}


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    (tmp_path / "probe.toml").write_text(text)
    assert load_settings(tmp_path / "probe.toml", environ={}).exporter.otlp_every == 30.0


def test_every_metric_that_is_named_exists() -> None:
    known = {family.full_name for family in FAMILIES}
    named = set(re.findall(r"\btradeprobe_[a-z_]+[a-z]\b", PAGE)) | {
        name.removesuffix("_bucket") for name in re.findall(r"rate\((tradeprobe_\w+)", FLEETS)
    }
    assert named
    assert named - known == set()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{number}")
        for number, text in enumerate(blocks(PAGE, "yaml") + blocks(FLEETS, "yaml"))
    ],
)
def test_prometheus_takes_every_configuration(text: str, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    (tmp_path / "grafana").symlink_to(DOCS.parent / "grafana")
    (tmp_path / "remote_write_password").write_text("x")
    (tmp_path / "prometheus.yml").write_text(text)
    done = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_what_is_federated_and_written_on_are_the_recording_rules() -> None:
    written = (DOCS.parent / "grafana/prometheus/tradeprobe-recording.rules.yml").read_text(encoding="utf-8")
    records = re.findall(r"^ *- record: (\S+)$", written, re.MULTILINE)
    (federated,) = re.findall(r'\{__name__=~"(.+)"\}', FLEETS)
    (sent_on,) = re.findall(r'regex: "(up.+)"', FLEETS)
    assert records
    assert [
        name for name in records if not (re.fullmatch(federated, name) and re.fullmatch(sent_on, name))
    ] == []
