"""From what a program names as a target to what a link can hold: read, understood, and with leave to sign in or not."""

import re
import ssl
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from probe.config import Settings, load_settings
from probe.config.keys import TARGET_NAME
from probe.drivers.tls import TlsProfile
from probe.kept import KeptSessions, SessionFile, SessionKeyring
from probe.logs import configure, get_logger
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError, near_miss
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import ConnectMode, Wanted
from probe.targets import Target, TargetOptions, is_secret_itself, pick_region, resolve
from probe.vault import ask
from probe.wire.calls import Question

_TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Options(TypedDict, total=False):
    """What a program may say about a target besides its name. The same words as on the command line."""

    broker: str | None
    ssid: str | None  # the credential, where the target is a URL
    endpoint: str | Sequence[str] | None  # instead of the known ones; each may receive the credential
    region: str | None
    symbols: Sequence[str] | None  # whose prices come from the beginning on
    connect: str | None  # race or fallback
    login: bool  # consent to sign in on the broker's web pages; it may end the session of a browser
    pin: str | None  # where a PIN comes from
    sessions: str | None  # where what signing in wins is kept: file, keyring or none
    ca: Path | str | None
    tls_min: str | None
    dialect: Sequence[str] | None  # NAME=VALUE
    proxy: str | None


def _target_options(chosen: Options) -> TargetOptions:
    endpoint = chosen.get("endpoint") or ()
    return TargetOptions(
        broker=chosen.get("broker"),
        ssid=chosen.get("ssid"),
        endpoints=(endpoint,) if isinstance(endpoint, str) else tuple(endpoint),
        region=chosen.get("region"),
        dialect=tuple(chosen.get("dialect") or ()),
    )


def settings_of(config: Path | str | None) -> Settings:
    """
    Raises:
        ConfigError: something in the file or in the environment is wrong.
    """
    import structlog  # noqa: PLC0415 - takes long

    settings = load_settings(config)
    if not structlog.is_configured():  # a program's own logging is its own business
        configure(settings.log_level, terminal=sys.stderr is not None and sys.stderr.isatty())
    for warning in settings.warnings:
        get_logger().warning("configuration", words=warning)
    return settings


async def wanted_of(
    texts: Sequence[str], chosen: Options, settings: Settings, stack: AsyncExitStack
) -> list[Wanted]:
    """Simulated ones are started for it, and run until the stack is closed.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for whoever wrote the program.
    """
    for name in chosen:
        if name not in Options.__annotations__:
            meant = near_miss(name, Options.__annotations__)
            raise TypeError(f"there is no option {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
    found: list[Wanted] = []
    for text in texts:
        for target in resolve(text, _target_options(chosen), settings):
            # That a value is no reference matters on a command line, which others can read.
            for warning in target.warnings[is_secret_itself(text) :]:
                get_logger().warning("credential", target=target.name, words=warning)
            wanted = await _wanted(target, chosen, stack)
            found.append(replace(wanted, name=_alias(wanted.name, {each.name for each in found})))
    return found


async def _wanted(target: Target, chosen: Options, stack: AsyncExitStack) -> Wanted:
    named, broker = target.settings, target.broker
    key: Credentials | SignIn | None
    if target.simulated:
        from probe.simulator.run import Simulator  # noqa: PLC0415 - not for those who never use it

        simulator = await stack.enter_async_context(Simulator([broker]))
        region = chosen.get("region") or (named.region if named else None)
        endpoints = pick_region(tuple(simulator.plain_endpoints()), region)
        endpoints = tuple(each for each in endpoints if each.account is endpoints[0].account)
        key = broker.read_credentials(simulator.credential(endpoints[0]).reveal())
        proxy: str | None = "none"
    else:
        endpoints, key, proxy = target.endpoints, _key(target, chosen), chosen.get("proxy")
        if proxy is None and named is not None and named.proxy is not None:
            proxy = named.proxy.read().secret.reveal()
    account = key.login.account if isinstance(key, SignIn) else key.account
    mode = chosen.get("connect") or (named.connect if named else None)
    ca = chosen.get("ca") or (named.ca if named else None)
    wanted = Wanted(
        name=_name(target, account),
        broker=broker,
        endpoints=_told_apart(endpoints),
        key=key,
        symbols=tuple(chosen.get("symbols") or ()) or (named.symbols if named else ()),
        connect=_mode(mode, account),
        tls=TlsProfile(
            minimum=_TLS[chosen.get("tls_min") or (named.tls_min if named else "1.2")],
            ca_file=Path(ca) if ca else None,
        ),
        proxy=proxy,
        simulated=target.simulated,
        dialect=(
            *(f"{name}={value}" for name, value in (named.dialect if named else {}).items()),
            *(chosen.get("dialect") or ()),
        ),
    )
    if named is None:
        return wanted
    return replace(
        wanted, knock_every=named.knock_every, knock_auth=named.knock_auth, objective=named.objective
    )


def _key(target: Target, chosen: Options) -> Credentials | SignIn:
    named, web = target.settings, target.broker.web
    if target.credentials is not None:
        return target.credentials
    if target.login is None or web is None:
        raise ConfigError(
            f"{target.name} has no credential, and without one there is no session",
            next_step="Give one: ssid='env:NAME'.",
        )
    if not (chosen.get("login") or (named is not None and named.login)):
        raise ConfigError(
            f"an e-mail address and a password open nothing at {target.broker.title} by themselves",
            next_step="Say login=True to sign in with them on its web pages. That may end the session your browser has.",
        )
    pin = chosen.get("pin") or (named.pin if named else None)
    kept_in = chosen.get("sessions") or (named.sessions if named else "file")
    keep: KeptSessions | None = None
    if kept_in != "none":
        keep = SessionKeyring(warn=_warn) if kept_in == "keyring" else SessionFile(warn=_warn)

    def answer(question: Question) -> Secret | None:
        return ask(question.prompt, pin)

    return SignIn(web=web, login=target.login, keep=keep, answer=answer)


def _warn(words: str) -> None:
    get_logger().warning("kept_session", words=words)


def _mode(named: str | None, account: Account) -> ConnectMode:
    """Real accounts are not raced for unless somebody says so."""
    if named is None:
        return ConnectMode.RACE if account is Account.DEMO else ConnectMode.FALLBACK
    if named not in {each.value for each in ConnectMode}:
        raise ConfigError(
            f"{named!r} is no way to connect", where="connect", next_step="Say race or fallback."
        )
    return ConnectMode(named)


def _told_apart(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Each with a region of its own: several addresses that a person typed are all "custom"."""
    seen: Counter[str] = Counter()
    named = []
    for endpoint in endpoints:
        seen[endpoint.region] += 1
        count = seen[endpoint.region]
        named.append(endpoint if count == 1 else replace(endpoint, region=f"{endpoint.region}-{count}"))
    return tuple(named)


def _name(target: Target, account: Account) -> str:
    if target.settings is not None:
        return target.name
    return target.broker.name if target.simulated else f"{target.broker.name}-{account.value}"


def _alias(name: str, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:28]
    alias, number = name, 1
    while alias in taken or not re.fullmatch(TARGET_NAME, alias, re.ASCII):
        number += 1
        alias = f"{name}-{number}"
    return alias
