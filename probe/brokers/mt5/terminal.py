"""How a terminal is asked: read only, one call after the other, and nothing that starts a terminal or changes what it shows.

`initialize` attaches to a running terminal and starts one where none runs. So the process is looked for before the first
call of a session, and `initialize` is called only when it was seen. Through a bridge it often cannot be seen: there
`terminal_info` is asked, which starts nothing, and if nobody attached the bridge that is what is said.

An answer is no proof of life: without its broker a terminal goes on showing the last prices and the last balance. So prices
count when their time went on, money only while the terminal is connected, and a ping only when it is not the one shown before.
All calls share one lane, because the package has one connection: a beat in a lane of its own would measure the waiting
for another call.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from probe.brokers.mt5 import codes, standing
from probe.brokers.mt5.access import AccessPoints
from probe.brokers.mt5.diary import journal_round
from probe.brokers.mt5.journal import Journal
from probe.brokers.mt5.standing import Record, number, word
from probe.brokers.mt5.verdicts import (
    NO_SYMBOLS,
    NOT_LOGGED_IN,
    NOT_RUNNING,
    UNSEEN,
    about_symbol,
    malformed,
    slow_call,
)
from probe.model.credentials import Credentials, Secret
from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.failures import Blame, Failure
from probe.model.intents import AskAssets, AskBalance, AskOrders, Intent, Watch
from probe.model.meanings import (
    Admitted,
    Asset,
    Assets,
    Balance,
    Direction,
    Effect,
    Figure,
    Figures,
    Meaning,
    Order,
    OrderList,
    Quotes,
    Refused,
    Trouble,
    Troubles,
)
from probe.session.broker import SurveyPlan
from probe.session.codec import DialectRules
from probe.session.polled import Round, Said
from probe.wire.calls import (
    Asking,
    LookForProcess,
    ProcessFound,
    TerminalCall,
    TerminalReply,
)

RULES = DialectRules(
    path="/",
    query={},
    phases=(Phase.OPENING, Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={},
    beats=(),
    peer_beats=False,
    deadlines={Phase.OPENING: 45.0, Phase.AUTHENTICATING: 30.0, Phase.CLOSING: 2.0},
    data_every=1.0,
    asks_history=False,
    needs_login=False,
)

SILENT = "terminal.silent"  # the kind of failure
MOST_SYMBOLS = 5
LOADED_WITHIN = 4.0  # seconds; history is loaded only when it is asked for
SLOW = 2.0  # seconds; a call that only reads takes some thousandths
WAITS = 12_000  # milliseconds that attaching and logging in may take: less than the patience of whoever carries the call
DAY = 86_400
LONGEST_LOGIN = 18  # digits
LANE = "terminal"
TERMINAL, ACCOUNT = "terminal", "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the credential says. Without a password the terminal is only watched."""

    login: int | None = None
    server: str = ""
    password: Secret | None = None


_Ask = Callable[[float], Asking[Said]]


class TerminalSurvey:
    """One session at one terminal. It may go on without one: a terminal that is started later is attached to then."""

    rules = RULES

    def __init__(self, plan: SurveyPlan) -> None:
        self._plan = plan
        self._is_bridge = plan.base.startswith("bridge:")
        self._symbols = plan.symbols[:MOST_SYMBOLS]
        self._wanted = _Wanted()
        self._link = standing.Link()
        self._account = standing.Account(login=None, server="")
        self._market = standing.Market(plan.utc_at_zero)
        self._journal = Journal()
        self._known: set[str] = set()  # symbols that the terminal has, shown or not
        self._is_loading = False
        self._is_attached = self._is_in = self._has_tried = self._is_demo = False

    def rounds(self) -> tuple[Round, ...]:
        def of(
            name: str, every: float, ask: _Ask, intent: Intent | None = None, first_after: float = 0.0
        ) -> Round:
            return Round(
                name=name,
                every=every,
                ask=partial(self._if_attached, name, ask),
                intent=intent,
                lane=LANE,
                first_after=first_after,
            )

        return (
            Round(name=TERMINAL, every=10.0, ask=self._beat, is_beat=True, lane=LANE),
            of(ACCOUNT, 15.0, self._look_at_account, AskBalance()),
            *(
                of(f"tick {each}", 1.0, partial(self._tick, each), Watch(symbol=each))
                for each in self._symbols
            ),
            of("positions", 60.0, self._positions, AskOrders()),
            of("orders", 60.0, partial(self._list, "orders", "orders_get")),
            of("deals", 60.0, self._deals),
            of("deals again", DAY, self._deals_again, first_after=LOADED_WITHIN),
            of("symbols", 300.0, self._count_symbols),
            # Not before prices had time to move: at a weekend that tells what trades around the clock.
            of("assets", 300.0, self._assets, AskAssets(), first_after=5.0),
            *(
                (journal_round(self._plan.journal, self._journal, self._beside_the_link),)
                if self._plan.journal is not None
                else ()
            ),
            *AccessPoints(self._plan.access_points).rounds(),
        )

    # -- coming in ---------------------------------------------------------------------------------------------------

    def open(self, now: float) -> Asking[Said]:
        found = yield LookForProcess()
        if isinstance(found, Failure):
            return (
                replace(found, slug="mt5.bridge-hang") if self._is_bridge and found.kind == SILENT else found
            )
        if not isinstance(found, ProcessFound):
            raise _mistaken(found)
        if found.running is False:
            self._is_attached, self._link.is_connected = False, None
            return (Troubles(about=TERMINAL, rows=(NOT_RUNNING,)),)
        reply = yield from self._ask("terminal_info")
        if found.running and not self._is_attached and not isinstance(reply, Failure):
            reply = yield from self._ask("initialize", timeout=WAITS)
            if isinstance(reply, TerminalReply) and reply.value is True:
                reply = yield from self._ask("terminal_info")
        if found.running is None and isinstance(reply, TerminalReply) and reply.error == codes.NO_IPC:
            return (Troubles(about=TERMINAL, rows=(UNSEEN,)),)
        said = self._seen(reply, now)
        is_ruled_out = found.running and isinstance(reply, TerminalReply) and reply.error == codes.NO_IPC
        return _surely(said) if is_ruled_out else said

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        self._wanted = _wanted(credentials)
        self._account = standing.Account(login=self._wanted.login, server=self._wanted.server)
        return (yield from self._come_in()) if self._is_attached else (Troubles(about=ACCOUNT),)

    def leave(self) -> None:
        """Nothing: `shutdown` would take the terminal away from everybody else who asks it through the same bridge."""

    def _come_in(self) -> Asking[Said]:
        """Logs in if the credential says so, the terminal shows another account, and it was not tried before."""
        reply = yield from self._ask("account_info")
        if isinstance(reply, Failure):
            return reply
        wanted = self._wanted
        if wanted.password is not None and not self._has_tried and not self._is_ours(reply.value):
            self._has_tried = True
            tried = yield from self._ask(
                "login", wanted.login, password=wanted.password, server=wanted.server, timeout=WAITS
            )
            if isinstance(tried, Failure):
                return tried
            if tried.value is not True:
                return _refused(tried)
            reply = yield from self._ask("account_info")
        return self._seen_account(reply)

    def _is_ours(self, info: object) -> bool:
        wanted = self._wanted
        return (
            isinstance(info, Mapping)
            and standing.login_of(info) == wanted.login
            and word(info, "server").lower() == wanted.server.lower()
        )

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _if_attached(self, name: str, ask: _Ask, now: float) -> Asking[Said]:
        """While no terminal is there, the beat alone looks for one."""
        if not self._is_attached:
            return (Troubles(about=name),)
        return (yield from ask(now))

    def _beat(self, now: float) -> Asking[Said]:
        if self._is_attached:
            reply = yield from self._ask("terminal_info")
            if self._is_attached:
                return self._seen(reply, now)
        return (yield from self.open(now))

    def _look_at_account(self, now: float) -> Asking[Said]:
        if self._is_in:
            return self._seen_account((yield from self._ask("account_info")))
        said = yield from self._come_in()
        refused = [] if isinstance(said, Failure) else [each for each in said if isinstance(each, Refused)]
        return (
            Failure(kind="auth.refused", detail=refused[0].reason, slug=refused[0].slug) if refused else said
        )

    def _tick(self, symbol: str, now: float) -> Asking[Said]:
        reply = yield from self._ask("symbol_info_tick", symbol)
        if isinstance(reply, Failure):
            return reply
        tick = self._record(reply, "symbol_info_tick", symbol)
        if isinstance(tick, Trouble):
            return self._told(f"tick {symbol}", reply, [tick])
        quote, rows = self._market.see(symbol, tick, now)
        return self._told(f"tick {symbol}", reply, rows, Quotes((quote,)) if quote else None)

    def _positions(self, now: float) -> Asking[Said]:
        return (
            yield from self._list(
                "positions", "positions_get", now, make=partial(_order, is_demo=self._is_demo)
            )
        )

    def _deals(self, now: float) -> Asking[Said]:
        """Of the last day, with room for a clock on the wall that is ahead of UTC."""
        utc = int(self._market.utc(now))
        said = yield from self._list("deals", "history_deals_get", now, utc - DAY, utc + DAY)
        rows = (
            ()
            if isinstance(said, Failure)
            else [row for each in said if isinstance(each, Troubles) for row in each.rows]
        )
        self._is_loading = any(row.told == codes.NOT_FOUND for row in rows)
        return said

    def _deals_again(self, now: float) -> Asking[Said]:
        """Once, if they were not there: what comes then had only to be loaded."""
        return (yield from self._deals(now)) if self._is_loading else ()

    def _list(
        self,
        name: str,
        function: str,
        now: float,
        *arguments: int,
        make: Callable[[Record], Order] | None = None,
    ) -> Asking[Said]:
        """None is a failure, and an empty list beside an error code is a None that somebody changed."""
        reply = yield from self._ask(function, *arguments)
        if isinstance(reply, Failure):
            return reply
        value, rows, told = reply.value, [], None
        if value is None:
            rows.append(_failed(function, reply))
        elif not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            rows.append(malformed(function, "list"))
        elif not value and reply.error < 0:
            rows.append(replace(_failed(function, reply), code="mt5.none-as-empty", certain=True))
        elif make is not None:
            told = OrderList(orders=tuple(make(each) for each in value), closed=False)
        return self._told(name, reply, rows, told)

    def _count_symbols(self, now: float) -> Asking[Said]:
        reply = yield from self._ask("symbols_total")
        if isinstance(reply, Failure):
            return reply
        rows = []
        if reply.value is None:
            rows.append(_failed("symbols_total", reply))
        elif reply.value == 0:
            rows.append(NO_SYMBOLS)
        return self._told("symbols", reply, rows)

    def _assets(self, now: float) -> Asking[Said]:
        rows: list[Trouble] = []
        assets: list[Asset] = []
        for symbol in self._symbols:
            reply = yield from self._ask("symbol_info", symbol)
            if isinstance(reply, Failure):
                return reply
            info = self._record(reply, "symbol_info", symbol)
            if isinstance(info, Trouble):
                rows.append(info)
                continue
            mode = number(info, "trade_mode")
            self._known.add(symbol)
            rows += about_symbol(symbol, info)
            assets.append(
                Asset(
                    id=0,
                    symbol=symbol,
                    label=word(info, "description") or symbol,
                    kind=word(info, "path").split("\\")[0],
                    digits=int(number(info, "digits") or 0),
                    payout_percent=0,
                    is_otc=False,
                    is_open=mode != 0 and self._market.is_open(symbol, now),
                )
            )
        return (Assets(rows=tuple(assets)), Troubles(about="assets", rows=tuple(rows)))

    def _beside_the_link(self, told: Meaning) -> Meaning:
        """The terminal's own word about now stands above its diary."""
        return _without_stalls(told) if self._link.is_connected and isinstance(told, Troubles) else told

    # -- one call ----------------------------------------------------------------------------------------------------

    def _ask(self, function: str, *arguments: object, **named: object) -> Asking[TerminalReply | Failure]:
        reply = yield TerminalCall(function=function, arguments=arguments, named=named)
        match reply:
            case Failure():
                return reply
            case TerminalReply(value=value, error=error, error_text=text):
                if value is not None and value is not False:
                    self._is_attached = True
                elif codes.last_error(error, text).is_lost and error != codes.IPC_TIMEOUT:
                    self._is_attached = False
                return reply
            case _:
                raise _mistaken(reply)

    def _record(self, reply: TerminalReply, function: str, symbol: str) -> Record | Trouble:
        if isinstance(reply.value, Mapping):
            return reply.value
        if reply.value is not None:
            return malformed(function, "record")
        trouble = _failed(f"{function} of {symbol}", reply)
        if codes.last_error(reply.error, reply.error_text).is_lost:
            return trouble
        is_unknown = reply.error == codes.NOT_FOUND and symbol not in self._known
        return replace(
            trouble,
            code="data.unknown-asset" if is_unknown else "mt5.symbol-not-selected",
            advice="Write the symbol as the terminal's Market Watch does, its suffix included (EURUSDm, XAUUSD.r), and show it there.",
            blame=Blame.US,
        )

    def _told(
        self, name: str, reply: TerminalReply, rows: Iterable[Trouble], first: Meaning | None = None
    ) -> tuple[Meaning, ...]:
        slow = (slow_call(name, reply.seconds, is_bridge=self._is_bridge),) if reply.seconds >= SLOW else ()
        troubles = Troubles(about=name, rows=(*rows, *slow))
        return (troubles,) if first is None else (first, troubles)

    def _seen(self, reply: TerminalReply | Failure, now: float) -> Said:
        """What `terminal_info`, or `initialize` in its place, shows."""
        if isinstance(reply, Failure):
            return reply
        if not isinstance(reply.value, Mapping):
            self._link.is_connected = None
            function = "initialize" if reply.value is False else "terminal_info"
            is_word = reply.value is None or reply.value is False  # the terminal's own for a failure
            rows = [_failed(function, reply) if is_word else malformed(function, "record")]
            return self._told(TERMINAL, reply, rows)
        rows, ping = self._link.see(reply.value)
        if self._link.is_connected:
            rows += self._market.troubles(now)
        told = self._told(TERMINAL, reply, rows)
        return told if ping is None else (*told, Figures(rows=(Figure("terminal_ping_seconds", ping),)))

    def _seen_account(self, reply: TerminalReply | Failure) -> Said:
        if isinstance(reply, Failure):
            return reply
        info = reply.value
        if info is None and codes.last_error(reply.error, reply.error_text).is_lost:
            return self._told(ACCOUNT, reply, (_failed("account_info", reply),))
        if info is not None and not isinstance(info, Mapping):
            return self._told(ACCOUNT, reply, (malformed("account_info", "record"),))
        if not info or standing.login_of(info) == 0:
            return self._told(ACCOUNT, reply, (NOT_LOGGED_IN,))
        rows = self._account.see(info)
        amount, mode = number(info, "balance"), number(info, "trade_mode")
        if any(each.effect is Effect.SHUTS_OUT for each in rows):
            return self._told(ACCOUNT, reply, rows)
        self._is_demo = mode in (0, 1)  # contests are played with the broker's money
        balance = None
        if amount is not None and self._link.is_connected:
            balance = Balance(amount=amount, is_demo=self._is_demo if mode in (0, 1, 2) else None)
        told = self._told(ACCOUNT, reply, rows, balance)
        if self._is_in:
            return told
        self._is_in = True
        return (*told, Admitted(user=str(standing.login_of(info)), server=word(info, "server") or None))


def _wanted(credentials: Credentials | None) -> _Wanted:
    try:
        data = json.loads(credentials.frame.reveal()) if credentials else {}
    except ValueError:
        data = {}
    fields = data if isinstance(data, dict) else {}
    account = str(fields.get("account") or (credentials.user if credentials else "") or "")
    login = (
        int(account) if account.isascii() and account.isdecimal() and len(account) <= LONGEST_LOGIN else None
    )
    server, password = fields.get("server"), fields.get("password")
    if login and isinstance(server, str) and server and isinstance(password, str) and password:
        return _Wanted(login=login, server=server, password=Secret(password))
    return _Wanted(login=login)


def _refused(tried: TerminalReply) -> Said:
    """Only a clear refusal is one; what was not answered may be tried again, with ever longer pauses."""
    error = codes.last_error(tried.error, tried.error_text)
    trouble = _failed("login", tried)
    if error.is_lost:
        kind = "local.timeout" if tried.error == codes.IPC_TIMEOUT else "tcp.unreachable"
        return Failure(kind=kind, detail=f"{trouble.sentence}. {trouble.advice}")
    words = f"{trouble.sentence}. {trouble.advice}"
    return (Troubles(about=ACCOUNT, rows=(trouble,)), Refused(reason=words, slug=error.slug))


def _failed(what: str, reply: TerminalReply) -> Trouble:
    error = codes.last_error(reply.error, reply.error_text)
    return error.trouble(what, reply.error, reply.error_text, reply.seconds)


def _mistaken(reply: object) -> LocalProtocolError:
    return LocalProtocolError(f"a {type(reply).__name__} is no answer to that call")


def _surely(said: Said) -> Said:
    """Of a terminal whose process was seen."""
    if isinstance(said, Failure):
        return said
    return [
        replace(each, rows=tuple(replace(row, certain=True) for row in each.rows))
        if isinstance(each, Troubles)
        else each
        for each in said
    ]


def _without_stalls(troubles: Troubles) -> Troubles:
    return replace(troubles, rows=tuple(each for each in troubles.rows if each.effect is not Effect.STALLS))


def _order(position: Record, *, is_demo: bool) -> Order:
    """A position has no end; its instants are the broker's."""
    return Order(
        id=str(position.get("ticket")),
        symbol=word(position, "symbol"),
        direction=Direction.CALL if number(position, "type") == 0 else Direction.PUT,
        amount=number(position, "volume") or 0.0,
        opened_at=number(position, "time") or 0.0,
        closes_at=0.0,
        open_price=number(position, "price_open") or 0.0,
        payout_percent=0.0,
        is_demo=is_demo,
        profit=number(position, "profit"),
    )
