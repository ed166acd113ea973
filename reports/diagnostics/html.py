"""A diagnostics report as one page: it asks nobody for anything and stands alone. The verdict comes first, then what to do.

Whatever others said goes through the templates, which escape it; the script reads numbers, and says nothing of theirs.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files

from markupsafe import Markup

import probe
from reports.diagnostics import tables, telling
from reports.diagnostics.facts import Report, Side, TargetReport
from reports.diagnostics.timeline import HIGH, LONG, Timeline
from reports.page.axes import Utc
from reports.page.pictures import SERIES, Numbers
from reports.page.templating import style, templates
from reports.tables import Cell, Table
from reports.words import quantile

MOST_SLOTS = 4800  # of all targets together: a page of ten of them stays under 2 MB


def page(report: Report) -> str:
    targets, numbers = telling.worst_first(report.targets), Numbers()
    time = Utc(report.since_utc, report.until_utc)
    slots = MOST_SLOTS // max(len(targets), 1)
    sections = [
        Section(each, number, Timeline(each, number + 1, time, numbers, most=slots))
        for number, each in enumerate(targets)
    ]
    script = files(__package__).joinpath("report.js").read_text("utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    tones = {telling.tone(each) for each in targets}
    return (
        templates(__package__)
        .get_template("page.html")
        .render(
            report=report,
            tables=tables,
            telling=telling,
            sections=sections,
            alone=len(sections) == 1,
            head="h2" if len(sections) == 1 else "h3",
            answer="no" if "bad" in tones else "yes" if tones == {"good"} else "unsure",
            advice=telling.advice(targets),
            anchors={each.target: telling.anchor(number) for number, each in enumerate(targets)},
            overview=_overview(sections),
            style=style(__package__),
            script=Markup(script),  # noqa: S704 - ours
            policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'",
            version=probe.__version__,
        )
    )


class Section:
    """What the page shows of one target."""

    def __init__(self, target: TargetReport, number: int, timeline: Timeline) -> None:
        self.of, self.anchor, self.timeline = target, telling.anchor(number), timeline
        self.pictures = timeline.pictures

    @property
    def lost(self) -> list[tuple[int, float, float, str]]:
        """Pieces of a bar of 100 points: the colour, where it begins, how long it is, and what it is."""
        pieces, at = [], self.of.health.mean or 0.0
        for series, (name, points) in enumerate(self.of.health.lost.items()):
            pieces.append(((series + 3) % SERIES, at, points, telling.lost_by(name)))
            at += points
        return pieces

    def latency(self) -> Markup:
        """One of each side: the one with the most samples."""
        best = {
            side: max(
                (each for each in self.of.latency if each.side is side),
                key=lambda each: each.histogram.count,
                default=None,
            )
            for side in Side
        }
        known = {telling.SIDES[side]: each for side, each in best.items() if each is not None}
        about = "; ".join(f"{side}, {telling.named(each.metric)}" for side, each in known.items())
        shown = {side: each.histogram for side, each in known.items()}
        return _drawn(
            self.pictures.histograms(
                "How latencies are spread",
                f"The height is the share of the samples. Of {about}.",
                shown,
            )
        )

    def regions(self) -> Markup:
        shown = {each.name: each.round_trips for each in self.of.regions[:SERIES] if each.round_trips.count}
        return _drawn(
            self.pictures.histograms(
                "Pings by region", "Of the time in which the session was held there.", shown
            )
        )

    def gaps(self) -> Markup:
        gap = self.of.tick_gap
        about = f"Between two prices of a symbol, over all symbols: p50 {quantile(gap, 0.5)}, p99 {quantile(gap, 0.99)}, longest {quantile(gap, 1.0)}."
        return _drawn(self.pictures.histograms("How long prices were apart", about, {"gap": gap}))

    def connecting(self) -> Table:
        """With a bar for each step, which begins where the one before it ends."""
        table, bars = tables.connecting(self.of), list(self._waterfall())
        rows = [(first, bar, *rest) for (first, *rest), bar in zip(table.rows, bars, strict=True)]
        return replace(table, heads=(table.heads[0], "p50, and to p90", *table.heads[1:]), rows=rows)

    def _waterfall(self) -> Iterator[Cell]:
        made = self.of.connecting
        steps = [each.seconds for each in made.phases] + [made.whole] * bool(made.whole.count)
        begins, at = [], 0.0
        for each in steps:
            begins.append(0.0 if each is made.whole else at)
            at += each.quantile(0.5) or 0.0
        ends = [begin + (each.quantile(0.9) or 0.0) for begin, each in zip(begins, steps, strict=True)]
        scale = 100 / (max(ends, default=0.0) or 1.0)
        for begin, end, each in zip(begins, ends, steps, strict=True):
            half = (each.quantile(0.5) or 0.0) * scale
            drawn = (
                '<svg class="fall" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
                f'<path class="reach" d="M{begin * scale:.1f} 5H{end * scale:.1f}"/>'
                f'<rect x="{begin * scale:.1f}" width="{max(half, 0.4):.1f}" height="10"/></svg>'
            )
            yield Cell(_drawn(drawn), begin)


def _overview(sections: list[Section]) -> Table:
    """With the strip of each section again, small."""
    table = tables.overview([each.of for each in sections])
    strips = [
        Cell(
            _drawn(
                f'<svg class="strip tiny" viewBox="0 0 {LONG:g} {HIGH:g}" preserveAspectRatio="none" aria-hidden="true">'
                f'<use href="#strip-{each.timeline.number}"/></svg>'
            ),
            each.of.sums.bad_seconds,
        )
        for each in sections
    ]
    rows = [(first, strip, *rest) for (first, *rest), strip in zip(table.rows, strips, strict=True)]
    return replace(table, heads=(table.heads[0], "over the period", *table.heads[1:]), rows=rows)


def _drawn(picture: str) -> Markup:
    return Markup(picture)  # noqa: S704 - the pictures escape what they write
