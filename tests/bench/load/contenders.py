"""Who is measured beside whom: how each is started, with the same work to do, and what it does not do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PATH = "/socket.io/?EIO=4&transport=websocket"
LOGIN = {
    "session": "abcdefghijklmnopqrstuvwxyz",
    "isDemo": 1,
    "uid": 12345,
    "platform": 2,
    "isFastHistory": True,
}
AUTH = "42" + json.dumps(["auth", LOGIN], separators=(",", ":"))
BALANCE = {"isDemo": 1, "balance": 50000.5}
ASK = '42["getBalance"]'
ARTILLERY = Path(os.environ.get("ARTILLERY", ROOT / ".venv-clients/peers/node_modules/artillery")) / "bin/run"
ECHO, IDLE = "echo", "idle"
A_SECOND = 250  # everybody's new connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    what: str  # ECHO or IDLE
    connections: int
    port: int
    folder: Path  # an empty one

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    name: str
    start: Callable[[Work], Started]
    missing: Callable[[], str]  # why it cannot be started; nothing: it can
    does_not: str
    is_ours: bool = False
    joins: bool = True  # a header and its attachment


def _locust(file: Path, work: Work, *options: str, **environment: str) -> Started:
    return Started(
        command=[
            sys.executable, "-m", "locust", "-f", file, "--headless", "--only-summary", "--loglevel", "WARNING",
            "-u", str(work.connections), "-r", str(A_SECOND), "--stop-timeout", "1", *options,
        ],
        environment={"WORK": work.what, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def _ours(work: Work) -> Started:
    (work.folder / "ssid").write_text(AUTH)
    (work.folder / "ssid").chmod(0o600)
    ssid = f"file:{work.folder / 'ssid'}"
    (work.folder / "probe.toml").write_text(
        "[safety]\nload_connections = 10000\nload_rate = 1000000.0\n", encoding="utf-8"
    )
    return _locust(HERE / "users.py", work, "--host", work.url, "--ssid", ssid)


def _bare(work: Work) -> Started:
    command = [
        sys.executable,
        "-m",
        "tests.bench.load.ours",
        "client",
        work.what,
        str(work.connections),
        str(work.port),
    ]
    return Started(command=command, environment={"PYTHONPATH": str(ROOT)})


def _contrib(work: Work) -> Started:
    return _locust(HERE / "peers/locust_users.py", work, URL=f"http://127.0.0.1:{work.port}")


def _artillery(work: Work) -> Started:
    ask = {"emit": ["getBalance"], "response": {"channel": "successupdateBalance", "data": BALANCE}}
    then = [{"loop": [ask], "count": 10**9}] if work.what == ECHO else [{"think": "3600s"}]
    script = {
        "config": {
            "target": f"http://127.0.0.1:{work.port}",
            "phases": [{"duration": max(1, work.connections // A_SECOND), "arrivalCount": work.connections}],
            "timeout": 1,  # each step leaves a timer behind for so long
            "socketio": {"path": "/socket.io/", "transports": ["websocket"], "reconnection": False},
        },
        "scenarios": [{"engine": "socketio", "flow": [{"emit": {"channel": "auth", "data": LOGIN}}, *then]}],
    }
    (work.folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    return Started(
        command=["node", ARTILLERY, "run", "script.json", "--output", "report.json"],
        environment={"ARTILLERY_DISABLE_TELEMETRY": "true"},
    )


def _tsung(work: Work) -> Started:
    def say(text: str) -> str:
        return f'<request><websocket type="message" frame="text" ack="parse">{escape(text)}</websocket></request>'

    ask = f'<for from="1" to="1000000000" var="n">{say(ASK)}</for>'
    (work.folder / "script.xml").write_text(
        f"""<?xml version="1.0"?>
<!DOCTYPE tsung SYSTEM "/usr/share/tsung/tsung-1.0.dtd">
<tsung loglevel="warning">
  <clients><client host="localhost" use_controller_vm="true" maxusers="20000"/></clients>
  <servers><server host="127.0.0.1" port="{work.port}" type="tcp"/></servers>
  <load><arrivalphase phase="1" duration="60" unit="minute">
    <users maxnumber="{work.connections}" arrivalrate="{A_SECOND}" unit="second"/>
  </arrivalphase></load>
  <sessions><session name="peer" probability="100" type="ts_websocket">
    <request><websocket type="connect" path="{escape(PATH)}"/></request>
    {say("40")}{say(AUTH)}
    {ask if work.what == ECHO else '<thinktime value="3600"/>' + say(ASK)}
  </session></sessions>
</tsung>
""",
        encoding="utf-8",
    )
    return Started(command=["tsung", "-n", "-f", "script.xml", "-l", "log", "start"])


def _k6(work: Work) -> Started:
    told = {"URL": work.url, "WORK": work.what, "COUNT": str(work.connections), "AUTH": AUTH}
    return Started(
        command=["k6", "run", "--no-usage-report", "--quiet", HERE / "peers/k6.js"], environment=told
    )


def _no(program: str, how: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(program) else f"there is no {program} here ({how})"


def _no_artillery() -> str:
    if not shutil.which("node"):
        return "there is no node here (Debian and Ubuntu: apt install nodejs npm)"
    return "" if ARTILLERY.exists() else "it is not installed (make bench-load does that, with npm)"


def _nothing() -> str:
    return ""


OURS = Contender(name="ours, `locust -f`", start=_ours, missing=_nothing, does_not="", is_ours=True)
CONTENDERS = (
    OURS,
    Contender(
        name="ours, the driver alone",
        start=_bare,
        missing=_nothing,
        does_not="Locust: its users, tasks and statistics",
        is_ours=True,
    ),
    Contender(
        name="Locust's `contrib.socketio`",
        start=_contrib,
        missing=_nothing,
        does_not="price times, own heartbeats, judging; a tick is a request of 0 ms",
    ),
    Contender(
        name="Artillery, `socketio`",
        start=_artillery,
        missing=_no_artillery,
        does_not="latency from when it was due, own heartbeats, ticks in any figure",
    ),
    Contender(
        name="tsung",
        start=_tsung,
        missing=_no("tsung", "Debian and Ubuntu: apt install tsung"),
        does_not="decoding, Socket.IO, answering heartbeats, percentiles; what is pushed is thrown away unread",
        joins=False,
    ),
    Contender(
        name="k6, `k6/websockets`",
        start=_k6,
        missing=_no("k6", "it is in no public registry"),
        does_not="Socket.IO (written by hand in its script), times finer than 1 ms, own heartbeats",
    ),
)  # fmt: skip


def version_of(command: Sequence[str]) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return (told.stdout or told.stderr).strip().splitlines()[0]
