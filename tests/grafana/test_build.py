import shutil
from pathlib import Path

import pytest
import yaml

from grafana.build import HERE, MADE, differing, made, main, write
from grafana.rules.files import ALERTMANAGER_FILE, PROMETHEUS_FILE
from tests.grafana.promtool import run

PROMETHEUS = [PROMETHEUS_FILE, f"compose/{PROMETHEUS_FILE}"]
ALERTMANAGER = [ALERTMANAGER_FILE, f"compose/{ALERTMANAGER_FILE}"]


def test_every_made_file_is_committed_as_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--check"]), capsys.readouterr().err) == (0, "")


def test_a_changed_a_missing_and_a_forgotten_file_are_named_and_made_right(tmp_path: Path) -> None:
    for name in MADE:
        shutil.copytree(HERE / name, tmp_path / name)
    changed, missing, forgotten = (
        "dashboards/tradeprobe-fleet.json",
        "prometheus/prometheus.yml",
        "dashboards/old.json",
    )
    (tmp_path / changed).write_text("{}", encoding="utf-8")
    (tmp_path / missing).unlink()
    (tmp_path / forgotten).write_text("{}", encoding="utf-8")
    assert differing(tmp_path) == sorted([changed, missing, forgotten])
    assert write(tmp_path) == sorted([changed, missing, forgotten])
    assert differing(tmp_path) == []


def test_what_is_made_is_the_same_each_time() -> None:
    assert made() == made()


@pytest.mark.parametrize("path", PROMETHEUS)
def test_prometheus_takes_its_configuration_and_rules(path: str) -> None:
    said = run("promtool", "check", "config", str(HERE / path))
    assert (said.returncode, "2 rule files found" in said.stdout) == (0, True), said.stdout + said.stderr


@pytest.mark.parametrize("path", ALERTMANAGER)
def test_alertmanager_takes_its_configuration(path: str) -> None:
    said = run("amtool", "check-config", str(HERE / path))
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_broken_configuration_would_be_noticed(tmp_path: Path) -> None:
    for path, program in (
        (PROMETHEUS_FILE, ["promtool", "check", "config"]),
        (ALERTMANAGER_FILE, ["amtool", "check-config"]),
    ):
        shutil.copytree((HERE / path).parent, tmp_path / "broken", dirs_exist_ok=True)
        file = tmp_path / "broken" / Path(path).name
        broken = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump({**broken, "scrape_config": []}), encoding="utf-8")
        assert run(*program, str(file)).returncode == 1, program[0]
