"""`probe check` in a pipeline: thresholds, tries, several targets, files and exit codes."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from probe.api.checking import Plan, check_target
from probe.cli.check_notes import annotation, without_commands, write_junit
from probe.cli.main import run as probe_command
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from tests.bench.simulated import simulator
from tests.cli.bad_servers import serving
from tests.pretending import POCKETOPTION, SSID

NOBODY = "ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket"


@contextlib.contextmanager
def failing_once(behind: str) -> Iterator[str]:
    """A server that hangs up on the first connection and takes the others to the one behind it."""
    port = int(behind.split(":")[2].split("/", maxsplit=1)[0])
    first = threading.Lock()

    def behave(client: socket.socket) -> None:
        if first.acquire(blocking=False):
            client.recv(1)
            client.close()
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            up = threading.Thread(target=pipe, args=(client, server), daemon=True)
            up.start()
            pipe(server, client)
            up.join()

    def pipe(source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)

    with serving(behave, POCKETOPTION) as url:
        yield url


@pytest.fixture(scope="module")
def simulated() -> Iterator[dict[str, str]]:
    with simulator("pocketoption") as found:
        endpoint = found.endpoint("ws")
        yield {"url": endpoint["url"], "credential": endpoint["credential"]}


@pytest.fixture
def ssid(simulated: dict[str, str], tmp_path: Path) -> str:
    path = tmp_path / "ssid"
    path.write_text(simulated["credential"])
    path.chmod(0o600)
    return f"file:{path}"


Ran = tuple[int, str, str]
Check = Callable[..., Ran]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    def ran(*arguments: str) -> Ran:
        code = probe_command(["check", *arguments])
        return (code, *capsys.readouterr())

    return ran


def cases(path: Path) -> dict[str, ET.Element | None]:
    """By suite and name what is wrong with it."""
    suite = ET.parse(path).getroot()
    found = {f"{each.get('classname')} {each.get('name')}": each for each in suite}
    assert suite.get("tests") == f"{len(found)}"
    return {name: next(iter(each), None) for name, each in found.items()}


def test_what_needed_a_second_try_is_told_as_flaky_everywhere(
    simulated: dict[str, str], ssid: str, check: Check, tmp_path: Path
) -> None:
    junit = tmp_path / "junit.xml"
    with failing_once(simulated["url"]) as url:
        code, out, err = check(
            url, "--ssid", ssid, "--retries", "2", "--junit", str(junit), "--github", "--json"
        )
    told = json.loads(out)
    assert (code, told["verdict"], told["exit_code"], told["flaky"], told["tries"]) == (
        3,
        "degraded",
        3,
        True,
        2,
    )
    assert len(told["earlier_tries"]) == 1
    (problem,) = cases(junit).values()
    assert problem is not None
    assert (problem.tag, problem.get("type")) == ("failure", "flaky")
    assert "Flaky, it worked only at try 2. try 1: " in (problem.get("message") or "")
    assert err.startswith("::warning title=pocketoption at 127.0.0.1%3A")
    with failing_once(simulated["url"]) as url:
        code, out, _ = check(url, "--ssid", ssid, "--retries", "1")
    assert code == 3
    assert "DEGRADED  Flaky, it worked only at try 2." in out
    assert "HEALTHY" not in out


def test_without_retries_one_failure_is_a_failure(simulated: dict[str, str], ssid: str, check: Check) -> None:
    with failing_once(simulated["url"]) as url:
        code, out, _ = check(url, "--ssid", ssid, "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["tries"], told["flaky"]) == (1, "failed", 1, False)


def test_a_refused_credential_is_not_tried_again(
    simulated: dict[str, str], check: Check, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(SSID)
    wrong.chmod(0o600)
    code, out, _ = check(
        simulated["url"], "--ssid", f"file:{wrong}", "--retries", "5", "--exit-by-cause", "--json"
    )
    told = json.loads(out)
    assert (code, told["tries"], told["cause"], told["exit_code"]) == (11, 1, "credential", 11)


def test_tries_in_vain_are_all_told(check: Check) -> None:
    code, out, _ = check(NOBODY, "--retries", "1", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["tries"], told["flaky"]) == (1, "failed", 2, False)
    assert "(tcp.refused)" in told["earlier_tries"][0]


def test_several_targets_are_told_in_their_order_and_the_worst_decides(check: Check, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    code, out, _ = check("sim:quotex", NOBODY, "sim:pocketoption", "--json", "--junit", str(junit))
    told: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert [each["verdict"] for each in told] == ["healthy", "failed", "healthy"]
    assert [each["broker"] for each in told] == ["quotex", "pocketoption", "pocketoption"]
    assert code == 1
    assert [None if each is None else each.tag for each in cases(junit).values()] == [None, "failure", None]


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (("--max-connect", "1m", "--max-tick-age", "1m"), 0, "HEALTHY"),
        (("--max-connect", "1us"), 1, "FAILED  Threshold broken: connecting took"),
        (("--max-connect", "1us", "--exit-by-cause"), 13, "FAILED  Threshold broken: connecting took"),
    ],
)
def test_a_broken_threshold_fails_a_session_that_works(
    words: tuple[str, ...], code: int, word: str, check: Check, tmp_path: Path
) -> None:
    junit = tmp_path / "junit.xml"
    ran, out, _ = check("sim:pocketoption", *words, "--junit", str(junit))
    assert (ran, word in out) == (code, True)
    found = cases(junit)
    assert found["sim:pocketoption verdict"] is None
    broken = [name for name, each in found.items() if each is not None and each.get("type") == "threshold"]
    assert broken == (["sim:pocketoption max-connect 1e-06"] if code else [])


def test_a_threshold_that_nothing_was_measured_for_is_not_judged(
    simulated: dict[str, str], check: Check, tmp_path: Path
) -> None:
    junit = tmp_path / "junit.xml"
    code, out, _ = check(simulated["url"], "--max-tick-age", "5s", "--junit", str(junit))
    assert (code, "UNKNOWN  Not judged: " in out) == (4, True)
    skipped = [each.tag for each in cases(junit).values() if each is not None]
    assert skipped == ["skipped"]


def test_a_connection_that_fails_is_the_networks_by_its_exit_code(check: Check) -> None:
    code, out, _ = check(NOBODY, "sim:pocketoption", "--exit-by-cause", "--json")
    assert [json.loads(line)["exit_code"] for line in out.splitlines()] == [10, 0]
    assert code == 10


def test_a_session_without_prices_is_the_datas_by_its_exit_code(check: Check, tmp_path: Path) -> None:
    with simulator("pocketoption", "--fault", "false-success") as found:
        endpoint = found.endpoint("ws")
        ssid = tmp_path / "ssid"
        ssid.write_text(endpoint["credential"])
        ssid.chmod(0o600)
        code, out, _ = check(
            endpoint["url"], "--ssid", f"file:{ssid}", "--exit-by-cause", "--timeout", "5s", "--json"
        )
    assert (code, json.loads(out)["cause"]) == (12, "data")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-connect", "soon"), "--max-connect: 'soon' is not a duration."),
        (("--max-tick-age", "0s"), "--max-tick-age: it must be longer than nothing."),
        (("--min-score", "101"), "Invalid value for '--min-score'"),
        (("--retries", "-1"), "Invalid value for '--retries'"),
        (("--junit", os.devnull + "/x"), "cannot be written"),
    ],
)
def test_an_option_that_makes_no_sense_is_told_before_anything_is_checked(
    words: tuple[str, str], said: str, check: Check
) -> None:
    code, out, err = check("sim:pocketoption", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_server_gives_github_no_commands(check: Check) -> None:
    page = b"<title>%0A::error::x ##[add-mask]x</title>::stop-commands::x\n::error::x"
    reply = b"HTTP/1.1 418 ::error::x\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)

    def behave(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(reply)

    with serving(behave, POCKETOPTION) as url:
        _, out, err = check(url, "--github")
    assert [line for line in out.splitlines() if line.lstrip().startswith("::")] == []
    assert [line[:8] for line in err.splitlines()] == ["::error "]
    assert without_commands("  ::a b::c\n::d\n##[e]") == "  : :a b::c\n: :d\n## [e]"


def test_a_file_that_cannot_be_written_at_the_end_fails_the_command(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("probe.cli.files.write_result", full)
    code, out, err = check("sim:pocketoption", "--junit", str(tmp_path / "a.xml"))
    assert (code, "HEALTHY" in out) == (2, True)
    assert "a.xml could not be written: No space left on device." in err


def test_a_server_that_repeats_the_credential_gets_it_into_no_file_and_no_annotation(tmp_path: Path) -> None:
    path, junit = tmp_path / "ssid", tmp_path / "junit.xml"
    path.write_text(POCKETOPTION.ssid)
    path.chmod(0o600)
    (target,) = resolve(f"file:{path}", TargetOptions(endpoints=(NOBODY,)))
    looked = asyncio.run(check_target(target, Chosen(), target.credentials, lambda _: None, Plan(timeout=5)))
    secret = json.loads(POCKETOPTION.ssid[2:])[1]["session"]
    repeated = replace(looked, earlier=(f"the server said {secret} \x1b[2J",))
    write_junit([repeated], junit)
    for text in (junit.read_text(), annotation(repeated) or "", f"{repeated}"):
        assert "the server said" in text
        assert secret not in text
        assert "\x1b" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_reader_who_has_gone_costs_no_file(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    command = [sys.executable, "-m", "probe", "check", NOBODY, NOBODY, "--junit", str(junit)]
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, "")
    assert len(ET.parse(junit).getroot()) == 2


def test_one_credential_is_used_by_one_connection_at_a_time(
    simulated: dict[str, str], ssid: str, check: Check
) -> None:
    words = (simulated["url"],) * 3
    code, out, _ = check(*words, "--ssid", ssid, "--json")
    told = [json.loads(line) for line in out.splitlines()]
    began = [datetime.fromisoformat(each["at"]) for each in told]
    lasted = [sum(step["seconds"] for step in each["phases"]) for each in told]
    assert code == 0
    for earlier, later, seconds in zip(began, began[1:], lasted, strict=False):
        assert (later - earlier).total_seconds() >= seconds - 0.002
