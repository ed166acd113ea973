"""What it means when a server answers with an HTTP page instead of what it was asked for."""

from html import unescape

from probe.model.credentials import Redactor
from probe.model.failures import Failure, Speaker
from probe.wire.calls import HttpReply
from probe.wire.heads import Headers
from probe.wire.websocket import UpgradeRefused

SHOWN = 80  # characters of a header or a title
TELLING_HEADERS = ("server", "cf-ray", "location")
PREVIEW = 4096  # bytes of a page in which its title is looked for


def failure_of_refusal(refusal: UpgradeRefused, spoke_last: Speaker, redact: Redactor) -> Failure:
    """What a refused upgrade says."""
    kind = kind_of_status(refusal.status)
    if refusal.status == 400:  # of an upgrade, which is malformed where another version is spoken
        kind = "http.bad-request"
    if _calls_itself_challenge(refusal.headers):
        kind = "http.cf-challenge"
    return _failure(kind, refusal, refusal.reason, refusal.body_preview, spoke_last, redact)


def failure_of_reply(reply: HttpReply, redact: Redactor) -> Failure | None:
    """What an answer says that is no success; a challenge is none, whatever its status."""
    title = title_of(reply.body)
    if _calls_itself_challenge(reply.headers) or title.lower().startswith("just a moment"):
        kind = "http.cf-challenge"
    elif 200 <= reply.status < 300:
        return None
    else:
        kind = kind_of_status(reply.status)
    return _failure(kind, reply, "", reply.body, Speaker.REMOTE, redact)


def _calls_itself_challenge(headers: Headers) -> bool:
    """Its own word for it: no other refusal has this."""
    return any(name.lower() == "cf-mitigated" and value == "challenge" for name, value in headers)


def _failure(
    kind: str,
    answer: UpgradeRefused | HttpReply,
    reason: str,
    body: bytes,
    spoke_last: Speaker,
    redact: Redactor,
) -> Failure:
    headers = {name.lower(): value for name, value in answer.headers}
    signs = [f"HTTP {answer.status} {_shown(reason, redact)}".strip()]
    signs += [f"{name}: {_shown(headers[name], redact)}" for name in TELLING_HEADERS if name in headers]
    if title := title_of(body):
        signs.append(f"page title {redact.shorten(title, SHOWN)!r}")
    wait = headers.get("retry-after", "")
    return Failure(
        kind=kind,
        spoke_last=spoke_last,
        detail="; ".join(signs),
        http_status=answer.status,
        retry_after_seconds=float(wait) if wait.isdecimal() and len(wait) < 9 else None,
    )


def _shown(text: str, redact: Redactor) -> str:
    """Bytes from 128 on may stand in a head, and some of them steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in redact.shorten(text, SHOWN))


def kind_of_status(status: int) -> str:
    """The failure kind of a final answer that is not 101."""
    match status:
        case 401:
            return "http.401"
        case 403:
            return "http.403"
        case 404:
            return "http.wrong-path"
        case 429:
            return "http.429"
        case 502 | 503 | 504 | 520 | 521 | 522 | 523 | 524 | 525 | 526:
            return "http.bad-gateway"
        case _ if 200 <= status < 300:
            return "http.200-not-101"
        case _ if 300 <= status < 400:
            return "http.redirect"
        case _:
            return "http.other-status"


def title_of(body: bytes) -> str:
    """A page's title, or nothing."""
    page = body[:PREVIEW].decode("utf-8", "backslashreplace")
    start = page.lower().find("<title>")
    if start < 0:
        return ""
    return unescape(page[start + 7 :].split("<", 1)[0]).strip()
