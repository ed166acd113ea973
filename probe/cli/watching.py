"""From targets as a person named them to what a monitor holds; simulated ones are started for it."""

import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from probe.cli.options import Typed
from probe.config.keys import TARGET_NAME
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError
from probe.monitor.wanted import ConnectMode, Wanted
from probe.targets import Target, pick_region

MOST_SYMBOLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person typed about the watching of them."""

    connect: str | None = None
    symbols: Sequence[str] = ()
    faults: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.symbols) > MOST_SYMBOLS:
            raise ConfigError(
                f"{len(self.symbols)} symbols are more than a session is asked for",
                where="--symbol",
                next_step=f"Name {MOST_SYMBOLS} at most.",
            )


class Understanding:
    """
    Args:
        stack: Ends what is simulated.
    """

    def __init__(self, typed: Typed, choices: Choices, stack: AsyncExitStack) -> None:
        self._typed, self._choices, self._stack = typed, choices, stack
        self._simulated: dict[object, Wanted] = {}  # asked again, the same simulator is meant

    async def of(self, targets: Sequence[Target]) -> list[Wanted]:
        """
        Raises:
            ConfigError: a target cannot be watched; it says why.
        """
        if self._choices.faults and not all(target.simulated for target in targets):
            raise ConfigError(
                "only a simulated broker can be made to fail",
                where="--fault",
                next_step="Watch sim or sim:BROKER.",
            )
        found: list[Wanted] = []
        for target in targets:
            wanted = await self._reached(target) if target.simulated else _real(self._typed, target)
            alias = _alias(target, [each.name for each in found])
            found.append(self._chosen(replace(wanted, name=alias), target))
        return found

    def _chosen(self, wanted: Wanted, target: Target) -> Wanted:
        named, choices = target.settings, self._choices
        symbols = choices.symbols or (named.symbols if named else ()) or (target.broker.default_symbol,)
        wanted = replace(
            wanted,
            endpoints=_told_apart(wanted.endpoints),
            symbols=tuple(dict.fromkeys(symbols)),
            connect=_mode(choices.connect or (named.connect if named else None), wanted.account),
            dialect=tuple(self._typed.dialect),
        )
        if named is None:
            return wanted
        return replace(
            wanted,
            knock_every=named.knock_every,
            knock_auth=named.knock_auth,
            objective=named.objective,
            dialect=(*(f"{key}={value}" for key, value in named.dialect.items()), *wanted.dialect),
        )

    async def _reached(self, target: Target) -> Wanted:
        """A simulated one."""
        region = self._typed.region_of(target)
        dialect = target.settings.dialect if target.settings else {}
        key = (target.name, target.broker.name, region, *dialect.items())
        if key not in self._simulated:
            self._simulated[key] = await _simulated(target, region, self._stack, self._choices.faults)
        return self._simulated[key]


def _real(typed: Typed, target: Target) -> Wanted:
    key = typed.key_of(target)
    if key is None:
        raise ConfigError(
            f"{target.name} has no credential, and without one there is no session to watch",
            where="TARGET",
            next_step="Give one with --ssid env:NAME, or look at the connection alone with probe check.",
        )
    return Wanted(
        name="",
        broker=target.broker,
        endpoints=target.endpoints,
        key=key,
        symbols=(),
        connect=ConnectMode.FALLBACK,
        tls=typed.tls_of(target),
        proxy=typed.proxy_option_of(target),
    )


async def _simulated(
    target: Target, region: str | None, stack: AsyncExitStack, faults: Sequence[str]
) -> Wanted:
    from probe.simulator.run import Simulator

    simulator = await stack.enter_async_context(Simulator([target.broker], faults=faults))
    endpoints = pick_region(tuple(simulator.plain_endpoints()), region)
    endpoints = tuple(each for each in endpoints if each.account is endpoints[0].account)
    return Wanted(
        name="",
        broker=target.broker,
        endpoints=endpoints,
        key=target.broker.read_credentials(simulator.credential(endpoints[0]).reveal()),
        symbols=(),
        connect=ConnectMode.FALLBACK,
        proxy="none",
        simulated=True,
    )


def _mode(named: str | None, account: Account) -> ConnectMode:
    """Real accounts are not raced for unless somebody says so."""
    if named is not None:
        return ConnectMode(named)
    return ConnectMode.RACE if account is Account.DEMO else ConnectMode.FALLBACK


def _alias(target: Target, taken: Sequence[str]) -> str:
    """Short, safe to show, the same in every run: what stands in the store and on every line."""
    name = target.name
    if target.simulated:
        name = name.removeprefix("sim:")
    elif target.settings is None:
        key = target.credentials or target.login
        name = f"{target.broker.name}-{key.account.value if key else Account.NONE.value}"
    name = re.sub(r"[^a-z0-9_-]", "-", name.lower())[:28]
    alias, number = name, 1
    while alias in taken or not re.fullmatch(TARGET_NAME, alias, re.ASCII):
        number += 1
        alias = f"{name}-{number}"
    return alias


def _told_apart(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Each with a region of its own: several addresses that a person typed are all "custom"."""
    seen: dict[str, int] = {}
    named = []
    for endpoint in endpoints:
        count = seen[endpoint.region] = seen.get(endpoint.region, 0) + 1
        named.append(endpoint if count == 1 else replace(endpoint, region=f"{endpoint.region}-{count}"))
    return tuple(named)
