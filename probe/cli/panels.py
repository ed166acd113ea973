"""The live view's pieces: each turns a snapshot into rows, and every text goes through `safe` on its way."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from rich.segment import Segment
from rich.style import Style

from probe.cli.lines import (
    TONE_OF_SEVERITY,
    TONE_OF_STATE,
    Told,
    counted,
    likely,
    percent,
    rather,
    safe,
    span,
)
from probe.cli.output import bar, milliseconds
from probe.cli.summary import BESIDES, lasted, reason, round_trips_of
from probe.measure.health import Grade
from probe.measure.records import Data, Incident, Login, Metric, Protocol, SessionState, Transport
from probe.measure.snapshot import EndpointView, Snapshot, SymbolView
from probe.model.events import Phase

Row = list[Segment]

# Sixteen colours at most; words and symbols say the same without any.
STYLES = {
    "": Style(),
    "good": Style(color="green"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red", bold=True),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "title": Style(color="cyan", bold=True),
    "alarm": Style(color="white", bgcolor="red", bold=True),
    "pause": Style(color="black", bgcolor="yellow", bold=True),
    "chosen": Style(reverse=True),
}
SYMBOLS = {
    SessionState.IDLE: "○",
    SessionState.CONNECTING: "►",
    SessionState.AUTHENTICATING: "►",
    SessionState.STREAMING: "●",
    SessionState.DEGRADED: "▲",
    SessionState.STALLED: "■",
    SessionState.BACKOFF: "◊",
    SessionState.AUTH_REJECTED: "×",
    SessionState.STOPPED: "□",
}
TONE_OF_GRADE = {
    Grade.EXCELLENT: "good",
    Grade.GOOD: "good",
    Grade.FAIR: "warn",
    Grade.POOR: "bad",
    Grade.UNKNOWN: "warn",
}
_FINE = (Transport.UP, Protocol.OPEN, Login.ACCEPTED, Data.FLOWING, Data.QUIET)
_BROKEN = (Transport.DOWN, Transport.MUTE, Login.REJECTED, Data.STALLED)
_PHASES = {
    Phase.SIGNING_IN: "sign-in",
    Phase.RESOLVING: "DNS",
    Phase.CONNECTING: "TCP",
    Phase.TUNNELLING: "proxy",
    Phase.SECURING: "TLS",
    Phase.UPGRADING: "HTTP",
    Phase.OPENING: "greet",
    Phase.JOINING: "join",
    Phase.AUTHENTICATING: "login",
}
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How times are shown."""

    now_utc: float
    zone: tzinfo | None = UTC  # None: this machine's

    def time(self, utc: float) -> str:
        at, now = datetime.fromtimestamp(utc, self.zone), datetime.fromtimestamp(self.now_utc, self.zone)
        return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"

    def now(self) -> str:
        now = datetime.fromtimestamp(self.now_utc, UTC).astimezone(self.zone)
        offset = "" if now.tzname() == "UTC" else f" (UTC{now:%z})"
        return f"{now:%Y-%m-%d %H:%M:%S} {now.tzname()}{offset}"

    def now_short(self) -> str:
        now = datetime.fromtimestamp(self.now_utc, UTC).astimezone(self.zone)
        return f"{now:%H:%M:%S} {now.tzname()}"


def part(text: str, style: str = "") -> Segment:
    return Segment(safe(text), STYLES[style])


def words(*texts: str, style: str = "") -> Row:
    return [part(" ".join(texts), style)]


def fitted(row: Row, width: int, style: str = "") -> Row:
    """Exactly so many cells; what is cut ends in an ellipsis."""
    if Segment.get_line_length(row) > width > 0:
        row = [*Segment.adjust_line_length(row, width - 1), part("…")]
    return Segment.adjust_line_length(row, width, STYLES[style])


def padded(text: str, width: int, style: str = "", *, right: bool = False) -> Segment:
    """One cell of a table."""
    cut = fitted([part(text, style)], width)
    shown = "".join(each.text for each in cut)
    if right and shown.endswith(" "):
        shown = shown.rstrip(" ")
        shown = " " * (width - cells(shown)) + shown
    return Segment(shown, STYLES[style])


def beside(left: Sequence[Row], right: Sequence[Row], width: int, gap: int = 2) -> list[Row]:
    """Two columns, the left one so wide."""
    rows = []
    for at in range(max(len(left), len(right))):
        first = left[at] if at < len(left) else []
        rows.append([*fitted(first, width), part(" " * gap), *(right[at] if at < len(right) else [])])
    return rows


def cells(text: str) -> int:
    return Segment(text).cell_length


def wrapped(text: str, width: int, style: str = "", *, most: int = 3) -> list[Row]:
    """The text in a few rows; what does not fit ends in an ellipsis."""
    rows: list[str] = [""]
    for word in safe(text).split():
        longer = f"{rows[-1]} {word}".strip()
        if cells(longer) <= width or not rows[-1] or len(rows) == most:
            rows[-1] = longer
        else:
            rows.append(word)
    return [fitted([part(row, style)], width) for row in rows]


def spark(values: Sequence[float], room: int) -> str:
    """The newest values, from zero to the largest of them."""
    shown = [each for each in values if math.isfinite(each)][-room:] if room > 0 else []
    largest = max(shown, default=0.0)
    steps = len(_SPARKS) - 1
    return "".join(_SPARKS[max(0, round(each / largest * steps)) if largest > 0 else 0] for each in shown)


def _figure(seconds: float | None) -> str:
    return "–" if seconds is None or not math.isfinite(seconds) else milliseconds(seconds)


def _tone(value: Transport | Protocol | Login | Data) -> str:
    return "good" if value in _FINE else "bad" if value in _BROKEN else "warn"


def _mark(tone: str) -> str:
    return {"good": "√", "bad": "×"}.get(tone, "·")


def state(snapshot: Snapshot) -> Segment:
    condition = snapshot.condition.state
    return part(f"{SYMBOLS[condition]} {condition.value.upper()}", TONE_OF_STATE[condition] or "bold")


def header(snapshot: Snapshot, clock: Clock, *, simulated: bool) -> list[Row]:
    """Who is watched and how it is: three rows."""
    host = next((each.host for each in snapshot.endpoints if each.endpoint == snapshot.endpoint), "")
    account = "no account" if snapshot.account.value == "none" else f"{snapshot.account.value} account"
    place = " ".join(each for each in (snapshot.endpoint or "no endpoint", host) if each)
    simulation = [part(" · "), part("simulated", "warn")] if simulated else []
    first = [
        part(f"{snapshot.target}", "bold"),
        part(f"  {snapshot.broker} · {account}"),
        *simulation,
        part(f" · {place}"),
    ]
    condition = snapshot.condition
    held = max(0.0, clock.now_utc - snapshot.since_utc)
    second = [state(snapshot), part(f" since {clock.time(snapshot.since_utc)} ({span(float(int(held)))})")]
    if snapshot.next_attempt_utc is not None:
        left = max(0.0, snapshot.next_attempt_utc - clock.now_utc)
        second.append(part(f" · next attempt in {math.ceil(left)} s", "warn"))
    second.append(part(f" · {condition.sentence}"))
    third: Row = []
    for name, value in (
        ("transport", condition.transport),
        ("protocol", condition.protocol),
        ("login", condition.login),
        ("data", condition.data),
    ):
        tone = _tone(value)
        third += [part(f"{name} "), part(f"{_mark(tone)} {value.value}", tone), part("   ")]
    return [first, second, third]


def health(snapshot: Snapshot, width: int) -> list[Row]:
    """The score, then its components as bars."""
    score = snapshot.score
    tone = TONE_OF_GRADE[score.grade]
    value = "–" if score.value is None else f"{score.value:.0f}"
    figure = Segment(f" {value} {score.grade.value} ", STYLES[tone] + Style(bold=True, reverse=True))
    rows: list[Row] = [[part("HEALTH ", "title"), figure, part(f"  {score.cap or reason(score)}")]]
    if not score.components:
        rows.append(words("components not measured", style="dim"))
    room = max(6, min(24, width - 45))
    for each in score.components:
        ratio = each.points / each.weight if each.weight > 0 else 0.0
        component_tone = "good" if ratio > 0.9 else "warn" if ratio > 0.5 else "bad"
        rows.append(
            [
                padded(each.name, 12),
                part(" "),
                part(bar(each.points, each.weight, room), component_tone),
                padded(f"{each.points:.1f}/{each.weight:.0f}", 8, right=True),
                part(f" {each.figure}"),
            ]
        )
    return rows


def symbols(snapshot: Snapshot, width: int) -> list[Row]:
    """How old the newest price of each symbol is, against its limit; the worst first."""
    rows = [words(f"TICK AGE ({len(snapshot.symbols)})", style="title")]
    ordered = sorted(snapshot.symbols, key=lambda each: (not each.stalled, each.is_open is False))
    rows += [_symbol(each, width) for each in ordered]
    return rows if snapshot.symbols else [*rows, words("no symbol is watched", style="dim")]


def _symbol(view: SymbolView, width: int) -> Row:
    market = {True: "open", False: "closed", None: "unknown"}[view.is_open]
    age, limit = view.age_seconds, view.limit_seconds
    ratio = 0.0 if age is None or limit <= 0 else min(1.0, age / limit)
    tone = "bad" if view.stalled else "dim" if view.is_open is False else "warn" if ratio > 0.7 else "good"
    roomy = width >= 50
    return [
        padded(view.symbol, 16 if roomy else 11),
        part(" "),
        part(bar(ratio, 1.0, 5) if age is not None else "·" * 5, tone),
        part(" "),
        padded(
            "no price yet" if age is None else f"{_short(age)}{' of ' if roomy else '/'}{_short(limit)}",
            20 if roomy else 13,
        ),
        part(f" {'STALLED' if view.stalled else 'market ' * roomy + market}", tone),
    ]


def _short(seconds: float) -> str:
    """In one unit, for a column that a person looks along."""
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return (f"{seconds:.1f}".removesuffix(".0") if seconds < 9.95 else f"{seconds:.0f}") + " s"


def round_trips(snapshot: Snapshot, width: int) -> list[Row]:
    """Whose time it is: ours, the network's, the edge's, the application's, beside each other."""
    room = max(4, min(120, width - 52))
    head: Row = [padded("ROUND TRIPS of 15 min", 15 + room, "title")]
    head += [padded(name, 10, "dim", right=True) for name in ("p50", "p95", "p99")]
    rows = [[*head, padded("count", 7, "dim", right=True)]]
    for metric, name in (round_trips_of(snapshot) | BESIDES).items():
        found = snapshot.rtt.get(metric)
        row = [padded(name, 14), part(" ")]
        if found is None or not found.count:
            if metric in BESIDES:
                continue
            rows.append([*row, part("not measured", "dim")])
            continue
        row.append(padded(spark(snapshot.recent.get(metric, ()), room), room, "good"))
        row += [padded(_figure(each), 10, right=True) for each in (found.p50, found.p95, found.p99)]
        rows.append([*row, padded(f"{found.count}", 7, "dim", right=True)])
    return rows


def remarks(snapshot: Snapshot) -> list[Row]:
    """What the round trips say together, and what to know about them."""
    clock = snapshot.clock_skew_seconds
    said = (
        f"slowness: {snapshot.blame}" if snapshot.blame else "",
        "" if Metric.UPLINK_RTT in snapshot.rtt else f"uplink {snapshot.uplink}",
        f"{snapshot.tainted_samples} samples left out, taken while we were late"
        * bool(snapshot.tainted_samples),
        "" if clock is None else f"broker's clock {clock * 1000:+.0f} ms",
    )
    return [words(" · ".join(each for each in said if each), style="dim")]


def availability(snapshot: Snapshot) -> list[Row]:
    """What was had of the observed time, and what was not."""
    if snapshot.availability is None:
        first = [part("AVAILABLE ", "title"), part("not measured: nothing observed yet", "warn")]
    else:
        tone = "good" if snapshot.availability >= snapshot.objective else "bad"
        left = snapshot.budget_left
        budget = (
            "not measured"
            if left is None
            else f"{math.floor(left * 100)} % left"
            if left >= 0
            else f"overdrawn by {math.ceil(-left * 100)} %"
        )
        first = [
            part("AVAILABLE ", "title"),
            part(percent(snapshot.availability), tone),
            part(
                f" of {span(snapshot.observed_seconds)} · objective {percent(snapshot.objective)} · budget "
            ),
            part(budget, "bad" if left is not None and left < 0 else ""),
        ]
    bad = " · ".join(
        f"{cause.value} {span(each)}" for cause, each in snapshot.bad_seconds.items() if each > 0
    )
    blind = (
        f"blind {span(snapshot.blind_seconds)} (longest {span(snapshot.longest_blind_seconds)})"
        if snapshot.open_seconds > 0
        else "blind –"
    )
    count = (
        f"{counted(snapshot.attempts, 'attempt')}, {snapshot.failures} failed, "
        f"{counted(snapshot.disconnects, 'disconnect')}, {counted(snapshot.reconnects, 'reconnect')}"
    )
    unobserved = (
        f" · {span(snapshot.unobserved_seconds)} not observed" if snapshot.unobserved_seconds > 0 else ""
    )
    bad = bad or ("no bad seconds" if snapshot.observed_seconds > 0 else "bad seconds –")
    return [first, words(f"{blind} · {bad}"), words(f"{count}{unobserved}", style="dim")]


def regions(snapshot: Snapshot, width: int) -> list[Row]:
    """Each endpoint with the phases of its last attempt; as many columns as there is room for."""
    views = sorted(snapshot.endpoints, key=lambda each: not each.selected)
    seen = [phase for phase in _PHASES if any(each.phase is phase for view in views for each in view.phases)]
    phases = seen[: max(0, (width - 46) // 7)]
    rows: list[Row] = [
        [
            padded(f"REGIONS ({len(views)})", 17, "title"),
            padded("total ms", 9, "dim", right=True),
            *(padded(_PHASES[each], 7, "dim", right=True) for each in phases),
            part("  failed  last problem", "dim"),
        ]
    ]
    rows += [_region(each, phases) for each in views]
    return rows if views else [*rows, words("no endpoint tried yet", style="dim")]


def _region(view: EndpointView, phases: Iterable[Phase]) -> Row:
    took = {each.phase: each.seconds for each in view.phases}
    tried = view.attempts > 0
    came_through = (
        Phase.OPENING in took
    )  # who lost a race was left before; a sum of its first steps would look quick
    problem = view.problem or ("" if tried else "not tried")
    return [
        part("● " if view.selected else "  ", "good"),
        padded(view.endpoint, 15, "bold" if view.selected else ""),
        padded(_tabled(sum(took.values()) if came_through else None), 9, right=True),
        *(padded(_tabled(took.get(each)), 7, right=True) for each in phases),
        padded(f"{view.failures}/{view.attempts}" if tried else "–", 8, right=True),
        part(f"  {problem}", "warn" if view.problem else "dim"),
    ]


def _tabled(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def troubles(snapshot: Snapshot, clock: Clock, width: int) -> tuple[list[Row], list[Row]]:
    """What is wrong now, with its words, and the incidents that are over."""
    now: list[Row] = []
    over: list[Row] = []
    for each in snapshot.incidents:
        if each.ended_utc is None:
            now += open_incident(each, clock, width)
        else:
            over.append(_closed(each, clock))
    for alert in snapshot.alerts:
        tone = TONE_OF_SEVERITY[alert.severity] or "bold"
        now.append([part(f"FIRING {alert.severity.value} ", tone), part(f"{alert.name}: {alert.message}")])
    return now, over


def open_incident(incident: Incident, clock: Clock, width: int) -> list[Row]:
    title = f" INCIDENT {incident.cause.value} for {span(float(int(lasted(incident, clock.now_utc))))} "
    about = f" {likely(incident.blame)}" + (f" · {incident.pattern}" if incident.pattern else "")
    return [
        [part(title, "alarm"), part(about, "bold")],
        *wrapped(f"{incident.sentence}{rather(incident)}", width, "bad", most=2),
        *wrapped(f"next: {incident.advice}", width, most=2),
    ]


def _closed(incident: Incident, clock: Clock) -> Row:
    planned = "planned, " if incident.planned else ""
    return [
        part(f"{clock.time(incident.began_utc)} ", "dim"),
        part(f"{incident.cause.value} {span(lasted(incident, clock.now_utc))}", "warn"),
        part(f" ({planned}{likely(incident.blame)}) {incident.sentence}{rather(incident)}"),
    ]


def event(told: Told, clock: Clock, *, named: bool) -> Row:
    name = f"{told.target} " if named else ""
    return [
        part(f"{clock.time(told.at_utc)} ", "dim"),
        part(name),
        part(f"{told.word} ", told.tone),
        part(told.text),
    ]


def target_row(snapshot: Snapshot, width: int, *, chosen: bool) -> Row:
    """One target in the list."""
    score = snapshot.score
    value = "–" if score.value is None else f"{score.value:.0f}"
    marker = "►" if chosen else " "
    alarms = f" · {len(snapshot.alerts)} firing" if snapshot.alerts else ""
    row = [
        part(f"{marker} ", "bold"),
        padded(snapshot.target, max(10, min(32, width // 5)), "bold" if chosen else ""),
        part(" "),
        Segment(padded(state(snapshot).text, 16).text, state(snapshot).style),
        padded(f"{value} {score.grade.value}", 14, TONE_OF_GRADE[score.grade]),
        padded(percent(snapshot.availability), 13, right=True),
        part(f"  {snapshot.endpoint or '–'}{alarms} · {snapshot.condition.sentence}"),
    ]
    return fitted(row, width)
