"""Whether two stretches of time differ by more than chance gives them: what they consist of is dealt to them anew, many times.

Both are cut into blocks of one length. If nothing changed, it does not matter which block lies on which side, so the blocks are dealt
to the sides at random, and how far figures lie apart then is the noise. That holds for what is rare, too: of four drops all lie on the
same side by chance in one deal of eight, and no arithmetic with averages would say so. Of each deal the largest deviation of all
figures counts, so that one alarm level holds for the whole comparison, however many there are.

Three things would make that wrong, and are dealt with:

- Days have a shape. Where both sides are longer than one, blocks are dealt among those of the same hours only.
- Neighbouring blocks are alike. By how much is seen in the blocks themselves, and widens the noise; what is more alike than
  `MOST_ALIKE` cannot be told from a trend.
- What did change is in the blocks that are dealt, and would pass for noise. From times it is taken out before: the second side's are
  made as much shorter as they are longer. In shares the part of the spread that it makes is known, and taken out afterwards. For few blocks
  both widen the noise as Student's distribution does.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from random import Random

from probe.measure.blocks import Drawn, rare, unbiased, widened

DEALS = 500
NOTABLE = 2.0
LEAST_OF_NOISE = 0.05  # what remains of 1 where a difference could not be larger, however it was dealt


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where one lies: on the second side or not, and which hours of the day it is of."""

    is_after: bool
    at: float
    hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealable:
    """A figure of any of the blocks, on a scale on which both sides are equally noisy."""

    value: Callable[[Drawn], float]
    levelled: Callable[[Drawn], float] | None = None
    """The same without what lies between the sides; None: that is not taken out of what it is made of."""
    alone: Sequence[Sequence[float | None]]
    """Of each block, on the same scale; and in other ways in which neighbours may be alike."""
    finest: float  # less than this cannot be told, even where nothing varies


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    by: float  # the second side less the first
    noise: float  # to both sides of it
    alike: float  # how much neighbouring blocks correlate


def apart(figures: Sequence[Dealable], blocks: Sequence[Block], rng: Random) -> list[Apart]:
    """Of each figure. Both sides have blocks of each of the hours that there are."""
    hands = [_hands(_dealt(blocks, rng)) for _ in range(DEALS)]
    dealt = [list(starmap(_between(each.levelled or each.value), hands)) for each in figures]
    middles = list(map(statistics.fmean, dealt))
    spreads = list(map(statistics.pstdev, dealt))
    off = [
        [abs(by - middle) / spread if spread else 0.0 for by in each]
        for each, middle, spread in zip(dealt, middles, spreads, strict=True)
    ]
    limit = rare([max(of_a_deal) for of_a_deal in zip(*off, strict=True)])
    taken = _taken(blocks)
    found = []
    for figure, middle, spread in zip(figures, middles, spreads, strict=True):
        by = _between(figure.value)(*_hands(blocks)) - middle
        rests = [_rests(each, blocks) for each in figure.alone]
        alike = max(_alike(each, blocks) for each in rests)
        own = spread if figure.levelled else math.sqrt(max(spread**2 - taken * by**2, 0.0))
        noise = limit * own * widened(alike) / math.sqrt(max(1 - taken * limit**2, LEAST_OF_NOISE))
        noise += _trend(rests[0], blocks)
        found.append(Apart(by=by, noise=max(noise, figure.finest), alike=alike))
    return found


def _between(value: Callable[[Drawn], float]) -> Callable[[Drawn, Drawn], float]:
    return lambda before, after: value(after) - value(before)


def _dealt(blocks: Sequence[Block], rng: Random) -> list[Block]:
    dealt = list(blocks)
    for places in _of_hours(blocks):
        for place, source in zip(places, rng.sample(places, len(places)), strict=True):
            dealt[place] = blocks[source]
    return dealt


def _hands(blocks: Sequence[Block]) -> tuple[Drawn, Drawn]:
    before, after = (
        Counter(place for place, each in enumerate(blocks) if each.is_after is which)
        for which in (False, True)
    )
    return before, after


def _of_hours(blocks: Sequence[Block]) -> Iterator[list[int]]:
    found = defaultdict(list)
    for place, each in enumerate(blocks):
        found[each.hours].append(place)
    return iter(found.values())


def _taken(blocks: Sequence[Block]) -> float:
    """The share of a difference, squared, that the spread of what is dealt has from it."""
    return sum(
        (len(places) / len(blocks)) ** 2 / (len(places) - 1)
        for places in _of_hours(blocks)
        if len(places) > 1
    )


def _rests(alone: Sequence[float | None], blocks: Sequence[Block]) -> dict[int, float]:
    """What is left of each block without its side's mean and the shape of the day."""
    rests = {place: value for place, value in enumerate(alone) if value is not None}
    for kind in ("is_after", "hours"):
        groups = defaultdict(list)
        for place, value in rests.items():
            groups[getattr(blocks[place], kind)].append(value)
        means = {key: statistics.fmean(each) for key, each in groups.items()}
        rests = {place: value - means[getattr(blocks[place], kind)] for place, value in rests.items()}
    return rests


def _alike(rests: Mapping[int, float], blocks: Sequence[Block]) -> float:
    """How much neighbours correlate."""
    whole = sum(value**2 for value in rests.values())
    neighbours = (
        rests[one] * rests[other]
        for one, other in pairwise(rests)
        if blocks[one].is_after is blocks[other].is_after
    )
    return unbiased(sum(neighbours) / whole, len(rests) / 2) if whole else 0.0


def _trend(rests: Mapping[int, float], blocks: Sequence[Block]) -> float:
    """How far apart the sides would lie if each was on its way already."""
    sides = [[place for place in rests if blocks[place].is_after is which] for which in (False, True)]
    middles = [statistics.fmean(blocks[place].at for place in side) for side in sides]
    spans = [
        max(blocks[place].at for place in side) - min(blocks[place].at for place in side) for side in sides
    ]
    at = {
        place: blocks[place].at - middle
        for side, middle in zip(sides, middles, strict=True)
        for place in side
    }
    reach = sum(value**2 for value in at.values())
    slope = sum(at[place] * value for place, value in rests.items()) / reach
    noise = math.sqrt(
        sum((value - slope * at[place]) ** 2 for place, value in rests.items()) / (len(rests) - 3)
    )
    distance = min(abs(middles[1] - middles[0]), sum(spans) / 2)
    return abs(slope) * distance if abs(slope) * math.sqrt(reach) > NOTABLE * noise else 0.0
