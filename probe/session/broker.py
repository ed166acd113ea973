"""One broker, as its folder describes it: where it is, how it speaks, how its counter behaves, what its credential looks like."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from probe.model.credentials import Credentials, PasswordLogin, WebSession
from probe.model.endpoint import Account, Address, Endpoint
from probe.model.errors import ConfigError, near_miss
from probe.model.failures import Failure
from probe.model.meanings import Meaning
from probe.session.channels import Channel
from probe.session.codec import Codec, DialectRules, no_codec
from probe.session.polled import Survey
from probe.session.signs import BrokerSign
from probe.wire.calls import Flow


class OrderProblem(Enum):
    """Why an order is not taken. The values are what is said by a broker whose own words are not known."""

    ASSET = "UNKNOWN_ASSET"
    CLOSED = "MARKET_CLOSED"
    AMOUNT = "AMOUNT_LIMIT"
    DURATION = "DURATION_LIMIT"
    BALANCE = "NOT_ENOUGH_MONEY"
    TOO_MANY = "TOO_MANY_ORDERS"
    OPEN_TIME = "OPEN_TIME_PASSED"
    OPEN_PRICE = "NO_OPEN_PRICE"
    PAYOUT = "PAYOUT_TOO_LOW"
    EXPIRY = "EXPIRY_OFF_THE_GRID"
    ORDER = "UNKNOWN_ORDER"
    TICKET = "UNKNOWN_TICKET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where the simulator serves a broker."""

    name: str
    account: Account
    latency: float = 0.0  # seconds, each way
    scheme: str = "ws"  # without its TLS
    path: str | None = None  # None: as the dialect's rules say


REGIONS = (
    Region(name="demo-eu", account=Account.DEMO, latency=0.005),
    Region(name="demo-us", account=Account.DEMO, latency=0.060),
    Region(name="demo-asia", account=Account.DEMO, latency=0.120),
    Region(name="real-eu", account=Account.LIVE, latency=0.005),
    Region(name="real-us", account=Account.LIVE, latency=0.060),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRules:
    """How the broker behaves behind its protocol, as data. The simulator's counter works by it."""

    # What it pushes after the login, in order: clock, balance, purses, open orders, closed orders, pending orders, assets,
    # or a notice's name.
    after_login: tuple[str, ...]
    again_every: float | None = None  # so often the same is pushed again; None: never
    token_ended: str = ""  # the notice by which a token's end is told; empty: in silence
    before_verdict: tuple[str, ...] = ()  # the same, pushed even before the login is accepted
    login_seconds: tuple[float, float] = (0.0, 0.0)  # how long it thinks about a login
    one_login_for_all_accounts: bool = (
        False  # a token opens demo and live; the login, and later requests, choose
    )
    notices: Mapping[str, object] = field(
        default_factory=dict
    )  # payloads of messages that only the web page reads
    murmur_answers: Mapping[str, Meaning] = field(default_factory=dict)
    stream_cap: int | None = (
        None  # ticks only for the last so many symbols asked for; older ones go quiet unannounced
    )
    page_rows: int = 150
    page_tick_seconds: float = 2_000.0  # a page of raw ticks reaches back no further
    recent_seconds: float = 660.0  # of ticks that follow a subscription
    recent_candles: int = 99
    candles_lag: int = 2  # the newest of those candles is so many periods old
    guest_balance: float = 50_000.0
    order_seconds: tuple[int, int] = (5, 43_200)
    order_errors: Mapping[OrderProblem, str] = field(default_factory=dict)  # its own words for them
    silent_about: frozenset[OrderProblem] = frozenset()  # problems that it does not answer at all
    expiry_grid: int = 60  # options that end at an instant end on a multiple of so many seconds
    sentiment_every: float | None = None  # seconds between two words about one symbol; None: it has none
    signal_words: tuple[str, ...] = ()  # of its signals, from "sell" to "buy"; empty: it has none
    rows_together: bool = False  # ticks of one instant come in one message
    closed_orders_kept: int = 20
    regions: tuple[Region, ...] = REGIONS
    prices_every: float | None = None  # seconds between two ticks of a symbol; None: each is told
    look_every: float = 1.0  # seconds until a session sees what another one did on the same account
    connection_cap: int | None = None  # of one client address at one endpoint; more are refused
    lifts: tuple[
        str, ...
    ] = ()  # faults that lift its limits of one client address, which all sessions of a load test share
    market: str | None = None  # brokers of one market have the same prices; None: one of its own
    listings: Mapping[str, str] = field(
        default_factory=dict
    )  # its names for what the simulator's catalogue has; empty: the catalogue's own, all of it
    symbol: str | None = None  # traded around the clock in the simulator, where the usual one is not


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """Enough to write a credential for an account that exists only in the simulator."""

    account: Account
    user: str
    token: str
    user_agent: str = ""
    email: str = ""  # for the web pages of a broker that has some
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebEntry:
    """The broker's web pages, where a person's password becomes a session. Flows end in what they won, or why not."""

    read_login: Callable[[str], PasswordLogin | None]  # None: this text is none; raises CredentialInvalid
    write_login: Callable[[SimulatedAccount], str]  # what `read_login` reads
    origin: Callable[[Endpoint], str]  # of the pages that belong to an endpoint, as https://host:port
    sign_in: Callable[[PasswordLogin, str], Flow[WebSession | Failure]]
    renew: Callable[[WebSession, str], Flow[WebSession | Failure]]  # a new token, without the password
    credentials: Callable[[WebSession, Account], Credentials]
    # Where there are no pages: the login itself, as the session sends it.
    outright: Callable[[PasswordLogin], Credentials] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectChoice:
    """A point in which what is known about a broker's dialect contradicts itself, and how it is settled here."""

    name: str
    default: str
    others: tuple[str, ...]  # None of them, and it may be any text: whoever runs the server chose it
    reason: str

    @property
    def is_free(self) -> bool:
        return not self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """Where a broker's clients connect to, as somebody configured it."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyPlan:
    """What one polled session is about."""

    base: str  # the endpoint's URL, without a slash at its end
    symbols: tuple[str, ...]
    utc_at_zero: float  # UTC when the monotonic clock stood at 0
    credentials: Credentials | None = None
    access_points: tuple[AccessPoint, ...] = ()
    journal: str | None = None  # the folder of the terminal's logs
    simulated: bool = False


Surveyor = Callable[[SurveyPlan], Survey]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClient:
    """A package of others by which programs speak to a broker."""

    name: str  # as pip knows it, in small letters
    library: str = ""  # of which it uses what was taken away; empty: nothing of the kind is known
    gone_since: tuple[int, ...] = ()  # that library's version
    why: str = ""  # what it uses, as the end of a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    rules: DialectRules
    codec: Callable[[], Codec]
    house: HouseRules
    endpoints: tuple[Endpoint, ...]  # the addresses name the transport's revision
    surveys: Mapping[str, "Surveyor"] = field(default_factory=dict)
    web: WebEntry | None = None  # None: as it was
    channels: tuple[Channel, ...] = ()  # none: as they were


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    name: str
    title: str
    rules: DialectRules
    codec: Callable[[], Codec]  # `no_codec`, if it has no socket
    endpoints: tuple[Endpoint, ...]
    zone_seconds: float  # how far its clock is from UTC
    default_symbol: str  # traded around the clock, to see whether prices flow
    house: HouseRules
    read_credentials: Callable[[str], Credentials]  # raises CredentialInvalid
    recognises: Callable[[str], bool]  # does this text look like a credential of this broker
    request_headers: Callable[[Credentials | None, Address], tuple[tuple[str, str], ...]]
    write_credential: Callable[[SimulatedAccount], str]
    unconfirmed: frozenset[type] = frozenset()  # intents whose answer no public capture shows
    lacks: Mapping[type, str] = field(
        default_factory=dict
    )  # intents that there is no message for, with the reason, as the end of a sentence
    web: WebEntry | None = None
    choices: tuple[DialectChoice, ...] = ()
    surveys: Mapping[str, Surveyor] = field(
        default_factory=dict
    )  # by the scheme of the endpoints that are polled
    public: frozenset[str] = frozenset()  # schemes of endpoints that need no credential
    journals: bool = False  # its programs on the user's own machine keep a journal that its surveys read
    touches: bool = False  # its surveys time the way to access points
    speak: Callable[[Mapping[str, str]], Spoken] | None = None  # what other choices change
    signs: Mapping[str, BrokerSign] = field(default_factory=dict)  # by the slug of the failure
    clients: tuple[KnownClient, ...] = ()
    channels: tuple[Channel, ...] = ()  # what it says can be asked of it over HTTP
    domains: tuple[
        str, ...
    ] = ()  # all that is known to be the broker's or its makers', in small letters: never put under load

    @property
    def open_endpoints(self) -> tuple[Endpoint, ...]:
        """Those known of it that let everybody in."""
        return tuple(filter(self.is_public, self.endpoints))

    def divides(self, endpoints: Iterable[Endpoint | str]) -> bool:
        """Whether a password is the credential itself at some of these endpoints or URLs, and wins one at others."""
        if self.web is None or self.web.outright is None:
            return False
        urls = (each if isinstance(each, str) else each.url for each in endpoints)
        return len({url.partition("://")[0] in self.public for url in urls}) > 1

    def is_public(self, endpoint: Endpoint) -> bool:
        """Whether one gets in there without a credential."""
        return endpoint.scheme in self.public

    @property
    def schemes(self) -> tuple[str, ...]:
        """How its endpoints may be talked to."""
        return (*(("ws", "wss") if self.has_socket else ()), *self.surveys, "tcp")

    @property
    def has_socket(self) -> bool:
        return self.codec is not no_codec

    def speaking(self, chosen: Mapping[str, str]) -> Self:
        """The same broker with other choices.

        Raises:
            ConfigError: there is no such choice; it names those there are.
        """
        known = {choice.name: choice for choice in self.choices}
        for name, value in chosen.items():
            where = f"dialect of {self.name}"
            if name not in known:
                there = f"There are: {', '.join(known)}." if known else f"{self.title} has none."
                raise ConfigError(
                    f"nothing is called {name!r}",
                    where=where,
                    suggestion=near_miss(name, known) or "",
                    next_step=there,
                )
            words = (known[name].default, *known[name].others)
            if value not in words and not known[name].is_free:
                raise ConfigError(
                    f"{name} cannot be {value!r}",
                    where=where,
                    suggestion=near_miss(value, words) or "",
                    next_step=f"It is one of {', '.join(words)}.",
                )
        if self.speak is None or not chosen:
            return self
        spoken = self.speak(chosen)
        return replace(
            self,
            rules=spoken.rules,
            codec=spoken.codec,
            house=spoken.house,
            endpoints=spoken.endpoints,
            surveys=spoken.surveys,
            web=spoken.web or self.web,
            channels=spoken.channels or self.channels,
        )
