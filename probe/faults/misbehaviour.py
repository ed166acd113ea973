"""The protocol faults by name: what each does, the verdict it must cause, and how it is made for one session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probe.faults import asking, ending, exchange, mangling, opening, telling
from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec, parameters_of
from probe.faults.protocol import ProtocolFault
from probe.model.errors import ConfigError
from probe.model.meanings import (
    BeatAnswered,
    BeatAsked,
    History,
    Meaning,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
    PendingPlaced,
    PendingRejected,
)


def _engine_beat(meaning: Meaning) -> bool:
    return isinstance(meaning, BeatAsked | BeatAnswered)


def _order_answer(meaning: Meaning) -> bool:
    return isinstance(meaning, OrderOpened | OrderRejected | PendingPlaced | PendingRejected)


def _history_page(meaning: Meaning) -> bool:
    return isinstance(meaning, History) and meaning.index is not None


def _closed_order(meaning: Meaning) -> bool:
    return isinstance(meaning, OrdersClosed) or (isinstance(meaning, OrderList) and meaning.closed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    fault: type[ProtocolFault]
    finding: str
    summary: str
    brokers: tuple[str, ...]
    fixed: Mapping[str, Any]  # what tells it from another entry of the same class


def _entry(
    fault: type[ProtocolFault], finding: str, summary: str, *, brokers: Sequence[str] = (), **fixed: object
) -> _Entry:
    return _Entry(fault=fault, finding=finding, summary=summary, brokers=tuple(brokers), fixed=fixed)


_ENTRIES: dict[str, _Entry] = {
    # the upgrade
    "http-status": _entry(
        opening.HttpStatus, "http.cf-challenge", "the upgrade is answered with a page or an error instead"
    ),
    "silent-upgrade": _entry(
        opening.SilentUpgrade, "http.open-timeout", "connections are taken, and no upgrade is ever answered"
    ),
    "slow": _entry(opening.Slow, "", "one step of the handshake is answered late"),
    # Engine.IO and Socket.IO
    "no-open": _entry(opening.NoOpen, "eio.no-open", "the greeting never comes"),
    "no-join": _entry(
        opening.NoJoin, "sio.connect-silent", "the request to join the namespace is not answered"
    ),
    "connect-error": _entry(opening.ConnectError, "sio.connect-error", "the namespace is refused"),
    "beat-terms": _entry(
        opening.BeatTerms,
        "eio.ping-timeout",
        "the greeting promises other heartbeats than the server then keeps",
    ),
    # the login
    "auth-refused": _entry(opening.AuthRefused, "auth.session-expired", "the login is refused with words"),
    "auth-41": _entry(opening.AuthGoodbye, "auth.rejected-41", "the login is answered with a bare goodbye"),
    "auth-silent": _entry(opening.AuthSilent, "auth.silent-after-connect", "the login is not answered"),
    "auth-close": _entry(
        opening.AuthClose, "auth.demo-real-mismatch", "the connection is closed upon the login"
    ),
    "auth-outage": _entry(
        opening.AuthOutage,
        "auth.rejected-fleetwide",
        "every login of every account is refused; its time counts from the first connection",
    ),
    "false-success": _entry(
        opening.FalseSuccess, "auth.false-success", "the login is accepted, and then nothing is told"
    ),
    "lying-balance": _entry(
        opening.LyingBalance,
        "auth.demo-real-mismatch",
        "the balance names the wrong kind of account, or none",
    ),
    "pre-auth-events": _entry(
        opening.PreAuthEvents,
        "auth.request-before-auth",
        "what becomes of requests before the login (without this fault as the dialect says)",
    ),
    "session-cap": _entry(
        opening.SessionCap,
        "auth.logged-in-elsewhere",
        "an account's older session ends when a new one logs in",
    ),
    "kicked-elsewhere": _entry(
        ending.KickedElsewhere, "auth.logged-in-elsewhere", "the login is withdrawn while the session is live"
    ),
    # the end
    "close": _entry(ending.Close, "session.closed-normal", "the session is closed with a code"),
    "goodbye": _entry(
        ending.Farewell, "session.closed-normal", "the server says goodbye (41) in mid-session"
    ),
    "close-after-order": _entry(
        asking.CloseAfterOrder, "session.closed-1005", "the session is closed after every settled order"
    ),
    "drop": _entry(ending.End, "session.closed-1006", "the connection ends without a close frame"),
    "tcp-reset": _entry(ending.End, "session.tcp-reset", "the connection is reset", abort=True),
    "close-loop": _entry(
        ending.CloseLoop, "session.closed-1005", "every connection is closed a moment after it was made"
    ),
    "idle-kick": _entry(
        ending.IdleKick, "session.idle-timeout", "sessions without the broker's keep-alive are closed early"
    ),
    # heartbeats
    "half-open": _entry(ending.HalfOpen, "session.half-open", "nothing is sent any more, and no end is told"),
    "stop-pings": _entry(
        telling.Unsaid,
        "eio.ping-timeout",
        "the server's own heartbeats stop while prices go on",
        matches=_engine_beat,
    ),
    "no-pong": _entry(
        ending.NoPong, "session.peer-stopped-ponging", "WebSocket pings are not answered while prices go on"
    ),
    "disowned": _entry(
        asking.Disowned,
        "session.heartbeat-without-data",
        "after a login elsewhere only heartbeats go on: no prices, no answers, no close",
    ),
    # prices
    "half-subscribed": _entry(
        asking.HalfSubscribed,
        "session.subscription-not-armed",
        "prices do not start until other requests have named the symbol too",
    ),
    "silent-stall": _entry(
        telling.SilentStall, "session.silent-stall", "prices stop while heartbeats and answers go on"
    ),
    "one-symbol-stall": _entry(
        telling.OneSymbolStall, "session.one-symbol-stall", "the prices of one symbol stop"
    ),
    "stream-cap": _entry(
        telling.StreamCap, "session.subscription-cap", "only the latest symbols tick; the others go quiet"
    ),
    "subscription-cap": _entry(
        exchange.SubscriptionCap,
        "session.subscription-cap",
        "symbols above a number are refused with an error",
        brokers=("bingx",),
    ),
    "duplicate-ticks": _entry(telling.DuplicateTicks, "data.duplicates", "every tick comes twice"),
    "out-of-order-ticks": _entry(
        telling.OutOfOrderTicks, "data.out-of-order", "some ticks come after their successors"
    ),
    "past-timestamps": _entry(
        telling.PastTimestamps, "data.out-of-order", "some ticks carry a time long past"
    ),
    "frozen-price": _entry(
        telling.FrozenPrice, "data.stale-ticks", "ticks come with new times and the same old price"
    ),
    "clock-jump": _entry(telling.ClockJump, "data.clock-offset", "the broker's clock jumps"),
    "clock-skew": _entry(telling.ClockSkew, "data.clock-offset", "the broker's clock is wrong"),
    # answers and the account
    "order-unanswered": _entry(
        telling.Unsaid,
        "session.request-no-reply",
        "orders are carried out, but neither confirmed nor rejected",
        matches=_order_answer,
    ),
    "order-late": _entry(telling.Late, "", "orders are answered late", matches=_order_answer),
    "order-ignored": _entry(
        asking.OrderIgnored, "session.request-no-reply", "orders are refused without a word"
    ),
    "stuck-history": _entry(
        asking.StuckHistory, "data.stale-history", "every page of history is the first one again"
    ),
    "short-history": _entry(
        asking.ShortHistory, "data.stale-history", "a page of history holds only its last few rows"
    ),
    "rate-limit": _entry(
        asking.RateLimit, "session.policy-1008", "too many requests in a while are held against the client"
    ),
    "history-unanswered": _entry(
        telling.Unsaid,
        "session.request-no-reply",
        "requests for the past are not answered",
        matches=_history_page,
    ),
    "close-lost": _entry(
        telling.Unsaid,
        "data.gap",
        "settled orders are not told; only the list after the next login has them",
        matches=_closed_order,
    ),
    "close-late": _entry(telling.Late, "", "settled orders are told late", matches=_closed_order),
    "balance-drift": _entry(telling.BalanceDrift, "", "the balance moves without an order"),
    "demo-trade-cap": _entry(
        telling.DemoTradeCap, "", "demo orders are rejected from some number on", brokers=("pocketoption",)
    ),
    # messages
    "interleave": _entry(
        mangling.Interleave,
        "sio.binary-placeholder",
        "other packets come between a header and its attachment",
    ),
    "drop-attachment": _entry(
        mangling.DropAttachment, "sio.binary-placeholder", "some headers come without their attachment"
    ),
    "truncate-json": _entry(mangling.TruncateJson, "session.protocol-error", "some events are cut in half"),
    "rename-event": _entry(mangling.RenameEvent, "cfg.client-outdated", "an event has a new name"),
    "extra-element": _entry(
        mangling.RowDrift, "cfg.client-outdated", "rows have one element more than they should", longer=True
    ),
    "missing-element": _entry(
        mangling.RowDrift, "cfg.client-outdated", "rows lack their last element", longer=False
    ),
    "numbers-as-text": _entry(mangling.NumbersAsText, "", "numbers come in quotes"),
    "garbage": _entry(
        mangling.Noise, "session.protocol-error", "text that means nothing comes in between", binary=False
    ),
    "binary-garbage": _entry(
        mangling.Noise, "session.protocol-error", "bytes that mean nothing come in between", binary=True
    ),
    "big-message": _entry(mangling.BigMessage, "session.message-too-big", "one message of enormous size"),
    "flood": _entry(mangling.Flood, "session.slow-consumer", "messages never stop coming"),
}


PROTOCOL_FAULTS: Mapping[str, FaultSpec] = {
    name: FaultSpec(
        name=name,
        kind=FaultKind.PROTOCOL,
        summary=entry.summary,
        parameters=parameters_of(entry.fault),
        finding=entry.finding,
        brokers=entry.brokers,
    )
    for name, entry in _ENTRIES.items()
}


def protocol_fault(order: FaultOrder) -> ProtocolFault:
    """The fault an order for one of the `PROTOCOL_FAULTS` asks for: a new one for each session.

    Raises:
        ConfigError: its values do not go together.
    """
    entry = _ENTRIES[order.spec.name]
    values: dict[str, Any] = {**order.values, **entry.fixed}
    try:
        return entry.fault(**values)
    except ValueError as problem:
        raise ConfigError(str(problem), where=f"fault {str(order)!r}") from None
