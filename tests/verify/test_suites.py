"""The suites against simulated brokers that are well."""

import pytest

from probe.brokers import all_brokers
from probe.verify.model import Group, Need, Outcome
from probe.verify.run import Plan, chosen_trials, verify
from probe.verify.suites import SUITES, find_suite
from tests.verify.subjects import simulated, tried

PHASES = (
    "Basic Connectivity",
    "SSID Format Compatibility",
    "Persistent Connection Integration",
    "Keep-Alive Functionality",
    "Monitoring Integration",
    "Multi-Client Operations",
    "Error Recovery",
    "Performance Under Load",
    "Data Consistency",
    "Long-Running Stability",
)
ADVANCED = (
    "Connection Stress Test",
    "Concurrent Operations Test",
    "Data Consistency Test",
    "Error Handling Test",
    "Performance Benchmarks",
    "Memory Usage Test",
    "Network Resilience Test",
    "Long-Running Session Test",
    "Multi-Asset Operations Test",
    "Rapid Trading Simulation",
)
BROKERS = [broker.name for broker in all_brokers()]
QUICK = (
    "Basic Connectivity",
    "SSID Format Compatibility",
    "Keep-Alive Functionality",
    "Error Recovery",
    "Data Consistency Test",
    "Error Handling Test",
    "Rapid Trading Simulation",
)
TRADES = ("pocketoption", "quotex")


def test_the_public_phases_and_tests_are_there_by_their_names_and_in_their_order() -> None:
    assert tuple(trial.name for trial in find_suite("integration").trials) == PHASES
    assert tuple(trial.name for trial in find_suite("advanced").trials) == ADVANCED


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_says_what_it_promises_in_a_sentence_and_no_two_have_one_name(suite: str) -> None:
    trials = find_suite(suite).trials
    assert [each.name for each in trials if not each.promise.endswith(".")] == []
    assert len({(each.name, each.broker) for each in trials}) == len(trials)


def test_every_group_has_tests() -> None:
    found = {trial.group for name in ("integration", "advanced") for trial in find_suite(name).trials}
    assert found == set(Group)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("name", QUICK)
def test_a_broker_that_is_well_keeps_its_promises(broker: str, name: str) -> None:
    result = tried(broker, name)
    is_about_orders = name == "Rapid Trading Simulation"
    expected = Outcome.SKIPPED if is_about_orders and broker not in TRADES else Outcome.PASSED
    assert (result.outcome, result.causes) == (expected, ()), result.evidence.words
    assert result.pretended
    assert result.evidence.words


@pytest.mark.long
@pytest.mark.patient
@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_that_is_well_passes_every_suite_within_four_minutes(broker: str) -> None:
    verified = verify(simulated(broker), Plan(), lambda *_: None)
    assert verified.of(Outcome.FAILED, Outcome.ERROR) == []
    assert len(verified.results) == len(chosen_trials(Plan(), broker))
    reasons = {each.trial.name for each in verified.of(Outcome.SKIPPED) if not each.evidence.words}
    assert reasons == set()
    assert sum(each.taken_seconds for each in verified.results) < 240


@pytest.mark.parametrize("broker", TRADES)
def test_simulated_orders_are_settled_and_booked(broker: str) -> None:
    figures = tried(broker, "Rapid Trading").evidence.figures
    ends = [figures[name] for name in ("won", "lost", "draw")]
    assert sum(int(each or 0) for each in ends) == figures["orders"] == 20
    assert "0" not in (str(figures["won"]), str(figures["lost"]))


def test_times_are_measured_under_their_public_names() -> None:
    times = tried("pocketoption", "Performance Benchmarks").evidence.figures
    assert {
        "connection_time",
        "avg_balance_time",
        "candles_retrieval_time",
        "avg_message_time",
    } <= times.keys()


def test_growth_of_memory_is_measured() -> None:
    figures = tried("bingx", "Memory Usage").evidence.figures
    assert figures["iterations"] == 50
    assert isinstance(figures["memory_growth_megabytes"], float)


def test_only_tests_of_a_simulator_may_open_several_sessions_with_one_credential() -> None:
    several = (
        "Multi-Client Operations",
        "Performance Under Load",
        "Data Consistency",
        "Connection Stress Test",
        "Memory Usage Test",
    )
    needs = {trial.name: trial.needs for name in SUITES for trial in find_suite(name).trials}
    assert [name for name in several if Need.SIMULATOR not in needs[name]] == []
