"""How often one client may: a bucket of tokens for each, that fills again with time."""

import ipaddress
import math
from collections import OrderedDict

MOST_CLIENTS = 4096  # remembered; the one that was away longest is forgotten first


class Rates:
    """`burst` at once, and after that `each_second`."""

    def __init__(self, *, each_second: float, burst: float) -> None:
        self._each_second, self._burst = each_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = (
            OrderedDict()
        )  # tokens, and when they were counted

    def take(self, client: str, now: float) -> int:
        """0: it may. Else after how many seconds it may come again."""
        left = self._count(client, now)
        if left >= 1:
            self._left[client] = left - 1, now
            return 0
        return math.ceil((1 - left) / self._each_second)

    def give_back(self, client: str, now: float) -> None:
        """What was taken did not count."""
        self._left[client] = min(self._burst, self._count(client, now) + 1), now

    def _count(self, client: str, now: float) -> float:
        left, counted_at = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - counted_at) * self._each_second)
        self._left[client] = left, now
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return left


def client_of(address: str) -> str:
    """Whom an address belongs to: whoever has one IPv6 address has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
