"""A simulator in a process of its own, for whoever wants its processor time apart from his own.

It gets its key over a pipe that it inherits, and ends when that pipe does: also when this process is killed.
"""

import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from probe.brokers import find_broker
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.events import Traffic
from probe.simulator.listen import SimEndpoint
from probe.simulator.sessions import Counters

READY_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 10.0
ANSWERS_WITHIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorApart:
    endpoints: tuple[SimEndpoint, ...]
    sign_ins: tuple[Secret | None, ...]  # of each endpoint, as the broker's password logins are written
    key: Secret  # by which it proves that it is a simulator
    process: subprocess.Popen[str]
    control: str  # where its control API is
    token: Secret

    @property
    def endpoint(self) -> SimEndpoint:
        """The first for a demo account, or the first."""
        return next((each for each in self.endpoints if each.account is not Account.LIVE), self.endpoints[0])

    @property
    def url(self) -> str:
        return self.endpoint.url

    @property
    def credential(self) -> Secret:
        return self.endpoint.credential

    @property
    def sign_in(self) -> Secret | None:
        return self.sign_ins[self.endpoints.index(self.endpoint)]

    @property
    def ca_file(self) -> Path | None:
        return self.endpoint.ca_file

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self) -> bool:
        return self.process.poll() is not None

    def counters(self) -> Counters:
        """What it has counted so far."""
        told = self._ask("GET", "/health")["counters"]
        return Counters(**told | {name: Traffic(**told[name]) for name in ("traffic", "cut")})

    def switch_on(self, fault: str) -> int:
        """The id by which it is switched off again.

        Raises:
            ConfigError: there is no such fault.
        """
        return int(self._ask("POST", "/faults", {"fault": fault})["id"])

    def switch_off(self, number: int) -> None:
        self._ask("DELETE", f"/faults/{number}")

    def _ask(self, method: str, path: str, said: object = None) -> Any:
        """Straight to it: neither a proxy nor a redirect is for this machine's own business."""
        connection = http.client.HTTPConnection(self.control, timeout=ANSWERS_WITHIN_SECONDS)
        try:
            headers = {
                "Authorization": f"Bearer {self.token.reveal()}",
                "Content-Type": "application/json",
            }
            connection.request(method, path, None if said is None else json.dumps(said), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as problem:
            raise ConfigError(
                f"it does not answer any more ({type(problem).__name__})",
                where="the simulator",
                next_step="See whether its process was ended, and start the run anew.",
            ) from problem
        finally:
            connection.close()
        told: Any = json.loads(text) if text else None
        if answer.status >= 400:
            raise ConfigError(str(told["detail"]), where="the simulator")
        return told


@contextmanager
def simulator_apart(
    broker: str,
    *,
    faults: Sequence[str] = (),
    seed: int = 0,
    tls: bool = False,
    dialect: Sequence[str] = (),
    tick_every: float | None = None,
    latency: bool = True,
) -> Iterator[SimulatorApart]:
    """Serves until the block ends, however many clients come from one address. With `tls` its endpoints are those over TLS.
    `tick_every` and `latency` are as of `probe sim`.

    Raises:
        UnknownBroker: there is none of that name.
        ConfigError: a fault or a choice of dialect is impossible, or it did not start.
    """
    command = [sys.executable, "-m", "probe", "sim", broker, "--json", "--key-on-stdin", "--seed", str(seed)]
    command.append("--tls" if tls else "--no-tls")
    command += [word for fault in (*find_broker(broker).house.lifts, *faults) for word in ("--fault", fault)]
    command += [word for choice in dialect for word in ("--dialect", choice)]
    command += [] if tick_every is None else ["--tick-every", f"{tick_every}s"]
    command += [] if latency else ["--no-latency"]
    key = Secret(secrets.token_urlsafe(32))
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
            start_new_session=os.name == "posix",  # a Ctrl-C is for us: the sessions are closed first
        ) as process,
    ):
        try:
            yield _ready(process, complaints, key, tls=tls)
        finally:
            _end(process)


def _ready(process: subprocess.Popen[str], complaints: IO[str], key: Secret, *, tls: bool) -> SimulatorApart:
    keys, lines_told = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
    patience = threading.Timer(READY_WITHIN_SECONDS, process.kill)
    patience.start()
    try:
        keys.write(f"{key.reveal()}\n")
        keys.flush()
        lines: list[dict[str, Any]] = []
        for line in map(json.loads, lines_told):
            if line.get("ready"):
                served = [each for each in lines if ("ca_file" in each) is tls]
                return SimulatorApart(
                    endpoints=tuple(map(_endpoint, served)),
                    sign_ins=tuple(map(_sign_in, served)),
                    key=key,
                    process=process,
                    control=urlsplit(line["control"]["url"]).netloc,
                    token=Secret(line["control"]["token"]),
                )
            lines.append(line)
    except BrokenPipeError:  # it ended before it read its key, and has said why
        pass
    finally:
        patience.cancel()
    process.wait()
    complaints.seek(0)
    why = complaints.read().strip().removeprefix("error: ")
    raise ConfigError(why or f"it was not ready in {READY_WITHIN_SECONDS:g} s", where="the simulator")


def _endpoint(line: dict[str, Any]) -> SimEndpoint:
    return SimEndpoint(
        broker=line["broker"],
        region=line["region"],
        url=line["url"],
        account=Account(line["account"]),
        latency=line["latency_seconds"],
        credential=Secret(line["credential"]),
        ca_file=Path(line["ca_file"]) if "ca_file" in line else None,
        sign_in=None,
    )


def _sign_in(line: dict[str, Any]) -> Secret | None:
    told = line.get("sign_in")
    return (
        Secret(json.dumps({name: value for name, value in told.items() if name != "pin"})) if told else None
    )


def _end(process: subprocess.Popen[str]) -> None:
    """Its sessions end in order, if there is time."""
    with suppress(BrokenPipeError):  # it was gone before
        cast("IO[str]", process.stdin).close()
    try:
        process.wait(ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
