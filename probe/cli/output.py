"""How figures and bars look on a terminal."""

import click

BAR_CELLS = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
COLOUR_OF_STATE = {"healthy": "green", "degraded": "yellow", "failed": "red", "unknown": "yellow"}


def bar(value: float, largest: float, cells: int = BAR_CELLS) -> str:
    """A horizontal bar in eighths of a character, never empty for a value above zero."""
    eighths = round(value / largest * cells * 8) if largest > 0 else 0
    eighths = max(eighths, 1) if value > 0 else eighths
    full, rest = divmod(min(eighths, cells * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def milliseconds(seconds: float) -> str:
    """Three significant figures, so that 0.04 ms and 3,500 ms can both be read."""
    value = seconds * 1000
    if value < 10:
        return f"{value:.2f} ms"
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def stated(state: str) -> str:
    return click.style(state.upper(), fg=COLOUR_OF_STATE[state], bold=True)


def plain(text: str) -> str:
    """What a server sent, made safe for a terminal: no control character survives."""
    return "".join(char if char.isprintable() else "�" for char in text)
