from collections.abc import Mapping

import pytest

from probe.measure.alert_rules import RULES, Rule
from probe.measure.alert_tuning import tuned
from probe.measure.records import Severity
from probe.model.errors import ConfigError


def rule(changes: Mapping[str, Mapping[str, object] | bool], name: str) -> Rule:
    return next(each for each in tuned(RULES, changes) if each.name == name)


def test_nothing_wanted_changes_nothing() -> None:
    assert tuned(RULES, {}) == RULES


def test_a_rule_is_tuned_and_clears_in_proportion() -> None:
    slow = rule({"slow_response": {"threshold": 2.0, "for": 30, "severity": "page"}}, "slow_response")
    assert (slow.threshold, slow.clears_at, slow.for_seconds, slow.severity) == (
        2.0,
        1.6,
        30.0,
        Severity.PAGE,
    )


@pytest.mark.parametrize("off", [False, {"enabled": False}])
def test_a_rule_can_be_switched_off(off: Mapping[str, object] | bool) -> None:
    left = {each.name for each in tuned(RULES, {"high_memory": off})}
    assert {each.name for each in RULES} - left == {"high_memory"}


@pytest.mark.parametrize("on", [True, {"enabled": True}, {}])
def test_a_rule_that_is_switched_on_stays_as_it_is(on: Mapping[str, object] | bool) -> None:
    assert tuned(RULES, {"high_memory": on}) == RULES


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"high_memroy": False},
            "alerts.rules: there is no alert rule 'high_memroy' (did you mean 'high_memory'?)",
        ),
        (
            {"high_memory": {"treshold": 5}},
            "alerts.rules.high_memory: an alert rule has no 'treshold' (did you mean 'threshold'?)",
        ),
        (
            {"high_memory": {"threshold": "5"}},
            "alerts.rules.high_memory.threshold: '5' is not a number from 0 on",
        ),
        (
            {"high_memory": {"threshold": True}},
            "alerts.rules.high_memory.threshold: True is not a number from 0 on",
        ),
        ({"high_memory": {"for": -1}}, "alerts.rules.high_memory.for: -1 is not a number from 0 on"),
        (
            {"high_memory": {"for": float("inf")}},
            "alerts.rules.high_memory.for: inf is not a number from 0 on",
        ),
        (
            {"high_memory": {"enabled": "no"}},
            "alerts.rules.high_memory.enabled: 'no' is neither true nor false",
        ),
        (
            {"high_memory": {"severity": "pages"}},
            "alerts.rules.high_memory.severity: 'pages' is no severity (did you mean 'page'?). "
            "There are page, ticket, warning, info.",
        ),
        (
            {"auth_rejected": {"threshold": 1}},
            "alerts.rules.auth_rejected.threshold: it is so or it is not: there is no threshold. Set for or severity.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_right_word(
    changes: Mapping[str, Mapping[str, object] | bool], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tuned(RULES, changes)
    assert str(caught.value) == sentence
