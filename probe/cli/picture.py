"""The live view's whole picture: which pieces stand where, and how many rows each gets of what there is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from probe.cli import panels
from probe.cli.lines import Told, likely
from probe.cli.panels import Clock, Row, beside, fitted, part, words, wrapped
from probe.measure.health import explain
from probe.measure.snapshot import Snapshot

# Below this only the states are shown.
LEAST_WIDTH, LEAST_HEIGHT = 60, 14
WIDE = 110
HEALTH_LEAST = 39
KEYS = (
    ("?", "help"),
    ("q", "quit"),
    ("p", "pause"),
    ("d", "details"),
    ("j/k", "target"),
    ("u", "UTC/local"),
)
HELP = (
    ("q", "quit; a summary follows"),
    ("p", "pause: the picture stands still, measuring goes on"),
    ("d", "details: how the score was computed, and the last messages before the last incident"),
    ("j k ↓ ↑", "choose a target, when there are several"),
    ("u", "times in UTC or local"),
    ("?", "this help"),
    ("", ""),
    ("● ▲ ■ ×", "streaming, degraded, stalled, credential rejected"),
    ("► ◊ ○ □", "connecting, waiting to try again, idle, stopped"),
    ("–", "not measured; never a zero"),
    ("blind", "without prices while the market was open"),
    ("budget", "how much of the bad time that the objective allows is left"),
    ("unknown", "(of a symbol) nobody says whether its market is open"),
    ("own lag", "how late this program was itself"),
)


@dataclass(slots=True, kw_only=True)
class Looking:
    """What the person at the keyboard has chosen."""

    target: str | None = None
    utc: bool = False
    details: bool = False
    help: bool = False
    paused_utc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    rows: Sequence[Row]
    least: int  # so many of them before others get more
    urgency: int  # the lowest gets its rows first


def chosen_at(snapshots: Sequence[Snapshot], looking: Looking) -> int:
    return next((at for at, each in enumerate(snapshots) if each.target == looking.target), 0)


def picture(
    snapshots: Sequence[Snapshot],
    events: Sequence[Told],
    looking: Looking,
    clock: Clock,
    *,
    width: int,
    height: int,
    simulated: Collection[str] = (),
) -> list[Row]:
    """Exactly `height` rows of exactly `width` cells."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        rows = _small(snapshots, looking, width, height)
    elif not snapshots:
        rows = [words("Nothing is watched yet.", style="bold")]
    else:
        rows = _full(snapshots, events, looking, clock, width, height - 1, simulated=simulated)
    rows = [*rows[: height - 1], *([[]] * (height - 1 - len(rows))), _footer(looking, clock, width)]
    return [fitted(row, width) for row in rows[-height:]]


def _full(
    snapshots: Sequence[Snapshot],
    events: Sequence[Told],
    looking: Looking,
    clock: Clock,
    width: int,
    height: int,
    *,
    simulated: Collection[str],
) -> list[Row]:
    at = chosen_at(snapshots, looking)
    snapshot = snapshots[at]
    several = len(snapshots) > 1
    rows: list[Row] = _targets(snapshots, at, width, max(3, height // 4)) if several else []
    head = panels.header(snapshot, clock, simulated=snapshot.target in simulated)
    now = clock.now() if width >= WIDE else clock.now_short()
    rows += beside([head[0]], [words(now, style="dim")], width - panels.cells(now) - 2)
    rows += head[1:]
    room = height - len(rows)
    if looking.help:
        return rows + [[part(f"  {key:<10}", "bold"), part(meaning)] for key, meaning in HELP]
    if looking.details:
        return rows + _details(snapshot, clock, width, room)
    return rows + _stacked(_pieces(snapshot, events, clock, width, room, several=several), room)


def _pieces(
    snapshot: Snapshot, events: Sequence[Told], clock: Clock, width: int, most: int, *, several: bool
) -> list[Piece]:
    headline, *components = panels.health(snapshot, HEALTH_LEAST if width < WIDE else width // 2)
    left = HEALTH_LEAST if width < WIDE else width // 2
    both = beside(components, panels.symbols(snapshot, width - left - 2), left)
    now, past = panels.troubles(snapshot, clock, width)
    recent = [panels.event(each, clock, named=several) for each in islice(reversed(events), most)]
    past_urgency = 7 if past else 9
    past = [words("INCIDENTS", style="title"), *(past or [words("none", style="dim")])]
    recent = [words("EVENTS", style="title"), *(recent or [words("none yet", style="dim")])]
    last = (
        [Piece(rows=beside(past, recent, width // 2 - 1), least=2, urgency=7)]
        if width >= WIDE
        else [Piece(rows=past, least=2, urgency=past_urgency), Piece(rows=recent, least=2, urgency=8)]
    )
    return [
        Piece(rows=now, least=5, urgency=0),
        Piece(rows=[headline], least=1, urgency=1),
        Piece(rows=both, least=4, urgency=2),
        Piece(rows=panels.round_trips(snapshot, width), least=5, urgency=3),
        Piece(rows=panels.remarks(snapshot), least=0, urgency=6),
        Piece(rows=panels.availability(snapshot), least=2, urgency=4),
        Piece(rows=panels.regions(snapshot, width), least=2, urgency=5),
        *last,
    ]


def _stacked(pieces: Sequence[Piece], room: int) -> list[Row]:
    """The least of each first, then more for the urgent ones; what is left over goes between them as air."""
    given = [0] * len(pieces)
    order = sorted(range(len(pieces)), key=lambda at: pieces[at].urgency)
    for most in (lambda piece: min(piece.least, len(piece.rows)), lambda piece: len(piece.rows)):
        for at in order:
            more = min(room, most(pieces[at]) - given[at])
            if given[at] + more < min(2, pieces[at].least):  # a title alone
                continue
            given[at], room = given[at] + more, room - more
    rows: list[Row] = []
    for piece, count in zip(pieces, given, strict=True):
        if rows and count > 1 and room > 0:
            rows.append([])
            room -= 1
        rows += cut(piece.rows, count)
    return rows


def cut(rows: Sequence[Row], count: int) -> list[Row]:
    """So many rows; the last one says that there are more."""
    if len(rows) <= count or count < 3:
        return list(rows[:count])
    return [*rows[: count - 1], words("… more", style="dim")]


def _targets(snapshots: Sequence[Snapshot], at: int, width: int, most: int) -> list[Row]:
    shown = min(len(snapshots), most - 1)
    first = max(0, min(at - shown // 2, len(snapshots) - shown))
    title = f"TARGETS {at + 1} of {len(snapshots)}".ljust(30)
    rows = [words(title, style="title")]
    return rows + [
        panels.target_row(snapshots[each], width, chosen=each == at) for each in range(first, first + shown)
    ]


def _details(snapshot: Snapshot, clock: Clock, width: int, room: int) -> list[Row]:
    rows = [words("HOW THE SCORE WAS COMPUTED", style="title")]
    rows += [words(line) for text in explain(snapshot.score) for line in text.splitlines()]
    told = next((each for each in snapshot.incidents if each.evidence), None)
    if told is None:
        return [*rows, [], words("No incident has evidence to show.", style="dim")]
    rows += [
        [],
        [
            part("EVIDENCE ", "title"),
            part(f"of {told.cause.value} at {clock.time(told.began_utc)}, {likely(told.blame)}"),
        ],
        *wrapped(told.sentence, width),
    ]
    figures = " · ".join(
        f"{name} {'–' if value is None else f'{value:.6g}'}" for name, value in told.figures.items()
    )
    rows += [words(figures, style="dim")] if figures else []
    newest = told.evidence[-max(0, room - len(rows)) :] if room > len(rows) else ()
    return rows + [
        [
            part(f"{clock.time(line.at)} ", "dim"),
            part(f"{line.direction} ", "good" if line.direction == "<" else "warn"),
            part(line.text),
        ]
        for line in newest
    ]


def _small(snapshots: Sequence[Snapshot], looking: Looking, width: int, height: int) -> list[Row]:
    """Too small for the picture: the chosen target in words, then the others' states."""
    if not snapshots:
        return [words("Nothing is watched yet.")]
    at = chosen_at(snapshots, looking)
    rows: list[Row] = []
    for each in (snapshots[at], *snapshots[:at], *snapshots[at + 1 :]):
        value = "–" if each.score.value is None else f"{each.score.value:.0f}"
        rows.append(
            [panels.state(each), part(f" {each.target}", "bold"), part(f" {value} {each.score.grade.value}")]
        )
        if each is snapshots[at]:
            rows += wrapped(each.condition.sentence, width, most=max(1, min(3, height - 4)))
    rows = cut(rows, max(1, height - 2))
    return [*rows, words("Too small for more: 80×24 shows all.", style="dim")]


def _footer(looking: Looking, clock: Clock, width: int) -> Row:
    if looking.paused_utc is not None:
        since = clock.time(looking.paused_utc)
        return fitted(
            [part(f" PAUSED since {since}: measuring goes on. p: continue ", "pause")], width, "pause"
        )
    row: Row = []
    for key, meaning in KEYS:
        row += [part(f"{key} ", "bold"), part(f"{meaning}   ", "dim")]
    return row
