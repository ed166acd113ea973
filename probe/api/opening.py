"""From what a program names as a target to what a link can hold: read, understood, and with leave to sign in or not."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypedDict

from probe.config import Settings, load_settings
from probe.logs import configure, get_logger
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError, near_miss
from probe.monitor.sign_in import SignIn
from probe.monitor.understanding import Chosen, told_twice
from probe.monitor.wanted import Wanted
from probe.targets import Target, TargetOptions, is_secret_itself, pick_region, resolve


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


def target_options(chosen: Options) -> TargetOptions:
    endpoint = chosen.get("endpoint") or ()
    return TargetOptions(
        broker=chosen.get("broker"),
        ssid=chosen.get("ssid"),
        endpoints=(endpoint,) if isinstance(endpoint, str) else tuple(endpoint),
        region=chosen.get("region"),
        dialect=tuple(chosen.get("dialect") or ()),
    )


def chosen_of(options: Options) -> Chosen:
    """
    Raises:
        TypeError: there is no such option.
    """
    for name in options:
        if name not in Options.__annotations__:
            meant = near_miss(name, Options.__annotations__)
            raise TypeError(f"there is no option {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
    said = {name: value for name, value in options.items() if name in Chosen.__slots__ and value is not None}
    return Chosen(**said, says_login="login=True")  # type: ignore[arg-type]


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
    about = chosen_of(chosen)
    found: list[Wanted] = []
    for text in texts:
        for target in resolve(text, target_options(chosen), settings):
            # That a value is no reference matters on a command line, which others can read.
            for warning in target.warnings[is_secret_itself(text) :]:
                get_logger().warning("credential", target=target.name, words=warning)
            endpoints, key = await _reached(target, about, stack)
            found.append(about.wanted(target, endpoints, key, taken=[each.name for each in found]))
    if words := told_twice(found):
        get_logger().warning("credential", words=words)
    return found


async def simulated(
    target: Target, region: str | None, stack: AsyncExitStack, faults: Sequence[str] = ()
) -> tuple[tuple[Endpoint, ...], Credentials | None]:
    """A simulator for it, until the stack is closed: where it is, and what opens it."""
    from probe.simulator.run import Simulator  # noqa: PLC0415 - not for those who never use it

    simulator = await stack.enter_async_context(Simulator([target.broker], faults=faults))
    endpoints = pick_region(tuple(simulator.plain_endpoints()), region)
    first = endpoints[0]
    endpoints = tuple(
        each for each in endpoints if each.account is first.account and each.scheme == first.scheme
    )
    return endpoints, simulator.key(first)


async def _reached(
    target: Target, chosen: Chosen, stack: AsyncExitStack
) -> tuple[tuple[Endpoint, ...], Credentials | SignIn | None]:
    if target.simulated:
        return await simulated(target, chosen.region_of(target), stack)
    key = chosen.key_of(target, warn=_warn)
    if key is None and not all(map(target.broker.is_public, target.endpoints)):
        raise ConfigError(
            f"{target.name} has no credential, and without one there is no session",
            next_step="Give one: ssid='env:NAME'.",
        )
    return target.endpoints, key


def _warn(words: str) -> None:
    get_logger().warning("kept_session", words=words)
