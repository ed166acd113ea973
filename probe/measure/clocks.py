"""Where the broker's clock stands against UTC: its zone, and what is left as skew.

Brokers write their own wall time into every tick. A tick cannot arrive before it was made, so of all the differences
"broker time minus our UTC at arrival" the largest belongs to the fastest tick and is the best estimate. The uncertainty
is half a round trip and the spread of the ticks; a few ticks alone may all have waited somewhere.
"""

import statistics
from dataclasses import dataclass

HALF_HOUR = 1800.0
FEW, DOUBT_OF_FEW_SECONDS = 5, 0.05
STEP_SECONDS = 1.0  # from here on, somebody has set this machine's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    zone_seconds: float  # a multiple of half an hour
    skew_seconds: float  # the broker's clock ahead of ours, zone taken off
    uncertainty_seconds: float
    samples: int


def clock_offset(differences: list[float], round_trip_seconds: float) -> ClockOffset | None:
    """From the differences (broker time - our UTC) of some ticks and a round trip of the same connection.

    None: no tick, no estimate.
    """
    if not differences:
        return None
    one_way = round_trip_seconds / 2
    difference = max(differences) + one_way
    spread = max(differences) - statistics.median(differences)
    zone = round(difference / HALF_HOUR) * HALF_HOUR
    return ClockOffset(
        zone_seconds=zone,
        skew_seconds=difference - zone,
        uncertainty_seconds=one_way + (DOUBT_OF_FEW_SECONDS if len(differences) < FEW else 0.0) + spread,
        samples=len(differences),
    )
