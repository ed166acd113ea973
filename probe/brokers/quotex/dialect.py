"""Where what is known about Quotex's dialect contradicts itself: how it is settled, and what follows from settling it otherwise."""

from dataclasses import dataclass
from functools import cache

from probe.model.events import Phase
from probe.session.broker import DialectChoice
from probe.session.codec import BeatRule, DialectRules, IdleRule, Role
from probe.session.socketio import ENGINE_BEAT

TICK = "tick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One value for each of `CHOICES`; the defaults are what Quotex is believed to speak."""

    engine: str = "3"
    join: str = "server"
    keep_alive: str = "engine+tick"
    first_after_login: str = "verdict"
    login: str = "tournament"
    candle_columns: str = "ochl"
    quote_time: str = "seconds"
    quote_fields: str = "4"
    quote_rows: str = "one"
    unwatch: str = "instruments/unsubscribe"
    sell_key: str = "ticket"
    settings_before_order: str = "none"

    @property
    def marker(self) -> bytes:
        """Engine.IO 3 begins binary messages with their type."""
        return b"\x04" if self.engine == "3" else b""


DEFAULT = Dialect()


def _choice(name: str, *others: str, reason: str) -> DialectChoice:
    return DialectChoice(name=name, default=getattr(DEFAULT, name), others=others, reason=reason)


CHOICES = (
    _choice(
        "engine",
        "4",
        reason="Every client that works and all live notes use Engine.IO 3; 4 is in abandoned programs only. With it the "
        "client joins by itself, the server pings, and binary messages have no leading byte.",
    ),
    _choice(
        "join",
        "client",
        reason="The reference server of Engine.IO 3 sends 40 unasked and clients that never send one work; one test "
        "server waits for the client's. Engine.IO 4 always waits.",
    ),
    _choice(
        "keep_alive",
        "engine",
        TICK,
        reason="Any packet keeps a session alive. The ping is answered, so it measures; the tick is what clients of this "
        "broker send, so it looks usual.",
    ),
    _choice(
        "first_after_login",
        "instruments",
        reason="Most sources see the verdict on the login first; one client only connects if the catalogue of "
        "instruments comes before it.",
    ),
    _choice(
        "login",
        "plain",
        reason="Newer clients name a tournament in the login (0 for none); an older one does not.",
    ),
    _choice(
        "candle_columns",
        "olhc",
        reason="Open, close, high, low is what independent clients read; one reads open, low, high, close and hides it "
        "by taking the largest and the smallest.",
    ),
    _choice("quote_time", "milliseconds", reason="All samples of ticks are seconds with a fraction."),
    _choice(
        "quote_fields",
        "3",
        reason="Rows of ticks have a direction flag at the end now; those of 2021 did not.",
    ),
    _choice(
        "quote_rows",
        "many",
        reason="No sample shows ticks of several symbols in one message, and nothing rules them out.",
    ),
    _choice(
        "unwatch",
        "subfor",
        reason="The newest clients unsubscribe with instruments/unsubscribe, older ones with subfor; the server has "
        "never been seen to answer either.",
    ),
    _choice(
        "sell_key",
        "id",
        reason="Several clients sell by ticket; one says id, and nothing shows that it works.",
    ),
    _choice(
        "settings_before_order",
        "store",
        "apply",
        reason="Most clients store or apply chart settings before an order; one reports that fast orders are only "
        "confirmed when nothing precedes them, and no order needs them.",
    ),
)


@cache
def rules_of(dialect: Dialect) -> DialectRules:
    is_third = dialect.engine == "3"
    beats = []
    if is_third and "engine" in dialect.keep_alive:
        beats.append(BeatRule(name=ENGINE_BEAT, interval=20.0, heeds_greeting=True, answered_within=10.0))
    if TICK in dialect.keep_alive:
        beats.append(BeatRule(name=TICK, interval=20.0))
    return DialectRules(
        path="/socket.io/",
        query={"EIO": dialect.engine, "transport": "websocket"},
        phases=(Phase.OPENING, Phase.JOINING, Phase.AUTHENTICATING, Phase.LIVE),
        speaks_first={
            Phase.OPENING: Role.SERVER,
            Phase.JOINING: Role.SERVER if is_third and dialect.join == "server" else Role.CLIENT,
            Phase.AUTHENTICATING: Role.CLIENT,
        },
        beats=tuple(beats),
        peer_beats=not is_third,
        serves_early=True,  # clients say what they want at once and log in a little later
        # Claimed, never captured; silent sockets were reported to be cut after some 30 s, which is their sum.
        ping_interval=25.0,
        ping_timeout=5.0 if is_third else 20.0,
        idle_rule=IdleRule(beat=None, silence=30.0) if is_third else None,
    )
