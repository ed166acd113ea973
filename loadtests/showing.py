"""One user, seen closely: every message as it went over the wire, and what it was understood as."""

import re
from typing import Any

from loadtests.outlet import outlet
from probe.model.credentials import Redactor
from probe.model.events import Event

KEPT_MESSAGES = 100_000
LONGEST = 400
_AT = re.compile(r"\(at=[\d.]+(, |(?=\)))")  # stands before it already


class Showing:
    """
    Args:
        began_at: What times are shown from.
    """

    def __init__(self, began_at: float, redact: Redactor) -> None:
        self._began_at, self._redact = began_at, redact
        self._session: Any = None
        self._seen = 0  # of its messages

    def show(self, session: Any, event: Event) -> None:
        """What went over this session since the last time, and what has come of it."""
        if session is not self._session:
            self._session, self._seen = session, 0
        lines = session.transcript()
        for line in lines[self._seen :]:
            self._say(line.at, line.direction, f"[binary] {line.text}" if line.binary else line.text)
        self._seen = len(lines)
        self._say(getattr(event, "at", None), "=", _AT.sub("(", repr(event)))

    def _say(self, at: float | None, direction: str, text: str) -> None:
        outlet().say(
            "frame",
            at=None if at is None else at - self._began_at,
            direction=direction,
            text=self._redact.shorten(text, LONGEST),
        )
