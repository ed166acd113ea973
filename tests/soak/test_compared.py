from pathlib import Path

import pytest

from tests.soak.compared import Plan, found


@pytest.mark.long
def test_real_runs_are_held_against_each_other_operation_by_operation(tmp_path: Path) -> None:
    """How often that alarms, and what it finds, takes many runs on a machine that does nothing else: `make soak-compared`."""
    seen = found(Plan(same=1, slower=1, seconds=12, planted=0.2), tmp_path)
    assert (len(seen.alarms), len(seen.finds)) == (0, 1)
    shifts = {(each.name, each.quantile): each for each in seen.finds[0].shifts}
    for name in ("balance", "candles", "market_data", "ping"):
        shift = shifts[f"response of {name}", 0.5]
        assert shift.after is not None
        assert shift.after > 0.19  # every answer was held for 0.2 s, however slow the machine is
    assert not any(each.is_better for each in shifts.values() if each.name.startswith("response"))
