"""One request to the backend: written into the ledger, sent with the session's cookie, and its answer read as far as it
concerns everybody."""

from dataclasses import dataclass, replace
from typing import Any

from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.judging import ASKS_BROKER, Backend, Health, Outcome, Seen, cause_in
from probe.brokers.crypto.limits import (
    WINDOW,
    Ledger,
    Limited,
    hidden,
    may_be_hidden,
    read_limited,
    trouble_of,
)
from probe.brokers.crypto.notes import LEAKS
from probe.brokers.crypto.reading import evidence_of, tells_too_much
from probe.brokers.crypto.signin import AGENT, cookie_header, detail_of
from probe.brokers.crypto.standing import Standing
from probe.model.credentials import Secret, redactor_for
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure, Speaker
from probe.model.meanings import Trouble
from probe.session.broker import SurveyPlan
from probe.session.refusal import failure_of_reply
from probe.wire.calls import Asking, HttpCall, HttpReply, NotJson, read_json

FRESH = 5.0
TOLD_FOR = 2 * WINDOW  # seconds in which what one answer showed is remembered
SHOWN = 160
_ASIDE = ("schema", "preflight")  # questions whose answers say nothing of the backend's state


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """An answer that could be read; its body, if it is JSON."""

    reply: HttpReply
    at: float
    body: Any
    problem: str = ""  # why it is none


class Caller:
    def __init__(self, dialect: Dialect, plan: SurveyPlan) -> None:
        self._dialect, self._plan = dialect, plan
        self._ledger = Ledger()
        self._recent: dict[str, tuple[float, Trouble]] = {}
        self.redact = redactor_for(plan.credentials)
        self.backend = Backend()
        self.standing = Standing(dialect.cookie_name, plan.base, None)

    def utc(self, now: float) -> float:
        return self._plan.utc_at_zero + now

    def has_room(self, now: float) -> bool:
        """Whether one more request fits into this minute's budget."""
        return self._ledger.count(now) < self._dialect.budget

    def recent(self, now: float) -> tuple[Trouble, ...]:
        return tuple(trouble for at, trouble in self._recent.values() if now - at < TOLD_FOR)

    def fresh_health(self, now: float) -> Health | None:
        health = self.backend.health
        return health if health is not None and now - health.at < FRESH else None

    def call(
        self,
        path: str,
        now: float,
        route: str,
        method: str = "GET",
        more: tuple[tuple[str, str], ...] = (),
    ) -> Asking[Came | Failure]:
        headers: list[tuple[str, str | Secret]] = [
            ("User-Agent", AGENT),
            ("Accept", "application/json"),
            *more,
        ]
        if self.standing.value is not None and not more:
            headers.append(cookie_header(self._dialect.cookie_name, self.standing.value))
        self._ledger.note(now)
        reply = yield HttpCall(method=method, url=self._plan.base + path, headers=tuple(headers))
        shown = f"{method} {path.partition('?')[0]}"
        if isinstance(reply, Failure):
            if reply.kind == "http.open-timeout":
                self._note_silence(route, now, shown)
            return replace(reply, detail=f"{shown}: {reply.detail}" if reply.detail else shown)
        if not isinstance(reply, HttpReply):
            raise LocalProtocolError(f"a call was answered with {type(reply).__name__}")
        at = now + reply.seconds
        limited = read_limited(reply, self.utc(at))
        if limited is None and route == "health" and may_be_hidden(reply):
            limited = hidden(reply)
            self.backend.forget_broken()
        if limited is not None:
            return self._note_limited(limited, at)
        self._ledger.admitted(at)
        body, problem = _json(reply)
        came = Came(reply=reply, at=at, body=body, problem=problem)
        if route in _ASIDE:
            return came
        if failure := self._unusable(came, route, shown):
            return failure
        if route != "health" and (self.fresh_health(at) or not may_be_hidden(reply)):
            self.backend.see(route, self.seen(route, path, came))
        if reply.status >= 500 and tells_too_much(reply):
            self._recent["leaks"] = at, LEAKS
        return came

    def _unusable(self, came: Came, route: str, shown: str) -> Failure | None:
        """What ends a question whatever it was: a redirect, a page, a path that is not there, a gateway without a backend."""
        reply = came.reply
        is_page = reply.body.lstrip()[:1] == b"<"
        is_elsewhere = 300 <= reply.status < 400
        if route == "health":
            is_bad = is_page or is_elsewhere or reply.status in (404, 405, 410)
        else:
            is_odd = reply.status < 300 and bool(came.problem)
            is_bad = is_odd or is_elsewhere or (is_page and route not in ASKS_BROKER)
        return self.failed(came, shown.partition(" ")[2]) if is_bad else None

    def failed(self, came: Came, path: str) -> Failure:
        reply = came.reply
        failure = failure_of_reply(reply, self.redact)
        if failure is None:
            detail = f"GET {path}: {came.problem or 'it is JSON, but not as agreed'}"
            return Failure(
                kind="http.200-not-101", spoke_last=Speaker.REMOTE, detail=detail, http_status=reply.status
            )
        said = self.redact.shorten(detail_of(reply), SHOWN)
        words = f"{failure.detail}; it says {said!r}" if said else failure.detail
        return replace(failure, detail=f"GET {path}: {words}")

    def _note_silence(self, route: str, now: float, shown: str) -> None:
        if route == "health":
            self.backend.health_silent_since = self.backend.health_silent_since or now
        elif route not in _ASIDE:
            self.backend.see(
                route, Seen(outcome=Outcome.SILENT, at=now, evidence=f"{shown}: no answer in time")
            )

    def _note_limited(self, limited: Limited, now: float) -> Failure:
        is_own = self._ledger.blames_us(limited, now)
        self._recent["limiter"] = now, trouble_of(limited, self._ledger.count(now), is_own=is_own)
        return limited.failure

    def seen(self, route: str, path: str, came: Came) -> Seen:
        status = came.reply.status
        outcome = Outcome.FINE
        if status >= 500:
            outcome = Outcome.BROKEN
        if status in (502, 504) and route in ASKS_BROKER:
            outcome = Outcome.BROKER_GONE
        if status == 503 and route in ASKS_BROKER:
            outcome = Outcome.BROKER_BUSY
        return Seen(
            outcome=outcome,
            at=came.at,
            seconds=came.reply.seconds,
            evidence=evidence_of(came.reply, path.partition("?")[0], came.body),
            cause=cause_in(came.reply.body[:8192].decode("utf-8", "replace")) if status >= 400 else None,
        )


def _json(reply: HttpReply) -> tuple[Any, str]:
    try:
        return read_json(reply), ""
    except NotJson as problem:
        return None, str(problem)
