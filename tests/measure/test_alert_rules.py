from dataclasses import fields
from pathlib import Path

import pytest

from probe.measure.alert_rules import AFTERMATH, RULES, Readings, Rule, Unit
from probe.model.units import format_duration

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
BY_NAME = {rule.name: rule for rule in RULES}


def condition(rule: Rule) -> str:
    readings = " and ".join(f"`{each}`" for each in rule.readings)
    if rule.unit is Unit.FLAG:
        return readings
    limit = f"{rule.threshold:g} × `{rule.times}`" if rule.times else rule.words(rule.threshold)
    text = f"{readings} {rule.comparison.value} {limit}".replace("± ", "±")
    if rule.clears_at is not None:
        text += f", until {rule.words(rule.clears_at)}"
    if rule.samples is not None:
        text += f"; from {rule.samples[1]:g} `{rule.samples[0]}`"
    return text


def row(rule: Rule) -> str:
    wait = Rule.words(BY_NAME["session_down"], rule.for_seconds) if rule.for_seconds else "–"
    silences = ", ".join(f"`{each}`" for each in sorted(rule.silences)) or "–"
    if rule.name == "uplink_down":
        silences = "every alert of a target, `notifications_failing`"
    over = format_duration(rule.clear_seconds)
    return f"| `{rule.name}` | {rule.severity.value} | {condition(rule)} | {wait} | {over} | {silences} |"


def table() -> str:
    head = "| alert | severity | while | for | over | silences |\n|---|---|---|---|---|---|\n"
    return head + "\n".join(map(row, RULES)) + "\n"


def test_the_page_shows_the_rules_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "| alert |" + page.partition("| alert |")[2].partition("\n\n")[0] + "\n" == table()


def test_no_two_rules_have_one_name() -> None:
    assert len(BY_NAME) == len(RULES)


def test_what_a_rule_silences_exists_and_is_not_itself() -> None:
    for rule in RULES:
        assert rule.silences <= set(BY_NAME) - {rule.name}


def test_no_two_rules_silence_each_other() -> None:
    pairs = {(rule.name, other) for rule in RULES for other in rule.silences}
    assert {(first, second) for first, second in pairs if (second, first) in pairs} == set()


@pytest.mark.parametrize(
    ("rule", "silenced"),
    [(rule, name) for rule in RULES for name in sorted(rule.silences)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_what_explains_another_outlasts_it(rule: Rule, silenced: str) -> None:
    assert rule.clear_seconds >= BY_NAME[silenced].clear_seconds + AFTERMATH


def test_a_rule_of_a_target_silences_nothing_of_the_monitor() -> None:
    of_monitor = {rule.name for rule in RULES if rule.of_monitor}
    assert [rule.name for rule in RULES if not rule.of_monitor and rule.silences & of_monitor] == []


def test_every_reading_is_read_by_a_rule() -> None:
    read = {each for rule in RULES for each in (*rule.readings, rule.times, rule.samples and rule.samples[0])}
    assert {each.name for each in fields(Readings)} - read == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_message_says_what_happened_and_what_to_do(rule: Rule) -> None:
    said = rule.says.format(figure="7", limit="5")
    assert ("7" in said) == (rule.unit is not Unit.FLAG)
    assert said[0].islower() or said[0] == "7"
    assert ". " not in said  # the first sentence is the title of what is delivered
    assert rule.advise.endswith(".")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("session_down", 0.123, "0.123 s"),
        ("session_down", 125.4, "2m5s"),
        ("certificate_expiring", 13.5 * 86400 + 5, "13d12h"),
        ("certificate_expiring", -30.0, "-30s"),
        ("clock_skewed", -2.5, "-2.5 s"),
        ("error_budget_burn_1h", 0.144, "14.4 %"),
        ("reconnect_storm", 21.0, "21"),
        ("high_memory", 512.3, "512 MB"),
    ],
)
def test_a_figure_carries_its_unit(name: str, value: float, words: str) -> None:
    assert BY_NAME[name].words(value) == words


def test_the_seed_of_four_is_there() -> None:
    assert {"high_error_rate", "slow_response", "connection_lost", "high_memory"} <= set(BY_NAME)


def test_what_is_infinite_was_not_measured() -> None:
    assert BY_NAME["tick_stale"].holds(Readings(tick_age_seconds=float("inf"))) is None
    burn = BY_NAME["error_budget_burn_1h"]
    full = Readings(bad_ratio_1h=1.0, bad_ratio_5m=1.0, observed_5m_seconds=300.0, error_budget=float("inf"))
    assert burn.holds(full) is None
