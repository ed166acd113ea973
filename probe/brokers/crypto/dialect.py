"""Where the backend's paths, names and limits are not known: what they are believed to be, and how somebody says otherwise."""

import re
from dataclasses import dataclass, fields

from probe.model.errors import ConfigError
from probe.model.events import Phase
from probe.session.broker import DialectChoice
from probe.session.codec import DialectRules

# A path of this host: what begins with // would name another one.
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,200}")
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
FEWEST, MOST = 8, 6000  # opening a session costs four requests at once
TICKER_EVERY = 15.0  # seconds between two looks at one symbol, if the budget has room for them
_BESIDES_TICKERS = 6  # requests in a session's first minute: four that open it, a beat, the portfolio
_SEPARATORS = {"hyphen": "-", "joined": "", "slash": "/", "underscore": "_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One value for each of `CHOICES`.

    Raises:
        ConfigError: a value cannot be what it stands for.
    """

    cookie_name: str = "session"
    signin_path: str = "/signin"
    health_path: str = "/health"
    me_path: str = "/me"
    ticker_path: str = "/market/ticker"
    portfolio_path: str = "/portfolio"
    snapshots_path: str = "/portfolio/snapshots"
    positions_path: str = "/positions"
    strategies_path: str = "/strategies"
    trades_path: str = "/trades"
    broker_path: str = "/broker/status"
    requests_per_minute: str = "10"
    snapshot_minutes: str = "10"
    symbol_style: str = "hyphen"

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name.endswith("_path") and not _PATH.fullmatch(value):
                raise _wrong(
                    name, "is no path", "Begin it with one /, without scheme, host, blanks, ? or #: /health."
                )
        if not _COOKIE_NAME.fullmatch(self.cookie_name):
            raise _wrong(
                "cookie_name", "is no name of a cookie", "Write the part before the = sign: session."
            )
        _whole(self.requests_per_minute, "requests_per_minute", FEWEST, MOST)
        _whole(self.snapshot_minutes, "snapshot_minutes", 1, 1440)

    @property
    def budget(self) -> int:
        """Requests in any minute."""
        return int(self.requests_per_minute)

    @property
    def stale_snapshot_seconds(self) -> float:
        return 3 * 60.0 * int(self.snapshot_minutes)

    def written(self, symbol: str) -> str:
        return symbol.replace("-", _SEPARATORS[self.symbol_style])

    def ticker_every(self, symbols: int) -> float:
        """Seconds between two looks at the market, whichever symbol's turn it is."""
        return max(TICKER_EVERY / max(symbols, 1), 60.0 / (self.budget - _BESIDES_TICKERS))


def _whole(text: str, name: str, least: int, most: int) -> None:
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not least <= int(text) <= most:
        raise _wrong(name, "is no such number", f"Write a whole number from {least} to {most}.")


def _wrong(name: str, problem: str, next_step: str) -> ConfigError:
    return ConfigError(f"{name} {problem}", where="dialect of crypto", next_step=next_step)


DEFAULT = Dialect()


def _choice(name: str, reason: str, *others: str) -> DialectChoice:
    return DialectChoice(name=name, default=getattr(DEFAULT, name), others=others, reason=reason)


_OWN_PATH = "Only the paths of signing up, in and out are known; the others are whoever's runs the backend."

CHOICES = (
    _choice("cookie_name", "The name that the usual session middleware gives it, if nobody chooses another."),
    *(_choice(field.name, _OWN_PATH) for field in fields(Dialect) if field.name.endswith("_path")),
    _choice(
        "requests_per_minute",
        "The backend allows 100 a minute for an address and everybody behind it; a tenth of them is for the probe, "
        "its requests for /health included.",
    ),
    _choice(
        "snapshot_minutes",
        "A background task writes a snapshot of the portfolio every so many minutes, and no source says how many; one "
        "is late when three are missing.",
    ),
    _choice(
        "symbol_style",
        "The broker behind it writes BTC-USDT; a backend may take BTCUSDT, BTC/USDT or BTC_USDT.",
        *(style for style in _SEPARATORS if style != DEFAULT.symbol_style),
    ),
)


def rules_of(dialect: Dialect, symbols: int = 1) -> DialectRules:
    return DialectRules(
        path="/",
        query={},
        phases=(Phase.OPENING, Phase.AUTHENTICATING, Phase.LIVE),
        speaks_first={},
        beats=(),
        peer_beats=False,
        # A database that is gone keeps requests waiting; how long one may take is the driver's business.
        deadlines={Phase.OPENING: 60.0, Phase.AUTHENTICATING: 30.0, Phase.CLOSING: 2.0},
        data_every=dialect.ticker_every(symbols) * max(symbols, 1),
        reopens=False,
        asks_history=False,
    )
