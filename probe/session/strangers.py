"""What stands at a port and is no WebSocket server, by the first bytes of its answer, as a slug of the catalogue."""

import re

_ALERT = b"\x15\x03"  # a TLS record that holds one begins so
# nginx, Go and Apache
_WANTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server"
    rb"|speaking plain HTTP to an SSL-enabled server port"
)


def slug_of(first: bytes) -> str | None:
    """None: nobody who is known here."""
    if first.startswith(_ALERT):
        return "tls.tls-on-plain"
    # HTTP/2's own first frame: three bytes of length, type 4, no flags, stream 0 (RFC 9113, section 3.4)
    return "tls.alpn-h2" if len(first) >= 9 and first[3:9] == b"\x04\0\0\0\0\0" else None


def wants_tls(page: bytes) -> bool:
    """It says that plain HTTP came to a port of TLS."""
    return _WANTS_TLS.search(page) is not None
