"""Quotex's messages, read and written by both ends. Where each frame was seen is in NOTES.md and transcripts/."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from probe.brokers.quotex import orders, payloads, pending
from probe.brokers.quotex.credentials import EVENT as LOGIN
from probe.brokers.quotex.credentials import read_login_event
from probe.brokers.quotex.dialect import DEFAULT, TICK, Dialect, rules_of
from probe.model import intents
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.intents import Intent
from probe.model.meanings import (
    AccountChosen,
    AccountNotChosen,
    Admitted,
    Assets,
    Balance,
    History,
    Meaning,
    Notice,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    OrderSold,
    PendingCancelled,
    PendingFailed,
    PendingList,
    PendingPlaced,
    PendingRejected,
    Purses,
    Quotes,
    Refused,
    SaleRejected,
    Sentiment,
    Signals,
)
from probe.session.codec import Message
from probe.session.reading import number, text
from probe.session.rows import Sieve, read_quotes, read_rows
from probe.session.socketio import SocketIoCodec
from probe.wire.socketio import read_json, write_binary_event, write_event

REJECT = "authorization/reject"
NOT_AUTHORIZED = "NotAuthorized"  # a sibling platform's word; one client expects it here
CHART_VERSION = "1.0.0"

# Events the broker is known to send and nobody here needs to read.
NOTICES = frozenset(
    (
        "candle-generated",
        "chart_notification/get",
        "drawing/load",
        "indicator/list",
        "order",
        "sentiment",
        "settings/list",
        "trader/history",
    )
)
# Requests of the web page itself; `s_` and `f_` before the name make it an answer.
MURMURS = frozenset(
    (
        "chart_notification/get",
        "demo/refill",
        "drawing/load",
        "history/load/line",
        "history/subscribe_all",
        "indicator/change",
        "indicator/delete",
        "indicator/list",
        "indicator/store",
        "instruments/follow",
        "pending/list",
        "sentiment/subscribe",
        "settings/apply",
        "settings/store",
    )
)


class QuotexCodec(SocketIoCodec):
    """The trading dialect, on Engine.IO 3 unless it is told otherwise."""

    __slots__ = ("_dialect", "_last_prices", "_opened", "_tournament", "_tournament_asked", "_user", "rules")

    balance_events = frozenset(("s_balance", "s_balance/list", "balance"))

    def __init__(self, dialect: Dialect = DEFAULT) -> None:
        super().__init__(one_at_a_time=dialect.engine == "3")
        self.rules = rules_of(dialect)
        self._dialect = dialect
        self._opened = orders.Opened()
        self._tournament = 0  # of this session, as its client chose and the broker agreed
        self._tournament_asked = 0  # the newest; an answer does not say which it is about
        self._user: str | None = None  # the served end says it with every balance
        self._last_prices: dict[str, float] = {}

    # -- broker to client --------------------------------------------------------------------------------------------

    def told(self, name: str, arguments: Sequence[Any]) -> list[Meaning] | None:
        if name == "quotes/stream":
            return read_quotes(arguments[0], name, (3, 4))
        payload: Any = arguments[0] if arguments else None
        match name:
            case "s_authorization":
                return payloads.read_verdict(payload)
            case "history/list/v2":
                return read_rows(name, partial(payloads.read_recent, dialect=self._dialect), payload)
            case "history/load":
                return read_rows(name, payloads.read_page, payload)
            case "instruments/list":
                return read_rows(name, payloads.read_assets, payload)
            case "s_orders/open" | "s_pending/opened":
                order = orders.read_order(payload)
                self._opened.note(order)
                return [OrderOpened(order=order)]
            case "s_orders/close":
                return self._settled(payload["deals"])
            case "orders/opened/list":
                return [self._listed(payload)]
            case "orders/closed/list":  # of days: a stranger's deal of the same second may be among them
                deals = tuple(self._opened.known(orders.read_order(deal)) for deal in payload)
                return [OrderList(orders=deals, closed=True)]
            case "s_account/change":
                self._tournament = self._tournament_asked
                return [AccountChosen()]
            case "f_account/change":
                self._tournament_asked = self._tournament
                return [AccountNotChosen(error=str(payload.get("error")))]
            case _:
                read = _READERS.get(name)
                if read is not None:
                    return [read(payload)]
                # Nobody wrote down what this event is called.
                if isinstance(payload, dict) and {"time", "signals"} <= payload.keys():
                    return [payloads.read_signals(payload)]
                return [Notice(name=name)] if _is_notice(name, payload) else None

    def _listed(self, deals: Any) -> OrderList:
        read = tuple(orders.read_order(deal) for deal in deals)
        self._opened.renamed(read)
        listed = tuple(map(self._opened.known, read))
        for order in listed:
            self._opened.note(order)
        return OrderList(orders=listed, closed=False)

    def _settled(self, deals: Any) -> list[Meaning]:
        """A deal without a closing price is not final: the settlement that counts is yet to come."""
        sieve = Sieve()
        read = sieve.through(orders.read_order, deals)
        if not sieve:  # an odd row may be the one whose id another seems to have changed to
            self._opened.renamed(read)
        final = tuple(self._opened.known(order) for order in read if order.close_price is not None)
        self._opened.settled(final)
        told: list[Meaning] = [OrdersClosed(orders=final)] if final or not read else []
        if len(final) < len(read):
            told.append(Notice(name="s_orders/close"))
        return told + sieve.complaint("s_orders/close")

    def write_told(self, meaning: Meaning) -> list[Message]:
        match meaning:
            case Quotes():
                rows = payloads.write_quotes(meaning, self._dialect, self._last_prices)
                return self._event("quotes/stream", rows)
            case Admitted(user=user):
                self._user = user
                return [write_event("s_authorization")]
            case Refused(reason=reason):
                _, _, why = reason.partition(": ")
                return [write_event(REJECT, {"error": why}) if why else write_event(REJECT), "41"]
            case Balance():
                return self._event("s_balance", payloads.write_balance(meaning, self._user))
            case Purses():
                return self._event("s_balance/list", payloads.write_purses(meaning))
            case Assets(rows=assets):
                return self._event("instruments/list", [payloads.write_asset(asset) for asset in assets])
            case History(index=None):
                return self._event("history/list/v2", payloads.write_recent(meaning, self._dialect))
            case History():
                return self._event("history/load", payloads.write_page(meaning))
            case OrderOpened(order=order):
                name = "s_pending/opened" if order.request_id is None else "s_orders/open"
                return self._event(name, orders.write_order(order))
            case OrderRejected():
                return self._event("f_orders/open", orders.write_rejection(meaning))
            case OrdersClosed(orders=closed):
                profit = sum(order.profit or 0 for order in closed)
                deals = [orders.write_order(order) for order in closed]
                return self._event("s_orders/close", {"profit": profit, "deals": deals})
            case OrderList(orders=listed, closed=is_closed):
                name = f"orders/{'closed' if is_closed else 'opened'}/list"
                return self._event(name, [orders.write_order(order) for order in listed])
            case OrderSold(ticket=ticket):
                return self._event("s_orders/cancel", {"ticket": ticket})
            case SaleRejected():
                return self._event("f_orders/cancel", orders.write_refusal(meaning))
            case PendingPlaced(order=placed):
                return self._event("s_pending/create", {"pending": pending.write_pending(placed, self._user)})
            case PendingCancelled(ticket=ticket):
                return self._event("s_pending/cancel", {"ticket": ticket})
            case PendingRejected(ticket=ticket):
                name = "f_pending/create" if ticket is None else "f_pending/cancel"
                return self._event(name, orders.write_refusal(meaning))
            case PendingFailed():
                return self._event("f_pending/opened", orders.write_refusal(meaning))
            case PendingList(orders=waiting):
                return self._event(
                    "pending/list", [pending.write_pending(order, self._user) for order in waiting]
                )
            case AccountChosen():
                return self._event("s_account/change", {})
            case AccountNotChosen(error=error):
                return self._event("f_account/change", {"error": error})
            case Sentiment(rows=sentiment):
                return self._event("depth/change", [list(row) for row in sentiment])
            case Signals():
                return self._event("signals", payloads.write_signals(meaning))
            case Notice(name=name, payload=payload):
                return self._event(name, payload)
            case _:
                raise LocalProtocolError(f"Quotex has no message for {type(meaning).__name__}")

    def _event(self, name: str, payload: object) -> list[Message]:
        return write_binary_event(name, payload, marker=self._dialect.marker)

    # -- client to broker --------------------------------------------------------------------------------------------

    def write_asked(self, intent: Intent) -> list[Message]:
        match intent:
            case intents.Login():
                return [self._write_login(intent)]
            case intents.Beat(name=name):
                return [write_event(name)]
            case intents.AskBalance():
                return [write_event("balance/list")]
            case intents.AskAssets():
                return [write_event("instruments/get")]
            case intents.AskOrders():
                return [write_event("orders/opened/list")]
            case intents.Watch(symbol=symbol, period=period):
                return [
                    write_event("instruments/update", {"asset": symbol, "period": period}),
                    write_event("chart_notification/get", {"asset": symbol, "version": CHART_VERSION}),
                    write_event("depth/follow", symbol),
                ]
            case intents.Unwatch(symbol=symbol):
                said = symbol if self._dialect.unwatch == "subfor" else {"asset": symbol}
                return [write_event(self._dialect.unwatch, said), write_event("depth/unfollow", symbol)]
            case intents.WatchSentiment(symbol=symbol):
                return [write_event("depth/follow", symbol)]
            case intents.UnwatchSentiment(symbol=symbol):
                return [write_event("depth/unfollow", symbol)]
            case intents.WatchSignals():
                return [write_event("signal/subscribe")]
            case intents.AskHistory():
                return [write_event("history/load", payloads.write_history_request(intent))]
            case intents.PlaceOrder():
                order = write_event("orders/open", orders.write_order_request(intent, self._tournament))
                spelling = self._dialect.settings_before_order
                if spelling == "none":
                    return [order]
                return [write_event(*orders.settings_before(intent, spelling)), order]
            case intents.SellOrder(ticket=ticket):
                return [write_event("orders/cancel", {self._dialect.sell_key: ticket})]
            case intents.PlacePending():
                return [write_event("pending/create", pending.write_pending_request(intent))]
            case intents.CancelPending(ticket=ticket):
                return [write_event("pending/cancel", {"ticket": ticket})]
            case intents.ChooseAccount(account=account, tournament=tournament):
                self._tournament_asked = tournament
                chosen = {"demo": int(account is Account.DEMO), "tournamentId": tournament}
                return [write_event("account/change", chosen)]
            case intents.Murmur(name=name, payload=payload):
                return [write_event(name) if payload is None else write_event(name, payload)]
            case _:
                raise LocalProtocolError(f"Quotex has no request for {type(intent).__name__}")

    def _write_login(self, login: intents.Login) -> str:
        """The user's own frame, unless the dialect wants an older one."""
        frame = login.frame.reveal()
        event = read_json(frame[2:])
        said = read_login_event(event[1]) if isinstance(event, list) and len(event) > 1 else None
        self._tournament = self._tournament_asked = said.tournament if said is not None else 0
        if self._dialect.login == "tournament":
            return frame
        plain = {"session": login.token.reveal(), "isDemo": int(login.account is Account.DEMO)}
        return write_event(LOGIN, plain)

    def asked(self, name: str, arguments: Sequence[Any]) -> list[Intent] | None:
        payload = arguments[0] if arguments else None
        if name == LOGIN:
            login = read_login_event(payload)
            if login is None:
                return [intents.UnknownIntent(problem="an authorization event without a session", preview="")]
            return [login]
        if name in MURMURS:
            return [intents.Murmur(name=name, payload=payload)]
        read = _INTENT_READERS.get(name)
        return None if read is None else [read(payload)]


def _is_notice(name: str, payload: object) -> bool:
    if name in NOTICES or (name[:2] in ("s_", "f_") and name[2:] in MURMURS):
        return True
    if not isinstance(payload, dict):
        return False
    # The leader board and the profit of a day: nobody wrote down what their events are called.
    return "position" in payload or payload.keys() == {"profit"}


_READERS: dict[str, Callable[[Any], Meaning]] = {
    REJECT: lambda payload: payloads.read_refusal(REJECT, payload),
    NOT_AUTHORIZED: lambda payload: payloads.read_refusal(NOT_AUTHORIZED, payload),
    "depth/change": payloads.read_sentiment,
    "s_balance/list": payloads.read_money,
    "s_balance": payloads.read_money,
    "balance": payloads.read_money,
    "f_orders/open": orders.read_rejection,
    "s_orders/cancel": lambda payload: OrderSold(ticket=text(payload["ticket"])),
    "f_orders/cancel": lambda payload: SaleRejected(**orders.read_refusal(payload)),
    "s_pending/create": lambda payload: PendingPlaced(order=pending.read_pending(payload["pending"])),
    "f_pending/create": lambda payload: PendingRejected(error=str(payload.get("error"))),
    "s_pending/cancel": lambda payload: PendingCancelled(ticket=text(payload["ticket"])),
    "f_pending/cancel": lambda payload: PendingRejected(**orders.read_refusal(payload)),
    "f_pending/opened": pending.read_failed_opening,
    "pending/list": lambda payload: PendingList(orders=tuple(map(pending.read_pending, payload))),
}


def _symbol(payload: Any) -> str:
    return text(payload["asset"] if isinstance(payload, dict) else payload)


_INTENT_READERS: dict[str, Callable[[Any], Intent]] = {
    TICK: lambda _: intents.Beat(name=TICK),
    "balance/list": lambda _: intents.AskBalance(),
    "s_balance/list": lambda _: intents.AskBalance(),
    "instruments/get": lambda _: intents.AskAssets(),
    "instruments/list": lambda _: intents.AskAssets(),
    "orders/opened/list": lambda _: intents.AskOrders(),
    "instruments/update": lambda payload: intents.Watch(
        symbol=text(payload["asset"]), period=int(number(payload.get("period") or 0))
    ),
    "instruments/unsubscribe": lambda payload: intents.Unwatch(symbol=_symbol(payload)),
    "subfor": lambda payload: intents.Unwatch(symbol=_symbol(payload)),
    "depth/follow": lambda payload: intents.WatchSentiment(symbol=_symbol(payload)),
    "depth/unfollow": lambda payload: intents.UnwatchSentiment(symbol=_symbol(payload)),
    "signal/subscribe": lambda _: intents.WatchSignals(),
    "history/load": payloads.read_history_request,
    "orders/open": orders.read_order_request,
    "orders/cancel": lambda payload: intents.SellOrder(ticket=text(payload.get("ticket", payload.get("id")))),
    "pending/create": pending.read_pending_request,
    "pending/cancel": lambda payload: intents.CancelPending(ticket=text(payload["ticket"])),
    "account/change": payloads.read_choice,
}
