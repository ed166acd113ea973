"""Which proxy a connection goes through and who said so."""

import ipaddress
import os
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from probe.model.endpoint import Address
from probe.model.proxy import Proxy, read_proxy_url
from probe.safety import is_loopback

VARIABLE = "TRADEPROBE_PROXY"
OFF = ("none", "direct")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenProxy:
    proxy: Proxy
    source: str  # in words

    def __str__(self) -> str:
        return f"{self.proxy}, from {self.source}"


def choose_proxy(target: Address, option: str | None = None) -> ChosenProxy | None:
    """`--proxy` or `TRADEPROBE_PROXY` decide for every target; else the variables that other programs obey, and these
    never for a target on this machine.

    Raises:
        ConfigError: whoever decides gave something that is no URL of a proxy.
    """
    ours = os.environ.get(VARIABLE) or None
    for explicit, source in ((option, "--proxy"), (ours, _words(VARIABLE))):
        if explicit is not None:
            return None if explicit.lower() in OFF else _chosen(explicit, source)
    if is_loopback(target.host):  # before all variables are read, which takes longer than to connect
        return None
    settings = urllib.request.getproxies_environment()
    if _is_exempt(target, settings):
        return None
    for name in ("https" if target.secure else "http", "all"):
        if url := settings.get(name):
            variable = f"{name}_proxy"
            return _chosen(url, _words(variable if os.environ.get(variable) else variable.upper()))
    return None


def _words(variable: str) -> str:
    return f"the environment variable {variable}"


def _chosen(url: str, source: str) -> ChosenProxy:
    return ChosenProxy(proxy=read_proxy_url(url, where=source), source=source)


def _is_exempt(target: Address, settings: Mapping[str, str]) -> bool:
    entries = [_as_urllib_reads_it(entry) for entry in settings.get("no", "").split(",")]
    where, exceptions = f"{target.host}:{target.port}", {"no": ",".join(entries)}
    if "*" in entries or urllib.request.proxy_bypass_environment(where, exceptions):  # type: ignore[attr-defined]  # typeshed forgot it
        return True
    with suppress(ValueError):  # a name is in no network
        address = ipaddress.ip_address(target.host)
        for entry in entries:
            with suppress(ValueError):
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
    return False


def _as_urllib_reads_it(entry: str) -> str:
    """It knows neither `*.broker.example` nor `[2001:db8::1]`."""
    return entry.strip().removeprefix("*.").replace("[", "").replace("]", "")
