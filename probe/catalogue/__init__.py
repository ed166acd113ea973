"""The failures that have a name: how each looks, what it is not, what to do. The text beside this file is all there is of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files

STAGED = "✔"
_FIELDS = ("Seen", "Evidence", "Not", "Sure", "Do", "Reason", "Cause", "Stage")
_HEADING = re.compile(r"## `([a-z0-9.-]+)` (.+)")
_FIELD = re.compile(r"- \*\*(\w+):\*\* (.+)")
_LOOK_ALIKE = re.compile(r"(?:^|; )`([a-z0-9-]+\.[a-z0-9-]+)`(?:: (.+?))?(?=; `|\Z)")


class Reason(Enum):
    """Why an attempt or a session failed, in few words: the values of a metric's label."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    DNS_NXDOMAIN = "dns_nxdomain"
    DNS_TIMEOUT = "dns_timeout"
    TLS_CERT = "tls_cert"
    TLS_VERSION = "tls_version"
    HTTP_STATUS = "http_status"
    NOT_WEBSOCKET = "not_websocket"
    EIO_VERSION = "eio_version"
    EIO_ERROR = "eio_error"
    SIO_ERROR = "sio_error"
    AUTH_REJECTED = "auth_rejected"
    AUTH_EXPIRED = "auth_expired"
    AUTH_MALFORMED = "auth_malformed"
    RATE_LIMITED = "rate_limited"
    GEO_BLOCKED = "geo_blocked"
    CLOSED_EARLY = "closed_early"
    PROTOCOL = "protocol"
    FIRST_DATA_MISSING = "first_data_missing"
    CANCELLED = "cancelled"
    INTERNAL = "internal"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    code: str
    layer: str  # where it breaks, in words
    title: str
    seen: str
    evidence: str
    look_alikes: Mapping[str, str]  # by code, with what tells it from this one
    separated: str  # the same as one text
    sure: str  # how far a verdict may go
    advice: tuple[str, ...]  # in the order to try
    reason: Reason
    cause: str | None  # which of the causes of bad seconds; None: it costs none by itself
    stage: str  # begins with the mark below, if tests stage it for real

    @property
    def staged(self) -> bool:
        return self.stage.startswith(STAGED)


@cache
def entries() -> Mapping[str, Entry]:
    """By code, in the order in which a connection can fail."""
    texts = sorted(
        (each for each in files(__name__).iterdir() if each.name.endswith(".md")), key=lambda each: each.name
    )
    return {entry.code: entry for each in texts for entry in _read(each.read_text("utf-8"))}


def _read(text: str) -> Iterator[Entry]:
    heading, *blocks = text.removeprefix("# ").split("\n\n")
    for block in blocks:
        first, *lines = block.strip().splitlines()
        name, rows = _HEADING.fullmatch(first), [_FIELD.fullmatch(line) for line in lines]
        fields = {row[1]: row[2] for row in rows if row is not None}
        if name is None or tuple(fields) != _FIELDS or None in rows:
            raise ValueError(f"the catalogue's text cannot be read here: {first}")
        yield Entry(
            code=name[1],
            layer=heading.strip(),
            title=name[2],
            seen=fields["Seen"],
            evidence=fields["Evidence"],
            look_alikes=dict(_LOOK_ALIKE.findall(fields["Not"])),
            separated=fields["Not"],
            sure=fields["Sure"],
            advice=tuple(fields["Do"].split(" → ")),
            reason=Reason(fields["Reason"]),
            cause=None if fields["Cause"] == "none" else fields["Cause"],
            stage=fields["Stage"],
        )
