"""From what a person typed as TARGET to broker, credential and endpoints."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from probe.brokers import (
    all_brokers,
    broker_names,
    broker_of_credential,
    broker_of_host,
    broker_of_url,
    find_broker,
    unmet_query,
)
from probe.config import Settings, TargetSettings
from probe.config.keys import TARGET_NAME
from probe.logs import remember
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import Account, Endpoint, Sureness, read_url
from probe.model.errors import ConfigError, CredentialInvalid, CredentialMissing, near_miss
from probe.session.broker import Broker
from probe.vault import Found, is_reference, read_secret

KINDS_OF_TARGET = (
    "a credential (-, env:NAME, file:PATH, keyring:NAME or the text itself), the name of a target in probe.toml, sim, "
    "sim:BROKER, or a URL: ws://, wss://, http:// or https://"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to look at, understood."""

    name: str  # safe to show
    broker: Broker
    credentials: Credentials | None
    endpoints: tuple[Endpoint, ...]
    login: PasswordLogin | None = None  # instead of credentials: a session has to be made of it first
    found: Found | None = None  # what they were read from
    simulated: bool = False
    warnings: tuple[str, ...] = ()
    settings: TargetSettings | None = None  # of one that probe.toml names

    @property
    def usual_symbol(self) -> str:
        """Whose prices are looked at, if nobody says otherwise."""
        simulated = self.broker.house.symbol if self.simulated else None
        return simulated or self.broker.default_symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """The options that say more about a target."""

    broker: str | None = None
    ssid: str | None = None
    endpoints: tuple[str, ...] = ()
    region: str | None = None
    dialect: tuple[str, ...] = ()  # NAME=VALUE


class NobodysCredential(ConfigError):
    """Nothing tells which broker's it is."""

    def __init__(self, problem: str, next_step: str, found: Found | None) -> None:
        super().__init__(problem, next_step=next_step)
        self.found = found


class CredentialUnreadable(CredentialInvalid):
    """With what was found, for whoever wants to look closer."""

    def __init__(self, problem: CredentialInvalid, found: Found, broker: Broker) -> None:
        super().__init__(problem.code, problem.problem, problem.next_step)
        self.found, self.broker = found, broker


def resolve(text: str, options: TargetOptions, settings: Settings | None = None) -> list[Target]:
    """Understand one TARGET; `sim` is several. What `settings` say about one they name, options beat.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for the person who typed it.
    """
    named = find_broker(options.broker) if options.broker else None
    if _is_simulated(text):
        return _simulated(text, options)
    if settings is not None and text in settings.targets:
        return [_from_settings(settings.targets[text], options)]
    if _is_url(text):
        return [_from_url(text, named, options)]
    if not is_reference(text) and _is_a_word(text) and named is None:
        raise _no_such_target(text, settings)
    return [_from_credential(read_secret(text), named, options)]


def may_be_named(text: str) -> bool:
    """Whether it could be the name of a target in `probe.toml`, so that it has to be read."""
    return re.fullmatch(TARGET_NAME, text, re.ASCII) is not None and text != "sim"


def is_secret_itself(text: str) -> bool:
    """Whether a TARGET is the credential, and neither where it is nor a name."""
    return not (is_reference(text) or _is_simulated(text) or _is_url(text) or _is_a_word(text))


def _is_simulated(text: str) -> bool:
    return text == "sim" or text.startswith("sim:")


def _is_url(text: str) -> bool:
    return "://" in text and not text.lstrip().startswith(("4", "[", "{", '"', "'"))


def _no_such_target(text: str, settings: Settings | None) -> ConfigError:
    next_step = f"A target is {KINDS_OF_TARGET}."
    if text in broker_names():
        beginning = next((each.url for each in find_broker(text).open_endpoints), None)
        open_one = f"`{beginning}` is one that is open to everybody, " if beginning else ""
        next_step = f"It is a broker: {open_one}`sim:{text}` is simulated. {next_step}"
    if settings is not None and settings.targets:
        next_step += " `probe targets` lists those in probe.toml."
    meant = near_miss(text, settings.targets) if settings is not None else None
    return ConfigError(f"{text!r} is not a target", suggestion=meant or "", next_step=next_step)


def _from_settings(chosen: TargetSettings, options: TargetOptions) -> Target:
    together = TargetOptions(
        broker=options.broker or chosen.broker,
        ssid=options.ssid,
        endpoints=options.endpoints or chosen.endpoints,
        region=options.region or chosen.region,
        dialect=(*(f"{name}={value}" for name, value in chosen.dialect.items()), *options.dialect),
    )
    credentials = options.ssid or chosen.credentials
    try:
        if chosen.target is not None:
            (target,) = _simulated(chosen.target, together)
        elif credentials is not None:
            broker = find_broker(together.broker) if together.broker else None
            target = _from_credential(read_secret(credentials), broker, together)
        elif together.endpoints:
            (target,) = resolve(together.endpoints[0], together)
            target = replace(target, endpoints=pick_region(target.endpoints, together.region))
        else:
            target = _from_broker(together)
    except ConfigError as problem:
        place = f"target {chosen.name!r}"
        problem.where = f"{place}, {problem.where}" if problem.where else place
        raise
    except CredentialMissing as missing:
        missing.where += f", for the target {chosen.name!r}"
        raise
    return replace(target, name=chosen.name, settings=chosen)


def _from_broker(options: TargetOptions) -> Target:
    """One that lets everybody in: without a region, at the first of the endpoints known of it."""
    (broker,) = speaking([find_broker(options.broker or "")], options.dialect)
    endpoints = pick_region(broker.open_endpoints, options.region)[:1]
    if not endpoints:
        raise ConfigError(
            f"{broker.title} lets nobody in without a credential",
            where="broker",
            next_step="Give credentials or endpoints.",
        )
    return _target(f"{broker.name} {endpoints[0].region}", broker, None, None, endpoints)


def speaking(brokers: Sequence[Broker], dialect: Iterable[str]) -> list[Broker]:
    """The brokers with the choices of `--dialect`, each with those it knows.

    Raises:
        ConfigError: none of them knows such a choice.
    """
    chosen = {}
    for text in dialect:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(
                f"{text!r} has no =", where="--dialect", next_step="Write it like --dialect quote_fields=3."
            )
        chosen[name] = value
    spoken = []
    strange = dict(chosen)
    for broker in brokers:
        known = {choice.name for choice in broker.choices}
        spoken.append(broker.speaking({name: value for name, value in chosen.items() if name in known}))
        strange = {name: value for name, value in strange.items() if name not in known}
    if strange:
        most = max(brokers, key=lambda broker: len(broker.choices))
        most.speaking(strange)  # says which there are
    return spoken


def _is_a_word(text: str) -> bool:
    """Short and plain: more likely a misspelt name than a credential, so it may be repeated to the user."""
    return len(text) <= 20 and all(char.isalnum() or char in "-_." for char in text)


def _simulated(text: str, options: TargetOptions) -> list[Target]:
    name = text.partition(":")[2]
    if text != "sim" and name not in broker_names():
        raise ConfigError(
            f"{name!r} cannot be simulated",
            where="TARGET",
            suggestion=near_miss(name, broker_names()) or "",
            next_step=f"There are: {', '.join(broker_names())}.",
        )
    if options.ssid or options.endpoints:
        raise ConfigError(
            "sim brings its own credential and endpoints", next_step="Leave out --ssid and --endpoint."
        )
    return [
        Target(name=f"sim:{broker.name}", broker=broker, credentials=None, endpoints=(), simulated=True)
        for broker in speaking([find_broker(name)] if name else all_brokers(), options.dialect)
    ]


def _from_url(url: str, named: Broker | None, options: TargetOptions) -> Target:
    found = read_secret(options.ssid) if options.ssid else None
    broker = _whose(found, named, (url, *options.endpoints), options.dialect)
    key = _read(broker, found) if found else None
    urls = options.endpoints or (url,)
    endpoints = tuple(_named_endpoint(broker, each, key.account if key else Account.NONE) for each in urls)
    return _target(f"{broker.name} at {endpoints[0].address.host_header}", broker, found, key, endpoints)


def _from_credential(found: Found, named: Broker | None, options: TargetOptions) -> Target:
    broker = _whose(found, named, options.endpoints, options.dialect)
    key = _read(broker, found)
    what = f"login {key.key}" if isinstance(key, PasswordLogin) else f"session {key.token.fingerprint()}"
    if options.endpoints:
        endpoints = tuple(_named_endpoint(broker, url, key.account) for url in options.endpoints)
    else:
        endpoints = tuple(e for e in broker.endpoints if e.account is key.account)
        if not endpoints:
            raise ConfigError(
                f"{broker.title} has no address that is the same for everybody",
                where="TARGET",
                next_step=f"Name yours with --endpoint URL, or as endpoints in probe.toml. {_beginnings(broker)}",
            )
    endpoints = pick_region(endpoints, options.region, broker.endpoints)
    kind = "" if key.account is Account.NONE else f"{key.account.value} "
    return _target(f"{broker.name} {kind}{what}", broker, found, key, endpoints)


def _whose(found: Found | None, named: Broker | None, urls: Sequence[str], dialect: Sequence[str]) -> Broker:
    """The broker behind it all, in the dialect chosen: the one named, else the credential's, else the URLs'.

    Raises:
        ConfigError: nothing tells, or a URL is another broker's, to whom no credential of this one may be sent.
    """
    by_credential = broker_of_credential(found.secret.reveal()) if found else None
    by_url = next(filter(None, map(broker_of_url, urls)), None)
    broker = named or by_credential or by_url
    if broker is None:
        silent = [f"the credential from {found.source}"] if found else []
        silent += ["the URL"] if urls else []
        schemes = {url.partition("://")[0] for url in urls}
        fitting = [each.name for each in all_brokers() if schemes <= {*each.schemes}] or broker_names()
        choices = ", ".join(f"--broker {name}" for name in fitting)
        raise NobodysCredential(
            f"{' and '.join(silent)} {'do' if silent[1:] else 'does'} not tell which broker this is",
            f"Say which with one of: {choices}.",
            found,
        )
    (spoken,) = speaking([broker], dialect)
    told_by = "--broker" if named else "credential" if by_credential else "URL"
    for url in urls:
        _compare(url, spoken, told_by, dialect)
    return spoken


def _compare(url: str, broker: Broker, told_by: str, dialect: Sequence[str]) -> None:
    """Refuses a URL that is not this broker's."""
    address, other = read_url(url), broker_of_url(url)
    said = f"--broker says {broker.title}" if told_by == "--broker" else f"this {told_by} is {broker.title}'s"
    instead = []
    if other is not None and other.name != broker.name:
        said += f", and the endpoint is {other.title}'s"
        instead.append(f"--broker {other.name}" if told_by == "--broker" else f"{other.title}'s credential")
        if broker_of_host(address.host):
            raise ConfigError(
                said, where=address.host_header, next_step=f"Give {broker.title}'s URL or {instead[0]}."
            )
    unmet = unmet_query(broker, url)
    if not unmet:
        return
    choices = [f"{each.name}={value}" for each in broker.choices for value in (each.default, *each.others)]
    link = ":" if instead else ", and"
    instead += [
        f"--dialect {choice}"
        for choice in choices
        if not unmet_query(speaking([broker], (*dialect, choice))[0], url)
    ]
    wanted = "&".join(f"{name}={value}" for name, value in unmet.items())
    raise ConfigError(
        f"{said}{link} the URL asks for something else than {wanted}",
        where=address.host_header,
        next_step=f"Write {wanted} in it" + (f", or give {' or '.join(instead)}." if instead else "."),
    )


Key = Credentials | PasswordLogin


def _read(broker: Broker, found: Found) -> Key:
    text = found.secret.reveal()
    try:
        login = broker.web.read_login(text) if broker.web else None
        key = login or broker.read_credentials(text)
    except CredentialInvalid as problem:
        raise CredentialUnreadable(problem, found, broker) from None
    owner = broker_of_credential(text)
    if owner is not None and owner.name != broker.name:  # its words may fit by chance
        raise ConfigError(
            f"this credential is {owner.title}'s",
            where=f"--broker {broker.name}",
            next_step=f"Leave --broker out, or give {broker.title}'s credential.",
        )
    remember(key)
    return key


def _target(
    name: str, broker: Broker, found: Found | None, key: Key | None, endpoints: tuple[Endpoint, ...]
) -> Target:
    if isinstance(key, PasswordLogin) and broker.divides(endpoints):
        raise ConfigError(
            "a password is the login itself at some of these endpoints, and wins a session at others",
            where="TARGET",
            next_step="Make two targets of them.",
        )
    return Target(
        name=name,
        broker=broker,
        credentials=key if isinstance(key, Credentials) else None,
        login=key if isinstance(key, PasswordLogin) else None,
        endpoints=endpoints,
        found=found,
        warnings=(found.warnings if found else ()) + (key.warnings if key else ()),
    )


def pick_region(
    endpoints: tuple[Endpoint, ...], region: str | None, known: tuple[Endpoint, ...] = ()
) -> tuple[Endpoint, ...]:
    """Only the endpoints of that region. `known`: others of the same broker, to say why one of them will not do.

    Raises:
        ConfigError: none has that name; it lists those that do.
    """
    if region is None:
        return endpoints
    picked = tuple(endpoint for endpoint in endpoints if endpoint.region == region)
    if picked:
        return picked
    there = [endpoint.region for endpoint in endpoints]
    elsewhere = next((e for e in known if e.region == region), None)
    problem = f"no endpoint has the region {region!r}"
    if elsewhere is not None:
        problem = (
            f"the region {region!r} is for {elsewhere.account.value} accounts, and this credential is not"
        )
    raise ConfigError(
        problem,
        where="--region",
        suggestion=near_miss(region, there) or "",
        next_step=f"There are: {', '.join(there)}.",
    )


def _named_endpoint(broker: Broker, url: str, account: Account) -> Endpoint:
    """An endpoint the user typed: it may receive the credential. A known host keeps what is known about it."""
    known = [endpoint for endpoint in broker.endpoints if endpoint.url == url]
    if known:  # one address may serve both kinds of account
        fitting = next((endpoint for endpoint in known if endpoint.account is account), known[0])
        return replace(fitting, named_by_user=True)
    endpoint = Endpoint(
        broker=broker.name,
        region="custom",
        url=url,
        account=account,
        sureness=Sureness.INFERRED,
        named_by_user=True,
    )
    endpoint.address  # noqa: B018 - complains now about what is wrong with the URL
    if endpoint.scheme not in broker.schemes:
        raise ConfigError(
            f"{broker.title} is not talked to by {endpoint.scheme}://",
            where=endpoint.address.host_header,
            next_step=_beginnings(broker),
        )
    if endpoint.scheme in broker.surveys and {"?", "#"} & set(url):
        raise ConfigError(
            "the URL has more behind its path, where others would read a credential",
            where=endpoint.address.host_header,
            next_step="Leave out what follows the ? or #, and give the credential with --ssid.",
        )
    return endpoint


def _beginnings(broker: Broker) -> str:
    return f"Its URLs begin with one of: {', '.join(f'{each}://' for each in broker.schemes)}."
