"""Runs a session of questions and answers on gevent's hub: its timers are the hub's, its calls are carried one after the other
by a greenlet that is there while there are any."""

import time
from collections.abc import Callable
from math import inf

import gevent
from gevent import get_hub

from loadtests.calls import Carrier
from loadtests.guard import Guard
from probe.drivers.asking import AskingPump
from probe.drivers.dial import DialPlan, NotDialled
from probe.drivers.limits import GIVEN_UP
from probe.drivers.pump import OnEvent
from probe.model.errors import LocalProtocolError
from probe.model.events import Traffic
from probe.model.failures import Failure
from probe.session.polled import Answered, PolledSession
from probe.wire.calls import HttpCall

REFUSED_PAUSE = 0.05  # seconds, before a message that the run's caps stopped is tried again


class Conversation(AskingPump):
    """One attempt: its last event is the session's `Ended`, unless something of ours is broken; then `on_bug` gets that.

    Args:
        guard: Says for each call whether it may be made now.
        on_refused: Is told when the guard made a call wait.
        on_dial: As of a `Carrier`.
    """

    __slots__ = (
        "_carrier",
        "_guard",
        "_is_busy",
        "_on_bug",
        "_on_refused",
    )

    def __init__(
        self,
        session: PolledSession,
        plan: DialPlan,
        *,
        guard: Guard,
        on_event: OnEvent,
        on_bug: Callable[[Exception], None],
        on_refused: Callable[[], None],
        on_dial: Callable[[float, float, Failure | None], None],
    ) -> None:
        super().__init__(session, on_event, time.monotonic)
        self._carrier = Carrier(plan, on_event=on_event, on_dial=on_dial)
        self._guard, self._on_bug, self._on_refused = guard, on_bug, on_refused
        self._is_busy = False  # a greenlet carries calls

    @property
    def traffic(self) -> Traffic:
        return self._carrier.traffic

    # -- for whoever uses the session ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Never waits."""
        gevent.spawn(self._dial)

    def drop(self, failure: Failure = GIVEN_UP) -> None:
        """Cut the connection without a goodbye. The session is told that it ended, and why."""
        self._carrier.drop()
        self._drive(self._tell_end, failure)

    def thaw(self) -> None:
        """It is never frozen."""

    # -- the driver's one duty -----------------------------------------------------------------------------------------

    def _dial(self) -> None:
        try:
            self._carrier.dial()
        except NotDialled as end:
            self._drive(self._tell_end, end.failure)
        except Exception as bug:  # noqa: BLE001 - the guard's refusal is one
            self._break(bug)
        else:
            if not self._closing:
                self._drive(self._begin)

    def _begin(self) -> None:
        self._session.begin(self._now())
        self._flush()

    def _carry_on(self) -> None:
        if self._waiting and not self._is_busy:
            self._is_busy = True
            gevent.spawn(self._carry_out_all)

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = None
        self._wakes_at = inf if due is None else due
        if due is not None:
            self._timer = get_hub().loop.timer(max(due - self._now(), 0.0))
            self._timer.start(self._drive, self._wake, update=True)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _carry_out_all(self) -> None:
        try:
            while self._waiting and not self._closing:
                asked = self._waiting.popleft()
                if not isinstance(asked.call, HttpCall):
                    raise LocalProtocolError(f"a load test carries out no {type(asked.call).__name__}")
                self._wait_for_leave()
                if not self._closing:
                    reply = self._carrier.ask(asked.call)
                    self._drive(self._receive, Answered(number=asked.number, reply=reply))
        except Exception as bug:  # noqa: BLE001 - see _drive
            self._break(bug)
        finally:
            self._is_busy = False

    def _wait_for_leave(self) -> None:
        """The run's cap on messages counts every call, and one too many waits for the next second."""
        is_told = False
        while not self._closing and not self._guard.claim_message(self._now()):
            if not is_told:
                self._on_refused()
            is_told = True
            gevent.sleep(REFUSED_PAUSE)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _break(self, bug: Exception) -> None:
        if self._closing:
            return
        self._bug = self._bug or bug
        self._flushing = True  # the session is not used again
        self._close()
        self._on_bug(bug)

    def _close(self) -> None:
        self._closing = True
        self._set_timer(None)
        self._waiting.clear()
        self._carrier.close()
