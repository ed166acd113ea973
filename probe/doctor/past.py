"""What a monitor has kept about this target: its attempts to connect, the ends of its sessions, what was wrong and when; and
how its other targets were meanwhile."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from probe.diagnose.case import Neighbour, Past
from probe.diagnose.past import BESIDE, past_of, tries_of
from probe.measure.histogram import Histogram
from probe.measure.records import PINGS, Attempt, Disconnected, Notice, SessionState, StateChanged
from probe.store.place import StoreError
from probe.store.reader import StoreReader

LOOKS_BACK = 24 * 3600.0
LEAST_ROUND_TRIPS = 20
NOT_WATCHED = (SessionState.IDLE, SessionState.STOPPED)


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
        known = reader.targets()
        if target not in known:
            return None
        since = now_utc - LOOKS_BACK
        of_all: dict[str, list[StateChanged]] = {}
        for each in reader.events(StateChanged, since, now_utc):
            of_all.setdefault(each.target, []).append(each)
        return past_of(
            reader.events(Attempt, since, now_utc, target),
            reader.events(Disconnected, since, now_utc, target),
            now_utc,
            prices=partial(reader.ticks, target),
            usual=_usual(reader, target, since, now_utc),
            changes=of_all.pop(target, ()),
            neighbours=[
                Neighbour(
                    name=name,
                    code=_last_code(of_all.get(name, ())),
                    tries=tries_of(reader.events(Attempt, since, now_utc, name), now_utc)
                    if name in beside
                    else (),
                )
                for name in known
                if name != target and (name in beside or _is_watched(of_all.get(name, ())))
            ],
            notices=reader.events(Notice, since, now_utc),
        )
    except StoreError:
        return None
    finally:
        reader.close()


def _is_watched(changes: Sequence[StateChanged]) -> bool:
    return bool(changes) and changes[-1].condition.state not in NOT_WATCHED


def _last_code(changes: Sequence[StateChanged]) -> str:
    return (changes[-1].condition.code or "") if changes else ""


def _usual(reader: StoreReader, target: str, since: float, now_utc: float) -> float | None:
    """Of the minutes before the last ones, which may be what is complained of."""
    merged = Histogram()
    for period in reader.periods(target, since, now_utc - BESIDE, only=PINGS):
        for histogram in period.histograms.values():
            merged.merge(histogram)
    return merged.quantile(0.5) if merged.count >= LEAST_ROUND_TRIPS else None
