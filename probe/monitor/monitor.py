"""Watches several targets for as long as one likes: a link and a watch for each, one pulse for all, alerts, and what was seen
handed on."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass

from probe.diagnose.case import Host
from probe.measure.alert_rules import Readings
from probe.measure.alerts import AlertEngine
from probe.measure.calendar import is_open
from probe.measure.clocks import STEP_SECONDS
from probe.measure.histogram import Histogram
from probe.measure.reading import readings_of, reference_of, snapshot_of
from probe.measure.records import Alert, Condition, Metric, Notice, Period, Record, SessionState, Trigger
from probe.measure.snapshot import Quantiles, Snapshot, quantiles
from probe.measure.watch import NOT_OBSERVED_SECONDS, Watch
from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.errors import ConfigError
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.monitor.judging import Judging
from probe.monitor.knocking import keep_knocking
from probe.monitor.link import Link
from probe.monitor.outside import Uplink, keep_telling
from probe.monitor.own import Own, OwnHost, resident_megabytes
from probe.monitor.service import ServiceManager
from probe.monitor.wanted import Wanted
from probe.monitor.winners import Winners
from probe.monitor.witness import Witness
from probe.session.polled import PolledSession
from probe.session.reconnect import DialRate
from probe.session.talking import Talking

PULSE_SECONDS = 0.5
ALERTS_EVERY = 10  # pulses
SLICE, MOST_SLICES = 20, 20  # targets that are woken together, until a pulse is cut into so many parts
MINUTES_A_SLICE = 2  # are closed at once; the others follow with the next pulses
LAG_MINUTES = 5
STOP_WITHIN = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What holds for all targets."""

    control: tuple[str, int] | None = None  # tells whether our own line works; None: not measured
    deadman: Secret | None = None  # a URL that is told that we are alive
    deadman_every: float = 60.0
    stall_reconnect: float | None = 60.0
    keeps_ticks: bool = True
    max_retries: int | None = None
    phase_deadline: float | None = None


History = Callable[[str], tuple[Sequence[Period], Mapping[str, bytes]]]


@dataclass(slots=True)
class _Held:
    wanted: Wanted
    watch: Watch
    link: Link
    witness: Witness
    tasks: tuple[asyncio.Task[None], ...] = ()


class Monitor:
    """
    Args:
        wanted: The targets; `apply` changes them later.
        sinks: Are called with every record, in this loop; they must not block.
        bring: Takes the alerts that are to be told, every few seconds and also when there are none.
        history: What was observed of a target before, oldest first, and what was learnt of its symbols.
        own_failures: Readings of what else belongs to this monitor.
        own: What became of it since the start.
        host: Looks at this machine; None: it is looked at.
    """

    def __init__(
        self,
        wanted: Iterable[Wanted],
        *,
        common: Common | None = None,
        sinks: Iterable[Callable[[Record], None]] = (),
        engine: AlertEngine | None = None,
        winners: Winners | None = None,
        bring: Callable[[Sequence[Alert], float], None] | None = None,
        history: History | None = None,
        own_failures: Callable[[], dict[str, float | None]] = dict,
        own: Callable[[], Own] = Own,
        host: Callable[[], Host] | None = None,
        service: ServiceManager | None = None,
        rng: random.Random | None = None,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self._first = tuple(wanted)
        self._common, self._sinks = common or Common(), list(sinks)
        self._engine, self._winners, self._history = engine or AlertEngine(), winners, history
        self._bring = bring
        self._own_failures, self.own = own_failures, own
        self._service = service or ServiceManager({})
        self._rng, self._utc = rng or random.SystemRandom(), utc
        self._held: dict[str, _Held] = {}
        self._learnt: dict[str, dict[str, bytes]] = {}
        self._rejected: dict[Credentials | PasswordLogin, Failure] = {}
        self._rates: dict[str, DialRate] = {}
        self._stop = asyncio.Event()
        self._changing = asyncio.Lock()  # what is held
        self._lag = Histogram.of(())
        self._lags: list[Histogram] = []
        self._lag_lately = quantiles(self._lag)
        self._uplink = Uplink(*self._common.control) if self._common.control else None
        self._utc_at_zero = 0.0
        self._host = host
        self._own_host: OwnHost | None = None
        self._judging = Judging(self._look_at_host, lambda at: self._utc_at_zero + at, self._note)

    # -- for whoever runs it -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. Leaves every session in order, and no task behind.

        Raises:
            ConfigError: a target cannot be held.
        """
        self._utc_at_zero = self._utc() - asyncio.get_running_loop().time()
        self._own_host = OwnHost(self._utc, asyncio.get_running_loop().time)
        first = [self._made(wanted) for wanted in self._first]
        try:
            async with asyncio.TaskGroup() as group:
                outside = [group.create_task(each) for each in self._outside()]
                for held in first:
                    self._begin(held)
                self._service.ready()
                await self._pulse()
                for task in outside:
                    task.cancel()
        finally:
            self._service.stopping()
            self._stop.set()
            async with self._changing:
                await self._release(list(self._held))

    def stop(self) -> None:
        self._stop.set()

    async def apply(self, wanted: Iterable[Wanted]) -> dict[str, list[str]]:
        """From now on these and no others. A session whose target did not change is left alone.

        Raises:
            ConfigError: a target cannot be held; nothing was changed.
        """
        new = {each.name: each for each in wanted}
        async with self._changing:
            if self._stop.is_set():
                return {}
            gone = [
                name
                for name, held in self._held.items()
                if name not in new or not held.wanted.same_as(new[name])
            ]
            come = [self._made(each) for name, each in new.items() if name in gone or name not in self._held]
            await self._release(gone)
            for held in come:
                self._begin(held)
        return {
            "added": [held.wanted.name for held in come if held.wanted.name not in gone],
            "changed": [name for name in gone if name in new],
            "removed": [name for name in gone if name not in new],
        }

    def snapshots(self, names: Iterable[str] | None = None) -> tuple[Snapshot, ...]:
        """Of these targets as far as they are held, or of all: about a millisecond each."""
        now = asyncio.get_running_loop().time()
        return tuple(
            snapshot_of(
                held.watch,
                held.wanted.endpoints,
                (*self._engine.active(name), *self._engine.active(None)),
                now,
                self._utc_at_zero + now,
            )
            for name in (self._held if names is None else names)
            if (held := self._held.get(name)) is not None
        )

    def conditions(self) -> dict[str, Condition]:
        return {name: held.watch.condition for name, held in self._held.items()}

    def ticks(self) -> dict[str, int]:
        """How many each target has brought."""
        return {name: sum(held.watch.ticks.values()) for name, held in self._held.items()}

    @property
    def watches(self) -> dict[str, Watch]:
        return {name: held.watch for name, held in self._held.items()}

    @property
    def now_utc(self) -> float:
        """By the clock that dates every record."""
        return self._utc_at_zero + asyncio.get_running_loop().time()

    def watch(self, target: str) -> Watch | None:
        held = self._held.get(target)
        return None if held is None else held.watch

    def add_sink(self, sink: Callable[[Record], None]) -> None:
        self._sinks.append(sink)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        return tuple(held.wanted for held in self._held.values())

    def link(self, target: str) -> Link:
        return self._held[target].link

    def learnt(self) -> dict[str, dict[str, bytes]]:
        """The habits of each target's symbols, also of those that are held no more."""
        return self._learnt | {name: held.watch.freshness.learnt() for name, held in self._held.items()}

    @property
    def own_lag(self) -> Quantiles:
        """How late this loop ran, over the last minutes."""
        return quantiles(self._merged_lag())

    def emit(self, record: Record) -> None:
        for sink in self._sinks:
            sink(record)

    # -- targets -----------------------------------------------------------------------------------------------------

    def _made(self, wanted: Wanted) -> _Held:
        """
        Raises:
            ConfigError: no endpoint may have its credential.
        """
        now = asyncio.get_running_loop().time()
        watch: Watch
        link: Link
        self._judging.rules_of(wanted.broker)  # made now, and not when many targets break at once
        witness = Witness(wanted, self._judging)
        watch = Watch(
            target=wanted.name,
            broker=wanted.broker.name,
            account=wanted.account,
            symbols=wanted.symbols,
            objective=wanted.objective,
            zone_seconds=wanted.broker.zone_seconds,
            login_follows=None if wanted.key is None else _before_login(wanted),
            is_open=lambda symbol, utc: is_open(symbol, watch.kind_of(symbol), utc),
            evidence=lambda: link.last_messages(),  # noqa: PLW0108 - there is none yet
            emit=self.emit,
            now=now,
            utc_at_zero=self._utc_at_zero,
            stall_reconnect=self._common.stall_reconnect,
            keeps_ticks=self._common.keeps_ticks,
            data_every=wanted.broker.rules.data_every,
            onlooker=witness,
        )
        if self._history is not None:
            watch.remember(*self._history(wanted.name))
        link = Link(
            wanted,
            watch,
            rng=self._rng,
            utc=self._utc,
            winners=None if wanted.simulated else self._winners,  # its ports are others the next time
            max_retries=self._common.max_retries,
            phase_deadline=self._common.phase_deadline,
            rejected=self._rejected,
            rate=self._rates.setdefault(wanted.name, DialRate()),  # also when it is changed again and again
        )
        witness.meet(watch, link)
        return _Held(wanted, watch, link, witness)

    def _begin(self, held: _Held) -> None:
        work = [self._run(held)]
        if held.wanted.knock_every is not None:
            work.append(self._knock(held))
        held.tasks = tuple(asyncio.create_task(each) for each in work)
        self._held[held.wanted.name] = held

    async def _run(self, held: _Held) -> None:
        """What one target cannot do does not end the others."""
        try:
            await held.link.run()
        except ConfigError as problem:
            others = [each for each in self._held.values() if each is not held]
            if all(each.tasks[0].done() for each in others):
                raise
            held.watch.stopped(asyncio.get_running_loop().time(), None)
            self._note("target.stopped", f"{held.wanted.name} is watched no more: {problem}")

    async def _knock(self, held: _Held) -> None:
        try:
            await keep_knocking(
                held.wanted,
                held.link,
                held.watch.attempted,
                rng=self._rng,
                utc=self._utc,
                phase_deadline=self._common.phase_deadline,
            )
        except ConfigError as problem:
            self._note(
                "target.not-knocked",
                f"{held.wanted.name} is no more connected to afresh beside its session: {problem}",
            )

    async def _release(self, names: Sequence[str]) -> None:
        gone = [self._held[name] for name in names]
        now = asyncio.get_running_loop().time()
        for held in gone:
            held.watch.leave(now)
            held.link.stop()
            for task in held.tasks[1:]:
                task.cancel()
        tasks = [task for held in gone for task in held.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_WITHIN)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        now = asyncio.get_running_loop().time()
        for held in gone:
            held.watch.close(now)
            self._learnt[held.wanted.name] = held.watch.freshness.learnt()
            self._engine.forget(held.wanted.name)
            del self._held[held.wanted.name]
        bugs = [result for result in results if isinstance(result, Exception)]
        if bugs:
            raise ExceptionGroup("links broke", bugs)

    # -- the pulse ---------------------------------------------------------------------------------------------------

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        turn, next_minute = 0, due + 60.0
        while not self._stop.is_set():
            slices = min(max(len(self._held) // SLICE, 1), MOST_SLICES)
            turn += 1
            due += PULSE_SECONDS / slices
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stop.wait()
                return
            now = loop.time()
            self._lag.add(max(now - due, 0.0))
            if self._own_host is not None:
                self._own_host.late(now, now - due)
            self._look_at_the_clock(now, now - due)
            pulse, part = divmod(turn, slices)
            self._wake_all(list(self._held.values())[part::slices], now, due)
            own_turn = part == 0 and pulse % ALERTS_EVERY == 0
            self._alert(
                now,
                list(self._held.items())[part::slices][pulse % ALERTS_EVERY :: ALERTS_EVERY],
                own=own_turn,
            )
            if now >= next_minute:
                next_minute = now + 60.0
                self._lags = [*self._lags[1 - LAG_MINUTES :], self._lag]
                self._lag = Histogram.of(())
            self._service.alive(now)
            due = max(due, now - PULSE_SECONDS)  # what was missed is not made up for

    def _wake_all(self, some: Sequence[_Held], now: float, due: float) -> None:
        closed = 0
        for held in some:
            closed += self._wake(held, now, due, may_close=closed < MINUTES_A_SLICE)

    def _wake(self, held: _Held, now: float, due: float, *, may_close: bool) -> bool:
        """Returns whether a minute was closed."""
        for task in held.tasks:
            if task.done() and not task.cancelled() and (bug := task.exception()) is not None:
                raise bug
        held.watch.uplink = self._uplink.up if self._uplink else None
        self._compare(held, now)
        session = held.link.session
        traffic = session.traffic if session else None
        held.witness.wake(now, traffic.messages_received if traffic else None)
        closed = held.watch.wake(now, due_at=due, traffic=traffic, may_close=may_close)
        if held.watch.doubts():
            held.link.act(ping)
        rules = session.rules if session else None
        if rules is not None:
            held.watch.freshness.pace(rules.data_every)
        trigger = None if rules is not None and not rules.reopens else held.watch.remedy(now)
        if trigger is not None:
            held.link.reconnect(trigger)
        return closed

    def _compare(self, held: _Held, now: float) -> None:
        """With the target that is its reference, if that is watched too."""
        other = self._held.get(held.wanted.reference or "")
        if other is None:
            held.watch.reference = None
            return
        before = held.watch.reference
        held.watch.reference = reference_of(
            held.watch, other.watch, before.apart_since if before else None, now
        )

    def _look_at_the_clock(self, now: float, late: float) -> None:
        utc_at_zero = self._utc() - now
        step = utc_at_zero - self._utc_at_zero
        if abs(step) >= STEP_SECONDS:
            self._utc_at_zero = utc_at_zero
            for held in self._held.values():
                held.watch.clock_stepped(utc_at_zero)
                if isinstance(held.link.session, PolledSession):  # it began with the time that is wrong now
                    held.link.reconnect(Trigger.OPERATOR)
            way = "forward" if step > 0 else "back"
            self._note(
                "clock.stepped",
                f"this machine's clock went {way} by {abs(step):.1f} s, or the machine was suspended; that time counts as not observed",
            )
        if late >= NOT_OBSERVED_SECONDS:
            self._note(
                "monitor.late",
                f"this process did not run for {late:.1f} s; that time counts as not observed",
            )

    def _alert(self, now: float, some: Iterable[tuple[str, _Held]], *, own: bool) -> None:
        """`own`: also what concerns this monitor itself."""
        now_utc = self._utc_at_zero + now
        told = self._own_alerts(now, now_utc) if own else []
        for name, held in some:
            held.watch.own_lag_quantiles = self._lag_lately
            told += self._engine.evaluate(name, readings_of(held.watch, now, now_utc), now, now_utc)
        for alert in told:
            self.emit(alert)
        if self._bring is not None and (told or own):
            self._bring(told, now_utc)

    def _own_alerts(self, now: float, now_utc: float) -> list[Alert]:
        states = [each.state for each in self.conditions().values()]
        self._service.status(f"{states.count(SessionState.STREAMING)} of {len(states)} target(s) stream")
        self._lag_lately = self.own_lag
        own = Readings(
            loop_lag_p99_5m_seconds=self._lag_lately.p99,
            memory_mb=resident_megabytes(),
            uplink_down=None
            if self._uplink is None or self._uplink.up is None
            else float(not self._uplink.up),
            **self._own_failures(),
        )
        return list(self._engine.evaluate(None, own, now, now_utc))

    def _merged_lag(self) -> Histogram:
        whole = Histogram.of(())
        for each in (*self._lags, self._lag):
            whole.merge(each)
        return whole

    # -- what may be wrong -------------------------------------------------------------------------------------------

    def _look_at_host(self, counts: bool) -> Host:  # noqa: FBT001 - handed on
        if self._host is not None:
            return self._host()
        return Host() if self._own_host is None else self._own_host.look(counts=counts)

    # -- others ------------------------------------------------------------------------------------------------------

    def _outside(self) -> list[Coroutine[None, None, None]]:
        tasks = []
        if self._uplink is not None:
            tasks.append(self._uplink.watch(self._uplink_measured))
        if self._common.deadman is not None:
            tasks.append(keep_telling(self._common.deadman, self._common.deadman_every, self.emit, self._utc))
        return tasks

    def _uplink_measured(self, at: float, seconds: float) -> None:
        for held in self._held.values():
            held.watch.measured(at, Metric.UPLINK_RTT, seconds)

    def _note(self, code: str, sentence: str) -> None:
        self.emit(Notice(at_utc=self._utc(), code=code, sentence=sentence))


def _before_login(wanted: Wanted) -> Phase:
    """The phase that the login follows in this dialect."""
    rules = wanted.broker.rules
    phases = (Phase.UPGRADING, *rules.phases)
    return next(phase for phase in phases if rules.after(phase) is Phase.AUTHENTICATING)


def ping(session: Talking, now: float) -> None:
    session.ping(now)
