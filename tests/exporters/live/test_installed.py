"""The small sibling of the story: everything together once, in half a minute."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import httpx
import pytest
import yaml

from probe.simulator.authority import open_authority
from tests.exporters.live.installed import EACH_SECOND, JOB, LISTEN, SCRAPING, Installation, installed
from tests.exporters.live.programs import Json, checked, eventually, needed
from tests.exporters.live.staged import Exporter, Stage, exporter, write_configuration

PASSWORD = "a long password for scrapes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """How to reach an exporter that takes TLS and a user only."""

    web_config: Path
    ca: Path
    password: Path

    @classmethod
    def written(cls, folder: Path) -> "Guarded":
        authority = open_authority()
        served = authority._chain(None, datetime.now(UTC))[0]
        (folder / "cert.pem").write_bytes(served.certificate_pem)
        (folder / "key.pem").write_bytes(served.key_pem)
        (folder / "key.pem").chmod(0o600)
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        web = {
            "tls_server_config": {"cert_file": "cert.pem", "key_file": "key.pem", "min_version": "TLS13"},
            "basic_auth_users": {"prometheus": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()},
        }
        file = folder / "web.yml"
        file.write_text(yaml.safe_dump(web), encoding="utf-8")
        checked("promtool", "check", "web-config", file)
        return cls(web_config=file, ca=authority.ca_file, password=folder / "password")

    @property
    def scheme(self) -> Json:
        return {
            "basic_auth": {"username": "prometheus", "password_file": str(self.password)},
            "tls_config": {"ca_file": str(self.ca)},
        }

    def get(self, base: str, path: str) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.ca))
        with httpx.Client(verify=context, trust_env=False, auth=("prometheus", PASSWORD)) as client:
            return client.get(f"{base}{path}", timeout=30.0)


def scraping(address: str, guarded: Guarded) -> list[Json]:
    """As in grafana/: sessions, and a fresh connection to each of them that the exporter names; over TLS and each second."""
    text = SCRAPING.read_text(encoding="utf-8").replace(LISTEN, address).replace("http://", "https://")
    jobs: list[Json] = yaml.safe_load(text)["scrape_configs"]
    for job in jobs:
        job |= {"scheme": "https", **EACH_SECOND, **guarded.scheme}
        for found in job.get("http_sd_configs", ()):
            found.update(guarded.scheme)
    return jobs


def test_prometheus_scrapes_over_tls_and_alerts_come_are_silenced_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed("prometheus", "prometheus-alertmanager")
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "authority"))
    guarded = Guarded.written(tmp_path)
    config = tmp_path / "probe.toml"
    with Stage(tmp_path) as stage:
        targets = {
            "calm": stage.target("calm", "pocketoption"),
            "locked": stage.target("locked", "pocketoption"),
            "gone": stage.target("gone", "pocketoption"),
        }
        stage.spoil("locked")
        stage.switch_on("gone", "refuse")
        write_configuration(config, targets, web_config=str(guarded.web_config))
        with exporter(tmp_path, config) as ours:
            assert httpx.get(f"{ours.base}/metrics", trust_env=False, verify=False).status_code == 401
            with installed(tmp_path, scraping(ours.address, guarded)) as running:
                _scraped(running, ours, guarded)
                stage.all_well()
                stage.credit("locked")
                targets["gone"]["knock_every"] = 600  # changed, and so begun anew
                write_configuration(config, targets, web_config=str(guarded.web_config))
                ours.reload()
                assert {guarded.get(ours.base, "/metrics").status_code for _ in range(20)} == {200}
                _resolved(running)


def _scraped(running: Installation, ours: Exporter, guarded: Guarded) -> None:
    prometheus, hook = running.prometheus, running.hook
    eventually(lambda: prometheus.up(JOB) == [1.0], "it is scraped")
    metrics = guarded.get(ours.base, "/metrics")
    checked("promtool", "check", "metrics", stdin=metrics.text)
    one = guarded.get(ours.base, "/probe?target=calm")
    checked("promtool", "check", "metrics", stdin=one.text)

    def probed() -> bool:
        return prometheus.query("probe_success") != [] and {
            each["metric"]["target"]: each["value"][1] for each in prometheus.query("probe_success")
        } == {"calm": "1", "locked": "1", "gone": "0"}

    eventually(probed, "probes are scraped as discovered")
    hook.brings("firing", ("TradeprobeAuthRejected", "locked"), ("TradeprobeSessionDown", "gone"))
    eventually(
        lambda: (
            "TradeprobeAuthRejected"
            in running.alertmanager.inhibited().get(("TradeprobeSessionDown", "locked"), ())
        ),
        "an alert is silenced by another",
    )
    assert ("TradeprobeSessionDown", "locked") in prometheus.firing()
    assert ("TradeprobeSessionDown", "locked") not in hook.names("firing")
    assert [
        each["labels"]["target"] for each in running.alertmanager.queried("alertname=TradeprobeAuthRejected")
    ] == ["locked"]
    assert ("TradeprobeWatchdog", "") in prometheus.firing()
    assert [(rule["name"], rule["lastError"]) for rule in prometheus.rules() if rule["health"] == "err"] == []
    eventually(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), "every rule is evaluated")
    [exemplar, *_] = eventually(
        lambda: prometheus.exemplars("tradeprobe_connect_duration_seconds_bucket"), "exemplars are kept"
    )
    assert exemplar["labels"]


def _resolved(running: Installation) -> None:
    running.hook.brings("resolved", ("TradeprobeAuthRejected", "locked"), ("TradeprobeSessionDown", "gone"))
    # The reload restarted neither the exporter nor the session of a target that stayed as it was.
    untouched = 'resets(tradeprobe_session_observed_seconds_total{target="calm"}[5m])'
    assert running.prometheus.value(untouched) == 0.0
