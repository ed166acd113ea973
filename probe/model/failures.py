"""Why a connection ended, as data. One table says for each kind who is usually to blame, whether to try again, and what to tell the user.

Kinds are observations ("the peer sent 41 and nothing else"), not diagnoses. `Kind.code` is the slug of the failure
catalogue that such an observation points to most often.
"""

from dataclasses import dataclass
from enum import Enum

from probe.model.findings import Certainty


class Layer(Enum):
    DNS = "dns"
    TCP = "tcp"
    PROXY = "proxy"
    TLS = "tls"
    UPGRADE = "upgrade"
    ENGINE = "engine"
    AUTH = "auth"
    HEARTBEAT = "heartbeat"
    DATA = "data"
    CLOSING = "closing"
    LOCAL = "local"


class Retry(Enum):
    """What a reconnect policy may do after such an end."""

    BACKOFF = "backoff"
    OTHER_REGION = "other region"
    SERVER_SAYS = "as the server says"  # Retry-After
    STOP = "stop"  # never hammer: a person has to change something


class Blame(Enum):
    US = "this machine"
    NETWORK = "the network between"
    PROXY = "the proxy"
    EDGE = "the broker's edge"
    BROKER = "the broker"
    CREDENTIAL = "the credential"
    UNKNOWN = "not known"


class Speaker(Enum):
    """Who said something last before the end."""

    LOCAL = "we"
    REMOTE = "the server"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    layer: Layer
    says: str  # the cause in one sentence
    advise: str  # the next step
    code: str  # the catalogue's slug
    retry: Retry = Retry.BACKOFF
    blame: Blame = Blame.UNKNOWN
    certainty: Certainty = Certainty.LIKELY  # that `code` is what it is


def _kind(
    layer: Layer,
    says: str,
    advise: str,
    code: str,
    retry: Retry = Retry.BACKOFF,
    blame: Blame = Blame.UNKNOWN,
) -> Kind:
    return Kind(
        layer=layer,
        says=says,
        advise=advise,
        code=code,
        retry=retry,
        blame=blame,
        certainty=_CERTAINTY.get(code, Certainty.LIKELY),
    )


# Only what its observation proves, or what leaves more than one look-alike; all others are likely.
_CERTAINTY = dict.fromkeys(
    (
        "dns.nxdomain",
        "tcp.refused",
        "tcp.proxy-refused",
        "tcp.proxy-auth",
        "tls.unknown-ca",
        "tls.server-cert-expired",
        "tls.hostname",
        "http.200-not-101",
        "http.redirect",
        "http.cf-challenge",
        "http.429",
        "http.wrong-path",
        "session.message-too-big",
        "session.protocol-error",
        "host.fd-limit",
    ),
    Certainty.CERTAIN,
) | dict.fromkeys(
    ("auth.silent-after-connect", "session.closed-1006", "auth.demo-real-mismatch"), Certainty.POSSIBLE
)


_RESOLVER = "Check the spelling of the host, then try another resolver or network."
_PROXY = "Fix the proxy setting, add the host to no_proxy, or go without the proxy (proxy: none)."
_PATH = "Try from another network; if that works, a firewall, proxy or provider in between is the cause."
_FRESH = "Log in anew where it came from (as a rule the browser), copy the whole of it, and try it once from the same network."
_OTHER_HOST = "Try another region, and the same again in a few minutes."
_VERSION = (
    "Check the path in the URL, and the EIO number if it has one; the broker may have changed its protocol."
)
_AGAIN = "Try again; if it repeats, compare with another region and another network."

KINDS: dict[str, Kind] = {
    "dns.nxdomain": _kind(
        Layer.DNS,
        "the host's name does not exist",
        _RESOLVER,
        "dns.nxdomain",
        Retry.OTHER_REGION,
        Blame.NETWORK,
    ),
    "dns.temporary-failure": _kind(
        Layer.DNS,
        "the resolver gave no answer about the host's name",
        _RESOLVER,
        "dns.temporary-failure",
        blame=Blame.NETWORK,
    ),
    "dns.no-address": _kind(
        Layer.DNS,
        "the host's name has no address",
        _RESOLVER,
        "dns.no-address",
        Retry.OTHER_REGION,
        Blame.NETWORK,
    ),
    "dns.timeout": _kind(
        Layer.DNS,
        "looking up the host's name took too long",
        _RESOLVER,
        "dns.temporary-failure",
        blame=Blame.NETWORK,
    ),
    "tcp.refused": _kind(
        Layer.TCP,
        "nothing listens on that port: the connection was refused",
        "Check host and port; if they are right, the service is down or a firewall answers for it.",
        "tcp.refused",
        Retry.OTHER_REGION,
    ),
    "tcp.timeout": _kind(
        Layer.TCP,
        "the host did not answer the connection attempt",
        _PATH,
        "tcp.timeout",
        Retry.OTHER_REGION,
        Blame.NETWORK,
    ),
    "tcp.unreachable": _kind(
        Layer.TCP,
        "there is no route to the host",
        "Check your own network and VPN.",
        "tcp.unreachable",
        blame=Blame.NETWORK,
    ),
    "tcp.denied-locally": _kind(
        Layer.TCP,
        "this machine's own rules forbid the connection",
        "Check the local firewall and security software.",
        "tcp.denied-locally",
        Retry.STOP,
        Blame.US,
    ),
    "tcp.reset-in-path": _kind(
        Layer.TCP,
        "the connection was reset while it was being opened",
        _PATH,
        "tcp.reset-in-path",
        blame=Blame.NETWORK,
    ),
    "tcp.proxy-unknown": _kind(
        Layer.DNS, "the proxy's name could not be looked up", _PROXY, "tcp.proxy-refused", blame=Blame.PROXY
    ),
    "tcp.proxy-refused": _kind(
        Layer.TCP, "the proxy cannot be reached", _PROXY, "tcp.proxy-refused", blame=Blame.PROXY
    ),
    "tcp.proxy-silent": _kind(
        Layer.PROXY,
        "the proxy took the connection and did not open a way to the server",
        "Either the proxy hangs, or the server does not answer it, or the proxy's URL has the wrong scheme: try the proxy with another site, and the server without it (proxy: none).",
        "tcp.timeout",
    ),
    "tcp.proxy-closed": _kind(
        Layer.PROXY,
        "the proxy ended the connection instead of opening a way to the server",
        "Check the scheme and port of the proxy's URL (http:// or socks5://) and its login; or go without it (proxy: none).",
        "tcp.proxy-refused",
        blame=Blame.PROXY,
    ),
    "tcp.proxy-auth": _kind(
        Layer.PROXY,
        "the proxy wants another login",
        "Put user and password into the proxy's URL (http://user:password@host:port); one that takes only NTLM or Kerberos needs a helper such as cntlm.",
        "tcp.proxy-auth",
        Retry.STOP,
        Blame.PROXY,
    ),
    "tcp.proxy-denied": _kind(
        Layer.PROXY,
        "the proxy refuses to connect to this server",
        "That is the rule of whoever runs the proxy: ask them to allow host and port, use another proxy, or go without it (proxy: none).",
        "tcp.proxy-refused",
        Retry.STOP,
        Blame.PROXY,
    ),
    "tcp.proxy-no-target": _kind(
        Layer.PROXY,
        "the proxy could not connect to the server",
        "Try the server without the proxy (proxy: none); if it can be reached so, the proxy's own network or name lookup is at fault.",
        "tcp.unreachable",
        Retry.OTHER_REGION,
    ),
    "tcp.proxy-protocol": _kind(
        Layer.PROXY,
        "what answers at the proxy's address does not speak as such a proxy does",
        "Check the scheme and port of the proxy's URL: http:// and socks5:// are understood.",
        "tcp.proxy-refused",
        Retry.STOP,
        Blame.PROXY,
    ),
    "tls.unknown-ca": _kind(
        Layer.TLS,
        "the server's certificate comes from an authority this machine does not trust",
        "If this is your own server, give the file of its authority (ca); otherwise something in between intercepts TLS: do not log in.",
        "tls.unknown-ca",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.server-cert-expired": _kind(
        Layer.TLS,
        "the server's certificate has expired",
        "Check this machine's date; if it is right, only the server's owner can fix it.",
        "tls.server-cert-expired",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.not-yet-valid": _kind(
        Layer.TLS,
        "the server's certificate is not valid yet",
        "Check this machine's date: a clock that is behind looks exactly like this.",
        "tls.clock-skew",
        Retry.STOP,
        Blame.US,
    ),
    "tls.hostname": _kind(
        Layer.TLS,
        "the server's certificate belongs to another name",
        "Check the host; behind a proxy or captive portal, do not log in.",
        "tls.hostname",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.version": _kind(
        Layer.TLS,
        "client and server share no TLS version",
        "Lower the minimum (tls-min: 1.2) if you trust the server; otherwise it has to be updated.",
        "tls.version",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.plain-on-tls": _kind(
        Layer.TLS,
        "the port does not speak TLS",
        "Use ws:// or http:// for a server of your own without TLS, or the right port.",
        "tls.plain-on-tls",
        Retry.STOP,
    ),
    "tls.eof-in-handshake": _kind(
        Layer.TLS,
        "the connection ended in the middle of the TLS handshake",
        _PATH,
        "tls.eof-in-handshake",
        blame=Blame.NETWORK,
    ),
    "tls.client-cert-required": _kind(
        Layer.TLS,
        "the server wants a client certificate",
        "This is not the public trading endpoint; check the URL.",
        "tls.client-cert-required",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.not-verified": _kind(
        Layer.TLS,
        "the server's certificate could not be verified",
        "Do not log in there. Check host, date and proxy.",
        "tls.not-verified",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.alert": _kind(
        Layer.TLS,
        "the server ended the TLS handshake with an alert",
        _PATH,
        "tls.version",
        Retry.STOP,
        Blame.EDGE,
    ),
    "tls.timeout": _kind(
        Layer.TLS,
        "the TLS handshake did not finish in time",
        _PATH,
        "tls.eof-in-handshake",
        blame=Blame.NETWORK,
    ),
    "http.200-not-101": _kind(
        Layer.UPGRADE,
        "the server answered with an ordinary page instead of what was asked for",
        "Often a challenge or block page for this address: open the site in a browser from the same network, or use another region.",
        "http.200-not-101",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.cf-challenge": _kind(
        Layer.UPGRADE,
        "the server's edge (Cloudflare) wants to see a browser first",
        "See whether a browser on the same address passes, and connect less often; a new session string will not help.",
        "http.cf-challenge",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.redirect": _kind(
        Layer.UPGRADE,
        "the server redirects elsewhere instead of answering",
        "Check host and path; redirects are never followed with a credential.",
        "http.redirect",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.bad-request": _kind(
        Layer.UPGRADE,
        "the server called the request malformed (HTTP 400)",
        _VERSION,
        "http.no-upgrade",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.401": _kind(
        Layer.UPGRADE,
        "the server wants another login first (HTTP 401)",
        _FRESH,
        "http.401",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "http.403": _kind(
        Layer.UPGRADE,
        "the server's edge refused the request (HTTP 403)",
        "This address, browser name or origin is not welcome there: try the site in a browser from the same network.",
        "http.403-origin",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.wrong-path": _kind(
        Layer.UPGRADE,
        "what is asked for is not at that path (HTTP 404)",
        _VERSION,
        "http.wrong-path",
        Retry.STOP,
    ),
    "http.429": _kind(
        Layer.UPGRADE,
        "the server says: too many requests (HTTP 429)",
        "Wait as long as it says, then connect and ask less often.",
        "http.429",
        Retry.SERVER_SAYS,
        Blame.US,
    ),
    "http.bad-gateway": _kind(
        Layer.UPGRADE,
        "the broker's server behind the edge is not available",
        _OTHER_HOST,
        "http.bad-gateway",
        Retry.SERVER_SAYS,
        Blame.BROKER,
    ),
    "http.refused": _kind(
        Layer.UPGRADE,
        "the server refuses the request",
        "Read what it says; it may want another path, or a client or account that is allowed this.",
        "http.403-origin",
        Retry.SERVER_SAYS,
        Blame.EDGE,
    ),
    "http.other-status": _kind(
        Layer.UPGRADE,
        "the server answered with an unexpected status",
        _OTHER_HOST,
        "http.bad-gateway",
        Retry.SERVER_SAYS,
        Blame.EDGE,
    ),
    "http.not-http": _kind(
        Layer.UPGRADE,
        "what answered does not speak HTTP",
        "Check host and port, and ws:// against wss://.",
        "http.not-http",
        Retry.STOP,
    ),
    "http.handshake-invalid": _kind(
        Layer.UPGRADE,
        "the server's WebSocket handshake is wrong",
        _PATH,
        "http.handshake-invalid",
        Retry.STOP,
        Blame.EDGE,
    ),
    "http.closed": _kind(
        Layer.UPGRADE,
        "the connection ended before an answer came",
        _AGAIN,
        "http.open-timeout",
    ),
    "http.open-timeout": _kind(
        Layer.UPGRADE,
        "the server accepted the connection and then did not answer the request",
        _OTHER_HOST,
        "http.open-timeout",
        Retry.OTHER_REGION,
    ),
    "eio.no-open": _kind(
        Layer.ENGINE,
        "the WebSocket opened, but the Engine.IO greeting did not come",
        _VERSION,
        "eio.no-open",
        Retry.OTHER_REGION,
        Blame.BROKER,
    ),
    "eio.bad-open": _kind(
        Layer.ENGINE,
        "the WebSocket opened, but what came first is not an Engine.IO greeting",
        _VERSION,
        "eio.no-open",
        Retry.STOP,
        Blame.BROKER,
    ),
    "eio.ping-timeout": _kind(
        Layer.HEARTBEAT,
        "the server stopped sending its heartbeat",
        _AGAIN,
        "eio.ping-timeout",
        blame=Blame.BROKER,
    ),
    "sio.connect-silent": _kind(
        Layer.ENGINE,
        "the server did not open its namespace: the 40 never came",
        _OTHER_HOST,
        "sio.connect-silent",
        Retry.OTHER_REGION,
        Blame.BROKER,
    ),
    "sio.connect-error": _kind(
        Layer.ENGINE,
        "the server refused its namespace",
        _VERSION,
        "sio.connect-error",
        Retry.STOP,
        Blame.BROKER,
    ),
    "auth.refused": _kind(
        Layer.AUTH,
        "the server refused the credential in so many words",
        _FRESH,
        "auth.session-expired",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "auth.rejected-41": _kind(
        Layer.AUTH,
        "the server ended the session right after the login, without a reason",
        _FRESH,
        "auth.rejected-41",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "auth.closed": _kind(
        Layer.AUTH,
        "the server closed the connection during the login",
        "Check that the account kind fits the host where the broker has one for each; otherwise: " + _FRESH,
        "auth.demo-real-mismatch",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "auth.silent-after-connect": _kind(
        Layer.AUTH,
        "the server took the login and said nothing about it",
        "Check that the frame is the trading one and complete; otherwise the service may be in trouble: try again later.",
        "auth.silent-after-connect",
        Retry.STOP,
    ),
    "login.refused": _kind(
        Layer.AUTH,
        "the sign-in page refused the e-mail or the password",
        "Sign in once with a browser to see which of the two is wrong; do not repeat it here, or the account may be locked.",
        "auth.bad-credentials",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "login.pin-wanted": _kind(
        Layer.AUTH,
        "the broker mailed a PIN and nobody gave it",
        "Take it from the mail and say where it comes from (pin: - or env:NAME), or answer the question on a terminal.",
        "auth.2fa-pin",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "login.pin-refused": _kind(
        Layer.AUTH,
        "the broker refused the PIN",
        "Use the one from the newest mail: signing in again made the earlier ones worthless.",
        "auth.2fa-pin",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "login.region": _kind(
        Layer.AUTH,
        "the sign-in page says that the broker is not available in this region",
        "Nothing here can change that; your network's address decides.",
        "geo.blocked",
        Retry.STOP,
        Blame.BROKER,
    ),
    "login.page-changed": _kind(
        Layer.AUTH,
        "a web page of the broker lacks what signing in needs",
        "Look at the page with a browser; if it works there, update tradeprobe, and until then copy the session by hand.",
        "cfg.login-page-changed",
        Retry.STOP,
        Blame.BROKER,
    ),
    "login.signed-out": _kind(
        Layer.AUTH,
        "the web session is over, so the token cannot be renewed",
        "Sign in again with the e-mail and the password.",
        "auth.session-expired",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "login.stale-token": _kind(
        Layer.AUTH,
        "the broker handed out the same token that it rejects",
        "Sign out in every browser, then sign in again with the e-mail and the password.",
        "auth.reconnect-stale-token",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "auth.revoked": _kind(
        Layer.AUTH,
        "the server withdrew the login while the session was live",
        _FRESH,
        "auth.logged-in-elsewhere",
        Retry.STOP,
        Blame.CREDENTIAL,
    ),
    "session.half-open": _kind(
        Layer.HEARTBEAT,
        "the connection went dead: a heartbeat was not answered and nothing else came either",
        _AGAIN,
        "session.half-open",
        blame=Blame.NETWORK,
    ),
    "session.goodbye": _kind(
        Layer.CLOSING,
        "the server ended the session (41 or its Engine.IO equivalent)",
        _AGAIN,
        "session.closed-normal",
        blame=Blame.BROKER,
    ),
    "session.closed-normal": _kind(
        Layer.CLOSING,
        "the server closed the session in order",
        _AGAIN,
        "session.closed-normal",
        blame=Blame.BROKER,
    ),
    "session.closed-1005": _kind(
        Layer.CLOSING,
        "the server closed the session without a code",
        _AGAIN,
        "session.closed-1005",
        blame=Blame.BROKER,
    ),
    "session.closed-1006": _kind(
        Layer.CLOSING, "the connection ended without a goodbye", _AGAIN, "session.closed-1006"
    ),
    "session.policy-1008": _kind(
        Layer.CLOSING,
        "the server closed the session for a breach of its policy (1008)",
        "Lower the rate of requests and connections; do not reconnect at once.",
        "session.policy-1008",
        Retry.STOP,
        Blame.US,
    ),
    "session.app-close": _kind(
        Layer.CLOSING,
        "the server closed the session with a code of its own",
        _AGAIN,
        "session.app-close-4xxx",
        blame=Blame.BROKER,
    ),
    "session.closed-other": _kind(
        Layer.CLOSING,
        "the server closed the session because of trouble on its side",
        _OTHER_HOST,
        "session.closed-1006",
        blame=Blame.BROKER,
    ),
    "session.message-too-big": _kind(
        Layer.DATA,
        "the server sent a message larger than any a broker sends",
        _VERSION,
        "session.message-too-big",
        Retry.STOP,
        Blame.BROKER,
    ),
    "session.protocol-error": _kind(
        Layer.DATA,
        "the server sent bytes that are not valid WebSocket",
        _PATH,
        "session.protocol-error",
        blame=Blame.NETWORK,
    ),
    "session.peer-not-reading": _kind(
        Layer.CLOSING,
        "the server does not read what we send it",
        _AGAIN,
        "session.half-open",
        blame=Blame.BROKER,
    ),
    "session.tcp-reset": _kind(
        Layer.CLOSING, "the connection was reset", _PATH, "session.tcp-reset", blame=Blame.NETWORK
    ),
    "session.tls-broken": _kind(
        Layer.TLS, "the encrypted stream broke", _PATH, "session.tcp-reset", blame=Blame.NETWORK
    ),
    "session.network-gone": _kind(
        Layer.TCP,
        "the network under the session went away",
        "Check your own network and VPN.",
        "session.half-open",
        blame=Blame.NETWORK,
    ),
    "host.fd-limit": _kind(
        Layer.LOCAL,
        "this process has no file handles left",
        "Raise the limit (ulimit -n) or open fewer sessions.",
        "host.fd-limit",
        blame=Blame.US,
    ),
    "host.no-ports": _kind(
        Layer.LOCAL,
        "this machine has no local ports left",
        "Open fewer connections, or wait a minute.",
        "load.ephemeral-ports",
        blame=Blame.US,
    ),
    "host.unreadable-file": _kind(
        Layer.LOCAL,
        "a file on this machine cannot be read",
        "Check that it is there and that this user may read it.",
        "host.unreadable-file",
        blame=Blame.US,
    ),
    "terminal.absent": _kind(
        Layer.LOCAL,
        "there is no trading terminal to ask",
        "Start the terminal yourself and log in to it; nothing here starts one.",
        "tcp.unreachable",
    ),
    "terminal.denied": _kind(
        Layer.LOCAL,
        "a password may not go that way",
        "Log in at the terminal by hand, or reach its bridge through a tunnel that ends on this machine.",
        "tcp.denied-locally",
        Retry.STOP,
        Blame.US,
    ),
    "terminal.silent": _kind(
        Layer.DATA,
        "the trading terminal did not answer in time",
        "Look at the terminal itself: a dialog may be open, or it hangs; then start it anew.",
        "session.request-no-reply",
        blame=Blame.US,
    ),
    "terminal.bridge-version": _kind(
        Layer.ENGINE,
        "the bridge to the terminal speaks another version of its protocol",
        "Use the same major version of rpyc at both ends.",
        "cfg.client-outdated",
        Retry.STOP,
        Blame.US,
    ),
    "local.timeout": _kind(
        Layer.LOCAL,
        "the time given for this ran out",
        "Give it a longer timeout.",
        "http.open-timeout",
        blame=Blame.UNKNOWN,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFacts:
    """The WebSocket close as both sides said it; None: that side sent no close frame."""

    received_code: int | None = None
    received_reason: str = ""
    sent_code: int | None = None
    received_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer that came in place of what was asked for; redacted."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()  # those that tell who answered and why; names in small letters
    body: str = ""  # its beginning
    is_whole: bool = True  # False: the end of its body was waited for in vain

    def header(self, name: str) -> str:
        """Empty: it is not there."""
        return next((value for known, value in self.headers if known == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What lay before us when it failed. Verdicts rest on this, and never on the words of a library."""

    error: str = ""  # the innermost one's own name: ECONNRESET, EAI_NONAME, or what OpenSSL calls it
    first_bytes: str = ""  # of an answer that is no HTTP, each sign a byte
    answer: Answer | None = None
    earliest_end: float | None = None  # UTC seconds, of the certificates that were shown and did not hold


NOTHING_SEEN = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    kind: str
    spoke_last: Speaker = Speaker.NOBODY
    detail: str = ""  # what exactly was seen; redacted
    close: CloseFacts | None = None
    http_status: int | None = None
    slug: str | None = None  # the catalogue's, where more is known than the kind says
    retry_after_seconds: float | None = None
    seen: Seen = NOTHING_SEEN

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown failure kind {self.kind!r}")

    @property
    def code(self) -> str:
        """The catalogue's slug."""
        return self.slug or self.facts.code

    @property
    def facts(self) -> Kind:
        return KINDS[self.kind]

    def __str__(self) -> str:
        return f"{self.facts.says} ({self.detail})" if self.detail else self.facts.says
