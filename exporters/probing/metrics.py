"""What `/probe` answers: the table of its metrics, and one look written by it.

Written directly: a registry of objects for each request would cost more than the probe's own work.
"""

from functools import lru_cache
from ipaddress import ip_address

from exporters.probing.look import Look
from probe.diagnose.facts import Facts
from probe.measure.metrics import CODE, PHASE, PREFIX, REASON, Family, Kind, Label, word
from probe.model.events import Phase

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_CODES = 3  # of the verdict; the rest is on the debug page
SOCKET_PHASES = {
    Phase.RESOLVING: "resolve",
    Phase.CONNECTING: "connect",
    Phase.SECURING: "tls",
    Phase.UPGRADING: "upgrade",
}


def _gauge(name: str, text: str, *labels: Label, unit: str = "") -> Family:
    return Family(name=name, kind=Kind.GAUGE, help=text, unit=unit, labels=labels)


SUCCESS = _gauge("probe_success", "Displays whether or not the probe was a success.")
DURATION = _gauge(
    "probe_duration_seconds",
    "How long the probe took to complete: to its goal, or to its failure.",
    unit="seconds",
)
TIMEOUT = _gauge("probe_timeout_seconds", "How long it may have taken.", unit="seconds")
LOOKUP = _gauge(
    "probe_dns_lookup_time_seconds", "The time taken for the DNS lookup of the first hop.", unit="seconds"
)
IP_PROTOCOL = _gauge("probe_ip_protocol", "Whether the address connected to is of IPv4 or IPv6: 4 or 6.")
IP_HASH = _gauge("probe_ip_addr_hash", "A hash of that address, to see that it changed.")
CERTIFICATE = _gauge(
    "probe_ssl_earliest_cert_expiry",
    "When the first of the certificates ends that the server showed, in seconds since 1970.",
)
TLS_VERSION = _gauge(
    "probe_tls_version_info",
    "The TLS version that was agreed on.",
    Label(name="version", help="such as `TLS 1.3`", values=("TLS 1.2", "TLS 1.3")),
)
SOCKET_DURATION = _gauge(
    "probe_websocket_duration_seconds",
    "How long each step to the WebSocket took.",
    Label(name="phase", help="a step", values=tuple(SOCKET_PHASES.values())),
    unit="seconds",
)
STATUS = _gauge("probe_websocket_status_code", "The HTTP status that answered the request for a WebSocket.")
UPGRADED = _gauge("probe_websocket_connection_upgraded", "Whether there was a WebSocket.")
OUR_DURATION = _gauge(
    "probe_phase_duration_seconds",
    "How long each step took, to the greeting and beyond.",
    PHASE,
    unit="seconds",
)
OUR_REASON = _gauge("probe_reason", "1 for why it failed. Missing where it did not.", REASON)
OUR_CODE = _gauge(
    "probe_diagnosis",
    "1 for each verdict that holds, at most three; `probe explain CODE` tells of each. Missing where it did not fail.",
    CODE,
)

AS_BLACKBOX = (
    SUCCESS,
    DURATION,
    TIMEOUT,
    LOOKUP,
    IP_PROTOCOL,
    IP_HASH,
    CERTIFICATE,
    TLS_VERSION,
    SOCKET_DURATION,
    STATUS,
    UPGRADED,
)
OURS = (OUR_DURATION, OUR_REASON, OUR_CODE)
NAMES: dict[Family, str] = {each: each.name for each in AS_BLACKBOX} | {
    each: PREFIX + each.name for each in OURS
}
_HEADS = {id(each): f"# HELP {name} {each.help}\n# TYPE {name} gauge\n" for each, name in NAMES.items()}
_BEGINNINGS = {id(each): name for each, name in NAMES.items()}
_TLS_VERSIONS = {"TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}


def rendered(found: Look) -> str:
    """In the text format. What is not known is not there."""
    out: list[str] = []

    def put(family: Family, value: float, label: str = "") -> None:
        out.append(f"{_HEADS[id(family)]}{_BEGINNINGS[id(family)]}{label} {value}\n")

    def put_all(family: Family, rows: list[tuple[str, float]]) -> None:
        if rows:
            name = f"{_BEGINNINGS[id(family)]}{{{family.labels[0].name}="
            out.append(_HEADS[id(family)] + "".join(f'{name}"{label}"}} {value}\n' for label, value in rows))

    facts = found.facts
    phases = [(each.phase, each.at - each.began_at) for each in facts.phases]
    dialled = facts.dialled
    put(SUCCESS, int(found.success))
    put(DURATION, found.seconds)
    put(TIMEOUT, found.timeout)
    if phases and phases[0][0] is Phase.RESOLVING:
        put(LOOKUP, phases[0][1])
    if dialled is not None:
        protocol, hashed = _address(dialled.address)
        put(IP_PROTOCOL, protocol)
        put(IP_HASH, hashed)
        if dialled.tls is not None and (version := _TLS_VERSIONS.get(dialled.tls.version)) is not None:
            put(TLS_VERSION, 1, f'{{version="{version}"}}')
    if (ends := _certificates_end(facts)) is not None:
        put(CERTIFICATE, ends)
    if found.endpoint.scheme in ("ws", "wss"):
        put_all(SOCKET_DURATION, [(SOCKET_PHASES[each], s) for each, s in phases if each in SOCKET_PHASES])
        failure = facts.ended.failure if facts.ended else None
        status = facts.upgraded.status if facts.upgraded else failure.http_status if failure else None
        if status is not None:
            put(STATUS, status)
        put(UPGRADED, int(facts.upgraded is not None))
    put_all(OUR_DURATION, [(word(each.value), seconds) for each, seconds in phases])
    if (reason := found.reason) is not None:
        put_all(OUR_REASON, [(reason.value, 1)])
        put_all(OUR_CODE, [(each.code, 1) for each in found.findings[:MOST_CODES]])
    return "".join(out)


def _certificates_end(facts: Facts) -> float | None:
    """Also of those that do not hold: an expired one is what one looks for."""
    if facts.dialled is not None:
        return facts.dialled.tls.earliest_end if facts.dialled.tls else None
    failure = facts.ended.failure if facts.ended else None
    return failure.seen.earliest_end if failure else None


@lru_cache(maxsize=1024)
def _address(text: str) -> tuple[int, int]:
    """Its family's number, and FNV-1a of its bytes as blackbox_exporter computes it."""
    address = ip_address(text.split("%", 1)[0])
    hashed = 0x811C9DC5
    for byte in address.packed:
        hashed = (hashed ^ byte) * 0x01000193 & 0xFFFFFFFF
    return address.version, hashed
