"""PocketOption's login among what was pasted: a real account's session, in PHP's notation, proves itself by the byte lengths in it."""

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

from probe.brokers.pocketoption.php import PhpDamaged, read_php_array
from probe.session import damage
from probe.session.pasted import FrameForm, Reading, plain

FORM = FrameForm(
    "auth",
    login_keys=("session", "sessionToken", "token", "secret"),
    text_keys=("session", "sessionToken", "token", "currentUrl", "lang"),
    whole={"isDemo": r"\d", "platform": r"\d", "isChart": r"\d"},
)
PHP_SESSION = re.compile(r"a:\d{1,4}:\{")

_PHP_TRAILER = re.compile(r"[0-9a-f]{32,64}")
_STAND_IN = "ThePhpSession"
_COOKIE_SESSION = re.compile(r"\ba%3A\d{1,4}%3A%7B[\w%.+*-]*+", re.IGNORECASE | re.ASCII)


def readings(body: str) -> Iterator[Reading]:
    """Every way in which `body` can be read as an event."""
    return FORM.readings(body, read=_read, mends=(_plain_cookie,))


def describe_damage(body: str) -> str:
    """Why there is no reading of `body`, in words that show nothing of it."""
    text = plain(body)
    begin = PHP_SESSION.search(text)
    if begin is None:
        return damage.describe_damage(body)
    if re.match(r"s:\d+:[^\"]", text[begin.end() :]):
        return (
            "the quotes inside the real account's session are gone, as after a shell, and cannot be put back"
        )
    try:
        read_php_array(text, begin.start())
    except PhpDamaged as found:
        return describe_php_damage(found)
    return "the session in it is whole, but the frame around it cannot be read"


def describe_php_damage(found: PhpDamaged) -> str:
    return (
        f"the real account's session is damaged at its character {found.position}: {found.problem} "
        "(cut, edited, or changed by a shell, which takes $ and the word behind it for a variable)"
    )


def _plain_cookie(text: str) -> Iterator[tuple[str, str]]:
    if _COOKIE_SESSION.search(text):
        decoded = _COOKIE_SESSION.sub(lambda found: unquote_plus(found[0]), text)
        yield decoded, "the session was URL-encoded, as in a cookie: decoded"


def _read(text: str) -> Reading | None:
    return FORM.read_strictly(text) or _read_around_php(text) or FORM.read_loosely(text)


def _read_around_php(text: str) -> Reading | None:
    """For a session whose quotes are not escaped: PHP's own lengths say where it ends."""
    span = _php_span(text)
    if span is None or _STAND_IN in text:
        return None
    session = text[span[0] : span[1]]
    without = text[: span[0]] + _STAND_IN + text[span[1] :]
    reading = FORM.read_strictly(without) or FORM.read_loosely(without)
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
