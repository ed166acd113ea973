import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import settings
from loadtests.settings import Engine, RunSettings, by_hand, current, read, read_from, use, with_plan, written
from probe.load.plan import (
    LoadPlan,
    Measured,
    Scenario,
    SearchBy,
    SearchPlan,
    Stage,
    Threshold,
    Upset,
    UpsetKind,
)
from probe.load.wishes import Wishes
from probe.model.credentials import Credentials, Secret
from probe.model.errors import ConfigError

PLANTED = "PLANTED0123456789abcdefPLANTED"
FRAME = f'42["auth",{{"session":"{PLANTED}","isDemo":1,"uid":5,"platform":1}}]'
PLAN = LoadPlan(
    run="r1",
    broker="pocketoption",
    url="ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket",
    users=3,
    rate=None,
    scenario=Scenario(
        name="all",
        title="Everything that a plan can hold.",
        stages=(
            Stage(
                name="Storm",
                seconds=5.0,
                upsets=(Upset(kind=UpsetKind.DROP, share=0.5, seconds=None),),
                faults=("stall@2s",),
            ),
        ),
        operations={"balance": 1.0},
        symbols=("EURUSD_otc",),
        thresholds=(
            Threshold(
                measured=Measured.RESPONSE,
                quantile=0.99,
                is_most=True,
                limit=0.25,
                text="response p99 < 250ms",
            ),
        ),
    ),
    search=SearchPlan(by=SearchBy.RATE, most=100.0),
)
SETTINGS = RunSettings(
    plan=PLAN,
    engine=Engine(web="127.0.0.1:8089", expect_workers=2),
    credential=Secret(FRAME),
    simulator_key=Secret("k" * 32),
    declared=frozenset({"load.example", "other.example"}),
    owned=frozenset({"load.example"}),
    symbols=("EURUSD_otc",),
    simulated=True,
)


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    use(None)
    yield
    use(None)


def test_what_goes_into_the_pipe_comes_out_of_it() -> None:
    line = written(SETTINGS)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert read(line) == SETTINGS


def test_the_pipe_is_read_up_to_the_line_and_stays_open() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, written(SETTINGS))
    assert read_from(ours) == SETTINGS
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):  # neither an end nor anything more
        os.read(ours, 1)
    os.close(theirs)
    os.close(ours)


def test_a_pipe_that_ends_too_soon_is_told() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, written(SETTINGS)[:-1])
    os.close(theirs)
    with pytest.raises(ValueError, match="the pipe ended before the settings did"):
        read_from(ours)
    os.close(ours)


@pytest.mark.parametrize("place", ["plan", "engine"])
def test_what_another_version_wrote_is_refused(place: str) -> None:
    told = json.loads(written(SETTINGS))
    told[place]["of_tomorrow"] = 1
    with pytest.raises(ValueError, match="has no of_tomorrow"):
        read(json.dumps(told).encode())


def test_settings_show_no_secret() -> None:
    assert PLANTED not in repr(SETTINGS)
    assert PLANTED not in f"{SETTINGS}"


def test_the_credential_is_read_by_the_plans_broker() -> None:
    key = SETTINGS.key
    assert isinstance(key, Credentials)
    assert key.token.reveal() == PLANTED
    assert replace(SETTINGS, credential=None).key is None


def test_nothing_is_known_before_it_was_said() -> None:
    with pytest.raises(ConfigError, match="nothing says what to load"):
        current()
    use(SETTINGS)
    assert current() is SETTINGS


def test_a_worker_takes_its_masters_plan_and_keeps_its_own_credential() -> None:
    use(SETTINGS)
    other = replace(PLAN, run="r2")
    with_plan(other)
    assert current() == replace(SETTINGS, plan=other)


def test_by_hand_the_options_say_what_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOAD_SSID", FRAME)
    url = "ws://127.0.0.1:8001/socket.io/?EIO=4&transport=websocket"
    made = by_hand(
        target=url, ssid="env:LOAD_SSID", owned=["load.example"], wishes=Wishes(users=7, rate="20/s")
    )
    assert (made.plan.broker, made.plan.url, made.plan.users, made.plan.rate) == ("pocketoption", url, 7, 20)
    assert made.credential == Secret(FRAME)
    assert (sorted(made.declared), sorted(made.owned)) == ([], ["load.example"])


def test_by_hand_a_target_of_the_configuration_is_meant_with_what_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "probe.toml").write_text(
        '[targets.mine]\nbroker = "bingx"\nendpoints = ["ws://load.example:8000/market"]\nowned = true\nca = "own.pem"\nsymbols = ["BTC-USDT"]\n'
        '[targets.theirs]\nbroker = "bingx"\nendpoints = ["ws://other.example/market"]\n'
    )
    made = by_hand(target="mine")
    assert (made.plan.broker, made.plan.url) == ("bingx", "ws://load.example:8000/market")
    assert (sorted(made.declared), made.symbols) == (["load.example"], ("BTC-USDT",))
    assert made.ca_file is not None
    assert Path(made.ca_file).name == "own.pem"
    assert by_hand(target="mine", ca="other.pem").ca_file == "other.pem"


def test_by_hand_the_host_of_the_web_page_goes_before_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOAD_SSID", FRAME)
    there, here = (f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket" for port in (8001, 8002))
    assert by_hand(target=there, host=here, ssid="env:LOAD_SSID").plan.url == here


@pytest.mark.parametrize("target", ["sim", "sim:pocketoption"])
def test_by_hand_nobody_starts_a_simulator(target: str) -> None:
    with pytest.raises(ConfigError, match="Run `probe sim BROKER`"):
        by_hand(target=target)


def test_by_hand_something_has_to_be_said() -> None:
    with pytest.raises(ConfigError, match="nothing says what to load"):
        settings.by_hand(target=None)
