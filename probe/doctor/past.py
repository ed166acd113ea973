"""What a monitor has kept about this target: its attempts to connect, the ends of its sessions, what was wrong and when; and
how its other targets were meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from probe.diagnose.case import End, Held, Neighbour, Past, Reconnected, Spell, Try
from probe.measure.histogram import Histogram
from probe.measure.records import PINGS, Attempt, Disconnected, Notice, SessionState, StateChanged, Tick
from probe.store.place import StoreError
from probe.store.reader import StoreReader

LOOKS_BACK = 24 * 3600.0
HELD = ("hold", "race")  # what attempts were for that wanted a session and not only a look
BESIDE = 600.0  # seconds of prices on either side of a reconnect
LIVE_WITHIN = 120.0  # seconds since its last price: a session that still stands
LEAST_ROUND_TRIPS = 20
NOT_WATCHED = (SessionState.IDLE, SessionState.STOPPED)
UNNAMED = "session.disconnected"  # nothing had failed yet
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
                    tries=_tries(reader.events(Attempt, since, now_utc, name), now_utc)
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


def _none(_: float, __: float) -> Sequence[Tick]:
    return ()


def past_of(
    attempts: Iterable[Attempt],
    ends: Iterable[Disconnected],
    now_utc: float,
    *,
    prices: Prices = _none,
    usual: float | None = None,
    changes: Sequence[StateChanged] = (),
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
        spells=tuple(_spells(held, over, changes, now_utc)),
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
            endpoint=each.endpoint,
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


def _spells(
    tries: Sequence[Attempt], ends: Sequence[Disconnected], changes: Sequence[StateChanged], now_utc: float
) -> Iterator[Spell]:
    failed = [(each.at_utc, each.failure) for each in tries] + [(each.at_utc, each.failure) for each in ends]
    moments = [(at, failure.code) for at, failure in failed if failure is not None]
    until = [later.at_utc for _, later in pairwise(changes)] + [now_utc]
    stretches = [(each.at_utc, end, each.condition.code) for each, end in zip(changes, until, strict=False)]
    told = {code for _, code in moments}  # what failed says itself when it did; a state may outlast it
    stretches = [each for each in stretches if each[2] not in told]
    rows: dict[str, list[tuple[float, float]]] = {}
    for begin, end, code in sorted(
        [*((at, at, code) for at, code in moments), *stretches], key=lambda row: row[0]
    ):
        if code and code != UNNAMED:
            rows.setdefault(code, []).append((begin, end))
    for code, times in rows.items():
        yield Spell(
            code=code,
            first_ago_seconds=now_utc - times[0][0],
            last_ago_seconds=now_utc - max(end for _, end in times),
            times=sum(each == code for _, each in moments) or len(times),
        )
