"""The simulator, and the clients that are tried on it, where nothing else can be reached.

python inside.py CLIENT_PYTHON: prints, as one line of JSON, what each session found.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIMULATOR = (sys.executable, "-m", "probe", "sim", "pocketoption", "--json", "--no-tls", "--seed", "1")


def main(client_python: str) -> None:
    with subprocess.Popen(SIMULATOR, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True) as simulator:
        try:
            print("\n" + json.dumps(found_by_clients(client_python, simulator)))
        finally:
            simulator.terminate()


def found_by_clients(client_python: str, simulator: subprocess.Popen[str]) -> dict[str, Any]:
    assert simulator.stdout is not None
    endpoints: dict[str, Any] = {}  # the first of each kind of account
    for line in map(json.loads, simulator.stdout):
        if line.get("ready"):
            control = line["control"]
            break
        endpoints.setdefault(line["account"], line)
    else:
        sys.exit("the simulator was never ready")
    clients = {
        account: subprocess.Popen(
            [client_python, "-I", HERE / "bo2_session.py", json.dumps(endpoint), json.dumps(control)],
            stdout=subprocess.PIPE,
        )
        for account, endpoint in endpoints.items()
    }
    said = {account: client.communicate()[0] for account, client in clients.items()}
    for account, client in clients.items():
        if client.returncode:
            sys.exit(f"the session with the {account} account ended with status {client.returncode}")
    return {account: json.loads(each) for account, each in said.items()}


if __name__ == "__main__":
    main(sys.argv[1])
