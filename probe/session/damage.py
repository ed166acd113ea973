"""What is wrong with a pasted login, in words that show nothing of it."""

import json
import re

from probe.model.errors import CredentialInvalid
from probe.session.pasted import DECODER, LONGEST, place, plain, trim

SHORTEST_TOKEN = 10  # the shortest session seen anywhere has 26 characters
NO_TOKEN_SIGN = re.compile(r"[^!-~]|[\"'`\\<>(){}\[\],;]")
ASSIGNMENT = re.compile(r"\A(?:export |set |\$env:)?[A-Za-z_][A-Za-z0-9_]{0,40} ?[=:] ?")
UNREADABLE = re.compile("[\0\ud800-\udfff\ufffd]")
SHORTENED = "a part of it is left out where three dots stand, as a browser's list shows long messages"

# What people give in place of what it stands for.
STAND_INS = (
    (
        re.compile(r"\A(?:env|file|keyring):"),
        "it is a reference (env:, file:, keyring:) and not what stands there",
    ),
    (
        re.compile(r"\A(?:\$\{?[\w:]{1,60}\}?|%\w{1,60}%)\Z"),
        "it is the name of a variable that nothing replaced",
    ),
)


def describe_damage(body: str) -> str:
    """Why there is no reading of `body`, in words that show nothing of it."""
    if is_shortened(body):
        return SHORTENED
    try:
        DECODER.raw_decode(body)
    except json.JSONDecodeError as error:
        at, is_cut_text = error.pos, error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        return "it holds a number no broker sends, or more brackets inside brackets than any frame has"
    else:
        return "it is not an event"
    end = body.rstrip()
    if is_cut_text:
        return (
            f"it ends inside the text that begins at {place(at)}: the rest was cut off, or a quote is missing"
        )
    if at >= len(end):
        number = ", perhaps in the middle of a number" if end[-1:].isdigit() else ""
        return f"it was cut off after {place(len(end) - 1)}{number}, so the rest cannot be known"
    if '"' not in plain(body):
        return "its quotes are gone, as after a shell, and without them it can be read in more than one way"
    return f"{describe_sign(body[at])} at {place(at)} cannot stand there"


def describe_unfit(text: str) -> str | None:
    """Why `text` can be no credential whatever its form."""
    if len(text) > LONGEST:
        return f"it has {len(text)} characters; a frame has some hundred"
    if bad := UNREADABLE.search(text):
        return describe_unreadable(bad)
    if not trim(text):
        return f"it is empty: {len(text)} characters and nothing but white space" if text else "it is empty"
    return None


def describe_unreadable(found: re.Match[str]) -> str:
    """What a character that `UNREADABLE` found says about the text."""
    match found[0]:
        case "\0":
            why = "is a zero byte, as in a file that Windows saved as Unicode (UTF-16): save it as UTF-8"
        case "\ufffd":
            why = "stands for a byte that was lost when the text was decoded"
        case _:
            why = "is half of a character pair (or a byte that is not UTF-8)"
    return f"character {found.start() + 1} {why}"


def describe_sign(sign: str) -> str:
    if sign.isspace() or not sign.isprintable() or not sign.isascii():
        return f"the sign U+{ord(sign):04X}"
    if sign.isalnum():
        return "a letter" if sign.isalpha() else "a digit"
    return f"the sign {sign}"


def is_shortened(text: str) -> bool:
    return "…" in text or "..." in text


def with_repairs(refused: CredentialInvalid, repairs: tuple[str, ...]) -> CredentialInvalid:
    also = f" (found after this: {'; '.join(repairs)})" if repairs else ""
    return CredentialInvalid(refused.code, refused.problem + also, refused.next_step)
