"""PocketOption's messages, read and written by both ends. Where each frame was seen is in NOTES.md and transcripts/."""

from collections.abc import Callable, Sequence
from typing import Any

from probe.brokers.pocketoption import payloads
from probe.brokers.pocketoption.ssid import read_login_frame
from probe.model import intents
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError
from probe.model.events import Phase
from probe.model.intents import Intent
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    BrokerClock,
    History,
    Meaning,
    Notice,
    OptionKind,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    PendingCancelled,
    PendingFailed,
    PendingList,
    PendingPlaced,
    PendingRejected,
    Quotes,
    Refused,
    Sentiment,
    Signals,
)
from probe.session.codec import BeatRule, DialectRules, IdleRule, Message, Role
from probe.session.reading import number, seconds, text
from probe.session.rows import Sieve, read_quotes, read_rows
from probe.session.socketio import SocketIoCodec
from probe.wire.socketio import write_bare_event, write_binary_event, write_event

KEEP_ALIVE = "ps"

RULES = DialectRules(
    path="/socket.io/",
    query={"EIO": "4", "transport": "websocket"},
    phases=(Phase.OPENING, Phase.JOINING, Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={Phase.OPENING: Role.SERVER, Phase.JOINING: Role.CLIENT, Phase.AUTHENTICATING: Role.CLIENT},
    beats=(BeatRule(name=KEEP_ALIVE, interval=20.0),),
    peer_beats=True,
    max_payload=1_000_000,
    # a client that answers every Engine.IO ping and never sends `ps` is closed after about 180 s
    idle_rule=IdleRule(beat=KEEP_ALIVE, silence=120.0, sweep=60.0),
    request_deadlines={
        intents.PlaceOrder: 30.0,
        intents.PlacePending: 30.0,
    },  # orders were answered after 16 s and more
)

# Events the broker is known to send and nobody here needs to read.
NOTICES = frozenset(
    (
        "updateCharts",
        "successsignals/stats",
        "successindicator/load",
        "successfavorite/load",
        "successprice-alert/load",
    )
)
# Requests of the web page itself.
MURMURS = frozenset(
    (
        "indicator/load",
        "favorite/load",
        "price-alert/load",
        "subfor",
        "unsubfor",
        "signals/stats",
        "signals/unsubscribe",
        "td/refill",
        "saveCharts",
    )
)


class PocketOptionCodec(SocketIoCodec):
    """The trading dialect on Engine.IO 4."""

    __slots__ = ("_fast_history",)

    rules = RULES
    balance_events = frozenset(("successupdateBalance",))

    def __init__(self) -> None:
        super().__init__()
        self._fast_history = True  # the served end learns it from the login

    # -- broker to client --------------------------------------------------------------------------------------------

    def told(self, name: str, arguments: Sequence[Any]) -> list[Meaning] | None:
        if name == "updateStream":
            return read_quotes(arguments[0], name, (3,))
        payload: Any = arguments[0] if arguments else None
        read = _READERS.get(name)
        if read is not None:
            return [read(payload)]
        of_rows = _READERS_OF_ROWS.get(name)
        if of_rows is not None:
            return read_rows(name, of_rows, payload)
        return [Notice(name=name)] if name in NOTICES else None

    def write_told(self, meaning: Meaning) -> list[Message]:
        match meaning:
            case Quotes(rows):
                return write_binary_event(
                    "updateStream", [[row.symbol, row.broker_time, row.price] for row in rows]
                )
            case Admitted(rights="chart"):
                return [write_event("auth/success")]
            case Admitted(server=server, user=user):
                return write_binary_event(
                    "successauth", {"serverName": server} if server else {"id": user or ""}
                )
            case Refused(reason=reason):
                name, _, why = reason.partition(": ")
                return [write_event(name, {"reason": why}) if why else write_event(name), "41"]
            case Balance(amount=amount, is_demo=is_demo):
                said = {} if is_demo is None else {"isDemo": int(is_demo)}
                return write_binary_event("successupdateBalance", {**said, "balance": amount})
            case Assets(rows=assets):
                return write_binary_event("updateAssets", [payloads.write_asset(asset) for asset in assets])
            case History(index=None):
                name = "updateHistoryNewFast" if self._fast_history else "updateHistoryNew"
                return write_binary_event(name, payloads.write_recent(meaning))
            case History():
                name = "loadHistoryPeriodFast" if self._fast_history else "loadHistoryPeriod"
                return write_binary_event(name, payloads.write_page(meaning))
            case OrderOpened(order=order):
                return write_binary_event("successopenOrder", payloads.write_order(order))
            case OrderRejected():
                return write_binary_event("failopenOrder", payloads.write_rejection(meaning))
            case OrdersClosed(orders=orders):
                profit = sum(order.profit or 0 for order in orders)
                return write_binary_event(
                    "successcloseOrder",
                    {"profit": profit, "deals": [payloads.write_order(order) for order in orders]},
                )
            case OrderList(orders=orders, closed=closed):
                name = "updateClosedDeals" if closed else "updateOpenedDeals"
                return write_binary_event(name, [payloads.write_order(order) for order in orders])
            case PendingPlaced(order=pending):
                return write_binary_event(
                    "successopenPendingOrder", {"data": payloads.write_pending(pending)}
                )
            case PendingRejected(error=error, ticket=None) | PendingFailed(error=error):  # one event for both
                return write_binary_event("failopenPendingOrder", {"error": error})
            case PendingRejected(error=error, ticket=ticket):
                return write_binary_event("failcancelPendingOrder", {"error": error, "ticket": ticket})
            case PendingCancelled(ticket=ticket):
                return write_binary_event("successcancelPendingOrder", {"ticket": ticket})
            case PendingList(orders=waiting):
                return write_binary_event(
                    "successupdatePending", [payloads.write_pending(order) for order in waiting]
                )
            case BrokerClock(seconds=seconds):
                return write_binary_event("updateTime", seconds)
            case Sentiment(rows=sentiment):
                return write_binary_event("chafor", [list(row) for row in sentiment])
            case Signals():
                return write_binary_event("signals/load", payloads.write_signals(meaning))
            case Notice(name=name, payload=payload):
                return write_binary_event(name, payload)
            case _:
                raise LocalProtocolError(f"PocketOption has no message for {type(meaning).__name__}")

    # -- client to broker --------------------------------------------------------------------------------------------

    def write_asked(self, intent: Intent) -> list[Message]:
        match intent:
            case intents.Login(frame=frame):
                return [frame.reveal()]
            case intents.Beat(name=name):
                return [write_bare_event(name)]
            case intents.AskBalance():
                return [write_bare_event("getBalance")]
            case intents.AskAssets():
                return [write_bare_event("assets/load")]
            case intents.AskOrders():
                return [write_bare_event("updateOpenedDeals")]
            case intents.Watch(symbol=symbol, period=0):
                return [write_event("subscribeSymbol", symbol)]
            case intents.Watch(symbol=symbol, period=period):
                return [write_event("changeSymbol", {"asset": symbol, "period": period})]
            case intents.Unwatch(symbol=symbol):
                return [write_event("unSubscribeSymbol", symbol)]
            case intents.WatchSignals():
                return [write_bare_event("signals/subscribe")]
            case intents.AskHistory():
                page = {
                    "asset": intent.symbol,
                    "index": intent.index,
                    "time": intent.until,
                    "offset": intent.span,
                    "period": intent.period,
                }
                return [write_event("loadHistoryPeriod", page)]
            case intents.PlaceOrder(option=OptionKind.TIMER):
                order = {
                    "asset": intent.symbol,
                    "amount": intent.amount,
                    "action": intent.direction.value,
                    "isDemo": int(intent.account is Account.DEMO),
                    "requestId": intent.request_id,
                    "optionType": 100,
                    "time": intent.duration,
                }
                return [write_event("openOrder", order)]
            case intents.PlacePending():
                return [write_event("openPendingOrder", payloads.write_pending_request(intent))]
            case intents.CancelPending(ticket=ticket):
                return [write_event("cancelPendingOrder", {"ticket": ticket})]
            case intents.Murmur(name=name, payload=payload):
                return [write_event(name) if payload is None else write_event(name, payload)]
            case _:
                raise LocalProtocolError(f"PocketOption has no request for {type(intent).__name__}")

    def asked(self, name: str, arguments: Sequence[Any]) -> list[Intent] | None:
        payload = arguments[0] if arguments else None
        if name == "auth":
            login = read_login_frame(payload)
            if login is None:
                return [intents.UnknownIntent(problem="an auth event without a session", preview="")]
            self._fast_history = login.wants_fast_history
            return [login]
        read = _INTENT_READERS.get(name)
        if read is not None:
            return [read(payload)]
        return [intents.Murmur(name=name, payload=payload)] if name in MURMURS else None


_READERS_OF_ROWS: dict[str, Callable[[Any, Sieve], Meaning]] = {
    "updateAssets": payloads.read_assets,
    "updateHistoryNewFast": payloads.read_recent,
    "updateHistoryNew": payloads.read_recent,
    "loadHistoryPeriodFast": payloads.read_page,
    "loadHistoryPeriod": payloads.read_page,
    "successcloseOrder": lambda payload, sieve: OrdersClosed(
        orders=sieve.through(payloads.read_order, payload["deals"])
    ),
}
_READERS: dict[str, Callable[[Any], Meaning]] = {
    "successauth": payloads.read_success,
    "auth/success": lambda _: Admitted(rights="chart"),
    "NotAuthorized": payloads.read_refusal,
    "successupdateBalance": payloads.read_balance,
    "successopenOrder": lambda deal: OrderOpened(order=payloads.read_order(deal)),
    "failopenOrder": payloads.read_rejection,
    "updateOpenedDeals": lambda payload: OrderList(orders=payloads.read_orders(payload), closed=False),
    "updateClosedDeals": lambda payload: OrderList(orders=payloads.read_orders(payload), closed=True),
    "successopenPendingOrder": lambda payload: PendingPlaced(order=payloads.read_pending(payload["data"])),
    "failopenPendingOrder": lambda payload: PendingRejected(error=str(payload.get("error"))),
    "successcancelPendingOrder": lambda payload: PendingCancelled(ticket=text(payload["ticket"])),
    "failcancelPendingOrder": payloads.read_pending_refusal,
    "successupdatePending": lambda payload: PendingList(
        orders=tuple(payloads.read_pending(row) for row in payload)
    ),
    "updateTime": lambda payload: BrokerClock(seconds=seconds(payload)),
    "chafor": payloads.read_sentiment,
    "signals/load": payloads.read_signals,
    "signals/update": payloads.read_signals,
}


_INTENT_READERS: dict[str, Callable[[Any], Intent]] = {
    KEEP_ALIVE: lambda _: intents.Beat(name=KEEP_ALIVE),
    "getBalance": lambda _: intents.AskBalance(),
    "updateBalance": lambda _: intents.AskBalance(),
    "assets/load": lambda _: intents.AskAssets(),
    "updateOpenedDeals": lambda _: intents.AskOrders(),
    "changeSymbol": lambda payload: intents.Watch(
        symbol=text(payload["asset"]), period=int(number(payload.get("period") or 0))
    ),
    "subscribeSymbol": lambda payload: intents.Watch(symbol=text(payload), period=0),
    "unSubscribeSymbol": lambda payload: intents.Unwatch(symbol=text(payload)),
    "signals/subscribe": lambda _: intents.WatchSignals(),
    "loadHistoryPeriod": payloads.read_history_request,
    "loadHistoryPeriodFast": payloads.read_history_request,
    "openOrder": payloads.read_order_request,
    "openPendingOrder": payloads.read_pending_request,
    "cancelPendingOrder": lambda payload: intents.CancelPending(ticket=text(payload["ticket"])),
}
