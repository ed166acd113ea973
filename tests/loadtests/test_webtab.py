"""What Locust's page serves besides its own, and to whom."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from loadtests.webtab import Sessions
from tests.loadtests.paged import PATIENCE, client, locust_page

FOREIGN = {
    "wss://api-eu.po.market/socket.io/": "a public broker is never put under load",
    "wss://203.0.113.7/": "203.0.113.7",
    "no address": "no address",
    "ftp://127.0.0.1/": "ftp",
}
REFUSED: dict[str, dict[str, Any]] = {}  # what the page's Host field was answered, before a run began


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a run that goes on, and was begun in the page."""
    with locust_page("-t", "1h", "--rate", "40/s") as url:
        asked = {"user_count": "4", "spawn_rate": "4"}
        for host in FOREIGN:
            REFUSED[host] = ask(f"{url}/swarm", "POST", {**asked, "host": host}).json()
        started = ask(f"{url}/swarm", "POST", asked).json()
        assert started["success"], started
        yield url


def ask(url: str, method: str = "GET", data: dict[str, str] | None = None, **headers: str) -> httpx.Response:
    return client().request(method, url, data=data, headers=headers)


def told(url: str) -> dict[str, Any]:
    """As soon as something of everything was measured."""
    until = time.monotonic() + PATIENCE
    while True:
        record: dict[str, Any] = ask(f"{url}/tradeprobe/record").json()
        run = record["run"]
        if run and run["verdict"] and run["streams"] and len(run["operations"]) == 4:
            return record
        assert time.monotonic() < until, record
        time.sleep(0.1)


def test_the_record_tells_of_sessions_operations_prices_phases_and_generator(url: str) -> None:
    record = told(url)
    run = record["run"]
    assert (record["state"], record["refusal"], run["broker"], run["simulated"]) == (
        "running",
        "",
        "pocketoption",
        True,
    )
    assert (run["sessions"]["live"], run["sessions"]["lost"], run["connect"]["opened"]) == (4, {}, 4)
    assert [each["name"] for each in run["operations"]] == ["balance", "candles", "market_data", "ping"]
    for each in run["operations"]:
        counts = {name: each[name]["count"] for name in ("response", "service", "lateness")}
        assert counts["response"] == counts["service"] == each["answered"] <= counts["lateness"]
    assert [each["symbol"] for each in run["streams"]] == ["EURUSD_otc"]
    assert {"connecting", "upgrading", "authenticating"} <= {
        each["name"] for each in run["connect"]["phases"]
    }
    assert [each["name"] for each in run["generators"]] == ["alone"]
    assert 3600 - PATIENCE < run["left"] < 3600


def test_names_that_are_not_this_machines_and_pages_of_strangers_get_nothing(url: str) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:1"):
        for path in ("/", "/tradeprobe/record", "/stop", "/stats/requests"):
            answer = ask(url + path, Host=host)
            assert (answer.status_code, "ask for 127.0.0.1 or localhost" in answer.text) == (421, True)
    asked = {"user_count": "1000", "spawn_rate": "1000"}
    for method, path in (("GET", "/stop"), ("POST", "/swarm"), ("GET", "/tradeprobe/record")):
        answer = ask(url + path, method, asked, Origin="http://evil.example")
        assert answer.status_code == 403
        assert not [each for each in answer.headers if each.startswith("access-control")]
    port = url.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "[::1]"):
        answer = ask(f"{url}/tradeprobe/record", Host=f"{name}:{port}", Origin=f"http://{name}:{port}")
        assert answer.status_code == 200
    assert told(url)["run"]["sessions"]["wanted"] == 4


def test_a_host_where_no_load_may_go_is_refused_in_words(url: str) -> None:
    for host, words in FOREIGN.items():
        assert (REFUSED[host]["success"], words in REFUSED[host]["message"]) == (False, True), REFUSED[host]
    asked = {"user_count": "1", "spawn_rate": "1", "host": "ws://127.0.0.1:1/"}
    assert "A run goes on" in ask(f"{url}/swarm", "POST", asked).json()["message"]
    assert told(url)["run"]["sessions"]["wanted"] == 4


def test_pages_load_nothing_from_elsewhere(url: str) -> None:
    index, ours = ask(f"{url}/"), ask(f"{url}/tradeprobe")
    assert '<script src="./tradeprobe/tab.js"></script>' in index.text
    assert "default-src 'self'" in index.headers["content-security-policy"]
    assert ours.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    for name in ("", "/sessions.js", "/sessions.css", "/tab.js"):
        served = ask(f"{url}/tradeprobe{name}")
        assert (served.status_code, "://" in served.text) == (200, False)


class Standing:
    """An environment whose run stands still."""

    shape_class = None
    parsed_options = None
    runner = type("Runner", (), {"state": "running"})
    collector: Any = None
    refusal = "no: planted"

    def judge_host(self, host: str) -> str:
        return host


def test_however_many_look_the_run_is_looked_at_once_a_second() -> None:
    now = 100.0
    sessions = Sessions(standing := Standing(), standing, clock=lambda: now)
    first = sessions.record()
    assert first == {"state": "running", "refusal": "no: planted", "run": None}
    now += 0.99
    assert sessions.record() is first
    now += 0.02
    assert sessions.record() is not first
