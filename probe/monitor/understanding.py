"""From a target and what was chosen about it, by a command or by a program, to what a monitor holds."""

import re
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from probe.config.keys import TARGET_NAME
from probe.drivers.tls import TlsProfile
from probe.kept import KeptSessions, SessionFile, SessionKeyring
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError
from probe.monitor.endpoints import About
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import ConnectMode, Wanted
from probe.session.broker import AccessPoint
from probe.targets import Target
from probe.vault import ask
from probe.wire.calls import Question

TLS_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

Key = Credentials | SignIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Of what is left open here, probe.toml says how it is for a target that it names."""

    region: str | None = None
    symbols: Sequence[str] = ()
    connect: str | None = None
    login: bool = False  # consent to sign in on the broker's web pages
    pin: str | None = None
    sessions: str | None = None
    ca: Path | str | None = None
    tls_min: str | None = None
    dialect: Sequence[str] = ()
    proxy: str | None = None
    says_login: str = "--login"  # how that consent is written

    def key_of(self, target: Target, *, warn: Callable[[str], object]) -> Key | None:
        """What opens the target.

        Raises:
            ConfigError: it is a password, and nobody said that signing in is wanted.
        """
        named, web = target.settings, target.broker.web
        if target.login is None or web is None:
            return target.credentials
        if not (self.login or (named is not None and named.login)):
            raise ConfigError(
                f"a password opens nothing at {target.broker.title} by itself",
                where="TARGET",
                next_step=f"Say {self.says_login} to sign in with it. That may end other sessions, "
                "your browser's included.",
            )
        if web.outright is not None and all(map(target.broker.is_public, target.endpoints)):
            return web.outright(target.login)
        pin = self.pin or (named.pin if named else None)
        kept_in = self.sessions or (named.sessions if named else "file")
        keep: KeptSessions | None = None
        if kept_in != "none":
            keep = SessionKeyring(warn=warn) if kept_in == "keyring" else SessionFile(warn=warn)

        def answer(question: Question) -> Secret | None:
            return ask(question.prompt, pin)

        return SignIn(web=web, login=target.login, keep=keep, answer=answer)

    def tls_of(self, target: Target) -> TlsProfile:
        named = target.settings
        ca = self.ca or (named.ca if named else None)
        return TlsProfile(
            minimum=TLS_MINIMUM[self.tls_min or (named.tls_min if named else "1.2")],
            ca_file=Path(ca) if ca else None,
        )

    def region_of(self, target: Target) -> str | None:
        return self.region or (target.settings.region if target.settings else None)

    def proxy_of(self, target: Target) -> str | None:
        named = target.settings
        if self.proxy:
            return self.proxy
        if named is not None and named.proxy is not None:
            return named.proxy.read().secret.reveal()
        return "none" if target.simulated else None

    def about(self, target: Target) -> About:
        named = target.settings
        places = (each.partition("=") for each in named.access_points) if named else ()
        return About(
            access_points=tuple(_access_point(name, place) for name, _, place in places),
            journal=str(named.journal) if named and named.journal else None,
            simulated=target.simulated,
        )

    def wanted(
        self, target: Target, endpoints: Sequence[Endpoint], key: Key | None, *, taken: Collection[str]
    ) -> Wanted:
        """
        Args:
            endpoints: Of the simulator, where it is simulated; the key, too.
            taken: Names of others.

        Raises:
            ConfigError: there is no such way to connect.
        """
        named = target.settings
        account = Account.NONE
        if key is not None:
            account = key.login.account if isinstance(key, SignIn) else key.account
        wanted = Wanted(
            name=_alias(target, account, taken),
            broker=target.broker,
            endpoints=_told_apart(endpoints),
            key=key,
            symbols=tuple(dict.fromkeys(self.symbols or (named.symbols if named else ()))),
            connect=_mode(self.connect or (named.connect if named else None), account),
            tls=TlsProfile() if target.simulated else self.tls_of(target),
            proxy="none" if target.simulated else self.proxy_of(target),
            simulated=target.simulated,
            dialect=tuple(self.dialect),
            about=self.about(target),
        )
        if named is None:
            return wanted
        return replace(
            wanted,
            knock_every=named.knock_every,
            knock_auth=named.knock_auth,
            objective=named.objective,
            reference=named.reference,
            dialect=(*(f"{name}={value}" for name, value in named.dialect.items()), *wanted.dialect),
        )


def told_twice(found: Sequence[Wanted]) -> str:
    """What is wrong with targets that one credential opens; nothing if each has its own."""
    names: dict[object, list[str]] = {}
    for each in found:
        if each.simulated or each.key is None:
            continue
        opens = each.key.login if isinstance(each.key, SignIn) else each.key
        names.setdefault(opens, []).append(each.name)
    twins = [", ".join(those) for those in names.values() if len(those) > 1]
    if not twins:
        return ""
    return (
        f"these targets log in with one and the same credential: {'; '.join(twins)}. "
        "A second login can end the first; watch one of them."
    )


def _mode(named: str | None, account: Account) -> ConnectMode:
    """Real accounts are not raced for unless somebody says so."""
    if named is None:
        return ConnectMode.RACE if account is Account.DEMO else ConnectMode.FALLBACK
    if named not in {each.value for each in ConnectMode}:
        raise ConfigError(
            f"{named!r} is no way to connect", where="connect", next_step="Say race or fallback."
        )
    return ConnectMode(named)


def _alias(target: Target, account: Account, taken: Collection[str]) -> str:
    """Short, safe to show, the same in every run: what stands in the store and on every line."""
    name = target.name
    if target.settings is None:
        is_named_by_broker = target.simulated or account is Account.NONE
        name = target.broker.name if is_named_by_broker else f"{target.broker.name}-{account.value}"
    name = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:28]
    alias, number = name, 1
    while alias in taken or not re.fullmatch(TARGET_NAME, alias, re.ASCII):
        number += 1
        alias = f"{name}-{number}"
    return alias


def _access_point(name: str, place: str) -> AccessPoint:
    host, _, port = place.rpartition(":")
    return AccessPoint(name=name, host=host.removeprefix("[").removesuffix("]"), port=int(port))


def _told_apart(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Each with a region of its own: several addresses that a person typed are all "custom"."""
    seen: Counter[str] = Counter()
    named = []
    for endpoint in endpoints:
        seen[endpoint.region] += 1
        count = seen[endpoint.region]
        named.append(endpoint if count == 1 else replace(endpoint, region=f"{endpoint.region}-{count}"))
    return tuple(named)
