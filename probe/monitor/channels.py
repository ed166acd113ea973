"""The ways by which an alert reaches people: a notification service (through Apprise), a webhook, a command of their own."""

import asyncio
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote

import httpx

from probe.logs import redact, remember
from probe.measure.plain import as_data, iso
from probe.measure.records import Alert, Severity
from probe.model.credentials import SHORTEST, Redactor, Secret, StrangersRedactor

if TYPE_CHECKING:
    import apprise

# They log the addresses they call, and secrets are part of those.
_TALKATIVE = {
    "apprise": logging.WARNING,  # read by Apprise itself for the reason of a failure; goes no further
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "urllib3": logging.CRITICAL,
}
_LONGEST_REASON = 200


class Undelivered(Exception):
    """Why, and what to do about it; without any secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    try_seconds: float = 10.0  # of a webhook
    pauses: tuple[float, ...] = (1.0, 4.0)  # between its tries
    command_seconds: float = 30.0
    terminated_seconds: float = 5.0  # from being asked to end to being killed
    apprise_seconds: float = 60.0
    flush_seconds: float = 5.0


class Way(Protocol):
    async def prepare(self, patience: Patience) -> None:
        """What can be found wrong before the first alert is.

        Raises:
            Undelivered: nothing will ever be delivered this way.
        """

    async def send(self, alert: Alert, patience: Patience) -> None:
        """
        Raises:
            Undelivered: the receiver did not take it.
        """

    async def close(self) -> None: ...


# -- words -------------------------------------------------------------------------------------------------------------


def title(alert: Alert) -> str:
    """Who, what and what happened, in one line."""
    word = "RESOLVED" if alert.resolved_utc is not None else alert.severity.value.upper()
    what, _, _ = alert.message.partition(". ")
    return f"tradeprobe: {word} {alert.name} {alert.target or 'monitor'} – {what}"


def body(alert: Alert) -> str:
    since = f"Since {iso(alert.fired_utc)}"
    until = f" until {iso(alert.resolved_utc)}" if alert.resolved_utc is not None else ""
    again = f", told again (reminder {alert.repeated})" if alert.repeated and not until else ""
    return f"{alert.message}\n{since}{until}{again}."


def _safe(text: str, redact: Redactor) -> str:
    shown = redact(text[:4096])
    return " ".join("".join(char if char.isprintable() else " " for char in shown).split())[:_LONGEST_REASON]


def _redactor_of(address: Secret, *others: Secret) -> Redactor:
    """Any part of an address may be the secret: user, password, a piece of the path, a value of the query."""
    pieces = re.split(r"[/?&=:@#;,]+", address.reveal())
    forms = {each for piece in pieces for each in (piece, unquote(piece)) if len(each) >= SHORTEST}
    return Redactor((address, *others, *map(Secret, forms)))


def keep_addresses_out_of_logs() -> None:
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    own = logging.getLogger("apprise")
    own.propagate = False
    if not own.handlers:
        own.addHandler(logging.NullHandler())  # without any, Python prints warnings on standard error


# -- webhook -----------------------------------------------------------------------------------------------------------


class Webhook:
    """POSTs the alert as JSON. Tried again when the receiver is in trouble, not when it refuses."""

    def __init__(self, url: Secret, *, token: Secret | None = None) -> None:
        self._url, self._token = url, token
        if token is not None:
            remember(token)
        self._redact = _redactor_of(url, *filter(None, (token,)))
        self._client: httpx.AsyncClient | None = None

    async def prepare(self, patience: Patience) -> None:
        try:
            url = httpx.URL(self._url.reveal())
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in {"http", "https"} or not url.host:
            raise Undelivered("its address is none; write it like https://host/path")
        token = "" if self._token is None else self._token.reveal()
        if not (token.isascii() and token.isprintable()):
            raise Undelivered("its token has characters that no header can carry; copy it anew")
        self._client = httpx.AsyncClient(timeout=patience.try_seconds)

    async def send(self, alert: Alert, patience: Patience) -> None:
        problem = ""
        for pause in (*patience.pauses, None):
            try:
                async with asyncio.timeout(patience.try_seconds):
                    status = await self._post(alert)
            except TimeoutError:
                problem = f"there was no answer within {patience.try_seconds:g} s"
            except httpx.HTTPError as error:
                problem = _safe(f"{type(error).__name__} {error}", self._redact)
            else:
                if 200 <= status < 300:
                    return
                problem = f"it answered HTTP {status}"
                if status < 500:
                    raise Undelivered(f"{problem}, so address or token are wrong; it is not tried again")
            if pause is not None:
                await asyncio.sleep(pause)
        raise Undelivered(f"{problem}, {len(patience.pauses) + 1} times; see whether the receiver is up")

    async def _post(self, alert: Alert) -> int:
        assert self._client is not None  # noqa: S101 - `prepare` comes first
        headers = {"Content-Type": "application/json", "User-Agent": "tradeprobe"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        # A stream, because nobody reads the answer's body, however long it is.
        async with self._client.stream(
            "POST", self._url.reveal(), content=_as_json(alert), headers=headers
        ) as response:
            return response.status_code

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _as_json(alert: Alert) -> bytes:
    return json.dumps(as_data(alert)).encode()


# -- command -----------------------------------------------------------------------------------------------------------


class Command:
    """Runs a program, never through a shell: the alert as JSON on standard input, the main things in its environment."""

    def __init__(self, *argv: str) -> None:
        self._argv = argv

    async def prepare(self, patience: Patience) -> None:
        if not self._argv:
            raise Undelivered("it names no program")

    async def send(self, alert: Alert, patience: Patience) -> None:
        # Files and not pipes: neither a program that does not read nor a child that outlives it can keep us waiting.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaint:
            given.write(_as_json(alert))
            given.seek(0)
            code = await self._run(_environment(alert), given, complaint, patience)
            if code == 0:
                return
            ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            said = _last_line(complaint)
        raise Undelivered(
            f"{self._argv[0]!r} {ended}" + (f" and said: {said}" if said else "; run it by hand")
        )

    async def _run(
        self, environment: dict[str, str], given: IO[bytes], complaint: IO[bytes], patience: Patience
    ) -> int:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=given,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=complaint,
                env=environment,
                start_new_session=True,  # so that it can be ended with its children
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Undelivered(f"{self._argv[0]!r} does not start: {reason}") from None
        try:
            async with asyncio.timeout(patience.command_seconds):
                return await process.wait()
        except TimeoutError:
            _signal(process, kill=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.terminated_seconds):
                    await process.wait()
            raise Undelivered(
                f"{self._argv[0]!r} was not done within {patience.command_seconds:g} s and was ended"
            ) from None
        finally:
            if process.returncode is None:
                _signal(process, kill=True)
                await process.wait()

    async def close(self) -> None:
        pass


def _environment(alert: Alert) -> dict[str, str]:
    """This program's own, without the variables that hold its secrets. A process cannot be given a zero byte."""
    told = {
        "NAME": alert.name,
        "TARGET": alert.target or "",
        "SEVERITY": alert.severity.value,
        "STATE": "firing" if alert.resolved_utc is None else "resolved",
        "TITLE": title(alert),
        "MESSAGE": alert.message,
    }
    passed_on = {name: value for name, value in os.environ.items() if redact(value) == value}
    return passed_on | {f"TRADEPROBE_ALERT_{key}": value.replace("\0", "") for key, value in told.items()}


def _last_line(complaint: IO[bytes]) -> str:
    size = complaint.seek(0, os.SEEK_END)
    complaint.seek(max(0, size - 4096))
    lines = complaint.read().decode(errors="replace").strip().splitlines()
    return _safe(lines[-1], StrangersRedactor()) if lines else ""


def _signal(process: asyncio.subprocess.Process, *, kill: bool) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)


# -- Apprise -----------------------------------------------------------------------------------------------------------


class Service:
    """Any of the services that Apprise knows. It blocks and is slow to import, so it lives in threads."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._redact = _redactor_of(url)
        self._apprise: apprise.Apprise | None = None
        self._is_busy = False

    async def prepare(self, patience: Patience) -> None:
        await self._in_thread(self._open, patience)

    async def send(self, alert: Alert, patience: Patience) -> None:
        await self._in_thread(lambda: self._notify(alert), patience)

    async def close(self) -> None:
        pass

    async def _in_thread(self, work: Callable[[], None], patience: Patience) -> None:
        """Not one of the loop's: those are waited for when the program ends."""
        if self._is_busy:
            raise Undelivered("it still hangs at the one before; look at the service, or restart the monitor")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def tell(problem: BaseException | None) -> None:
            if not done.done():
                done.set_exception(problem) if problem else done.set_result(None)

        def run() -> None:
            problem: BaseException | None = None
            try:
                work()
            except Undelivered as error:
                problem = error
            except Exception as error:  # noqa: BLE001 - of a plugin nobody here wrote
                problem = Undelivered(_safe(f"{type(error).__name__}: {error}", self._redact))
            self._is_busy = False  # before anybody is told
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(tell, problem)

        self._is_busy = True
        threading.Thread(target=run, daemon=True, name="apprise").start()
        try:
            async with asyncio.timeout(patience.apprise_seconds):
                await done
        except TimeoutError:
            raise Undelivered(f"the service was not done within {patience.apprise_seconds:g} s") from None

    def _open(self) -> None:
        import apprise  # noqa: PLC0415 - takes half a second

        asset = apprise.AppriseAsset(app_id="tradeprobe", app_desc="tradeprobe", app_url="", async_mode=False)
        self._apprise = apprise.Apprise(asset=asset)
        if not self._apprise.add(self._url.reveal()):
            raise Undelivered("its address is none that Apprise understands; see its list of services")

    def _notify(self, alert: Alert) -> None:
        import apprise  # noqa: PLC0415

        assert self._apprise is not None  # noqa: S101 - `prepare` comes first
        kinds = {Severity.PAGE: apprise.NotifyType.FAILURE, Severity.INFO: apprise.NotifyType.INFO}
        kind = kinds.get(alert.severity, apprise.NotifyType.WARNING)
        if alert.resolved_utc is not None:
            kind = apprise.NotifyType.SUCCESS
        result = self._apprise.notify(
            title=title(alert), body=body(alert), notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        )
        if not result:
            reasons = [str(entry.message) for entry in result.logs()]
            raise Undelivered(
                _safe(" ".join(reasons), self._redact) or "the service did not take it, and did not say why"
            )
