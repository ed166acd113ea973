"""Settings as the rest of the program uses them. What each means, its default and its range stand in one table, `keys`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from probe.load.permission import Caps, Limits
from probe.logs import remember
from probe.model.credentials import Secret
from probe.model.endpoint import read_url
from probe.vault import Found, read_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value that may be secret, or the reference to where it is."""

    value: Secret
    is_reference: bool
    shown: str  # safe

    def read(self) -> Found:
        """What is meant.

        Raises:
            CredentialMissing, ConfigError: there is nothing where the reference points to.
        """
        if not self.is_reference:
            return Found(secret=self.value, source="the configuration")
        found = read_secret(self.value.reveal())
        remember(found.secret)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class VantageSettings:
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    name: str
    target: str | None
    broker: str | None
    credentials: str | None
    endpoints: tuple[str, ...]
    region: str | None
    symbols: tuple[str, ...]  # empty: the broker's own choice
    connect: str | None  # None: race for demo accounts, fallback for real ones
    knock_every: float | None  # None: never
    knock_auth: bool
    proxy: Given | None  # None: as the environment says
    ca: Path | None
    tls_min: str
    dialect: Mapping[str, str]
    objective: float
    login: bool
    reference: str | None
    access_points: tuple[str, ...]
    journal: Path | None
    pin: str | None
    sessions: str
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    control: str | None
    deadman: Given | None
    deadman_every: float
    stall_reconnect: float | None  # None: never


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSettings:
    controls: tuple[str, ...]
    resolvers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """What of an alert rule is otherwise; None: as it is."""

    name: str
    threshold: float | None
    for_seconds: float | None
    severity: str | None
    enabled: bool

    @property
    def changes(self) -> dict[str, object]:
        """As the tuning of rules takes them."""
        said = {"threshold": self.threshold, "for": self.for_seconds, "severity": self.severity}
        return {"enabled": self.enabled} | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    name: str
    url: Given | None
    webhook: Given | None
    token: str | None
    command: tuple[str, ...]
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    repeat: float
    quiet: tuple[str, ...]
    rules: Mapping[str, RuleSettings]
    channels: tuple[ChannelSettings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSettings:
    listen: str
    web_config: Path | None
    max_targets: int
    max_series: int
    otlp: Given | None
    otlp_every: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetySettings:
    load_connections: int
    load_rate: float
    load_time: float
    owned_connections: int
    owned_rate: float
    owned_time: float
    load_shares: int
    load_key: str | None

    @property
    def limits(self) -> Limits:
        return Limits(
            here=Caps(connections=self.load_connections, rate=self.load_rate, seconds=self.load_time),
            owned=Caps(connections=self.owned_connections, rate=self.owned_rate, seconds=self.owned_time),
            shares=self.load_shares,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSettings:
    ticks: float
    samples: float
    minutes: float
    routine: float
    events: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    enabled: bool
    path: Path | None  # None: where this user's data is
    keep: KeepSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. `origin` says of every dotted key where its value came from."""

    file: Path | None
    debug: bool
    log_level: str
    max_retries: int | None  # None: never gives up
    timeout: float | None  # None: as the command says
    vantage: VantageSettings
    targets: Mapping[str, TargetSettings]
    monitor: MonitorSettings
    doctor: DoctorSettings
    alerts: AlertSettings
    exporter: ExporterSettings
    safety: SafetySettings
    store: StoreSettings
    origin: Mapping[str, str]
    warnings: tuple[str, ...]

    @property
    def owned_hosts(self) -> frozenset[str]:
        """That the file declares to be the user's own."""
        owned = (each for each in self.targets.values() if each.owned)
        return frozenset(read_url(url).host for each in owned for url in each.endpoints)
