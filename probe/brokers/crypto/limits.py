"""The five wires of "100 a minute for an address", told from an answer, and whose requests used it up."""

import json
import re
from collections import deque
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from probe.model.failures import Blame, Failure, Speaker
from probe.model.meanings import Effect, Trouble
from probe.session.refusal import title_of
from probe.wire.calls import HttpReply

WINDOW = 60.0
_STATED = re.compile(r"(\d{1,6}) per 1 minute")
_FEWEST = 5  # no limiter allows fewer a minute


class Form(Enum):
    SLOWAPI = "slowapi"
    SLOWAPI_HEADERS = "slowapi, with headers"
    DETAIL = "a middleware's own"
    HIDDEN = "a middleware that raises where it must not, which shows as status 500"
    NGINX = "nginx"
    OTHER = "one of an unknown kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    form: Form
    status: int
    stated: int | None  # requests a minute, in its own words
    retry_after: float | None

    @property
    def failure(self) -> Failure:
        said = f", {self.stated} a minute" if self.stated else ""
        return Failure(
            kind="http.429",
            spoke_last=Speaker.REMOTE,
            detail=f"HTTP {self.status}: the limiter is {self.form.value}{said}",
            http_status=self.status,
            retry_after_seconds=self.retry_after,
        )


def read_limited(reply: HttpReply, utc: float) -> Limited | None:
    """None: this is no limiter's answer, or cannot be told from an error (`may_be_hidden`)."""
    is_nginx = reply.body.lstrip()[:1] == b"<" and "nginx" in (
        reply.header("server") + reply.body[-200:].decode("utf-8", "replace")
    )
    if reply.status != 429 and not (
        reply.status == 503 and is_nginx and title_of(reply.body) == "503 Service Temporarily Unavailable"
    ):
        return None
    limit = reply.header("x-ratelimit-limit")
    words = reply.body[:500].decode("utf-8", "replace")
    found = _STATED.search(words)
    if is_nginx:
        form = Form.NGINX
    elif limit:
        form = Form.SLOWAPI_HEADERS
    elif found:
        form = Form.SLOWAPI
    elif _is_detail(words):
        form = Form.DETAIL
    else:
        form = Form.OTHER
    return Limited(
        form=form,
        status=reply.status,
        stated=int(limit) if _is_number(limit) else int(found[1]) if found else None,
        retry_after=retry_after(reply, utc),
    )


def may_be_hidden(reply: HttpReply) -> bool:
    """An error that nobody handled looks the same: where /health answers so, it is the limiter."""
    return (
        reply.status == 500
        and reply.header("content-type").startswith("text/plain")
        and reply.body.strip() == b"Internal Server Error"
    )


def hidden(reply: HttpReply) -> Limited:
    return Limited(form=Form.HIDDEN, status=reply.status, stated=None, retry_after=None)


def retry_after(reply: HttpReply, utc: float) -> float | None:
    """Seconds until it may be tried again: as a number, as a date, or as the end of the window."""
    said = reply.header("retry-after").strip()
    if _is_number(said):
        return float(said)
    if said:
        try:
            return max(0.0, parsedate_to_datetime(said[:64]).timestamp() - utc)
        except (
            ValueError,
            TypeError,
            IndexError,
            OverflowError,
        ):  # what it makes of nonsense is not documented
            return None
    reset = reply.header("x-ratelimit-reset")
    if re.fullmatch(r"\d{9,11}(\.\d{1,9})?", reset, re.ASCII):
        return max(0.0, float(reset) - utc)
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,8}", text, re.ASCII) is not None


def _is_detail(words: str) -> bool:
    try:
        body = json.loads(words)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and "detail" in body


class Ledger:
    """Our own requests of the last minute, and how many of them once passed without a refusal."""

    __slots__ = ("_admitted_at_most", "_times")

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._admitted_at_most = 0

    def note(self, now: float) -> None:
        self._times.append(now)

    def count(self, now: float) -> int:
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return len(self._times)

    def admitted(self, now: float) -> None:
        self._admitted_at_most = max(self._admitted_at_most, self.count(now))

    def blames_us(self, limited: Limited, now: float) -> bool:
        """Whether our requests explain the refusal."""
        ours = self.count(now)
        if limited.stated is not None:
            return ours >= limited.stated / 2
        return ours >= _FEWEST and ours > self._admitted_at_most


def trouble_of(limited: Limited, ours: int, *, is_own: bool) -> Trouble:
    stated = f" of {limited.stated} allowed" if limited.stated else ""
    said = f"the backend's limiter ({limited.form.value}) refused a request"
    if is_own:
        return Trouble(
            code="crypto.rate-limited-own",
            sentence=f"{said}, and {ours}{stated} in the last minute were ours",
            advice="Lower requests_per_minute in the dialect, or have the probe's address exempted.",
            effect=Effect.DEGRADES,
            blame=Blame.US,
            certain=limited.stated is not None,
        )
    return Trouble(
        code="crypto.rate-limited-shared",
        sentence=f"{said} though only {ours}{stated} in the last minute were ours: others share the limit",
        advice="See whether the limiter counts a proxy's address for everybody, or others poll from this one.",
        effect=Effect.DEGRADES,
        blame=Blame.BROKER,
        certain=limited.stated is not None,
    )
