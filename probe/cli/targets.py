"""From what a person typed as TARGET to broker, credential and endpoints."""

from dataclasses import dataclass, replace

from probe.brokers import all_brokers, broker_names, broker_of_credential, broker_of_url, find_broker
from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.errors import ConfigError, near_miss
from probe.session.broker import Broker
from probe.vault import Found, is_reference, read_secret

KINDS_OF_TARGET = (
    "a credential (-, env:NAME, file:PATH or the text itself), sim, sim:BROKER, or a ws:// or wss:// URL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to look at, understood."""

    name: str  # safe to show
    broker: Broker
    credentials: Credentials | None
    endpoints: tuple[Endpoint, ...]
    simulated: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """The options that say more about a target."""

    broker: str | None = None
    ssid: str | None = None
    endpoints: tuple[str, ...] = ()
    region: str | None = None


def resolve(text: str, options: TargetOptions) -> list[Target]:
    """Understand one TARGET; `sim` is several.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for the person who typed it.
    """
    named = find_broker(options.broker) if options.broker else None
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
    credentials = broker.read_credentials(found.secret.reveal()) if found else None
    urls = options.endpoints or (url,)
    endpoints = tuple(_named_endpoint(broker, each, credentials) for each in urls)
    return Target(
        name=f"{broker.name} at {endpoints[0].address.host_header}",
        broker=broker,
        credentials=credentials,
        endpoints=endpoints,
        warnings=_warnings(found, credentials),
    )


def _from_credential(found: Found, named: Broker | None, options: TargetOptions) -> Target:
    text = found.secret.reveal()
    broker = named or broker_of_credential(text)
    if broker is None:
        raise _undecided(f"the credential from {found.source} does not tell which broker it is for")
    credentials = broker.read_credentials(text)
    if options.endpoints:
        endpoints = tuple(_named_endpoint(broker, url, credentials) for url in options.endpoints)
    else:
        endpoints = tuple(e for e in broker.endpoints if e.account is credentials.account)
    return Target(
        name=f"{broker.name} {credentials.account.value} session {credentials.token.fingerprint()}",
        broker=broker,
        credentials=credentials,
        endpoints=pick_region(endpoints, options.region, broker.endpoints),
        warnings=_warnings(found, credentials),
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


def _named_endpoint(broker: Broker, url: str, credentials: Credentials | None) -> Endpoint:
    """An endpoint the user typed: it may receive the credential. A known host keeps what is known about it."""
    known = next((e for e in broker.endpoints if e.url == url), None)
    if known is not None:
        return replace(known, named_by_user=True)
    account = credentials.account if credentials else Account.NONE
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


def _warnings(found: Found | None, credentials: Credentials | None) -> tuple[str, ...]:
    return (found.warnings if found else ()) + (credentials.warnings if credentials else ())


def _undecided(problem: str) -> ConfigError:
    choices = ", ".join(f"--broker {name}" for name in broker_names())
    return ConfigError(problem, next_step=f"Say which with one of: {choices}.")
