"""A load run in this process: what its users share, from its beginning to its end."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random

from loadtests.conductor import Player
from loadtests.fleet import Fleet
from loadtests.guard import guard
from loadtests.operations import Asking, Operation, answerable
from loadtests.pacer import Pacer
from loadtests.player import Playback
from loadtests.polled import PolledLoadSession, is_polled
from loadtests.session import Common, LoadSession, Sample
from loadtests.settings import RunSettings
from loadtests.showing import KEPT_MESSAGES, Showing
from loadtests.signing_in import SigningInPolledSession, SigningInSession
from probe.brokers import find_broker
from probe.drivers.dial import DialPlan
from probe.drivers.tls import TlsProfile
from probe.load.figures import Slice
from probe.load.recorder import Recorder
from probe.load.replay import recording_in
from probe.model.credentials import Credentials, PasswordLogin, redactor_for
from probe.model.endpoint import Account, Endpoint
from probe.session.broker import Broker

_LOG = logging.getLogger(__name__)
REMEMBERED = 32  # of the last told meanings, where users expect some


class Running:
    """
    Args:
        began_at: The run's common start, by this machine's monotonic clock.
        on_bug: What no session can go on with.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        worker: str,
        began_at: float,
        on_bug: Callable[[Exception], None],
        on_sample: Sample | None = None,
    ) -> None:
        plan = settings.plan
        self.settings, self.plan, self.began_at = settings, plan, began_at
        self.rng = Random(f"{plan.seed}/{worker}")
        self.recorder = Recorder(began_at, worker)
        self.fleet = Fleet(self.recorder, self.rng)
        self.player: Player | None = None  # where a conductor says what happens when
        self._finished_of, self._finished = 0, 0
        self._on_bug, self._on_sample = on_bug, on_sample
        self._utc_at_zero = time.time() - time.monotonic()
        self._commons: dict[tuple[str, str, bool], Common] = {}
        self._key = settings.key
        self._numbers = count()
        self.recording = (
            None if plan.replay is None else recording_in(plan.replay, settings.broker)
        )  # that users play
        self._operations: dict[str, list[tuple[Operation, float]]] = {}
        self.pacer = (
            None
            if plan.rate is None
            else Pacer(self.fleet, self.operations(settings.broker), self.rng, on_bug)
        )

    @property
    def pace(self) -> float:
        """Seconds between two operations of one user, where there is no rate."""
        return self.player.pace if self.player is not None else self.plan.scenario.pace

    @property
    def stage(self) -> int:
        return self.player.number if self.player is not None else 0

    @property
    def operations_per_user(self) -> int | None:
        return self.player.operations_per_user if self.player is not None else None

    @property
    def is_open_model(self) -> bool:
        return self.pacer is not None

    def session(
        self, broker: Broker, url: str, *, remembers: bool = False, reopens: bool = True
    ) -> LoadSession:
        common, polled = self.common(broker, url, remembers=remembers), is_polled(broker, url)
        key = self._key_of(broker)
        if isinstance(key, PasswordLogin) and broker.web is not None:
            signing_in = SigningInPolledSession if polled else SigningInSession
            return signing_in(common, broker.web, key, reopens=reopens)
        return (PolledLoadSession if polled else LoadSession)(common, reopens=reopens)

    def common(self, broker: Broker, url: str, *, remembers: bool = False) -> Common:
        key = (broker.name, url, remembers)
        if key not in self._commons:
            self._commons[key] = self._new_common(broker, url, REMEMBERED if remembers else 0)
        return self._commons[key]

    def broker(self, name: str) -> Broker:
        """In the plan's dialect, where it is the plan's."""
        return self.settings.broker if name == self.plan.broker else find_broker(name)

    def operations(self, broker: Broker) -> list[tuple[Operation, float]]:
        """Of the scenario, those that this broker has.

        Raises:
            ConfigError: the scenario names one that there is not.
        """
        if broker.name not in self._operations:
            asking = Asking(
                symbols=self.symbols(broker),
                broker_time=lambda: self._utc_at_zero + time.monotonic() + broker.zone_seconds,
                takes_orders=self.plan.scenario.trading,
            )
            found, missing = answerable(broker, self.plan.scenario.operations, asking, self.plan.url)
            if missing:
                _LOG.warning("%s has no %s: left out", broker.title, ", ".join(missing))
            self._operations[broker.name] = found
        return self._operations[broker.name]

    def finish(self, stage: int) -> None:
        """A user has done all that this stage lets it do."""
        if stage != self._finished_of:
            self._finished_of, self._finished = stage, 0
        self._finished += 1

    def finished(self) -> int:
        """How many users have, of the present stage."""
        present = self.player is not None and self.player.number == self._finished_of
        return self._finished if present else 0

    def playback(self) -> Playback | None:
        """Of one more user, where a recording is played."""
        if self.recording is None:
            return None
        return Playback(
            self.recording, number=next(self._numbers), rng=self.rng, speed=self.plan.replay_speed
        )

    def choose(self, operations: Sequence[tuple[Operation, float]]) -> Operation:
        weights = [weight for _, weight in operations]
        ((chosen, _),) = self.rng.choices(operations, weights)
        return chosen

    def symbols(self, broker: Broker) -> tuple[str, ...]:
        usual = broker.house.symbol if self.settings.simulated else None
        return self.plan.scenario.symbols or self.settings.symbols or (usual or broker.default_symbol,)

    def cut(self, now: float, *, at_the_end: bool = False) -> list[Slice]:
        self.fleet.tell_traffic(at_the_end=at_the_end)
        return self.recorder.cut(now, at_the_end=at_the_end)

    def _key_of(self, broker: Broker) -> Credentials | PasswordLogin | None:
        return self._key if broker.name == self.plan.broker else None

    def _new_common(self, broker: Broker, url: str, remembered: int) -> Common:
        settings, key = self.settings, self._key_of(broker)
        credentials = key if isinstance(key, Credentials) else None
        endpoint = Endpoint(
            broker=broker.name,
            region="custom",
            url=url,
            account=key.account if key else Account.NONE,
            named_by_user=True,
        )
        return Common(
            broker=broker,
            endpoint=endpoint,
            credentials=credentials,
            dial=DialPlan(
                address=endpoint.address,
                tls=TlsProfile(ca_file=Path(settings.ca_file)) if settings.ca_file else TlsProfile(),
                resolve=guard().resolve,
            ),
            guard=guard(),
            recorder=self.recorder,
            fleet=self.fleet,
            rng=self.rng,
            symbols=self.symbols(broker),
            on_bug=self._on_bug,
            remembered=remembered,
            on_sample=self._on_sample,
            kept_messages=KEPT_MESSAGES if settings.shows_frames else 0,
            showing=Showing(self.began_at, redactor_for(key)) if settings.shows_frames else None,
        )
