import pytest

from probe.load.plan import Stage
from probe.load.seed import OPERATIONS, TRADING_OPERATIONS, LoadTestConfig
from probe.model.errors import ConfigError


def test_seven_fields_with_the_seeds_names_and_defaults() -> None:
    assert LoadTestConfig() == LoadTestConfig(
        concurrent_clients=5,
        operations_per_client=20,
        operation_delay=1.0,
        test_duration_minutes=5,
        use_persistent_connection=True,
        include_trading_operations=False,
        stress_mode=False,
    )


def test_each_field_has_its_effect() -> None:
    scenario = LoadTestConfig(
        concurrent_clients=7,
        operations_per_client=3,
        operation_delay=0.5,
        test_duration_minutes=0.5,
        use_persistent_connection=False,
        include_trading_operations=True,
    ).scenario()
    assert scenario.users == 7
    assert scenario.stages == (Stage(name="Load", seconds=30.0, operations_per_user=3),)
    assert (scenario.pace, scenario.persistent, scenario.trading) == (0.5, False, True)
    assert tuple(scenario.operations) == (*OPERATIONS, *TRADING_OPERATIONS)


def test_without_trading_no_order_is_among_the_operations() -> None:
    scenario = LoadTestConfig().scenario()
    assert tuple(scenario.operations) == ("balance", "candles", "ping", "market_data")
    assert (scenario.persistent, scenario.trading) == (True, False)


def test_stress_goes_through_the_four_stages_with_half_the_operations_each() -> None:
    stages = LoadTestConfig(stress_mode=True).scenario().stages
    assert [
        (each.name, each.users, each.pace, each.operations_per_user, each.seconds) for each in stages
    ] == [
        ("Ramp Up", 1 / 3, 0.1, 10, 60),
        ("Peak", 1, 0.05, 10, 60),
        ("Extreme", 2, 0.01, 10, 60),
        ("Cool Down", 1 / 2, 0.5, 10, 60),
    ]


def test_stress_ends_with_the_duration_and_paces_by_the_delay() -> None:
    scenario = LoadTestConfig(
        stress_mode=True, test_duration_minutes=2, operation_delay=2, operations_per_client=5
    ).scenario()
    assert scenario.seconds == 120
    assert [each.pace for each in scenario.stages] == [0.2, 0.1, 0.02, 1.0]
    assert {each.operations_per_user for each in scenario.stages} == {3}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"concurrent_clients": -1}, "concurrent_clients: this is no whole number that it can be"),
        ({"concurrent_clients": 2.5}, "concurrent_clients: this is no whole number that it can be"),
        ({"operations_per_client": True}, "operations_per_client: this is no whole number that it can be"),
        ({"operation_delay": float("nan")}, "operation_delay: this is no number that it can be"),
        ({"test_duration_minutes": "5"}, "test_duration_minutes: this is no number that it can be"),
        ({"stress_mode": 1}, "stress_mode: this is not true or false"),
    ],
)
def test_what_cannot_be_is_told_by_the_fields_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        LoadTestConfig(**wrong)  # type: ignore[arg-type]
    assert str(refused.value).startswith(said)
