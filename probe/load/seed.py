"""A load test by its seven settings, each with its effect."""

import math
from dataclasses import dataclass, fields

from probe.load.plan import Scenario, Stage
from probe.model.errors import ConfigError

OPERATIONS = ("balance", "candles", "ping", "market_data")
TRADING_OPERATIONS = ("place_order", "check_order", "get_orders")
LONGEST_STRESS_STAGE = 60.0
# The name, the share of the clients, and the pause between two operations of one as a share of `operation_delay`.
STRESS_STAGES = (
    ("Ramp Up", 1 / 3, 0.1),
    ("Peak", 1.0, 0.05),
    ("Extreme", 2.0, 0.01),
    ("Cool Down", 1 / 2, 0.5),
)
_LIMITS = {
    "concurrent_clients": (1, 10_000_000),
    "operations_per_client": (1, 1_000_000_000),
    "operation_delay": (0, 3600),
    "test_duration_minutes": (0.001, 7 * 24 * 60),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestConfig:
    concurrent_clients: int = 5
    operations_per_client: int = 20  # in stress mode half of them, in each stage
    operation_delay: float = 1.0  # seconds between two operations of a client
    test_duration_minutes: float = 5.0  # the run ends then, even if operations are left
    use_persistent_connection: bool = True  # False: a connection for each operation
    include_trading_operations: bool = False
    stress_mode: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is bool:
                if not isinstance(value, bool):
                    raise ConfigError(
                        "this is not true or false", where=field.name, next_step="Write true or false."
                    )
                continue
            least, most = _LIMITS[field.name]
            right = (int,) if field.type is int else (int, float)
            if isinstance(value, bool) or not isinstance(value, right) or not least <= value <= most:
                raise ConfigError(
                    f"this is no {'whole ' if field.type is int else ''}number that it can be",
                    where=field.name,
                    next_step=f"It is from {least:,.10g} to {most:,.10g}.",
                )

    def scenario(self) -> Scenario:
        """Its `users` are the clients."""
        trading = TRADING_OPERATIONS if self.include_trading_operations else ()
        return Scenario(
            name="stress" if self.stress_mode else "load",
            title="Few users, then all, then twice as many, then half of them, each as fast as its stage says."
            if self.stress_mode
            else "Each user does its operations, one after the other.",
            stages=self._stress_stages() if self.stress_mode else (self._only_stage(),),
            users=self.concurrent_clients,
            operations=dict.fromkeys((*OPERATIONS, *trading), 1.0),
            pace=self.operation_delay,
            persistent=self.use_persistent_connection,
            trading=self.include_trading_operations,
        )

    def _only_stage(self) -> Stage:
        return Stage(
            name="Load",
            seconds=self.test_duration_minutes * 60,
            operations_per_user=self.operations_per_client,
        )

    def _stress_stages(self) -> tuple[Stage, ...]:
        return tuple(
            Stage(
                name=name,
                seconds=min(LONGEST_STRESS_STAGE, self.test_duration_minutes * 60 / len(STRESS_STAGES)),
                users=users,
                pace=self.operation_delay * delay,
                operations_per_user=math.ceil(self.operations_per_client / 2),
            )
            for name, users, delay in STRESS_STAGES
        )
