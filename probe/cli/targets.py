"""From what a person typed as TARGET to broker, credential and endpoints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from probe.brokers import all_brokers, broker_names, broker_of_credential, broker_of_url, find_broker
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.errors import ConfigError, near_miss
from probe.session.broker import Broker
from probe.vault import Found, is_reference, read_secret

KINDS_OF_TARGET = "a credential (-, env:NAME, file:PATH, keyring:NAME or the text itself), sim, sim:BROKER, or a ws:// or wss:// URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to look at, understood."""

    name: str  # safe to show
    broker: Broker
    credentials: Credentials | None
    endpoints: tuple[Endpoint, ...]
    login: PasswordLogin | None = None  # instead of credentials: a session has to be made of it first
    simulated: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """The options that say more about a target."""

    broker: str | None = None
    ssid: str | None = None
    endpoints: tuple[str, ...] = ()
    region: str | None = None
    dialect: tuple[str, ...] = ()  # NAME=VALUE


def resolve(text: str, options: TargetOptions) -> list[Target]:
    """Understand one TARGET; `sim` is several.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for the person who typed it.
    """
    named = find_broker(options.broker) if options.broker else None
    targets = _understood(text, named, options)
    spoken = speaking([target.broker for target in targets], options.dialect)
    return [replace(target, broker=broker) for target, broker in zip(targets, spoken, strict=True)]


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


def _understood(text: str, named: Broker | None, options: TargetOptions) -> list[Target]:
    if text == "sim" or text.startswith("sim:"):
        return _simulated(text, options)
    if "://" in text and not text.lstrip().startswith(("4", "[", "{", '"', "'")):
        return [_from_url(text, named, options)]
    if not is_reference(text) and _is_a_word(text) and named is None:
        raise ConfigError(f"{text!r} is not a target", next_step=f"A target is {KINDS_OF_TARGET}.")
    return [_from_credential(read_secret(text), named, options)]


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
    brokers = [find_broker(name)] if name else list(all_brokers())
    return [
        Target(name=f"sim:{broker.name}", broker=broker, credentials=None, endpoints=(), simulated=True)
        for broker in brokers
    ]


def _from_url(url: str, named: Broker | None, options: TargetOptions) -> Target:
    found = read_secret(options.ssid) if options.ssid else None
    broker = named or broker_of_url(url)
    if broker is None and found is not None:
        broker = broker_of_credential(found.secret.reveal())
    if broker is None:
        raise _undecided("the URL does not tell which broker this is")
    key = _read(broker, found) if found else None
    urls = options.endpoints or (url,)
    endpoints = tuple(_named_endpoint(broker, each, key.account if key else Account.NONE) for each in urls)
    return _target(f"{broker.name} at {endpoints[0].address.host_header}", broker, found, key, endpoints)


def _from_credential(found: Found, named: Broker | None, options: TargetOptions) -> Target:
    broker = named or broker_of_credential(found.secret.reveal())
    if broker is None:
        raise _undecided(f"the credential from {found.source} does not tell which broker it is for")
    key = _read(broker, found)
    what = f"login {key.key}" if isinstance(key, PasswordLogin) else f"session {key.token.fingerprint()}"
    if options.endpoints:
        endpoints = tuple(_named_endpoint(broker, url, key.account) for url in options.endpoints)
    else:
        endpoints = tuple(e for e in broker.endpoints if e.account is key.account)
    endpoints = pick_region(endpoints, options.region, broker.endpoints)
    return _target(f"{broker.name} {key.account.value} {what}", broker, found, key, endpoints)


Key = Credentials | PasswordLogin


def _read(broker: Broker, found: Found) -> Key:
    text = found.secret.reveal()
    login = broker.web.read_login(text) if broker.web else None
    return login or broker.read_credentials(text)


def _target(
    name: str, broker: Broker, found: Found | None, key: Key | None, endpoints: tuple[Endpoint, ...]
) -> Target:
    return Target(
        name=name,
        broker=broker,
        credentials=key if isinstance(key, Credentials) else None,
        login=key if isinstance(key, PasswordLogin) else None,
        endpoints=endpoints,
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
    return endpoint


def _undecided(problem: str) -> ConfigError:
    choices = ", ".join(f"--broker {name}" for name in broker_names())
    return ConfigError(problem, next_step=f"Say which with one of: {choices}.")
