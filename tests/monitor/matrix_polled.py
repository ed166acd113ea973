"""What must be said of faults of the bytes and connections on the way to whatever only answers: alike for all of them."""

from typing import Any

from probe.measure.records import Cause, SessionState
from tests.monitor.matrix import Row, Then

LOST = dict[str, Any](
    states=(SessionState.BACKOFF, SessionState.CONNECTING),
    cause=Cause.DISCONNECTED,
    alert="connection_lost",
    then=Then.RECONNECTS,
    held=90.0,
)

WAY = (
    # bytes
    Row(fault="delay", looks="slower"),
    Row(fault="jitter", looks="slower"),
    Row(fault="slice", looks="nothing that anybody would notice"),
    Row(fault="throttle", looks="nothing that anybody would notice"),
    Row(
        fault="freeze",
        code="http.open-timeout",
        **LOST,
        looks="questions and answers have no heartbeat that could be half-open; the far end gives up first",
    ),
    Row(
        fault="cut",
        code="http.open-timeout",
        **LOST,
        looks="HTTP has no closing code: it ended before an answer",
    ),
    Row(fault="reset", code="session.tcp-reset", **LOST),
    # connections
    Row(fault="connection-cap:cap=1", looks="nothing: it counts sessions of a socket"),
    Row(fault="refuse", code="tcp.refused", **LOST),
)
