"""Prometheus' and Alertmanager's own checks of what we made."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.rules import files
from grafana.rules.files import ALERTS_FILE, RECORDING_FILE
from tests.grafana.names import recorded_in
from tests.grafana.stories import STORIES, Story

Made = dict[str, Any]


def run(program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=cwd
    )


def made_rules(name: str) -> list[Made]:
    """Every rule of a made file."""
    return [rule for group in yaml.safe_load(files()[name])["groups"] for rule in group["rules"]]


RECORDINGS = {rule["record"]: rule for rule in made_rules(RECORDING_FILE)}
ALERTS = made_rules(ALERTS_FILE)


def needed(alert: str) -> list[Made]:
    """The alert's rules and every recording that they stand on, in the order of the file."""
    alerts = [rule for rule in ALERTS if rule["alert"] == alert]
    names, waiting = set[str](), [rule["expr"] for rule in alerts]
    while waiting:
        found = recorded_in(waiting.pop()) - names
        names |= found
        waiting += [RECORDINGS[name]["expr"] for name in found]
    return [*(rule for name, rule in RECORDINGS.items() if name in names), *alerts]


def prove(folder: Path, tests: Mapping[str, tuple[list[Made], list[Story]]]) -> tuple[set[str], str]:
    """Two runs of promtool over all tests, each with rules of its own. Returns which of them passed, and all that was said."""
    names = []
    for name, (rules, stories) in tests.items():
        (folder / f"{name}.rules.yml").write_text(
            json.dumps({"groups": [{"name": "tested", "rules": rules}]})
        )
        for step in {story.step for story in stories}:
            chosen = [story for story in stories if story.step == step]
            names.append(f"{name}.{step}.yml")
            (folder / names[-1]).write_text(
                json.dumps(
                    {
                        "rule_files": [f"{name}.rules.yml"],
                        "evaluation_interval": f"{step}s",
                        "tests": [_test(story, rules) for story in chosen],
                    }
                )
            )
    with ThreadPoolExecutor() as pool:
        ran = list(pool.map(lambda half: _tested(folder, half), (names[::2], names[1::2])))
    failed = {name.rsplit(".", 2)[0] for wrong, _ in ran for name in wrong}
    return set(tests) - failed, "".join(text for _, text in ran)


def _tested(folder: Path, names: list[str]) -> tuple[set[str], str]:
    """Which of them failed, and all that was said."""
    if not names:
        return set(), ""
    done = run("promtool", "test", "rules", *names, cwd=folder)
    said = done.stdout.split("Unit Testing:  ")[1:]
    assert [each.split("\n")[0] for each in said] == names, done.stderr
    failed = {each.split("\n")[0] for each in said if "SUCCESS" not in each}
    assert done.returncode == bool(failed), done.stderr
    return failed, done.stdout + done.stderr


def _test(story: Story, rules: list[Made]) -> Made:
    [*_, alert] = (
        rule
        for rule in rules
        if rule.get("alert") == story.alert and rule["labels"].get("window") == story.window
    )
    of_target = {"target": "a"} if "$labels.target" in ALERT_TEXTS[story.alert] else {}
    of_instance = {} if story.instance is None else {"instance": story.instance}
    job = {} if story.alert == "TradeprobeWatchdog" else {"job": "tradeprobe"}
    return {
        "name": story.name,
        "interval": f"{story.step}s",
        "input_series": _series(story.name),
        "alert_rule_test": [
            {
                "eval_time": f"{int(minutes * 60)}s",
                "alertname": story.alert,
                "exp_alerts": [{"exp_labels": job | of_instance | of_target | alert["labels"]}]
                if fires
                else [],
            }
            for minutes, fires in sorted(story.fires.items())
        ],
    }


ALERT_TEXTS = {rule["alert"]: str(rule["annotations"]) for rule in ALERTS}


def bare(rules: list[Made], window: str | None = None) -> list[Made]:
    """Without annotations, whose figures are another test's, and of alerts only the one with this window."""
    return [
        {key: value for key, value in rule.items() if key != "annotations"}
        for rule in rules
        if "record" in rule or rule["labels"].get("window") == window
    ]


@cache
def _series(name: str) -> list[dict[str, str]]:
    [story] = [each for each in STORIES if each.name == name]
    return story.world().written()


def told() -> dict[str, list[Story]]:
    """Of each alert, and of each of its windows."""
    found: dict[str, list[Story]] = {}
    for story in STORIES:
        found.setdefault(f"{story.alert}{story.window or ''}", []).append(story)
    return found
