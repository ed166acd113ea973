"""A gateway of values: the bodies that were recorded, answered at once, and a clock that is moved by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import probe.brokers.mt5
from probe.brokers.mt5 import BROKER
from probe.brokers.mt5.credentials import read_credentials
from probe.model.credentials import Credentials, Secret, redactor_for
from probe.model.endpoint import Account
from probe.model.events import Ended, Event, QuoteArrived, Told
from probe.model.failures import Failure
from probe.model.meanings import Trouble, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import Answered, Asked, PolledSession, PollPlan
from probe.wire.calls import HttpCall, HttpReply, Reply
from probe.wire.heads import Headers

BASE = "http://gateway.test:8000"
TOKEN = "Pz8sFSEyVPdT74pa7Jvbz5FguVZmWGBk-LBKbYhk9Vo"
MONDAY_NOON = 1_795_435_200.0  # 2026-11-23, 12:00 UTC
Route = Callable[[HttpCall, float], Reply]

_TRANSCRIPTS = Path(probe.brokers.mt5.__file__).parent / "transcripts"


@cache
def recorded(name: str) -> Any:
    """The literal body that stands in a transcript."""
    return json.loads((_TRANSCRIPTS / f"{name}.json").read_text())["body"]


def reply(body: object, status: int = 200, headers: Headers = (), seconds: float = 0.01) -> HttpReply:
    is_raw = isinstance(body, bytes)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if is_raw else "application/json"
    return HttpReply(
        url="", status=status, headers=(("content-type", kind), *headers), body=data, seconds=seconds
    )


def page(status: int, title: str, server: str = "nginx/1.24.0") -> HttpReply:
    return reply(f"<html><head><title>{title}</title></head></html>".encode(), status, (("server", server),))


def detail(status: int, words: object, seconds: float = 0.01) -> HttpReply:
    return reply({"detail": words}, status, seconds=seconds)


class Gateway:
    """Answers by path; `routes` is what a test changes. Prices move with the clock, and the server's time with them."""

    def __init__(self, offset: int = 2) -> None:
        self.calls: list[HttpCall] = []
        self.at: list[float] = []
        self.offset = offset
        self.moves = True
        self.routes: dict[str, Reply | Route] = {}
        for name in ("account", "balance", "equity", "positions", "orders", "history", "snapshot"):
            self.routes[f"/api/v1/{name}"] = reply(recorded(name))
        self.routes["/health"] = reply(recorded("health"))
        self.routes["/healthz"] = detail(404, "Not Found")
        self.routes["/openapi.json"] = detail(404, "Not Found")
        self.routes["/api/v1/symbol/EURUSD"] = self._price
        self.routes["/api/v1/server-time"] = self._time

    def __call__(self, call: HttpCall, now: float) -> Reply:
        self.calls.append(call)
        self.at.append(now)
        assert call.url.startswith(BASE + "/"), call.url
        path = urlsplit(call.url).path
        has_token = any(name == "Authorization" for name, _ in call.headers)
        if path.startswith("/api/v1/") and path != "/api/v1/login" and not has_token:
            return detail(403, "Not authenticated")
        route = self.routes.get(path, detail(404, "Not Found"))
        return route(call, now) if callable(route) else route

    def paths(self, since: float = 0.0) -> list[str]:
        return [urlsplit(call.url).path for call, at in zip(self.calls, self.at, strict=True) if at >= since]

    def _price(self, call: HttpCall, now: float) -> Reply:
        body = recorded("symbol")
        if self.moves:
            step = round(int(now) % 7 * 1e-5, 5)
            body = body | {"bid": round(body["bid"] + step, 5), "ask": round(body["ask"] + step, 5)}
        return reply(body)

    def _time(self, call: HttpCall, now: float) -> Reply:
        utc = MONDAY_NOON + (int(now) if self.moves else 0)
        return reply({"server_time": _face(utc + 3600 * self.offset), "timezone_offset": self.offset})


def _face(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def key(token: str = TOKEN, **more: object) -> Credentials:
    return read_credentials(json.dumps({"token": token, **more}))


class Held:
    """One session over such a gateway, from its beginning on."""

    def __init__(
        self,
        gateway: Callable[[HttpCall, float], Reply],
        *,
        credentials: Credentials | None = None,
        symbols: tuple[str, ...] = ("EURUSD",),
    ) -> None:
        credentials = credentials or key()
        plan = SurveyPlan(base=BASE, symbols=symbols, utc_at_zero=MONDAY_NOON, credentials=credentials)
        self.session = PolledSession(
            survey=BROKER.surveys["http"](plan),
            credentials=credentials,
            plan=PollPlan(account=Account.NONE, keep_messages=500),
            redact=redactor_for(credentials),
        )
        self.gateway, self.now = gateway, 0.0
        self.events: list[Event] = []
        self.session.begin(0.0)
        self._carry()

    def run(self, seconds: float) -> "Held":
        until = self.now + seconds
        while (wake := self.session.next_wake()) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.session.wake(self.now)
            self._carry()
        self.now = until
        return self

    def _carry(self) -> None:
        while asked := self.session.outgoing():
            for each in asked:
                if isinstance(each, Asked):
                    assert isinstance(each.call, HttpCall)
                    came = self.gateway(each.call, self.now)
                    self.session.receive(Answered(number=each.number, reply=came), self.now)
        self.events += self.session.events()

    def told(self, kind: type) -> list[Any]:
        return [
            event.meaning
            for event in self.events
            if isinstance(event, Told) and isinstance(event.meaning, kind)
        ]

    @property
    def quotes(self) -> list[QuoteArrived]:
        return [event for event in self.events if isinstance(event, QuoteArrived)]

    @property
    def failure(self) -> Failure | None:
        ends = [event for event in self.events if isinstance(event, Ended)]
        return ends[0].failure if ends else None

    @property
    def rows(self) -> list[Trouble]:
        """What is wrong now."""
        latest: dict[str, Troubles] = {each.about: each for each in self.told(Troubles)}
        return [row for each in latest.values() for row in each.rows]

    @property
    def troubles(self) -> dict[str, Trouble]:
        return {row.code: row for row in self.rows}

    @property
    def everything(self) -> str:
        """All that may be shown or stored."""
        lines = [line.text for line in self.session.transcript()]
        return "\n".join([*map(repr, self.events), *lines])


def shown_to(call: HttpCall) -> dict[str, str]:
    """Its headers as they go out."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in call.headers}


def slower(answer: HttpReply, seconds: float) -> HttpReply:
    return replace(answer, seconds=seconds)
