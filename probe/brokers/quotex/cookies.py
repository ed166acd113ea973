"""Cookies of the web pages: taken from a text, kept by name as the server sets and deletes them, and sent back as one header."""

import re
from collections.abc import Iterable
from email.utils import parsedate

from probe.model.credentials import Secret
from probe.wire.calls import HttpReply

Cookies = tuple[tuple[str, Secret], ...]

MOST, LONGEST = 64, 4096  # cookies kept, characters of one: what browsers promise
_COOKIE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256})\s*=([ -:<-~]*)\s*")  # no semicolon, printable
_LONG_AGO = (2000, 1, 1)


def read_cookies(text: str) -> tuple[Cookies, int]:
    """The cookies of a text like ``a=b; c=d``, and how many pieces of it are none."""
    kept: dict[str, Secret] = {}
    bad = 0
    for piece in filter(str.strip, text.split(";")):
        cookie = _COOKIE.fullmatch(piece)
        if cookie is None or len(piece) > LONGEST or len(kept) >= MOST:
            bad += 1
            continue
        kept[cookie[1]] = Secret(cookie[2].strip())
    return tuple(kept.items()), bad


def cookie_header(cookies: Iterable[tuple[str, Secret]]) -> Secret:
    return Secret("; ".join(f"{name}={value.reveal()}" for name, value in cookies))


class Jar:
    """What one host has set. Paths are not told apart: everything it set goes back to it, and to nobody else."""

    __slots__ = ("_host", "_kept")

    def __init__(self, host: str, cookies: Cookies = ()) -> None:
        self._host = host
        self._kept = dict(cookies)

    def cookies(self) -> Cookies:
        return tuple(self._kept.items())

    def receive(self, reply: HttpReply) -> None:
        for name, value in reply.headers:
            if name.lower() == "set-cookie":
                self._set(value, reply.header("date"))

    def _set(self, line: str, server_time: str) -> None:
        pair, *rest = line.split(";")
        cookies, _ = read_cookies(pair)
        if not cookies:
            return
        attributes = {
            key.strip().lower(): value.strip() for key, _, value in (piece.partition("=") for piece in rest)
        }
        domain = attributes.get("domain", "").removeprefix(".").lower()
        if domain and self._host != domain and not self._host.endswith("." + domain):
            return
        name, value = cookies[0]
        if _is_over(attributes, server_time):
            self._kept.pop(name, None)
        elif name in self._kept or len(self._kept) < MOST:
            self._kept[name] = value


def _is_over(attributes: dict[str, str], server_time: str) -> bool:
    """Whether the server deletes this cookie: there is no clock here, so its own date is asked."""
    if re.fullmatch(r"-?[0-9]{1,18}", age := attributes.get("max-age", "")):
        return int(age) <= 0
    expires = _date(attributes.get("expires", ""))
    return expires is not None and expires[:6] <= (_date(server_time) or _LONG_AGO)[:6]


def _date(text: str) -> tuple[int, ...] | None:
    try:
        return parsedate(text[:64])
    except (ValueError, IndexError, TypeError, OverflowError):  # what it makes of nonsense is not documented
        return None
