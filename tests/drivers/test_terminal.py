import ast
import asyncio
import contextlib
import ctypes
import json
import math
import os
import secrets
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import rpyc  # type: ignore[import-untyped]

from probe.drivers import terminal, terminal_child
from probe.drivers.terminal import Terminal, open_terminal
from probe.model.credentials import Secret
from probe.model.errors import ConfigError, LocalProtocolError
from probe.model.failures import Failure
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

FAKE = Path(__file__).resolve().parents[1] / "clients" / "fake_mt5"
WEDNESDAY = 1_795_000_000 - 1_795_000_000 % 604_800 + 6.5 * 86_400  # 12:00 UTC
SERVER = """
from rpyc import SlaveService
from rpyc.utils.server import ThreadedServer
import MetaTrader5
server = ThreadedServer(SlaveService, hostname="127.0.0.1", port=0)
server.listener.listen()
print(server.port, flush=True)
server.start()
"""
LOGIN = TerminalCall(
    function="login", arguments=(1001,), named={"password": Secret("pass-1001"), "server": "Fake-Demo"}
)
NO_SUCH_BRIDGE = "bridge://192.0.2.1:18812"  # an address kept for documentation


def call(function: str, *arguments: object, **named: object) -> TerminalCall:
    return TerminalCall(function=function, arguments=arguments, named=named)


@pytest.fixture(autouse=True)
def process_name(monkeypatch: pytest.MonkeyPatch) -> str:
    """Of its own for each test: others run beside it on the same machine."""
    name = f"t{secrets.token_hex(4)}.exe"
    monkeypatch.setattr(terminal, "PROCESS", name)
    return name


@contextlib.contextmanager
def running(folder: Path, name: str) -> Iterator[None]:
    """A process of that name, which does nothing."""
    program = folder / name
    program.symlink_to(sys.executable)
    idle = "print(flush=True); input()"
    with subprocess.Popen([program, "-ISc", idle], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.fixture
def seen(tmp_path: Path, process_name: str) -> Iterator[None]:
    with running(tmp_path, process_name):
        yield


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake one, for children."""
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_TERMINAL", json.dumps({"at": WEDNESDAY}))


@contextlib.contextmanager
def bridge(**knobs: object) -> Iterator[int]:
    environment = os.environ | {"PYTHONPATH": str(FAKE), "FAKE_TERMINAL": json.dumps(knobs)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with bridge(at=WEDNESDAY) as port:
        yield port


@pytest.fixture(params=["terminal://local", "bridge://127.0.0.1"])
def url(request: pytest.FixtureRequest, package: None, port: int) -> str:
    url: str = request.param
    return url if "local" in url else f"{url}:{port}"


@contextlib.contextmanager
def listening(then: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server of one connection that is no bridge."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                opened, _ = server.accept()
                with opened:
                    then(opened)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"bridge://127.0.0.1:{server.getsockname()[1]}"
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextlib.asynccontextmanager
async def opened(url: str, deadline: float = 15.0) -> AsyncIterator[Terminal]:
    each = open_terminal(url, deadline=deadline)
    try:
        yield each
    finally:
        await each.close()


def talk(url: str, *calls: TerminalCall | LookForProcess, deadline: float = 15.0) -> list[Any]:
    """What came of them, one after the other on one terminal."""

    async def run() -> list[Any]:
        async with opened(url, deadline) as each:
            return [await each.ask(question) for question in calls]

    return asyncio.run(run())


def failure(said: object) -> tuple[str, str]:
    assert isinstance(said, Failure), said
    return said.kind, said.detail


# -- what it answers ---------------------------------------------------------------------------------------------------


def test_a_terminal_is_asked_the_same_way_wherever_it_is(url: str, seen: None) -> None:
    found, begun, entered, account = talk(
        url, LookForProcess(), call("initialize"), LOGIN, call("account_info")
    )
    assert found.running is True
    assert (begun.value, begun.error, begun.error_text) == (True, 1, "Success")
    assert entered.value is True
    assert (account.value["login"], account.value["balance"], len(account.value)) == (1001, 10_000.0, 28)
    assert 0 < account.seconds < 5


def test_what_failed_is_none_with_the_terminals_own_reason(package: None, seen: None) -> None:
    answers = talk("terminal://local", LookForProcess(), call("account_info"))
    assert (answers[1].value, answers[1].error, answers[1].error_text) == (None, -10004, "No IPC connection")


def test_all_symbols_come_as_plain_data(port: int, seen: None) -> None:
    """The longest answer; anything of the other side's would have no place in JSON."""
    *_, symbols, rates = talk(
        f"bridge://127.0.0.1:{port}",
        LookForProcess(),
        call("initialize"),
        call("symbols_get"),
        call("copy_rates_from_pos", "EURUSD", 1, 0, 3),
    )
    assert {len(each) for each in symbols.value} == {96}
    assert json.loads(json.dumps([symbols.value, rates.value])) == [symbols.value, rates.value]
    assert [type(each) for each in rates.value] == [dict, dict, dict]


def test_arguments_are_data_and_never_code(url: str, seen: None, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    evil = f"'), open({str(trap)!r}, 'w'), ('"
    _, begun, tick = talk(url, LookForProcess(), call("initialize"), call("symbol_info_tick", evil))
    assert (begun.value, tick.value, tick.error, trap.exists()) == (True, None, -4, False)


def test_what_the_package_raises_is_told_in_its_words(url: str, seen: None) -> None:
    _, raised = talk(url, LookForProcess(), call("copy_ticks_from", "EURUSD", 0, 1, 0))
    assert (raised.value, raised.error, raised.error_text) == (None, -1, "AttributeError: copy_ticks_from")


def test_only_questions_are_asked() -> None:
    for forbidden in (call("order_send", {}), call("eval", "1"), call("initialize", path="C:\\other.exe")):
        with pytest.raises(LocalProtocolError):
            talk("terminal://local", forbidden)


@pytest.mark.parametrize("url", ["terminal://elsewhere", "http://127.0.0.1:1"])
def test_a_url_that_leads_to_no_terminal_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="bridge://HOST:PORT"):
        open_terminal(url)


# -- never started by accident -----------------------------------------------------------------------------------------


def launches(port: int) -> int:
    with contextlib.closing(rpyc.classic.connect("127.0.0.1", port)) as far:
        return int(far.modules.MetaTrader5.terminal.launches)


def test_before_a_terminal_was_seen_nothing_is_called(port: int) -> None:
    url = f"bridge://127.0.0.1:{port}"
    [unlooked] = talk(url, call("initialize"))
    found, absent = talk(url, LookForProcess(), call("terminal_info"))
    assert found.running is False
    for said in (unlooked, absent):
        kind, words = failure(said)
        assert (kind, "could have started one" in words) == ("terminal.absent", True)
    assert launches(port) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is left of what has ended")
def test_what_was_killed_does_not_run_though_nobody_took_note(tmp_path: Path, process_name: str) -> None:
    names = terminal_child._by_table
    program = tmp_path / process_name
    program.symlink_to(sys.executable)
    idle = "print(flush=True); input()"
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([program, "-ISc", idle], **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process_name in names()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the table
        assert process_name not in names()


def test_a_terminal_that_ended_since_it_was_seen_is_not_started_again(
    tmp_path: Path, process_name: str
) -> None:
    async def look_and_begin(url: str) -> Any:
        async with opened(url) as each:
            with running(tmp_path, process_name):
                found = await each.ask(LookForProcess())
            assert isinstance(found, ProcessFound)
            assert found.running is True
            return await each.ask(call("initialize"))

    with bridge(process_running=False) as port:
        kind, _ = failure(asyncio.run(look_and_begin(f"bridge://127.0.0.1:{port}")))
        assert (kind, launches(port)) == ("terminal.absent", 0)


def test_processes_are_found_without_psutil(
    monkeypatch: pytest.MonkeyPatch, seen: None, process_name: str
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert terminal_child.find(process_name.upper())["found"] is True
    assert terminal_child.find(process_name + "x")["found"] is False


def test_tasklist_is_read_where_there_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b'"System","4","Services","0","144 K"\r\n"terminal64.exe","71","Console","1","9 K"\r\n'
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(terminal_child, "PROCESS_TABLES", ())
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: said)
    assert terminal_child.find("terminal64.exe") == {"found": True, "detail": "1 of 2 processes"}


def test_processes_that_are_not_shown_are_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(terminal_child, "PROCESS_TABLES", ())
    assert terminal_child.find("terminal64.exe")["found"] is None


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_missing_package_is_told_with_what_to_do(seen: None) -> None:
    _, said = talk("terminal://local", LookForProcess(), call("initialize"))
    kind, words = failure(said)
    assert (kind, "bridge://HOST:PORT" in words) == ("terminal.absent", True)


def test_a_hung_child_is_killed_and_the_next_call_gets_a_new_one(
    monkeypatch: pytest.MonkeyPatch, package: None, seen: None
) -> None:
    monkeypatch.setenv("FAKE_TERMINAL", '{"hangs": true}')

    async def run() -> None:
        async with opened("terminal://local", deadline=5.0) as each:
            assert isinstance(each, terminal._Terminal)
            await each.ask(LookForProcess())
            child = process_of(each)
            each._deadline = 0.5  # for what hangs; starting may take longer on a busy machine
            kind, _ = failure(await each.ask(call("terminal_info")))
            assert (kind, child.poll() is None) == ("terminal.silent", False)
            each._deadline = 5.0
            assert isinstance(await each.ask(LookForProcess()), ProcessFound)
            assert process_of(each).pid != child.pid

    asyncio.run(run())


def test_a_cancelled_call_leaves_nothing_behind(package: None, seen: None) -> None:
    async def run() -> None:
        async with opened("terminal://local") as each:
            assert isinstance(each, terminal._Terminal)
            await each.ask(LookForProcess())
            child = process_of(each)
            asking = asyncio.ensure_future(each.ask(call("terminal_info")))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert child.poll() is not None

    asyncio.run(run())


def test_what_a_package_prints_is_no_answer(
    package: None, seen: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = tmp_path / "MetaTrader5.py"
    noisy.write_text(
        "import os\ndef version(): os.write(1, b'loud\\n'); print('louder'); return 5\n"
        "def last_error(): return (1, 'Success')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _, said = talk("terminal://local", LookForProcess(), call("version"))
    assert said.value == 5


def test_a_child_that_ended_is_told_and_replaced(package: None, seen: None) -> None:
    async def run() -> None:
        async with opened("terminal://local") as each:
            assert isinstance(each, terminal._Terminal)
            await each.ask(LookForProcess())
            process_of(each).kill()
            kind, _ = failure(await each.ask(call("terminal_info")))
            assert kind == "session.closed-1006"
            begun = await each.ask(call("initialize"))
            assert isinstance(begun, TerminalReply)
            assert begun.value is True

    asyncio.run(run())


def process_of(each: terminal._Terminal) -> subprocess.Popen[str]:
    assert isinstance(each._way, terminal._Child)
    assert each._way._process is not None
    return each._way._process


def test_nobody_at_the_bridge_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    kind, words = failure(talk(f"bridge://127.0.0.1:{port}", LookForProcess())[0])
    assert (kind, f"127.0.0.1:{port}" in words) == ("tcp.refused", True)


def test_a_bridge_of_another_version_is_told_with_both_versions() -> None:
    """What a server of RPyC 5 says first: a tuple of three in its own coding, where 6 expects the kind of the message."""
    message = b"\x12\x51\x50\x12\x53\x10\x10"

    def speak(client: socket.socket) -> None:
        client.sendall(struct.pack("!LB", len(message), 0) + message + b"\n")
        client.recv(1024)
        client.recv(1024)

    with listening(speak) as url:
        kind, words = failure(talk(url, LookForProcess())[0])
    assert kind == "terminal.bridge-version"
    assert "RPyC 6 classic server" in words
    assert "invalid message type: 18" in words


def test_a_bridge_that_hangs_up_is_no_bridge_of_another_version() -> None:
    with listening(lambda client: client.recv(1)) as url:
        kind, words = failure(talk(url, LookForProcess())[0])
    assert (kind, "is it an RPyC classic server?" in words) == ("session.closed-1006", True)


def test_a_bridge_that_ends_is_told_and_the_next_call_connects_anew(seen: None) -> None:
    async def run(port: int, end: Callable[[], Awaitable[None]]) -> list[Any]:
        async with opened(f"bridge://127.0.0.1:{port}") as each:
            found = await each.ask(LookForProcess())
            await end()
            return [found, await each.ask(LookForProcess()), await each.ask(LookForProcess())]

    async def end() -> None:
        context.__exit__(None, None, None)

    context = bridge()
    found, ended, again = asyncio.run(run(context.__enter__(), end))
    assert found.running is True
    assert failure(ended)[0] == "session.closed-1006"
    assert failure(again)[0] == "tcp.refused"


def test_a_silent_bridge_costs_its_deadline_and_does_not_stop_the_loop() -> None:
    async def run(url: str) -> tuple[Any, int]:
        async with opened(url, deadline=0.3) as each:
            asking = asyncio.ensure_future(each.ask(LookForProcess()))
            turns = 0
            while not asking.done():
                await asyncio.sleep(0.01)
                turns += 1
            return asking.result(), turns

    def hold(client: socket.socket) -> None:
        while client.recv(1024):
            pass

    with listening(hold) as url:
        said, turns = asyncio.run(run(url))
    assert failure(said)[0] == "terminal.silent"
    assert turns > 5


def test_a_call_that_hangs_behind_the_bridge_holds_no_second_one_there(
    seen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package must not be entered twice, and a heap of waiting calls would only hide what is wrong."""
    monkeypatch.setattr(terminal, "PATIENCE", 0.02)

    async def run(port: int) -> list[Any]:
        async with opened(f"bridge://127.0.0.1:{port}", deadline=5.0) as each:
            assert isinstance(each, terminal._Terminal)
            await each.ask(LookForProcess())
            each._deadline = 0.3
            late = await each.ask(call("terminal_info"))
            each._deadline = 5.0
            return [late, await each.ask(call("terminal_info"))]

    with bridge(hangs=True) as port:
        late, busy = asyncio.run(run(port))
    assert (failure(late)[0], "did not answer in 0.3 s" in failure(late)[1]) == ("terminal.silent", True)
    assert "an earlier call has not returned" in failure(busy)[1]


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [Secret("hunter-2-hunter"), "hunter-2-hunter"])
def test_no_password_crosses_an_open_network(password: object) -> None:
    [said] = talk(NO_SUCH_BRIDGE, call("login", 1001, password=password), deadline=0.2)
    kind, words = failure(said)
    assert (kind, "tunnel" in words, "hunter" in words) == ("terminal.denied", True, False)


def quoting(*calls: TerminalCall) -> list[Any]:
    """What came of them at a terminal that repeats what it is asked."""

    class Quoting:
        def exchange(self, line: str) -> Any:
            return {"raised": line} if "call" in json.loads(line) else {"found": True, "detail": ""}

        def cut(self) -> None: ...
        def close(self) -> None: ...

    async def run() -> list[Any]:
        each = terminal._Terminal(Quoting, place="here", is_private=True, deadline=4.0)
        await each.ask(LookForProcess())
        return [await each.ask(question) for question in calls]

    return asyncio.run(run())


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 1e9, True, "1"])
def test_a_time_that_no_call_can_take_is_none_of_our_answers(seconds: object) -> None:
    class Odd:
        def exchange(self, line: str) -> Any:
            found = {"found": True, "detail": ""}
            return found if "find" in line else {"value": 1, "error": 1, "error_text": "", "seconds": seconds}

        def cut(self) -> None: ...
        def close(self) -> None: ...

    async def run() -> Any:
        each = terminal._Terminal(Odd, place="here", is_private=True, deadline=4.0)
        await each.ask(LookForProcess())
        return await each.ask(call("version"))

    assert failure(asyncio.run(run()))[0] == "terminal.bridge-version"


@pytest.mark.parametrize("said", ["NaN", "-Infinity", "[" * 100_000, "9" * 5000, "{"])
def test_what_a_bridge_says_that_is_no_json_is_no_answer(said: str) -> None:
    way = terminal._Bridge("127.0.0.1", 1, 1.0)
    way._answer = lambda _: said
    with pytest.raises(terminal._Broken) as raised:
        way.exchange("{}")
    assert raised.value.failure.kind == "terminal.bridge-version"
    assert len(raised.value.failure.detail) < 500


def test_a_secret_that_is_quoted_back_is_hidden() -> None:
    [said] = quoting(LOGIN)
    assert ("1001" in said.error_text, "pass-1001" in said.error_text) == (True, False)


def test_the_package_is_told_to_give_up_before_we_do() -> None:
    """Else its own reason would never be heard."""
    said = quoting(call("initialize"), call("login", 1, timeout=9), call("version"))
    named = [json.loads(each.error_text)["named"] for each in said]
    assert named == [{"timeout": 3000}, {"timeout": 9}, {}]


# -- plain data --------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    left: object
    right: object


class Number(float):
    def tolist(self) -> float:
        return float(self)


class Whole:
    dtype = SimpleNamespace(names=None)

    def tolist(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ((), []),
        (Pair(1, Pair("a", None)), {"left": 1, "right": {"left": "a", "right": None}}),
        ((Pair(1, 2),), [{"left": 1, "right": 2}]),
        ([math.nan, math.inf, 1.5], [None, None, 1.5]),
        (Whole(), 7),
        (Number(1.25), 1.25),
        (ctypes.c_long(3), 3),
        ({1: Whole()}, {"1": 7}),
    ],
)
def test_anything_becomes_plain_data(value: object, expected: object) -> None:
    assert terminal_child.plain(value) == expected


def test_records_of_numpy_become_rows_with_names() -> None:
    class Array:
        dtype = SimpleNamespace(names=("time", "open"))

        def tolist(self) -> list[tuple[int, float]]:
            return [(60, 1.1), (120, 1.2)]

    assert terminal_child.plain(Array()) == [{"time": 60, "open": 1.1}, {"time": 120, "open": 1.2}]


def test_an_older_python_understands_what_is_sent_there() -> None:
    ast.parse(terminal.CHILD.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_the_bridges_library_is_imported_with_the_first_call_only() -> None:
    code = "import sys, probe.drivers.terminal as t; t.open_terminal('bridge://127.0.0.1:1'); print('rpyc' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
