"""Every setting there is: the one table that the reader, the JSON Schema, the documentation and `probe targets` work by."""

from dataclasses import dataclass
from enum import Enum

from probe.brokers import broker_names
from probe.config.kinds import Choices, Duration, Flag, Kind, ListOf, Number, Text, Word
from probe.config.places import (
    EndpointUrl,
    FilePath,
    HostPort,
    IpAddress,
    NamedPlace,
    ProxyUrl,
    Reference,
    SecretUrl,
)
from probe.load.permission import Limits
from probe.measure.records import Severity

DAY = 86_400.0
YEAR = 365 * DAY
TARGET_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
RULE_NAME = r"[A-Za-z][A-Za-z0-9_]{0,63}"


class Shape(Enum):
    ONE = "one table"
    NAMED = "a table for each name"
    LISTED = "a list of tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`path` has a * where a name stands."""

    path: str
    shape: Shape = Shape.ONE
    help: str
    name_pattern: str = ""  # of the names in NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    section: str  # empty: not in the file
    name: str
    kind: Kind
    default: object = None
    default_words: str = ""  # where the default itself says too little
    help: str
    variable: str = ""  # the environment variable that beats the file
    attribute: str = ""  # where Python has another word
    also_tried: tuple[str, ...] = ()  # names that people might expect it to have
    is_required: bool = False

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def field(self) -> str:
        return self.attribute or self.name


SECTIONS = (
    Section(path="vantage", help="Where this measures from."),
    Section(
        path="targets.*",
        shape=Shape.NAMED,
        name_pattern=TARGET_NAME,
        help="What can be watched and checked by its name: 1 to 32 lower-case letters, digits, `-` and `_`, but not `sim`.",
    ),
    Section(path="monitor", help="`probe monitor` itself."),
    Section(
        path="doctor",
        help="Whom [`probe doctor`](doctor.md) may ask beside the target. It asks nobody else by itself.",
    ),
    Section(path="alerts", help="When to tell somebody."),
    Section(
        path="alerts.rules.*",
        shape=Shape.NAMED,
        name_pattern=RULE_NAME,
        help="What shall be otherwise about one rule.",
    ),
    Section(
        path="alerts.channels",
        shape=Shape.LISTED,
        help="How to tell somebody; each has exactly one of `url`, `webhook` and `command`.",
    ),
    Section(
        path="exporter", help="What [`probe exporter`](exporter.md) and `probe monitor --exporter` serve."
    ),
    Section(
        path="safety",
        help="The most that a [load test](load-safety.md) may do: all its processes together.",
    ),
    Section(path="store", help="The history on disk."),
    Section(path="store.keep", help="For how long each kind of record is kept."),
)


def _severities() -> list[str]:
    return [each.value for each in Severity]


_SEVERITY = Word(_severities)
_KEPT = Duration(3600, 20 * YEAR)
_LIMITS = Limits()
_TO_SECRET = ("ssid", "session", "token", "password", "credential", "secret", "auth")

KEYS = (
    Key(
        section="", name="debug", kind=Flag(), default=False, variable="TRADEPROBE_DEBUG",
        help="Logs everything and shows the traceback of a bug; that can hold a credential.",
    ),
    Key(
        section="", name="log_level", kind=Word(lambda: ("debug", "info", "warning", "error")), default="warning",
        variable="TRADEPROBE_LOG_LEVEL", help="The least important thing that is logged.",
    ),
    Key(
        section="", name="max_retries", kind=Number(0, 1_000_000, whole=True), default_words="never gives up",
        variable="TRADEPROBE_MAX_RETRIES", help="After so many failed connection attempts in a row a target is given up.",
    ),
    Key(
        section="", name="timeout", kind=Duration(0.001, DAY), default_words="as the command says",
        variable="TRADEPROBE_TIMEOUT",
        help="The default of `--timeout`, and how long a step of connecting may take.",
    ),
    Key(section="vantage", name="label", kind=Text(64), help="A name for this place, in records and reports.", also_tried=("name",)),
    Key(section="targets.*", name="target", kind=Word(lambda: [f"sim:{name}" for name in broker_names()]), help="A simulated broker, which brings its own credential and endpoints."),
    Key(section="targets.*", name="broker", kind=Word(broker_names), default_words="as credential or URL say", help="Who is behind it. One that lets everybody in needs nothing else: the first endpoint known of it, or of `region`, is watched."),
    Key(section="targets.*", name="credentials", kind=Reference(), help="Where the credential is: an SSID, a token, or an e-mail address and a password (with `login`).", also_tried=_TO_SECRET),
    Key(section="targets.*", name="endpoints", kind=ListOf(EndpointUrl(), 16, least=1), default=(), default_words="the broker's known ones", help="Where to go instead of the known hosts; each may receive the credential.", also_tried=("url", "urls", "host", "endpoint")),
    Key(section="targets.*", name="region", kind=Text(64), default_words="any", help="The one region of the broker to use."),
    Key(section="targets.*", name="symbols", kind=ListOf(Text(64), 20), default=(), default_words="one that is traded around the clock", help="What to subscribe to.", also_tried=("assets", "pairs", "symbol")),
    Key(section="targets.*", name="connect", kind=Word(lambda: ("race", "fallback")), default_words="`race`, for real accounts `fallback`", help="`race`: the fastest of up to four endpoints; `fallback`: the best known first."),
    Key(section="targets.*", name="knock_every", kind=Duration(10, 7 * DAY, never=True), default=300.0, help="How often a fresh connection is measured beside the long one.", also_tried=("interval", "every")),
    Key(section="targets.*", name="knock_auth", kind=Flag(), default=False, help="Whether those log in, too. A second login can end the first session."),
    Key(section="targets.*", name="proxy", kind=ProxyUrl(), default_words="as the environment says", variable="TRADEPROBE_PROXY", help="The proxy to go through; a URL with a login is given by reference."),
    Key(section="targets.*", name="ca", kind=FilePath(), default_words="the system's", help="A certificate authority of your own (PEM)."),
    Key(section="targets.*", name="tls_min", kind=Word(lambda: ("1.2", "1.3")), default="1.2", help="The lowest TLS version."),
    Key(section="targets.*", name="dialect", kind=Choices(), default={}, default_words="none", help="Choices where sources contradict each other; [dialects](dialects.md) lists them."),
    Key(section="targets.*", name="objective", kind=Number(0.5, 0.99999), default=0.99, help="The share of seconds that shall be good.", also_tried=("slo", "availability")),
    Key(section="targets.*", name="login", kind=Flag(), default=False, help="Your consent to sign in on the broker's web pages with the e-mail address and password. It may end other sessions."),
    Key(section="targets.*", name="pin", kind=Reference(), help="Where a PIN comes from that the broker mails."),
    Key(section="targets.*", name="sessions", kind=Word(lambda: ("file", "keyring", "none")), default="file", help="Where what signing in has won is kept."),
    Key(section="targets.*", name="reference", kind=Text(32), default_words="none", help="Another target by its name, which has the same prices: whether one of the two shows old ones is seen by comparing them."),
    Key(section="targets.*", name="access_points", kind=ListOf(NamedPlace(), 32), default=(), default_words="none", help="Where the broker's own clients connect to: `NAME=HOST:PORT`. Each is connected to every half a minute, without a word, for its round trip.", also_tried=("access_servers", "servers")),
    Key(section="targets.*", name="journal", kind=FilePath(), default_words="not read", help="The folder of a terminal's daily logs on this machine, for a broker that has such a terminal.", also_tried=("logs", "log")),
    Key(section="targets.*", name="owned", kind=Flag(), default=False, help="This server is yours: it may be asked more than once, tried with wrong credentials, and [put under load](load-safety.md) by a run that says so again.", also_tried=("mine", "is_ours")),
    Key(section="monitor", name="control", kind=HostPort(), default_words="not measured", help="An address of your own choice whose round trip tells whether the uplink here is well.", also_tried=("uplink",)),
    Key(section="monitor", name="deadman", kind=SecretUrl(("https",)), default_words="none", help="A URL that is asked for regularly, so that somebody notices when that ends."),
    Key(section="monitor", name="deadman_every", kind=Duration(10, DAY), default=60.0, help="How often."),
    Key(section="monitor", name="stall_reconnect", kind=Duration(5, DAY, never=True), default=60.0, help="After so long without prices in an open market the session is replaced."),
    Key(section="doctor", name="controls", kind=ListOf(HostPort(), 8), default=(), default_words="none", variable="TRADEPROBE_DOCTOR_CONTROLS", help="Hosts that have nothing to do with the broker: if they fail, too, the trouble is on this side.", also_tried=("control", "hosts")),
    Key(section="doctor", name="resolvers", kind=ListOf(IpAddress(), 8), default=(), default_words="none", variable="TRADEPROBE_DOCTOR_RESOLVERS", help="DNS servers of your choice that are asked for the broker's name beside the system's own.", also_tried=("resolver", "dns")),
    Key(section="alerts", name="repeat", kind=Duration(60, 7 * DAY), default=3600.0, help="How often an alert that still fires is told again."),
    Key(section="alerts", name="quiet", kind=ListOf(Text(100), 50), default=(), default_words="none", help="When only pages are told: `Mon-Fri 22:00-06:00 Europe/Berlin`.", also_tried=("quiet_hours",)),
    Key(section="alerts.rules.*", name="threshold", kind=Number(0), default_words="the rule's own", help="What the reading is compared with."),
    Key(section="alerts.rules.*", name="for", attribute="for_seconds", kind=Duration(0, 7 * DAY), default_words="the rule's own", help="How long it must be so."),
    Key(section="alerts.rules.*", name="severity", kind=_SEVERITY, default_words="the rule's own", help="How important it is."),
    Key(section="alerts.rules.*", name="enabled", kind=Flag(), default=True, help="Whether the rule is used."),
    Key(section="alerts.channels", name="name", kind=Text(32), is_required=True, help="What it is called in messages."),
    Key(section="alerts.channels", name="url", kind=SecretUrl(), default_words="none", help="A notification service, as an Apprise URL."),
    Key(section="alerts.channels", name="webhook", kind=SecretUrl(("https", "http")), default_words="none", help="A URL that gets each alert as JSON."),
    Key(section="alerts.channels", name="token", kind=Reference(), default_words="none", help="A bearer token for the webhook."),
    Key(section="alerts.channels", name="command", kind=ListOf(Text(1000), 50, unique=False, least=1), default=(), default_words="none", help="A program and its arguments; it gets the alert as JSON on standard input."),
    Key(section="alerts.channels", name="severity", kind=_SEVERITY, default="warning", help="The least important alerts it gets."),
    Key(section="exporter", name="listen", kind=HostPort(0), default="127.0.0.1:18480", variable="TRADEPROBE_EXPORTER_LISTEN", help="Where it listens: other machines reach it only where this says so.", also_tried=("address", "port", "host")),
    Key(section="exporter", name="web_config", kind=FilePath(), default_words="none", help="TLS, users and headers, as a file in the format of Prometheus' own exporters.", also_tried=("web", "tls")),
    Key(section="exporter", name="max_targets", kind=Number(1, 10_000, whole=True), default=64, help="So many targets have metrics; those beyond are counted."),
    Key(section="exporter", name="max_series", kind=Number(100, 1_000_000, whole=True), default=5000, help="So many series there are; values that would need more are counted and left out."),
    Key(section="exporter", name="otlp", kind=SecretUrl(("https", "http")), default_words="none", help="Where the metrics are sent besides, as OTLP over HTTP: `http://HOST:4318/v1/metrics`. Needs `pip install 'tradeprobe[otlp]'`."),
    Key(section="exporter", name="otlp_every", kind=Duration(1, DAY), default=60.0, help="How often."),
    Key(section="safety", name="load_connections", kind=Number(1, 1_000_000, whole=True), default=_LIMITS.here.connections, help="So many connections at a time to this machine."),
    Key(section="safety", name="load_rate", kind=Number(0.1, 10_000_000), default=_LIMITS.here.rate, help="So many messages a second to this machine."),
    Key(section="safety", name="load_time", kind=Duration(1, 30 * DAY), default=_LIMITS.here.seconds, help="So long a run on this machine lasts at most."),
    Key(section="safety", name="owned_connections", kind=Number(1, 1_000_000, whole=True), default=_LIMITS.owned.connections, help="So many connections at a time to any other host."),
    Key(section="safety", name="owned_rate", kind=Number(0.1, 10_000_000), default=_LIMITS.owned.rate, help="So many messages a second to any other host."),
    Key(section="safety", name="owned_time", kind=Duration(1, 30 * DAY), default=_LIMITS.owned.seconds, help="So long a run on any other host lasts at most."),
    Key(section="safety", name="load_shares", kind=Number(1, 1000, whole=True), default=_LIMITS.shares, help="A process that no master has told its share takes one of so many equal ones."),
    Key(section="safety", name="load_key", kind=Reference(), default_words="none", help="Where a secret of your own is. A host on the internet is loaded only while it serves a token that is made of it.", also_tried=("load_secret", "load_token")),
    Key(section="store", name="enabled", kind=Flag(), default=True, help="Whether there is a history."),
    Key(section="store", name="path", kind=FilePath(), default_words="`store.db` in your data folder", variable="TRADEPROBE_STORE", help="Where it is. As variable or option, `none` turns it off.", also_tried=("file", "db")),
    Key(section="store.keep", name="ticks", kind=_KEPT, default=DAY, help="Every price."),
    Key(section="store.keep", name="samples", kind=_KEPT, default=14 * DAY, help="Every measured number."),
    Key(section="store.keep", name="minutes", kind=_KEPT, default=90 * DAY, help="The sums of a minute; those of an hour stay."),
    Key(section="store.keep", name="routine", kind=_KEPT, default=30 * DAY, help="Successful attempts, changes of state."),
    Key(section="store.keep", name="events", kind=_KEPT, default=YEAR, help="Disconnects, failures, incidents, alerts."),
)  # fmt: skip

# Variables that are no settings of the table: they say where things are.
OTHER_VARIABLES = {
    "TRADEPROBE_CONFIG": "The configuration file, instead of looking for one.",
    "TRADEPROBE_HOME": "The folder for everything that is kept.",
}


def section_at(path: str) -> Section | None:
    return next((section for section in SECTIONS if section.path == path), None)


def keys_of(section: str) -> dict[str, Key]:
    return {key.name: key for key in KEYS if key.section == section}


def variables() -> dict[str, str]:
    """Every environment variable of ours, and what it says."""
    return {key.variable: key.help for key in KEYS if key.variable} | OTHER_VARIABLES
