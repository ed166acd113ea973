"""Where this machine can send anything to at all, whom it asks for names, and which proxies its environment names."""

import os
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

# Of documentation: nobody has them. Connecting a UDP socket asks for a route and sends nothing.
_ANYWHERE = {4: (socket.AF_INET, "192.0.2.1"), 6: (socket.AF_INET6, "2001:db8::1")}
_PORT = 443
_RESOLVERS = Path("/etc/resolv.conf")
_PROXIES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "all_proxy")


def families() -> tuple[int, ...]:
    """
    Raises:
        OSError: no socket can be had to find out.
    """
    return tuple(family for family, (domain, address) in _ANYWHERE.items() if _leads_out(domain, address))


def _leads_out(domain: socket.AddressFamily, address: str) -> bool:
    with closing(_udp(domain)) as asking:
        try:
            asking.connect((address, _PORT))
        except OSError:
            return False
    return True


def _udp(domain: socket.AddressFamily) -> socket.socket:
    return socket.socket(domain, socket.SOCK_DGRAM)


def nameservers() -> tuple[str, ...]:
    """
    Raises:
        OSError: this system keeps them elsewhere.
    """
    rows = [line.split() for line in _RESOLVERS.read_text(errors="replace").splitlines()]
    return tuple(row[1] for row in rows if len(row) > 1 and row[0] == "nameserver")


def proxies(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The names of the variables; their values may hold passwords."""
    return tuple(sorted(name for name, value in environment.items() if name.lower() in _PROXIES and value))
