"""The web pages as far as signing in reads them: form fields, a few marked places, and what a script assigns.

A page comes from whoever answered. It is read once, up to a bounded number of elements, in time that grows with its
length, and nothing in it makes reading fail.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser

from probe.session.pasted import DECODER

MOST_ELEMENTS = 20_000
DEEPEST = 256  # elements inside elements; what is deeper counts, but holds nothing
LONGEST = 1024 * 1024  # characters read of a page; those known have some hundred thousand
MOST_ASSIGNMENTS = 8  # places where `window.settings` is looked at
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_BREAKS = frozenset(("br", "div", "li", "p"))  # the words before and behind are two
_SETTINGS = re.compile(r"window\.settings\s{0,20}=\s{0,20}(?!=)")


@dataclass(slots=True, kw_only=True)
class Element:
    tag: str
    attributes: dict[str, str]
    parent: "Element | None"
    position: int  # among its parent's elements, from 1
    text_begins: int
    text_ends: int  # -1: it is still open
    elements: int = 0

    def has(self, *classes: str) -> bool:
        return set(classes) <= set(self.attributes.get("class", "").split())

    def ancestors(self) -> Iterator["Element"]:
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


class Page:
    """What `body` shows; anything may be missing."""

    __slots__ = ("_elements", "_scripts", "_texts")

    def __init__(self, body: bytes) -> None:
        reader = _Reader()
        # The parser asserts what hostile declarations do not keep.
        with suppress(_Enough, AssertionError, ValueError):
            reader.feed(body.decode("utf-8", "replace")[:LONGEST])
        self._elements, self._texts, self._scripts = (
            reader.elements,
            reader.texts,
            ["".join(pieces) for pieces in reader.scripts],
        )

    def field(self, name: str) -> str | None:
        """The first value of the form field of that name; None: there is no such field."""
        values = [
            element.attributes.get("value", "")
            for element in self._elements
            if element.tag == "input" and element.attributes.get("name") == name
        ]
        return next(filter(None, values), "") if values else None

    def form_token(self) -> str:
        """What the server wants back with a form, or nothing."""
        if token := self.field("_token"):
            return token
        settings = self.settings()
        csrf = settings.get("csrf") if isinstance(settings, dict) else ""
        return csrf if isinstance(csrf, str) else ""

    def wants_pin(self) -> bool:
        return self.field("keep_code") is not None

    def pin_prompt(self) -> str:
        return self._first_text(
            element
            for element in self._elements
            if element.tag == "p"
            and any(above.tag == "main" and above.has("auth__body") for above in element.ancestors())
        )

    def error(self) -> str:
        """What the page says is wrong with what was typed, in the markups known."""
        marked = (
            element
            for element in self._elements
            if element.has("hint--danger") or element.has("input-control-cabinet__hint")
        )
        return self._first_text(marked) or self._first_text(filter(_is_form_error, self._elements))

    def region_block(self) -> str | None:
        """The title of the page that says where the broker does not do business; None: this is not that page."""
        if not any(element.has("modal-sign__not-avalible") for element in self._elements):
            return None
        return self._first_text(
            element for element in self._elements if element.has("modal-sign__not-avalible__title")
        )

    def settings(self) -> dict[str, object] | str:
        """What a script assigns to `window.settings`, or in words why that cannot be read."""
        problem = "no script in it assigns window.settings"
        places = [(script, found.end()) for script in self._scripts for found in _SETTINGS.finditer(script)]
        for script, begin in places[:MOST_ASSIGNMENTS]:
            try:
                value = DECODER.raw_decode(script, begin)[0]
            except (ValueError, RecursionError):
                problem = "what a script assigns to window.settings is no JSON"
                continue
            if isinstance(value, dict):
                return value
            problem = "what a script assigns to window.settings is no object"
        return problem

    def _first_text(self, elements: Iterator[Element]) -> str:
        for element in elements:
            ends = element.text_ends if element.text_ends >= 0 else len(self._texts)
            if text := " ".join("".join(self._texts[element.text_begins : ends]).split()):
                return text
        return ""


def _is_form_error(element: Element) -> bool:
    """``#tab-1 form > div:nth-child(2) > div``, the markup of 2026."""
    outer = element.parent
    form = outer.parent if outer else None
    return (
        element.tag == "div"
        and outer is not None
        and (outer.tag, outer.position) == ("div", 2)
        and form is not None
        and form.tag == "form"
        and any(above.attributes.get("id") == "tab-1" for above in form.ancestors())
    )


class _Enough(Exception):
    pass


class _Reader(HTMLParser):
    """Never closed: what the page's end leaves open is not worth the time it can take."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.texts: list[str] = []
        self.scripts: list[list[str]] = []
        self._open: list[Element] = []
        self._open_tags: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len(self.elements) >= MOST_ELEMENTS:
            raise _Enough
        if tag in _BREAKS:
            self.texts.append(" ")
        parent = self._open[-1] if self._open else None
        if parent is not None:
            parent.elements += 1
        element = Element(
            tag=tag,
            attributes={name: value or "" for name, value in attrs},
            parent=parent,
            position=parent.elements if parent else 0,
            text_begins=len(self.texts),
            text_ends=len(self.texts),
        )
        self.elements.append(element)
        if tag == "script":
            self.scripts.append([])
        if tag not in _VOID and len(self._open) < DEEPEST:
            element.text_ends = -1
            self._open.append(element)
            self._open_tags[tag] = self._open_tags.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if not self._open_tags.get(tag):
            return
        while True:
            element = self._open.pop()
            self._open_tags[element.tag] -= 1
            element.text_ends = len(self.texts)
            if element.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1].tag not in ("script", "style"):
            self.texts.append(data)
        elif self._open[-1].tag == "script":
            self.scripts[-1].append(data)
