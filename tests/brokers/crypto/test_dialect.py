import pytest

from probe.brokers import find_broker
from probe.brokers.crypto.dialect import CHOICES, DEFAULT, Dialect
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.session.broker import SurveyPlan

PLAN = SurveyPlan(base="http://b.test", symbols=("BTC-USDT",), utc_at_zero=0.0)


def test_every_choice_has_a_value_of_its_own_and_a_reason() -> None:
    assert {choice.name for choice in CHOICES} == set(Dialect.__dataclass_fields__)
    assert all(choice.reason and choice.default == getattr(DEFAULT, choice.name) for choice in CHOICES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("health_path", "health"),
        ("health_path", "//evil.test/health"),
        ("health_path", "https://evil.test/health"),
        ("me_path", "/me now"),
        ("me_path", "/me?x=1"),
        ("me_path", "/me\r\nX: y"),
        ("cookie_name", "a b"),
        ("cookie_name", ""),
        ("requests_per_minute", "7"),
        ("requests_per_minute", "ten"),
        ("requests_per_minute", "٣٠"),
        ("snapshot_minutes", "0"),
        ("symbol_style", "dotted"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        find_broker("crypto").speaking({name: value})


def test_paths_are_free_and_reach_the_survey() -> None:
    broker = find_broker("crypto").speaking({"health_path": "/api/v1/health"})
    flow = broker.surveys["http"](PLAN).open(0.0)
    assert next(flow).url == "http://b.test/api/v1/health"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("budget", "symbols", "every"), [(10, 1, 15.0), (8, 1, 30.0), (10, 3, 15.0), (100, 3, 5.0)]
)
def test_the_market_is_asked_as_often_as_the_budget_allows(budget: int, symbols: int, every: float) -> None:
    assert Dialect(requests_per_minute=str(budget)).ticker_every(symbols) == every


def test_the_survey_says_how_often_a_symbol_has_a_new_price() -> None:
    broker = find_broker("crypto")
    plan = SurveyPlan(base="http://b.test", symbols=("A-B", "C-D"), utc_at_zero=0.0)
    assert (broker.rules.data_every, broker.surveys["https"](plan).rules.data_every) == (15.0, 30.0)
    assert broker.house.regions[0].account is Account.NONE
