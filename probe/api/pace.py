"""How fast a session's questions may leave. A simulator and this machine bear anything; whoever else is asked, politely."""

from collections.abc import Mapping

from probe.model.intents import Intent, Trading
from probe.monitor.wanted import Wanted
from probe.safety import is_loopback
from probe.session.buckets import Bucket, Limited, Rate

# No broker tells its limits. Public clients put 0.1 s between pages of history, and warn of bans for more; a day of it is
# sixty pages. One of them keeps orders 0.35 s apart.
REQUESTS, ORDERS = Rate(size=60, every=0.5), Rate(size=1, every=0.35)
PATIENCE = 60.0


class Pace:
    """None: no limit."""

    def __init__(self, requests: Rate | None = REQUESTS, orders: Rate | None = ORDERS) -> None:
        self._requests = Bucket(requests, patience=PATIENCE)
        self._orders = Bucket(orders, patience=PATIENCE)

    def about(self, intent: Intent) -> tuple[Bucket, ...]:
        """All that have a say in it."""
        return (self._requests, self._orders) if isinstance(intent, Trading) else (self._requests,)

    @property
    def figures(self) -> Mapping[str, Limited]:
        return {"requests": self._requests.figures, "orders": self._orders.figures}


def pace_of(wanted: Wanted) -> Pace:
    is_near = all(each.scheme == "terminal" or is_loopback(each.address.host) for each in wanted.endpoints)
    return Pace(None, None) if is_near else Pace()
