"""Sessions as other programs keep them: JSON files with token and cookies, and the settings script of the trade page."""

import re
from dataclasses import dataclass

from probe.brokers.quotex.cookies import Cookies, read_cookies
from probe.brokers.quotex.refusals import mangled
from probe.model.endpoint import Account
from probe.session.agents import header_text
from probe.session.pasted import DECODER

_BEGINS = re.compile(r"(?:window\.settings\s{0,9}=\s{0,9})?(?=\{)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    token: str
    frame: str  # empty: none was kept
    account: Account | None  # None: it does not say
    cookies: Cookies
    user_agent: str | None
    warnings: tuple[str, ...]


def read_kept(text: str) -> Kept | None:
    """The one session in `text`; None: this is no such file.

    Raises:
        CredentialInvalid: it is one, and is of no use.
    """
    data = _session_in(text)
    if data is None:
        return None
    warnings = []
    cookies: Cookies = ()
    match data.get("cookies"):
        case None | "":
            pass
        case str(written):
            cookies, bad = read_cookies(written)
            if bad:
                warnings.append(f"{bad} of its cookies cannot be sent: left out")
        case _:
            warnings.append("its cookies are not one text, as a=b; c=d: left out")
    agent = data.get("user_agent") or data.get("userAgent")
    user_agent = header_text(agent)
    if agent and user_agent is None:
        warnings.append("the user agent in it cannot be sent: left out")
    token, ssid = (value if isinstance(value := data.get(key), str) else "" for key in ("token", "ssid"))
    if not token and not ssid:
        raise mangled("its token is empty, as programs leave it after a rejection")
    return Kept(
        token=token or ssid,
        frame=ssid if "session" in ssid else "",
        account=claimed_account(data.get("isDemo", data.get("is_demo"))),
        cookies=cookies,
        user_agent=user_agent,
        warnings=tuple(warnings),
    )


def claimed_account(flag: object) -> Account | None:
    if type(flag) not in (int, bool) or flag not in (0, 1):
        return None
    return Account.DEMO if flag else Account.LIVE


def _session_in(text: str) -> dict[str, object] | None:
    begin = _BEGINS.match(text)
    if begin is None:
        return None
    try:
        data: dict[str, object] = DECODER.raw_decode(text, begin.end())[0]
    except (ValueError, RecursionError):
        return None
    if _is_session(data):
        return data
    accounts = [value for value in data.values() if isinstance(value, dict) and _is_session(value)]
    if len(accounts) > 1:
        raise mangled(
            f"{len(accounts)} accounts are in this file, and which one is meant cannot be known: keep one in it"
        )
    return accounts[0] if accounts else None


def _is_session(data: dict[str, object]) -> bool:
    return "session" not in data and ("token" in data or ("ssid" in data and "cookies" in data))
