"""A simulator's control API, for a program that has nothing but the standard library."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen


class Control:
    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def get(self, path: str) -> Any:
        return self._call(Request(self._url + path, headers=self._headers))

    def post(self, path: str, body: object = None) -> Any:
        return self._call(Request(self._url + path, json.dumps(body).encode(), self._headers))

    def _call(self, request: Request) -> Any:
        with urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def balance(self, account: str) -> float:
        found = [each["balance"] for each in self.get("/accounts") if each["account"] == account]
        return float(found[0])

    def sessions_at(self, url: str) -> list[Any]:
        return [each for each in self.get("/sessions") if each["url"] == url]

    def live_session(self, url: str) -> int | None:
        live = [each["number"] for each in self.sessions_at(url) if each["phase"] == "live"]
        return live[-1] if live else None

    def heard(self, number: int) -> list[str]:
        """The last of what this session's client sent."""
        return self._frames(number, "<")

    def told(self, number: int) -> list[str]:
        """The last of what it was sent, attachments included."""
        return self._frames(number, ">")

    def _frames(self, number: int, direction: str) -> list[str]:
        frames = self.get(f"/sessions/{number}/frames")
        return [each["text"] for each in frames if each["direction"] == direction]


def until(happened: Callable[[], Any], what: str) -> Any:
    """The simulator is another process: it can only be asked again."""
    for _ in range(200):
        if found := happened():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not happen in ten seconds")
