"""Run in a namespace of its own: a TLS server at the far end of a link that is handed to it, whose packets are larger than the
near end takes. It tells nobody so, as some tunnels do."""

import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from socket import create_server, socket

from tests.drivers.pki import make_pki

PATIENCE = 10.0
COMMANDS = (
    "ip link set lo up",
    "ip address add {own}/24 dev {link}",
    "ip link set {link} up gso_max_segs 1",
)


def main(link: str, own: str, port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = make_pki(Path(folder)).servers["large"]
    listener = create_server(("", port))

    def serve() -> None:
        while True:
            threading.Thread(target=shake, args=(listener.accept()[0],), daemon=True).start()

    def shake(accepted: socket) -> None:
        with accepted, contextlib.suppress(OSError):
            accepted.settimeout(PATIENCE)
            context.wrap_socket(accepted, server_side=True).close()

    print("ready", flush=True)
    sys.stdin.readline()
    for command in COMMANDS:
        subprocess.run(command.format(link=link, own=own).split(), check=True)
    threading.Thread(target=serve, daemon=True).start()
    print("up", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
