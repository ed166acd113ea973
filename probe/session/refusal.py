"""What it means when a server answers the upgrade with an HTTP page."""

from probe.model.credentials import Redactor
from probe.model.failures import Failure, Speaker
from probe.wire.websocket import UpgradeRefused

SHOWN = 80  # characters of a header or a title
TELLING_HEADERS = ("server", "cf-ray", "location")


def failure_of_refusal(refusal: UpgradeRefused, spoke_last: Speaker, redact: Redactor) -> Failure:
    headers = {name.lower(): value for name, value in refusal.headers}
    signs = [f"HTTP {refusal.status} {redact.shorten(refusal.reason, SHOWN)}".strip()]
    signs += [
        f"{name}: {redact.shorten(headers[name], SHOWN)}" for name in TELLING_HEADERS if name in headers
    ]
    title = _title(refusal.body_preview.decode("utf-8", "backslashreplace"))
    if title:
        signs.append(f"page title {redact.shorten(title, SHOWN)!r}")
    wait = headers.get("retry-after", "")
    is_challenge = (
        headers.get("cf-mitigated") == "challenge"
    )  # its own word for it: nothing else looks like this
    return Failure(
        kind="http.cf-challenge" if is_challenge else kind_of_status(refusal.status),
        spoke_last=spoke_last,
        detail="; ".join(signs),
        http_status=refusal.status,
        retry_after_seconds=float(wait) if wait.isdecimal() and len(wait) < 9 else None,
    )


def kind_of_status(status: int) -> str:
    """The failure kind of a final answer that is not 101."""
    match status:
        case 400:
            return "http.bad-request"
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


def _title(page: str) -> str:
    start = page.lower().find("<title>")
    if start < 0:
        return ""
    return page[start + 7 :].split("<", 1)[0].strip()
