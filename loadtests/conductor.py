"""Plays a plan: says how many users there shall be, and cues every process that makes load.

One `Conductor` for a run, in the master or in the only process; one `Player` in each process that makes load. What is planned for a
moment is played as of that moment, also when the hub comes late: rates bend when they should have, and nothing is left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gevent

from probe.load.ascent import Ascent, Told
from probe.load.capacity import CapacityResult
from probe.load.plain import to_plain
from probe.load.plan import LoadPlan, Stage, Upset
from probe.load.shapes import Change, Happening, begins_of, happenings, next_happening, rate_at, users_at
from probe.model.errors import ConfigError

CUE, STATE = "tradeprobe-cue", "tradeprobe-state"  # what the messages are called where they go over a network
ALONE = "alone"  # the process of a run that has no others
LEFT_OVER_FOR = 2.0  # seconds in which users of the stage before may still be there
HAIR = 1e-6  # seconds by which a sum of decimals may miss a border

Message = Mapping[str, Any]
Switch = Callable[[str, bool], None]  # a fault of our own simulator, on or off
Say = Callable[..., None]  # as `Outlet.say`


class Sessions(Protocol):
    """All of one process."""

    @property
    def live(self) -> Sequence[object]: ...

    def upset(self, upset: Upset, count: int) -> int: ...

    def calm(self, upset: Upset) -> None: ...


class Pacer(Protocol):
    def pace(self, rate: float, at: float) -> None: ...


class Recorder(Protocol):
    def enter(self, stage: int, at: float) -> None: ...


def divided(total: int, by: Sequence[float]) -> list[int]:
    """Whole parts in these proportions that add up to the total: who lost most by rounding down gets what is left."""
    whole = sum(by)
    if not whole:
        return [0] * len(by)
    exact = [total * each / whole for each in by]
    parts = [math.floor(each) for each in exact]
    by_loss = sorted(range(len(by)), key=lambda index: parts[index] - exact[index])
    for index in by_loss[: total - sum(parts)]:
        parts[index] += 1
    return parts


def common_start(cue: Message, now: float) -> float:
    """When the run began, by the clock of whoever hears this cue just now."""
    return now - float(cue["now"])


class Player:
    """Carries out one process's part of each cue.

    Args:
        began_at: When the run began, by this process's clock.
        answer: Tells the conductor how it stands here.
        done: How many users of this process have nothing left to do in the present stage.
    """

    def __init__(
        self,
        plan: LoadPlan,
        *,
        began_at: float,
        sessions: Sessions,
        pacer: Pacer | None,
        recorder: Recorder,
        answer: Callable[[Message], None],
        done: Callable[[], int] = lambda: 0,
    ) -> None:
        self._scenario, self._searches, self._began_at = plan.scenario, plan.search is not None, began_at
        self._sessions, self._pacer, self._recorder = sessions, pacer, recorder
        self._answer, self._done = answer, done
        self.number = 0  # of the stage
        self.is_over = False

    @property
    def _stage(self) -> Stage:
        """A search has a number for each level, and users do as in the last stage of the scenario."""
        return self._scenario.stages[-1 if self._searches else self.number]

    @property
    def pace(self) -> float:
        """Seconds between two operations of one user, where there is no rate."""
        return self._scenario.pace if self._stage.pace is None else self._stage.pace

    @property
    def operations_per_user(self) -> int | None:
        """In this stage; then a user waits for the next. None: as many as the time allows."""
        return None if self._searches else self._stage.operations_per_user

    def receive(self, cue: Message) -> None:
        self.is_over = bool(cue["over"])
        self.number = int(cue["stage"])
        self._recorder.enter(self.number, float(cue["at"]))
        if self._pacer is not None and cue["rate"] is not None:
            self._pacer.pace(float(cue["rate"]), self._began_at + float(cue["at"]))
        for stage, number, count in cue["upsets"]:
            upset = self._scenario.stages[stage].upsets[number]
            if count is None:
                self._sessions.calm(upset)
            else:
                self._sessions.upset(upset, count)
        self._answer({"live": len(self._sessions.live), "done": self._done(), "stage": self.number})


@dataclass(frozen=True, slots=True)
class _State:
    """What a worker said last."""

    live: int = 0
    done: int = 0
    stage: int = 0


class Conductor:
    """
    Args:
        send: A cue, to one of the workers.
        workers: Who makes load just now, in an order that stays.
        switch: None: the run has no simulator of its own.
        told: Figures of some seconds of the run, where a capacity is looked for.
        say: Tells whoever watches: `stage` (number, name); of a search each `level` (value, seconds, is_confirmation, held,
            valid, broken) when it is judged, and at last `search` (result).
    """

    def __init__(
        self,
        plan: LoadPlan,
        *,
        clock: Callable[[], float],
        send: Callable[[str, Message], None],
        say: Say,
        workers: Callable[[], Sequence[str]] = lambda: (ALONE,),
        switch: Switch | None = None,
        told: Told = lambda _first, _until: None,
    ) -> None:
        if switch is None and any(stage.faults for stage in plan.scenario.stages):
            raise ConfigError(
                "it switches faults of a simulator on, and this run starts none",
                where=f"scenario {plan.scenario.name!r}",
                next_step="Take a target sim:BROKER, or remove `faults` from its stages.",
            )
        if plan.search is not None and not plan.scenario.thresholds:
            raise ConfigError(
                "it does not say when a level has held",
                where="capacity search",
                next_step="Add a threshold, such as --threshold 'response p99 < 250ms'.",
            )
        self._plan, self._clock = plan, clock
        self._send, self._workers, self._switch, self._say = send, workers, switch, say
        self._ascent = None if plan.search is None else Ascent(plan, told)
        self._states: dict[str, _State] = {}
        self.began_at = clock()
        self._next = 0.0  # seconds of the run: what is to be played next
        self._skipped = 0.0  # of the scenario, because everybody had done everything
        self._played_to = -1.0  # in the scenario
        self._faults_on: list[str] = []
        self.number = 0  # of the stage, or of the level
        self.is_over = False

    # -- what others ask -----------------------------------------------------------------------------------------------

    @property
    def users_wanted(self) -> int | None:
        """For the coming second, over all processes; None: the run is over. Of a ramp it is what its line has half-way."""
        if self.is_over:
            return None
        if self._ascent:
            return self._ascent.users
        scenario, position = self._plan.scenario, self._position()
        border = next((begin for begin in begins_of(scenario) if begin > position), position)
        return users_at(scenario, self._plan.users, min(position + 0.5, (position + border) / 2))

    @property
    def seconds_left(self) -> float | None:
        """None: it depends on what the search finds."""
        if self.is_over:
            return 0.0
        return None if self._ascent else max(0.0, self._plan.scenario.seconds - self._position())

    @property
    def capacity(self) -> CapacityResult | None:
        """Of a search, so far."""
        return self._ascent.result if self._ascent else None

    def heard(self, worker: str, state: Message) -> None:
        """What that worker's player answered."""
        self._states[worker] = _State(int(state["live"]), int(state["done"]), int(state["stage"]))

    # -- playing -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until it is over, in a greenlet of its own."""
        while not self.is_over:
            gevent.sleep(max(0.0, self.step() - self._clock()))

    def step(self) -> float:
        """Play what is due by now; when to come again."""
        while not self.is_over and self.began_at + self._next <= self._clock():
            if self._ascent:
                self._climb(self._ascent, self._next)
            else:
                self._play(self._next)
        return self.began_at + self._next

    def end(self) -> None:
        """Now, whatever is left of the plan."""
        if not self.is_over:
            if self._ascent:
                self._ascent.stopped()
            self._finish(self._clock() - self.began_at)

    def _play(self, at: float) -> None:
        scenario, upsets = self._plan.scenario, []
        if self._is_all_done():
            self._skipped += begins_of(scenario)[self.number + 1] - (at + self._skipped)
        position = at + self._skipped
        due = happenings(scenario, after=self._played_to, until=position + HAIR)
        self._played_to = position + HAIR
        for happening in due:
            match happening.change:
                case Change.STAGE_BEGINS:
                    self.number = happening.stage
                    self._say("stage", number=self.number, name=scenario.stages[self.number].name)
                case Change.FAULTS_ON | Change.FAULTS_OFF:
                    self._turn(happening.faults, on=happening.change is Change.FAULTS_ON)
                case Change.UPSET_BEGINS | Change.UPSET_ENDS:
                    upsets.append(happening)
                case Change.END:
                    self._finish(at, upsets)
                    return
        following = next_happening(scenario, after=self._played_to) or math.inf
        self._next = min(math.floor(at + HAIR) + 1.0, at + following - position)
        # Constant until then, and what the ramp is half-way there, so that as much is sent as its line says.
        middle = position + (self._next - at) / 2
        rate = None if self._plan.rate is None else rate_at(scenario, self._plan.rate, middle)
        self._cue(at, rate, upsets)

    def _climb(self, ascent: Ascent, at: float) -> None:
        level = ascent.level
        judged = ascent.advance(at, sum(state.live for state in self._present().values()))
        if level and judged:
            self._say(
                "level",
                value=level.value,
                seconds=level.seconds,
                is_confirmation=level.is_confirmation,
                held=judged.held,
                valid=judged.valid,
                broken=list(judged.broken),
            )
        if ascent.level is None:
            self._finish(at)
            return
        self.number = len(ascent.result.tried)
        self._next = at + 1.0
        self._cue(at, ascent.rate)

    def _finish(self, at: float, upsets: Sequence[Happening] = ()) -> None:
        self.is_over = True
        if self.capacity is not None:
            self._say("search", result=to_plain(self.capacity))
        self._turn(tuple(self._faults_on), on=False)
        self._cue(at, 0.0, upsets)

    def _turn(self, faults: tuple[str, ...], *, on: bool) -> None:
        for fault in faults:
            (self._faults_on.append if on else self._faults_on.remove)(fault)
            if self._switch is not None:
                self._switch(fault, on)

    def _cue(self, at: float, rate: float | None, upsets: Sequence[Happening] = ()) -> None:
        workers = self._workers()
        counts = [self._struck(happening, workers) for happening in upsets]
        for index, worker in enumerate(workers):
            cue = {
                "now": self._clock() - self.began_at,
                "at": at,
                "stage": self.number,
                "rate": None if rate is None else rate / len(workers),
                "upsets": [
                    (upset.stage, upset.number, None if count is None else count[index])
                    for upset, count in zip(upsets, counts, strict=True)
                ],
                "over": self.is_over,
            }
            self._send(worker, cue)

    def _struck(self, happening: Happening, workers: Sequence[str]) -> list[int] | None:
        """How many sessions of each worker; at least one of all. None: it is over."""
        if happening.upset is None or happening.change is Change.UPSET_ENDS:
            return None
        live = [self._states.get(worker, _State()).live for worker in workers]
        total = max(1, math.floor(happening.upset.share * sum(live) + 0.5))
        return divided(total, live)

    def _present(self) -> dict[str, _State]:
        workers = self._workers()
        return {worker: state for worker, state in self._states.items() if worker in workers}

    def _is_all_done(self) -> bool:
        """The stage only waits for its end."""
        stage, began_at = self._plan.scenario.stages[self.number], begins_of(self._plan.scenario)[self.number]
        if stage.operations_per_user is None or stage.upsets or self._plan.rate is not None:
            return False
        if self._position() < began_at + stage.ramp + LEFT_OVER_FOR:
            return False
        done = sum(state.done for state in self._present().values() if state.stage == self.number)
        return 0 < (self.users_wanted or 0) <= done

    def _position(self) -> float:
        return self._clock() - self.began_at + self._skipped
