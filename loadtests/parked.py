"""A greenlet that waits for one thing, and is woken by a switch from the hub's callback: no event, no queue, no second turn."""

from typing import Any

from gevent import get_hub, getcurrent


class Late:
    """What a greenlet is woken with when its time is over."""


LATE = Late()


class Parked:
    __slots__ = ("_early", "_greenlet")

    def __init__(self) -> None:
        self._greenlet: Any = None  # while it waits
        self._early: tuple[object] | None = None  # what it is woken with before it waits

    def wait(self, within: float | None = None) -> Any:
        """What it is woken with; `LATE` after that many seconds."""
        if self._early is not None:
            return self._early[0]
        hub, self._greenlet = get_hub(), getcurrent()
        if within is None:
            return self._switched(hub)
        timer = hub.loop.timer(max(within, 0.0))
        timer.start(self.wake, LATE, update=True)
        try:
            return self._switched(hub)
        finally:
            timer.stop()
            timer.close()

    def wake(self, told: object = None) -> None:
        """At once from the hub; from another greenlet, which would not come back from that, with the hub's next turn. Whoever does not
        wait here is left alone: he may wait for something else."""
        if self._greenlet is None:
            self._early = (told,)
        elif getcurrent() is get_hub():
            greenlet, self._greenlet = self._greenlet, None
            greenlet.switch(told)
        else:
            get_hub().loop.run_callback(self.wake, told)

    def wake_with(self, *told: object) -> None:
        self.wake(told)

    def _switched(self, hub: Any) -> Any:
        try:
            return hub.switch()
        finally:
            self._greenlet = None  # killed, or woken: whatever comes later is for nobody
