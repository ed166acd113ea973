"""When an option that ends at an instant may end: the grid of Quotex's clock and turbo options, in UTC."""

from math import floor

DAY = 86_400
SHORTEST_GRID = 60


def next_expiry(broker_time: float, duration: int) -> float:
    """The instant nearest to `duration` from now that the broker takes.

    Short ones end with a minute, longer ones at a multiple of their duration since midnight. One that is half gone is
    skipped.

    Raises:
        ValueError: no grid has that duration.
    """
    grid = max(duration, SHORTEST_GRID)
    if duration <= 0 or DAY % grid:
        raise ValueError(f"{duration} s do not divide a day")
    begun = floor(broker_time / grid) * grid
    elapsed = broker_time - begun
    is_half_gone = elapsed >= 30 if grid == SHORTEST_GRID else elapsed > grid / 2
    return float(begun + (2 if is_half_gone else 1) * grid)
