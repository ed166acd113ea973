"""`make test-long`: a real Prometheus scrapes a load test that runs, and every panel of its board has data."""

import json
import subprocess
import sys
import time
from math import isfinite
from pathlib import Path

import pytest

from grafana.boards.load import BOARD
from grafana.build import dashboard
from probe.load.record import RunRecord
from tests.exporters.live.installed import EACH_SECOND
from tests.exporters.live.programs import Prometheus, eventually, prometheus
from tests.exporters.live.test_story import reserved
from tests.grafana.queries import queries

WITHIN = 90.0
JOB = "tradeprobe-load"


def _has_data(running: Prometheus, expr: str, began: float) -> bool:
    found = running.api("query_range", query=expr, start=str(began), end=str(time.time()), step="2")
    return any(isfinite(float(value)) for series in found["result"] for _, value in series["values"])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_each_query_of_the_board_has_data_while_a_load_test_runs(tmp_path: Path) -> None:
    with reserved() as place:
        host, port = place.getsockname()[:2]
    kill_file, record_file = tmp_path / "end", tmp_path / "run.json"
    scraped = {"job_name": JOB, "static_configs": [{"targets": [f"{host}:{port}"]}], **EACH_SECOND}
    words = [
        *("load", "sim:pocketoption", "--users", "8", "--rate", "20/s", "--duration", "20m", "--quiet"),
        *("--threshold", "response p99 < 10s", "--exporter", f"{host}:{port}"),
        *("--kill-file", str(kill_file), "--json", str(record_file)),
    ]
    began = time.time()
    load = subprocess.Popen([sys.executable, "-m", "probe", *words], stderr=subprocess.PIPE, text=True)
    try:
        with prometheus(tmp_path, {"scrape_configs": [scraped]}) as running:
            waiting = [
                (title, expr)
                for title, expr in queries(json.loads(dashboard(BOARD)), step="5s", span="20s")
                if not title.startswith("annotation")  # of alerts; none fires here
            ]
            assert len(waiting) > 40

            def seen() -> bool:
                assert load.poll() is None
                while waiting and _has_data(running, waiting[0][1], began):
                    waiting.pop(0)
                return not waiting

            eventually(seen, f"every query has data, still without: {waiting}", within=WITHIN)
            kill_file.touch()
            load.wait(WITHIN)
            told = {
                each["metric"]["operation"]: float(each["value"][1])
                for each in running.query(
                    'last_over_time(tradeprobe_load_requests_total{outcome="answered"}[5m])'
                )
            }
            record = RunRecord.from_json(json.loads(record_file.read_text("utf-8")))
            for operation, asked in record.total.requests.items():
                assert 0 < told[operation] <= asked.answered
    finally:
        load.kill()
        load.communicate()
