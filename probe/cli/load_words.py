"""What a load run found, in words: the verdict, then what was asked, what was pushed, how sessions opened and how they ended."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

from probe.cli.bridges import bridge
from probe.cli.lines import counted, safe, span
from probe.cli.load_run import How, Run
from probe.diagnose.diagnose import Verdict
from probe.load.bottleneck import Where, bottleneck
from probe.load.capacity import SearchEnd
from probe.load.causes import unsaid
from probe.load.figures import Connects, Figures, Generator, Sessions, Ticks
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from probe.model.endpoint import read_url

WIDTH = 80
MOST_SYMBOLS = 8
MOST_KINDS = 4
LABEL = 12
SEARCH_CODES = {SearchEnd.FOUND.value: 0, SearchEnd.NO_LIMIT.value: 0, SearchEnd.NOTHING_HELD.value: 1}
EXIT_CODES = {
    How.INTERRUPTED: 130,
    How.TERMINATED: 143,
    How.KILL_FILE: 143,
    How.ABORTED: 1,
    How.UNREAD: 141,
    How.REFUSED: 2,
    How.DIED: 4,
    How.BUG: 70,
}


def exit_code(how: How, record: RunRecord) -> int:
    return _judged(record) if how is How.DONE else EXIT_CODES[how]


def _judged(record: RunRecord) -> int:
    if record.plan.search is not None:  # it looks for where they break
        return SEARCH_CODES.get((record.search or {}).get("end", ""), 4)
    if not record.verdict.is_valid:
        return 4
    held = {each.holds for each in record.thresholds}
    return 1 if False in held else 4 if None in held else 0


def result(record: RunRecord, run: Run) -> Iterator[str]:
    """The verdict first."""
    verdict, plan = record.verdict, record.plan
    color = "green" if verdict.is_valid else "red"
    if verdict.is_valid:
        headline = verdict.headline.removeprefix(verdict.word)
        if run.ending:
            headline = " as far as it went: the figures are the server's."
        yield click.style(verdict.word, fg=color, bold=True) + headline
    else:
        yield (
            click.style(verdict.word, fg=color, bold=True)
            + ": do not take the figures below for the server's:"
        )
        for reason in verdict.reasons:
            name = f"{reason.code}, {reason.slug}" if reason.slug else reason.code
            yield from _wrapped("", f"{safe(reason.sentence)} [{name}]")
    for cause in unsaid(record):
        yield from _cause(cause)
    if run.ending:
        planned = "" if plan.search else f" of {span(plan.scenario.seconds)}"
        yield from _wrapped(
            "cut short",
            f"{safe(run.ending)}, after {span(record.seconds)}{planned}; what was measured is kept",
        )
    if record.search is not None:
        yield from _search(record.search)
    yield from _wrapped("", _asked(record))
    yield ""
    figures = record.total
    yield from _requests(figures)
    yield from _ticks(figures.ticks)
    yield from _connects(figures.connects)
    yield from _sessions(figures.sessions)
    yield from _generators(figures.generators)
    yield from _thresholds(record)
    yield from _slow(record)
    for note in record.notes:
        yield from _wrapped("note", safe(note))
    yield from _wrapped("next", _next(record, run))


def _cause(cause: Verdict) -> Iterator[str]:
    """Of the catalogue, and no reason against the figures."""
    yield from _wrapped("shown", f"{safe(cause.says)} ({cause.certainty.value}) [{cause.code}]")
    for seen in cause.evidence:
        yield from _wrapped(" ", safe(seen))
    yield from _wrapped("do", safe(cause.advice[0]))


def _asked(record: RunRecord) -> str:
    plan = record.plan
    where = f"sim:{plan.broker}" if record.simulated else f"{plan.broker} at {read_url(plan.url).host_header}"
    workers = f", {plan.workers} workers" if plan.workers > 1 else ""
    return f"{safe(plan.scenario.name)} against {safe(where)}: {plan.how_many}, {safe(plan.how_asked)}{workers}, {span(record.seconds)}"


def _thresholds(record: RunRecord) -> Iterator[str]:
    for each in record.thresholds:
        sign, color = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "yellow")}[each.holds]
        yield f"{click.style(sign, fg=color)} {safe(str(each))}"
    if record.thresholds and not record.verdict.is_valid:
        yield "  (of an INVALID run: they say nothing about the server)"


def _slow(record: RunRecord) -> Iterator[str]:
    """Where the time went; of an INVALID run that stands above."""
    if record.verdict.is_valid and record.plan.search is None:
        found = bottleneck(record)
        if found.where is not Where.UNKNOWN:
            why = f" {safe(found.evidence[0])}" if found.evidence and found.where is not Where.NOTHING else ""
            yield from _wrapped("bottleneck", f"{bridge('load_where')(found)}{why}")


def _search(found: Mapping[str, Any]) -> Iterator[str]:
    held, broken = found.get("highest_held"), found.get("lowest_broken")
    what = "user" if found.get("by") == "users" else "message"
    each = "" if what == "user" else " a second"
    words = "nothing held" if held is None else f"{held:,g} {what}{'' if held == 1 else 's'}{each} held"
    words += (
        ""
        if broken is None
        else f", {broken:,g} did not ({', '.join(map(safe, found.get('broken_by') or ()))})"
    )
    yield from _wrapped("capacity", f"{words}: {safe(str(found.get('end', '')))}")
    if found.get("end") in (SearchEnd.GENERATOR.value, SearchEnd.NOT_JUDGED.value) and found.get("tried"):
        last = found["tried"][-1]["judged"]
        for reason in last["broken"] or last["evidence"]:
            yield from _wrapped(" ", safe(str(reason)))


def _next(record: RunRecord, run: Run) -> str:
    plan, verdict = record.plan, record.verdict
    if run.how is How.DIED:
        return "run it again with TRADEPROBE_DEBUG=1 to see what the generator said last"
    if not verdict.is_valid:
        return "do what stands above, and run it again before anything is concluded from this"
    if any(each.holds is False for each in record.thresholds) and plan.search is None:
        return "--html FILE shows where the time went; --find-capacity users --most N finds what does hold"
    if plan.rate is None and record.total.requests and plan.search is None and plan.replay is None:
        return "--rate R/s asks by the clock, so that a server that stands still cannot hide it"
    if not record.thresholds:
        return "--threshold 'response p99 < 250ms' makes this a check with an exit code"
    return "--json FILE keeps this run; probe compare A B says whether a later one is slower"


def _requests(figures: Figures) -> Iterator[str]:
    """Columns in milliseconds: what somebody waited, what the server took, how late we were."""
    if not figures.requests:
        return
    names = sorted(figures.requests)
    rows = [(safe(name)[:20], figures.requests[name]) for name in names]
    if len(rows) > 1:
        rows.append(("all", figures.all_requests()))
    widest = max(9, *(len(name) for name, _ in rows))
    yield f"{'':<{widest}}  {'':>8} {'':>7}  {'response ms':^27}  {'service ms':^13}  late"
    heads = ("p50", "p95", "p99", "max", "p50", "p99", "p99")
    yield (
        f"{'operation':<{widest}}  {'answered':>8} {'failed':>7}  "
        + " ".join(f"{head:>6}" for head in heads[:4])
        + "  "
        + " ".join(f"{head:>6}" for head in heads[4:6])
        + f"  {heads[6]:>5}"
    )
    for name, one in rows:
        response = " ".join(f"{_ms(one.response, share):>6}" for share in (0.5, 0.95, 0.99, 1.0))
        service = " ".join(f"{_ms(one.service, share):>6}" for share in (0.5, 0.99))
        yield (
            f"{name:<{widest}}  {one.answered:>8,} {one.failures:>7,}  {response}  {service}  {_ms(one.lateness, 0.99):>5}"
        )
    whole = figures.all_requests()
    if (pending := whole.sent - whole.answered - whole.failures) > 0:
        yield f"{counted(pending, 'answer')} had not come when it ended"
    yield from _kinds("failed", whole.failed)
    yield ""


def _ticks(ticks: Mapping[str, Ticks]) -> Iterator[str]:
    if not ticks:
        return
    by_count = sorted(ticks, key=lambda symbol: -ticks[symbol].arrived)
    widest = max(9, *(len(safe(symbol)) for symbol in by_count[:MOST_SYMBOLS]))
    yield (
        f"{'ticks of':<{widest}}  {'arrived':>9}  {'gap p50':>8} {'p99':>6} {'max':>6}  {'first p99':>9}  {'skew p99':>8}  ms"
    )
    for symbol in by_count[:MOST_SYMBOLS]:
        one = ticks[symbol]
        yield (
            f"{safe(symbol):<{widest}}  {one.arrived:>9,}  {_ms(one.gap, 0.5):>8} {_ms(one.gap, 0.99):>6} {_ms(one.gap, 1.0):>6}"
            f"  {_ms(one.first, 0.99):>9}  {_ms(one.skew, 0.99):>8}"
        )
    if len(by_count) > MOST_SYMBOLS:
        yield f"and of {counted(len(by_count) - MOST_SYMBOLS, 'more symbol')}"
    duplicates = sum(each.duplicates for each in ticks.values())
    disorder = sum(each.out_of_order for each in ticks.values())
    if duplicates or disorder:
        yield f"{duplicates:,} twice, {disorder:,} out of order"
    yield ""


def _connects(connects: Connects) -> Iterator[str]:
    if not connects.begun:
        return
    whole = connects.whole
    times = f": p50 {_ms(whole, 0.5)} ms, p99 {_ms(whole, 0.99)} ms, from due to live" if whole.count else ""
    yield from _wrapped("connects", f"{connects.opened:,} of {connects.begun:,} opened{times}")
    phases = [
        f"{name} {_ms(times, 0.5)} / {_ms(times, 0.99)}"
        for name, times in connects.phases.items()
        if times.count
    ]
    if phases:
        yield from _wrapped(" ", f"p50 / p99 in ms: {', '.join(phases)}")
    yield from _kinds(" ", connects.failed)


def _sessions(sessions: Sessions) -> Iterator[str]:
    lost = sum(sessions.lost.values())
    words = [f"{sessions.live.highest:,.0f} at most" if sessions.live.is_known else "none was live"]
    words.append(f"{lost:,} lost" if lost else "none lost")
    if sessions.dropped:
        words.append(f"{sessions.dropped:,} dropped as the scenario says")
    if sessions.recovery.count:
        words.append(
            f"back within {_ms(sessions.recovery, 0.5)} ms (p50), {_ms(sessions.recovery, 1.0)} ms (all)"
        )
    yield from _wrapped("sessions", ", ".join(words))
    yield from _kinds(" ", sessions.lost)
    if sessions.beats_sent or sessions.peer_beats:
        trip = f", p99 {_ms(sessions.beat_round_trip, 0.99)} ms" if sessions.beat_round_trip.count else ""
        missed = f", {sessions.beats_missed:,} missed" if sessions.beats_missed else ", none missed"
        yield from _wrapped(
            "heartbeats",
            f"{sessions.beats_sent:,} of ours{trip}{missed}; {sessions.peer_beats:,} of the server's answered",
        )


def _generators(generators: Mapping[str, Generator]) -> Iterator[str]:
    for name, one in sorted(generators.items()):
        if not one.wall_seconds:
            continue
        busy = f"{one.cpu_seconds / one.wall_seconds:.0%} of a core"
        lag = f", reads {_ms(one.lag, 0.99)} ms late at p99" if one.lag.count else ""
        if one.machine_seconds:
            busy += f", machine {(one.cpu_seconds + one.others_seconds) / one.machine_seconds:.0%} busy"
        memory = f", {one.resident_bytes.highest / 2**20:,.0f} MiB" if one.resident_bytes.is_known else ""
        unsent = f", {one.unsent:,} due without a session to send them on" if one.unsent else ""
        refused = f", stopped by caps: {_listed(one.refused)}" if one.refused else ""
        which = "" if len(generators) == 1 else f"{safe(name)}: "
        yield from _wrapped("generator", f"{which}{busy}{lag}{memory}{unsent}{refused}")


def _kinds(label: str, kinds: Mapping[str, int]) -> Iterator[str]:
    if kinds:
        yield from _wrapped(label, _listed(kinds))


def _listed(kinds: Mapping[str, int]) -> str:
    most = sorted(kinds.items(), key=lambda each: -each[1])
    words = [f"{safe(kind)} {count:,}" for kind, count in most[:MOST_KINDS]]
    return ", ".join(words) + (f" and {len(most) - MOST_KINDS} more kinds" if len(most) > MOST_KINDS else "")


def _wrapped(label: str, text: str) -> Iterator[str]:
    indent = " " * LABEL if label else "  "
    first = f"{label:<{LABEL}}" if label else "  "
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,  # it may be a path
        break_on_hyphens=False,
    )


def _ms(histogram: Histogram, share: float) -> str:
    """Three significant figures."""
    seconds = histogram.quantile(share)
    if seconds is None:
        return "–"
    value = seconds * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
