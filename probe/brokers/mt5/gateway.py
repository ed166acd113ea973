"""A REST gateway over a terminal, asked politely: it never changes anything there, and never believes a status alone.

Three hazards shape what is asked. A login switches the only terminal for everybody, so there is none here. A logout, or an
expired token that is presented, shuts the terminal for everybody: there is no logout, and a token is not presented after the
end that is known of it. And a proxy in front may count questions: a session with one symbol asks 27 a minute.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from probe.brokers.mt5.access import AccessPoints
from probe.brokers.mt5.answers import (
    Body,
    Complaint,
    Unreadable,
    date_of,
    read_account,
    read_amount,
    read_health,
    read_history,
    read_orders,
    read_positions,
    read_price,
    read_server_time,
    read_snapshot,
    server_seconds,
)
from probe.brokers.mt5.asking import Answer, Asker, Stopped, over
from probe.brokers.mt5.diary import journal_round
from probe.brokers.mt5.journal import Journal
from probe.brokers.mt5.outside import ACCOUNT, Outside, look_around
from probe.brokers.mt5.troubles import (
    BRIDGE_DOWN,
    ERROR,
    HELD_UP,
    IPC_TIMEOUT,
    LOGIN_REFUSED,
    MALFORMED,
    NO_BROKER,
    NO_PRICES,
    NO_SYMBOL,
    NONE_AS_EMPTY,
    TERMINAL_DOWN,
    TOKEN,
    WORKERS,
    trouble,
    trouble_of,
)
from probe.brokers.mt5.watching import DAY, Rows, Watching
from probe.model.credentials import Credentials
from probe.model.events import Phase
from probe.model.failures import Failure, Speaker
from probe.model.intents import AskBalance, Watch
from probe.model.meanings import (
    Admitted,
    Balance,
    Effect,
    Figure,
    Figures,
    Meaning,
    Quote,
    Quotes,
    Troubles,
)
from probe.session.broker import SurveyPlan
from probe.session.codec import DialectRules
from probe.session.polled import FIRST_SPREAD, Explained, Round, Said
from probe.session.refusal import kind_of_status
from probe.wire.calls import Asking

T = TypeVar("T")
Told = tuple[Rows, list[Meaning]]  # what is wrong, and what else was said

RULES = DialectRules(
    path="/",
    query={},
    phases=(Phase.OPENING, Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={},
    beats=(),
    peer_beats=False,
    # A call may take as long as whoever carries it is patient, and a token may be tried with several workers.
    deadlines={Phase.OPENING: 20.0, Phase.AUTHENTICATING: 40.0, Phase.CLOSING: 2.0},
    data_every=5.0,
    reopens=False,
    asks_history=False,
)

SYMBOL_EVERY = 5.0
MOST_SYMBOL_CALLS = 36.0  # a minute, however many symbols: with all else it stays below nginx's 60
FRESH_TRIES = 7  # with a refused token, on connections of their own: one of four workers may know it
REFUSED_ROUNDS, FICKLE_ROUNDS = (
    2,
    8,
)  # in a row, until the token is over; and where workers take turns, or seem to no more
LISTS = (
    ("positions", 60.0, "/api/v1/positions", read_positions),
    ("orders", 60.0, "/api/v1/orders", read_orders),
    ("snapshot", 300.0, "/api/v1/snapshot", read_snapshot),
    ("history", 300.0, "/api/v1/history?from_days_ago=1", read_history),
)
AFTER = {"server-time": 0.5, "snapshot": 5.0, "history": 6.0}  # seconds after the login: prices come first
HEAVY = ("snapshot", "history")
SILENT = "http.open-timeout"  # the kind of failure
HEALTH_AFTER = 0.6  # just behind a question to the terminal, each time: does that hold up what asks nobody?
SYMBOL_AFTER = 1.75  # by then the broker's clock, of whole seconds, has gone on, if the terminal hears it
AGAIN_AFTER = 3.0  # if it has not: a price that moved between two questions is of now, too
MOST_AGAIN = 3  # symbols
_OF_THE_TERMINAL = (TERMINAL_DOWN, NONE_AS_EMPTY, NO_BROKER, BRIDGE_DOWN, LOGIN_REFUSED, IPC_TIMEOUT)


class GatewaySurvey:
    def __init__(self, plan: SurveyPlan) -> None:
        self._plan, self._asker = plan, Asker(plan)
        self._symbol_every = max(SYMBOL_EVERY, len(plan.symbols) * 60.0 / MOST_SYMBOL_CALLS)
        self.rules = replace(RULES, data_every=self._symbol_every)
        self._journal = Journal()
        self._seen = Watching(
            expected=plan.credentials.user if plan.credentials else None, expires_at=self._asker.expires_at
        )
        self._outside = Outside()
        self._refused_rounds, self._refused_elsewhere = 0, False  # since the last look at the account
        self._calm_rounds = 0  # without a refusal
        self._lamenting: set[str] = set()  # rounds that last said that the terminal is not there
        self._was_lost = False  # the account was not shown
        self._asked_again: set[str] = set()

    # -- the session's questions ---------------------------------------------------------------------------------------

    def open(self, now: float) -> Asking[Said]:
        try:
            self._outside = yield from look_around(self._asker)
        except Stopped as stopped:
            return stopped.failure
        return self._outside.told()

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        try:
            answer = yield from self._with_every_worker(now)
        except Stopped as stopped:
            return stopped.failure
        if isinstance(answer, Complaint) and answer.is_refusal:
            return Failure(
                kind="auth.refused",
                slug=TOKEN,
                spoke_last=Speaker.REMOTE,
                detail=f"GET {ACCOUNT}: HTTP {answer.status}, {answer.words}",
                http_status=answer.status,
            )
        rows, said = self._account_told(answer)
        # Whose words about the terminal are known has accepted the token.
        if isinstance(answer, Complaint) and (answer.status < 500 or rows[0].code == ERROR):
            detail = f"GET {ACCOUNT}: HTTP {answer.status}, {answer.words}"
            kind = answer.kind or kind_of_status(answer.status)
            return Failure(kind=kind, spoke_last=Speaker.REMOTE, detail=detail, http_status=answer.status)
        account = self._seen.account
        admitted = Admitted(
            server=account.server or None if account else None, user=str(account.login) if account else None
        )
        rows += self._seen.token(self._utc(now))
        return (admitted, Troubles(about="account", rows=tuple(rows)), *said)

    def rounds(self) -> Sequence[Round]:
        symbols = self._plan.symbols
        usual: list[tuple[str, float, Callable[[float], Asking[Told]]]] = [
            ("server-time", 20.0, self._server_time),
            *((name, 60.0, partial(self._amount, name)) for name in ("balance", "equity")),
            *(
                (name, seconds, partial(self._listed, name, path, read))
                for name, seconds, path, read in LISTS
            ),
        ]
        health, money = self._round("health", self._health), self._round("account", self._money)
        rounds = [
            Round(
                name="health", every=20.0, ask=health, is_beat=True, lane="health", first_after=HEALTH_AFTER
            ),
            Round(name="account", every=15.0, ask=money, intent=AskBalance(), first_after=15.0),
            *(
                Round(
                    name=f"symbol {name}",
                    every=self._symbol_every,
                    ask=self._round(f"symbol {name}", partial(self._symbol, name)),
                    intent=Watch(symbol=name),
                    first_after=SYMBOL_AFTER + place * FIRST_SPREAD,
                )
                for place, name in enumerate(symbols)
            ),
            *(
                Round(name=name, every=seconds, ask=self._round(name, ask), first_after=AFTER.get(name, 0.0))
                for name, seconds, ask in usual
            ),
            *(
                Round(
                    name=f"symbol {name} again",
                    every=DAY,
                    ask=partial(self._again, name),
                    intent=Watch(symbol=name),
                    first_after=AGAIN_AFTER + place * FIRST_SPREAD,
                )
                for place, name in enumerate(symbols[:MOST_AGAIN])
            ),
        ]
        served = [each for each in rounds if self._outside.has(each.name.partition(" ")[0])]
        return [*served, *self._beside()]

    def _beside(self) -> Sequence[Round]:
        """What is seen of the terminal and its broker without the gateway, where somebody said where to look."""
        folder = self._plan.journal
        diary = () if folder is None else (journal_round(folder, self._journal),)
        return (*diary, *AccessPoints(self._plan.access_points).rounds())

    def leave(self) -> Asking[None] | None:
        """A logout would be polite anywhere else; here it shuts the terminal for everybody."""
        return None

    # -- rounds --------------------------------------------------------------------------------------------------------

    def _round(
        self, name: str, ask: Callable[[float], Asking[Told]]
    ) -> Callable[[float], Asking[Said | Explained]]:
        def flow(now: float) -> Asking[Said | Explained]:
            besides: list[Meaning] = []
            try:
                if self._seen.wants_alone and name != "health":
                    besides += yield from self._look_alone()
                rows, said = yield from ask(now)
                if self._refused_elsewhere and name != "account":
                    besides += yield from self._try_token(now)
                    if self._seen.is_fickle:
                        rows = [replace(row, code=WORKERS) if row.code == TOKEN else row for row in rows]
            except Stopped as stopped:
                if stopped.failure.kind != SILENT:
                    return stopped.failure
                if name == "health":
                    return Explained(failure=stopped.failure, said=(_silent(stopped.failure),))
                return (yield from self._not_answered(name, stopped.failure))
            return (Troubles(about=name, rows=tuple(rows)), *said, *besides, *self._taken_back(name, rows))

        return flow

    def _look_alone(self) -> Asking[list[Meaning]]:
        """Of all that asks the terminal only this flow goes on now."""
        answer = yield from self._asker.get("/health")
        if isinstance(answer, Complaint):
            return []
        return [Troubles(about="health", rows=tuple(self._seen.health_alone(answer.reply.seconds)))]

    def _try_token(self, now: float) -> Asking[list[Meaning]]:
        """It was refused. Whether it is over, or one of several workers does not know it, is seen at once, but only once."""
        if self._refused_rounds or self._seen.is_fickle:
            return []
        rows, said = yield from self._money(now)
        return [Troubles(about="account", rows=tuple(rows)), *said]

    def _taken_back(self, name: str, rows: Rows) -> list[Meaning]:
        """The account is shown again: what seldom asked questions said about a terminal that was not there holds no more."""
        is_away = any(row.code in _OF_THE_TERMINAL for row in rows)
        (self._lamenting.add if is_away else self._lamenting.discard)(name)
        if name != "account" or self._seen.is_lost or not self._was_lost:
            return []
        over, self._lamenting, self._was_lost = self._lamenting, set(), False
        return [Troubles(about=each) for each in sorted(over)]

    def _not_answered(self, name: str, failure: Failure) -> Asking[Said]:
        """Whether it is the gateway that is silent, or the terminal behind it."""
        try:
            yield from self._asker.get("/health")
        except Stopped as stopped:
            return failure if stopped.failure.kind == SILENT else stopped.failure
        words = f"{name} was not answered in time ({failure.detail}), and /health was"
        self._lamenting.add(name)
        effect = (
            Effect.DEGRADES if name in HEAVY else None
        )  # what asks the terminal for little may still work
        return (Troubles(about=name, rows=(trouble(IPC_TIMEOUT, words, effect=effect),)),)

    def _health(self, now: float) -> Asking[Told]:
        answer = yield from self._asker.get("/health")
        sessions, rows = self._read("/health", answer, read_health)
        if isinstance(answer, Complaint):
            return rows, []
        rows += self._seen.health(answer.reply.seconds, sessions)
        return rows, _server_figure(answer)

    def _money(self, now: float) -> Asking[Told]:
        """The account, and whether the token still opens it. Refused twice in a row, it is worth nothing more."""
        answer = yield from self._with_every_worker(now)
        is_refused = isinstance(answer, Complaint) and answer.is_refusal
        self._refused_rounds = self._refused_rounds + 1 if is_refused else 0
        if self._refused_rounds >= (FICKLE_ROUNDS if self._seen.is_fickle else REFUSED_ROUNDS):
            raise over("the gateway knows it no more: it expired, or the gateway was restarted")
        self._seen.is_fickle |= self._refused_elsewhere and not is_refused
        self._calm_rounds = 0 if self._refused_elsewhere else self._calm_rounds + 1
        if self._calm_rounds >= FICKLE_ROUNDS:
            self._seen.is_fickle = False
        self._refused_elsewhere = False
        rows, said = self._account_told(answer)
        return rows + self._seen.token(self._utc(now)), said

    def _symbol(self, symbol: str, now: float) -> Asking[Told]:
        is_first = symbol == self._plan.symbols[0] and not self._seen.knows(symbol)
        if is_first and self._outside.has("server-time"):
            yield from self._server_time(now)  # has it gone on since it was first asked for?
        answer = yield from self._asker.get_with_token(f"/api/v1/symbol/{quote(symbol, safe='')}", now)
        if isinstance(answer, Complaint) and answer.status == 404:
            is_lost = self._seen.is_lost
            if symbol not in self._seen.missing:  # later the account's own round keeps up with it
                is_lost = yield from self._terminal_is_lost(now)
            self._seen.missing.add(symbol)
            if is_lost:
                words = f"{symbol} is not found any more, and the account is not either"
                return [trouble(self._seen.loss, words, certain=True)], []
            words = f"the terminal knows no symbol {symbol}"
            words += " any more" if self._seen.knows(symbol) else ""
            return [trouble(NO_SYMBOL, f"{words} ({answer.words})")], []
        self._seen.missing.discard(symbol)
        price, rows = self._read(f"/api/v1/symbol/{symbol}", answer, read_price)
        if price is None or isinstance(answer, Complaint):
            return rows, []
        is_news, wrong = self._seen.seen_price(symbol, price)
        utc = self._utc(now) + answer.reply.seconds
        # Charts are of bids. The answer has no time of its own: a price that is new now is from now.
        news = Quotes(rows=(Quote(symbol, utc + (self._seen.skew or 0.0), price.bid),))
        return rows + wrong, [news] if is_news else []

    def _again(self, symbol: str, now: float) -> Asking[Said | Explained]:
        """Once, and only while no price was believed: the first one shall not wait for the next usual question."""
        if symbol in self._asked_again or self._seen.has_news:
            return ()
        self._asked_again.add(symbol)
        said = yield from self._round(f"symbol {symbol}", partial(self._symbol, symbol))(now)
        # What is wrong is said by the usual question, which also takes it back.
        return Explained(failure=said, said=()) if isinstance(said, Failure) else said

    def _server_time(self, now: float) -> Asking[Told]:
        answer = yield from self._asker.get_with_token("/api/v1/server-time", now)
        told, rows = self._read("/api/v1/server-time", answer, read_server_time)
        if told is None or isinstance(answer, Complaint):
            return rows, []
        advanced, wrong = self._seen.seen_time(told, self._utc(now) + answer.reply.seconds)
        rows += wrong
        if told.is_own_clock:
            words = "server_time has microseconds, so it is the gateway's own clock: no tick can be read"
            is_lost = yield from self._terminal_is_lost(now)
            rows.append(
                trouble(self._seen.loss, words, certain=True) if is_lost else trouble(NO_PRICES, words)
            )
        rows += self._seen.standstill(self._utc(now))
        theirs = date_of(answer.reply)
        if not advanced or theirs is None:
            return rows, []
        lag = theirs - (told.seconds - told.offset * 3_600.0)
        return rows, [Figures(rows=(Figure("feed_lag_seconds", max(lag, 0.0)),))]

    def _amount(self, name: str, now: float) -> Asking[Told]:
        answer = yield from self._asker.get_with_token(f"/api/v1/{name}", now)
        amount, rows = self._read(f"/api/v1/{name}", answer, lambda data: read_amount(data, name))
        if amount != 0.0 or self._shown(name) == 0.0:
            return rows, []
        if (yield from self._terminal_is_lost(now)):
            words = f"{name} is 0 with HTTP 200, and the account cannot be shown"
            rows.append(trouble(NONE_AS_EMPTY, words, certain=True))
        elif self._shown(name) != 0.0:
            words = f"{name} is 0 with HTTP 200, and the account shows another one"
            rows.append(trouble(NONE_AS_EMPTY, words))
        return rows, []

    def _listed(self, name: str, path: str, read: Callable[[object], int], now: float) -> Asking[Told]:
        answer = yield from self._asker.get_with_token(path, now)
        count, rows = self._read(path, answer, read)
        if count is None:  # how long a list gets is the trader's business
            is_long = isinstance(answer, Complaint) and answer.kind == "session.message-too-big"
            return [replace(row, effect=Effect.NOTED) for row in rows] if is_long else rows, []
        before = self._seen.counts.get(name, 0)
        self._seen.counts[name] = count
        if count > 0 or not (before or self._seen.is_lost):
            return rows, []
        if (yield from self._terminal_is_lost(now)):
            words = f"{name}: none, with HTTP 200, and the account cannot be shown"
            rows.append(trouble(NONE_AS_EMPTY, words, certain=True))
        elif name == "positions" and self._seen.account is not None and self._seen.account.margin > 0.0:
            words = "there are no positions, and the account still holds margin for some"
            rows.append(trouble(NONE_AS_EMPTY, words, effect=Effect.DEGRADES))
        return rows, []

    # -- what several of them need -------------------------------------------------------------------------------------

    def _shown(self, name: str) -> float | None:
        account = self._seen.account
        if account is None or self._seen.is_lost:
            return None
        return account.balance if name == "balance" else account.equity

    def _terminal_is_lost(self, now: float) -> Asking[bool]:
        """Asks for the account, which alone fails openly."""
        if not self._seen.is_lost:
            self._account_told((yield from self._asker.get_with_token(ACCOUNT, now)))
        return self._seen.is_lost

    def _account_told(self, answer: Answer) -> Told:
        state, rows = self._read(ACCOUNT, answer, read_account)
        if state is None or isinstance(answer, Complaint):
            self._seen.loss = next((row.code for row in rows if row.effect is Effect.STALLS), "")
            self._was_lost |= self._seen.is_lost
            return rows, []
        rows += self._seen.seen_account(state)
        is_ours = not any(row.effect is Effect.SHUTS_OUT for row in rows)
        said: list[Meaning] = [Balance(amount=state.balance, is_demo=None)] if is_ours else []
        return rows, [*said, *_server_figure(answer)]

    def _read(self, what: str, answer: Answer, read: Callable[[object], T]) -> tuple[T | None, Rows]:
        if isinstance(answer, Complaint):
            found = trouble_of(what, answer)
            if found.code == TOKEN:  # whether it is over, the account's round finds out
                self._refused_elsewhere = True
                code = WORKERS if self._seen.is_fickle else TOKEN
                found = trouble(
                    code, found.sentence, effect=None if self._refused_rounds else Effect.DEGRADES
                )
            return None, [found]
        try:
            return read(answer.data), []
        except Unreadable as problem:
            return None, [trouble(MALFORMED, f"{what} cannot be read: {problem}")]

    def _utc(self, now: float) -> float:
        return self._plan.utc_at_zero + now

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _with_every_worker(self, now: float) -> Asking[Answer]:
        """A refusal counts when several connections bring it: processes behind one address do not share their tokens."""
        answer = yield from self._asker.get_with_token(ACCOUNT, now)
        for _ in range(FRESH_TRIES):
            if not (isinstance(answer, Complaint) and answer.status == 401):
                return answer
            self._refused_elsewhere = True
            answer = yield from self._asker.get_with_token(ACCOUNT, now, ("Connection", "close"))
            self._seen.is_fickle |= not (isinstance(answer, Complaint) and answer.is_refusal)
        return answer


def _silent(failure: Failure) -> Troubles:
    words = f"/health, which asks nobody, is not answered: {failure.detail}"
    return Troubles(about="health", rows=(trouble(HELD_UP, words, effect=Effect.STALLS),))


def _server_figure(answer: Body) -> list[Meaning]:
    took = server_seconds(answer.reply)
    return [] if took is None else [Figures(rows=(Figure("server_process_seconds", took),))]
