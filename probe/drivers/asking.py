"""What drivers of sessions of questions and answers have in common: calls that wait to be carried out, and one timer."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, TypeVar

from probe.drivers.pump import OnEvent, Pump
from probe.session.polled import Answered, Asked, PolledSession
from probe.wire.drivable import Signal

T = TypeVar("T")


class AskingPump(Pump[PolledSession]):
    """Base of those connections."""

    __slots__ = ("_closing", "_timer", "_waiting", "_wakes_at")

    def __init__(self, session: PolledSession, on_event: OnEvent, clock: Callable[[], float]) -> None:
        super().__init__(session, on_event, clock)
        self._waiting: deque[Asked] = deque()
        self._timer: Any = None
        self._wakes_at = inf
        self._closing = False

    # -- what differs --------------------------------------------------------------------------------------------------

    def _carry_on(self) -> None:
        """Calls may be waiting."""
        raise NotImplementedError

    def _set_timer(self, due: float | None) -> None:
        raise NotImplementedError

    def _break(self, bug: Exception) -> None:
        """Of ours or of the callback."""
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    # -- what does not -------------------------------------------------------------------------------------------------

    def act(self, do: Callable[[PolledSession, float], T]) -> T:
        """Do something with the session, now; what it wants to ask is asked."""
        result = do(self._session, self._now())
        self._drive(self._flush)
        return result

    def _drive(self, step: Callable[..., None], *args: object) -> None:
        try:
            if self._bug is None:
                step(*args)
        except Exception as bug:  # noqa: BLE001 - whoever waits for the end gets it
            self._break(bug)

    def _receive(self, answered: Answered) -> None:
        self._session.receive(answered, self._now())
        self._flush()

    def _wake(self) -> None:
        self._set_timer(None)
        now = self._now()
        due = self._session.next_wake()
        if due is not None and due <= now:
            self._session.wake(now)
        self._flush()

    def _write(self, outgoing: list[Any]) -> None:
        self._waiting.extend(
            item for item in outgoing if not isinstance(item, Signal)
        )  # a signal's `Ended` follows

    def _settle(self) -> None:
        if self._ended is not None:
            self._close()
            return
        due = self._session.next_wake()
        if due is None or due < self._wakes_at:  # one that is too early stays
            self._set_timer(due)
        self._carry_on()
