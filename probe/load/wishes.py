"""From what a person asked for, as he wrote it, to the plan of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from probe.load.plan import LoadPlan, Scenario, SearchBy, SearchPlan, Stage, Threshold
from probe.load.scenario import find_scenario, stretched
from probe.load.thresholds import read_threshold
from probe.model.errors import ConfigError
from probe.model.units import parse_duration, parse_rate

USERS = 10  # where neither the command nor the scenario says how many
DEBUGGED = 10.0  # seconds, of --debug-one
MOST_WORKERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was typed, as it was typed."""

    users: int | None = None
    rate: str | None = None
    duration: str | None = None
    scenario: str = "steady"
    workers: int = 1
    thresholds: Sequence[str] = ()
    abort_on_fail: bool = False
    find_capacity: str | None = None
    most: str | None = None
    debug_one: bool = False
    seed: int = 0
    replay: str | None = None
    speed: float = 1.0


def plan_of(
    wishes: Wishes, *, run: str, broker: str = "", url: str = "", dialect: Sequence[str] = ()
) -> LoadPlan:
    """
    Raises:
        ConfigError: one of the wishes cannot be.
    """
    scenario = _scenario(wishes)
    rate = None if wishes.rate is None else rate_of(wishes.rate, "--rate")
    users = wishes.users or scenario.users or USERS
    if wishes.debug_one:
        if wishes.workers > 1 or wishes.find_capacity or wishes.users not in (None, 1):
            raise ConfigError(
                "there is one user, in one process",
                where="--debug-one",
                next_step="Leave out --users, --workers and --find-capacity.",
            )
        users, rate = 1, None
    if wishes.replay is not None and (rate is not None or wishes.find_capacity):
        raise ConfigError(
            "a recording says itself what is due when",
            where="--replay",
            next_step="Leave out --rate and --find-capacity; --speed plays it faster.",
        )
    if wishes.replay is None and wishes.speed != 1:
        raise ConfigError(
            "it says how fast a recording is played", where="--speed", next_step="Add --replay FILE."
        )
    search = _search(wishes)
    if search is not None and not scenario.thresholds:
        raise ConfigError(
            "it does not say when a level has held",
            where="--find-capacity",
            next_step="Add a threshold, such as --threshold 'response p99 < 250ms'.",
        )
    if search is not None and search.by is SearchBy.RATE and rate is None:
        rate = search.begin
    return LoadPlan(
        run=run,
        broker=broker,
        url=url,
        users=users,
        rate=rate,
        scenario=scenario,
        search=search,
        replay=wishes.replay,
        replay_speed=wishes.speed,
        workers=wishes.workers,
        seed=wishes.seed,
        dialect=tuple(dialect),
    )


def rate_of(text: str, where: str) -> float:
    how = "Write it like 200/s or 30/min."
    if "/" not in text:
        raise ConfigError(f"{text!r} does not say per what", where=where, next_step=how)
    if text.lstrip().startswith("-"):
        raise ConfigError(f"{text!r} is less than nothing", where=where, next_step=how)
    rate = parse_rate(text, where=where)
    if rate <= 0:
        raise ConfigError(
            "nothing would be sent", where=where, next_step=f"{how} Without --rate each user asks on its own."
        )
    return rate


def _scenario(wishes: Wishes) -> Scenario:
    try:
        scenario = find_scenario(wishes.scenario)
    except ConfigError as problem:
        if problem.where.startswith("scenario"):
            problem.where = f"--{problem.where}"
        raise
    seconds = None if wishes.duration is None else parse_duration(wishes.duration, where="--duration")
    if wishes.debug_one:
        stage = Stage(name="One user", seconds=DEBUGGED)
        scenario = replace(scenario, stages=(stage,))
    if seconds is not None:
        if seconds <= 0:
            raise ConfigError(
                "it must be longer than nothing", where="--duration", next_step="For example --duration 30s."
            )
        scenario = stretched(scenario, seconds)
    return replace(scenario, thresholds=(*scenario.thresholds, *map(_threshold(wishes), wishes.thresholds)))


def _threshold(wishes: Wishes) -> Callable[[str], Threshold]:
    def read(text: str) -> Threshold:
        try:
            return replace(read_threshold(text), abort_on_fail=wishes.abort_on_fail)
        except ConfigError as problem:
            problem.where = f"--threshold {problem.where}".strip()
            raise

    return read


def _search(wishes: Wishes) -> SearchPlan | None:
    if wishes.find_capacity is None:
        if wishes.most is not None:
            raise ConfigError(
                "it bounds a search", where="--most", next_step="Add --find-capacity users or rate."
            )
        return None
    by = SearchBy(wishes.find_capacity)
    if wishes.most is None:
        raise ConfigError(
            "a search needs an end",
            where="--find-capacity",
            next_step=f"Say the most that may be tried: --most {'1000' if by is SearchBy.USERS else '2000/s'}.",
        )
    if by is SearchBy.RATE:
        return SearchPlan(by=by, most=rate_of(wishes.most, "--most"))
    if not wishes.most.isdecimal() or int(wishes.most) < 1:
        raise ConfigError(
            f"{wishes.most!r} is no number of users", where="--most", next_step="Write it like 1000."
        )
    return SearchPlan(by=by, most=float(wishes.most))
