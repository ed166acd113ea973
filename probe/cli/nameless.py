"""Texts from which all has gone that could lead to an account, a person or a machine of theirs."""

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from pathlib import Path

from probe.model.standins import is_stand_in, stand_in

SHORTEST_NAME = 3  # of a user or a machine; a shorter one says nothing about anybody

_E_MAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_QUERY = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")
_OF_PROTOCOL = re.compile(r"(?:EIO=\d|transport=[a-z]{1,12})\Z")  # the same in everybody's URL
_USER = re.compile(
    r"(?i)((?:uid|user_?(?:id|name)?|account_?(?:id|number)?|login|nick_?name|profile_?id)\\*[\"']?\s*[:=]\s*)"
    r"(?:\\*\"[^\"\\]*\\*\"|'[^']*'|\d+)"
)
_WORD = re.compile(r"[A-Za-z0-9+/_=%~-]{20,}")
# Words of people and of standards: letters with a few digits behind them, or a short number.
_HARMLESS_PIECE = re.compile(r"[A-Za-z]{1,15}\d{0,3}|\d{1,4}|")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
# The same everywhere: handed out by proxy programs, and by providers inside their networks.
_HARMLESS = (ipaddress.ip_network("198.18.0.0/15"), ipaddress.ip_network("100.64.0.0/10"))
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)


class Net:
    """
    Args:
        kept: Addresses of the servers that were asked; others are the user's or somebody else's.
        own: Words that name this machine or its user, and what is shown for each.
    """

    def __init__(self, kept: Collection[str], own: Iterable[tuple[str, str]]) -> None:
        self._kept = {each for each in kept if each}
        self._stand_ins: dict[str, str] = {}
        words = [(each, shown) for each, shown in own if len(each) >= SHORTEST_NAME]
        self._own = [
            (re.compile(rf"(?<!\w){re.escape(each)}(?!\w)", re.IGNORECASE), shown)
            for each, shown in sorted(words, key=lambda pair: -len(pair[0]))
        ]

    def __call__(self, text: str) -> str:
        text = _E_MAIL.sub("<e-mail>", text)
        text = _QUERY.sub(_without_values, text)
        text = _USER.sub(r"\1<user>", text)
        for own, shown in self._own:
            text = own.sub(shown, text)
        text = _WORD.sub(_long_word, text)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, text))

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        if (
            str(address) in self._kept
            or address.is_loopback
            or address.is_unspecified
            or any(address in each for each in _HARMLESS)
            or is_stand_in(address)
        ):
            return found[0]
        return self._stand_ins.setdefault(str(address), stand_in(address, len(self._stand_ins)))


def _without_values(query: re.Match[str]) -> str:
    parts = ["…" if not _OF_PROTOCOL.match(each) else each for each in query[0][1:].split("&")]
    return f"?{'&'.join(dict.fromkeys(parts))}"


def _long_word(found: re.Match[str]) -> str:
    pieces = re.split(r"[+/_=%~-]", found[0])
    if all(_HARMLESS_PIECE.fullmatch(each) for each in pieces):
        return found[0]
    return f"<{len(found[0])} signs>"


def own_words() -> list[tuple[str, str]]:
    """What names this machine and its user."""
    home, host = Path.home(), socket.gethostname()
    words = [(str(home), "~"), (host, "<this machine>"), (host.partition(".")[0], "<this machine>")]
    return [*words, (home.name, "<user>")] if home.name != "root" else words
