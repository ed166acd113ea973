"""What a monitor says, one line for each event: plain ones for people, JSON for programs."""

import json
import math
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import assert_never

import click

from probe.measure.plain import as_data
from probe.measure.records import (
    Alert,
    Attempt,
    Disconnected,
    Incident,
    Notice,
    Period,
    Record,
    Sample,
    SessionState,
    Severity,
    StateChanged,
    Tick,
)
from probe.model.failures import Blame

LONGEST_TEXT = 500
_UNREADABLE = "�"
# Joined letters, fillers and skin tones: terminals draw them in no cell, or another one than they count; no category tells.
_NO_CELL_OF_THEIR_OWN = tuple(
    range(first, last + 1)
    for first, last in (
        (0x1100, 0x11FF),
        (0x3164, 0x3164),
        (0xA960, 0xA97F),
        (0xD7B0, 0xD7FF),
        (0xFFA0, 0xFFA0),
        (0x1F3FB, 0x1F3FF),
    )
)
_LEFT_TO_RIGHT = frozenset(("L", "EN", "ES", "ET", "CS", "ON", "WS"))
_COLOUR = {"good": "green", "warn": "yellow", "bad": "red"}
TONE_OF_STATE = {
    SessionState.IDLE: "",
    SessionState.CONNECTING: "warn",
    SessionState.AUTHENTICATING: "warn",
    SessionState.STREAMING: "good",
    SessionState.DEGRADED: "warn",
    SessionState.STALLED: "bad",
    SessionState.BACKOFF: "bad",
    SessionState.AUTH_REJECTED: "bad",
    SessionState.STOPPED: "bad",
}
TONE_OF_SEVERITY = {
    Severity.PAGE: "bad",
    Severity.TICKET: "warn",
    Severity.WARNING: "warn",
    Severity.INFO: "",
}
_INITIATOR = {"local": "by us", "remote": "by the server", "network": "by the network"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event in words."""

    at_utc: float
    target: str
    word: str  # in capitals
    text: str
    tone: str  # good, warn, bad, or nothing


def told(record: Record, *, now_utc: float, verbose: bool = False) -> Told | None:
    """The event as a person is told it; None: it is only for programs."""
    at_utc = record.at_utc
    match record:
        case Sample() | Tick() | Period():
            return None
        case StateChanged():
            condition = record.condition
            through = f" ({record.endpoint})" if record.endpoint else ""
            word, text = condition.state.value.upper(), f"{condition.sentence}{through}"
            tone = TONE_OF_STATE[condition.state]
        case Attempt():
            if record.failure is None and not verbose:
                return None
            word = "ATTEMPT"
            text = f"{record.purpose} of {record.endpoint}"
            if record.failure is None:
                text, tone = f"{text} succeeded in {span(record.seconds)}", ""
            else:
                text, tone = f"{text} failed after {span(record.seconds)}: {record.failure}", "warn"
        case Disconnected():
            word, tone = "DISCONNECTED", "warn" if record.planned else "bad"
            kind = "planned" if record.planned else "not planned"
            code = "" if record.close_code is None else f", code {record.close_code}"
            why = "" if record.failure is None else f": {record.failure}"
            who = _INITIATOR.get(record.initiator, record.initiator)
            text = f"{record.endpoint} after {span(record.lasted_seconds)} {who} ({kind}{code}){why}"
        case Incident():
            word, text, tone = "INCIDENT", _incident(record), "bad" if record.ended_utc is None else "good"
            at_utc = max(now_utc, at_utc)  # it began, or was over, some seconds before it is told
        case Alert():
            over = record.resolved_utc is not None
            word, tone = ("RESOLVED", "good") if over else ("FIRING", TONE_OF_SEVERITY[record.severity])
            text = f"{record.severity.value} {record.name}: {record.message}{_against(record)}"
            if record.resolved_utc is not None:
                text += f" after {span(record.resolved_utc - record.fired_utc)}"
            elif record.repeated:
                text += f" (told {record.repeated + 1} times)"
        case Notice():
            word, text, tone = "NOTICE", f"{record.code}: {record.sentence}", "warn"
        case _:
            assert_never(record)
    return Told(
        at_utc=at_utc,
        target=safe(record.target or "monitor"),
        word=word,
        text=safe(text)[:LONGEST_TEXT],
        tone=tone,
    )


def _incident(incident: Incident) -> str:
    cause = incident.cause.value
    planned = ", planned" if incident.planned else ""
    pattern = f", {incident.pattern}" if incident.pattern else ""
    since = f"since {datetime.fromtimestamp(incident.at_utc, UTC):%H:%M:%S}Z"
    if incident.ended_utc is None:
        blame = likely(incident.blame)
        return f"{cause}{planned} {since}: {incident.sentence} ({blame}{pattern}). {incident.advice}"
    lasted = span(incident.ended_utc - incident.began_utc)
    blind = f"blind for {span(incident.blind_seconds)}, {counted(incident.candles_missed, 'candle')} missed"
    return f"{cause}{planned}{pattern}: over {since} after {lasted}, {blind}: {incident.sentence}{rather(incident)}"


def rather(incident: Incident) -> str:
    """What the doctor's rules make of it, where that is more than its code says; else empty."""
    found = incident.rather
    return "" if found is None else f"; {found.certainty.value}: {found.says} [{found.code}]"


def likely(blame: Blame) -> str:
    return "whose fault is not known" if blame is Blame.UNKNOWN else f"likely {blame.value}"


def _against(alert: Alert) -> str:
    if alert.value is None:
        return ""
    threshold = "" if alert.threshold is None else f", threshold {alert.threshold:.6g}"
    return f" (value {alert.value:.6g}{threshold})"


def span(seconds: float) -> str:
    """How long, to two units: ``0.42 s``, ``5.2 s``, ``1 min 30 s``, ``3 d 4 h``."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 59.95:
        return (
            f"{seconds:.2f} s"
            if 0 < seconds < 0.995
            else f"{seconds:.1f} s"
            if seconds % 1
            else f"{seconds:.0f} s"
        )
    whole = round(seconds)
    for large, large_seconds, small, small_seconds in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= large_seconds:
            rest = whole % large_seconds // small_seconds
            return f"{whole // large_seconds} {large}" + (f" {rest} {small}" if rest else "")
    raise AssertionError("a minute and more has a unit")


def counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def percent(share: float | None) -> str:
    """Rounded down: what is not all of it never reads as 100 %."""
    if share is None:
        return "not measured"
    return f"{math.floor(round(share * 1e4, 6)) / 100:.2f} %"


@lru_cache(maxsize=8192)
def _safe_character(char: str) -> str:
    if (
        not char.isprintable()
        or unicodedata.category(char)[0] == "M"  # it would change the letter before it, or hide
        or unicodedata.bidirectional(char) not in _LEFT_TO_RIGHT  # it would turn the line around
        or any(ord(char) in block for block in _NO_CELL_OF_THEIR_OWN)
    ):
        return _UNREADABLE
    return char


def safe(text: str) -> str:
    """What somebody else wrote, made safe for a terminal: nothing moves the cursor, hides, piles up or turns the line around."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    for char in map(_safe_character, unicodedata.normalize("NFC", text)):
        if char != _UNREADABLE or not shown or shown[-1] != _UNREADABLE:
            shown.append(char)
    return "".join(shown)


class Lines:
    """One plain line for each event; a line of its own says the day when it changes."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        color: bool,
        verbose: bool = False,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._write, self._color, self._verbose, self._utc = write, color, verbose, utc
        self._day = ""
        self._widest = 0

    def note(self, record: Record) -> None:
        event = told(record, now_utc=self._utc(), verbose=self._verbose)
        if event is None:
            return
        at = datetime.fromtimestamp(event.at_utc, UTC)
        if (day := f"{at:%Y-%m-%d}") != self._day:
            self._day = day
            self._write(f"{day} UTC")
        self._widest = max(self._widest, len(event.target))
        word = f"{event.word:<13}"
        if self._color:
            word = click.style(word, fg=_COLOUR.get(event.tone), bold=bool(event.tone) or None)
        self._write(f"{at:%H:%M:%S}Z {event.target:<{self._widest}}  {word} {event.text}")


class JsonLines:
    """One object for each record; ASCII, so that any stream takes it."""

    def __init__(self, write: Callable[[str], None], *, samples: bool = True) -> None:
        self._write, self._samples = write, samples

    def note(self, record: Record) -> None:
        if self._samples or not isinstance(record, Sample | Tick):
            self._write(json_line(as_data(record)))


def json_line(data: dict[str, object]) -> str:
    try:
        return json.dumps(data, allow_nan=False)
    except ValueError:  # JSON knows no infinity
        return json.dumps(_finite(data))


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list():
            return [_finite(each) for each in value]
        case _:
            return value
