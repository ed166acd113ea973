"""Signing in: one request with e-mail address and password, answered with the session's cookie."""

from dataclasses import replace
from urllib.parse import urlsplit

from probe.brokers.crypto.cookie import Issued, issued, lifetime, names_set
from probe.brokers.crypto.credentials import make_credentials, read_login, write_login
from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.limits import read_limited
from probe.model.credentials import Credentials, PasswordLogin, Redactor, Secret, WebSession
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure, Speaker
from probe.session.broker import WebEntry
from probe.session.refusal import failure_of_reply
from probe.wire.calls import Flow, HttpCall, HttpReply, NotJson, read_json

AGENT = "tradeprobe"
ATTRIBUTES = "cookie attributes"  # the fact that holds them
_SHOWN = 160


def web_of(dialect: Dialect) -> WebEntry:
    def sign_in(login: PasswordLogin, origin: str) -> Flow[WebSession | Failure]:
        return _sign_in(dialect, login, origin)

    return WebEntry(
        read_login=read_login,
        write_login=write_login,
        origin=origin,
        sign_in=sign_in,
        renew=_renew,
        credentials=_credentials,
    )


def origin(endpoint: Endpoint) -> str:
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _sign_in(dialect: Dialect, login: PasswordLogin, origin: str) -> Flow[WebSession | Failure]:
    came = yield HttpCall(
        method="POST",
        url=origin + dialect.signin_path,
        headers=(("User-Agent", AGENT), ("Accept", "application/json")),
        json={"email": login.user, "password": login.password},
    )
    where = f"POST {dialect.signin_path}"
    if isinstance(came, Failure):
        return replace(came, detail=f"{where}: {came.detail}" if came.detail else where)
    if not isinstance(came, HttpReply):
        raise LocalProtocolError(f"a call was answered with {type(came).__name__}")
    redact = Redactor((login.user, login.password))
    if failure := _refusal(came, where, redact):
        return failure
    cookie = issued(came, dialect.cookie_name)
    if cookie is None or cookie.value is None:
        others = ", ".join(names_set(came))
        why = f"it sets no cookie called {dialect.cookie_name}"
        if others:
            why += f" but {redact.shorten(others, _SHOWN)}: choose its name (--dialect cookie_name=NAME)"
        return _failure("login.page-changed", f"{where}: {why}", came)
    return WebSession(
        broker="crypto",
        key=login.key,
        origin=origin,
        token=cookie.value,
        cookies=((dialect.cookie_name, cookie.value),),
        user_agent=AGENT,
        facts=_facts(cookie),
    )


def _refusal(reply: HttpReply, where: str, redact: Redactor) -> Failure | None:
    # Its Retry-After as a date would need the time of day, which a sign-in does not know.
    if limited := read_limited(reply, 0.0):
        wait = limited.retry_after if reply.header("retry-after").isdecimal() else None
        return replace(limited.failure, retry_after_seconds=wait)
    failure = failure_of_reply(reply, redact)
    if failure is None:
        return None
    said = redact.shorten(detail_of(reply), _SHOWN)
    words = f"{where}: it says {said!r}" if said else f"{where}: {failure.detail}"
    kind = {401: "login.refused", 403: "login.refused", 404: "login.page-changed", 422: "login.page-changed"}
    return replace(failure, kind=kind.get(reply.status, failure.kind), detail=words)


def detail_of(reply: HttpReply) -> str:
    """What the backend says is wrong, fit to be shown."""
    try:
        body = read_json(reply)
    except NotJson:
        return ""
    said = body.get("detail") if isinstance(body, dict) else None
    return "".join(sign if sign.isprintable() else " " for sign in said) if isinstance(said, str) else ""


def _failure(kind: str, detail: str, reply: HttpReply) -> Failure:
    return Failure(kind=kind, spoke_last=Speaker.REMOTE, detail=detail, http_status=reply.status)


def _facts(cookie: Issued) -> tuple[tuple[str, str], ...]:
    return (
        (ATTRIBUTES, cookie.describe() or "none"),
        ("cookie lives", lifetime(cookie.max_age)),
    )


def _renew(_session: WebSession, _origin: str) -> Flow[WebSession | Failure]:
    """There is no token apart from the cookie: a new one takes the password."""
    yield from ()
    return Failure(kind="login.stale-token", detail="only the password brings another cookie")


def _credentials(session: WebSession, _account: Account) -> Credentials:
    return make_credentials(session.token.reveal(), cookies=session.cookies, facts=session.facts)


def cookie_header(name: str, value: Secret) -> tuple[str, Secret]:
    return "Cookie", Secret(f"{name}={value.reveal()}")
