"""Do disconnects come on a beat? A server that ends every session after 18 minutes is not a bad line.

The longest row of events is looked for whose steps are whole multiples of one period, give or take 15 %. Events
outside the row are strangers, multiples above one are beats that did not come; how many of both a row may have
grows with its length, because a few random times fit some period soon enough.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FEWEST = 4
LATEST = 24  # older times say little about now
SHORTEST_SECONDS = 10.0
MOST_BEATS = 3  # of one step
_TOLERANCE = 0.15  # of the period: finds rhythms with a noise of a tenth, and 1 of 200 rows of random times
_UNITS = ((10_800.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.0, 1.0, "s"))  # from this period on, in these


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    period_seconds: float
    spread_seconds: float  # the most that a step was off
    count: int  # events on the beat

    def __str__(self) -> str:
        unit, name = next((unit, name) for least, unit, name in _UNITS if self.period_seconds >= least)
        spread = self.spread_seconds / unit
        digits = 0 if spread >= 0.95 else 1
        return f"every {round(self.period_seconds / unit, digits):g} {name} ± {round(spread, digits):g}"


def find_rhythm(times: Sequence[float]) -> Rhythm | None:
    """From the times of at least four disconnects."""
    times = sorted(times)[-LATEST:]
    if len(times) < FEWEST:
        return None
    found = [rhythm for period in _periods(times) if (rhythm := _on_beat(times, period))]
    return max(found, key=lambda each: (each.count, -each.spread_seconds / each.period_seconds), default=None)


def due(rhythm: Rhythm, last: float, at: float) -> bool:
    """Whether a disconnect at `at` is on the beat, `last` being the one before that was."""
    beats = round((at - last) / rhythm.period_seconds)
    tolerance = min(
        max(1.5 * rhythm.spread_seconds, 0.05 * rhythm.period_seconds), _TOLERANCE * rhythm.period_seconds
    )
    return 1 <= beats <= MOST_BEATS and abs(
        at - last - beats * rhythm.period_seconds
    ) <= tolerance * math.sqrt(beats)


def _periods(times: list[float]) -> list[float]:
    """Candidates: the span of the whole row, or of one without its ends, cut into any plausible number of steps."""
    spans = {
        times[-1 - right] - times[left]
        for left in (0, 1)
        for right in (0, 1)
        if len(times) - left - right >= FEWEST
    }
    most = len(times) + len(times) // 3
    periods = [span / steps for span in spans for steps in range(FEWEST - 1, most)]
    periods.append(statistics.median(after - before for before, after in pairwise(times)))
    return [each for each in periods if each >= SHORTEST_SECONDS]


def _on_beat(times: list[float], period: float) -> Rhythm | None:
    row = _longest_row(times, period)
    if len(row) < FEWEST:
        return None
    steps = [(after - before, round((after - before) / period)) for before, after in pairwise(row)]
    period = sum(seconds for seconds, _ in steps) / sum(beats for _, beats in steps)
    off = [abs(seconds - beats * period) / math.sqrt(beats) for seconds, beats in steps]
    strangers = len(times) - len(row)
    missing = sum(beats - 1 for _, beats in steps)
    if strangers + missing > (len(row) - FEWEST) // 2 or max(off) > _TOLERANCE * period:
        return None
    return Rhythm(period_seconds=period, spread_seconds=max(off), count=len(row))


def _longest_row(times: list[float], period: float) -> list[float]:
    """Of all rows whose every step is one to three periods, the longest one."""
    length, before = [1] * len(times), [-1] * len(times)
    for at, time in enumerate(times):
        for earlier in range(at - 1, -1, -1):
            seconds = time - times[earlier]
            beats = round(seconds / period)
            if beats > MOST_BEATS:
                break
            on_beat = beats and abs(seconds - beats * period) <= _TOLERANCE * period * math.sqrt(beats)
            if on_beat and length[earlier] + 1 > length[at]:
                length[at], before[at] = length[earlier] + 1, earlier
    at = max(range(len(times)), key=length.__getitem__)
    row = []
    while at >= 0:
        row.append(times[at])
        at = before[at]
    return row[::-1]
