"""How the backend is asked: what opens and enters a session, which reads follow, and that they stay within their budget."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from probe.brokers.crypto.caller import SHOWN, Caller, Came
from probe.brokers.crypto.dialect import Dialect, rules_of
from probe.brokers.crypto.judging import Outcome, Seen, cause_in
from probe.brokers.crypto.limits import may_be_hidden
from probe.brokers.crypto.market import Market, clock_trouble
from probe.brokers.crypto.notes import (
    CORS_OPEN,
    DOCS_OPEN,
    snapshots_late,
    trouble_of_failure,
    unknown_symbol,
)
from probe.brokers.crypto.reading import (
    balance_of,
    evidence_of,
    health_of,
    items_of,
    process_seconds,
    utc_of,
)
from probe.brokers.crypto.signin import detail_of
from probe.brokers.crypto.standing import Standing
from probe.model.credentials import Credentials
from probe.model.failures import Failure, Speaker
from probe.model.intents import AskBalance
from probe.model.meanings import (
    Admitted,
    Figure,
    Figures,
    Meaning,
    Notice,
    Refused,
    Trouble,
    Troubles,
    Unrecognised,
)
from probe.session.broker import Surveyor, SurveyPlan
from probe.session.codec import DialectRules
from probe.session.polled import Explained, Round, Said, Survey
from probe.wire.calls import Asking, HttpReply

FOREIGN = "https://foreign.example"  # an origin that nobody allows
ACCOUNT_EVERY = (
    60.0  # whether the broker takes calls every other time, each of three things every six minutes
)
SNAPSHOTS_WITHIN = 24 * 3600.0
_DEPTHS = (
    "",
    "HTTP",
    "/health is constant",
    "/health looks at what it needs",
    "a read with our session",
    "prices",
)


def surveyor(dialect: Dialect) -> Surveyor:
    def survey(plan: SurveyPlan) -> Survey:
        return CryptoSurvey(dialect, plan)

    return survey


class CryptoSurvey:
    rules: DialectRules

    def __init__(self, dialect: Dialect, plan: SurveyPlan) -> None:
        self.rules = rules_of(dialect, len(plan.symbols))
        self._dialect, self._plan = dialect, plan
        self._caller, self._market = Caller(dialect, plan), Market()
        self._refusal: Failure | None = None  # for too many requests, before the login
        self._clock: Trouble | None = None
        self._late: Trouble | None = None
        self._depth = 0
        self._turn = self._kind = 0  # whose it is
        self._is_admitted = False

    # -- before the login ------------------------------------------------------------------------------------------------

    def open(self, now: float) -> Asking[Said]:
        came = yield from self._caller.call(self._dialect.health_path, now, "health")
        if isinstance(came, Failure) and came.kind == "http.429":
            self._refusal = came
            return self._told(now)
        is_silent = isinstance(came, Failure) and came.kind == "http.open-timeout"
        if isinstance(came, Failure) and not is_silent:
            return came
        said = [] if isinstance(came, Failure) else self._healthy(came)
        seen = yield from self._exposed(now)
        if isinstance(seen, Failure):  # nothing at all answers
            return seen if is_silent else [*said, *self._told(now)]
        return [*said, *self._told(now), Troubles(about="exposure", rows=seen)]

    def _exposed(self, now: float) -> Asking[tuple[Trouble, ...] | Failure]:
        """What a backend in production shows to nobody."""
        schema = yield from self._caller.call("/openapi.json", now, "schema")
        if isinstance(schema, Failure):
            return schema
        asked = (("Origin", FOREIGN), ("Access-Control-Request-Method", "GET"))
        preflight = yield from self._caller.call(self._dialect.me_path, now, "preflight", "OPTIONS", asked)
        rows = []
        if schema.reply.status == 200 and b'"openapi"' in schema.reply.body[:4096]:
            rows.append(DOCS_OPEN)
        if not isinstance(preflight, Failure) and preflight.reply.header("access-control-allow-origin") in (
            "*",
            FOREIGN,
        ):
            rows.append(CORS_OPEN)
        return tuple(rows)

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        if self._refusal is not None:
            return self._refusal
        self._caller.standing = Standing(self._dialect.cookie_name, self._plan.base, credentials)
        self._caller.standing.begin(self._caller.utc(now))
        came = yield from self._caller.call(self._dialect.me_path, now, "me")
        if isinstance(came, Failure):
            # What opened the session did answer: it is worth watching, though nobody let us in yet.
            return self._told(now) if came.kind == "http.open-timeout" else came
        reply = came.reply
        said = self._caller.redact.shorten(detail_of(reply), SHOWN)
        match reply.status:
            case 200 if isinstance(came.body, dict):
                self._is_admitted = True
                user = came.body.get("id")
                admitted = Admitted(user=user if isinstance(user, str) and len(user) <= 64 else None)
                return [
                    admitted,
                    *self._deeper(4),
                    *self._caller.standing.take(reply, self._caller.utc(now)),
                    *self._told(now),
                ]
            case 200:
                return self._caller.failed(came, self._dialect.me_path)
            case 401:
                return [Refused(reason=said or "HTTP 401")]
            case 403:
                why = f"it knows the account, which is not verified or not active: {said or 'HTTP 403'}"
                return [Refused(reason=why)]
            case status if status >= 500 and self._caller.backend.health is not None:
                return self._told(now)
            case _:
                return self._caller.failed(came, self._dialect.me_path)

    def leave(self) -> Asking[None] | None:
        """Signing out would end the session for the person it belongs to."""
        return None

    # -- rounds ----------------------------------------------------------------------------------------------------------

    def rounds(self) -> Sequence[Round]:
        """So that no minute holds more than the budget: not the first, with the four requests that open a session, and
        not one after a pause, when all are due at once."""
        return (
            Round(
                name="ticker",
                every=self._dialect.ticker_every(len(self._plan.symbols)),
                ask=self._ask_ticker,
                first_after=0.1,
            ),
            Round(
                name="portfolio", every=120.0, ask=self._ask_portfolio, first_after=0.4, intent=AskBalance()
            ),
            Round(
                name="health", every=30.0, ask=self._ask_health, is_beat=True, lane="health", first_after=30.0
            ),
            Round(name="snapshots", every=120.0, ask=self._ask_snapshots, first_after=62.0),
            Round(name="account", every=ACCOUNT_EVERY, ask=self._ask_account, first_after=68.0),
        )

    def _ask_portfolio(self, now: float) -> Asking[Said | Explained]:
        def tell(came: Came) -> list[Meaning]:
            balance = balance_of(came.body)
            return [self._odd("portfolio", came, tells_balance=True) if balance is None else balance]

        return (yield from self._ask("portfolio", self._dialect.portfolio_path, now, tell))

    def _ask_account(self, now: float) -> Asking[Said | Explained]:
        """What changes seldom, one after the other."""
        dialect = self._dialect
        broker = ("broker", dialect.broker_path, self._broker)
        kinds = (
            broker,
            ("positions", dialect.positions_path, self._listed),
            broker,
            ("strategies", dialect.strategies_path, self._listed),
            broker,
            ("trades", dialect.trades_path, self._listed),
        )
        name, path, tell = kinds[self._kind % len(kinds)]
        self._kind += 1
        return (yield from self._ask(name, path, now, lambda came: tell(name, came)))

    def _ask_health(self, now: float) -> Asking[Said | Explained]:
        came = yield from self._caller.call(self._dialect.health_path, now, "health")
        return (
            self._explained(came, now)
            if isinstance(came, Failure)
            else [*self._healthy(came), *self._told(came.at)]
        )

    def _ask_ticker(self, now: float) -> Asking[Said | Explained]:
        symbols = self._plan.symbols
        if not symbols:
            return self._told(now)
        symbol = symbols[self._turn % len(symbols)]
        self._turn += 1
        path = f"{self._dialect.ticker_path}?{urlencode({'symbol': self._dialect.written(symbol)})}"

        def tell(came: Came) -> list[Meaning]:
            said, is_new = self._market.read(
                symbol, came.body, self._caller.utc(came.at), self._preview(came.reply)
            )
            return [*said, *(self._deeper(5) if is_new else ())]

        return (yield from self._ask("ticker", path, now, tell))

    def _ask_snapshots(self, now: float) -> Asking[Said | Explained]:
        until = self._caller.utc(now)
        query = {"from": _iso(until - SNAPSHOTS_WITHIN), "to": _iso(until + 60.0)}
        path = f"{self._dialect.snapshots_path}?{urlencode(query)}"

        def tell(came: Came) -> list[Meaning]:
            items = items_of(came.body)
            if items is None:
                return [self._odd("snapshots", came)]
            times = [utc_of(item.get("as_of")) for item in items if isinstance(item, dict)]
            newest = max((at for at in times if at is not None), default=None)
            age = None if newest is None else self._caller.utc(came.at) + self._market.clock_offset - newest
            self._late = snapshots_late(age, self._dialect.stale_snapshot_seconds)
            return []

        return (yield from self._ask("snapshots", path, now, tell))

    def _listed(self, name: str, came: Came) -> list[Meaning]:
        return [] if items_of(came.body) is not None else [self._odd(name, came)]

    def _broker(self, name: str, came: Came) -> list[Meaning]:
        body = came.body if isinstance(came.body, dict) else {}
        if not isinstance(body.get("connected"), bool):
            return [self._odd(name, came)]
        if not body["connected"] and (body.get("broker") or body.get("error") or body.get("broker_code")):
            words = came.reply.body[:4096].decode("utf-8", "replace")
            seen = Seen(
                outcome=Outcome.BROKER_GONE,
                at=came.at,
                seconds=came.reply.seconds,
                evidence=evidence_of(came.reply, self._dialect.broker_path, body),
                cause=cause_in(words),
            )
            self._caller.backend.see(name, seen)
        return []

    # -- one question ----------------------------------------------------------------------------------------------------

    def _ask(
        self,
        route: str,
        path: str,
        now: float,
        tell: Callable[[Came], list[Meaning]],
        *,
        is_again: bool = False,
    ) -> Asking[Said | Explained]:
        came = yield from self._caller.call(path, now, route)
        if isinstance(came, Failure):
            if came.http_status is not None and came.kind != "http.429":
                return self._wrong(route, trouble_of_failure(came), now)
            if came.kind == "http.open-timeout":
                yield from self._look_at_health(now)
            return self._explained(came, now)
        reply, utc = came.reply, self._caller.utc(came.at)
        shown = path.partition("?")[0]
        match reply.status:
            case 200:
                self._caller.standing.accepted(route)
                said = [*tell(came), *self._caller.standing.take(reply, utc)]
                if not self._is_admitted:
                    self._is_admitted = True
                    said.append(Admitted())
                if (seconds := process_seconds(reply)) is not None:
                    said.append(Figures(rows=(Figure("server_process_seconds", seconds),)))
                return [*said, Troubles(about=route), *self._told(came.at)]
            case 401:
                yield from self._look_at_health(came.at)
                self._caller.standing.refused(route, self._caller.fresh_health(came.at), utc)
                if not is_again and self._caller.has_room(came.at):  # another worker may know us
                    return (yield from self._ask(route, path, came.at, tell, is_again=True))
                if self._caller.standing.is_over:
                    why = f"GET {shown}: {next(self._caller.standing.troubles(utc)).sentence}"
                    return Failure(
                        kind="auth.revoked", spoke_last=Speaker.REMOTE, detail=why, http_status=401
                    )
                return self._told(came.at)
            case 400 | 404 | 422 if route == "ticker" and detail_of(reply) not in ("", "Not Found"):
                said_so = self._caller.redact.shorten(detail_of(reply), SHOWN)
                return self._wrong(route, unknown_symbol(said_so), came.at)
            case status if status >= 500:
                limited = yield from self._look_at_health(came.at)
                if may_be_hidden(reply):
                    if limited is not None:
                        return self._explained(limited, came.at)
                    if self._caller.fresh_health(came.at):
                        self._caller.backend.see(route, self._caller.seen(route, path, came))
                return self._told(came.at)
            case _:
                return self._wrong(route, trouble_of_failure(self._caller.failed(came, shown)), came.at)

    def _explained(self, failure: Failure, now: float) -> Failure | Explained:
        told = self._told(now)
        explains = any(each.rows for each in told if each.about in ("backend", "rest"))
        stands = self._caller.backend.stands()
        return Explained(failure=failure, said=told, stands=True) if explains and stands else failure

    def _wrong(self, route: str, trouble: Trouble, now: float) -> list[Meaning]:
        return [Troubles(about=route, rows=(trouble,)), *self._told(now)]

    def _look_at_health(self, now: float) -> Asking[Failure | None]:
        """At once, if the budget has room: what a broken answer means depends on it. A failure: it was the limiter."""
        if self._caller.fresh_health(now) is not None or not self._caller.has_room(now):
            return None
        came = yield from self._caller.call(self._dialect.health_path, now, "health")
        if isinstance(came, Failure):
            return came if came.kind == "http.429" else None
        self._healthy(came)
        return None

    # -- what is remembered, and told again with every answer --------------------------------------------------------------

    def _told(self, now: float) -> list[Troubles]:
        utc = self._caller.utc(now)
        noted = [row for row in (self._clock, self._late) if row is not None]
        return [
            Troubles(about="backend", rows=self._caller.backend.troubles()),
            Troubles(about="market", rows=self._market.troubles()),
            Troubles(about="session", rows=tuple(self._caller.standing.troubles(utc))),
            Troubles(about="rest", rows=(*noted, *self._caller.recent(now))),
        ]

    def _healthy(self, came: Came) -> list[Meaning]:
        health = health_of(came.body, came.reply, came.at)
        self._caller.backend.hear(health)
        stamped = utc_of(came.body.get("timestamp")) if isinstance(came.body, dict) else None
        if stamped is not None:
            half = came.reply.seconds / 2
            offset = stamped - (self._caller.utc(came.at) - half)
            self._market.clock_offset = offset if abs(offset) > half else 0.0
            self._clock = clock_trouble(offset, half)
        depth = 3 if health.checks else 2 if came.reply.status == 200 else 1
        return [*self._deeper(depth)]

    def _deeper(self, depth: int) -> list[Meaning]:
        if depth <= self._depth:
            return []
        self._depth = depth
        return [Notice(name="depth", payload=f"L{depth}: {_DEPTHS[depth]}")]

    def _odd(self, name: str, came: Came, *, tells_balance: bool = False) -> Unrecognised:
        return Unrecognised(
            problem=f"the answer about {name} is not as agreed",
            preview=self._preview(came.reply),
            tells_balance=tells_balance,
        )

    def _preview(self, reply: HttpReply) -> str:
        return self._caller.redact.shorten(reply.body[:1024].decode("utf-8", "replace"), SHOWN)


def _iso(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
