"""Where a connection goes: one address of one broker in one region."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from probe.model.errors import ConfigError


class Account(Enum):
    DEMO = "demo"
    LIVE = "live"
    NONE = "none"


class Sureness(Enum):
    """How well a fact about a broker is known."""

    CAPTURED = "A"  # a capture shows it
    AGREED = "B"  # independent clients agree
    CLAIMED = "C"  # one source says so
    INFERRED = "D"

    @property
    def trusted_with_credentials(self) -> bool:
        return self in (Sureness.CAPTURED, Sureness.AGREED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A URL taken apart once: how, host, port, path with query."""

    secure: bool
    host: str
    port: int
    path: str  # with its query

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    broker: str
    region: str
    url: str
    account: Account
    sureness: Sureness = Sureness.AGREED
    named_by_user: bool = False  # the user typed it: it may receive the credential
    label: str = ""

    @property
    def scheme(self) -> str:
        """How one talks there."""
        return self.url.partition("://")[0]

    @property
    def address(self) -> Address:
        return read_url(self.url)


# How one may talk, and the usual port. Terminals are found, not connected to, so their port says nothing.
_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443, "tcp": 443, "bridge": 18812, "terminal": 1}
_SECURE = ("wss", "https")
_EXAMPLE = "A complete one is wss://demo-api.example/socket.io/?EIO=4&transport=websocket"
_EXAMPLES = {
    "http": "A complete one is https://gateway.example:8000",
    "https": "A complete one is https://gateway.example:8000",
    "tcp": "A complete one is tcp://access.example:443",
    "bridge": "A complete one is bridge://127.0.0.1:18812",
}


@lru_cache(maxsize=1024)  # it is asked for several times of each connection
def read_url(url: str) -> Address:
    """Take the URL of an endpoint apart: ``ws://``, ``wss://``, ``http://``, ``https://``, ``tcp://``, ``bridge://`` or ``terminal://``.

    Raises:
        ConfigError: it says which piece of the URL is wrong.
    """

    def wrong(problem: str, next_step: str) -> ConfigError:
        return ConfigError(problem, where=f"URL {_shown(url)!r}", next_step=next_step)

    example = _EXAMPLES.get(url.partition("://")[0], _EXAMPLE)
    if any(char.isspace() or ord(char) < 32 for char in url):
        raise wrong("it contains white space or a control character", "Remove it.")
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError:  # its words would quote what may be a password
        raise wrong("its host or port is not valid", example) from None
    if parts.scheme not in _PORTS:
        raise wrong(f"its scheme is {parts.scheme!r}, not ws, wss, http or https", example)
    host = parts.hostname or ""
    if not host:
        raise wrong("it names no host", example)
    if host in ("ws", "wss", "http", "https"):
        raise wrong(f"its host is {host!r}: the scheme is written twice", f"Remove one of them. {example}")
    if parts.username is not None or parts.password is not None:
        raise wrong("it carries a user name or password", "Give the credential with --ssid instead.")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise wrong("its host is not a valid name", example) from None
    if any(not label or len(label) > 63 for label in host.rstrip(".").split(".")) and ":" not in host:
        raise wrong("its host has an empty or too long part", example)
    if len(host) > 253:
        raise wrong("its host is longer than any name can be", example)
    if port == 0:
        raise wrong("its port is 0", "Use a port from 1 to 65535.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(secure=parts.scheme in _SECURE, host=host, port=port or _PORTS[parts.scheme], path=path)


def _shown(url: str) -> str:
    """The URL without anything a credential could hide in; what stands before an @ may hold any sign."""
    before, at, after = url.rpartition("@")
    shown = before.split("://", 1)[0] + "://***@" + after if at else url
    return shown.split("?", 1)[0][:120]
