"""What it means when a server answers with an HTTP page instead of what it was asked for."""

from html import unescape

from probe.model.credentials import Redactor
from probe.model.failures import Answer, Failure, Seen, Speaker
from probe.session.evidence import without_addresses
from probe.wire.calls import HttpReply
from probe.wire.heads import MAX_BODY_PREVIEW, HandshakeBroken, HandshakeFault, Headers
from probe.wire.websocket import UpgradeRefused

SHOWN = 80  # characters of a header or a title
TELLING_HEADERS = ("server", "cf-ray", "location")
PREVIEW = 4096  # bytes of a page in which its title is looked for
# They say who answered and why. Others may hold what is nobody's business, such as cookies.
KEPT_HEADERS = frozenset(
    [
        "alt-svc",
        "cf-mitigated",
        "cf-ray",
        "connection",
        "content-length",
        "content-type",
        "date",
        "location",
        "retry-after",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "server",
        "upgrade",
        "via",
        "www-authenticate",
        "x-cache",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ]
)


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
    if _calls_itself_challenge(reply.headers) or is_challenge_title(title):
        kind = "http.cf-challenge"
    elif 200 <= reply.status < 300:
        return None
    else:
        kind = kind_of_status(reply.status)
    return _failure(kind, reply, "", reply.body, Speaker.REMOTE, redact)


def _calls_itself_challenge(headers: Headers) -> bool:
    """Its own word for it: no other refusal has this."""
    return any(name.lower() == "cf-mitigated" and value == "challenge" for name, value in headers)


def is_challenge_title(title: str) -> bool:
    """Cloudflare's; a page of maintenance may begin in the same way."""
    return title.lower() in ("just a moment...", "just a moment…")


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
        signs.append(f"page title {redact.shorten(without_addresses(title), SHOWN)!r}")
    wait = headers.get("retry-after", "")
    return Failure(
        kind=kind,
        spoke_last=spoke_last,
        detail="; ".join(signs),
        http_status=answer.status,
        retry_after_seconds=float(wait) if wait.isdecimal() and len(wait) < 9 else None,
        seen=Seen(answer=_kept(answer.status, answer.headers, body, redact, is_complete=answer.complete)),
    )


def failure_of_handshake(broken: HandshakeBroken, spoke_last: Speaker, redact: Redactor) -> Failure:
    """What it means that the answer to an upgrade is none."""
    first_bytes = redact.shorten(broken.preview.decode("latin-1"), SHOWN)
    kind, answer = "http.handshake-invalid", None
    match broken.reason:
        case HandshakeFault.NOT_HTTP:
            kind = "http.not-http"
        case HandshakeFault.CUT_SHORT:
            kind = "http.closed"
        case HandshakeFault.INVALID_UPGRADE:
            answer = _kept(101, broken.headers, b"", redact, is_complete=True)
        case HandshakeFault.HEADER_TOO_LARGE:
            pass
    return Failure(
        kind=kind,
        spoke_last=spoke_last,
        detail=redact(f"{broken.detail}: {first_bytes!r}" if first_bytes else broken.detail),
        seen=Seen(answer=answer, first_bytes="" if answer else first_bytes),
    )


def _kept(status: int, headers: Headers, body: bytes, redact: Redactor, *, is_complete: bool) -> Answer:
    telling = ((name.lower(), value) for name, value in headers)
    return Answer(
        status=status,
        # A query is where tokens stand.
        headers=tuple(
            (name, _shown(value.partition("?")[0] if name == "location" else value, redact))
            for name, value in telling
            if name in KEPT_HEADERS
        ),
        body=redact.shorten(_readable(body, MAX_BODY_PREVIEW + redact.longest), MAX_BODY_PREVIEW),
        is_whole=is_complete or len(body) >= MAX_BODY_PREVIEW,  # no more of it was wanted
    )


def _readable(body: bytes, length: int) -> str:
    return without_addresses(body[:length].decode("utf-8", "replace"))


def _shown(text: str, redact: Redactor) -> str:
    """Bytes from 128 on may stand in a head, and some of them steer a terminal."""
    shown = redact.shorten(without_addresses(text), SHOWN)
    return "".join(sign if sign.isprintable() else "?" for sign in shown)


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
        case _ if 400 <= status < 500:
            return "http.refused"
        case _:
            return "http.other-status"


def title_of(body: bytes) -> str:
    """A page's title, or nothing."""
    page = body[:PREVIEW].decode("utf-8", "backslashreplace")
    start = page.lower().find("<title>")
    if start < 0:
        return ""
    return unescape(page[start + 7 :].split("<", 1)[0]).strip()
