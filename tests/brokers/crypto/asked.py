"""A polled session of the backend whose answers are written down, under a clock of its own."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from probe.brokers import crypto
from probe.brokers.crypto.credentials import read_credentials
from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.survey import surveyor
from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import Account
from probe.model.events import Ended, Event, Phase, QuoteArrived, Told
from probe.model.failures import Failure
from probe.model.meanings import Notice, Trouble, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import Answered, Asked, PolledSession, PollPlan
from probe.wire.calls import HttpCall, HttpReply

BASE = "https://backend.test"
UTC_AT_ZERO = 1_795_227_165.0
COOKIE = "cookie-planted-0123456789"
ID = "6740a1c2b3d4e5f601234567"
SLOW = Failure(kind="http.open-timeout", detail="15.0 s")
Came = HttpReply | Failure
Page = Came | Callable[[HttpCall, float], Came]


def lines(name: str) -> list[str]:
    text = (Path(str(crypto.__file__)).parent / "transcripts" / name).read_text()
    return [line[3:] for line in text.splitlines() if line.startswith("S> ")]


def recorded(method: str, path: str, status: int) -> str:
    start = f"{method} {path} {status} "
    return next(line.removeprefix(start) for line in lines("reads.txt") if line.startswith(start))


def reply(body: object = "", status: int = 200, seconds: float = 0.02, /, **headers: str) -> HttpReply:
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpReply(url="", status=status, headers=named, body=data, seconds=seconds)


def stamp(now: float) -> str:
    return datetime.fromtimestamp(UTC_AT_ZERO + now, UTC).isoformat()


def healthy(_: HttpCall, now: float, **changed: object) -> HttpReply:
    checks = {"database": {"status": "up", "latency_ms": 1.8}, "broker": {"status": "up"}}
    body = {"status": "healthy", "uptime_seconds": 5000.0 + now, "timestamp": stamp(now), "checks": checks}
    return reply(body | changed)


def ticker(call: HttpCall, now: float) -> HttpReply:
    (symbol,) = parse_qs(urlsplit(call.url).query)["symbol"]
    price = round(91_000 + now % 97, 2)
    return reply(
        {"symbol": symbol, "last_price": price, "source_time": stamp(now - 0.5), "fetched_at": stamp(now)}
    )


def snapshots(_: HttpCall, now: float) -> HttpReply:
    return reply({"items": [{"equity": 1.0, "as_of": stamp(now - 9000)}, {"as_of": stamp(now - 200)}]})


def pages(**changed: Page) -> dict[str, Page]:
    """A backend that is well; names are the paths with _ for each / inside."""
    well: dict[str, Page] = {
        "health": healthy,
        "openapi.json": reply({"detail": "Not Found"}, 404),
        "OPTIONS me": reply("Disallowed CORS origin", 400),
        "me": reply(recorded("GET", "/me", 200)),
        "market/ticker": ticker,
        "portfolio": reply(recorded("GET", "/portfolio", 200)),
        "portfolio/snapshots": snapshots,
        "positions": reply(recorded("GET", "/positions", 200)),
        "strategies": reply(recorded("GET", "/strategies", 200)),
        "trades": reply({"items": []}),
        "broker/status": reply(recorded("GET", "/broker/status", 200)),
    }
    return well | {name.replace("_", "/"): page for name, page in changed.items()}


class Watched:
    """Runs until it ends, or so long."""

    def __init__(
        self,
        served: dict[str, Page],
        *,
        dialect: Dialect | None = None,
        symbols: tuple[str, ...] = ("BTC-USDT",),
        credentials: Credentials | None = None,
        base: str = BASE,
        delays: Iterator[float] | None = None,
    ) -> None:
        key = credentials or read_credentials(json.dumps({"cookie": COOKIE}))
        plan = SurveyPlan(base=base, symbols=symbols, utc_at_zero=UTC_AT_ZERO, credentials=key)
        self.session = PolledSession(
            survey=surveyor(dialect or Dialect())(plan),
            credentials=key,
            plan=PollPlan(account=Account.NONE),
            redact=redactor_for(key),
        )
        self.calls: list[tuple[float, HttpCall]] = []
        self.events: list[Event] = []
        self.now = 0.0
        self._served, self._base, self._delays = served, base, delays
        self._coming: list[tuple[float, Answered]] = []
        self._begun = False

    def run(self, seconds: float) -> "Watched":
        until = self.now + seconds
        if not self._begun:
            self._begun = True
            self.session.begin(self.now)
        while True:
            self._send()
            wake = self.session.next_wake()
            due = [at for at in (wake, *(at for at, _ in self._coming)) if at is not None]
            if self.session.phase is Phase.ENDED or not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            self._coming.sort(key=lambda each: each[0])
            while self._coming and self._coming[0][0] <= self.now:
                self.session.receive(self._coming.pop(0)[1], self.now)
                self._send()
            self.session.wake(self.now)
        self.now = until
        self.events += self.session.events()
        return self

    def _send(self) -> None:
        for asked in self.session.outgoing():
            if not isinstance(asked, Asked):
                continue
            assert isinstance(asked.call, HttpCall)
            self.calls.append((self.now, asked.call))
            came = self._answer(asked.call)
            delay = 15.0 if isinstance(came, Failure) else came.seconds
            if self._delays is not None:
                delay = next(self._delays)
            self._coming.append((self.now + delay, Answered(number=asked.number, reply=came)))
        self.events += self.session.events()

    def _answer(self, call: HttpCall) -> Came:
        assert call.url.startswith(self._base + "/")
        path = urlsplit(call.url.removeprefix(self._base)).path[1:]
        page = self._served.get(f"{call.method} {path}") or self._served[path]
        return page(call, self.now) if callable(page) else page

    # -- what it showed --------------------------------------------------------------------------------------------------

    @property
    def paths(self) -> list[str]:
        return [f"{call.method} {call.url.removeprefix(self._base)}" for _, call in self.calls]

    @property
    def ended(self) -> Ended | None:
        return next((each for each in self.events if isinstance(each, Ended)), None)

    @property
    def failure(self) -> str | None:
        return self.ended.failure.kind if self.ended and self.ended.failure else None

    @property
    def quotes(self) -> list[QuoteArrived]:
        return [each for each in self.events if isinstance(each, QuoteArrived)]

    def told(self, kind: type) -> list[object]:
        return [
            each.meaning for each in self.events if isinstance(each, Told) and isinstance(each.meaning, kind)
        ]

    @property
    def notices(self) -> dict[str, object]:
        return {each.name: each.payload for each in self.told(Notice) if isinstance(each, Notice)}

    def troubles(self) -> list[Trouble]:
        """What holds now."""
        now: dict[str, tuple[Trouble, ...]] = {}
        for each in self.told(Troubles):
            assert isinstance(each, Troubles)
            now[each.about] = each.rows
        return [row for rows in now.values() for row in rows]

    def ever(self) -> dict[str, Trouble]:
        return {
            row.code: row for each in self.told(Troubles) if isinstance(each, Troubles) for row in each.rows
        }

    def codes(self) -> list[str]:
        return [row.code for row in self.troubles()]


def watch(seconds: float = 200.0, **changed: Page) -> Watched:
    return Watched(pages(**changed)).run(seconds)


def most_in_a_minute(times: Iterable[float]) -> int:
    at = sorted(times)
    return max(sum(1 for other in at if start <= other < start + 60.0) for start in at)
