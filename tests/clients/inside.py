"""The simulators, and the clients that are tried on them, where nothing else can be reached.

python -m tests.clients.inside: prints, as one line of JSON, what each session of a client found, or why there is nothing.
All run at once. They share a simulator for each broker, but no endpoint: by that the simulator tells them apart.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.clients.control import Control, until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INSTALLED = ROOT / ".venv-clients"
MOST_SECONDS = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    broker: str
    account: str
    script: str  # beside this file
    scheme: str = "ws"


SESSIONS = {
    "BinaryOptionsToolsV2, demo": Session(broker="pocketoption", account="demo", script="bo2_session.py"),
    "BinaryOptionsToolsV2, live": Session(broker="pocketoption", account="live", script="bo2_session.py"),
    "python-socketio": Session(broker="pocketoption", account="live", script="socketio_session.py"),
    "socket.io-client 4": Session(broker="pocketoption", account="demo", script="node/pocketoption.js"),
    "socket.io-client 2": Session(broker="quotex", account="live", script="node/quotex.js"),
    "quotexpy": Session(broker="quotex", account="demo", script="quotexpy_session.py", scheme="wss"),
    "ccxt": Session(broker="bingx", account="none", script="ccxt_session.py"),
}


def main() -> None:
    with ExitStack() as stack, ThreadPoolExecutor(len(SESSIONS)) as pool:
        brokers = dict.fromkeys(session.broker for session in SESSIONS.values())
        processes = {broker: stack.enter_context(simulator(broker)) for broker in brokers}
        told = {broker: until_ready(process) for broker, process in processes.items()}
        runs = {name: pool.submit(run, name, *told[session.broker]) for name, session in SESSIONS.items()}
        results = {name: each.result() for name, each in runs.items()}
    print("\n" + json.dumps(results))  # last: the simulators have said goodbye


@contextmanager
def simulator(broker: str) -> Iterator[subprocess.Popen[str]]:
    tls = any(each.scheme == "wss" for each in SESSIONS.values() if each.broker == broker)
    options = ("--json", "--seed", "1", "--tls" if tls else "--no-tls")
    command = (sys.executable, "-m", "probe", "sim", broker, *options)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def until_ready(process: subprocess.Popen[str]) -> tuple[list[Any], Any]:
    """Its endpoints and its control API; nothing if it ended instead."""
    assert process.stdout is not None
    endpoints: list[Any] = []
    for line in map(json.loads, process.stdout):
        if line.get("ready"):
            return endpoints, line["control"]
        endpoints.append(line)
    return [], None


def run(name: str, endpoints: list[Any], control: Any) -> dict[str, Any]:
    """Why there is nothing is one of two things: `missing`, for which a test is skipped, or a `problem`."""
    session = SESSIONS[name]
    if (program := program_for(session.script)) is None:
        return {"missing": "Node.js and what npm installs: apt install nodejs npm, and then `make clients`"}
    if (endpoint := endpoint_for(name, endpoints)) is None:
        return {"problem": f"the simulator of {session.broker} was not ready, or has no endpoint for {name}"}
    folder = Path.home() / name
    folder.mkdir()
    modules = {"PYTHONPATH": str(ROOT), "NODE_PATH": str(INSTALLED / "node" / "node_modules")}
    try:
        done = subprocess.run(
            [*program, HERE / session.script, json.dumps(endpoint), json.dumps(control)],
            cwd=folder,
            env=os.environ | modules | {"HOME": str(folder)},
            stdout=subprocess.PIPE,
            timeout=MOST_SECONDS,
            check=False,
        )
        if done.returncode:
            return {"problem": f"{name} ended with status {done.returncode}"}
        return {
            "found": json.loads(done.stdout),
            "last_words": last_words(Control(**control), endpoint["url"]),
        }
    except (subprocess.TimeoutExpired, TimeoutError) as late:
        return {"problem": f"{name} took too long: {late}"}


def program_for(script: str) -> list[str] | None:
    if script.endswith(".py"):
        return [str(INSTALLED / "bin" / "python"), "-P"]
    node = shutil.which("node")
    return [node] if node and (INSTALLED / "node" / ".ready").exists() else None


def endpoint_for(name: str, endpoints: list[Any]) -> Any:
    """Sessions that ask for the same account and scheme have one each, in their order."""
    session = SESSIONS[name]
    wish = (session.broker, session.account, session.scheme)
    alike = [other for other, each in SESSIONS.items() if (each.broker, each.account, each.scheme) == wish]
    fitting = [
        each for each in endpoints if (each["broker"], each["account"], urlsplit(each["url"]).scheme) == wish
    ]
    return dict(zip(alike, fitting, strict=False)).get(name)


def last_words(control: Control, url: str) -> list[str]:
    """What the simulator heard at the end tells how a client leaves."""
    until(lambda: not any(each["open"] for each in control.sessions_at(url)), "the end of the session")
    return control.heard(control.sessions_at(url)[-1]["number"])[-2:]


if __name__ == "__main__":
    main()
