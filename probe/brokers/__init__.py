"""The brokers. Each folder below describes one, and so may an installed package; nothing else in the product knows their
names.

A package names what it brings in the group `tradeprobe.brokers` of its entry points: the broker's name, and where its
`Broker` is. docs/add-a-broker.md leads through one.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from urllib.parse import parse_qsl

from probe.model.endpoint import read_url
from probe.model.errors import ConfigError, UnknownBroker
from probe.session.broker import Broker

GROUP = "tradeprobe.brokers"
_OURS = frozenset(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@cache
def broker_names() -> tuple[str, ...]:
    """
    Raises:
        ConfigError: two bring a broker of the same name.
    """
    return tuple(sorted({*_OURS, *_outside()}))


@cache
def find_broker(name: str) -> Broker:
    """The broker of that name.

    Raises:
        UnknownBroker: it names those there are.
        ConfigError: the package that brings it is broken.
    """
    if name not in broker_names():
        raise UnknownBroker(name, broker_names())
    if name in _OURS:
        ours: Broker = importlib.import_module(f"{__name__}.{name}").BROKER
        return ours
    return _load(_outside()[name])


@cache
def _outside() -> Mapping[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for each in entry_points(group=GROUP):
        if each.name in _OURS or each.name in found:
            other = _package(found[each.name]) if each.name in found else "tradeprobe itself"
            raise ConfigError(
                f"it brings a broker called {each.name!r}, and so does {other}",
                where=f"package {_package(each)}",
                next_step="Uninstall one of them: a credential must not go to the wrong one.",
            )
        found[each.name] = each
    return found


def _load(entry: EntryPoint) -> Broker:
    try:
        broker = entry.load()
    except Exception as error:
        raise _broken(entry, f"cannot be loaded ({type(error).__name__}: {error})") from error
    if not isinstance(broker, Broker):
        raise _broken(entry, f"is {type(broker).__name__} and no Broker: {entry.value}")
    if broker.name != entry.name:
        raise _broken(entry, f"calls itself {broker.name!r}")
    return broker


def _broken(entry: EntryPoint, what: str) -> ConfigError:
    package = _package(entry)
    return ConfigError(
        f"the broker {entry.name!r} {what}",
        where=f"package {package}",
        next_step=f"Update that package, or take it away: pip uninstall {package}.",
    )


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


def all_brokers() -> tuple[Broker, ...]:
    return tuple(find_broker(name) for name in broker_names())


def broker_of_credential(text: str) -> Broker | None:
    """The one broker whose credentials look like this."""
    found = [broker for broker in all_brokers() if broker.recognises(text)]
    return found[0] if len(found) == 1 else None


def broker_of_host(host: str) -> Broker | None:
    for broker in all_brokers():
        if any(endpoint.address.host == host for endpoint in broker.endpoints):
            return broker
    return None


def broker_of_url(url: str) -> Broker | None:
    """The one broker that has this host, or whose dialect this URL's query asks for."""
    if owner := broker_of_host(read_url(url).host):
        return owner
    asked = _query(url).items()
    fitting = [each for each in all_brokers() if each.rules.query and each.rules.query.items() <= asked]
    return fitting[0] if len(fitting) == 1 else None


def unmet_query(broker: Broker, url: str) -> dict[str, str]:
    """What the broker's dialect wants in the URL's query where that says something else; silence is no contradiction."""
    asked = _query(url)
    return {name: value for name, value in broker.rules.query.items() if asked.get(name, value) != value}


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(read_url(url).path.partition("?")[2], keep_blank_values=True))
