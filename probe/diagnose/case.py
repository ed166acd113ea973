"""All that is known about one target when it is judged. Rules read this and nothing else; how it was learned is no business
of theirs. What was not looked at is None or empty, and never a sign of health."""

from dataclasses import dataclass
from itertools import chain

from probe.diagnose.facts import Facts
from probe.diagnose.loaded import LoadFacts
from probe.diagnose.verdict import Asked
from probe.measure.clocks import ClockOffset
from probe.measure.freshness import Overdue
from probe.model.credentials import Bound
from probe.model.endpoint import Account, Endpoint
from probe.model.events import TlsFacts
from probe.model.failures import Failure
from probe.model.meanings import Effect
from probe.session.overheard import OtherClient
from probe.session.signs import Shown

# -- before a packet is sent -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place where the credential could come from."""

    name: str  # in words: the environment variable PO_SSID, the file …
    fingerprint: str  # of the token in it; empty: it holds none
    age_seconds: float | None = None  # since it was written
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """The credential as a text, before anybody was asked about it."""

    code: str = ""  # the slug of what is wrong with it; empty: it can be read
    problem: str = ""
    next_step: str = ""
    begins_as_frame: bool = False  # as whole logins do, and bare tokens do not
    account: Account = Account.NONE  # as it claims
    repairs: tuple[str, ...] = ()  # what had to be undone to read it, and what is odd in it
    bound: Bound | None = None  # what the broker wrote into it
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A library in this Python that other clients of the broker are built on, or such a client."""

    name: str
    version: str
    trouble: str = (
        ""  # why it will not work together with the others here; empty: nothing is known against it
    )
    without_socks: str = (
        ""  # the variable that sets a SOCKS proxy for this client, which has no package to use one
    )


# -- this machine ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What another clock says of ours: an HTTP server's `Date`."""

    source: str
    offset_seconds: float  # ours minus theirs
    uncertainty_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    loop_lag_seconds: float = 0.0  # the worst, from the first step to the last
    blocked_in: str = ""  # the code of ours that held the loop up; empty: none did
    cpu_count: int = 1
    cpu_busy: float | None = None  # of the cores that this process may use, 0 to 1
    cpu_own: float | None = None  # of one core, what this process used itself
    cpu_waited: float | None = (
        None  # of the time in which this process wanted a core, the share in which it had none
    )
    throttled: float | None = None  # the share of periods in which a limit of the container held it back
    handles_used: int | None = None
    handles_limit: int | None = None
    ports_in_use: int | None = None  # local TCP ports of the range below, TIME_WAIT included
    ports: int | None = None  # size of the range
    time_wait: int | None = None
    clock_jump_seconds: float = 0.0  # wall against monotonic since the look began
    slept_seconds: float | None = None  # of the machine, since then; None: its clocks do not tell
    families: tuple[int, ...] = ()  # 4, 6: those for which this machine has a way out
    nameservers: tuple[str, ...] = ()  # of the system's resolver
    proxies: tuple[str, ...] = ()  # the variables that name one
    unreadable: tuple[str, ...] = ()  # what could not be learned here


# -- the way there -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The system's resolver, asked for one family of addresses."""

    family: int  # 4 or 6; 0: both at once, as programs ask
    addresses: tuple[str, ...]
    seconds: float
    failure: Failure | None = None
    queued_seconds: float = 0.0  # of these, waiting for a thread of this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One resolver asked by ourselves, past the system's."""

    resolver: str
    is_systems: bool  # one that the system would have asked; else of the user's choice
    family: int
    code: str  # NOERROR, NXDOMAIN, SERVFAIL, REFUSED; empty: no answer came
    error: str = ""  # why none came, if the system knows: ECONNREFUSED, ENETUNREACH
    addresses: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    host: str
    lookups: tuple[Lookup, ...]
    again: tuple[Lookup, ...] = ()  # the same once more, where the first were slow or failed
    asked: tuple[Asking, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        found = (address for each in (*self.lookups, *self.again) for address in each.addresses)
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One TCP connection to one address."""

    address: str
    port: int
    family: int
    seconds: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One TLS handshake, made without any credential."""

    how: str  # one of those below
    seconds: float
    tls: TlsFacts | None = None
    failure: Failure | None = None
    first_bytes: str = ""  # of what answered our first message, each sign a byte
    at_utc: float | None = None  # when it was made, by this machine's clock
    server_name: str = ""  # as it was sent; empty: none was, as none is to an address
    asks_certificate: bool = False  # the server was seen to ask for one of ours

    @property
    def alert(self) -> int | None:
        """The number of a TLS alert, if the answer began with one."""
        is_alert = self.first_bytes.startswith("\x15\x03") and len(self.first_bytes) > 6
        return ord(self.first_bytes[6]) if is_alert else None


USUAL, UNVERIFIED, TLS_1_2, TLS_1_3, OFFERING_H2, OTHER_NAME, SMALL = (
    "as usual",
    "without verifying",
    "TLS 1.2 only",
    "TLS 1.3 only",
    "offering HTTP/2 too",
    "with another server name",
    "in small packets",
)


UNRECOGNIZED_NAME, NO_APPLICATION_PROTOCOL = 112, 120  # TLS alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A host that has nothing to do with the broker, of the user's choice: it tells our own troubles from the broker's."""

    host: str
    port: int
    lookup: Lookup | None = None
    way: Way | None = None
    handshake: Handshake | None = None
    status: int | None = None  # of a plain question for /
    redirects_to: str = ""

    @property
    def is_reached(self) -> bool:
        return self.way is not None and self.way.failure is None


# -- the session -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One connection, as far as it was meant to go."""

    endpoint: Endpoint
    facts: Facts
    asked: Asked
    clock: ClockOffset | None = None  # the broker's prices against our clock
    proxy: str = ""  # through which it went; without its password
    control_symbol: str = ""  # watched beside the one asked for, to see whether the market moves; empty: none
    began_utc: float | None = None
    # Of a monitor, which has watched for longer and has asked for all its symbols at once; None: this is none.
    overdue: tuple[Overdue, ...] | None = None
    messages_per_second: float | None = None  # of late


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Connections of one run, with what each was for. `again` and `fresh` are made of simulators and owned servers, or
    without the credential."""

    first: Look
    again: Look | None = None  # the same once more, after a pause
    fresh: Look | None = (
        None  # opened while the first still stood, to see whether the market moves for others
    )
    elsewhere: Look | None = None  # another region, or the account of the other kind
    direct: Look | None = None  # past the proxy
    as_websocket: Look | None = None  # where the URL had asked for polling, with that word alone changed


# -- what a monitor has kept -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """An earlier attempt to connect."""

    ago_seconds: float
    code: str = ""  # the slug of why it failed; empty: it did not
    kind: str = ""  # of the failure
    status: int | None = None
    purpose: str = "hold"
    proxy: str = ""  # through which it went; without its password
    endpoint: str = ""  # the region it was made to


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """An earlier session that had been live."""

    ago_seconds: float
    lived_seconds: float
    code: str
    heard_seconds: float | None = None  # before it, since any byte had come; None: not known
    said_seconds: float | None = None  # before it, since we had sent a message
    next_try_after_seconds: float | None = None  # None: none was made since


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The session that the monitor holds now, beside the doctor's own."""

    region: str
    seconds: float  # since it was begun
    heard_seconds: float  # since its last price


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected:
    """The last session that ended, and the one that was opened after it."""

    ago_seconds: float
    symbols_before: frozenset[str]  # whose prices had come
    symbols_since: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """One cause, from its first sign to its last."""

    code: str
    first_ago_seconds: float
    last_ago_seconds: float
    times: int  # attempts and sessions that ended with it; where none did, stretches of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another target of the same store."""

    name: str
    code: str | None = None  # of what is wrong with it; empty: nothing is; None: it is not watched just now
    tries: tuple[Try, ...] = ()  # if it is of the same broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    seconds: float  # how far back it was looked
    tries: tuple[Try, ...] = ()
    ends: tuple[End, ...] = ()
    held: Held | None = None
    reconnected: Reconnected | None = None
    region: str = ""  # of the last session
    usual_round_trip: float | None = None  # seconds, the median there; None: too few, or of several regions
    not_kept: tuple[str, ...] = ()  # what the monitor said when it could not keep what had come
    spells: tuple[Spell, ...] = ()  # those that began first come first
    neighbours: tuple[Neighbour, ...] = ()
    peer_beats: int = 0  # heartbeats of the server's own, in sessions that are over


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    pasted: Pasted | None = None
    packages: tuple[Package, ...] = ()
    host: Host | None = None
    clocks: tuple[Clock, ...] = ()
    names: Names | None = None
    ways: tuple[Way, ...] = ()
    own_connections: int | None = (
        None  # to the same place, of all programs here, before the first look; None: not known
    )
    handshakes: tuple[Handshake, ...] = ()
    controls: tuple[Control, ...] = ()
    looks: Looks | None = None
    past: Past | None = None
    client: OtherClient | None = None  # what the log of the user's own client shows
    load: LoadFacts | None = None
    is_ours: bool = False  # a simulator, or a server that its owner declared to be his

    @property
    def shown(self) -> Shown:
        """For the signs of the broker's own folder."""
        facts = self.facts
        if self.looks is None or facts is None:
            return Shown(client=self.client)
        rows = sorted(
            chain.from_iterable(facts.troubles.values()),
            key=lambda each: (list(Effect).index(each.effect), not each.certain),
        )
        codes = {each.code for each in rows}
        return Shown(
            troubles={each.code: each for each in reversed(rows)},
            passed={code: each for code, each in facts.passed.items() if code not in codes},
            failure=self.failure,
            went_live=facts.went_live,
            has_prices=facts.first_data is not None,
            market_open=self.looks.first.asked.market_open,
            client=self.client,
            well=frozenset(
                about
                for about, troubles in facts.troubles.items()
                if all(each.effect is Effect.NOTED for each in troubles)
            ),
        )

    @property
    def has_troubles(self) -> bool:
        """Answers of the first look show what is wrong."""
        return self.facts is not None and any(self.facts.troubles.values())

    @property
    def facts(self) -> Facts | None:
        """Of the first look."""
        return self.looks.first.facts if self.looks else None

    @property
    def failure(self) -> Failure | None:
        """Why the first look ended, if it was not we who ended it."""
        return self.looks.first.facts.ended.failure if self.looks and self.looks.first.facts.ended else None

    def handshake(self, how: str) -> Handshake | None:
        return next((each for each in self.handshakes if each.how == how), None)
