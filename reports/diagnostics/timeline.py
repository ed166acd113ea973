"""The timeline of a target: a strip of what was good, bad and not watched, pictures over time, and the figures behind them as JSON."""

import json
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby

from markupsafe import Markup

from probe.cli.lines import span
from probe.measure.records import Cause
from reports.diagnostics.coarse import coarser
from reports.diagnostics.facts import Slot, TargetReport
from reports.diagnostics.telling import CAUSES
from reports.page.axes import LEFT, RIGHT, WIDTH, Utc
from reports.page.pictures import Backdrop, Band, Line, Numbers, Pictures

LONG, HIGH = 1000.0, 30.0  # of a strip, which is stretched to the page's width
LEAST = 6.0  # of the height, so that a bad minute of a day can be seen
_ROWS = {
    "watched": ("watched", "s"),
    **{cause.value: (words, "s") for cause, words in CAUSES.items()},
    "blind": ("blind", "s"),
    "disconnects": ("disconnects", ""),
    "score": ("score at the end", ""),
    "ping": ("ping p50", "s"),
    "ping95": ("ping p95", "s"),
    "answer": ("answer p50", "s"),
    "answer95": ("answer p95", "s"),
}
_OF_STRIP = ("watched", *(cause.value for cause in Cause), "blind", "disconnects")


class Timeline:
    """Of at most so many slots."""

    def __init__(self, target: TargetReport, number: int, time: Utc, numbers: Numbers, *, most: int) -> None:
        self.number, self.time = number, time
        self.slots = [each for each in coarser(target.timeline, most) if each.seconds > 0]
        longest = max((each.seconds for each in target.timeline), default=0.0)
        worst = f" Each piece is {span(self.slot_seconds)} and shows the worst {span(longest)} of it."
        self.worst = worst if self.slot_seconds > longest else ""
        self.pictures = Pictures(backdrop=Backdrop(time=time), numbers=numbers)

    @property
    def causes(self) -> list[Cause]:
        return [cause for cause in Cause if any(slot.bad.get(cause) for slot in self.slots)]

    @property
    def slot_seconds(self) -> float:
        return max((slot.seconds for slot in self.slots), default=0.0)

    def strip(self) -> Markup:
        """From the bottom up: what was bad, then what was good; where nothing is drawn nobody watched."""
        bad = dict.fromkeys(self.causes, "")
        for slot in self.slots:
            below = 0.0
            for cause, seconds in slot.bad.items():
                if seconds > 0:
                    height = max(seconds / slot.seconds * HIGH, LEAST)
                    bad[cause] += self._block(slot, slot, below, below + height)
                    below += height
        paths = [f'<path class="slot good" d="{"".join(self._watched())}"/>']
        paths += [f'<path class="slot {cause.value}" d="{path}"/>' for cause, path in bad.items()]
        return Markup(f'<g id="strip-{self.number}">{"".join(paths)}</g>')  # noqa: S704 - numbers and words of ours

    def ticks(self) -> list[tuple[float, str]]:
        """In percent of the width."""
        return [(round(100 * self.time.share(second), 2), words) for second, words in self.time.ticks()]

    def figures(self) -> Markup:
        """Numbers only: nothing in it can end the element in which it stands."""
        columns: dict[str, list[float | None]] = {
            "watched": [slot.observed for slot in self.slots],
            **{cause.value: [slot.bad.get(cause, 0) for slot in self.slots] for cause in self.causes},
            "blind": [slot.blind for slot in self.slots],
            "disconnects": [slot.disconnects for slot in self.slots],
            "score": [slot.score for slot in self.slots],
        }
        for name, pairs in (
            ("ping", [slot.ping for slot in self.slots]),
            ("answer", [slot.answer for slot in self.slots]),
        ):
            columns[name] = [None if pair is None else pair[0] for pair in pairs]
            columns[f"{name}95"] = [None if pair is None else pair[1] for pair in pairs]
        known = {name: list(map(_short, values)) for name, values in columns.items() if any(values)}
        times = {
            "since": self.time.since,
            "until": self.time.until,
            "began": [int(slot.began_utc) for slot in self.slots],
        }
        return Markup(json.dumps(times | known, separators=(",", ":"), allow_nan=False))  # noqa: S704 - numbers

    def score(self) -> Markup:
        about = "At the end of each piece of time; a score looks back over a quarter of an hour."
        lines = [Line(name="score", points=self._points(lambda slot: slot.score), series=0)]
        return self.timed(
            self.pictures.over_time("Health score", about, lines=lines, in_seconds=False), "score"
        )

    def round_trips(self) -> Markup:
        bands = [
            Band(
                name=name,
                points=[(_middle(slot), *(pair(slot) or (None, None))) for slot in self.slots],
                series=series,
            )
            for name, pair, series in (
                ("ping: the way", _ping, 0),
                ("answer: the way and the broker", _answer, 1),
            )
            if any(map(pair, self.slots))
        ]
        about = "Each band reaches from p50 to p95. What answers take longer than pings is the broker's time."
        drawn = self.pictures.over_time("Round trips", f"{about}{self.worst}", bands=bands, in_seconds=True)
        return self.timed(drawn, "ping", "ping95", "answer", "answer95")

    def timed(self, drawn: str, *rows: str) -> Markup:
        """So that the script finds the figures of each moment."""
        left, right = (LEFT / WIDTH, RIGHT / WIDTH) if rows else (0.0, 0.0)
        named = json.dumps([(row, *_ROWS[row]) for row in rows or _OF_STRIP])
        return Markup(  # noqa: S704 - what was drawn is escaped
            f'<div class="timed" data-slots="slots-{self.number}" data-rows="{escape(named)}" data-left="{left:.4f}" '
            f'data-right="{right:.4f}">{drawn}<p class="readout" aria-live="polite"></p></div>'
        )

    def _points(self, take: Callable[[Slot], float | None]) -> list[tuple[float, float | None]]:
        return [(_middle(slot), take(slot)) for slot in self.slots]

    def _watched(self) -> Iterator[str]:
        for height, run in groupby(self.slots, lambda slot: round(slot.observed / slot.seconds * HIGH, 1)):
            first, *_, last = *(slots := list(run)), slots[-1]
            if height:
                yield self._block(first, last, 0.0, height)

    def _block(self, first: Slot, last: Slot, low: float, high: float) -> str:
        left = self.time.share(first.began_utc) * LONG
        right = self.time.share(last.began_utc + last.seconds) * LONG
        top, bottom = HIGH - min(high, HIGH), HIGH - min(low, HIGH)
        return f"M{left:.1f} {bottom:.3g}V{top:.3g}H{right:.1f}V{bottom:.3g}z"


def _middle(slot: Slot) -> float:
    return slot.began_utc + slot.seconds / 2


def _ping(slot: Slot) -> tuple[float, float] | None:
    return slot.ping


def _answer(slot: Slot) -> tuple[float, float] | None:
    return slot.answer


def _short(value: float | None) -> float | None:
    """Four digits are more than a picture shows."""
    if value is None or value == int(value):
        return value if value is None else int(value)
    return float(f"{value:.4g}")
