"""The credential as a text, before anybody is asked about it: what is wrong with it, and what lies in other places."""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from probe.brokers import broker_of_credential
from probe.diagnose.case import Pasted, Source
from probe.logs import remember
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError, CredentialInvalid, CredentialMissing
from probe.session.broker import Broker
from probe.vault import Found, read_secret

_FRAME = re.compile(r"\W{0,9}(?:4\d*\W{0,9})?[\[{]")
_BARE_TOKEN = re.compile(r"[\w-]{16,512}|a(?::\d{1,4}:|%3A\d{1,4}%3A)\S+", re.ASCII)
_WHOLE_FRAME = "Copy the whole login frame from the browser, and say whose it is with --broker."


def pasted_of(
    found: Found | None, broker: Broker | None = None, places: Sequence[Source] = ()
) -> Pasted | None:
    """What a credential says of itself, whether or not it can be used; None: there is none.

    Args:
        broker: Whose it is meant to be; None: its look tells.
        places: What `sources_of` found, the one that was used among it or not.
    """
    if found is None:
        return None
    text = found.secret.reveal()
    begins_as_frame = _FRAME.match(text) is not None
    try:
        key = _read(broker or broker_of_credential(text), text)
    except CredentialInvalid as problem:
        return Pasted(
            code=problem.code,
            problem=problem.problem,
            next_step=problem.next_step,
            begins_as_frame=begins_as_frame,
            sources=_marked(places, found.source, found.secret.fingerprint()),
        )
    remember(key)
    return Pasted(
        account=key.account,
        repairs=key.warnings,
        begins_as_frame=begins_as_frame,
        bound=key.bound if isinstance(key, Credentials) else None,
        sources=_marked(places, found.source, _of_token(key)),
    )


def pasted_url(url: str) -> Pasted | None:
    """What is wrong with the URL of an endpoint; None: nothing."""
    try:
        read_url(url)
    except ConfigError as problem:
        return Pasted(code="cfg.url-malformed", problem=problem.problem, next_step=problem.next_step)
    return None


def sources_of(
    references: Iterable[str], broker: Broker | None = None, *, now_utc: float | None = None
) -> tuple[Source, ...]:
    """What lies where a credential of the same target could come from; empty places are left out.

    Args:
        references: env:NAME, file:PATH or keyring:NAME. Standard input is not read for this.
    """
    now = time.time() if now_utc is None else now_utc
    sources = []
    for reference in dict.fromkeys(references):
        kind, _, name = reference.partition(":")
        if kind not in ("env", "file", "keyring"):
            continue
        try:
            found = read_secret(reference)
            age = max(now - Path(name).expanduser().stat().st_mtime, 0.0) if kind == "file" else None
        except (CredentialMissing, ConfigError, OSError):
            continue
        sources.append(Source(name=found.source, fingerprint=_fingerprint(found, broker), age_seconds=age))
    return tuple(sources)


def _fingerprint(found: Found, broker: Broker | None) -> str:
    """Of the token, which may be written in several ways; of the text, if there is none to be read."""
    text = found.secret.reveal()
    try:
        key = _read(broker or broker_of_credential(text), text)
    except CredentialInvalid:
        return found.secret.fingerprint()
    remember(key)
    return _of_token(key)


def _of_token(key: Credentials | PasswordLogin) -> str:
    """A password holds none."""
    return key.token.fingerprint() if isinstance(key, Credentials) else ""


def _marked(places: Sequence[Source], name: str, fingerprint: str) -> tuple[Source, ...]:
    used = next((each for each in places if each.name == name), Source(name=name, fingerprint=fingerprint))
    return (
        replace(used, fingerprint=fingerprint, used=True),
        *(each for each in places if each.name != name),
    )


def _read(broker: Broker | None, text: str) -> Credentials | PasswordLogin:
    if broker is None:
        raise _nobodys(text)
    login = broker.web.read_login(text) if broker.web else None
    return login or broker.read_credentials(text)


def _nobodys(text: str) -> CredentialInvalid:
    """What is wrong with a text that is no broker's."""
    if _BARE_TOKEN.fullmatch(text.strip().strip("\"'`")):
        return CredentialInvalid(
            "cfg.ssid-raw-token", "It is a single word, with no login around it", _WHOLE_FRAME
        )
    return CredentialInvalid(
        "cfg.ssid-mangled", f"Its {len(text)} characters hold no login of any broker", _WHOLE_FRAME
    )
