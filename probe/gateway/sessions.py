"""Who may ask: tokens that are kept as hashes only, and how often somebody may try to win one."""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from math import ceil

LIFETIME = 86_400  # seconds from the login on, however busy the session is
MOST_SESSIONS = 64
TRIES, TRIES_OF_ALL = 5, 30  # logins within the span below
SPAN = 60.0
CLIENTS_KEPT = 1024


class Sessions:
    """`clock` is in seconds and never steps back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}  # by the token's hash, oldest first

    def open(self) -> str:
        """A new token. One too many ends the oldest session."""
        self._forget_expired()
        if len(self._ends) >= MOST_SESSIONS:
            del self._ends[next(iter(self._ends))]
        token = secrets.token_urlsafe(32)
        self._ends[_hash(token)] = self._clock() + LIFETIME
        return token

    def holds(self, token: str) -> bool:
        return self._find(token) is not None

    def close(self, token: str) -> None:
        found = self._find(token)
        if found is not None:
            del self._ends[found]

    def count(self) -> int:
        self._forget_expired()
        return len(self._ends)

    def _find(self, token: str) -> bytes | None:
        self._forget_expired()
        asked, found = _hash(token), None
        for known in self._ends:  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, asked):
                found = known
        return found

    def _forget_expired(self) -> None:
        now = self._clock()
        for known in [known for known, ends_at in self._ends.items() if ends_at <= now]:
            del self._ends[known]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Throttle:
    """So many tries within a minute: of one client, and of all together."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: deque[float] = deque()
        self._of_client: dict[str, deque[float]] = {}

    def wait(self, client: str) -> int:
        """Seconds until this client may try again; 0 is yes, and counts as a try."""
        now = self._clock()
        if len(self._of_client) >= CLIENTS_KEPT and client not in self._of_client:
            del self._of_client[next(iter(self._of_client))]
        own = self._of_client.setdefault(client, deque())
        for tries in (own, self._all):
            while tries and tries[0] + SPAN <= now:
                tries.popleft()
        for tries, most in ((own, TRIES), (self._all, TRIES_OF_ALL)):
            if len(tries) >= most:
                return ceil(tries[0] + SPAN - now)
        own.append(now)
        self._all.append(now)
        return 0
