"""What python-socketio's client reads from a simulated PocketOption.

Arguments and surroundings are those of bo2_session.py. The report is the one of node/pocketoption.js.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import socketio

OTC = "EURUSD_otc"
INDEX = 173369878255


class Conversation:
    def __init__(self, client: Any) -> None:
        self._client = client
        self.payloads: dict[str, list[Any]] = defaultdict(list)
        self.types: set[str] = set()

    def until(self, happened: Callable[[dict[str, list[Any]]], object]) -> None:
        while not happened(self.payloads):
            name, payload = self._client.receive(timeout=10)
            self.types.add(type(payload).__name__)
            self.payloads[name].append(json.loads(payload))


def main() -> None:
    endpoint = json.loads(sys.argv[1])
    login, credential = json.loads(endpoint["credential"].removeprefix("42"))
    with socketio.SimpleClient(reconnection=False) as client:
        client.connect(f"ws://{urlsplit(endpoint['url']).netloc}", transports=["websocket"])
        talk = Conversation(client)
        client.emit(login, credential)
        talk.until(lambda heard: heard["updateAssets"] and heard["updateCharts"])
        client.emit("changeSymbol", {"asset": OTC, "period": 60})
        talk.until(lambda heard: heard["updateHistoryNewFast"] and len(heard["updateStream"]) >= 3)
        newest = talk.payloads["updateStream"][-1][0][1]
        page = {"asset": OTC, "index": INDEX, "time": int(newest), "offset": 3600, "period": 60}
        client.emit("loadHistoryPeriod", page)
        talk.until(lambda heard: heard["loadHistoryPeriodFast"])
    heard = talk.payloads
    report = {
        "types": sorted(talk.types),
        "admitted": heard["successauth"],
        "balances": heard["successupdateBalance"],
        "assets": [row[1] for row in heard["updateAssets"][0]],
        "recent": {
            **heard["updateHistoryNewFast"][0],
            "history": heard["updateHistoryNewFast"][0]["history"][-3:],
        },
        "ticks": [row for rows in heard["updateStream"] for row in rows],
        "page": heard["loadHistoryPeriodFast"],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
