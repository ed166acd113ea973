"""Two network namespaces with nothing in them but loopback and the links between them, and programs of ours on both sides.

The simulator listens on loopback only, so a forwarder stands on the server's side of the links, and what is monitored are
TLS connections that cross them. A namespace lives as long as a `cat` that holds it, and that as long as its input is open.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent
PORT = 8443  # of the forwarder
PATH = "/socket.io/?EIO=4&transport=websocket"
TOOLS = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # `ip` is an administrator's
NOBODY = "02:00:00:00:00:99"  # a link-layer address that no interface has
PATIENCE = 30.0

Line = dict[str, Any]


class Side:
    """One of the two namespaces."""

    def __init__(self, stack: ExitStack, home: Path, inside: Sequence[str], setup: str) -> None:
        self._stack = stack
        self._environment = {"PATH": TOOLS, "TRADEPROBE_HOME": str(home), "HOME": str(home)}
        self.holder = self.started(
            [*inside, "sh", "-c", f"{setup} && ip link set lo up && echo ready && exec cat"]
        )
        if not (said := self.holder.stdout) or said.readline() != "ready\n":
            pytest.skip(f"no network namespaces can be made here: {self.holder.communicate()[1].strip()}")
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        self.enter = ["nsenter", f"--target={self.holder.pid}", *user, "--net", "--mount", f"--wd={ROOT}"]

    def started(self, command: Sequence[str], *, keep: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, text=True, pass_fds=keep,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._stack.callback(_end, process)
        return process

    def python(self, *arguments: str, keep: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        # Nothing that was left behind shall go unsaid.
        return self.started(
            [*self.enter, sys.executable, "-W", "always::ResourceWarning", *arguments], keep=keep
        )

    def script(self, name: str, *arguments: object, keep: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        process = self.python(str(SCRIPTS / name), *map(str, arguments), keep=keep)
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        return process

    def ip(self, arguments: str) -> None:
        subprocess.run([*self.enter, "ip", *arguments.split()], check=True, timeout=PATIENCE)

    def held_sockets(self) -> int:
        """Of TCP, in any state, that a process has open."""
        table = Path(f"/proc/{self.holder.pid}/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[9] != "0" for line in table)


class Link:
    """One way from client to server."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.near, self.far = f"10.9.{number}.1", f"10.9.{number}.2"
        self.ends: list[subprocess.Popen[str]] = []  # of a bad wire

    @property
    def host(self) -> str:
        return f"{self.name}.sim.test"


class Watching:
    """A `probe monitor` of its own process, read as it speaks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[Line] = []
        self._heard, self._over = threading.Condition(), False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            with self._heard:
                self.lines.append(json.loads(text))
                self._heard.notify_all()
        with self._heard:
            self._over = True
            self._heard.notify_all()

    def until(self, wanted: Callable[[Line], object], since: float = 0.0, within: float = PATIENCE) -> Line:
        """The first line of the kind that is dated after `since`, a UTC time."""

        def found() -> Line | None:
            return next((each for each in self.lines if dated(each) >= since and wanted(each)), None)

        with self._heard:
            self._heard.wait_for(lambda: found() or self._over, within)
            if (line := found()) is not None:
                return line
        status, complaints = self.end()
        said = "\n".join(
            json.dumps(each)[:500] for each in self.lines if each["kind"] not in ("sample", "tick")
        )
        raise AssertionError(f"it never came; status {status}\n{said}\n{complaints}")

    def end(self) -> tuple[int, str]:
        """Its exit status, and what it complained about."""
        self.process.terminate()
        try:
            status = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)
        assert self.process.stderr
        return status, self.process.stderr.read()


def dated(line: Line) -> float:
    at: float = line.get("ended_utc") or line.get("at_utc") or line.get("began_utc") or 0.0
    return at


class Pair:
    """Both sides, the links, the simulator and the forwarder to it.

    Args:
        bad_wires: Links that can be bad in more ways than being cut: tunnels, where the others are pairs of interfaces.
    """

    def __init__(
        self, stack: ExitStack, home: Path, links: Sequence[str], bad_wires: Sequence[str] = ()
    ) -> None:
        self._stack = stack
        self.links = {name: Link(name, number) for number, name in enumerate([*links, *bad_wires])}
        hosts = home / "hosts"
        hosts.write_text("".join(f"{each.far} {each.host}\n" for each in self.links.values()))
        new, as_user = ["unshare", "--net", "--mount"], os.geteuid() != 0
        in_client = [*new, *(("--user", "--map-root-user") if as_user else ())]
        self.client = Side(stack, home, in_client, f"mount --bind {hosts} /etc/hosts")
        in_server = [*(self.client.enter[:4] if as_user else ()), *new]
        self.server = Side(stack, home, in_server, "true")
        for name in links:
            self.client.ip(f"link add {name} type veth peer name {name} netns {self.server.holder.pid}")
        for name in bad_wires:
            self._lay_wire(self.links[name])
        for name, link in self.links.items():
            for side, own, other in ((self.client, link.near, link.far), (self.server, link.far, link.near)):
                side.ip(f"address add {own} peer {other} dev {name}")
                side.ip(f"link set {name} up")
        self._start_simulator()

    def _lay_wire(self, link: Link) -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for side, end in zip((self.client, self.server), ends, strict=True):
            with end:
                started = side.script("wire.py", link.name, end.fileno(), keep=(end.fileno(),))
            link.ends.append(started)

    def _start_simulator(self) -> None:
        simulator = self.server.python("-m", "probe", "sim", "pocketoption", "--json", "--for", "5m")
        assert simulator.stdout
        served: Line = {}
        while not (told := json.loads(simulator.stdout.readline())).get("ready"):
            if told["region"] == "demo-eu" and "ca_file" in told:
                served = told
        self._authority, self._credential = served["ca_file"], served["credential"]
        self._forwarder = self.server.script("forwarder.py", PORT, urlsplit(served["url"]).port)

    def watch(self, name: str) -> Watching:
        url = f"wss://{self.links[name].host}:{PORT}{PATH}"
        process = self.client.python(
            "-m", "probe", "monitor", "-", "--broker", "pocketoption", "--endpoint", url,
            "--ca", self._authority, "--store", "none", "--json", "--for", "5m",
        )  # fmt: skip
        assert process.stdin
        process.stdin.write(self._credential)
        process.stdin.close()
        watching = Watching(process)
        self._stack.callback(watching.end)
        return watching

    # -- faults, made and mended: when that was, in UTC --------------------------------------------------------------

    def reset(self, name: str) -> float:
        assert self._forwarder.stdin
        self._forwarder.stdin.write(f"{self.links[name].near}\n")
        at = time.time()
        self._forwarder.stdin.flush()
        return at

    def cut(self, name: str) -> float:
        at = time.time()
        self.client.ip(f"link set {name} down")
        return at

    def uncut(self, name: str) -> float:
        self.client.ip(f"link set {name} up")
        return time.time()

    def blackhole(self, name: str) -> float:
        """Everything is sent, to nobody."""
        link, at = self.links[name], time.time()
        self.client.ip(f"neighbour replace {link.far} lladdr {NOBODY} dev {name}")
        self.server.ip(f"neighbour replace {link.near} lladdr {NOBODY} dev {name}")
        return at

    def unblackhole(self, name: str) -> float:
        link = self.links[name]
        self.client.ip(f"neighbour delete {link.far} dev {name}")
        self.server.ip(f"neighbour delete {link.near} dev {name}")
        return time.time()

    def worsen(self, name: str, *, lost: float = 0.0, delay: float = 0.0, longest: int = 65536) -> float:
        """Both ways; the delay varies by a quarter."""
        at = time.time()
        for end in self.links[name].ends:
            assert end.stdin
            end.stdin.write(f"{lost} {delay} {delay / 4} {longest}\n")
            end.stdin.flush()
        return at


@contextmanager
def joined(home: Path, links: Sequence[str] = (), bad_wires: Sequence[str] = ()) -> Iterator[Pair]:
    """Skips the test, and says why, where no such thing can be made."""
    lacking = [tool for tool in ("ip", "unshare", "nsenter") if shutil.which(tool, path=TOOLS) is None]
    if lacking:
        pytest.skip(f"no network namespaces can be joined here without {' and '.join(lacking)}")
    if bad_wires and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("this system gives nobody a tunnel interface: /dev/net/tun cannot be opened")
    with ExitStack() as stack:
        yield Pair(stack, home, links, bad_wires)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
