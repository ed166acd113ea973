"""A connection that says nothing: how long the way to a place is, without being a burden there."""

import asyncio
from dataclasses import replace
from math import inf
from weakref import WeakKeyDictionary

from probe.drivers.aio_dial import find, in_time, pass_through, reach
from probe.drivers.dial import DialPlan, NotDialled, Stopwatch
from probe.model.endpoint import Address
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.wire.calls import Touch, Touched

EVERY = 10.0  # seconds between two to the same host and port, whoever in this process asks

# The one thing that sessions share: a place notices how often this program comes, not which session does.
_touched_at: dict[tuple[str, int], float] = {}
_hosts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


async def touch(call: Touch, plan: DialPlan) -> Touched | Failure:
    """Never two at once to one host; one that comes too early waits. The plan says how to get there: through the same proxy,
    in which case the time is that of the proxy's way."""
    loop, place = asyncio.get_running_loop(), (call.host, call.port)
    one_at_a_time = _hosts.setdefault(loop, {}).setdefault(call.host, asyncio.Lock())
    address = Address(secure=False, host=call.host, port=call.port, path="/")
    while True:
        await asyncio.sleep(_early(place, loop.time()))
        async with one_at_a_time:
            if _early(place, loop.time()) == 0:
                _touched_at[place] = loop.time()
                return await _connect(replace(plan, address=address), loop)


def _early(place: tuple[str, int], now: float) -> float:
    return max(0.0, _touched_at.get(place, -inf) + EVERY - now)


async def _connect(plan: DialPlan, loop: asyncio.AbstractEventLoop) -> Touched | Failure:
    watch = Stopwatch(loop.time)
    try:
        _, targets = await in_time(find(plan), plan, watch)
        watch.begin(Phase.CONNECTING)
        sock, reached = await in_time(reach(plan, targets), plan, watch)
        with sock:
            if plan.proxy is not None:
                watch.begin(Phase.TUNNELLING)
                await in_time(pass_through(plan.proxy, plan.address, sock), plan, watch)
            return Touched(address=reached.host, seconds=watch.finished().seconds)
    except NotDialled as end:
        return end.failure
