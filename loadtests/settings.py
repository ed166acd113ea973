"""What this process of a load run was told: the plan, what opens the target, and whose servers may be asked.

`probe load` writes it into a pipe that only its child inherits; a forked worker has it by the fork. Locust started by hand gets it
of its options and `probe.toml`.
"""

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from probe.brokers import find_broker
from probe.config import Settings, load_settings
from probe.load.permission import Limits, token_for
from probe.load.plain import from_plain, to_plain
from probe.load.plan import LoadPlan
from probe.load.wishes import Wishes, plan_of
from probe.logs import remember
from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError
from probe.session.broker import Broker
from probe.targets import TargetOptions, pick_region, resolve, speaking
from probe.vault import read_secret

LEAST_KEY_CHARACTERS = 32
_SECRETS = ("credential", "simulator_key", "token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How Locust runs it; without anything: in one process, with nobody watching. Places are HOST:PORT."""

    web: str | None = None  # where its web pages are
    master: str | None = None  # where workers of other machines come to
    expect_workers: int = 0  # so many of them, before it begins
    worker_of: str | None = None  # the master that this process works for


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    plan: LoadPlan
    engine: Engine = Engine()
    credential: Secret | None = None  # in the words that the broker's reader takes
    simulator_key: Secret | None = None  # with which our own simulator was started, and proves itself
    token: Secret | None = None  # of this run, which a host on the internet has to serve
    declared: frozenset[str] = frozenset()  # hosts that probe.toml declares owned
    owned: frozenset[str] = frozenset()  # hosts of which this run said so again: --i-own
    limits: Limits = field(default_factory=Limits)  # [safety] of probe.toml
    ca_file: str | None = None
    symbols: tuple[str, ...] = ()  # to follow where the scenario names none; empty: the broker's usual one
    simulated: bool = False  # the target is our own simulator, started for this run
    shows_frames: bool = False  # one user, every message told

    @property
    def broker(self) -> Broker:
        (spoken,) = speaking([find_broker(self.plan.broker)], self.plan.dialect)
        return spoken

    @property
    def key(self) -> Credentials | PasswordLogin | None:
        """What opens the target: credentials, or a login that has to be made into a session first.

        Raises:
            CredentialInvalid: it is neither.
        """
        if self.credential is None:
            return None
        broker, text = self.broker, self.credential.reveal()
        login = broker.web.read_login(text) if broker.web else None
        key = login or broker.read_credentials(text)
        remember(key)
        return key


def written(settings: RunSettings) -> bytes:
    """One line. It holds the secrets themselves: for an inherited pipe, and nothing else."""
    told: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(settings)}
    told |= {name: to_plain(told[name]) for name in ("plan", "engine", "limits")}
    for name in _SECRETS:
        told[name] = told[name] and told[name].reveal()
    for name in ("declared", "owned"):
        told[name] = sorted(told[name])
    return json.dumps(told).encode() + b"\n"


def read(line: bytes) -> RunSettings:
    """What `written` gave.

    Raises:
        ValueError: it is something else.
    """
    told = json.loads(line)
    for name, kind in (("plan", LoadPlan), ("engine", Engine), ("limits", Limits)):
        told[name] = from_plain(kind, told[name])
    for name in _SECRETS:
        told[name] = told[name] and Secret(told[name])
    for name in ("declared", "owned"):
        told[name] = frozenset(told[name])
    told["symbols"] = tuple(told["symbols"])
    return RunSettings(**told)


def read_from(fd: int) -> RunSettings:
    """The line that comes first over a pipe, which stays open: its end is how its writer says stop, or has died."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(fd, 65_536)
        if not piece:
            raise ValueError("the pipe ended before the settings did")
        line += piece
    return read(line)


def by_hand(
    *,
    target: str | None,
    host: str | None = None,
    ssid: str | None = None,
    broker: str | None = None,
    owned: Iterable[str] = (),
    ca: str | None = None,
    config: str | None = None,
    wishes: Wishes = Wishes(),  # noqa: B008 - it is frozen
) -> RunSettings:
    """Those of Locust that somebody started himself.

    Args:
        target: As every command takes it, but for `sim`: who starts a simulator for it?
        host: Where to go instead, from Locust's own option or its web page.
        ca: A file of authorities; without it the one that the target's settings name, if they do.
        wishes: What the run is to be like.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for who typed it.
    """
    text = target or host
    if text is None:
        raise ConfigError("nothing says what to load", next_step="Give --target, or a host with --broker.")
    if text == "sim" or text.startswith("sim:"):
        raise ConfigError(
            "nobody starts a simulator for Locust",
            where="--target",
            next_step="Run `probe sim BROKER`, and give the URL and the credential that it shows. `probe load sim:BROKER` does both.",
        )
    config_read = load_settings(config)
    options = TargetOptions(broker=broker, ssid=ssid, endpoints=(host,) if host and target else ())
    (found,) = resolve(text, options, config_read)
    named = found.settings
    endpoint = pick_region(found.endpoints, named.region if named else None)[0]
    dialect = tuple(f"{name}={value}" for name, value in (named.dialect if named else {}).items())
    return RunSettings(
        plan=plan_of(
            wishes, run=secrets.token_hex(4), broker=found.broker.name, url=endpoint.url, dialect=dialect
        ),
        credential=found.found.secret if found.found else None,
        token=token_of(config_read, endpoint.url),
        limits=config_read.safety.limits,
        declared=config_read.owned_hosts,
        owned=frozenset(owned),
        ca_file=ca or (str(named.ca) if named and named.ca else None),
        symbols=named.symbols if named else (),
    )


def token_of(config: Settings, url: str) -> Secret | None:
    """What the host has to serve before it is loaded from here, if it is on the internet; None: no key was made for that.

    Raises:
        CredentialMissing: the key is not where `probe.toml` says.
        ConfigError: it is too short.
    """
    if config.safety.load_key is None:
        return None
    key = read_secret(config.safety.load_key).secret
    if len(key.reveal()) < LEAST_KEY_CHARACTERS:
        raise ConfigError(
            f"it has less than {LEAST_KEY_CHARACTERS} characters, so somebody else may guess it, and then load what you own",
            where="[safety] load_key",
            next_step="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return Secret(token_for(key, read_url(url).host))


class _Place:
    """What `current` gives in this process."""

    settings: RunSettings | None = None


def current() -> RunSettings:
    """
    Raises:
        ConfigError: nothing was said yet.
    """
    if _Place.settings is None:
        raise ConfigError(
            "nothing says what to load",
            next_step="Give Locust --target (and --ssid where one logs in), or use probe load TARGET.",
        )
    return _Place.settings


def is_known() -> bool:
    return _Place.settings is not None


def use(settings: RunSettings | None) -> None:
    """From now on `current` gives these."""
    _Place.settings = settings


def with_plan(plan: LoadPlan) -> None:
    """Of a worker, whose master told it the plan: what opens the target stays its own."""
    use(replace(current(), plan=plan))
