"""Tables as data: a page and a text are made of the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    order: float | None = None  # where it is sorted; None: by its words
    tone: str = ""  # good, warn, bad, or nothing
    to: str = ""  # the id of what it is a link to


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    caption: str
    heads: Sequence[str]  # the first is of what names a row
    rows: Sequence[Sequence[Cell]]
    kind: str = ""  # "words": most of it is text
    note: str = ""  # what is said below it
