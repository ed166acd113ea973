"""What a public client says of a connection: python strangers.py CLIENT URL LOGIN, by the Python that the clients live in.

One line: the message a user would find in a log, or what it took for a success.
"""

import logging
import sys
import time

PATIENCE = 6.0


def by_websockets(url: str, login: str) -> str:
    from websockets.sync.client import connect

    with connect(url, open_timeout=PATIENCE) as socket:
        until = time.monotonic() + PATIENCE
        socket.send(login)
        count = 0
        while (left := until - time.monotonic()) > 0:
            try:
                socket.recv(timeout=left)
            except TimeoutError:
                break
            count += 1
    return f"(no error; connected, {count} messages)"


def by_websocket_client(url: str, login: str) -> str:
    import websocket

    socket = websocket.create_connection(url, timeout=PATIENCE)
    socket.send(login)
    count = 0
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if socket.recv() == "":
            return "(no error; recv() returned '')"
        count += 1
    return f"(no error; connected, {count} messages)"


def by_socketio(url: str, login: str) -> str:
    import json

    import socketio

    event, payload = json.loads(login.removeprefix("42"))
    client = socketio.Client(reconnection=False)
    heard: list[str] = []
    client.on("*", lambda name, *_: heard.append(name))
    client.connect(url.partition("/socket.io")[0], transports=["websocket"], wait_timeout=int(PATIENCE))
    client.emit(event, payload)
    client.sleep(PATIENCE)
    client.disconnect()
    return f"(no error; connected, {len(heard)} messages)"


CLIENTS = {
    "websockets": by_websockets,
    "websocket-client": by_websocket_client,
    "python-socketio": by_socketio,
}


def main() -> None:
    logging.disable()
    name, url, login = sys.argv[1:]
    try:
        said = CLIENTS[name](url, login)
    except Exception as error:  # noqa: BLE001 - this is what the user sees
        said = f"{type(error).__name__}: {error}"
    print(" ".join(said.split())[:200])


if __name__ == "__main__":
    main()
