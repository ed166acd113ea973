"""A login through the gateway: a real one at the broker, which switches the gateway's only terminal to that account.

It is therefore done only where somebody asked for it, once, and never tried again because it failed: each try counts at the
broker. The name of a program to start, which the gateway would take, is never sent.
"""

import json
from dataclasses import replace

from probe.brokers.mt5.answers import Body, Complaint, date_of, read_answer
from probe.brokers.mt5.credentials import (
    credentials_of,
    make_credentials,
    read_login,
    write_instant,
    write_login,
)
from probe.model.credentials import Credentials, PasswordLogin, Redactor, Secret, WebSession, redactor_for
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import CredentialInvalid
from probe.model.failures import Failure, Speaker
from probe.session.broker import WebEntry
from probe.wire.calls import Flow, HttpCall, HttpReply

PATH = "/api/v1/login"
IPC_SECONDS = 20.0  # a password is refused within some 5 s; the terminal's own limit is 60 s
_LONGEST_LIFE = 366 * 86_400.0


def origin(endpoint: Endpoint) -> str:
    """Everything below it belongs to the gateway; some serve several accounts under one host."""
    return endpoint.url.partition("?")[0].rstrip("/")


def sign_in(login: PasswordLogin, origin: str) -> Flow[WebSession | Failure]:
    account, _, server = login.user.reveal().partition("@")
    redact = Redactor((login.password, login.user))
    came = yield HttpCall(
        method="POST",
        url=origin + PATH,
        headers=(("Accept", "application/json"),),
        json={"account_number": int(account), "password": login.password, "server": server},
    )
    if isinstance(came, Failure):
        return replace(came, detail=f"POST {PATH}: {came.detail}")
    if not isinstance(came, HttpReply):
        return _failure("login.page-changed", "the login was answered with something else than a reply")
    answer = read_answer(came, redact)
    match answer:
        case Failure():
            return replace(answer, detail=f"POST {PATH}: {answer.detail}")
        case Complaint():
            return _refused(answer)
        case Body(data=data):
            return _won(data, login, origin, int(account), server, date_of(came))


def renew(_: WebSession, _origin: str) -> Flow[WebSession | Failure]:
    """There is no such thing: a token lives its 24 hours, and another one is another login."""
    yield from ()
    return _failure("login.stale-token", "this gateway cannot renew a token")


def outright(login: PasswordLogin) -> Credentials:
    """For the terminal itself, which takes the login as it is."""
    account, _, server = login.user.reveal().partition("@")
    frame = {"account": int(account), "password": login.password.reveal(), "server": server}
    return Credentials(
        broker="mt5",
        frame=Secret(json.dumps(frame)),
        token=login.password,
        account=Account.NONE,
        user=account,
        parts=(login.password,),
    )


WEB = WebEntry(
    read_login=read_login,
    write_login=write_login,
    origin=origin,
    sign_in=sign_in,
    renew=renew,
    credentials=credentials_of,
    outright=outright,
)


def _refused(said: Complaint) -> Failure:
    words = f"HTTP {said.status}: {said.words}"
    if said.status == 422:
        return _failure("login.page-changed", f"the gateway wants another form of login ({words})", said)
    if said.status in (404, 405):
        return _failure(
            "http.wrong-path", f"no gateway's login is there ({words}): is the base URL right?", said
        )
    if said.status < 400:
        return _failure("login.page-changed", f"the answer cannot be read: {said.words}", said)
    if said.status in (503, 504):
        return _failure("http.bad-gateway", f"the gateway could not ask its terminal ({words})", said)
    if said.seconds >= IPC_SECONDS:
        words += (
            f"; it came after {said.seconds:.0f} s, as from a terminal that does not answer (IPC timeout), "
            "so the password may well be right: look at the terminal"
        )
    else:
        words += "; account, password, server name and the gateway's terminal all look alike here"
    return _failure("login.refused", words, said)


def _won(
    data: object, login: PasswordLogin, origin: str, account: int, server: str, utc: float | None
) -> WebSession | Failure:
    token = data.get("session_token") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(token, str):
        return _failure("login.page-changed", "the answer holds no session_token")
    try:
        make_credentials(token, frame=token)
    except CredentialInvalid:
        return _failure("login.page-changed", "the session_token in the answer is none")
    if data.get("account_number", account) != account:
        return _failure(
            "login.page-changed", "the answer is about another account than the one that was sent"
        )
    life: object = data.get("expires_in")
    facts = [("account", str(account)), ("server", redactor_for(login)(server))]
    if utc is not None and isinstance(life, int | float) and 0 < life < _LONGEST_LIFE:
        facts.append(("expires", write_instant(utc + life)))
    return WebSession(
        broker="mt5",
        key=login.key,
        origin=origin,
        token=Secret(token),
        cookies=(),
        user_agent="",
        facts=tuple(facts),
    )


def _failure(kind: str, detail: str, said: Complaint | None = None) -> Failure:
    return Failure(
        kind=kind,
        spoke_last=Speaker.REMOTE,
        detail=f"POST {PATH}: {detail}",
        http_status=said.status if said else None,
    )
