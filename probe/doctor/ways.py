"""TCP connections to the host's addresses, family by family."""

import asyncio
from collections.abc import Sequence

from probe.diagnose.case import Way
from probe.drivers.aio_dial import in_time, reach
from probe.drivers.dial import DialPlan, Found, NotDialled, Stopwatch, literal_address
from probe.model.endpoint import Address
from probe.model.events import Phase

EACH_WITHIN, EACH_FAMILY = 5.0, 2


async def try_ways(addresses: Sequence[str], port: int, *, within: float) -> tuple[Way, ...]:
    """Both families side by side; of each a second address where the first takes no connection."""
    found = [one for address in addresses for one in literal_address(address, port) or ()]
    families = list(dict.fromkeys(one.family for one in found))
    seconds = min(EACH_WITHIN, within / EACH_FAMILY)
    tried = await asyncio.gather(
        *(
            _try_until_one_connects([one for one in found if one.family is family][:EACH_FAMILY], seconds)
            for family in families
        )
    )
    return tuple(way for ways in tried for way in ways)


async def _try_until_one_connects(targets: Sequence[Found], seconds: float) -> list[Way]:
    ways: list[Way] = []
    for target in targets:
        ways.append(await _try(target, seconds))
        if ways[-1].failure is None:
            break
    return ways


async def _try(target: Found, seconds: float) -> Way:
    address = Address(secure=False, host=target.host, port=target.address[1], path="/")
    plan = DialPlan(address=address, deadlines={Phase.CONNECTING: seconds})
    clock = asyncio.get_running_loop().time
    watch, failure, began = Stopwatch(clock), None, clock()
    watch.begin(Phase.CONNECTING)
    try:
        sock, _ = await in_time(reach(plan, [target]), plan, watch)
        sock.close()
    except NotDialled as stopped:
        failure = stopped.failure
    return Way(
        address=address.host,
        port=address.port,
        family=6 if ":" in address.host else 4,
        seconds=clock() - began,
        failure=failure,
    )
