"""What was recorded of a target, as rules want it: its attempts to connect, the ends of its sessions, what was wrong and when."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from probe.diagnose.case import End, Held, Neighbour, Past, Reconnected, Spell, Try
from probe.measure.records import Attempt, Disconnected, Notice, StateChanged, Tick, Trigger

HELD = ("hold", "race")  # what attempts were for that wanted a session and not only a look
BESIDE = 600.0  # seconds of prices on either side of a reconnect
LIVE_WITHIN = 120.0  # seconds since its last price: a session that still stands
UNNAMED = "session.disconnected"  # nothing had failed yet
NOT_KEPT = ("store.dropped", "store.not-flushed")  # notices
Prices = Callable[[float, float], Sequence[Tick]]  # since, until


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
    """All oldest first, the changes those of this target."""
    tries, over = list(attempts), list(ends)
    began = min([now_utc, *(each.at_utc for each in tries), *(each.at_utc for each in over)])
    held = [each for each in tries if each.purpose in HELD]
    return Past(
        seconds=now_utc - began,
        tries=tries_of(tries, now_utc),
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
        usual_round_trip=usual if len({each.endpoint for each in held}) == 1 else None,
        region=held[-1].endpoint if held else "",
        spells=tuple(_spells(held, over, changes, now_utc)),
        neighbours=tuple(neighbours),
        not_kept=tuple(each.sentence for each in notices if each.code in NOT_KEPT),
    )


def tries_of(attempts: Iterable[Attempt], now_utc: float) -> tuple[Try, ...]:
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
    after = next((each for each in held if each.at_utc >= ended and each.failure is None), None)
    if after is None or after.trigger is Trigger.START:  # whoever started it anew may want other symbols
        return None
    opened = after.at_utc
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
