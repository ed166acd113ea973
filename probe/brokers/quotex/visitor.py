"""A visitor of the broker's web pages: keeps the cookies, follows redirects within the host, and tells what went wrong where.

Nothing that was typed or won leaves the origin: a redirect to anywhere else ends the visit.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar
from urllib.parse import SplitResult, quote_plus, urldefrag, urljoin, urlsplit

from probe.brokers.quotex.cookies import Cookies, Jar, cookie_header
from probe.brokers.quotex.pages import Page
from probe.model.credentials import Redactor, Secret
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure, Speaker
from probe.session.refusal import failure_of_reply, title_of
from probe.wire.calls import Flow, HttpCall, HttpReply, Question

R = TypeVar("R")
Steps = Generator[HttpCall | Question, HttpReply | Secret | Failure | None, R]
Form = tuple[tuple[str, str | Secret], ...]

MOST_REDIRECTS = 8
SHOWN = 160  # characters of a page's own words
_PAGE = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
_OWN_PORTS = {"http": ":80", "https": ":443"}
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPS_THE_FORM = (307, 308)
_NOT_WHAT_IT_WAS = (404, 405, 410, 419)  # the last is Laravel's word for a form token it does not know


class Stopped(Exception):
    """A visit's end, on its way out of a flow as what the flow returns."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


def ending(steps: Steps[R]) -> Flow[R | Failure]:
    """The same steps; where they stop, the failure is their result."""
    try:
        return (yield from steps)
    except Stopped as stopped:
        return stopped.failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    stage: str  # which part of the visit this is, in words
    path: str
    reply: HttpReply
    page: Page


class Visitor:
    __slots__ = ("_agent", "_jar", "_origin", "_secrets")

    def __init__(self, origin: str, agent: str, secrets: tuple[Secret, ...], cookies: Cookies = ()) -> None:
        self._origin, self._agent, self._secrets = origin, agent, set(secrets)
        self._jar = Jar(urlsplit(origin).hostname or "", cookies)
        self._keep_cookies_secret()

    @property
    def cookies(self) -> Cookies:
        return self._jar.cookies()

    def keep_secret(self, secret: Secret) -> None:
        self._secrets.add(secret)

    def _keep_cookies_secret(self) -> None:
        """Also after the server has set them anew: the old ones may still open something."""
        self._secrets.update(value for _, value in self.cookies)

    # -- going ---------------------------------------------------------------------------------------------------------

    def open(self, stage: str, path: str, *, referer: str = "", form: Form | None = None) -> Steps[Landed]:
        """The page that `path` leads to.

        Raises:
            Stopped: there is none.
        """
        url, method = self._origin + path, "GET" if form is None else "POST"
        for _ in range(MOST_REDIRECTS):
            reply = yield from self._call(stage, method, url, _PAGE, referer, form)
            if reply.status not in _REDIRECTS:
                self._judge(stage, reply, is_login=form is not None)
                return Landed(stage=stage, path=urlsplit(url).path, reply=reply, page=Page(reply.body))
            url = self._next(stage, url, reply)
            if reply.status not in _KEEPS_THE_FORM:
                method, form = "GET", None
        raise Stopped(self.failure("http.redirect", stage, f"{MOST_REDIRECTS} redirects led to no page"))

    def ask(self, stage: str, path: str) -> Steps[dict[str, object] | None]:
        """What a JSON address answers; None: it wants a login first.

        Raises:
            Stopped: it answers something else.
        """
        reply = yield from self._call(stage, "GET", self._origin + path, "application/json", "", None)
        if reply.status == 401 or reply.status in _REDIRECTS:
            return None
        self._judge(stage, reply)
        try:
            answer: object = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Stopped(self.failure("login.page-changed", stage, "the answer is no JSON object"))
        return None if answer.get("message") == "Unauthenticated." else answer

    def _call(
        self, stage: str, method: str, url: str, accept: str, referer: str, form: Form | None
    ) -> Steps[HttpReply]:
        headers: list[tuple[str, str | Secret]] = [
            ("User-Agent", self._agent),
            ("Accept", accept),
            ("Accept-Language", "en-US,en;q=0.9"),
        ]
        if form is not None:
            headers.append(("Origin", self._origin))
        if referer:
            headers.append(("Referer", self._origin + referer))
        if self.cookies:
            headers.append(("Cookie", cookie_header(self.cookies)))
        came = yield HttpCall(method=method, url=url, headers=tuple(headers), form=form)
        if isinstance(came, Failure):
            raise Stopped(replace(came, detail=f"{stage}: {came.detail}" if came.detail else stage))
        if not isinstance(came, HttpReply):
            raise LocalProtocolError(f"a call was answered with {type(came).__name__}")
        self._jar.receive(came)
        self._keep_cookies_secret()
        return came

    def _next(self, stage: str, url: str, reply: HttpReply) -> str:
        here = urlsplit(self._origin)
        try:
            target = urldefrag(urljoin(url, reply.header("location"))).url
            there = urlsplit(target)
        except ValueError:
            target, there = "", urlsplit("")
        is_here = _place(there) == _place(here)
        if is_here and target.isascii() and target.isprintable() and " " not in target:
            return target
        # The host as it was written: in small letters a secret in it would not be known.
        host = there.netloc.rpartition("@")[2]
        where = self.words(f"{there.scheme}://{host}") if host else "an address that is none"
        if (there.scheme, here.scheme) == ("http", "https"):
            where += " over unencrypted http"
        raise Stopped(
            self.failure("http.redirect", stage, f"it leads to {where}, where nothing of the login is sent")
        )

    # -- telling -------------------------------------------------------------------------------------------------------

    def stop(self, kind: str, landed: Landed, problem: str) -> NoReturn:
        """Ends the visit at this page."""
        title = self.words(title_of(landed.reply.body))
        came = f"; what came is {self.words(landed.path)}" + (f", page title {title!r}" if title else "")
        raise Stopped(self.failure(kind, landed.stage, problem + came, landed.reply.status))

    def words(self, text: str) -> str:
        """A page's own words, fit to be shown."""
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * SHOWN]).split())
        return self._redactor().shorten(text, SHOWN)

    def _judge(self, stage: str, reply: HttpReply, *, is_login: bool = False) -> None:
        failure = failure_of_reply(reply, self._redactor())
        if failure is None:
            return
        kind = "login.page-changed" if reply.status in _NOT_WHAT_IT_WAS else failure.kind
        # The pages before it were answered, so it is the login that is limited.
        slug = "auth.login-rate-limited" if is_login and kind == "http.429" else None
        raise Stopped(replace(failure, kind=kind, detail=f"{stage}: {failure.detail}", slug=slug))

    def failure(self, kind: str, stage: str, problem: str, status: int | None = None) -> Failure:
        return Failure(kind=kind, spoke_last=Speaker.REMOTE, detail=f"{stage}: {problem}", http_status=status)

    def _redactor(self) -> Redactor:
        """Also for secrets as they stand in a form."""
        values = [secret.reveal() for secret in self._secrets]
        return Redactor(
            Secret(form) for value in values for form in (value, quote_plus(value, errors="replace"))
        )


def _place(url: SplitResult) -> tuple[str, str]:
    """Scheme, host and port; the scheme's own port need not be said."""
    return url.scheme, url.netloc.lower().removesuffix(_OWN_PORTS.get(url.scheme, ""))
