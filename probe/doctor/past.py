"""What a monitor has kept about this target: its attempts to connect, the ends of its sessions, what was wrong and when; and
how its other targets were meanwhile."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from probe.diagnose.case import Neighbour, Past
from probe.diagnose.past import BESIDE, past_of, tries_of
from probe.measure.histogram import Histogram
from probe.measure.records import PINGS, Attempt, Disconnected, Notice, StateChanged
from probe.store.place import StoreError
from probe.store.reader import StoreReader

LOOKS_BACK = 24 * 3600.0
LEAST_ROUND_TRIPS = 20
NOTICED = 3600.0  # seconds; what was not kept before is no matter now
LATELY = 600.0  # seconds in which whoever is watched has told something


def read_past(store: Path, target: str, now_utc: float, beside: Sequence[str] = ()) -> Past | None:
    """None: nothing is kept about it, or the store cannot be read.

    Args:
        beside: Other targets of the same broker.
    """
    try:
        reader = StoreReader(store)
    except StoreError:
        return None
    try:
        if target not in reader.targets():
            return None
        since = now_utc - LOOKS_BACK
        return past_of(
            reader.events(Attempt, since, now_utc, target),
            reader.events(Disconnected, since, now_utc, target),
            now_utc,
            prices=partial(reader.ticks, target),
            usual=_usual(reader, target, since, now_utc),
            changes=reader.events(StateChanged, since, now_utc, target),
            neighbours=_neighbours(reader, target, now_utc, beside),
            notices=reader.events(Notice, now_utc - NOTICED, now_utc),
        )
    except StoreError:
        return None
    finally:
        reader.close()


def _neighbours(
    reader: StoreReader, target: str, now_utc: float, beside: Sequence[str]
) -> Iterator[Neighbour]:
    """Other targets that are watched just now or are of the same broker."""
    since = now_utc - LATELY
    wrong = {each.target: each.code for each in reader.incidents(since, now_utc) if each.ended_utc is None}
    for name in reader.targets():
        is_watched = bool(reader.periods(name, since, now_utc, "minute", ()))
        if name != target and (is_watched or name in beside):
            tries = reader.events(Attempt, now_utc - LOOKS_BACK, now_utc, name) if name in beside else ()
            code = wrong.get(name, "") if is_watched else None
            yield Neighbour(name=name, code=code, tries=tries_of(tries, now_utc))


def _usual(reader: StoreReader, target: str, since: float, now_utc: float) -> float | None:
    """Of the minutes before the last ones, which may be what is complained of."""
    merged = Histogram()
    for period in reader.periods(target, since, now_utc - BESIDE, only=PINGS):
        for histogram in period.histograms.values():
            merged.merge(histogram)
    return merged.quantile(0.5) if merged.count >= LEAST_ROUND_TRIPS else None
