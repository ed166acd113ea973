from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.load.plan import LASTING, Scenario, Stage, Threshold, Upset, UpsetKind
from probe.load.scenario import BUILT_IN, find_scenario, read_scenario, stretched, write_scenario
from probe.load.seed import OPERATIONS, LoadTestConfig
from probe.load.thresholds import read_threshold
from probe.model.errors import ConfigError

WHOLE = """
name = "evening"
title = "As on a busy evening."
users = 50
pace = "500ms"
persistent = false
trading = true
symbols = ["EURUSD_otc", "GBPUSD_otc"]
thresholds = ["response p99 < 250ms", { check = "connect-success >= 99%", abort_on_fail = true, grace = "10s" }]

[operations]
balance = 3
place_order = 0.5

[[stages]]
name = "Come in"
duration = "1m30s"
ramp = "20s"
users = "1/3"

[[stages]]
name = "Trouble"
duration = 45
users = "150%"
rate = 0.5
pace = "250ms"
operations_per_user = 10
faults = ["delay:seconds=1"]

[[stages.upsets]]
kind = "slow-reader"
share = "20%"
at = "5s"
duration = "20s"
speed = "1KiB/s"

[[stages.upsets]]
kind = "drop"
at = 10
jitter = "5s"
"""
STAGE = '[[stages]]\nname = "One"\nduration = "1m"\n'


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read_scenario(text, where="mine.toml")
    return str(refused.value)


def test_everything_is_read_as_people_write_it() -> None:
    assert read_scenario(WHOLE, where="mine.toml") == Scenario(
        name="evening",
        title="As on a busy evening.",
        users=50,
        pace=0.5,
        persistent=False,
        trading=True,
        symbols=("EURUSD_otc", "GBPUSD_otc"),
        thresholds=(
            read_threshold("response p99 < 250ms"),
            _aborting("connect-success >= 99%", grace=10.0),
        ),
        operations={"balance": 3.0, "place_order": 0.5},
        stages=(
            Stage(name="Come in", seconds=90.0, ramp=20.0, users=1 / 3),
            Stage(
                name="Trouble",
                seconds=45.0,
                users=1.5,
                rate=0.5,
                pace=0.25,
                operations_per_user=10,
                faults=("delay:seconds=1",),
                upsets=(
                    Upset(
                        kind=UpsetKind.SLOW_READER, share=0.2, at=5.0, seconds=20.0, bytes_per_second=1024.0
                    ),
                    Upset(kind=UpsetKind.DROP, at=10.0, jitter=5.0),
                ),
            ),
        ),
    )


def _aborting(text: str, *, grace: float) -> Threshold:
    return replace(read_threshold(text), abort_on_fail=True, grace=grace)


def test_what_is_not_said_is_as_usual_and_the_name_is_the_files() -> None:
    read = read_scenario(STAGE, where="some/where/mine.toml")
    assert read == Scenario(name="mine", title="mine", stages=(Stage(name="One", seconds=60.0),))


def test_the_seeds_settings_stand_in_a_table_of_their_own() -> None:
    text = 'title = "Mine"\n[config]\nconcurrent_clients = 3\nstress_mode = true\n'
    read, made = (
        read_scenario(text, where="mine.toml"),
        LoadTestConfig(concurrent_clients=3, stress_mode=True),
    )
    assert (read.stages, read.users, read.title) == (made.scenario().stages, 3, "Mine")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", "mine.toml: this is not TOML: invalid value (at end of document)"),
        ("a = " + "[" * 5000, "mine.toml: this is not TOML: it is nested too deeply"),
        ("", "mine.toml: it has no stages. Begin one with [[stages]], a name and a duration."),
        ("stages = []", "mine.toml: stages: it is empty."),
        ("stages = 1", "mine.toml: stages: this is a number, not a list."),
        ("stages = [1]", "mine.toml: stages[1]: this is a number, not a table."),
        ("[[stage]]", "mine.toml: 'stage' is unknown (did you mean 'stages'?). There are: name, title"),
        ("[[stages]]\nnmae = 'a'", "mine.toml: stages[1]: 'nmae' is unknown (did you mean 'name'?)"),
        ("[[stages]]\nname = 'a'\nseconds = 1", "mine.toml: stages[1]: 'seconds' is unknown (did you mean 'duration'?)"),
        ("[[stages]]\nname = 'a'", "mine.toml: stages[1]: 'duration' is missing. Add it: how long it takes."),
        ("[[stages]]\nname = ''\nduration = 1", "mine.toml: stages[1].name: this is empty, too long, or"),
        (STAGE + "users = -1", "mine.toml: stages[1].users: -100% is out of range. It is from 0% to 10,000%."),
        (STAGE + "users = 'many'", "mine.toml: stages[1].users: this is not a share. Write it like"),
        (STAGE + "users = '1/0'", "mine.toml: stages[1].users: this is not a share. Write it like"),
        (STAGE + "users = true", "mine.toml: stages[1].users: this is true or false, not a share."),
        (STAGE + "rate = '-20%'", "mine.toml: stages[1].rate: this is not a share."),
        (STAGE + "rate = nan", "mine.toml: stages[1].rate: this is no number that can be counted with."),
        (STAGE + "pace = inf", "mine.toml: stages[1].pace: this is no number that can be counted with."),
        (STAGE + "pace = 1979-05-27", "mine.toml: stages[1].pace: this is a date or time, not a duration."),
        (STAGE + "ramp = '2m'", "mine.toml: stages[1].ramp: it is longer than the stage, 1m."),
        (STAGE + "ramp = 'soon'", "mine.toml: stages[1].ramp: 'soon' is not a duration. Write it like 20s"),
        (STAGE + "operations_per_user = 0", "mine.toml: stages[1].operations_per_user: 0 is out of range."),
        (STAGE + "operations_per_user = 1.5", "mine.toml: stages[1].operations_per_user: this is not a whole number."),
        (STAGE + "faults = 'freeze'", "mine.toml: stages[1].faults: this is text, not a list."),
        (STAGE.replace("1m", "0s"), "mine.toml: stages[1].duration: 0s is out of range. It is from 100ms to 7d."),
        (STAGE + "upsets = [{}]", "mine.toml: stages[1].upsets[1]: 'kind' is missing."),
        (STAGE + "upsets = [{kind = 'half_opne'}]", "mine.toml: stages[1].upsets[1].kind: there is no such upset (did you mean 'half-open'?)"),
        (STAGE + "upsets = [{kind = 'drop', share = '120%'}]", "mine.toml: stages[1].upsets[1].share: 120% is out of range."),
        (STAGE + "upsets = [{kind = 'drop', share = 0}]", "mine.toml: stages[1].upsets[1].share: 0% is out of range."),
        (STAGE + "upsets = [{kind = 'drop', at = '1m'}]", "mine.toml: stages[1].upsets[1]: it goes on after the stage is over, which lasts 1m."),
        (STAGE + "upsets = [{kind = 'lost-pong', at = 30, duration = 31}]", "mine.toml: stages[1].upsets[1]: it goes on after the stage is over"),
        (STAGE + "upsets = [{kind = 'drop', duration = 1}]", "mine.toml: stages[1].upsets[1].duration: drop is over at once."),
        (STAGE + "upsets = [{kind = 'slow-reader'}]", "mine.toml: stages[1].upsets[1].speed: a slow reader needs it."),
        (STAGE + "upsets = [{kind = 'drop', speed = 1}]", "mine.toml: stages[1].upsets[1].speed: it is for slow-reader only."),
        (STAGE + "upsets = [{kind = 'slow-reader', speed = '-1/s'}]", "mine.toml: stages[1].upsets[1].speed: '-1/s' is not a rate."),
        ("[operations]\nblance = 1\n" + STAGE, "mine.toml: operations: 'blance' is unknown (did you mean 'balance'?)"),
        ("[operations]\nbalance = 0\n" + STAGE, "mine.toml: operations.balance: 0 is out of range."),
        ("[operations]\nplace_order = 1\n" + STAGE, "mine.toml: operations.place_order: orders are only given where trading = true"),
        ("thresholds = ['respons p99 < 1s']\n" + STAGE, "mine.toml: thresholds[1]: 'respons p99 < 1s': nothing is measured"),
        ("thresholds = [{ check = 'response p99 < 1s', grcae = 1 }]\n" + STAGE, "mine.toml: thresholds[1]: 'grcae' is unknown (did you mean 'grace'?)"),
        ("users = 0\n" + STAGE, "mine.toml: users: 0 is out of range."),
        ("users = 1" + "0" * 400 + "\n" + STAGE, "mine.toml: users: this is no number that can be counted with."),
        ("[config]\n" + STAGE, "mine.toml: stages and [config] both stand here."),
        ("[config]\nconcurrent_client = 1", "mine.toml: config: 'concurrent_client' is unknown (did you mean 'concurrent_clients'?)"),
        ("[config]\noperation_delay = -1", "mine.toml: config.operation_delay: this is no number that it can be. It is from 0 to 3,600."),
        ("config = 1", "mine.toml: config: this is a number, not a table."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_key_and_what_was_probably_meant(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


@pytest.mark.parametrize("scenario", BUILT_IN.values(), ids=BUILT_IN)
def test_what_is_built_in_can_be_written_and_read_back(scenario: Scenario) -> None:
    assert read_scenario(write_scenario(scenario), where="mine.toml") == scenario


def test_what_was_written_says_nothing_that_is_as_usual() -> None:
    assert write_scenario(read_scenario(STAGE, where="mine.toml")) == (
        'name = "mine"\ntitle = "mine"\n\n[[stages]]\nname = "One"\nduration = "1m"\n'
    )


names = st.text("abc äß\"'\\[]#\t", min_size=1, max_size=9).filter(
    lambda text: text.strip() and text.isprintable()
)
shares = st.floats(0, 100) | st.sampled_from([0.1, 1 / 3, 0.5, 1.0])


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    seconds = draw(st.floats(0.1, 100_000))
    at = draw(st.floats(0, 0.9)) * seconds
    kind = draw(st.sampled_from(UpsetKind))
    upset = Upset(
        kind=kind,
        share=draw(st.floats(0.001, 1)),
        at=at,
        seconds=(seconds - at) / 2 if kind in LASTING and draw(st.booleans()) else None,
        jitter=draw(st.floats(0, 3600)),
        bytes_per_second=draw(st.floats(1, 1e9)) if kind is UpsetKind.SLOW_READER else None,
    )
    return Stage(
        name=draw(names),
        seconds=seconds,
        users=draw(shares),
        ramp=draw(st.floats(0, 1)) * seconds,
        rate=draw(shares),
        pace=draw(st.none() | st.floats(0, 3600)),
        operations_per_user=draw(st.none() | st.integers(1, 10**9)),
        upsets=draw(st.sampled_from([(), (upset,), (upset, upset)])),
        faults=draw(st.sampled_from([(), ("freeze",), ('delay:seconds="1"', "äh")])),
    )


scenarios = st.builds(
    Scenario,
    name=names,
    title=names,
    stages=st.lists(stages(), min_size=1, max_size=4).map(tuple),
    users=st.none() | st.integers(1, 10**7),
    operations=st.dictionaries(st.sampled_from(OPERATIONS), st.floats(0.001, 1e6)),
    symbols=st.lists(names, max_size=3).map(tuple),
    pace=st.floats(0, 3600),
    persistent=st.booleans(),
    trading=st.booleans(),
    thresholds=st.sampled_from([(), (read_threshold("response p99 < 1s"),), (_aborting("answered >= 99%", grace=2),)]),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(scenarios)
def test_any_scenario_can_be_written_and_read_back(scenario: Scenario) -> None:
    assert read_scenario(write_scenario(scenario), where="mine.toml") == scenario


def test_a_scenario_is_found_by_its_name_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(STAGE)
    assert find_scenario("spike") is BUILT_IN["spike"]
    assert find_scenario(str(file)).stages == (Stage(name="One", seconds=60.0),)


def test_what_is_not_found_is_told_with_a_near_miss(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"scenario 'reconect_storm': .* \(did you mean 'reconnect-storm'\?\)"
    ):
        find_scenario("reconect_storm")
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such file"):
        find_scenario(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff", "this is not UTF-8"), (b"#" * 1024 * 1025, "larger than 1 MiB")]
)
def test_a_file_that_cannot_be_a_scenario_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        find_scenario(str(file))


def test_stretching_keeps_the_picture() -> None:
    half = stretched(BUILT_IN["reconnect-storm"], 37.5)
    assert [(each.seconds, each.ramp) for each in half.stages] == [(7.5, 2.5), (15.0, 0.0), (15.0, 0.0)]
    assert [(each.at, each.jitter) for stage in half.stages for each in stage.upsets] == [
        (2.5, 0),
        (2.5, 5.0),
    ]


def test_a_ramp_as_long_as_its_stage_stays_that_to_the_last_digit() -> None:
    for seconds in (7, 11, 13, 20, 33):
        made = stretched(BUILT_IN["steady"], seconds)
        assert read_scenario(write_scenario(made), where="mine.toml") == made


def test_a_stage_stays_at_least_a_second_and_the_others_give_way() -> None:
    assert [each.seconds for each in stretched(BUILT_IN["soak"], 11).stages] == [1.0, 10.0]


def test_what_is_too_short_for_its_stages_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"3s is too short for the 5 stages of 'stairs'. Make it 5s or longer"
    ):
        stretched(BUILT_IN["stairs"], 3)


@settings(max_examples=25, deadline=None)
@given(scenarios, st.floats(10, 1e6))
def test_what_is_stretched_lasts_as_long_as_was_asked_and_can_still_be_written(
    scenario: Scenario, seconds: float
) -> None:
    made = stretched(scenario, seconds)
    assert made.seconds == pytest.approx(seconds)
    assert [each.name for each in made.stages] == [each.name for each in scenario.stages]
    assert all(each.ramp <= each.seconds for each in made.stages)


def test_every_upset_has_a_scenario_that_shows_it() -> None:
    shown = {upset.kind for each in BUILT_IN.values() for stage in each.stages for upset in stage.upsets}
    assert shown == set(UpsetKind)
