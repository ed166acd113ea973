"""What the technical words on a page mean, for somebody who trades and does not program: a line each."""

import re
from collections.abc import Iterator

# By what is looked for: the term, and what is said of it once it stands on the page.
WORDS: dict[str, tuple[str, str]] = {
    r"SSIDs?": ("SSID", "your login as your browser sends it; as secret as a password"),
    r"frames?": ("frame", "one message; the login frame holds your login"),
    r"tokens?": ("token", "a secret word that stands for a login"),
    r"isDemo": ("isDemo", "its part that says whether a demo account is meant"),
    r"credentials?": ("credential", "what you log in with, in whatever form"),
    r"hosts?": ("host", "a server, by its name"),
    r"clients?": ("client", "the program that connects; here, this one"),
    r"EAI_NONAME|NXDOMAIN": ("EAI_NONAME, NXDOMAIN", "there is no such name"),
    r"ws://": ("ws://", "a standing connection without encryption"),
    r"resolvers?|lookups?": ("resolver", "whoever knows a host's address by its name"),
    r"DNS": ("DNS", "finding a host's address by its name"),
    r"IPv[46]": ("IPv4, IPv6", "the two kinds of internet addresses"),
    r"TCP": ("TCP", "the bare connection between two machines"),
    r"ports?": ("port", "a numbered door of a machine, with one program behind it"),
    r"packets?": ("packet", "one of the small pieces in which data travels"),
    r"MTU": ("MTU", "how large such a piece may be on the way"),
    r"TIME_WAIT": ("TIME_WAIT", "a closed connection that holds its port a minute longer"),
    r"kernel": ("kernel", "the core of this machine's operating system"),
    r"[Pp]rox(?:y|ies)": ("proxy", "a machine in between that your connections go through"),
    r"CONNECT": ("CONNECT", "how a proxy is asked to open a way"),
    r"NTLM|Kerberos": ("NTLM, Kerberos", "how company networks log you in"),
    r"TLS": ("TLS", "the encryption of a connection, as in https://"),
    r"handshakes?": ("handshake", "how both ends agree, at first, how to talk"),
    r"certificates?": ("certificate", "a server's passport"),
    r"authorit(?:y|ies)": ("authority", "whoever signs such passports"),
    r"SNI": ("SNI", "the host's name, told before the encryption begins"),
    r"ALPN": ("ALPN", "agreeing on what is spoken once it is encrypted"),
    r"WebSockets?": ("WebSocket", "the standing connection over which prices come"),
    r"upgrades?": ("upgrade", "a web request becomes a standing connection"),
    r"101": ("101", "the server's word that it opens the standing connection"),
    r"greeting": ("greeting", "the server's first message"),
    r"Engine\.IO|EIO": ("Engine.IO, EIO", "rules of the connection; both ends need one version"),
    r"Socket\.IO": ("Socket.IO", "the rules for messages, on top of those of Engine.IO"),
    r"namespaces?": ("namespace", "the room on the server where prices are told"),
    r"(?<!port )(?<!\d)4[014](?! ms)(?![\d.:])": ("40, 41, 44", "the server's signs for: come in, this is over, stay out"),
    r"[Pp]ing(?:s|ed)?|pongs?": ("ping", "asking whether the other end is still there"),
    r"[Hh]eartbeats?": ("heartbeat", "a sign of life, every few seconds"),
    r"[Ss]ubscri\w+": ("subscribe", "to ask for a symbol's prices from now on"),
    r"regions?": ("region", "one of the places where the broker has servers"),
    r"sessions?": ("session", "all from the login to the goodbye"),
    r"edge": ("edge", "the machines in front of the broker's own"),
    r"[Cc]loudflare|[Cc]f-[\w-]+": ("Cloudflare", "a company that guards web sites"),
    r"headers?": ("header", "a line sent with a web page, and not shown on it"),
    r"Origin|User-Agent": ("Origin, User-Agent", "which site and browser a program says it is"),
    r"CORS": ("CORS", "which other web pages may ask a server in your name"),
    r"gateways?": ("gateway", "it shows a MetaTrader terminal to other programs"),
    r"terminals?": ("terminal", "the MetaTrader program, where the account is logged in"),
    r"bridges?": ("bridge", "it carries questions from a gateway to the terminal"),
    r"controls?": ("control", "a host that you named for comparison"),
    r"monotonic": ("monotonic", "a clock that nobody sets, and that only counts"),
    r"slewed": ("slewed", "set right bit by bit"),
    r"UTC": ("UTC", "the time of day at Greenwich"),
    r"URLs?": ("URL", "an address as in a browser's address line"),
    r"HTTP 3\d\d": ("HTTP 3..", "a web server's answer: ask elsewhere"),
    r"HTTP 4\d\d": ("HTTP 4..", "a web server's answer: not like this"),
    r"HTTP 5\d\d": ("HTTP 5..", "a web server's answer: it is in trouble itself"),
    r"HTTP(?! \d)": ("HTTP", "how web servers are asked"),
    r"API": ("API", "the door of a broker that is meant for programs"),
}  # fmt: skip


def words_in(text: str) -> Iterator[str]:
    """An explanation of each, in the order in which they first stand there."""
    places = (
        (place.start(), f"{term}: {meaning}.")
        for pattern, (term, meaning) in WORDS.items()
        if (place := re.search(rf"(?<![\w./-])(?:{pattern})(?![\w-])", text))
    )
    yield from (words for _, words in sorted(places))
