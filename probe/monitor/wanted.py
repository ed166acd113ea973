"""What shall be watched: one target, understood, with everything that connecting to it needs."""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self

from probe.drivers.tls import TlsProfile
from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Endpoint
from probe.monitor.endpoints import About
from probe.monitor.sign_in import SignIn
from probe.session.broker import Broker


class ConnectMode(Enum):
    RACE = "race"  # the fastest of up to four; only the winner sees the credential
    FALLBACK = "fallback"  # the best known first, the next if the failure is the region's


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    name: str  # an alias, safe to show; unique within one monitor
    broker: Broker
    endpoints: tuple[Endpoint, ...]  # told apart by their region
    key: Credentials | SignIn | None
    symbols: tuple[str, ...]
    connect: ConnectMode
    tls: TlsProfile = field(default_factory=TlsProfile)
    proxy: str | None = None  # as chosen by the user; None: as the environment says
    knock_every: float | None = 300.0  # None: never
    knock_auth: bool = False  # whether a knock logs in: a second login can end the first
    objective: float = 0.99  # the share of seconds that shall be good
    simulated: bool = False
    dialect: tuple[str, ...] = ()  # NAME=VALUE, as the broker was made to speak
    about: About = field(default_factory=About)
    reference: str | None = None  # another target, whose prices these are compared with

    @property
    def account(self) -> Account:
        key = self.key
        if key is None:
            return Account.NONE
        return key.login.account if isinstance(key, SignIn) else key.account

    def can_hold(self, endpoint: Endpoint) -> bool:
        """Whether there is what a session needs."""
        return self.key is not None or self.broker.is_public(endpoint)

    def same_as(self, other: Self) -> bool:
        """Whether a session that stands for the one may go on for the other."""
        mine, its = (each.key.login if isinstance(each.key, SignIn) else each.key for each in (self, other))
        return (
            mine == its
            and self.broker.name == other.broker.name
            and replace(self, broker=other.broker, key=other.key) == other
        )
