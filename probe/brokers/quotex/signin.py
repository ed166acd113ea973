"""Signing in on the web pages, as a conversation of pages: a password, perhaps a PIN, and at the end the socket's token."""

import json
import re
from dataclasses import replace
from typing import NoReturn

from probe.brokers.quotex.credentials import BROWSER, make_credentials
from probe.brokers.quotex.files import claimed_account
from probe.brokers.quotex.visitor import Form, Landed, Steps, Stopped, Visitor, ending
from probe.model.credentials import Credentials, PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import CredentialInvalid, LocalProtocolError
from probe.model.failures import Failure
from probe.session.broker import SimulatedAccount, WebEntry
from probe.session.damage import NO_TOKEN_SIGN, SHORTEST_TOKEN, UNREADABLE, describe_unreadable
from probe.session.pasted import DECODER, trim
from probe.wire.calls import Flow, Question

SIGN_IN = "/en/sign-in"
MODAL = "/en/sign-in/modal"
DIGESTING, DIGEST = "account digest", "/api/v1/cabinets/digest"
TRADE = {Account.DEMO: "/en/demo-trade", Account.LIVE: "/en/trade"}
PROMPT = "Enter the PIN that the broker has just sent to your e-mail"
LONGEST_TOKEN = 512

_WRITE = 'Write it as {"email":"…","password":"…","account":"demo"}, in a file, and give file:PATH.'
_PASSWORD = re.compile(r"[\"']password[\"']\s{0,9}:")
_ACCOUNTS = {"demo": Account.DEMO, "live": Account.LIVE, "real": Account.LIVE}


def read_login(text: str) -> PasswordLogin | None:
    """The e-mail address and password in a JSON object; None: the text is no such thing.

    Raises:
        CredentialInvalid: it is one, and something is wrong with it.
    """
    pasted = trim(text)
    if not pasted.startswith("{") or not _PASSWORD.search(pasted):
        return None
    if bad := UNREADABLE.search(pasted):
        raise _damaged(describe_unreadable(bad))
    try:
        data, end = DECODER.raw_decode(pasted)
    except (ValueError, RecursionError):
        data = end = None
    if not isinstance(data, dict) or pasted[end:].strip():
        raise _damaged("it is no JSON object, or not the whole of one")
    email, password = data.get("email"), data.get("password")
    if not isinstance(email, str) or not re.fullmatch(r"\s*[^\s@]{1,250}@[^\s@]{1,250}\s*", email):
        raise _damaged("its email is no e-mail address" if "email" in data else "it has no email")
    if not isinstance(password, str) or not password:
        raise _damaged("its password is empty, or no text in quotes")
    if UNREADABLE.search(email + password):
        raise _damaged(r"an escape in it stands for no character, such as \ud800 alone")
    return PasswordLogin(
        broker="quotex",
        user=Secret(email.strip()),
        password=Secret(password),
        account=_wanted_account(data),
    )


def write_login(account: SimulatedAccount) -> str:
    return json.dumps(
        {"email": account.email, "password": account.password, "account": account.account.value}
    )


def origin(endpoint: Endpoint) -> str:
    """The socket's host is the web's with a label in front; a host without that label serves both."""
    address = endpoint.address
    label, _, rest = address.host.partition(".")
    host = rest if rest and label in ("ws2", "ws") else address.host
    return f"http{'s' if address.secure else ''}://{replace(address, host=host).host_header}"


def sign_in(login: PasswordLogin, origin: str) -> Flow[WebSession | Failure]:
    return ending(_sign_in(login, origin))


def renew(session: WebSession, origin: str) -> Flow[WebSession | Failure]:
    return ending(_renew(session, origin))


def credentials(session: WebSession, account: Account) -> Credentials:
    return make_credentials(
        session.token.reveal(),
        account,
        cookies=session.cookies,
        user_agent=session.user_agent,
        facts=session.facts,
        claim="as chosen",
    )


WEB = WebEntry(
    read_login=read_login,
    write_login=write_login,
    origin=origin,
    sign_in=sign_in,
    renew=renew,
    credentials=credentials,
)


# -- the conversation -----------------------------------------------------------------------------------------------------


def _sign_in(login: PasswordLogin, origin: str) -> Steps[WebSession]:
    user = login.user.reveal()
    visitor = Visitor(origin, BROWSER, (login.password, login.user, Secret(user.lower())))
    # Coming straight to the form is answered with a challenge more often.
    yield from visitor.open("sign-in page", SIGN_IN)
    shown = yield from visitor.open("sign-in form", MODAL + "/", referer=SIGN_IN)
    fields: Form = (("email", login.user), ("password", login.password), ("remember", "1"))
    form = (_form_token(visitor, shown), *fields)
    landed = yield from visitor.open("answer to the password", SIGN_IN + "/", referer=SIGN_IN, form=form)
    if not _is_trade(landed) and landed.page.wants_pin():
        landed = yield from _give_pin(visitor, landed, fields)
    if not _is_trade(landed):
        _tell_why_not(visitor, landed)
    wanted = TRADE.get(login.account, TRADE[Account.DEMO])
    if landed.path.rstrip("/") != wanted:
        landed = yield from visitor.open("trade page", wanted, referer=SIGN_IN)
    session = WebSession(
        broker="quotex",
        key=login.key,
        origin=origin,
        token=_token_in_settings(visitor, landed),
        cookies=visitor.cookies,
        user_agent=BROWSER,
    )
    try:
        return (yield from _digested(visitor, session)) or session
    except Stopped:
        return session  # the digest adds what is nice to know; the token is what was wanted


def _renew(session: WebSession, origin: str) -> Steps[WebSession]:
    visitor = Visitor(origin, session.user_agent, (session.token,), session.cookies)
    renewed = yield from _digested(visitor, session)
    if renewed is None:
        raise Stopped(visitor.failure("login.signed-out", DIGESTING, "it wants a login first"))
    return renewed


def _give_pin(visitor: Visitor, asking: Landed, fields: Form) -> Steps[Landed]:
    given = yield Question(prompt=visitor.words(asking.page.pin_prompt()) or PROMPT)
    if isinstance(given, Failure):
        raise Stopped(given)
    if not isinstance(given, Secret | None):
        raise LocalProtocolError(f"a question was answered with {type(given).__name__}")
    pin = Secret("".join(given.reveal().split()) if given else "")
    if not pin.reveal():
        raise Stopped(Failure(kind="login.pin-wanted", detail="PIN page: no PIN was given"))
    visitor.keep_secret(pin)
    form = (_form_token(visitor, asking), *fields, ("keep_code", "1"), ("code", pin))
    landed = yield from visitor.open("answer to the PIN", MODAL, referer=MODAL, form=form)
    if not _is_trade(landed) and landed.page.wants_pin():
        said = visitor.words(landed.page.error())
        visitor.stop("login.pin-refused", landed, f"it says {said!r}" if said else "it asks for a PIN again")
    return landed


def _tell_why_not(visitor: Visitor, landed: Landed) -> NoReturn:
    _tell_region(visitor, landed)
    if said := visitor.words(landed.page.error()):
        visitor.stop("login.refused", landed, f"it says {said!r}")
    visitor.stop("login.page-changed", landed, "it leads to no trade page and says nothing of why")


def _tell_region(visitor: Visitor, landed: Landed) -> None:
    title = landed.page.region_block()
    if title is not None:
        said = visitor.words(title)
        visitor.stop(
            "login.region", landed, f"it says {said!r}" if said else "it is the page for such regions"
        )


def _is_trade(landed: Landed) -> bool:
    return "trade" in landed.path


def _form_token(visitor: Visitor, landed: Landed) -> tuple[str, Secret]:
    token = Secret(landed.page.form_token())
    if not token.reveal():
        _tell_region(visitor, landed)
        visitor.stop("login.page-changed", landed, "it has no form token (_token)")
    visitor.keep_secret(token)
    return "_token", token


def _token_in_settings(visitor: Visitor, landed: Landed) -> Secret:
    settings = landed.page.settings()
    if isinstance(settings, str):
        visitor.stop("login.page-changed", landed, settings)
    token = _token(settings)
    if token is None:
        visitor.stop("login.page-changed", landed, "window.settings holds no token")
    visitor.keep_secret(token)
    return token


def _digested(visitor: Visitor, session: WebSession) -> Steps[WebSession | None]:
    """The session with the newest token and what the account's digest tells; None: nobody is signed in."""
    answer = yield from visitor.ask(DIGESTING, DIGEST)
    if answer is None:
        return None
    data = answer.get("data")
    token = _token(data) if isinstance(data, dict) else None
    if not isinstance(data, dict) or token is None:
        raise Stopped(visitor.failure("login.page-changed", DIGESTING, "it holds no token"))
    return replace(session, token=token, cookies=visitor.cookies, facts=_facts(visitor, data))


# -- reading --------------------------------------------------------------------------------------------------------------


def _token(values: dict[str, object]) -> Secret | None:
    token = values.get("token")
    if not isinstance(token, str) or not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        return None
    return None if NO_TOKEN_SIGN.search(token) else Secret(token)


_FACTS = (
    ("currencyCode", "currency", r"[A-Z]{2,5}", ""),
    ("demoBalance", "demo balance", r"-?\d{1,15}(?:\.\d{1,8})?", ""),
    ("liveBalance", "live balance", r"-?\d{1,15}(?:\.\d{1,8})?", ""),
    ("timeOffset", "time offset", r"-?\d{1,6}", " s"),
    ("country", "country", r"[A-Z]{2}", ""),
)


def _facts(visitor: Visitor, digest: dict[str, object]) -> tuple[tuple[str, str], ...]:
    """What may be shown of an account. Its nickname and address are nobody else's business."""
    return tuple(
        (name, visitor.words(f"{digest[key]}{unit}"))
        for key, name, look, unit in _FACTS
        if isinstance(digest.get(key), str | int | float) and re.fullmatch(look, str(digest[key]), re.ASCII)
    )


def _wanted_account(data: dict[str, object]) -> Account:
    if "account" in data:
        account = _ACCOUNTS.get(str(data["account"]).lower())
        problem = "its account is neither demo nor live"
    else:
        account = claimed_account(data.get("isDemo", 1))
        problem = "its isDemo is neither 0 nor 1"
    if account is None:
        raise _damaged(problem)
    return account


def _damaged(problem: str) -> CredentialInvalid:
    return CredentialInvalid(
        "cfg.ssid-mangled", f"The e-mail address and password are damaged: {problem}", _WRITE
    )
