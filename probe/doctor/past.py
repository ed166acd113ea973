"""What a monitor has kept about this target: its attempts to connect, the ends of its sessions, and how others fared beside it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from probe.diagnose.case import End, Held, Neighbour, Past, Reconnected, Try
from probe.measure.histogram import Histogram
from probe.measure.records import PINGS, Attempt, Disconnected, Notice, Tick
from probe.store.place import StoreError
from probe.store.reader import StoreReader

LOOKS_BACK = 24 * 3600.0
HELD = ("hold", "race")  # what attempts were for that wanted a session and not only a look
BESIDE = 600.0  # seconds of prices on either side of a reconnect
LIVE_WITHIN = 120.0  # seconds since its last price: a session that still stands
LEAST_ROUND_TRIPS = 20
NOT_KEPT = ("store.dropped", "store.not-flushed")  # notices
Prices = Callable[[float, float], Sequence[Tick]]  # since, until


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
        return past_of(
            reader.events(Attempt, since, now_utc, target),
            reader.events(Disconnected, since, now_utc, target),
            now_utc,
            prices=partial(reader.ticks, target),
            usual=_usual(reader, target, since, now_utc),
            neighbours=[
                Neighbour(tries=_tries(reader.events(Attempt, since, now_utc, name), now_utc))
                for name in known
                if name in beside and name != target
            ],
            notices=reader.events(Notice, since, now_utc),
        )
    except StoreError:
        return None
    finally:
        reader.close()


def _usual(reader: StoreReader, target: str, since: float, now_utc: float) -> float | None:
    """Of the minutes before the last ones, which may be what is complained of."""
    merged = Histogram()
    for period in reader.periods(target, since, now_utc - BESIDE, only=PINGS):
        for histogram in period.histograms.values():
            merged.merge(histogram)
    return merged.quantile(0.5) if merged.count >= LEAST_ROUND_TRIPS else None


def _none(_: float, __: float) -> Sequence[Tick]:
    return ()


def past_of(
    attempts: Iterable[Attempt],
    ends: Iterable[Disconnected],
    now_utc: float,
    *,
    prices: Prices = _none,
    usual: float | None = None,
    neighbours: Iterable[Neighbour] = (),
    notices: Iterable[Notice] = (),
) -> Past:
    """All oldest first."""
    tries, over = list(attempts), list(ends)
    began = min([now_utc, *(each.at_utc for each in tries), *(each.at_utc for each in over)])
    held = [each for each in tries if each.purpose in HELD]
    return Past(
        seconds=now_utc - began,
        tries=_tries(tries, now_utc),
        ends=tuple(
            End(
                ago_seconds=now_utc - each.at_utc,
                lived_seconds=each.lasted_seconds,
                heard_seconds=each.heard_seconds,
                said_seconds=each.said_seconds,
                code=each.failure.code if each.failure else "",
                next_try_after_seconds=next(
                    (later.at_utc - each.at_utc for later in held if later.at_utc >= each.at_utc), None
                ),
            )
            for each in over
        ),
        held=_held(held, over, now_utc, prices),
        reconnected=_reconnected(held, over, now_utc, prices),
        usual_round_trip=usual,
        neighbours=tuple(neighbours),
        not_kept=tuple(each.sentence for each in notices if each.code in NOT_KEPT),
    )


def _tries(attempts: Iterable[Attempt], now_utc: float) -> tuple[Try, ...]:
    return tuple(
        Try(
            ago_seconds=now_utc - each.at_utc,
            code=each.failure.code if each.failure else "",
            kind=each.failure.kind if each.failure else "",
            status=each.http_status,
            purpose=each.purpose,
            proxy=each.proxy or "",
        )
        for each in attempts
    )


def _held(
    held: Sequence[Attempt], over: Sequence[Disconnected], now_utc: float, prices: Prices
) -> Held | None:
    last = next((each for each in reversed(held) if each.failure is None), None)
    if last is None or (over and over[-1].at_utc >= last.at_utc):
        return None
    newest = max((each.at_utc for each in prices(now_utc - LIVE_WITHIN, now_utc)), default=None)
    if newest is None:
        return None
    return Held(region=last.endpoint, seconds=now_utc - last.at_utc, heard_seconds=now_utc - newest)


def _reconnected(
    held: Sequence[Attempt], over: Sequence[Disconnected], now_utc: float, prices: Prices
) -> Reconnected | None:
    if not over:
        return None
    ended = over[-1].at_utc
    opened = next((each.at_utc for each in held if each.at_utc >= ended and each.failure is None), None)
    if opened is None:
        return None
    return Reconnected(
        ago_seconds=now_utc - opened,
        symbols_before=frozenset(each.symbol for each in prices(ended - BESIDE, ended)),
        symbols_since=frozenset(each.symbol for each in prices(max(opened, now_utc - LIVE_WITHIN), now_utc)),
    )
