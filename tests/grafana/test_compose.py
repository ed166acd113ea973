"""No container engine is at hand where this is tested: what is in the files is proven, not that containers start."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from grafana.boards.all import BOARDS
from grafana.build import HERE
from grafana.compose import targets
from probe import __version__
from probe.cli.sim import sim
from probe.cli.targets_command import targets as targets_command

Json = dict[str, Any]
ROOT = HERE.parent
COMPOSE: Json = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))

KEYS = {
    "build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "init",
    "network_mode", "networks", "ports", "restart", "security_opt", "volumes",
}  # fmt: skip


def wrong(compose: Json) -> list[str]:
    """What is not as we want it, by service."""
    found = [f"the key {key}" for key in compose if key not in {"name", "x-ours", "services", "volumes"}]
    for name, service in compose["services"].items():
        said = [f"the key {key}" for key in service.keys() - KEYS]
        if not re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service.get("image", "")):
            said.append("its image has no version")
        if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]:
            said.append("it keeps privileges")
        check = service.get("healthcheck", {})
        if check.keys() != {"test", "interval", "timeout", "retries"} or check["test"][0] != "CMD":
            said.append("no health check")
        said += [
            f"open to others: {port}"
            for port in service.get("ports", [])
            if not port.startswith("127.0.0.1:")
        ]
        for mount in service.get("volumes", []):
            source, *rest = mount.split(":")
            if not source.startswith("."):
                said += [] if source in compose["volumes"] else [f"no volume {source}"]
            elif not (HERE / source).exists() or rest[1:] != ["ro"]:
                said.append(f"not there, or writable: {mount}")
        for other, how in service.get("depends_on", {}).items():
            if other not in compose["services"] or how.get("condition") != "service_healthy":
                said.append(f"waits for {other}")
        found += [f"{name}: {each}" for each in said]
    return found


def test_the_services_are_pinned_closed_and_made_of_files_that_are_there() -> None:
    assert wrong(COMPOSE) == []
    assert list(COMPOSE["services"]) == [
        "simulator", "exporter", "alerts", "prometheus", "alertmanager", "grafana",
    ]  # fmt: skip


MISTAKES: list[tuple[str, Callable[[Json], object]]] = [
    ("the key service", lambda it: it.update(service={})),
    ("grafana: the key port", lambda it: it["services"]["grafana"].update(port=[])),
    ("grafana: its image has no version", lambda it: it["services"]["grafana"].update(image="grafana/grafana:latest")),
    ("grafana: it keeps privileges", lambda it: it["services"]["grafana"].pop("cap_drop")),
    ("grafana: no health check", lambda it: it["services"]["grafana"].pop("healthcheck")),
    ("grafana: open to others: 3000:3000", lambda it: it["services"]["grafana"].update(ports=["3000:3000"])),
    ("grafana: no volume data", lambda it: it["services"]["grafana"].update(volumes=["data:/data"])),
    ("grafana: not there, or writable: ./boards:/b", lambda it: it["services"]["grafana"].update(volumes=["./boards:/b"])),
    ("grafana: not there, or writable: ./no:/b:ro", lambda it: it["services"]["grafana"].update(volumes=["./no:/b:ro"])),
    ("grafana: waits for nobody", lambda it: it["services"]["grafana"].update(depends_on={"nobody": {"condition": "service_healthy"}})),
]  # fmt: skip


@pytest.mark.parametrize(("says", "mistake"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_what_would_be_wrong_is_found(says: str, mistake: Callable[[Json], object]) -> None:
    compose = deepcopy(COMPOSE)
    mistake(compose)
    assert wrong(compose) == [says]


def test_our_image_is_of_this_version_and_of_this_tree() -> None:
    ours = COMPOSE["services"]["exporter"]
    assert ours["image"] == f"tradeprobe:{__version__}"
    assert (HERE / ours["build"]["context"] / "Dockerfile").is_file()


def test_addresses_agree_between_the_services() -> None:
    services = COMPOSE["services"]
    prometheus = yaml.safe_load((HERE / "compose/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    alertmanager = yaml.safe_load(
        (HERE / "compose/alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    )
    assert services["simulator"]["networks"]["default"]["aliases"] == ["exporter"]
    assert services["exporter"]["network_mode"] == "service:simulator"
    scraped = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    assert [f"exporter:{_port(services['exporter']['command'])}"] == scraped
    [manager] = prometheus["alerting"]["alertmanagers"]
    assert manager["static_configs"][0]["targets"] == ["alertmanager:9093"]
    told = {hook["url"] for each in alertmanager["receivers"] for hook in each.get("webhook_configs", [])}
    assert told == {f"http://alerts:{services['alerts']['entrypoint'][-1]}/alerts"}
    assert services["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"


def _port(command: list[str]) -> str:
    return command[command.index("--listen") + 1].rpartition(":")[2]


def test_grafana_is_given_both_sources_and_finds_the_boards_where_they_are_mounted() -> None:
    sources = yaml.safe_load((HERE / "provisioning/datasources/tradeprobe.yaml").read_text(encoding="utf-8"))
    kinds = {each["type"]: each["url"] for each in sources["datasources"]}
    assert kinds == {"prometheus": "$PROMETHEUS_URL", "alertmanager": "$ALERTMANAGER_URL"}
    grafana = COMPOSE["services"]["grafana"]
    assert {url.removeprefix("$") for url in kinds.values()} <= grafana["environment"].keys()
    provider = yaml.safe_load((HERE / "provisioning/dashboards/tradeprobe.yaml").read_text(encoding="utf-8"))
    folder = provider["providers"][0]["options"]["path"]
    assert f"./dashboards:{folder}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (str(home.parent), home.stem in {board.uid for board in BOARDS}) == (folder, True)
    interval = yaml.safe_load((HERE / "prometheus/prometheus.yml").read_text(encoding="utf-8"))["global"]
    assert sources["datasources"][0]["jsonData"]["timeInterval"] == interval["scrape_interval"]


def test_nobody_can_log_in_to_grafana_with_a_password_that_everybody_knows() -> None:
    environment = COMPOSE["services"]["grafana"]["environment"]
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert "password" not in json.dumps(COMPOSE).lower()


def test_what_the_simulator_says_becomes_a_configuration_that_the_exporter_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))
    arguments = ["pocketoption", "mt5", "--no-tls", "--for", "100ms", "--json"]
    simulator = CliRunner().invoke(sim, arguments)
    assert simulator.exit_code == 0, simulator.output
    monkeypatch.setattr("sys.stdin", io.StringIO(simulator.stdout))
    targets.main(tmp_path)
    said = CliRunner().invoke(targets_command, ["--config", str(tmp_path / "probe.toml"), "--json"])
    assert (said.exit_code, said.stderr) == (0, "")
    shown = CliRunner().invoke(targets_command, ["--config", str(tmp_path / "probe.toml"), "--show"]).output
    assert re.search(r"store\.enabled += false", shown), "the exporter's folder is read-only"
    brokers = {json.loads(line)["broker"] for line in simulator.stdout.splitlines() if '"endpoint"' in line}
    assert {path.stem for path in tmp_path.glob("*.credential")} <= brokers
    assert all(f"[targets.{broker}]" in (tmp_path / "probe.toml").read_text() for broker in brokers)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("*.credential")} == {0}


def test_an_alert_that_is_brought_is_printed_without_what_a_terminal_would_obey() -> None:
    command = [sys.executable, "-u", "-c", _WITH_PORT, str(HERE / "compose")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = f"http://127.0.0.1:{process.stdout.readline().strip()}/alerts"
            alert = {
                "status": "firing",
                "labels": {"alertname": "TradeprobeSessionDown", "severity": "page"},
                "annotations": {"summary": "a: session\x1b[2J down"},
            }
            assert httpx.get(url, trust_env=False).status_code == 204
            assert httpx.post(url, json={"alerts": [alert]}, trust_env=False).status_code == 204
            assert httpx.post(url, content=b"", trust_env=False).status_code == 413
            assert process.stdout.readline() == "firing   page     a: session\\x1b[2J down\n"
        finally:
            process.terminate()


_WITH_PORT = """
import sys; sys.path.insert(0, sys.argv[1])
import alerts
server = alerts.ThreadingHTTPServer(("127.0.0.1", 0), alerts.Handler)
print(server.server_port)
server.serve_forever()
"""
