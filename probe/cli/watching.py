"""From targets as a person named them to what a monitor holds; simulated ones are started for it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from probe.api.opening import simulated
from probe.cli.options import Typed
from probe.model.credentials import Credentials
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import Wanted
from probe.session.broker import Broker
from probe.targets import Target

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
        self._brokers: list[Broker] = []
        self._simulated: dict[
            object, tuple[tuple[Endpoint, ...], Credentials | None]
        ] = {}  # asked again, the same simulator is meant

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
        self._brokers = [target.broker for target in targets]
        chosen = replace(self._typed.chosen, connect=self._choices.connect, symbols=self._choices.symbols)
        found: list[Wanted] = []
        for target in targets:
            endpoints, key = await self._reached(target) if target.simulated else _real(self._typed, target)
            wanted = chosen.wanted(target, endpoints, key, taken=[each.name for each in found])
            found.append(replace(wanted, symbols=wanted.symbols or (target.usual_symbol,)))
        return found

    async def _reached(self, target: Target) -> tuple[tuple[Endpoint, ...], Credentials | None]:
        """A simulated one."""
        region = self._typed.chosen.region_of(target)
        dialect = target.settings.dialect if target.settings else {}
        key = (target.name, target.broker.name, region, *dialect.items())
        if key not in self._simulated:
            self._simulated[key] = await simulated(
                target, region, self._stack, self._faults_of(target.broker)
            )
        return self._simulated[key]

    def _faults_of(self, broker: Broker) -> list[str]:
        """Those that it can have, and those that none of them can have, for the simulator to say so."""
        from probe.faults.catalogue import read_fault
        from probe.simulator.switchboard import can_have

        orders = {fault: read_fault(fault) for fault in self._choices.faults}
        return [
            fault
            for fault, order in orders.items()
            if can_have(broker, order) or not any(can_have(each, order) for each in self._brokers)
        ]


def _real(typed: Typed, target: Target) -> tuple[tuple[Endpoint, ...], Credentials | SignIn | None]:
    key = typed.key_of(target)
    if key is None and not all(map(target.broker.is_public, target.endpoints)):
        raise ConfigError(
            f"{target.name} has no credential, and without one there is no session to watch",
            where="TARGET",
            next_step="Give one with --ssid env:NAME, or look at the connection alone with probe check.",
        )
    return target.endpoints, key
