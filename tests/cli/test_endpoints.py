"""`probe endpoints` as its user meets it, and what it must never do: send a credential unasked."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from probe.brokers import find_broker
from probe.cli.endpoints import Survey, access_servers, candidates, endpoints
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.errors import ConfigError
from probe.monitor.hold import WayIn
from probe.monitor.winners import Winners
from probe.session.broker import AccessPoint
from probe.targets import Target
from tests.cli.bad_servers import read_head, serving
from tests.drivers.peers import closed_port
from tests.monitor.linked import Place, place, regions
from tests.pretending import POCKETOPTION, SSID, TOKEN, Known
from tests.virtual.travelling import run as run_quickly

WIDTH = 80


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(endpoints, list(arguments), input=stdin, standalone_mode=False)


async def surveyed(
    at: Place, among: Sequence[Endpoint] = (), *, winners: Winners | None = None, login: bool = False
) -> tuple[str, dict[str, Any]]:
    """What is shown of it to people and to programs."""
    shown = Survey(at.dialler(), among or at.endpoints, winners, at.key if login else None)
    rows = [row async for row in shown.run(5.0)]
    lines = [line for row in rows for line in shown.lines(row, is_first=row is rows[0])]
    data: dict[str, Any] = json.loads(json.dumps(shown.as_data(rows, at.utc())))
    text = click.unstyle("\n".join([*lines, shown.summary(rows)]))
    assert max(map(len, text.splitlines())) <= WIDTH
    return text, data


def test_the_simulators_regions_are_measured_demo_and_real_apart(known: Known) -> None:
    result = run(f"sim:{known.broker.name}")
    assert (result.exception, result.return_value) == (None, 0)
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= WIDTH
    first_words = [line.split()[0] for line in lines if line.strip()]
    demo, real = first_words.index("demo"), first_words.index("real")
    assert first_words[demo + 1 : real] == ["demo-eu", "demo-us", "demo-asia"]
    assert first_words[real + 1 : real + 3] == ["real-eu", "real-us"]
    assert lines[2].split() == ["demo", "DNS", "TCP", "TLS", "upgrade", "greeting", "total"]
    assert "5 of 5 answered" in lines[-1]


def test_json_is_one_object() -> None:
    result = run("sim:pocketoption", "--region", "real-eu", "--json")
    told = json.loads(result.stdout)
    assert list(told)[:3] == ["schema_version", "kind", "at"]
    (row,) = told["endpoints"]
    assert (row["region"], row["accounts"], row["failure"], row["http_status"]) == (
        "real-eu",
        ["real"],
        None,
        101,
    )
    assert list(row["phases"]) == ["resolving", "connecting", "upgrading", "opening"]
    assert row["greeting_seconds"] == pytest.approx(sum(row["phases"].values()))


def test_logging_in_is_asked_for_and_shown() -> None:
    result = run("sim:pocketoption", "--region", "demo-eu", "--auth", "--json")
    (row,) = json.loads(result.stdout)["endpoints"]
    assert list(row["phases"])[-2:] == ["joining", "authenticating"]


def test_logging_in_everywhere_is_refused() -> None:
    assert isinstance(run("sim", "--auth").exception, ConfigError)


def hangs_up(connection: socket.socket) -> None:
    read_head(connection)
    connection.close()


def test_nobody_answers_and_the_exit_code_says_so() -> None:
    with serving(hangs_up) as url:
        result = run(url, "--broker", "pocketoption")
    assert (result.exception, result.return_value) == (None, 1)
    assert "✗ the connection ended before an answer came" in result.output
    assert "0 of 1 answered." in result.output


def test_one_url_is_where_it_logs_in_and_of_several_a_region_says_which() -> None:
    closed = closed_port()
    logs_in = ("--broker", "mt5", "--ssid", '{"token":"' + "t" * 43 + '"}', "--auth")
    one, other = f"http://127.0.0.1:{closed}", f"http://127.0.0.1:{closed}/a"
    assert run(one, *logs_in).return_value == 1
    problem = run("--endpoint", one, "--endpoint", other, *logs_in).exception
    assert isinstance(problem, ConfigError)
    assert "it needs to know where. Name one region with --region, or one URL" in str(problem)


def test_a_credential_is_neither_sent_nor_shown() -> None:
    heard: list[bytes] = []

    def listening(connection: socket.socket) -> None:
        heard.append(read_head(connection)[0])
        connection.close()

    with serving(listening) as url:
        result = run(url, "--ssid", "-", stdin=SSID)
    assert TOKEN not in result.output
    assert len(heard) == 1
    assert TOKEN.encode() not in heard[0]
    assert b"cookie" not in heard[0].lower()


def test_options_alone_name_a_target() -> None:
    with serving(hangs_up) as url:
        result = run("--endpoint", url, "--broker", "pocketoption")
    assert (result.exception, result.return_value) == (None, 1)
    assert isinstance(run().exception, click.UsageError)
    short = run("--ssid", "planted").exception
    assert isinstance(short, click.UsageError)
    assert "planted" not in short.message


def test_a_password_is_not_sent_where_no_credential_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def credentials(way_in: WayIn, endpoint: Endpoint, *_: object) -> None:
        asked.append(endpoint.url)

    monkeypatch.setattr(WayIn, "credentials", credentials)
    where = ("--endpoint", "ws://192.0.2.1/socket.io/?EIO=3&transport=websocket", "--region", "custom")
    result = run(
        "-",
        "--broker",
        "quotex",
        "--login",
        "--auth",
        *where,
        stdin='{"email":"a@b.example","password":"planted"}',
    )
    assert isinstance(result.exception, ConfigError)
    assert (asked, "unencrypted" in str(result.exception)) == ([], True)


def test_known_endpoints_of_all_kinds_are_meant_unless_some_are_named() -> None:
    broker = find_broker("pocketoption")
    demo = tuple(each for each in broker.endpoints if each.account is Account.DEMO)
    target = Target(
        name="one", broker=broker, credentials=broker.read_credentials(POCKETOPTION.ssid), endpoints=demo
    )
    assert candidates(target, None) == broker.endpoints
    (named,) = (replace(demo[0], named_by_user=True),)
    assert candidates(replace(target, endpoints=(named,)), None) == (named,)
    assert [each.region for each in candidates(target, "hk")] == ["hk"]


def test_an_address_of_both_kinds_is_measured_once() -> None:
    async def go() -> None:
        async with place() as at:
            both = (at.endpoints[0], replace(at.endpoints[0], account=Account.LIVE))
            shown, data = await surveyed(at, both)
            assert [row["accounts"] for row in data["endpoints"]] == [["demo", "real"]]
            assert "demo + real" in shown
            assert len(at.records) == 1

    run_quickly(go())


def test_what_is_wrong_is_said_in_words_under_its_line() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            await at.spoil("a", "refuse")
            await at.spoil("b", "http-status:code=503")
            shown, data = await surveyed(at)
            lines = shown.splitlines()
            refused = next(number for number, line in enumerate(lines) if line.split()[:1] == ["a"])
            assert lines[refused + 1].startswith("    ✗ nothing listens on that port")
            assert "[http.bad-gateway]" in shown
            assert "1 of 3 answered; the fastest now is c." in shown
            codes = [row["failure"] and row["failure"]["kind"] for row in data["endpoints"]]
            assert codes == ["tcp.refused", "http.bad-gateway", None]
            assert at.logins == 0

    run_quickly(go())


def test_the_remembered_winner_is_marked_and_what_is_measured_is_remembered(tmp_path: Path) -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            file = tmp_path / "endpoints.json"
            winners = Winners(file, warn=pytest.fail)
            winners.reached(at.endpoints[1], 0.001, 1.0, live=True)
            await at.spoil("c", "refuse")
            shown, data = await surveyed(at, winners=winners)
            assert [line for line in shown.splitlines() if line.startswith("★ b ")] != []
            assert [row["remembered_winner"] for row in data["endpoints"]] == [False, True, False]
            again = Winners(file, warn=pytest.fail)
            assert again.ordered(at.endpoints) == list(at.endpoints)
            known = again.known(at.endpoints[2])
            assert known is not None
            assert known.failures == 1

    run_quickly(go())


def test_only_a_trusted_endpoint_of_the_right_account_sees_the_credential(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            right, claimed, live = at.endpoints
            claimed = replace(claimed, sureness=Sureness.CLAIMED, named_by_user=False)
            live = replace(live, account=Account.LIVE)
            _, data = await surveyed(at, (right, claimed, live), login=True)
            last = [list(row["phases"])[-1] for row in data["endpoints"]]
            assert last == ["authenticating", "joining", "joining"]
            assert at.logins == 1

    run_quickly(go())
    assert "b: the credential is not sent" in capsys.readouterr().err


def test_what_a_region_is_called_tears_no_line() -> None:
    async def go() -> None:
        async with place() as at:
            strange = replace(at.endpoints[0], region="a\x1b[31m-very-long-name\n")
            shown, _ = await surveyed(at, (strange,), login=True)
            assert "\x1b" not in shown
            assert "…" in shown

    run_quickly(go())


def test_over_tls_its_time_stands_in_its_column() -> None:
    async def go() -> None:
        async with place(tls=True) as at:
            at.over_tls()
            _, data = await surveyed(at)
            (row,) = data["endpoints"]
            assert "securing" in row["phases"]
            assert row["tls"].startswith("TLSv1.3 ")
            assert row["certificate_expires_utc"] > at.utc()

    run_quickly(go())


@contextmanager
def silent(count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]


def test_access_servers_are_touched_once_and_told_nothing(own_home: Path) -> None:
    with silent(2) as places:
        near, far = (each.getsockname()[1] for each in places)
        config = own_home / "probe.toml"
        config.write_text(
            f'[targets.a]\ntarget = "sim:bingx"\naccess_points = ["near=127.0.0.1:{near}", "far=127.0.0.1:{far}"]\n'
        )
        result = run("a", "--config", str(config))
        for each in places:
            each.settimeout(1.0)
            connection, _ = each.accept()
            connection.settimeout(1.0)
            assert connection.recv(1) == b""
            connection.close()
            each.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                each.accept()
    assert (result.exception, result.return_value) == (None, 0)
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    begins = next(at for at, line in enumerate(lines) if line.split()[:1] == ["access"])
    assert [line.split()[0] for line in lines[begins + 1 : begins + 3]] == ["near", "far"]
    fastest, nearest = re.findall(r"; the (?:fastest|nearest access server) now is (\w+)", lines[-1])
    assert (fastest in ("near", "far"), nearest in ("near", "far")) == (False, True)


def test_one_access_server_can_be_named_and_says_to_programs_what_it_is(own_home: Path) -> None:
    config = own_home / "probe.toml"
    with silent(1) as (place,):
        config.write_text(
            '[targets.a]\ntarget = "sim:bingx"\n'
            f'access_points = ["near=127.0.0.1:{place.getsockname()[1]}", "gone=127.0.0.1:9"]\n'
        )
        told = json.loads(run("a", "--config", str(config), "--region", "near", "--json").stdout)
    (row,) = told["endpoints"]
    assert (row["region"], row["scheme"], row["accounts"], row["failure"]) == ("near", "tcp", ["any"], None)
    assert list(row["phases"]) == ["resolving", "connecting"]


def test_access_servers_are_left_alone_where_somebody_logs_in(own_home: Path) -> None:
    config = own_home / "probe.toml"
    config.write_text('[targets.a]\ntarget = "sim:pocketoption"\naccess_points = ["gone=127.0.0.1:9"]\n')
    problem = run("a", "--config", str(config), "--region", "gone", "--auth").exception
    assert isinstance(problem, ConfigError)
    assert "no endpoint has the region 'gone'" in str(problem)


def test_two_runs_are_not_at_one_access_server_within_half_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def go(port: int) -> None:
        async with place(at=regions("a")) as at:
            near = access_servers(at.broker, [AccessPoint(name="near", host="127.0.0.1", port=port)])
            begun = []
            for pause in (10.0, 40.0, 0.0):
                winners = Winners(tmp_path / "endpoints.json", warn=pytest.fail)  # as another process has it
                _, data = await surveyed(at, near, winners=winners)
                begun.append(datetime.fromisoformat(data["endpoints"][0]["at"]).timestamp())
                await asyncio.sleep(pause)
            assert [later - sooner for sooner, later in pairwise(begun)] == pytest.approx([30.0, 40.0], abs=1)

    with silent(1) as (listener,):
        run_quickly(go(listener.getsockname()[1]))
    assert capsys.readouterr().err == (
        "warning: near was connected to 10 s ago: waiting for 20 s, as politeness wants.\n"
    )


def test_an_access_server_is_no_endpoint_to_remember(tmp_path: Path) -> None:
    async def go(port: int) -> None:
        async with place(at=regions("a")) as at:
            near = access_servers(at.broker, [AccessPoint(name="near", host="127.0.0.1", port=port)])
            winners = Winners(tmp_path / "endpoints.json", warn=pytest.fail)
            shown, _ = await surveyed(at, (*at.endpoints, *near), winners=winners)
            assert "2 of 2 answered" in shown
            known = [winners.known(each) is not None for each in (*at.endpoints, *near)]
            assert known == [True, False]

    with silent(1) as (listener,):
        run_quickly(go(listener.getsockname()[1]))
