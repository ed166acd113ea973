"""`make test-long`: faults come and go, and the alerts with them."""

import json
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from math import isfinite
from pathlib import Path

import pytest
import yaml

from grafana.boards import load
from grafana.boards.all import BOARDS
from grafana.build import dashboard
from grafana.rules.alerting import ALERTS as RULES_ALERTS
from tests.exporters.live import story
from tests.exporters.live.hurried import named
from tests.exporters.live.installed import ALERTS, EACH_SECOND, JOB, Installation, installed
from tests.exporters.live.programs import Alert, Prometheus, eventually, needed
from tests.exporters.live.staged import Stage, exporter, write_configuration
from tests.grafana.queries import queries

NEVER_RESET = 'resets(tradeprobe_session_observed_seconds_total{target="calm"}[10m]) > 0'
WITHIN = 120.0
PAGES = {each.name for each in RULES_ALERTS if each.severity == "page"}


def test_each_alert_is_either_shown_or_said_why_not() -> None:
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    alerts = {named(rule) for group in rules["groups"] for rule in group["rules"]}
    shown = {name for name, _ in story.SHOWN}
    assert shown | set(story.NOT_LIVE) == alerts
    assert shown & set(story.NOT_LIVE) == set()
    assert len({name for name, _ in story.FIRES}) >= 12


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_alerts_fire_silence_each_other_arrive_and_resolve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed("prometheus", "prometheus-alertmanager")
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "authority"))
    with ExitStack() as stack:
        control, second = stack.enter_context(reserved()), stack.enter_context(reserved())
        stage = stack.enter_context(Stage(tmp_path))
        first = Watching(tmp_path / "one.toml", stage, story.FAULTS, more=_channel(tmp_path / "bring"))
        first.targets["gone"]["objective"] = 0.97
        first.write()
        others = Watching(
            tmp_path / "two.toml",
            stage,
            (story.LOST, "unseen"),
            more=f'[monitor]\ncontrol = "{_address(control)}"',
            listen=_address(second),
            max_targets=1,
        )
        others.write()
        stage.spoil("locked")
        for name, fault in story.FROM_THE_START.items():
            stage.switch_on(name, fault)
        one = stack.enter_context(exporter(tmp_path, first.file))
        scraped = {"static_configs": [{"targets": [one.address, _address(second)]}], **EACH_SECOND}
        began = time.time()
        running = stack.enter_context(installed(tmp_path, [{"job_name": JOB, **scraped}]))
        well = {*story.FAULTS} - {"locked"}
        eventually(lambda: well <= streaming(running.prometheus), "all sessions stream", within=WITHIN)

        for name, faults in story.FAULTS.items():
            stage.switch_on(name, *faults)
        history = stack.enter_context(locked(tmp_path / "one" / "store.db"))
        first.file.write_text("this is no TOML", encoding="utf-8")
        one.reload()
        running.hook.brings("firing", ("TradeprobeExporterDown", ""), within=WITHIN)
        second.close()
        two = stack.enter_context(exporter(tmp_path, others.file))
        eventually(lambda: story.LOST in streaming(running.prometheus), "the other streams", within=WITHIN)
        stage.switch_on(story.LOST, "refuse", "drop:at=0s")
        with pulsing(two.process):
            early = {alert for alert in story.FIRES if alert[1] == "gone" and not alert[0].endswith("6h")}
            running.hook.brings("firing", *early, ("TradeprobeConfigReloadFailed", ""), within=WITHIN)
            silenced = _silenced(running)
            stage.all_well("gone")
            first.begin_anew("gone")
            one.reload()
            _shown(running.prometheus, began)
            running.hook.brings("firing", *story.FIRES, within=WITHIN)
        assert silenced == {alert: silenced[alert] & by for alert, by in story.SILENCED.items()}

        history.rollback()
        stage.all_well()
        stage.credit("locked")
        control.listen()
        _program(tmp_path / "bring", "true")
        first.take_away("blocked")
        first.begin_anew("flaky", "skewed")
        one.reload()
        others.take_away("unseen")
        others.begin_anew(story.LOST)
        two.reload()
        running.hook.brings("resolved", *story.FIRES, within=WITHIN)
        left = {*story.FOR_NOBODY}
        still = running.prometheus.firing

        def only_those() -> bool:
            return {each for each in still() if each[0] not in story.OF_SLOW_MACHINES} <= left

        try:
            eventually(only_those, "nothing else fires", within=WITHIN)
        finally:
            assert {each for each in still() if each[0] not in story.OF_SLOW_MACHINES} - left == set()
        pages = {alert for alert in story.SILENCED if alert[0] in PAGES}
        assert pages & running.hook.names("firing") == set(), "nothing that is explained is told"
        assert {*story.FOR_NOBODY} <= running.prometheus.firing() - running.hook.names("firing")
        assert running.prometheus.query(NEVER_RESET) == [], "a reload touches no target that did not change"


class Watching:
    """The configuration of one exporter, and how it changes."""

    def __init__(
        self, file: Path, stage: Stage, names: Iterable[str], *, more: str, **exporter: object
    ) -> None:
        self.file, self._more, self._exporter = file, more, exporter
        self.targets = {
            name: stage.target(name, story.BROKERS.get(name, "pocketoption"), tls=name == "secured")
            for name in names
        }

    def begin_anew(self, *names: str) -> None:
        """Their settings change, and so they get new sessions, without waiting."""
        for name in names:
            self.targets[name]["knock_every"] += 600
        self.write()

    def take_away(self, *names: str) -> None:
        for name in names:
            del self.targets[name]
        self.write()

    def write(self) -> None:
        write_configuration(self.file, self.targets, more=self._more, **self._exporter)


def _channel(program: Path) -> str:
    _program(program, "false")
    often = "[alerts.rules.connection_lost]\nfor = 0\n[alerts.rules.stream_stalled]\nfor = 10"
    return f'[[alerts.channels]]\nname = "nowhere"\ncommand = ["{program}"]\n{often}'


def _program(file: Path, does: str) -> None:
    file.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    file.chmod(0o700)


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()
    return f"{host}:{port}"


@contextmanager
def reserved() -> Iterator[socket.socket]:
    """A port that refuses connections until it listens, or until somebody else takes it."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound


@contextmanager
def locked(history: Path) -> Iterator[sqlite3.Connection]:
    """Nobody else can write it until this is rolled back."""
    with closing(sqlite3.connect(history, isolation_level=None)) as ours:
        ours.execute("BEGIN IMMEDIATE")
        yield ours


@contextmanager
def pulsing(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """It stands still for most of the time."""
    end = threading.Event()

    def pulse() -> None:
        while not end.wait(0.25):
            process.send_signal(signal.SIGSTOP)
            end.wait(0.35)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def streaming(prometheus: Prometheus) -> set[str]:
    found = prometheus.query('tradeprobe_session_state{tradeprobe_session_state="streaming"} == 1')
    return {each["metric"]["target"] for each in found}


def _shown(prometheus: Prometheus, began: float) -> None:
    """Waits until each query of the dashboards has had a number at any time since."""
    waiting = [
        (board.uid, title, expr)
        for board in BOARDS
        if board is not load.BOARD  # that is about load tests, and there is none here
        for title, expr in queries(json.loads(dashboard(board)), step="20s", span="20s")
    ]

    def seen() -> bool:
        while waiting and _has_data(prometheus, waiting[0][2], began):
            waiting.pop(0)
        return not waiting

    try:
        eventually(seen, "every query has data", within=WITHIN)
    finally:
        left = [each[:2] for each in waiting if not _has_data(prometheus, each[2], began)]
        assert left == []


def _has_data(prometheus: Prometheus, expr: str, began: float) -> bool:
    found = prometheus.api("query_range", query=expr, start=str(began), end=str(time.time()), step="2")
    return any(isfinite(float(value)) for series in found["result"] for _, value in series["values"])


def _silenced(running: Installation) -> dict[Alert, set[str]]:
    """By whom each of the story's was, all of them once seen."""
    seen: dict[Alert, set[str]] = {}

    def all_seen() -> bool:
        for alert, by in running.alertmanager.inhibited().items():
            if alert in story.SILENCED and alert in running.prometheus.firing():
                seen.setdefault(alert, set()).update(by)
        return seen.keys() == story.SILENCED.keys()

    eventually(all_seen, "each is silenced that should be", within=WITHIN)
    return seen
