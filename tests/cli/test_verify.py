"""`probe verify` as it is typed: what it writes, where, and how it ends."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import structlog

from probe.cli.main import run as probe_command
from probe.verify.model import Need
from probe.verify.run import run_trial
from tests.bench.simulated import Simulated, simulator

Ran = tuple[int, str, str]
Verify = Callable[..., Ran]
SILENT = ("--fault", "silent-stall")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def ran(*arguments: str) -> Ran:
        code = probe_command(["verify", *arguments])
        return (code, *capsys.readouterr())

    return ran


def test_each_result_has_its_evidence_and_progress_goes_to_standard_error(verify: Verify) -> None:
    code, out, err = verify("sim:pocketoption", "--suite", "integration", "--only", "connectivity")
    assert code == 0
    assert "PASSED  Basic Connectivity" in out
    assert "EURUSD_otc came at" in out
    assert "HEALTHY  pocketoption: 1 passed" in out
    assert err == "sim:pocketoption: 1 of 1, integration, Basic Connectivity\n"


def test_what_fails_names_its_cause_as_the_doctor_does(verify: Verify) -> None:
    code, out, _ = verify("sim:pocketoption", "--only", "Keep-Alive", *SILENT)
    words = " ".join(out.split())
    assert code == 1
    assert "FAILED Keep-Alive Functionality" in words
    assert "cause session.silent-stall (certain)" in words
    assert "next Connected, but the prices have stopped (certain, session.silent-stall)." in words
    assert "FAILED pocketoption: 1 failed next Connected, but the prices have stopped" in words


def test_programs_get_one_object_for_each_target_with_the_public_names(verify: Verify) -> None:
    code, out, _ = verify("sim:pocketoption", "sim:bingx", "--only", "Functionality", "--json", *SILENT)
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, [each["target"] for each in told]) == (1, ["pocketoption", "bingx"])
    first: dict[str, Any] = told[0]
    assert list(first)[:3] == ["schema_version", "kind", "at"]
    assert (first["kind"], first["verdict"], first["exit_code"]) == ("verify", "failed", 1)
    assert first["summary"].keys() >= {
        "total_tests",
        "passed",
        "failed",
        "errors",
        "success_rate",
        "total_duration",
    }
    assert {
        "test_start_time", "test_end_time", "total_duration", "test_execution_time", "total_tests", "passed_tests",
        "failed_tests", "error_tests", "success_rate", "health_score", "health_status",
    } <= first["integration_summary"].keys()  # fmt: skip
    assert (first["integration_summary"]["health_score"], first["integration_summary"]["health_status"]) == (
        0.0,
        "POOR",
    )
    assert first["system_assessment"].keys() == {"connectivity", "performance", "reliability", "monitoring"}
    assert first["system_assessment"]["reliability"]["status"] == "NEEDS_ATTENTION"
    assert first["system_assessment"]["connectivity"]["status"] == "UNKNOWN"
    assert "session.silent-stall" in first["recommendations"][0]
    (result,) = first["detailed_results"]
    assert (result["suite"], result["name"], result["status"]) == (
        "integration",
        "Keep-Alive Functionality",
        "failed",
    )
    assert result["causes"][0]["code"] == "session.silent-stall"
    assert result["pretended"] is True


def test_times_stand_among_the_performance_metrics(verify: Verify) -> None:
    _, out, _ = verify("sim:quotex", "--only", "Benchmarks", "--json")
    told = json.loads(out)
    assert told["integration_summary"] is None
    assert {"connection_time", "avg_balance_time", "candles_retrieval_time"} <= told[
        "performance_metrics"
    ].keys()
    assert told["recommendations"] == ["Nothing: every promise that was tested is kept."]


def test_pipelines_get_a_case_for_each_test_and_what_is_skipped_says_why(
    verify: Verify, tmp_path: Path
) -> None:
    junit = tmp_path / "verify.xml"
    code, _, _ = verify("sim:crypto", "--only", "Rapid", "--junit", str(junit))
    assert code == 4
    (case,) = ET.parse(junit).getroot()
    assert (case.get("classname"), case.get("name")) == ("crypto.advanced", "Rapid Trading Simulation")
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.get("message") == f"it needs {Need.ORDERS.value}"
    verify("sim:pocketoption", "--only", "Keep-Alive", "--junit", str(junit), *SILENT)
    (case,) = ET.parse(junit).getroot()
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), "session.silent-stall" in (failure.get("message") or "")) == ("failed", True)


def test_the_page_shows_every_test_asks_nobody_and_runs_nothing(verify: Verify, tmp_path: Path) -> None:
    page = tmp_path / "verify.html"
    verify("sim:pocketoption", "--suite", "integration", "--only", "Connectivity", "--html", str(page))
    text = page.read_text()
    assert '<body data-answer="yes">' in text
    assert "All 1 promises are kept." in text
    assert "Basic Connectivity" in text
    assert "A session opens, says what the account holds, and brings a price of now." in text
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    verify("sim:pocketoption", "--only", "Keep-Alive", "--html", str(page), *SILENT)
    assert '<body data-answer="no">' in page.read_text()
    assert "session.silent-stall" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sim:bingx", "--suite", "integrtion"), "did you mean 'integration'"),
        (("sim:bingx", "--only", "nothing of the kind"), "There are: Basic Connectivity"),
        (("sim:bingx", "--junit", "no/such/folder/a.xml"), "cannot be written"),
        (("sim:bingx", "--fault", "silent-stal"), "silent-stall"),
        (("sim:quotex", "sim:bingx", "--fault", "signin-pin"), "can have signin-pin. It is for quotex"),
        (
            ("ws://127.0.0.1:9/socket.io/?EIO=4", "--broker", "pocketoption", *SILENT),
            "faults are for simulated brokers",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    verify: Verify, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = verify(*arguments)
    assert code == 2
    assert out == ""
    assert words in err


@pytest.fixture(scope="module")
def somebody() -> Iterator[Simulated]:
    """A server in another process: to the command it is a real one."""
    with simulator("pocketoption") as found:
        yield found


def test_a_real_endpoint_gets_what_only_reads_and_no_orders_unless_told_to(
    verify: Verify, somebody: Simulated, tmp_path: Path
) -> None:
    endpoint = somebody.endpoint("ws")
    ssid = tmp_path / "ssid"
    ssid.write_text(endpoint["credential"])
    ssid.chmod(0o600)
    code, out, err = verify(
        endpoint["url"],
        "--ssid",
        f"file:{ssid}",
        "--suite",
        "integration,advanced",
        "--json",
        "--only",
        "Connectivity",
    )
    told = json.loads(out)
    assert (code, told["simulated"], told["verdict"]) == (0, False, "healthy")
    assert [each["pretended"] for each in told["detailed_results"]] == [False]
    for name, why in (("Error Recovery", "a simulator"), ("Rapid Trading", "--allow-demo-orders")):
        code, out, _ = verify(endpoint["url"], "--ssid", f"file:{ssid}", "--only", name, "--json")
        (result,) = json.loads(out)["detailed_results"]
        assert (code, result["status"]) == (4, "skipped")
        assert why in result["evidence"]
    assert json.loads(endpoint["credential"][2:])[1]["session"] not in out + err


def test_a_real_endpoint_where_nobody_listens_fails_with_the_reason(verify: Verify) -> None:
    url = "ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket"
    code, out, _ = verify(url, "--broker", "pocketoption", "--only", "Basic", "--json")
    told = json.loads(out)
    assert code in (1, 2)
    assert told["detailed_results"][0]["causes"][0]["code"] == "tcp.refused"


def test_who_does_not_wait_for_the_end_gets_what_there_is_until_then(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def interrupted(*about: Any) -> Any:
        tried.append(about[2].name)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return run_trial(*about)

    monkeypatch.setattr("probe.verify.run.run_trial", interrupted)
    junit, page = tmp_path / "verify.xml", tmp_path / "verify.html"
    files = ("--junit", str(junit), "--html", str(page))
    code, out, _ = verify("sim:bingx", "sim:quotex", "--suite", "integration", *files)
    assert code == 130
    assert "UNKNOWN  bingx: 2 passed, 8 not run" in out
    assert "sim:quotex" not in out
    assert junit.read_text(encoding="utf-8").count("<testcase") == 2
    assert "All 2 promises are kept; 8 not run." in page.read_text(encoding="utf-8")
