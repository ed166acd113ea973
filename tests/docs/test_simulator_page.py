import re
from pathlib import Path

import pytest

from probe.faults.catalogue import read_fault

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
REPORTS = PAGE[PAGE.index("### What users of Quotex report") : PAGE.index("## The control API")]
STAGED_BY = [row.split("|")[2] for row in REPORTS.splitlines() if row.startswith("| ") and "---" not in row][
    1:
]
FAULTS = sorted({fault for cell in STAGED_BY for fault in re.findall(r"`([^`]+)`", cell)})


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_page_says_to_stage_can_be_staged(fault: str) -> None:
    assert str(read_fault(fault)).startswith(fault.partition(":")[0])


def test_every_report_has_a_way_to_stage_it() -> None:
    assert len(STAGED_BY) == 24
