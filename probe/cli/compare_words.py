"""What `probe compare` says of two periods: for people and for programs."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from probe.measure.records import Metric

if TYPE_CHECKING:
    from probe.cli.compare_periods import Side
    from probe.measure.compared import Comparison, Difference

CANNOT_JUDGE = 4
TOO_LITTLE = (
    "there is too little, or it wanders too slowly: a percentile needs ten values beyond it, and each side eight stretches with any. "
    "Name longer periods"
)
OTHER_HOURS = (
    "A and B are of other hours, and too short to know what each hour of a day is like: that, too, would look like a change. "
    "Periods of a day and more are compared hour by hour."
)
NAMES = {
    "good_seconds": "good seconds",
    "blind_seconds": "blind, of open ones",
    "disconnects_per_day": "disconnects a day",
    "failed_connects": "failed connects",
    "missed_beats": "missed beats",
    Metric.WS_RTT.value: "WebSocket ping",
    Metric.APP_RTT.value: "application",
    Metric.POLL_RTT.value: "light question",
    Metric.BEAT_RTT.value: "broker's keep-alive",
    Metric.TCP_RTT.value: "kernel TCP",
    Metric.CONNECT.value: "connect",
    Metric.TICK_GAP.value: "gap between ticks",
}
A_DAY = "disconnects_per_day"
NAME_CELLS, CELLS, BETWEEN_CELLS = 21, 11, 24
_VERDICTS = {0: "not worse", 1: "worse", CANNOT_JUDGE: "could not judge"}


def code_of(comparison: "Comparison | None") -> int:
    from probe.measure.compared import Change

    if comparison is not None and comparison.of(Change.WORSE):
        return 1
    return 0 if comparison is not None and comparison.is_judged else CANNOT_JUDGE


def when(since_utc: float, until_utc: float) -> str:
    since, until = (datetime.fromtimestamp(each, UTC) for each in (since_utc, until_utc))
    return f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def json_of(sides: "Sequence[Side]", comparison: "Comparison | None", why: str) -> str:
    from probe.cli.lines import json_line
    from probe.measure.plain import SCHEMA_VERSION, iso, plain

    code = code_of(comparison)
    return json_line(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "period_comparison",
            "at": iso(datetime.now(UTC).timestamp()),
            "verdict": _VERDICTS[code],
            "obstacles": [why or TOO_LITTLE] if code == CANNOT_JUDGE else [],
            "sides": [
                {
                    "target": side.target,
                    "region": side.region,
                    "since": iso(side.since_utc) if side.stretches else None,
                    "until": iso(side.until_utc) if side.stretches else None,
                    "observed_seconds": side.observed_seconds,
                }
                for side in sides
            ],
            "differences": [] if comparison is None else plain(comparison.differences),
        }
    )


def text_of(sides: "Sequence[Side]", comparison: "Comparison | None", why: str) -> Iterator[str]:
    from probe.cli.lines import safe, span

    if code_of(comparison) == CANNOT_JUDGE:
        yield click.style("COULD NOT JUDGE", fg="yellow", bold=True) + f": {safe(why or TOO_LITTLE)}."
    if comparison is None:
        return
    if code_of(comparison) != CANNOT_JUDGE:
        yield _headline(comparison)
    for side in sides:
        yield (
            f"  {side.name}  {safe(str(side))} {when(side.since_utc, side.until_utc)}, "
            f"{span(side.observed_seconds)} observed"
        )
    yield ""
    yield f"{'':{NAME_CELLS}}{'A':>{CELLS}}{'B':>{CELLS}}{'B - A':>{CELLS}}{'between':>{BETWEEN_CELLS}}"
    for is_time, group in groupby(comparison.differences, key=lambda each: each.quantile is not None):
        for name, each in groupby(group, key=lambda it: it.name):
            if is_time:
                yield click.style(NAMES[name], bold=True)
            yield from map(_line, each)
    yield ""
    yield "Between: where each difference lies; in 99 comparisons of 100 that is true of all of them. pt: percentage points."
    if _of_other_hours(sides):
        yield OTHER_HOURS


def _of_other_hours(sides: "Sequence[Side]") -> bool:
    from probe.measure.pieces import DAY, length

    before, after = sides
    same = (before.since_utc, before.until_utc) == (after.since_utc, after.until_utc)
    return not same and min(length(side.stretches) for side in sides) < DAY


def _headline(comparison: "Comparison") -> str:
    from probe.measure.compared import Change

    worse, better, same, *others = (len(comparison.of(change)) for change in Change)
    judged = worse + better + same
    kinds = ("too noisy to tell", "wandering too slowly to tell", "without enough data")
    besides = "".join(f"; {count} {kind}" for count, kind in zip(others, kinds, strict=True) if count)
    for count, word, colour in ((worse, "WORSE", "red"), (better, "BETTER", "green")):
        if count:
            also = f", and {better} are better" if worse and better else ""
            return click.style(word, fg=colour, bold=True) + f": {count} of {judged} figures{also}{besides}"
    return click.style("SAME", fg="green", bold=True) + f": {same} figures lie within the noise{besides}"


def _line(each: "Difference") -> str:
    from probe.cli.output import duration
    from probe.measure.compared import Change

    name = f"{NAMES[each.name] if each.quantile is None else f'  p{each.quantile * 100:g}':{NAME_CELLS}}"
    value: Callable[[float], str] = _percent
    if each.quantile is not None:
        value = duration
    elif each.name == A_DAY:
        value = "{:.2f}".format
    name += f"{value(each.before):>{CELLS}}{value(each.after):>{CELLS}}"
    if each.absolute is None:
        few = f" ({each.samples[0]:,.0f} and {each.samples[1]:,.0f})" if each.change is Change.UNKNOWN else ""
        return f"{name}  {each.change.value}{few}"
    shown = each.absolute if each.quantile is None or each.relative is None else each.relative
    unit = "" if each.name == A_DAY else " pt" if each.quantile is None else " %"
    scale = 1 if each.name == A_DAY else 100
    by, least, most = (f"{end * scale:+.{2 if each.quantile is None else 1}f}" for end in shown)
    colour = {Change.WORSE: "red", Change.BETTER: "green"}.get(each.change)
    change = click.style(each.change.value, fg=colour, bold=True) if colour else each.change.value
    return f"{name}{by + unit:>{CELLS}}{f'{least} to {most}{unit}':>{BETWEEN_CELLS}}  {change}"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"
