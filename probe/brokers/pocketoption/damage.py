"""The login frame in what a person pasted: found, and read in every way that undoes known damage, least undone first.

Nothing here guesses. A way of undoing counts only when the whole frame can be read afterwards, and a real account's
session proves itself by the byte lengths PHP wrote into it. Every pattern is possessive, bounded or tied to a sign that
cannot repeat inside it, so that time grows with the length of the text whatever it holds.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import NoReturn
from urllib.parse import unquote_plus

from probe.brokers.pocketoption.php import PhpDamaged, read_php_array

QUOTES = "\"'`“”„‟‘’‚‛"
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
PHP_SESSION = re.compile(r"a:\d{1,4}:\{")

_Q = f"[{QUOTES}]"
_A = "[\"'`]"
_AUTH = re.compile(rf"\[\s*+(?:(?P<escapes>\\*+){_Q}{{1,2}}auth(?![\w/-])|auth(?=\s*+,))")
_OBJECT = re.compile(rf"\{{\s*+(?P<escapes>\\*+){_Q}{{0,2}}[A-Za-z]")
_LOGIN_KEY = re.compile(r"\b(?:session|sessionToken|token|secret)\b")
_PHP_TRAILER = re.compile(r"[0-9a-f]{32,64}")
_STAND_IN = "ThePhpSession"

# A frame whose quotes are gone or of another kind can still be read when it is flat and its values are plain words.
_FLAT = re.compile(rf"\[\s*+{_A}*+auth{_A}*+\s*+,\s*+\{{(?P<pairs>[^{{}}\[\]]*+)\}}\s*+\]")
_PAIR = re.compile(
    rf"\s*+{_A}*+(?P<key>[A-Za-z_]\w*+){_A}*+\s*+:\s*+(?P<quote>{_A}*+)(?P<value>[\w./%+=&?-]*+){_A}*+\s*+",
    re.ASCII,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<fraction>\.[0-9]{1,9})?")
_WORD = re.compile(r"(?!NaN\b|Infinity\b)[A-Za-z][\w./-]*", re.ASCII)
_ALWAYS_TEXT = frozenset({"session", "sessionToken", "token", "currentUrl", "lang"})
_LITERALS = {"true": True, "false": False, "null": None, "none": None}

# What may stand last in a frame that lost its end; any other number may have lost digits with it.
_COMPLETE = re.compile(
    rf"(?:{_Q}|:\s*+(?:true|false|null)|\b(?:isDemo|platform|isChart)\\*+{_Q}?\s*+:\s*+\d)\Z"
)
_TYPOGRAPHIC = re.compile(f"[“”„‟‘’‚‛\u00a0{INVISIBLE}]")
_PLAIN: dict[int, str | None] = {ord(sign): '"' for sign in "“”„‟"}
_PLAIN |= {ord(sign): "'" for sign in "‘’‚‛"} | {0xA0: " "} | {ord(sign): None for sign in INVISIBLE}
_LINE_BREAK = re.compile(r"(?:\r\n?|\n)[ \t]*+")
_SURPLUS_ESCAPES = re.compile(r'(?<!\\)\\++(?:(?P<sign>["/])|u(?P<code>[0-9A-Fa-f]{4}))|""')
_COOKIE_SESSION = re.compile(r"\ba%3A\d{1,4}%3A%7B[\w%.+*-]*+", re.IGNORECASE | re.ASCII)


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


def trim(text: str) -> str:
    return text.strip(" \t\r\n\v\f\u00a0" + INVISIBLE)


def has_login(text: str) -> bool:
    return _AUTH.search(text) is not None


def find_frame(text: str) -> Found | None:
    """Where the login begins: at an array whose first word is ``auth``, or at the object alone."""
    repairs: list[str] = []
    for _ in range(2):
        if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
            text = trim(text[1:-1])
            repairs = ["the quotes around it were taken off"]
    starts = list(_AUTH.finditer(text))
    if starts:
        at = starts[0].start()
        repairs += _look_in_front(text[:at])
        body, unescapings = _unescape(text[at:])
    else:
        bare = text.lstrip(QUOTES + "\\")
        if not _OBJECT.match(bare) or not _LOGIN_KEY.search(bare):
            return None
        repairs.append('only the object in braces was given: 42["auth", and ] were put around it')
        body, unescapings = _unescape(bare)
        body = '["auth",' + body + ("]" if body.endswith("}") else "")
    if unescapings:
        times = {1: "once", 2: "twice"}.get(unescapings, f"{unescapings} times")
        repairs.append(f"it was escaped {times} as a text inside JSON: undone")
    return Found(body=body, repairs=tuple(repairs), count=len(starts) or 1)


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


def _unescape(body: str) -> tuple[str, int]:
    """The body freed of the escapes of texts inside JSON, as far as each text goes, and how many levels there were."""
    levels = 0
    while (begin := _AUTH.match(body) or _OBJECT.match(body)) and begin["escapes"]:
        try:
            inner: object = json.JSONDecoder(strict=False).raw_decode(f'"{body}"')[0]
        except ValueError:
            break
        if not isinstance(inner, str) or not (_AUTH.match(inner) or _OBJECT.match(inner)):
            break
        body, levels = inner, levels + 1
    return body, levels


# -- undoing damage -----------------------------------------------------------------------------------------------------


def readings(body: str) -> Iterator[Reading]:
    """Every way in which `body` can be read as an event."""
    ways: list[tuple[str, tuple[str, ...]]] = [(body, ())]
    for mend in (_plain_signs, _joined_lines, _single_escapes, _plain_cookie, _closed):
        ways += [(mended, (*done, what)) for way, done in ways for mended, what in mend(way)]
    for text, repairs in sorted(ways, key=lambda way: len(way[1])):
        reading = _read_strictly(text) or _read_around_php(text) or _read_loosely(text)
        if reading is not None:
            yield replace(reading, repairs=(*repairs, *reading.repairs))


def _plain_signs(text: str) -> Iterator[tuple[str, str]]:
    if first := _TYPOGRAPHIC.search(text):
        plain, count = text.translate(_PLAIN), len(_TYPOGRAPHIC.findall(text))
        where = f"the first is U+{ord(first[0]):04X} at {_place(first.start())}"
        yield plain, f"curly quotes or invisible signs ({count}; {where}) were replaced by plain ones"


def _joined_lines(text: str) -> Iterator[tuple[str, str]]:
    if first := _LINE_BREAK.search(text):
        where = f"the first at {_place(first.start())}"
        yield _LINE_BREAK.sub("", text), f"line breaks inside it ({where}) were removed"
        yield _LINE_BREAK.sub(" ", text), f"line breaks inside it ({where}) were replaced by spaces"


def _single_escapes(text: str) -> Iterator[tuple[str, str]]:
    plain = _without_escapes(text)
    if plain != text:
        yield plain, "quotes or backslashes in it were doubled or left over: undone"


def _without_escapes(text: str) -> str:
    return _SURPLUS_ESCAPES.sub(
        lambda found: chr(int(found["code"], 16)) if found["code"] else found["sign"] or '"', text
    )


def _plain_cookie(text: str) -> Iterator[tuple[str, str]]:
    if _COOKIE_SESSION.search(text):
        plain = _COOKIE_SESSION.sub(lambda found: unquote_plus(found[0]), text)
        yield plain, "the session was URL-encoded, as in a cookie: decoded"


def _closed(text: str) -> Iterator[tuple[str, str]]:
    text = text.rstrip()
    if text.endswith("}"):
        yield text + "]", "the closing ] was missing: added"
    elif _COMPLETE.search(text[-60:]):
        yield text + "}]", "the closing }] was missing: added; if more was cut off, it is lost"


# -- reading ------------------------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(written: str) -> float:
    number = float(written)
    if number in (inf, -inf):
        raise ValueError("a number beyond all measure")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _read_json(text: str) -> tuple[object, int] | None:
    try:
        return _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None


def _read_strictly(text: str) -> Reading | None:
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
                frame=f'42["auth",{event[1][: inner[1]]}]',
                event=[event[0], inner[0]],
                repairs=(
                    "the object inside was a text with escaped quotes: undone",
                    *_look_behind(text, end),
                ),
            )
    return Reading(frame="42" + text[:end], event=event, repairs=_look_behind(text, end))


def _read_around_php(text: str) -> Reading | None:
    """For a session whose quotes are not escaped: PHP's own lengths say where it ends."""
    span = _php_span(text)
    if span is None or _STAND_IN in text:
        return None
    session = text[span[0] : span[1]]
    without = text[: span[0]] + _STAND_IN + text[span[1] :]
    reading = _read_strictly(without) or _read_loosely(without)
    payload = reading.event[1] if reading and len(reading.event) == 2 else None
    if reading is None or not isinstance(payload, dict) or payload.get("session") != _STAND_IN:
        return None
    return Reading(
        frame=reading.frame.replace(_STAND_IN, json.dumps(session)[1:-1]),
        event=[reading.event[0], payload | {"session": session}],
        repairs=("the quotes inside the session were not escaped: they are now", *reading.repairs),
    )


def _php_span(text: str) -> tuple[int, int] | None:
    begin = PHP_SESSION.search(text)
    if begin is None:
        return None
    try:
        end = read_php_array(text, begin.start())[1]
    except PhpDamaged:
        return None
    trailer = _PHP_TRAILER.match(text, end)
    return begin.start(), trailer.end() if trailer else end


def _read_loosely(text: str) -> Reading | None:
    """A flat frame of plain words, whatever became of its quotes."""
    flat = _FLAT.match(text)
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
        if pair["quote"] or key in _ALWAYS_TEXT:
            payload[key] = value
        elif number := _NUMBER.fullmatch(value):
            payload[key] = float(value) if number["fraction"] else int(value)
        elif _WORD.fullmatch(value):
            payload[key] = _LITERALS.get(value.lower(), value)
        else:
            return None
    return Reading(
        frame="42" + json.dumps(["auth", payload], separators=(",", ":")),
        event=["auth", payload],
        repairs=(
            "quotes or commas in it were missing or not as JSON has them: put right",
            *_look_behind(text, flat.end()),
        ),
    )


def _look_behind(text: str, end: int) -> tuple[str, ...]:
    others = text[end:].strip(QUOTES + "\\ \t\r\n")
    return (f"the {len(others)} characters behind the frame were left out",) if others else ()


# -- saying what is wrong -----------------------------------------------------------------------------------------------


SHORTENED = "a part of it is left out where three dots stand, as a browser's list shows long messages"


def describe_damage(body: str) -> str:
    """Why there is no reading of `body`, in words that show nothing of it."""
    plain = _without_escapes(_LINE_BREAK.sub("", body.translate(_PLAIN)))
    if begin := PHP_SESSION.search(plain):
        if re.match(r"s:\d+:[^\"]", plain[begin.end() :]):
            return "the quotes inside the real account's session are gone, as after a shell, and cannot be put back"
        try:
            read_php_array(plain, begin.start())
        except PhpDamaged as damage:
            return describe_php_damage(damage)
        return "the session in it is whole, but the frame around it cannot be read"
    if is_shortened(body):
        return SHORTENED
    try:
        _DECODER.raw_decode(body)
    except json.JSONDecodeError as error:
        at, is_cut_text = error.pos, error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        return "it holds a number no broker sends, or more brackets inside brackets than any frame has"
    else:
        return "it is not an event"
    end = body.rstrip()
    if is_cut_text:
        return f"it ends inside the text that begins at {_place(at)}: the rest was cut off, or a quote is missing"
    if at >= len(end):
        number = ", perhaps in the middle of a number" if end[-1:].isdigit() else ""
        return f"it was cut off after {_place(len(end) - 1)}{number}, so the rest cannot be known"
    if '"' not in plain:
        return "its quotes are gone, as after a shell, and without them it can be read in more than one way"
    return f"{describe_sign(body[at])} at {_place(at)} cannot stand there"


def is_shortened(text: str) -> bool:
    return "…" in text or "..." in text


def describe_php_damage(damage: PhpDamaged) -> str:
    return (
        f"the real account's session is damaged at its character {damage.position}: {damage.problem} "
        "(cut, edited, or changed by a shell, which takes $ and the word behind it for a variable)"
    )


def describe_sign(sign: str) -> str:
    if sign.isspace() or not sign.isprintable() or not sign.isascii():
        return f"the sign U+{ord(sign):04X}"
    if sign.isalnum():
        return "a letter" if sign.isalpha() else "a digit"
    return f"the sign {sign}"


def _place(index: int) -> str:
    return f"character {index + 3} of the frame"  # counted from 1, its 42 included
