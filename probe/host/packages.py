"""The libraries in this Python that clients of brokers are made of, and whether they fit each other.

Only what pip wrote down about them is read: nothing is imported.
"""

import os
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution

from probe.brokers import all_brokers
from probe.diagnose.case import Package
from probe.host.ways_out import proxies
from probe.session.broker import Broker, KnownClient

LIBRARIES = ("websockets", "websocket-client", "python-socketio", "python-engineio", "aiohttp", "rpyc")
# Both bring a module of that name, so the one that was installed last has overwritten the other.
NAMESAKES = ("websocket", "websocket-client")
SOCKS = ("python-socks", "pysocks")  # by which clients reach a SOCKS proxy

_NAMESAKE = f"it brings a module of the same name as {NAMESAKES[1]}, and one has overwritten the other"
_DEMAND = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?")
_CLAUSE = re.compile(r"(==|!=|<=|>=|<|>|~=)\s*v?(\d+(?:\.\d+)*)(\.\*)?")

Version = tuple[int, ...]


def look_at_packages(broker: Broker | None = None) -> tuple[Package, ...]:
    """With the clients of this broker; None: of all."""
    brokers = all_brokers() if broker is None else [broker]
    clients = {client.name: client for each in brokers for client in each.clients}
    names = dict.fromkeys((*LIBRARIES, *NAMESAKES, *clients))
    installed = {name: version for name in names if (version := _installed(name))}
    has_socks = any(map(_installed, SOCKS))
    return tuple(
        Package(
            name=name,
            version=version,
            trouble=_unmet_demand(name, installed)
            or _gone(clients.get(name), installed)
            or (_NAMESAKE if name == NAMESAKES[0] and NAMESAKES[1] in installed else ""),
            without_socks=_socks_variable() if name in clients and not has_socks else "",
        )
        for name, version in installed.items()
    )


def _socks_variable() -> str:
    return next((name for name in proxies() if os.environ[name].lower().startswith("socks")), "")


def _unmet_demand(name: str, installed: Mapping[str, str]) -> str:
    for library, demanded in _demands(name):
        if library in installed and not _fits(installed[library], demanded):
            return f"it asks for {library} {demanded}, and {installed[library]} is installed"
    return ""


def _gone(client: KnownClient | None, installed: Mapping[str, str]) -> str:
    if client is None or client.library not in installed:
        return ""
    version = installed[client.library]
    if _is_newer(client):
        return ""
    return f"it {client.why}, and {version} is installed" if _numbers(version) >= client.gone_since else ""


def _is_newer(client: KnownClient) -> bool:
    """A release that asks for the library as it is since then has been mended."""
    return any(
        operator in (">=", ">", "==", "~=") and _numbers(wanted) >= client.gone_since
        for library, demanded in _demands(client.name)
        if library == client.library
        for operator, wanted, _ in _CLAUSE.findall(demanded)
    )


def _installed(name: str) -> str:
    try:
        return distribution(name).version or ""
    except PackageNotFoundError:
        return ""


def _demands(name: str) -> list[tuple[str, str]]:
    """Libraries it cannot do without, each with the versions it takes."""
    found = []
    for text in distribution(name).requires or []:
        demand = _DEMAND.fullmatch(text.strip())
        if demand is not None and demand[2].strip() and not demand[3]:
            library = re.sub(r"[-_.]+", "-", demand[1]).lower()
            found.append((library, demand[2].strip()))
    return found


def _fits(version: str, demanded: str) -> bool:
    return all(
        _meets(_numbers(version), operator, _numbers(wanted), star=bool(star))
        for operator, wanted, star in _CLAUSE.findall(demanded)
    )


def _meets(have: Version, operator: str, wanted: Version, *, star: bool) -> bool:
    if star or operator == "~=":
        begins = wanted if star else wanted[:-1]
        is_same = have[: len(begins)] == begins
        return not is_same if operator == "!=" else is_same and (star or have >= wanted)
    length = max(len(have), len(wanted))
    left, right = (each + (0,) * (length - len(each)) for each in (have, wanted))
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


def _numbers(version: str) -> Version:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(each) for each in found[0].split(".")) if found else ()
