"""A proxy between us and a server: where it is, how it is spoken to, and the login it wants."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from probe.model.credentials import Secret
from probe.model.errors import ConfigError

LONGEST_LOGIN = 255  # bytes of user or password, RFC 1929


class Scheme(Enum):
    """How a proxy is spoken to. It is always given the server's name, never an address we looked up."""

    HTTP = "http"  # CONNECT
    SOCKS5 = "socks5"


# Desktops write socks:// for SOCKS5. With socks5:// some programs look up the server's name themselves, here nobody does.
_SCHEMES = {
    "http": Scheme.HTTP,
    "socks5": Scheme.SOCKS5,
    "socks5h": Scheme.SOCKS5,
    "socks": Scheme.SOCKS5,
}
_PORTS = {Scheme.HTTP: 80, Scheme.SOCKS5: 1080}


class Login(NamedTuple):
    user: Secret  # as secret as the password: some providers put a whole session into it
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    scheme: Scheme
    host: str
    port: int
    login: Login | None = None

    def __str__(self) -> str:
        """Its URL without the login, safe to show."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme.value}://{host}:{self.port}"


def read_proxy_url(url: str, where: str) -> Proxy:
    """Understand the URL of a proxy; without a scheme it is ``http://``, as everywhere.

    Raises:
        ConfigError: it says which piece of the URL is wrong, and repeats none of it: any piece may be a password.
    """

    def wrong(problem: str, next_step: str = "") -> ConfigError:
        example = "A complete one is http://user:password@proxy.example:3128 or socks5://proxy.example:1080."
        return ConfigError(problem, where=where, next_step=next_step or example)

    escape = "Write special characters of user and password as %XX: @ is %40, / is %2F, : is %3A."
    if any(char.isspace() or ord(char) < 32 for char in url):
        raise wrong("the proxy's URL contains white space or a control character", "Remove it.")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        raise wrong("this is no URL of a proxy", escape) from None
    if parts.scheme == "https":
        raise wrong(
            "a TLS connection to the proxy itself (https://) is not supported",
            "Most proxies named so are plain ones, also for wss:// targets: write http://.",
        )
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise wrong("the proxy's scheme is not http, socks5 or socks5h")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong("something follows the proxy's host and port", escape)
    try:
        port = parts.port if parts.port is not None else _PORTS[scheme]
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        raise wrong("the proxy's host or port is not valid", escape) from None
    if not host:
        raise wrong("the proxy's URL names no host")
    if port == 0:
        raise wrong("the proxy's port is 0", "Use a port from 1 to 65535.")
    login = None
    if parts.username is not None:
        login = Login(Secret(unquote(parts.username)), Secret(unquote(parts.password or "")))
        if any(len(piece.reveal().encode()) > LONGEST_LOGIN for piece in login):
            raise wrong(f"the proxy's user or password is longer than {LONGEST_LOGIN} bytes")
    return Proxy(scheme=scheme, host=host, port=port, login=login)
