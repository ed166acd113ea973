from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import gevent
import pytest

from loadtests.conductor import ALONE, Conductor, Message, Player, common_start, divided
from probe.load.capacity import SearchEnd
from probe.load.figures import Figures, Generator, Requests
from probe.load.plan import LoadPlan, Scenario, SearchBy, SearchPlan, Stage, Upset, UpsetKind
from probe.load.scenario import BUILT_IN
from probe.load.thresholds import read_threshold
from probe.model.errors import ConfigError

HALF = Upset(kind=UpsetKind.LOST_PONG, share=0.5, at=2, seconds=3)
STORM = Upset(kind=UpsetKind.DROP, share=1 / 3, at=4)
STAGES = (
    Stage(name="Up", seconds=10, ramp=4, upsets=(HALF, STORM)),
    Stage(name="More", seconds=5, users=2, rate=1.5, faults=("delay",)),
)


def plan(*stages: Stage, **said: Any) -> LoadPlan:
    scenario = Scenario(name="made", title="Made for a test.", stages=stages or STAGES)
    told = {"run": "r", "broker": "pocketoption", "url": "ws://127.0.0.1:1", "users": 10, "rate": None}
    return LoadPlan(**told | {"scenario": scenario} | said)  # type: ignore[arg-type]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Process:
    """One that makes load: notes what it is told to do, and paces as it is told."""

    clock: Clock
    live: Sequence[object]
    stage: int = -1
    upsets: list[tuple[float, Upset, int | None]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)

    def enter(self, stage: int, at: float) -> None:
        self.stage = stage

    def upset(self, upset: Upset, count: int) -> int:
        self.upsets.append((self.clock.now - 1000, upset, count))
        return count

    def calm(self, upset: Upset) -> None:
        self.upsets.append((self.clock.now - 1000, upset, None))

    def pace(self, rate: float, at: float) -> None:
        self.rates.append((at - 1000, rate))

    def messages(self, until: float) -> float:
        """That these rates make."""
        ends = [at for at, _ in self.rates[1:]] + [until]
        return sum(rate * (end - at) for (at, rate), end in zip(self.rates, ends, strict=True))


class Run:
    """A conductor and its processes in a time of their own."""

    def __init__(self, made: LoadPlan, *live: int, done: int = 0, **said: Any) -> None:
        self.clock = Clock()
        self.said: list[tuple[float, str, dict[str, Any]]] = []
        self.turned: list[tuple[float, str, bool]] = []
        self.done = done
        self.cues: list[Message] = []
        counts = {f"worker-{number}": many for number, many in enumerate(live)} if live else {ALONE: 10}
        self.processes = {name: Process(self.clock, [object()] * many) for name, many in counts.items()}
        self.conductor = Conductor(
            made,
            clock=self.clock,
            send=self._send,
            say=lambda kind, **fields: self.said.append((self.passed, kind, fields)),
            workers=lambda: tuple(self.processes),
            switch=lambda fault, on: self.turned.append((self.passed, fault, on)),
            **said,
        )
        self.players = {
            name: Player(
                made,
                began_at=1000.0,
                sessions=process,
                pacer=process,
                recorder=process,
                answer=partial(self.conductor.heard, name),
                done=lambda: self.done,
            )
            for name, process in self.processes.items()
        }

    @property
    def passed(self) -> float:
        return round(self.clock.now - 1000, 6)

    def _send(self, worker: str, cue: Message) -> None:
        self.cues.append(cue)
        self.players[worker].receive(cue)

    def play(self, until: float = 1e9) -> "Run":
        wake = self.conductor.step()
        while not self.conductor.is_over and wake - 1000 <= until:
            self.clock.now = wake
            wake = self.conductor.step()
        return self

    @property
    def alone(self) -> Process:
        return self.processes[ALONE]


def test_stages_upsets_and_faults_come_when_the_scenario_says() -> None:
    run = Run(plan()).play()
    assert [(at, said["name"]) for at, kind, said in run.said if kind == "stage"] == [(0, "Up"), (10, "More")]
    assert run.alone.upsets == [(2, HALF, 5), (4, STORM, 3), (5, HALF, None)]
    assert run.turned == [(10, "delay", True), (15, "delay", False)]
    assert run.passed == 15


def test_every_border_is_met_once_however_crooked_it_is() -> None:
    stages = [Stage(name=str(number), seconds=(0.1, 0.7, 1 / 3, 1.1)[number % 4]) for number in range(200)]
    run = Run(plan(*stages)).play()
    assert [said["name"] for _, _, said in run.said] == [stage.name for stage in stages]
    assert len(run.cues) <= len(stages) + run.passed + 2


def test_players_know_the_stage_and_its_pace() -> None:
    made = plan(Stage(name="One", seconds=2), Stage(name="Two", seconds=2, pace=0.1, operations_per_user=7))
    run = Run(made).play(1)
    player = run.players[ALONE]
    assert (run.alone.stage, player.pace, player.operations_per_user, player.is_over) == (0, 1.0, None, False)
    run.play(3)
    assert (run.alone.stage, player.pace, player.operations_per_user, player.is_over) == (1, 0.1, 7, False)
    run.play()
    assert player.is_over


def test_users_wanted_follow_the_scenario_and_end_with_it() -> None:
    run = Run(plan())
    wanted = []
    for second in range(16):
        run.clock.now = 1000.0 + second
        run.conductor.step()
        wanted.append(run.conductor.users_wanted)
    assert wanted == [1, 4, 6, 9, *[10] * 6, *[20] * 5, None]


def test_as_many_messages_are_paced_as_the_scenarios_line_says() -> None:
    run = Run(plan(rate=40.0)).play()
    assert run.alone.messages(until=15) == pytest.approx(4 * 20 + 6 * 40 + 5 * 60)


def test_a_ramp_that_ends_within_a_second_is_exact_too() -> None:
    run = Run(plan(Stage(name="Up", seconds=3.9, ramp=2.5), rate=40.0)).play()
    assert run.alone.messages(until=3.9) == pytest.approx(2.5 * 20 + 1.4 * 40)


def test_a_rate_changes_when_it_should_have_although_nobody_had_time() -> None:
    run = Run(plan(rate=40.0)).play(2)
    run.clock.now = 1012.5  # the hub was busy
    run.play()
    assert [at for at, _ in run.alone.rates] == [*range(16)]
    assert run.alone.messages(until=15) == pytest.approx(4 * 20 + 6 * 40 + 5 * 60)


def test_workers_share_rate_and_upsets_and_nothing_is_lost_or_done_twice() -> None:
    run = Run(plan(rate=40.0), 7, 5, 1).play()
    made = [process.messages(until=15) for process in run.processes.values()]
    assert made == [pytest.approx(620 / 3)] * 3
    assert [process.upsets[0][2] for process in run.processes.values()] == [4, 3, 0]  # 7 of 13
    assert [process.upsets[1][2] for process in run.processes.values()] == [2, 2, 0]  # 4 of 13


def test_a_worker_that_has_gone_leaves_its_share_to_the_others() -> None:
    run = Run(plan(rate=40.0), 10, 10).play(8)
    del run.processes["worker-1"]
    run.play()
    assert run.processes["worker-0"].rates[-2] == (14, 60.0)


def test_an_upset_strikes_somebody_however_few_there_are() -> None:
    run = Run(plan(Stage(name="One", seconds=2, upsets=(replace(STORM, share=0.01, at=1),))), 2, 2).play()
    assert sum(count or 0 for process in run.processes.values() for _, _, count in process.upsets) == 1


@pytest.mark.parametrize(
    ("total", "by", "parts"),
    [(7, [1, 1, 1], [3, 2, 2]), (10, [6, 3, 1], [6, 3, 1]), (5, [9, 1], [5, 0]), (1, [0, 0], [0, 0]), (3, [], []), (0, [4], [0])],
)  # fmt: skip
def test_parts_add_up(total: int, by: list[float], parts: list[int]) -> None:
    assert divided(total, by) == parts


def test_workers_know_the_common_start_by_their_own_clock() -> None:
    run = Run(plan()).play(3)
    assert common_start(run.cues[-1], 77.0) == 74.0


def test_a_stage_whose_users_have_all_done_their_operations_gives_way_to_the_next() -> None:
    stages = (Stage(name="One", seconds=60, operations_per_user=5), Stage(name="Two", seconds=4))
    run = Run(plan(*stages)).play(20)
    assert [said["name"] for _, kind, said in run.said if kind == "stage"] == ["One"]
    run.done = 10
    run.play()
    assert [(at, said["name"]) for at, kind, said in run.said if kind == "stage"][1:] == [(22, "Two")]
    assert run.passed == 26


def test_a_stage_does_not_end_while_users_of_the_one_before_may_still_be_there() -> None:
    stages = (Stage(name="One", seconds=60, operations_per_user=5), Stage(name="Two", seconds=4))
    run = Run(plan(*stages), done=10).play()
    assert [(at, said["name"]) for at, kind, said in run.said if kind == "stage"] == [(0, "One"), (2, "Two")]


def test_the_last_stage_ends_with_its_time_though_operations_are_left() -> None:
    run = Run(plan(Stage(name="Load", seconds=30, operations_per_user=5)), done=0)
    run.done = 9
    assert run.play().passed == 30


def test_a_stage_with_upsets_is_played_to_its_end() -> None:
    made = plan(Stage(name="One", seconds=9, operations_per_user=5, upsets=(replace(STORM, at=8),)))
    assert Run(made, done=10).play().passed == 9


def test_who_ends_it_early_ends_it_everywhere() -> None:
    run = Run(plan(rate=40.0)).play(12)
    run.clock.now += 0.25
    run.conductor.end()
    assert run.turned == [(10, "delay", True), (12.25, "delay", False)]
    assert (run.conductor.users_wanted, run.conductor.seconds_left) == (None, 0)
    assert run.players[ALONE].is_over
    assert run.alone.rates[-1] == (12.25, 0.0)


@pytest.mark.parametrize("scenario", BUILT_IN.values(), ids=BUILT_IN)
def test_every_built_in_scenario_plays_to_its_end(scenario: Scenario) -> None:
    run = Run(plan(scenario=scenario, rate=50.0)).play()
    assert run.passed == pytest.approx(scenario.seconds)
    assert [said["name"] for _, _, said in run.said] == [stage.name for stage in scenario.stages]
    begun = [upset for _, upset, count in run.alone.upsets if count]
    assert begun == [upset for stage in scenario.stages for upset in stage.upsets]


def test_faults_without_a_simulator_of_the_run_are_refused() -> None:
    with pytest.raises(ConfigError, match="this run starts none"):
        Conductor(plan(), clock=Clock(), send=lambda worker, cue: None, say=lambda kind: None)


# -- looking for a capacity --------------------------------------------------------------------------------------------

SEARCH = SearchPlan(by=SearchBy.RATE, most=100.0, begin=10.0, window=5.0, settle=1.0, confirm=10.0)


def searching(made: LoadPlan, capacity: float) -> Run:
    def told(first: int, until: int) -> Figures | None:
        if run.passed < until + 1:
            return None
        rate = next(sum(process.rates[-1][1] for process in run.processes.values()) for _ in "1")
        balance = Requests(due=round(rate * (until - first)), answered=50)
        balance.response.add_all([0.01 if rate <= capacity else 0.9] * 50)
        return Figures(requests={"balance": balance}, generators={"one": Generator()})

    run = Run(made, 5, 5, told=told)
    return run


def with_threshold(**said: Any) -> LoadPlan:
    scenario = Scenario(
        name="made", title="", stages=(Stage(name="All", seconds=5),), thresholds=(read_threshold("response p99 < 250ms"),)
    )  # fmt: skip
    return plan(**{"scenario": scenario, "rate": 10.0, "search": SEARCH} | said)


def test_a_search_goes_up_and_down_over_the_workers_and_says_each_level() -> None:
    run = searching(with_threshold(), 55).play()
    assert [(said["value"], said["held"]) for _, kind, said in run.said if kind == "level"] == [
        (10, True), (20, True), (40, True), (80, False), (60, False), (50, True), (55, True), (55, True),
    ]  # fmt: skip
    result = run.conductor.capacity
    assert result is not None
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.FOUND, 55, 60)
    told = next(said["result"] for _, kind, said in run.said if kind == "search")
    assert (told["by"], told["highest_held"], told["end"]) == ("rate", 55, SearchEnd.FOUND.value)
    assert len(told["tried"]) == 8
    assert {process.rates[0] for process in run.processes.values()} == {(0, 5.0)}
    assert run.conductor.users_wanted is None


def test_each_level_of_a_search_has_a_number_of_its_own() -> None:
    run = searching(with_threshold(), 55).play()
    assert sorted({cue["stage"] for cue in run.cues}) == list(range(8))


def test_users_of_a_search_are_as_in_the_last_stage_and_never_run_out_of_operations() -> None:
    made = with_threshold()
    stages = (Stage(name="First", seconds=5), Stage(name="Last", seconds=5, pace=0.1, operations_per_user=3))
    run = searching(replace(made, scenario=replace(made.scenario, stages=stages)), 55).play(30)
    player = run.players["worker-0"]
    assert (player.pace, player.operations_per_user) == (0.1, None)


def test_a_search_that_is_ended_says_what_it_knew() -> None:
    run = searching(with_threshold(), 55).play(20)
    run.conductor.end()
    result = run.conductor.capacity
    assert result is not None
    assert (result.end, result.highest_held) == (SearchEnd.STOPPED, 20)


def test_a_search_without_thresholds_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not say when a level has held"):
        Run(plan(search=SEARCH))


# -- in real time ------------------------------------------------------------------------------------------------------


def test_a_greenlet_plays_it_in_real_time() -> None:
    from time import monotonic

    process, stages = Process(Clock(), []), (Stage(name="One", seconds=0.1), Stage(name="Two", seconds=0.1))
    conductor = Conductor(
        plan(*stages),
        clock=monotonic,
        send=lambda worker, cue: player.receive(cue),
        say=lambda kind, **fields: heard.append(fields["name"]),
    )
    heard: list[str] = []
    player = Player(
        plan(*stages),
        began_at=conductor.began_at,
        sessions=process,
        pacer=None,
        recorder=process,
        answer=lambda state: conductor.heard(ALONE, state),
    )
    gevent.spawn(conductor.run).get(timeout=10)
    assert heard == ["One", "Two"]
    assert monotonic() - conductor.began_at >= 0.2
