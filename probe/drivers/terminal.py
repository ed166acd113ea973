"""A trading terminal's own programming interface, wherever it runs: in a child process here, or behind an RPyC bridge.

The package can hang where nothing can interrupt it, so every call has a deadline, and what does not answer is cut off
and opened anew with the next call. One fixed program (`terminal_child`) works at the other end; what it is asked and what
it answers are lines of JSON, so that no object of the other side lives on here and nothing we were told becomes code there.

Some calls start a terminal where none runs. So all wait until one was seen, and the one that may start it looks again.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, Protocol, assert_never

from probe.drivers.dial import failure_of, on_a_thread
from probe.model.credentials import Redactor, Secret
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError, LocalProtocolError
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.safety import is_loopback
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

PACKAGE = "MetaTrader5"
PROCESS = "terminal64.exe"
# Nothing that trades; `order_check` only calculates.
QUESTIONS = frozenset(
    (
        "initialize", "login", "shutdown", "version", "last_error", "terminal_info", "account_info",
        "symbols_total", "symbols_get", "symbol_info", "symbol_info_tick", "symbol_select",
        "positions_total", "positions_get", "orders_total", "orders_get",
        "history_orders_total", "history_orders_get", "history_deals_total", "history_deals_get",
        "copy_rates_from", "copy_rates_from_pos", "copy_rates_range", "copy_ticks_from", "copy_ticks_range",
        "order_calc_margin", "order_calc_profit", "order_check",
    )
)  # fmt: skip
LAUNCHES = "initialize"
CHILD = Path(__file__).with_name("terminal_child.py")
LONGEST_ANSWER = 64 * 1024 * 1024  # bytes; all symbols of a large broker are about 8 MB
SOONER = (
    0.95  # who waits for a connection knows best what for: it gives up a little before the whole call does
)
ENTERING = ("initialize", "login")  # for which the package takes a minute unless told otherwise
ENTER_WITHIN = 0.75  # of the deadline: so it says itself what it waited for
CALL_FAILED = -1  # the package's own word for an error without a name
PATIENCE = 0.5  # of the deadline, for a call that others made and that is not done yet
CUT_WITHIN = 1.0  # seconds until a thread has noticed; one that looks up a name does not, and is left behind

# What there is to say about a terminal has no kinds of its own, so the detail tells it.
NOT_THERE, NOT_ALLOWED, TOO_LATE = "terminal.absent", "terminal.denied", "terminal.silent"
CLOSED, NOT_UNDERSTOOD = "session.closed-1006", "terminal.bridge-version"


class Terminal(Protocol):
    """A trading terminal's programming interface, one call at a time."""

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure: ...

    async def close(self) -> None: ...


def open_terminal(url: str, *, deadline: float = 15.0) -> Terminal:
    """Nothing is started or connected before the first question, and that has to be whether a terminal runs.

    Args:
        url: ``bridge://HOST:PORT`` or ``terminal://local``.
        deadline: Seconds for one call, connecting included.

    Raises:
        ConfigError: the URL is neither.
    """
    address = read_url(url)
    scheme = url.partition("://")[0]
    if scheme == "terminal" and address.host == "local":
        return _Terminal(_Child, place="this machine", is_private=True, deadline=deadline)
    if scheme == "bridge":
        host, port = address.host, address.port
        return _Terminal(
            partial(_Bridge, host, port, deadline * SOONER),
            place=f"the bridge {address.host_header}",
            is_private=is_loopback(host),
            deadline=deadline,
        )
    raise ConfigError(
        "it leads to no terminal",
        where=f"URL {url!r}",
        next_step="Use terminal://local, or bridge://HOST:PORT for one on another system.",
    )


class _Broken(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class _Way(Protocol):
    """Where the questions go; opened by the first one."""

    def exchange(self, line: str) -> Any:
        """Blocks. Raises _Broken."""

    def cut(self) -> None:
        """From another thread: whatever it does fails now."""

    def close(self) -> None: ...


class _Terminal:
    def __init__(
        self, open_way: Callable[[], _Way], *, place: str, is_private: bool, deadline: float
    ) -> None:
        self._open, self._place, self._is_private, self._deadline = open_way, place, is_private, deadline
        self._turn = asyncio.Lock()
        self._way: _Way | None = None
        self._running: bool | None = False  # as far as somebody has looked

    async def ask(self, call: TerminalCall | LookForProcess) -> TerminalReply | ProcessFound | Failure:
        match call:
            case LookForProcess():
                return await self._look()
            case TerminalCall():
                return await self._call(call)
            case _:
                assert_never(call)

    async def close(self) -> None:
        if self._way is not None:
            self._way.cut()
        async with self._turn:
            self._let_go()

    async def _look(self) -> ProcessFound | Failure:
        said = await self._exchange({"find": PROCESS})
        match said:
            case Failure():
                return said
            case {"found": bool() | None as found, "detail": str(detail)}:
                self._running = found
                return ProcessFound(running=found, detail=f"{PROCESS}: {detail}")
            case _:
                return self._nonsense()

    async def _call(self, call: TerminalCall) -> TerminalReply | Failure:
        if call.function not in QUESTIONS:
            raise LocalProtocolError(f"{call.function} is no question that a terminal may be asked")
        if call.function == LAUNCHES and (call.arguments or "path" in call.named):
            raise LocalProtocolError(f"{LAUNCHES} with a path names a program to start")
        secrets = [each for each in (*call.arguments, *call.named.values()) if isinstance(each, Secret)]
        if (secrets or "password" in call.named) and not self._is_private:
            return Failure(
                kind=NOT_ALLOWED,
                detail=f"{call.function} was not called: a bridge encrypts nothing, and {self._place} is not on this "
                "machine. Reach it through a tunnel, or log in at the terminal itself and give no password here",
            )
        if self._running is False:
            return self._absent(call)
        patience = {"timeout": int(self._deadline * ENTER_WITHIN * 1000)} if call.function in ENTERING else {}
        said = await self._exchange(
            {
                "package": PACKAGE,
                "call": call.function,
                "arguments": call.arguments,
                "named": patience | dict(call.named),
                "needs": PROCESS if call.function == LAUNCHES else None,
                "patience": self._deadline * PATIENCE,
            }
        )
        redact = Redactor(secrets)
        match said:
            case Failure():
                return said
            case {
                "value": value,
                "error": int(error),
                "error_text": str(words),
                "seconds": float(seconds),
            } if 0 <= seconds <= self._deadline:
                return TerminalReply(value=value, error=error, error_text=redact(words), seconds=seconds)
            case {"raised": str(words)}:
                return TerminalReply(value=None, error=CALL_FAILED, error_text=redact(words), seconds=0.0)
            case {"missing": str(words)}:
                return Failure(
                    kind=NOT_THERE,
                    detail=f"the Python at {self._place} has no package {PACKAGE} ({words}). It is made for Windows "
                    "only: install it beside the terminal, and reach it from elsewhere by bridge://HOST:PORT",
                )
            case {"absent": _}:
                return self._absent(call)
            case {"busy": _}:
                return Failure(
                    kind=TOO_LATE,
                    detail=f"{call.function} was not called: at {self._place} an earlier call has not returned. "
                    "If it stays so, restart what runs there",
                )
            case _:
                return self._nonsense()

    def _absent(self, call: TerminalCall) -> Failure:
        return Failure(
            kind=NOT_THERE,
            detail=f"no {PROCESS} was seen at {self._place}, so {call.function} was not called: it could have "
            "started one. Start the terminal and log in there",
        )

    def _nonsense(self) -> Failure:
        self._let_go()
        return Failure(kind=NOT_UNDERSTOOD, detail=f"{self._place} gave an answer that is none of ours")

    async def _exchange(self, question: Any) -> Any:
        line = json.dumps(question, default=_revealed)
        async with self._turn:
            way = self._way = self._way or self._open()
            answer = asyncio.wrap_future(on_a_thread(partial(way.exchange, line)))
            try:
                done, _ = await asyncio.wait([answer], timeout=self._deadline)
            except asyncio.CancelledError:
                await self._abandon(answer)
                raise
            if not done:
                await self._abandon(answer)
                return Failure(kind=TOO_LATE, detail=f"{self._place} did not answer in {self._deadline:g} s")
            try:
                return answer.result()
            except _Broken as broken:
                self._let_go()
                return broken.failure

    async def _abandon(self, answer: asyncio.Future[Any]) -> None:
        """The next call gets a way of its own; this one is closed when its thread has let go of it."""
        way, self._way = self._way, None
        assert way is not None  # noqa: S101 - the answer is still awaited on it
        way.cut()

        def close(ended: asyncio.Future[Any]) -> None:
            ended.exception()  # it is known why
            way.close()

        answer.add_done_callback(close)
        await asyncio.wait([answer], timeout=CUT_WITHIN)

    def _let_go(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.close()


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise LocalProtocolError(f"a {type(value).__name__} cannot be sent to a terminal")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}, which is no number in JSON")


class _Child:
    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._is_cut = False

    def exchange(self, line: str) -> Any:
        try:
            process = self._process = self._process or self._start()
            if self._is_cut:
                process.kill()
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(line + "\n")
            process.stdin.flush()
            said = process.stdout.readline(LONGEST_ANSWER)
        except OSError as problem:
            if self._process is None:
                raise _Broken(failure_of(problem, Phase.CONNECTING)) from None
            said = ""
        if not said.endswith("\n"):
            raise _Broken(
                Failure(kind=CLOSED, detail=f"the process that held the package {PACKAGE} ended by itself")
            )
        return json.loads(said)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - both are ours
            [sys.executable, "-P", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )

    def cut(self) -> None:
        self._is_cut = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.cut()
        if self._process is not None:
            with contextlib.suppress(OSError), self._process:  # waits, and closes the pipes
                pass


class _Bridge:
    """A client of RPyC's classic server that offers the server nothing in return."""

    def __init__(self, host: str, port: int, connect_within: float) -> None:
        self._host, self._port, self._connect_within = host, port, connect_within
        self._socket: socket.socket | None = None
        self._connection: Any = None
        self._answer: Callable[[str], object] | None = None
        self._is_cut = False

    def exchange(self, line: str) -> Any:
        try:
            answer = self._answer = self._answer or self._open()
            said = answer(line)
            if type(said) is not str:  # else it is an object of the other side
                raise TypeError(f"its answer is a {type(said).__name__}")
            return json.loads(said, parse_constant=_no_number)
        except Exception as problem:  # noqa: BLE001 - the other side may raise whatever it likes
            raise _Broken(self._failure_of(problem)) from None

    def _open(self) -> Callable[[str], object]:
        # Imported late: it takes longer than all of `probe --help`.
        import rpyc  # type: ignore[import-untyped]  # noqa: PLC0415
        from rpyc.core.service import FakeSlaveService  # type: ignore[import-untyped]  # noqa: PLC0415
        from rpyc.core.stream import SocketStream  # type: ignore[import-untyped]  # noqa: PLC0415

        self._socket = socket.create_connection((self._host, self._port), timeout=self._connect_within)
        if self._is_cut:
            raise EOFError
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = rpyc.connect_stream(
            SocketStream(self._socket), FakeSlaveService, config={"sync_request_timeout": None}
        )
        far = self._connection.root
        far.execute(CHILD.read_text(encoding="utf-8"))
        return far.eval("answer")  # type: ignore[no-any-return]

    def _failure_of(self, problem: Exception) -> Failure:
        place = f"{self._host}:{self._port}"
        match problem:
            case EOFError() if self._answer is not None:
                return Failure(kind=CLOSED, detail=f"the bridge {place} ended the connection")
            case EOFError():
                return Failure(
                    kind=CLOSED,
                    detail=f"{place} took the connection and ended it before anything could be asked: "
                    "is it an RPyC classic server?",
                )
            case OSError() if self._socket is None:
                phase = Phase.RESOLVING if isinstance(problem, socket.gaierror) else Phase.CONNECTING
                failure = failure_of(problem, phase)
                return replace(failure, detail=f"bridge {place}: {failure.detail}")
            case _:
                return Failure(
                    kind=NOT_UNDERSTOOD,
                    detail=f"{place} does not speak as an RPyC {_our_version()} classic server does "
                    f"({type(problem).__name__}: {str(problem)[:100]}): both ends need the same major version, "
                    "so install that one there",
                )

    def cut(self) -> None:
        self._is_cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        if self._connection is not None:
            with contextlib.suppress(OSError, EOFError):
                self._connection.close()
        if self._socket is not None:
            self._socket.close()


def _our_version() -> str:
    return version("rpyc").partition(".")[0]
