"""docs/load-scenarios.md names everything that can be written, and its example runs."""

from probe.faults.catalogue import FAULTS
from probe.faults.grammar import parse_fault
from probe.load.plan import Scenario, UpsetKind
from probe.load.scenario import BUILT_IN, find_scenario
from probe.load.scenario_file import KNOWN_OPERATIONS
from probe.load.seed import LoadTestConfig
from probe.load.shapes import happenings
from tests.docs.load_scenarios import CONFIG, EXAMPLE, OPERATIONS, PAGE, UPSETS


def example() -> Scenario:
    return find_scenario(str(EXAMPLE))


def test_the_example_is_a_scenario_whose_faults_the_simulator_has() -> None:
    assert [stage.name for stage in example().stages] == ["Morning", "Opening", "Afternoon"]
    for stage in example().stages:
        for fault in stage.faults:
            assert parse_fault(fault, FAULTS).spec.name == "delay"


def test_everything_in_the_example_happens() -> None:
    told = [(each.at, each.change.name) for each in happenings(example(), after=-1, until=80)]
    assert told == [
        (0, "STAGE_BEGINS"),
        (20, "STAGE_BEGINS"),
        (20, "FAULTS_ON"),
        (40, "UPSET_BEGINS"),
        (60, "FAULTS_OFF"),
        (60, "STAGE_BEGINS"),
        (80, "END"),
    ]


def test_every_operation_upset_field_and_scenario_has_its_line() -> None:
    assert set(OPERATIONS) == set(KNOWN_OPERATIONS)
    assert set(CONFIG) == set(LoadTestConfig.__dataclass_fields__)
    assert set(UPSETS) == set(UpsetKind)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in BUILT_IN if f"### `{name}`" not in page] == []
