"""The brokers. Each folder below describes one; nothing else in the product knows their names."""

import importlib
import pkgutil
from functools import cache
from urllib.parse import parse_qsl

from probe.model.endpoint import read_url
from probe.model.errors import UnknownBroker
from probe.session.broker import Broker


@cache
def broker_names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


@cache
def find_broker(name: str) -> Broker:
    """The broker of that name.

    Raises:
        UnknownBroker: it names those there are.
    """
    if name not in broker_names():
        raise UnknownBroker(name, broker_names())
    broker: Broker = importlib.import_module(f"{__name__}.{name}").BROKER
    return broker


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
