"""`probe sim` as a person and a program meet it."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from probe.brokers import all_brokers
from probe.cli import main
from probe.cli.sim import _as_text, _check_command, _logins_as_text, sim
from probe.faults.catalogue import FAULTS
from probe.session.broker import REGIONS
from probe.simulator.control import controlling
from probe.simulator.listen import SimEndpoint
from probe.simulator.run import Simulator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0


@contextmanager
def running(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TRADEPROBE_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "probe", "sim", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until_ready(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("ready"):
            return lines
    raise AssertionError(process.communicate()[1])


def text_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    text = ""
    for line in process.stdout:
        text += line
        if line == "Ctrl-C ends it.\n":
            return text
    raise AssertionError(process.communicate()[1])


def check(home: Path, command: str) -> tuple[int, str]:
    """Run a command line that was shown, as it was shown."""
    shown = re.sub(r"\bprobe check\b", f"'{sys.executable}' -m probe check", command)
    environment = {**os.environ, "TRADEPROBE_HOME": str(home)}
    result = subprocess.run(
        ["/bin/sh", "-c", shown], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return result.returncode, result.stdout + result.stderr


def test_programs_get_a_line_per_endpoint_and_a_last_one_that_says_ready(tmp_path: Path) -> None:
    with running(tmp_path, "pocketoption", "--json", "--fault", "http-status:code=503") as process:
        *endpoints, ready = lines_until_ready(process)
        for line in (*endpoints, ready):
            assert list(line)[:3] == ["schema_version", "kind", "at"]
        schemes = [line["url"].partition(":")[0] for line in endpoints]
        assert schemes == ["ws"] * 5 + ["wss"] * 5
        assert [line["region"] for line in endpoints[:5]] == [
            "demo-eu",
            "demo-us",
            "demo-asia",
            "real-eu",
            "real-us",
        ]
        assert {line["credential"][:4] for line in endpoints} == {'42["'}
        assert {line.get("ca_file") for line in endpoints} == {None, str(tmp_path / "ca" / "ca.pem")}
        assert (ready["pid"], ready["kind"]) == (process.pid, "ready")

        bearer = {"Authorization": f"Bearer {ready['control']['token']}"}
        faults = httpx.get(f"{ready['control']['url']}/faults", headers=bearer, trust_env=False)
        assert faults.json() == [{"id": 1, "fault": "http-status:code=503"}]
        page = httpx.get(re.sub(r"^ws(.*?\d+)/.*", r"http\1/", endpoints[0]["url"]), trust_env=False)
        assert (page.status_code, "simulated" in page.text) == (200, True)

        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (0, "ended: 0 sessions, 0 messages in, 0 out\n")


@pytest.mark.skipif(os.name != "posix", reason="the example is written for a POSIX shell")
def test_people_get_a_table_and_commands_that_work(tmp_path: Path) -> None:
    with running(tmp_path, "pocketoption", "--seed", "7") as process:
        text = text_until_ready(process)
        assert re.search(
            r"^  pocketoption  demo-eu +demo +5 ms +ws://127.0.0.1:\d+/socket.io/", text, re.MULTILINE
        )
        _, secure = re.findall(r"^  (echo .*)$", text, re.MULTILINE)
        assert secure.endswith(f" --ca {tmp_path / 'ca' / 'ca.pem'}")
        code, out = check(tmp_path, secure)
        assert (code, "HEALTHY" in out, " TLS " in out) == (0, True, True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert re.fullmatch(r"ended: 1 sessions, \d+ messages in, \d+ out\n", err)


@pytest.mark.skipif(os.name != "posix", reason="the example is written for a POSIX shell")
def test_there_is_a_command_for_every_broker_with_a_credential_or_without(tmp_path: Path) -> None:
    with running(tmp_path, "bingx", "crypto") as process:
        text = text_until_ready(process)
        bingx, _, _, crypto = re.findall(r"^  ((?:echo|probe) .*)$", text, re.MULTILINE)
        with ThreadPoolExecutor() as pool:
            ran = list(pool.map(partial(check, tmp_path), (bingx, crypto)))
    assert [(code, "HEALTHY" in out, " TLS " in out) for code, out in ran] == [
        (0, True, False),
        (0, True, True),
    ]


def test_what_has_no_demo_says_none_and_what_needs_no_credential_has_none() -> None:
    async def scenario() -> list[str]:
        async with Simulator(["mt5", "crypto", "bingx"]) as simulator, controlling(simulator) as control:
            return list(_as_text(simulator, control))

    lines = asyncio.run(scenario())
    told = {line.split()[0]: line.split()[2] for line in lines if "://127" in line and "one way" not in line}
    assert (told["mt5"], told["crypto"], told["bingx"]) == ("–", "–", "–")
    credentials = lines[lines.index("Credentials, good for nothing but this simulator:") :]
    assert [line.partition('"')[0].strip() for line in credentials[1:3]] == ["mt5: {", "crypto: {"]
    logins = credentials[credentials.index("What --login takes instead, on any port of the broker:") + 1 :][
        :2
    ]
    assert [line.partition('"')[0].strip() for line in logins] == ["mt5: {", "crypto: {"]
    (gateway,) = (line for line in lines if "probe check" in line and '"token"' in line)
    assert gateway.endswith(" --symbol BTCUSD")  # trades at weekends, too


def test_what_signs_in_is_taken_by_a_check_as_a_program_is_told_it(tmp_path: Path) -> None:
    brokers = {each.name: each for each in all_brokers() if each.web is not None}
    with running(tmp_path, "--json", "--no-tls", *brokers) as process:
        *endpoints, _ = lines_until_ready(process)
        firsts = {(each["broker"], each["account"]): each for each in reversed(endpoints)}
        commands = []
        for (broker, _), endpoint in firsts.items():
            symbol = brokers[broker].house.symbol or brokers[broker].default_symbol
            options = ["--broker", broker, "--endpoint", endpoint["url"], "--symbol", symbol, "--login"]
            login = shlex.quote(json.dumps(endpoint["sign_in"]))
            commands.append(f"echo {login} | probe check - {shlex.join(options)} --sessions none")
        with ThreadPoolExecutor() as pool:
            ran = list(pool.map(partial(check, tmp_path), commands))
    # At weekends a gateway that has just been logged into is degraded: it tells the time by a tick that is two days old.
    assert [said for code, said in ran if code not in (0, 3)] == []
    assert {broker for broker, _ in firsts} == {*brokers}


def test_a_pin_is_told_where_pages_may_ask_for_it() -> None:
    async def scenario() -> list[str]:
        async with Simulator(["quotex", "crypto"], regions=REGIONS[:1]) as simulator:
            return list(_logins_as_text(simulator.endpoints))

    quotex, crypto = asyncio.run(scenario())
    assert re.search(r"^  quotex demo: \{.*\}, and the PIN \d{6} with --fault signin-pin$", quotex)
    assert crypto.endswith("}")


@pytest.mark.skipif(os.name != "posix", reason="the example is written for a POSIX shell")
def test_the_command_printed_speaks_the_dialects_chosen(tmp_path: Path) -> None:
    chosen = ("--dialect", "engine=4", "--dialect", "quote_fields=3")
    with running(tmp_path, "quotex", "--no-tls", *chosen) as process:
        (command,) = re.findall(r"^  (echo .*)$", text_until_ready(process), re.MULTILINE)
        code, out = check(tmp_path, command)
    assert command.endswith(" ".join(chosen))
    assert (code, "HEALTHY" in out) == (0, True)


def test_the_command_printed_has_the_dialects_of_its_broker_only() -> None:
    endpoints = asyncio.run(endpoints_of("pocketoption", "quotex"))
    commands = [_check_command(each, ("engine=4", "quote_fields=3")) for each in endpoints]
    assert ["--dialect" in command for command in commands] == [False, True]
    assert commands[1].endswith(" --dialect engine=4 --dialect quote_fields=3")


async def endpoints_of(*brokers: str) -> list[SimEndpoint]:
    async with Simulator(brokers, regions=REGIONS[:1]) as simulator:
        return simulator.endpoints


def test_the_lines_printed_switch_a_fault_on_and_off() -> None:
    async def scenario() -> None:
        async with (
            Simulator(["pocketoption"], faults=["delay"], regions=REGIONS[:1]) as simulator,
            controlling(simulator) as control,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            lines = list(_as_text(simulator, control))
            on, off = (shlex.split(line) for line in lines if line.startswith("  curl "))
            header = dict([on[2].split(": ")])
            answer = await client.post(on[-1], headers=header, json=json.loads(on[4]), timeout=PATIENCE)
            assert (answer.status_code, len(simulator.board.orders)) == (201, 2)
            answer = await client.request(off[4], off[-1], headers=header, timeout=PATIENCE)
            assert answer.status_code == 204
            assert list(map(str, simulator.board.orders.values())) == ["delay"]
            assert "On already, with id 1: delay" in lines

    asyncio.run(scenario())


def test_a_port_that_is_taken_ends_with_2_and_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        with running(tmp_path, "--port", port, "--no-tls") as process:
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert err == (
        f"error: the simulator cannot listen on port {port} (Address already in use). "
        "Choose another one, or name none and it takes any that are free.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pocketopton"], "error: unknown broker 'pocketopton'; did you mean 'pocketoption'? "),
        (["--fault", "silent-stal"], "error: fault 'silent-stal': there is no fault 'silent-stal' (did you "),
        (["--for", "soon"], "error: --for: 'soon' is not a duration."),
        (
            ["quotex", "--fault", "demo-trade-cap"],
            "error: fault 'demo-trade-cap': no broker that is simulated here can have demo-trade-cap. "
            "It is for pocketoption: name it when you start the simulator.\n",
        ),
        (
            ["pocketoption", "--fault", "history-by-word@5s"],
            "error: fault 'history-by-word@5s': no broker that ",
        ),
        (
            ["pocketoption", "--fault", "signin-pin"],
            "error: fault 'signin-pin': no broker that is simulated here can have signin-pin. It is for quotex: ",
        ),
        (["--port", "70000"], "error: Invalid value for '--port': 70000 is not in the range 1<=x<=65535."),
    ],
)
def test_a_wrong_word_ends_with_2_before_anything_starts(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main.run(["sim", "--for", "1s", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err[: len(sentence)]) == ("", sentence)


def test_all_faults_are_listed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["sim", "--list-faults"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^  ([\w-]+): ", text, re.MULTILINE) == [
        spec.name for kind in ("protocol", "pages", "stream", "listener") for spec in FAULTS.values() if spec.kind.value == kind
    ]  # fmt: skip
    assert (
        "  tls-certificate: the server shows a certificate that must not be accepted; "
        "its time counts from when it is switched on\n"
        "      causes tls.server-cert-expired\n"
        "      kind=expired  what is wrong with it (expired|not-yet-valid|wrong-host|self-signed|untrusted-ca)\n"
    ) in text


def test_all_faults_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["sim", "--list-faults", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert list(listed) == ["schema_version", "kind", "at", "faults"]
    assert [fault["name"] for fault in listed["faults"]] == list(FAULTS)
    (cap,) = [fault for fault in listed["faults"] if fault["name"] == "connection-cap"]
    assert (cap["kind"], cap["finding"]) == ("listener", "auth.connection-cap")
    assert cap["parameters"][0] == {
        "name": "cap",
        "type": "whole number",
        "default": "2",
        "help": "connections an address may have",
    }


def test_the_documentation_tells_every_option() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    options = {name for parameter in sim.params for name in parameter.opts if name.startswith("--")}
    assert options - {"--tls", "--latency"} - set(re.findall(r"^\| `(--[\w-]+)", text, re.MULTILINE)) == set()


def test_signals_do_afterwards_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert CliRunner().invoke(sim, ["pocketoption", "--for", "10ms", "--json"]).exit_code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
