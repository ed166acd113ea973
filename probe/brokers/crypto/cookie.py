"""The session's cookie as the backend sets it: its value, how long it lives, and what keeps a browser from sending it back."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from probe.model.credentials import Secret
from probe.model.endpoint import read_url
from probe.wire.calls import HttpReply

VALUE = re.compile(
    r"[!#-+\--:<-\[\]-~]{1,4096}"
)  # RFC 6265: printable, no quote, comma, semicolon, backslash
_SHOWN = ("path", "domain", "max-age", "expires", "secure", "httponly", "samesite")
_HARMLESS = re.compile(r"[A-Za-z0-9 ./:,+_-]{0,80}")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    value: Secret | None  # None: it is deleted
    attributes: Mapping[str, str]  # names in small letters

    @property
    def max_age(self) -> float | None:
        age = self.attributes.get("max-age", "")
        return float(age) if re.fullmatch(r"[0-9]{1,12}", age, re.ASCII) else None

    def describe(self) -> str:
        """Its attributes, fit to be shown; `read_attributes` reads them back."""
        return "; ".join(
            f"{name}={value}" if value else name
            for name, value in self.attributes.items()
            if name in _SHOWN and _HARMLESS.fullmatch(value)
        )


def issued(reply: HttpReply, name: str) -> Issued | None:
    """What this answer does to the cookie; None: nothing. The last word counts."""
    found = None
    for header, line in reply.headers:
        pair, _, rest = line.partition(";")
        key, _, value = pair.partition("=")
        if header.lower() == "set-cookie" and key.strip() == name:
            attributes = read_attributes(rest)
            bare = value.strip().strip('"')
            is_over = attributes.get("max-age") == "0" or " 1970 " in attributes.get("expires", "")
            keeps = VALUE.fullmatch(bare) is not None and not is_over
            found = Issued(value=Secret(bare) if keeps else None, attributes=attributes)
    return found


def names_set(reply: HttpReply) -> tuple[str, ...]:
    lines = [line for header, line in reply.headers if header.lower() == "set-cookie"]
    return tuple(name for line in lines if _HARMLESS.fullmatch(name := line.partition("=")[0].strip()))


def read_attributes(text: str) -> dict[str, str]:
    pieces = (piece.partition("=") for piece in text.split(";") if piece.strip())
    return {key.strip().lower(): value.strip() for key, _, value in pieces}


def lifetime(seconds: float | None) -> str:
    if seconds is None:
        return "until the browser is closed"
    return f"{seconds / _DAY:g} days" if seconds >= _DAY else f"{seconds:g} s"


def issued_at(value: str) -> float | None:
    """UTC, as a signed cookie tells it: payload, time and signature with dots between."""
    pieces = value.rsplit(".", 2)
    if len(pieces) != 3 or not re.fullmatch(r"[A-Za-z0-9_-]{6}", pieces[1]):
        return None
    at = int.from_bytes(base64.urlsafe_b64decode(pieces[1] + "=="), "big")
    return float(at) if 1_500_000_000 < at < 4_100_000_000 else None


def unsendable(attributes: Mapping[str, str], base: str) -> str | None:
    """Why a browser would not send it back to where it came from."""
    address = read_url(base)
    domain = attributes.get("domain", "").removeprefix(".").lower()
    path = attributes.get("path", "/") or "/"
    if "secure" in attributes and not address.secure:
        return "Secure, and the address is plain http"
    if attributes.get("samesite", "").lower() == "none" and "secure" not in attributes:
        return "SameSite=None without Secure"
    if domain and address.host != domain and not address.host.endswith("." + domain):
        return "Domain, which names another host"
    if path != "/" and not address.path.startswith(path):
        return "Path, which leaves most of the backend out"
    return None


def careless(attributes: Mapping[str, str], base: str) -> str | None:
    """What makes it easier to steal than it need be."""
    if "httponly" not in attributes:
        return "HttpOnly is missing: scripts of the page can read it"
    if "secure" not in attributes and read_url(base).secure:
        return "Secure is missing: it would also go out unencrypted"
    return None
