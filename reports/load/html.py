"""A load run as one page: it asks nobody for anything, runs no script, and stands alone. The verdict comes first.

Names, failures and addresses in it were said by others: everything is escaped, and nothing of it moves or hides anything.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

import probe
from probe.cli.lines import span
from probe.disk import write_result
from probe.load.bottleneck import Where, bottleneck
from probe.load.capacity import CapacityResult
from probe.load.causes import unsaid
from probe.load.figures import Figures, Generator, Requests
from probe.load.mergeable import Level
from probe.load.plain import from_plain
from probe.load.plan import SearchBy
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from reports.load import words
from reports.page.axes import Elapsed
from reports.page.pictures import SERIES, Backdrop, Band, Bars, Line, Pictures
from reports.page.templating import style, templates
from reports.tables import Cell, Table
from reports.words import NONE, count, duration, quantile, said, share

WATERMARK = "INVALID: not the server's figures"
MOST_SYMBOLS = 20  # in the table; the rest is in the CSV
_CONTENT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def write_html(record: RunRecord, path: Path) -> None:
    """
    Raises:
        OSError: the file cannot be written; what stood there before still does.
    """
    write_result(path, page(record).encode())


def page(record: RunRecord) -> str:
    return "".join(_Page(record).parts())


class _Page:
    def __init__(self, record: RunRecord) -> None:
        self.record, self.plan, self.total = record, record.plan, record.total
        self.found = bottleneck(record)
        self.verdict, self.thresholds = record.verdict, record.thresholds
        self.broken = [each for each in self.thresholds if each.holds is False]
        self.stages = sorted(record.stages.values(), key=lambda each: each.began)
        self.pictures = Pictures(
            backdrop=Backdrop(
                time=Elapsed(max(record.seconds, 1.0)),
                stages=[(each.began, each.name) for each in self.stages],
                watermark="" if self.verdict.is_valid else WATERMARK,
            )
        )

    def parts(self) -> Iterator[str]:
        scenario = self.plan.scenario
        title = f"Load test {scenario.name}: {self.verdict.word}"
        yield _parts().opening(title, style(__package__), _CONTENT)
        unsure = not self.verdict.is_valid or any(each.holds is None for each in self.thresholds)
        answer = "unsure" if unsure else "no" if self.broken else "yes"
        yield f'<body data-answer="{answer}">\n<header>\n<h1>tradeprobe load test <span>{said(scenario.title)}</span></h1>\n'
        yield f'<p id="headline">{escape(self._headline())}</p>\n'
        yield from (f'<p class="told">{line}</p>\n' for line in self._what_ran())
        yield "</header>\n<main>\n"
        for section in (
            self._reasons,
            self._causes,
            self._capacity,
            self._thresholds,
            self._where,
            self._latency,
            self._stream,
            self._sessions,
            self._generators,
            self._by_stage,
            self._failures,
        ):
            yield from section()
        yield "</main>\n<footer>\n"
        yield from (f"<p>{line}</p>\n" for line in self._small_print())
        yield "</footer>\n</body>\n</html>\n"

    def _headline(self) -> str:
        if not self.verdict.is_valid:
            return "INVALID: these figures are not the server's."
        said_of = {
            "broken": len(self.broken),
            "not measured": sum(each.holds is None for each in self.thresholds),
        }
        told = [
            f"{times} of {len(self.thresholds)} thresholds {what}" for what, times in said_of.items() if times
        ]
        if told:
            return f"VALID, and {', '.join(told)}."
        kept = f", and all {len(self.thresholds)} thresholds held" if self.thresholds else ""
        return f"VALID: the figures are the server's{kept}."

    def _what_ran(self) -> Iterator[str]:
        plan, asked = self.plan, self.total.all_requests()
        yield (
            f"{said(plan.broker)} at {said(urlsplit(plan.url).netloc.rpartition('@')[2])}: {plan.how_many}, {said(plan.how_asked)}, "
            f"for {span(self.record.seconds)}."
        )
        told = [f"{asked.answered:,} of {asked.due:,} answered" if asked.due else ""]
        if asked.response.count:
            told.append(
                f"half within {quantile(asked.response, 0.5)}, 99 of 100 within {quantile(asked.response, 0.99)} "
                "from when they were due"
            )
        ticks = self.total.all_ticks()
        told.append(f"{ticks.arrived:,} ticks" if ticks.arrived else "")
        if self.record.ended:
            yield f"It ended early: {said(self.record.ended)}."
        yield from map(said, self.record.notes)
        if any(told):
            yield escape("; ".join(filter(None, told)) + ".")

    def _reasons(self) -> Iterator[str]:
        if not self.verdict.is_valid:
            reasons = (
                said(f"{each.sentence} [{each.slug}]" if each.slug else each.sentence)
                for each in self.verdict.reasons
            )
            yield (
                '<section class="invalid" aria-label="Why it is invalid"><p>What follows is true of the generator and the server '
                f"together, and says nothing about the server alone:</p>{_list(reasons)}</section>\n"
            )

    def _causes(self) -> Iterator[str]:
        shown = unsaid(self.record)
        if not shown:
            return
        yield "<section>\n<h2>What it shows besides</h2>\n"
        for each in shown:
            yield f"<p><strong>{said(each.says[0].upper() + each.says[1:])}</strong> ({each.certainty.value}, {said(each.code)})</p>\n"
            yield _list(map(said, each.evidence))
            yield f"<p>Next: {said(each.advice[0])}</p>\n"
        yield "</section>\n"

    def _capacity(self) -> Iterator[str]:
        if self.record.search is None:
            return
        found = from_plain(CapacityResult, self.record.search)
        unit = "users" if found.by is SearchBy.USERS else "messages a second"
        held = "Nothing" if found.highest_held is None else f"{found.highest_held:,.4g} {unit}"
        marks = {
            True: '<span class="good">held</span>',
            False: '<span class="bad">broke</span>',
            None: "not judged",
        }
        rows = [
            [
                f"{each.level.value:,.4g}", span(each.level.seconds), "yes" if each.level.is_confirmation else "",
                marks[each.judged.held if each.judged.valid else None], said("; ".join(each.judged.evidence)),
            ]
            for each in found.tried
        ]  # fmt: skip
        heads = [unit, "for", "confirming", "", "what was measured"]
        yield f"<section>\n<h2>Capacity</h2>\n<p><strong>{held} held</strong>: {escape(found.end.value)}.</p>\n"
        if found.lowest_broken is not None:
            yield f"<p>At {found.lowest_broken:,.4g} this broke: {said('; '.join(found.broken_by))}.</p>\n"
        yield f"{_table('Levels of the search', heads, rows, kind='words')}</section>\n"

    def _thresholds(self) -> Iterator[str]:
        if not self.thresholds:
            return
        marks = {
            True: '<span class="good">held</span>',
            False: '<span class="bad">broken</span>',
            None: "not measured",
        }
        rows = [
            [
                said(each.threshold.text),
                marks[each.holds],
                said(str(each).rpartition(", it was ")[2] if each.holds is not None else NONE),
                count(each.samples),
            ]
            for each in self.thresholds
        ]
        yield "<section>\n<h2>Thresholds</h2>\n"
        yield _table("Thresholds", ["what must hold", "", "what was", "samples"], rows, kind="words")
        yield "</section>\n"

    def _where(self) -> Iterator[str]:
        if self.record.search is not None and self.found.where is Where.NOTHING:
            return  # a search ends where something breaks, and what did stands above
        yield f"<section>\n<h2>Where the time went</h2>\n<p><strong>{escape(words.where(self.found))}</strong></p>\n"
        told = {each.sentence for each in self.verdict.reasons}
        yield _list(said(each) for each in self.found.evidence if each not in told)
        broken = [each.threshold.text for each in self.broken]
        advice = words.recommendations(self.total, self.found, broken=broken)
        yield f"<h3>What to do next</h3>\n{_list(map(said, advice), ordered=True)}</section>\n"

    def _latency(self) -> Iterator[str]:
        asked = self.total.all_requests()
        yield "<section>\n<h2>Answers</h2>\n<div class='pictures'>\n"
        yield self.pictures.over_time(
            "Time to an answer",
            f"From when it was due (response) p99 {quantile(asked.response, 0.99)}, from when it was sent (service) p99 "
            f"{quantile(asked.service, 0.99)}; each band reaches from p50 to p99. The line is how late this side sent.",
            bands=[
                self._band("response, from due", lambda each: each.all_requests().response, 0),
                self._band("service, from sent", lambda each: each.all_requests().service, 1),
            ],
            lines=[self._line("own lateness p99", lambda each: each.all_requests().lateness, 0.99, 3)],
            in_seconds=True,
        )
        yield self.pictures.histograms(
            "How answer times are spread",
            f"{asked.answered:,} answers. Where the two differ, messages left later than they were due.",
            {"response": asked.response, "service": asked.service},
        )
        yield "</div>\n<h3>By operation</h3>\n"
        heads = [
            "operation",
            "due",
            "answered",
            "failed",
            *_heads("response"),
            *_heads("service"),
            "late p99",
        ]
        rows = [[said(name), *_asked(each)] for name, each in sorted(self.total.requests.items())]
        yield _table("Times by operation", heads, rows)
        yield "</section>\n"

    def _stream(self) -> Iterator[str]:
        if not self.total.ticks:
            return
        ticks = self.total.all_ticks()
        busiest = sorted(self.total.ticks, key=lambda name: -self.total.ticks[name].arrived)
        yield "<section>\n<h2>The stream</h2>\n<div class='pictures'>\n"
        yield self.pictures.over_time(
            "Ticks a second",
            f"{ticks.arrived:,} ticks of {len(busiest):,} symbol{'' if len(busiest) == 1 else 's'} over all sessions; {ticks.duplicates:,} came twice, "
            f"{ticks.out_of_order:,} out of order.",
            lines=[
                Line(
                    name="all symbols",
                    points=[
                        (each.second, each.figures.all_ticks().arrived / each.seconds)
                        for each in self.record.timeline
                    ],
                )
            ],
            in_seconds=False,
        )
        kinds: Sequence[tuple[str, str, Callable[[Figures], Histogram]]] = (
            ("Gap between two ticks", "Of one session and symbol", lambda each: each.all_ticks().gap),
            (
                "Staleness",
                "Once a second, of each session: since its last tick",
                lambda each: each.all_ticks().staleness,
            ),
            (
                "Skew",
                "The same tick: how much later than at the first session",
                lambda each: each.all_ticks().skew,
            ),
        )
        for title, about, take in kinds:
            whole = take(self.total)
            yield self.pictures.over_time(
                title,
                f"{about}: p50 {quantile(whole, 0.5)}, p99 {quantile(whole, 0.99)}. The band reaches from p50 to p99.",
                bands=[self._band("p50 to p99", take, 0)],
                in_seconds=True,
            )
        yield "</div>\n<h3>By symbol</h3>\n"
        heads = [
            "symbol",
            "ticks",
            "ticks /s",
            "twice",
            "out of order",
            *_heads("gap"),
            "stale p99",
            "skew p99",
            "first p99",
        ]
        rows = [
            [
                said(name), count(each.arrived), count(round(each.arrived / self.record.seconds, 1)), count(each.duplicates), count(each.out_of_order),
                *_percentiles(each.gap), quantile(each.staleness, 0.99), quantile(each.skew, 0.99), quantile(each.first, 0.99),
            ]
            for name, each in ((name, self.total.ticks[name]) for name in busiest[:MOST_SYMBOLS])
        ]  # fmt: skip
        yield _table("The stream by symbol", heads, rows)
        if len(busiest) > MOST_SYMBOLS:
            yield f"<p class='about'>And {len(busiest) - MOST_SYMBOLS:,} more.</p>\n"
        yield "</section>\n"

    def _sessions(self) -> Iterator[str]:
        connects, sessions = self.total.connects, self.total.sessions
        yield "<section>\n<h2>Sessions</h2>\n<div class='pictures'>\n"
        lost = sum(sessions.lost.values())
        events: Sequence[tuple[str, Callable[[Figures], float], int]] = (
            ("lost", lambda each: sum(each.sessions.lost.values()), 4),
            ("dropped by us", lambda each: each.sessions.dropped, 1),
            ("live again", lambda each: each.sessions.reopened, 2),
        )
        yield self.pictures.over_time(
            "Sessions",
            f"{connects.opened:,} opened, {lost:,} lost, {sessions.dropped:,} dropped by us, {sessions.reopened:,} live again"
            f"{_within(sessions.recovery)}.",
            lines=[
                Line(name="wanted", points=self._levels(lambda each: each.sessions.wanted), series=5),
                Line(name="live", points=self._levels(lambda each: each.sessions.live), series=0),
            ],
            bars=[
                Bars(name=name, points=[(at, take(each)) for at, each in self._moments()], series=series)
                for name, take, series in events
                if take(self.total)
            ],
            in_seconds=False,
        )
        rows = {
            name: {
                phase: value
                for phase, each in connects.phases.items()
                if (value := each.quantile(of)) is not None
            }
            for name, of in _PERCENTILES.items()
        }
        whole = {name: connects.whole.quantile(of) or 0.0 for name, of in _PERCENTILES.items()}
        yield self.pictures.stacks(
            "From due to live, by phase",
            "Each phase's own percentile. They do not add up to the percentile of the whole, which is the mark: who waits long in one "
            f"phase need not wait long in the next. Of {connects.begun:,} begun, {sum(connects.failed.values()):,} failed.",
            rows if connects.whole.count else {},
            whole,
        )
        yield "</div>\n<h3>Heartbeats</h3>\n"
        beats = [
            count(sessions.beats_sent), count(sessions.beats_answered), count(sessions.beats_missed), count(sessions.peer_beats),
            quantile(sessions.beat_round_trip, 0.5), quantile(sessions.beat_round_trip, 0.99), quantile(sessions.beat_lateness, 0.99),
        ]  # fmt: skip
        heads = [
            "ours sent",
            "answered",
            "missed",
            "the server's, answered by us",
            "round trip p50",
            "p99",
            "our lateness p99",
        ]
        yield _table("Heartbeats", heads, [beats])
        yield "</section>\n"

    def _generators(self) -> Iterator[str]:
        workers = sorted(self.total.generators)
        if not workers:
            return
        yield "<section>\n<h2>The generator itself</h2>\n<div class='pictures'>\n"
        yield self.pictures.over_time(
            "CPU, in % of one core",
            "A process that needs nearly all of a core is late with everything, and its verdict is INVALID.",
            lines=[
                Line(
                    name=worker,
                    points=[(at, _cpu(each, worker)) for at, each in self._moments()],
                    series=series,
                )
                for series, worker in enumerate(workers[:SERIES])
            ],
            in_seconds=False,
        )
        lag, lateness = (
            _over(self.total, lambda each: each.lag),
            _over(self.total, lambda each: each.lateness),
        )
        yield self.pictures.over_time(
            "Lag and lateness, p99",
            f"How late timers of its loop came, p99 {quantile(lag, 0.99)}, and how late whatever was due left, p99 "
            f"{quantile(lateness, 0.99)}.",
            lines=[
                self._line("lag of the loop", lambda each: _over(each, lambda one: one.lag), 0.99, 0),
                self._line("lateness", lambda each: _over(each, lambda one: one.lateness), 0.99, 1),
            ],
            in_seconds=True,
        )
        yield "</div>\n<h3>By process</h3>\n"
        heads = [
            "process",
            "CPU",
            "lag p99",
            "late p99",
            "memory",
            "handles of",
            "ports of",
            "unsent",
            "refused",
            "lost samples",
        ]
        rows = [
            [
                said(name),
                share(each.cpu_seconds, each.wall_seconds), quantile(each.lag, 0.99), quantile(each.lateness, 0.99),
                f"{each.resident_bytes.highest / 2**20:,.0f} MiB" if each.resident_bytes.is_known else NONE,
                _of(each.handles, each.handle_limit), _of(each.ports, each.port_limit),
                count(each.unsent), said(words.kinds(each.refused)) or "0", count(each.dropped_samples),
            ]
            for name, each in sorted(self.total.generators.items())
        ]  # fmt: skip
        yield _table("The generator by process", heads, rows)
        yield "</section>\n"

    def _by_stage(self) -> Iterator[str]:
        heads = [
            "stage", "lasted", "live", "asked /s", "answered", *_heads("response"), "service p99", "late p99",
            "ticks /s", "gap p99", "connects", "lost",
        ]  # fmt: skip
        rows = []
        for stage in self.stages:
            each, seconds = stage.figures, stage.ended - stage.began
            asked, ticks, live = each.all_requests(), each.all_ticks(), each.sessions.live
            rows.append(
                [
                    said(stage.name), span(seconds), count(live.highest) if live.is_known else NONE,
                    count(round(asked.due / seconds, 1)) if seconds else NONE, count(asked.answered),
                    *_percentiles(asked.response), quantile(asked.service, 0.99), quantile(asked.lateness, 0.99),
                    count(round(ticks.arrived / seconds, 1)) if seconds else NONE, quantile(ticks.gap, 0.99),
                    count(each.connects.opened), count(sum(each.sessions.lost.values())),
                ]
            )  # fmt: skip
        yield f"<section>\n<h2>Stages</h2>\n{_table('Stages', heads, rows)}</section>\n"

    def _failures(self) -> Iterator[str]:
        rows = [
            [f"{what} {said(name)}".strip(), said(kind), count(times)]
            for what, name, failed in (
                *(("asking", name, each.failed) for name, each in sorted(self.total.requests.items())),
                ("connecting", "", self.total.connects.failed),
                ("sessions lost", "", self.total.sessions.lost),
            )
            for kind, times in sorted(failed.items(), key=lambda each: -each[1])
        ]
        if rows:
            table = _table("Failures", ["in", "what happened", "times"], rows, kind="words")
            yield f"<section>\n<h2>Failures</h2>\n{table}<p class='about'>probe explain CODE says what a code means.</p></section>\n"

    def _small_print(self) -> Iterator[str]:
        frames = self.total.frames
        yield (
            f"{frames.messages_sent:,} messages sent and {frames.messages_received:,} received "
            f"({frames.bytes_sent:,} and {frames.bytes_received:,} bytes). Percentiles come of merged histograms, true to 1 %; none is an "
            f"average. {NONE} is what was not measured; it is never a zero."
        )
        yield f"Run {said(self.plan.run)}, seed {self.plan.seed}, made by tradeprobe {escape(probe.__version__)}."

    # -- over time ---------------------------------------------------------------------------------------------------

    def _moments(self) -> Iterator[tuple[float, Figures]]:
        for each in self.record.timeline:
            yield float(each.second), each.figures

    def _levels(self, take: Callable[[Figures], Level]) -> list[tuple[float, float | None]]:
        levels = ((at, take(each)) for at, each in self._moments())
        return [(at, level.last if level.is_known else None) for at, level in levels]

    def _line(self, name: str, take: Callable[[Figures], Histogram], of: float, series: int) -> Line:
        return Line(
            name=name, points=[(at, take(each).quantile(of)) for at, each in self._moments()], series=series
        )

    def _band(self, name: str, take: Callable[[Figures], Histogram], series: int) -> Band:
        taken = [(at, take(each)) for at, each in self._moments()]
        points = [(at, each.quantile(0.5), each.quantile(0.99)) for at, each in taken]
        return Band(name=name, points=points, series=series)


def _asked(each: Requests) -> list[str]:
    failed = f'<span class="bad">{each.failures:,}</span>' if each.failures else "0"
    return [
        count(each.due), share(each.answered, each.due), failed,
        *_percentiles(each.response), *_percentiles(each.service), quantile(each.lateness, 0.99),
    ]  # fmt: skip


def _heads(of: str) -> list[str]:
    return [f"{of} p50", "p90", "p99", "max"]


def _percentiles(histogram: Histogram) -> list[str]:
    return [
        *(quantile(histogram, of) for of in _PERCENTILES.values()),
        duration(histogram.largest if histogram.count else None),
    ]


def _within(recovery: Histogram) -> str:
    return f", 99 of 100 of those within {quantile(recovery, 0.99)}" if recovery.count else ""


def _cpu(figures: Figures, worker: str) -> float | None:
    one = figures.generators.get(worker)
    return 100 * one.cpu_seconds / one.wall_seconds if one is not None and one.wall_seconds else None


def _over(figures: Figures, take: Callable[[Generator], Histogram]) -> Histogram:
    whole = Histogram()
    for each in figures.generators.values():
        whole.merge(take(each))
    return whole


def _of(used: Level, limit: Level) -> str:
    return f"{used.highest:,.0f} / {limit.last:,.0f}" if used.is_known and limit.is_known else NONE


def _list(items: Iterable[str], *, ordered: bool = False) -> str:
    tag = "ol" if ordered else "ul"
    return f"<{tag}>{''.join(f'<li>{each}</li>' for each in items)}</{tag}>\n"


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "") -> Markup:
    cells = [[Cell(Markup(each)) for each in row] for row in rows]  # noqa: S704 - escaped where they were made
    drawn: Markup = _parts().table(Table(caption=caption, heads=heads, rows=cells, kind=kind))
    return drawn


def _parts() -> Any:
    return templates().get_template("parts.html").module
