"""A login frame in what a person pasted: found, and read in every way that undoes known damage, least undone first.

Nothing here guesses. A way of undoing counts only when the whole frame can be read afterwards. Every pattern is
possessive, bounded or tied to a sign that cannot repeat inside it, so that time grows with the length of the text
whatever it holds. Words about what was found show nothing of it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import NoReturn, TypeAlias

LONGEST = 64 * 1024
QUOTES = "\"'`“”„‟‘’‚‛"
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"

Mend: TypeAlias = Callable[
    [str], Iterable[tuple[str, str]]
]  # a text to what it may have been, and words for it

_Q = f"[{QUOTES}]"
_A = "[\"'`]"
_OBJECT = re.compile(rf"\{{\s*+(?P<escapes>\\*+){_Q}{{0,2}}[A-Za-z]")

# A frame whose quotes are gone or of another kind can still be read when it is flat and its values are plain words.
_PAIR = re.compile(
    rf"\s*+{_A}*+(?P<key>[A-Za-z_]\w*+){_A}*+\s*+:\s*+(?P<quote>{_A}*+)(?P<value>[\w./%+=&?-]*+){_A}*+\s*+",
    re.ASCII,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<fraction>\.[0-9]{1,9})?")
_WORD = re.compile(r"(?!NaN\b|Infinity\b)[A-Za-z][\w./-]*", re.ASCII)
_LITERALS = {"true": True, "false": False, "null": None, "none": None}

_TYPOGRAPHIC = re.compile(f"[“”„‟‘’‚‛\u00a0{INVISIBLE}]")
_PLAIN: dict[int, str | None] = {ord(sign): '"' for sign in "“”„‟"}
_PLAIN |= {ord(sign): "'" for sign in "‘’‚‛"} | {0xA0: " "} | {ord(sign): None for sign in INVISIBLE}
_LINE_BREAK = re.compile(r"(?:\r\n?|\n)[ \t]*+")
_SURPLUS_ESCAPES = re.compile(r'(?<!\\)\\++(?:(?P<sign>["/])|u(?P<code>[0-9A-Fa-f]{4}))|""')
_LETTER_CODE = re.compile(r"(?<!\\)\\u([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    body: str  # from the opening bracket on; what follows the frame is still there
    repairs: tuple[str, ...]
    count: int  # frames in the text; `body` is the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    frame: str
    event: list[object]  # the decoded array
    repairs: tuple[str, ...] = ()  # in words; none when the frame can be sent as it stands in the text


class FrameForm:
    """The form of one broker's login: ``42["event",{…}]``.

    Args:
        event: its first word.
        login_keys: an object alone is a login when one of them is in it.
        text_keys: their values are texts, also where the quotes are gone.
        whole: keys and the look of their values that cannot have lost a digit where a frame was cut behind them.
    """

    __slots__ = ("_complete", "_event", "_flat", "_login_key", "_start", "_text_keys")

    def __init__(
        self, event: str, *, login_keys: Iterable[str], text_keys: Iterable[str], whole: Mapping[str, str]
    ) -> None:
        self._event = event
        self._text_keys = frozenset(text_keys)
        self._login_key = re.compile(rf"\b(?:{'|'.join(login_keys)})\b")
        self._start = re.compile(rf"\[\s*+(?:(?P<escapes>\\*+){_Q}{{1,2}}{event}(?![\w/-])|{event}(?=\s*+,))")
        self._flat = re.compile(rf"\[\s*+{_A}*+{event}{_A}*+\s*+,\s*+\{{(?P<pairs>[^{{}}\[\]]*+)\}}\s*+\]")
        # What may stand last in a frame that lost its end; any other number may have lost digits with it.
        numbers = "|".join(rf"{key}\\*+{_Q}?\s*+:\s*+{look}" for key, look in whole.items())
        self._complete = re.compile(rf"(?:{_Q}|:\s*+(?:true|false|null)|\b(?:{numbers}))\Z")

    def is_in(self, text: str) -> bool:
        return self._start.search(text) is not None

    def find(self, text: str) -> Found | None:
        """Where the login begins: at an array whose first word is the event, or at the object alone."""
        repairs: list[str] = []
        for _ in range(2):
            if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
                text = trim(text[1:-1])
                repairs = ["the quotes around it were taken off"]
        starts = list(self._start.finditer(text))
        if starts:
            at = starts[0].start()
            repairs += _look_in_front(text[:at])
            body, unescapings = self._unescape(text[at:])
        else:
            bare = text.lstrip(QUOTES + "\\")
            if not _OBJECT.match(bare) or not self._login_key.search(bare):
                return None
            repairs.append(
                f'only the object in braces was given: 42["{self._event}", and ] were put around it'
            )
            body, unescapings = self._unescape(bare)
            body = f'["{self._event}",' + body + ("]" if body.endswith("}") else "")
        if unescapings:
            times = {1: "once", 2: "twice"}.get(unescapings, f"{unescapings} times")
            repairs.append(f"it was escaped {times} as a text inside JSON: undone")
        return Found(body=body, repairs=tuple(repairs), count=len(starts) or 1)

    def readings(
        self, body: str, *, read: Callable[[str], Reading | None] | None = None, mends: Iterable[Mend] = ()
    ) -> Iterator[Reading]:
        """Every way in which `body` can be read as an event; `read` and `mends` know more than what is general."""
        ways: list[tuple[str, tuple[str, ...]]] = [(body, ())]
        for mend in (_plain_signs, _joined_lines, _single_escapes, *mends, self._closed):
            ways += [(mended, (*done, what)) for way, done in ways for mended, what in mend(way)]
        for text, repairs in sorted(ways, key=lambda way: len(way[1])):
            reading = read(text) if read else self.read_strictly(text) or self.read_loosely(text)
            if reading is not None:
                yield replace(reading, repairs=(*repairs, *reading.repairs))

    def read_strictly(self, text: str) -> Reading | None:
        read = _read_json(text)
        if read is None:
            return None
        event, end = read
        if not isinstance(event, list):
            return None
        if len(event) == 2 and isinstance(event[1], str):
            inner = _read_json(event[1])
            if inner is not None and isinstance(inner[0], dict):
                return Reading(
                    frame=f'42["{self._event}",{event[1][: inner[1]]}]',
                    event=[event[0], inner[0]],
                    repairs=(
                        "the object inside was a text with escaped quotes: undone",
                        *_look_behind(text, end),
                    ),
                )
        return Reading(frame="42" + text[:end], event=event, repairs=_look_behind(text, end))

    def read_loosely(self, text: str) -> Reading | None:
        """A flat frame of plain words, whatever became of its quotes."""
        flat = self._flat.match(text)
        if flat is None:
            return None
        payload: dict[str, object] = {}
        for written in flat["pairs"].rstrip(", \t").split(","):
            pair = _PAIR.fullmatch(written)
            if pair is None or pair["key"] in payload:
                return None
            key, value = pair["key"], pair["value"]
            if not value and len(pair["quote"]) < 2:
                return None  # its text may have been cut off
            if pair["quote"] or key in self._text_keys:
                payload[key] = value
            elif number := _NUMBER.fullmatch(value):
                payload[key] = float(value) if number["fraction"] else int(value)
            elif _WORD.fullmatch(value):
                payload[key] = _LITERALS.get(value.lower(), value)
            else:
                return None
        return Reading(
            frame="42" + json.dumps([self._event, payload], separators=(",", ":")),
            event=[self._event, payload],
            repairs=(
                "quotes or commas in it were missing or not as JSON has them: put right",
                *_look_behind(text, flat.end()),
            ),
        )

    def _unescape(self, body: str) -> tuple[str, int]:
        """The body freed of the escapes of texts inside JSON, as far as each text goes, and how many levels there were."""
        levels = 0
        while (begin := self._start.match(body) or _OBJECT.match(body)) and begin["escapes"]:
            try:
                inner: object = json.JSONDecoder(strict=False).raw_decode(f'"{body}"')[0]
            except ValueError:
                break
            if not isinstance(inner, str) or not (self._start.match(inner) or _OBJECT.match(inner)):
                break
            body, levels = inner, levels + 1
        return body, levels

    def _closed(self, text: str) -> Iterator[tuple[str, str]]:
        text = text.rstrip()
        if text.endswith("}"):
            yield text + "]", "the closing ] was missing: added"
        elif self._complete.search(text[-60:]):
            yield text + "}]", "the closing }] was missing: added; if more was cut off, it is lost"


# -- mending --------------------------------------------------------------------------------------------------------------


def trim(text: str) -> str:
    return text.strip(" \t\r\n\v\f\u00a0" + INVISIBLE)


def trimmings(text: str) -> list[str]:
    """What `trim` takes off, in words."""
    inner = trim(text)
    around = text[: text.index(inner)] + text[text.index(inner) + len(inner) :]
    found = []
    if mark := next((sign for sign in around if sign in INVISIBLE), ""):
        found.append(f"an invisible sign at its beginning or end (U+{ord(mark):04X}) was left out")
    if around.strip(INVISIBLE):
        found.append("white space or a line end around it was left out")
    return found


def plain(text: str) -> str:
    """With all the marks undone that no frame needs: for judging damage, not for reading."""
    return _without_escapes(_LINE_BREAK.sub("", text.translate(_PLAIN)))


def _plain_signs(text: str) -> Iterator[tuple[str, str]]:
    if first := _TYPOGRAPHIC.search(text):
        where = f"the first is U+{ord(first[0]):04X} at {place(first.start())}"
        yield (
            text.translate(_PLAIN),
            f"curly quotes or invisible signs ({len(_TYPOGRAPHIC.findall(text))}; {where}) were replaced by plain ones",
        )


def _joined_lines(text: str) -> Iterator[tuple[str, str]]:
    if first := _LINE_BREAK.search(text):
        where = f"the first at {place(first.start())}"
        yield _LINE_BREAK.sub("", text), f"line breaks inside it ({where}) were removed"
        yield _LINE_BREAK.sub(" ", text), f"line breaks inside it ({where}) were replaced by spaces"


def _single_escapes(text: str) -> Iterator[tuple[str, str]]:
    single = _without_escapes(text)
    if single != text:
        yield single, "quotes or backslashes in it were doubled or left over: undone"
    letters = _LETTER_CODE.sub(lambda found: chr(int(found[1], 16)), text)  # and two quotes may be two quotes
    if letters not in (text, single):
        yield letters, "letters in it were written as \\u and a number: put back"


def _without_escapes(text: str) -> str:
    return _SURPLUS_ESCAPES.sub(
        lambda found: chr(int(found["code"], 16)) if found["code"] else found["sign"] or '"', text
    )


def _look_in_front(text: str) -> list[str]:
    """What stands before the bracket: it should be ``42`` and nothing else."""
    stem = text.rstrip()
    number = stem[len(stem.rstrip("0123456789-")) :]
    repairs = []
    if not number:
        repairs.append("the 42 in front was missing: added")
    elif number != "42":
        other = number if number == "451-" else "another number"
        repairs.append(f"the message began with {other}: replaced by 42")
    elif stem != text:
        repairs.append("white space behind 42 was removed")
    if others := trim(stem[: len(stem) - len(number)]).strip(QUOTES + "\\"):
        repairs.append(f"the {len(others)} characters in front of the frame were left out")
    return repairs


def _look_behind(text: str, end: int) -> tuple[str, ...]:
    others = text[end:].strip(QUOTES + "\\ \t\r\n")
    return (f"the {len(others)} characters behind the frame were left out",) if others else ()


# -- JSON -----------------------------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(written: str) -> float:
    number = float(written)
    if number in (inf, -inf):
        raise ValueError("a number beyond all measure")
    return number


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _read_json(text: str) -> tuple[object, int] | None:
    try:
        return DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None


def place(index: int) -> str:
    return f"character {index + 3} of the frame"  # counted from 1, its 42 included
