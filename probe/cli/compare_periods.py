"""`probe compare` of two periods of what the monitor has kept: of one target, or of two regions, targets or vantage points."""

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import click

from probe.model.errors import ConfigError, near_miss

if TYPE_CHECKING:
    from probe.measure.compared import Comparison
    from probe.measure.pieces import Piece, Stretch
    from probe.store.pages import StorePages

SEED = 1  # the same store gives the same answer
_PERIOD = re.compile(r"(.*),([^,]*)\.\.([^,]*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    name: str  # A or B
    store: "StorePages"
    target: str
    region: str | None
    since_utc: float
    until_utc: float
    stretches: "Sequence[Stretch]" = ()
    pieces: "Sequence[Piece]" = ()

    def __str__(self) -> str:
        return self.target if self.region is None else f"{self.target}@{self.region}"

    @property
    def observed_seconds(self) -> float:
        return sum(period.observed_seconds for _, period in self.pieces)


class CannotJudge(Exception):
    """Why; it is an answer, and goes where answers go."""


def compare_periods(
    before: str,
    after: str | None,
    *,
    change: str | None,
    since: str | None,
    until: str | None,
    stores: Sequence[str],
    config: str | None,
    as_json: bool,
) -> int:
    from probe.cli.compare_words import code_of, json_of, text_of
    from probe.cli.stored import settings_with
    from probe.model.units import parse_moment
    from probe.store.pages import StorePages

    if (after is None) is (change is None):
        raise ConfigError(
            "A is held against B, or against itself before a change",
            where="B",
            next_step="Give one of the two: B, or --change WHEN.",
        )
    if len(stores) > 2:
        raise ConfigError(
            "there are two sides only", where="--store", next_step="Name A's store, and then B's."
        )
    now_utc = time.time()
    period = (since or "", until or "")
    paths = [settings_with(each, config)[1] for each in stores or (None,)]
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(StorePages(path))) for path in paths]
        sides = [
            _side("A", before, opened[0], period, now_utc),
            _side("B", before if after is None else after, opened[-1], period, now_utc),
        ]
        comparison, why = None, ""
        try:
            sides = list(map(_within_what_was_kept, sides))
            if change is not None:
                sides = _around(parse_moment(change, now_utc, where="--change"), *sides)
            sides = list(map(_with_stretches, sides))
            if len({path.resolve() for path in paths}) == 1:
                _refuse_shared(*sides)
            sides, comparison = _compared(sides)
        except CannotJudge as problem:
            why = str(problem)
    click.echo(json_of(sides, comparison, why) if as_json else "\n".join(text_of(sides, comparison, why)))
    return code_of(comparison)


def _side(name: str, text: str, store: "StorePages", period: tuple[str, str], now_utc: float) -> Side:
    from probe.cli.stored import no_such_target
    from probe.model.units import parse_moment

    if found := _PERIOD.fullmatch(text):
        text, *own = found.groups()
        period = own[0], own[1]
    there = store.targets()
    target, region = _named(text, there)
    if target not in there:
        if _named(text.rpartition(",")[0], there)[0] in there:
            raise ConfigError(
                "what follows the comma is no period",
                where=name,
                next_step="Write it like 14d..7d, or 7d.. up to now.",
            )
        raise no_such_target(target, there, where=name)
    since_utc = parse_moment(period[0], now_utc, where=name) if period[0] else float("-inf")
    until_utc = parse_moment(period[1], now_utc, where=name) if period[1] else now_utc
    if since_utc >= until_utc:
        raise ConfigError(
            "it ends before it begins",
            where=name,
            next_step="Name the earlier moment first, such as 14d..7d.",
        )
    return Side(
        name=name,
        store=store,
        target=target,
        region=region,
        since_utc=since_utc,
        until_utc=until_utc,
    )


def _named(text: str, there: Sequence[str]) -> tuple[str, str | None]:
    target, at, region = text.rpartition("@")
    return (target, region) if at and text not in there else (text, None)


def _within_what_was_kept(side: Side) -> Side:
    from probe.cli.compare_words import when

    kept = side.store.kept(side.target)
    if kept is None:
        raise CannotJudge(
            f"{side.name}: nothing of {side.target!r} was kept. Let `probe monitor` watch it for a while"
        )
    since_utc, until_utc = max(side.since_utc, kept[0]), min(side.until_utc, kept[1])
    if since_utc >= until_utc:
        raise CannotJudge(f"{side.name}: nothing of {side.target!r} was kept then. It goes {when(*kept)}")
    return replace(side, since_utc=since_utc, until_utc=until_utc)


def _around(moment: float, before: Side, after: Side) -> list[Side]:
    """For equally long."""
    from probe.cli.compare_words import when

    seconds = min(moment - before.since_utc, after.until_utc - moment)
    if seconds <= 0:
        raise CannotJudge(f"--change is not within what was kept, {when(before.since_utc, after.until_utc)}")
    return [
        replace(before, since_utc=moment - seconds, until_utc=moment),
        replace(after, since_utc=moment, until_utc=moment + seconds),
    ]


def _with_stretches(side: Side) -> Side:
    from probe.store.stretches import regions

    if side.region is None:
        return replace(side, stretches=[(side.since_utc, side.until_utc)])
    used = regions(side.store, side.target, side.since_utc, side.until_utc)
    if side.region not in used:
        meant = near_miss(side.region, used)
        raise CannotJudge(
            f"{side.name}: {side.target!r} did not use {side.region!r} then, as far as is known"
            + (f" (did you mean {meant!r}?)" if meant else "")
            + f". It used: {', '.join(used) or 'none'}. Changes of region are known for the last 30 days, unless the store is told to keep them for longer"
        )
    return replace(side, stretches=used[side.region])


def _refuse_shared(before: Side, after: Side) -> None:
    from probe.cli.compare_words import when
    from probe.measure.pieces import shared

    both = shared(before.stretches, after.stretches) if before.target == after.target else None
    if both is not None:
        raise ConfigError(
            f"it has time in common with A, {when(*both)}, in which they cannot differ",
            where="B",
            next_step="Name periods that do not overlap, such as main,14d..7d and main,7d..",
        )


def _compared(sides: Sequence[Side]) -> "tuple[list[Side], Comparison]":
    from probe.cli.lines import span
    from probe.measure.blocks import FEWEST_BLOCKS
    from probe.measure.compared import compare
    from probe.measure.periods import MINUTE
    from probe.measure.pieces import MOST_TIMES, cut_for, length, pieces
    from probe.store.stretches import periods

    lengths = [length(side.stretches) for side in sides]
    if min(lengths) < FEWEST_BLOCKS * MINUTE:
        short = sides[lengths.index(min(lengths))]
        raise CannotJudge(
            f"{short.name} has {span(min(lengths))}, and {FEWEST_BLOCKS} minutes are the least. Name a longer period"
        )
    if max(lengths) > MOST_TIMES * min(lengths):
        raise CannotJudge(
            f"A is {span(lengths[0])} and B {span(lengths[1])} long. Name periods of which one is at most {MOST_TIMES} times the other"
        )
    cut = cut_for(*lengths)
    sides = [
        replace(
            side,
            pieces=list(
                pieces(
                    periods(side.store, side.target, side.stretches, by_hours=cut.is_by_the_clock),
                    side.stretches,
                    cut,
                )
            ),
        )
        for side in sides
    ]
    return sides, compare(sides[0].pieces, sides[1].pieces, rng=Random(SEED))
