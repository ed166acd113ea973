"""Pictures as SVG that stands in the page itself: lines over time, histograms, stacked bars. Each says in words what it shows."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

from probe.measure.histogram import Histogram
from reports.page.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Log, Plain, Time
from reports.words import count, duration, quantile, said, shown

LETTER = 6.4  # of the letters that are written in it
LONGEST_NAME = 16  # in a picture; the legend has all of it
BINS_PER_DECADE = 20
T = TypeVar("T")
_TOLD = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
SERIES = 6  # colours that can be told apart; see page.css


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    points: Sequence[tuple[float, float | None]]  # seconds; None: nothing was measured
    series: int = 0  # which colour and which dashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Between a low and a high percentile."""

    name: str
    points: Sequence[tuple[float, float | None, float | None]]
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Things that happened, each at its time."""

    name: str
    points: Sequence[tuple[float, float]]
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """What is the same behind all pictures over time."""

    time: Time
    stages: Sequence[tuple[float, str]] = ()  # when each begins
    watermark: str = ""


@dataclass(slots=True)
class Numbers:
    given: int = 0

    def next(self) -> int:
        self.given += 1
        return self.given


@dataclass(slots=True, kw_only=True)
class Pictures:
    """Draws pictures over the same time."""

    backdrop: Backdrop
    numbers: Numbers = field(default_factory=Numbers)  # the same for all pictures of a page

    def over_time(
        self,
        title: str,
        about: str,
        *,
        lines: Sequence[Line] = (),
        bands: Sequence[Band] = (),
        bars: Sequence[Bars] = (),
        in_seconds: bool,
    ) -> str:
        """Durations stand on a logarithmic axis, counts on a plain one."""
        drawn = [
            *(value for line in lines for _, value in line.points if value is not None),
            *(value for band in bands for _, *pair in band.points for value in pair if value is not None),
            *(value for each in bars for _, value in each.points),
        ]
        if not drawn:
            return self._nothing(title, about)
        y = Log(min(drawn), max(drawn)) if in_seconds else Plain(max(drawn))
        time = self.backdrop.time
        parts = [*_grid(y, duration if in_seconds else count), *_times(time), *self._stages()]
        for band in bands:
            parts.extend(_area(band, time, y))
        for each in bars:
            parts.extend(_sticks(each, time, y))
        for line in lines:
            parts.extend(_path(line, time, y))
        drawn_things: Sequence[Band | Line | Bars] = (*bands, *lines, *bars)
        legend = [(each.name, each.series, type(each).__name__) for each in drawn_things]
        return self._figure(title, about, "".join(parts), legend)

    def histograms(self, title: str, about: str, spread: Mapping[str, Histogram]) -> str:
        """How the values of each are spread, on a logarithmic axis; the height is the share of all of them."""
        known = {name: each for name, each in spread.items() if each.count}
        if not known:
            return self._nothing(title, about)
        low = min(each.smallest for each in known.values())
        x = Log(low, max(each.largest for each in known.values()), sideways=True)
        heaps = {name: _binned(each) for name, each in known.items()}
        y = Plain(max(max(heap.values()) for heap in heaps.values()) * 100)
        parts = [*_grid(y, lambda value: f"{value:g} %"), *_below(x)]
        for series, (name, heap) in enumerate(heaps.items()):
            steps = []
            for place in range(min(heap), max(heap) + 1):
                height = y.at(heap.get(place, 0.0) * 100)
                steps += [(x.at(_border(place)), height), (x.at(_border(place + 1)), height)]
            floor = y.at(0.0)
            path = _joined([(steps[0][0], floor), *steps, (steps[-1][0], floor)])
            shares = ", ".join(f"{mark} {quantile(known[name], of)}" for mark, of in _TOLD.items())
            told = f"{said(name)}: {known[name].count:,} values, {shares}"
            parts.append(f'<path class="heap s{series}" d="{path}"><title>{told}</title></path>')
            for row, (mark, share) in enumerate((("p50", 0.5), ("p99", 0.99))):
                value = known[name].quantile(share) or 0.0
                at, top = x.at(value), TOP + 11 + 13 * (2 * series + row)
                parts.append(
                    f'<path class="mark s{series}" d="M{at:.1f} {top:.1f}V{floor:.1f}"/>'
                    + _text(
                        at,
                        top,
                        f"{_cut(shown(name), LONGEST_NAME)} {mark} {duration(value)}",
                        anchor=_anchor(at),
                        small=True,
                    )
                )
        return self._figure(
            title, about, "".join(parts), [(name, at, "Band") for at, name in enumerate(known)]
        )

    def stacks(
        self, title: str, about: str, rows: Mapping[str, Mapping[str, float]], whole: Mapping[str, float]
    ) -> str:
        """A bar of pieces for each row, and a mark where the whole of it lies."""
        if not rows:
            return self._nothing(title, about)
        names = list(dict.fromkeys(name for pieces in rows.values() for name in pieces))
        longest = max(*(sum(pieces.values()) for pieces in rows.values()), *whole.values())
        room, step = WIDTH - LEFT - RIGHT, (HEIGHT - TOP - BOTTOM) / len(rows)
        parts = []
        for row, (title_of_row, pieces) in enumerate(rows.items()):
            at, top = LEFT, TOP + step * row + step * 0.2
            parts.append(_text(LEFT - 6, top + step * 0.35, title_of_row, anchor="end"))
            for name, value in pieces.items():
                size = value / longest * room
                parts.append(
                    f'<rect class="piece s{names.index(name) % SERIES}" x="{at:.1f}" y="{top:.1f}" width="{max(size, 0.5):.1f}" '
                    f'height="{step * 0.5:.1f}"><title>{said(name)}: {duration(value)}</title></rect>'
                )
                at += size
            end = LEFT + whole[title_of_row] / longest * room
            parts.append(f'<path class="whole" d="M{end:.1f} {top - 4:.1f}v{step * 0.5 + 8:.1f}"/>')
            parts.append(
                _text(
                    end, top + step * 0.5 + 15, duration(whole[title_of_row]), anchor=_anchor(end), small=True
                )
            )
        return self._figure(
            title, about, "".join(parts), [(name, at % SERIES, "Piece") for at, name in enumerate(names)]
        )

    def _stages(self) -> Iterator[str]:
        time = self.backdrop.time
        places = [(_across(time, begin), name) for begin, name in self.backdrop.stages]
        for (at, name), (end, _) in pairwise([*places, (WIDTH - RIGHT, "")]):
            yield f'<path class="stage" d="M{at:.1f} {TOP - 8}V{HEIGHT - BOTTOM}"/>'
            if (letters := int((end - at) / LETTER)) > 2:
                yield _text(at + 3, TOP - 6, _cut(shown(name), letters), small=True)

    def _figure(self, title: str, about: str, inner: str, legend: Sequence[tuple[str, int, str]]) -> str:
        number = self.numbers.next()
        mark = ""
        if self.backdrop.watermark:
            mark = (
                f'<text class="watermark" x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle" '
                f'transform="rotate(-14 {WIDTH / 2} {HEIGHT / 2})">{said(self.backdrop.watermark)}</text>'
            )
        keys = "".join(
            f'<li><svg class="key" viewBox="0 0 18 10" aria-hidden="true">{_KEY[kind].format(series=series)}</svg>{said(name)}</li>'
            for name, series, kind in legend
        )
        return (
            f'<figure><figcaption>{said(title)}</figcaption><svg class="picture" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
            f'aria-labelledby="t{number} d{number}"><title id="t{number}">{said(title)}</title>'
            f'<desc id="d{number}">{said(about)}</desc>{inner}{mark}</svg>'
            f'<ul class="legend">{keys}</ul><p class="about">{said(about)}</p></figure>'
        )

    def _nothing(self, title: str, about: str) -> str:
        return (
            f'<figure><figcaption>{said(title)}</figcaption><p class="none">Nothing was measured.</p>'
            f'<p class="about">{said(about)}</p></figure>'
        )


_KEY = {
    "Line": '<path class="line s{series}" d="M0 5H18"/>',
    "Band": '<rect class="band s{series}" width="18" height="10"/>',
    "Bars": '<rect class="stick s{series}" x="7" width="4" height="10"/>',
    "Piece": '<rect class="piece s{series}" width="18" height="10"/>',
}


def _grid(y: Plain | Log, words: Callable[[float], str]) -> Iterator[str]:
    for value in y.ticks():
        at = y.at(value)
        yield f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 5, at + 4, words(value), anchor="end")


def _across(time: Time, second: float) -> float:
    return LEFT + time.share(second) * (WIDTH - LEFT - RIGHT)


def _times(time: Time) -> Iterator[str]:
    if time.name:
        yield _text(LEFT - 5, HEIGHT - 6, time.name, anchor="end")
    for second, words in time.ticks():
        at = _across(time, second)
        yield f'<path class="grid" d="M{at:.1f} {HEIGHT - BOTTOM}v4"/>'
        yield _text(at, HEIGHT - 6, words, anchor=_anchor(at, middle="middle"))


def _below(x: Log) -> Iterator[str]:
    for value in x.ticks():
        at = x.at(value)
        yield f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield _text(at, HEIGHT - 6, duration(value), anchor=_anchor(at, middle="middle"))


def _path(line: Line, time: Time, y: Plain | Log) -> Iterator[str]:
    for run in _runs([(second, value) for second, value in line.points]):
        places = [(_across(time, second), y.at(value)) for second, value in run]
        if len(places) == 1:
            yield f'<circle class="dot s{line.series}" cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="1.6"/>'
        else:
            yield f'<path class="line s{line.series}" d="{_joined(places)}"/>'


def _area(band: Band, time: Time, y: Plain | Log) -> Iterator[str]:
    pairs = [
        (second, None if low is None or high is None else (low, high)) for second, low, high in band.points
    ]
    for run in _runs(pairs):
        lows = [(_across(time, second), y.at(low)) for second, (low, _) in run]
        highs = [(_across(time, second), y.at(high)) for second, (_, high) in run]
        yield f'<path class="band s{band.series}" d="{_joined([*highs, *reversed(lows)])}Z"/>'
        for edge in (lows, highs):
            yield f'<path class="edge s{band.series}" d="{_joined(edge)}"/>'


def _sticks(bars: Bars, time: Time, y: Plain | Log) -> Iterator[str]:
    path = "".join(
        f"M{_across(time, second):.1f} {y.at(0.0):.1f}V{y.at(value):.1f}"
        for second, value in bars.points
        if value
    )
    if path:
        yield f'<path class="stick s{bars.series}" d="{path}"/>'


def _runs(points: Sequence[tuple[float, T | None]]) -> Iterator[list[tuple[float, T]]]:
    """Pieces without a hole."""
    run: list[tuple[float, T]] = []
    for second, value in points:
        if value is not None:
            run.append((second, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _joined(places: Sequence[tuple[float, float]]) -> str:
    """From each place to the next by how far it is, in tenths: the shortest way to write it, and no error adds up."""
    tenths = [(round(10 * x), round(10 * y)) for x, y in places]
    steps = (
        f"{(x - before_x) / 10:g} {(y - before_y) / 10:g}"
        for (before_x, before_y), (x, y) in pairwise(tenths)
    )
    return f"M{tenths[0][0] / 10:g} {tenths[0][1] / 10:g}" + "".join(f"l{each}" for each in steps)


def _text(x: float, y: float, words: str, *, anchor: str = "start", small: bool = False) -> str:
    size = ' class="small"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{size}>{said(words)}</text>'


def _anchor(at: float, *, middle: str = "start") -> str:
    """So that it stays in the picture."""
    if at > WIDTH - (130 if middle == "start" else 20):
        return "end"
    return "start" if at < LEFT + 20 else middle


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _border(place: int) -> float:
    return math.pow(10, place / BINS_PER_DECADE)


def _binned(histogram: Histogram) -> dict[int, float]:
    """Shares of all values, in places of equal width on a logarithmic axis."""
    heap: dict[int, float] = {}
    for begins, ends, values in histogram.buckets():
        place = math.floor(math.log10((begins + ends) / 2) * BINS_PER_DECADE)
        heap[place] = heap.get(place, 0.0) + values / histogram.count
    return heap
