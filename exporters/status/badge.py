"""A target's state as a small picture for other people's pages, and as shields.io asks for it."""

from html import escape

from exporters.status.answer import clean, words
from probe.cli.lines import TONE_OF_STATE, percent
from probe.measure.health import Grade
from probe.measure.snapshot import Snapshot

# White text on each has a contrast of at least 4.5.
COLOURS = {"good": "#2a7d3a", "warn": "#9a6700", "bad": "#b3261e", "": "#59636e"}
LABEL_COLOUR = "#3d444d"
LETTER, PADDING, LONGEST = 6.6, 12.0, 64  # of the font below; `textLength` makes it true
UNKNOWN = ("tradeprobe", "unknown target", "")


def badge_of(snapshot: Snapshot | None) -> tuple[str, str, str]:
    """Label, message and tone."""
    if snapshot is None:
        return UNKNOWN
    state, grade = snapshot.condition.state, snapshot.score.grade
    besides = grade.value if grade is not Grade.UNKNOWN else None
    if besides is None and snapshot.availability is not None:
        besides = percent(snapshot.availability)
    message = words(state) + (f" · {besides}" if besides else "")
    return clean(snapshot.target)[:LONGEST], message, TONE_OF_STATE[state]


def svg(label: str, message: str, tone: str) -> str:
    left, right = (len(text) * LETTER + PADDING for text in (label, message))
    width = left + right
    texts = "".join(
        f'<text x="{x:.1f}" y="14" textLength="{size - PADDING:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        for text, x, size in ((label, PADDING / 2, left), (message, left + PADDING / 2, right))
    )
    title = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}" height="20" role="img" aria-label="{title}">'
        f'<title>{title}</title><clipPath id="r"><rect width="{width:.1f}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left:.1f}" height="20" fill="{LABEL_COLOUR}"/>'
        f'<rect x="{left:.1f}" width="{right:.1f}" height="20" fill="{COLOURS[tone]}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    )


def shields(label: str, message: str, tone: str) -> dict[str, object]:
    """shields.io's endpoint form."""
    return {
        "schemaVersion": 1,
        "label": label,
        "message": message,
        "color": COLOURS[tone].removeprefix("#"),
        "isError": (label, message, tone) == UNKNOWN,
    }
