"""One event of Locust's for each request, for whoever listens to them: a listener of somebody's own, or a plugin of Locust's."""

import logging
import time
from typing import Any

_LOG = logging.getLogger(__name__)


class Samples:
    """
    Args:
        event: Locust's, of the environment.
    """

    def __init__(self, event: Any) -> None:
        # Not Locust's own, which counts what it is told: that is counted already.
        handlers = event._handlers  # noqa: SLF001 - there is no other way to know
        self.listeners = [each for each in handlers if getattr(each, "__module__", "") != "locust.runners"]

    def tell(self, name: str, due: float, sent: float | None, at: float, kind: str, answer: object) -> None:
        told = {
            "request_type": "WS",
            "name": name,
            "response_time": (at - due) * 1000,
            "response_length": 0,
            "exception": kind or None,
            "response": answer,
            "context": {"due": due, "sent": sent, "answered": at},
            "start_time": time.time() - (time.monotonic() - due),
            "url": None,
        }
        for listener in self.listeners:
            try:
                listener(**told)
            except Exception:  # noqa: BLE001 - somebody's own: the run goes on, as with all of Locust's events
                _LOG.exception("a listener of Locust's event `request` failed")
