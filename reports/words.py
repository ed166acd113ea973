"""Figures as a person is told them, in every report."""

import re
import unicodedata
from html import escape

from probe.logs import redact
from probe.measure.histogram import Histogram

NONE = "–"  # not measured; never a zero
LONGEST_TEXT = 500
_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_TURNED = re.compile(f"[{_RIGHT_TO_LEFT}](?:[^A-Za-z0-9]*[{_RIGHT_TO_LEFT}])?")
_NO_ISOLATES = dict.fromkeys((0x2068, 0x2069))  # but ours
_MOST_MARKS = 3  # on one letter; more would hide the lines around it
_UNREADABLE = "\ufffd"


def said(text: str) -> str:
    """What somebody else wrote, or may have, for a page: no secret, and nothing that moves, hides or runs."""
    return escape(shown(text))


def shown(text: str) -> str:
    """The same, not escaped yet. Letters of all scripts stay, as pages can show them, which terminals cannot."""
    text = redact(text).translate(_NO_ISOLATES)
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}…"
    if text.isascii() and text.isprintable():
        return text
    kept, marks = [""], 0
    for char in unicodedata.normalize("NFC", text):
        marks = marks + 1 if unicodedata.category(char).startswith("M") else 0
        char = char if char.isprintable() and marks <= _MOST_MARKS else _UNREADABLE  # noqa: PLW2901 - the same, made readable
        if char != _UNREADABLE or kept[-1] != _UNREADABLE:
            kept.append(char)
    # Between isolates what is read from the right leaves its neighbours where they are.
    return _TURNED.sub("\u2068\\g<0>\u2069", "".join(kept))


def duration(seconds: float | None) -> str:
    """Three significant figures."""
    if seconds is None:
        return NONE
    if seconds < 0.001:
        return f"{_short(seconds * 1e6)} µs"
    return f"{_short(seconds * 1000)} ms" if seconds < 1 else f"{_short(seconds)} s"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.3g}"


def count(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def share(part: float, whole: float) -> str:
    """Rounded down: what is not all of it never reads as 100 %."""
    return f"{int(part / whole * 10_000) / 100:g} %" if whole else NONE


def quantile(histogram: Histogram, of: float) -> str:
    return duration(histogram.quantile(of))
