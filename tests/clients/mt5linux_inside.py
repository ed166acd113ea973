"""mt5linux's server over the fake package, asked by its own client and by our driver, where nothing else can be reached.

python -m tests.clients.mt5linux_inside: prints what both found as one line of JSON.
"""

import asyncio
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from probe.drivers import terminal
from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.calls import LookForProcess, ProcessFound, TerminalCall, TerminalReply

HERE = Path(__file__).resolve().parent
PYTHON = str(HERE.parents[1] / ".venv-clients" / "bin" / "python")
PORT = 18812  # mt5linux's own; the network is ours alone
PROCESS = Path("/proc/self/comm").read_text().strip()  # stands for the terminal; any that runs will do


def main() -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE / "fake_mt5")}
    server = [PYTHON, "-m", "mt5linux", "--host", "127.0.0.1", "-p", str(PORT)]
    with subprocess.Popen(server, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            until_it_listens()
            client = [PYTHON, "-P", str(HERE / "mt5linux_session.py"), str(PORT)]
            theirs = json.loads(subprocess.check_output(client, timeout=20))
            ours = asyncio.run(ask())
        finally:
            process.kill()
    print("\n" + json.dumps({"theirs": theirs, "ours": ours}))


def until_it_listens() -> None:
    """It is another's program: it can only be asked again."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("mt5linux's server did not listen within ten seconds")


async def ask() -> dict[str, Any]:
    terminal.PROCESS = PROCESS
    far = terminal.open_terminal(f"bridge://127.0.0.1:{PORT}")
    login = {"password": Secret("pass-1002"), "server": "Fake-Demo"}
    try:
        found = await far.ask(LookForProcess())
        calls = (
            TerminalCall(function="initialize"),
            TerminalCall(function="login", arguments=(1002,), named=login),
            TerminalCall(function="account_info"),
            TerminalCall(function="symbols_get"),
            TerminalCall(function="copy_rates_from_pos", arguments=("BTCUSD", 1, 0, 5)),
        )
        begun, entered, account, symbols, rates = [value(await far.ask(call)) for call in calls]
    finally:
        await far.close()
    return {
        "running": isinstance(found, ProcessFound) and found.running,
        "begun": begun,
        "entered": entered,
        "login": account["login"],
        "symbols": len(symbols),
        "rates": len(rates),
    }


def value(said: TerminalReply | ProcessFound | Failure) -> Any:
    assert isinstance(said, TerminalReply), said
    return said.value


if __name__ == "__main__":
    main()
