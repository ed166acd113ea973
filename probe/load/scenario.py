"""The scenarios there are, and how one is found, read, written and stretched."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from probe.load.plan import Scenario, Stage, Upset, UpsetKind
from probe.load.scenario_file import read_scenario, write_scenario
from probe.load.seed import OPERATIONS, LoadTestConfig
from probe.model.errors import ConfigError, near_miss
from probe.model.units import format_duration

__all__ = ["BUILT_IN", "find_scenario", "read_scenario", "stretched", "write_scenario"]

LARGEST_FILE = 1024 * 1024
SHORTEST_STAGE = 1.0
_ALL_EQUALLY = dict.fromkeys(OPERATIONS, 1.0)
_SETTLE = Stage(name="Settle", seconds=15, ramp=5)


def _scenario(name: str, title: str, *stages: Stage) -> Scenario:
    return Scenario(name=name, title=title, stages=stages, operations=_ALL_EQUALLY)


def _upset(name: str, title: str, *stages: tuple[str, float, Sequence[Upset]]) -> Scenario:
    after = (Stage(name=each, seconds=seconds, upsets=tuple(upsets)) for each, seconds, upsets in stages)
    return _scenario(name, title, _SETTLE, *after)


# A session whose heartbeat is not heard is given up after 25 + 20 s by servers with the usual settings of Engine.IO, so that what
# withholds something lasts a minute.
_SCENARIOS = (
    _scenario(
        "steady",
        "The same load all the time.",
        Stage(name="Ramp Up", seconds=5, ramp=5),
        Stage(name="Steady", seconds=55),
    ),
    _scenario(
        "stairs",
        "Five equal steps up, each long enough to see what it costs.",
        *(
            Stage(name=f"Step {step}", seconds=20, ramp=2, users=step / 5, rate=step / 5)
            for step in range(1, 6)
        ),
    ),
    _scenario(
        "spike",
        "Five times as many within a second, and whether everything is as before afterwards.",
        Stage(name="Before", seconds=20, ramp=2, users=0.2, rate=0.2),
        Stage(name="Spike", seconds=20, ramp=1),
        Stage(name="After", seconds=20, ramp=1, users=0.2, rate=0.2),
    ),
    _scenario(
        "soak",
        "The same load for an hour, for what grows, leaks or ends by itself.",
        Stage(name="Ramp Up", seconds=30, ramp=30),
        Stage(name="Soak", seconds=3570),
    ),
    LoadTestConfig(stress_mode=True).scenario(),
    _upset(
        "reconnect-storm",
        "Half of the sessions are cut: once all come back at once, once spread over ten seconds.",
        ("Storm at once", 30, [Upset(kind=UpsetKind.DROP, share=0.5, at=5)]),
        ("Storm with jitter", 30, [Upset(kind=UpsetKind.DROP, share=0.5, at=5, jitter=10)]),
    ),
    _upset(
        "slow-reader",
        "A fifth of the sessions reads next to nothing: whether the server holds back without end, and what the others notice.",
        ("Slow readers", 60, [Upset(kind=UpsetKind.SLOW_READER, share=0.2, at=5, bytes_per_second=100)]),
        ("Afterwards", 30, []),
    ),
    _upset(
        "half-open",
        "A fifth of the connections goes silent without being closed: how soon the server gives them up.",
        ("Half-open", 60, [Upset(kind=UpsetKind.HALF_OPEN, share=0.2, at=5)]),
        ("Afterwards", 30, []),
    ),
    _upset(
        "lost-pong",
        "A fifth of the sessions no longer answers heartbeats: the server must end these, and only these.",
        ("No pongs", 60, [Upset(kind=UpsetKind.LOST_PONG, share=0.2, at=5)]),
        ("Afterwards", 30, []),
    ),
    _upset(
        "auth-expiry",
        "The login of half of the sessions is no longer valid in mid-session; they get a new one.",
        ("Expired", 30, [Upset(kind=UpsetKind.AUTH_EXPIRY, share=0.5, at=5, jitter=2)]),
        ("Afterwards", 15, []),
    ),
    _upset(
        "subscribe-flood",
        "All sessions ask for every symbol at once, as pages do that were opened again.",
        ("Flood", 30, [Upset(kind=UpsetKind.SUBSCRIBE_FLOOD, at=5)]),
        ("Afterwards", 15, []),
    ),
)
BUILT_IN: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _SCENARIOS}


def find_scenario(named: str) -> Scenario:
    """One of ours by its name, or the one in a file.

    Raises:
        ConfigError: there is no such scenario, or its file is wrong.
    """
    if named in BUILT_IN:
        return BUILT_IN[named]
    path = Path(named)
    if path.suffix == ".toml" or path.is_file():
        return read_scenario(_content(path), where=named)
    raise ConfigError(
        "there is no such scenario",
        where=f"scenario {named!r}" if len(named) < 100 else "scenario",
        suggestion=near_miss(named.lower().replace("_", "-"), BUILT_IN) or "",
        next_step=f"There are: {', '.join(BUILT_IN)}; or give a file that ends with .toml.",
    )


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            raise ConfigError("there is no such file", where=str(path), next_step="Check its path.")
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(
                "it is larger than 1 MiB", where=str(path), next_step="It is hardly a scenario."
            )
        return path.read_text("utf-8-sig")
    except OSError as problem:
        raise ConfigError(
            f"it cannot be read ({problem.strerror})",
            where=str(path),
            next_step="Check the path and its permissions.",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("this is not UTF-8", where=str(path), next_step="Save it as UTF-8.") from None


def stretched(scenario: Scenario, seconds: float) -> Scenario:
    """The same picture in another time; but no stage is shorter than a second, unless it was before.

    Raises:
        ConfigError: there is not a second for each stage.
    """
    least = [min(SHORTEST_STAGE, stage.seconds) for stage in scenario.stages]
    if seconds < sum(least):
        raise ConfigError(
            f"{format_duration(seconds)} is too short for the {len(least)} stages of {scenario.name!r}",
            where="duration",
            next_step=f"Make it {format_duration(sum(least))} or longer.",
        )
    shortened: set[int] = set()
    while True:
        rest = seconds - sum(least[number] for number in shortened)
        whole = sum(stage.seconds for number, stage in enumerate(scenario.stages) if number not in shortened)
        lasts = [
            least[number] if number in shortened else stage.seconds * rest / whole
            for number, stage in enumerate(scenario.stages)
        ]
        too_short = {number for number, long in enumerate(lasts) if long < least[number] - 1e-9}
        if not too_short:
            return replace(scenario, stages=tuple(map(_lasting, scenario.stages, lasts)))
        shortened |= too_short


def _lasting(stage: Stage, seconds: float) -> Stage:
    by = seconds / stage.seconds
    upsets = (
        replace(
            upset,
            at=upset.at * by,
            seconds=None if upset.seconds is None else upset.seconds * by,
            jitter=upset.jitter * by,
        )
        for upset in stage.upsets
    )
    return replace(stage, seconds=seconds, ramp=min(seconds, stage.ramp * by), upsets=tuple(upsets))
