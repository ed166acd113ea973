"""The tables of what the doctor's rules name an incident say something about faults that there are."""

from tests.monitor.matrix import ROWS
from tests.monitor.matrix_coins import BACKEND, EXCHANGE, STREAM
from tests.monitor.matrix_mt5 import ROWS as GATEWAY
from tests.monitor.named import BESIDE, FINER, NOT_FIRST, UNNAMED

EVERY = [row for some in (ROWS, BACKEND, EXCHANGE, STREAM, GATEWAY) for row in some]


def test_of_ten_faults_nine_are_named_by_the_rules() -> None:
    told = [row for row in EVERY if row.code is not None]
    assert len([row for row in told if row.fault in UNNAMED]) <= len(told) / 10
    assert len([row for row in told if row.fault in NOT_FIRST]) <= len(told) / 20


def test_no_exception_is_left_of_a_fault_that_is_gone() -> None:
    assert {*FINER, *UNNAMED, *NOT_FIRST, *BESIDE} <= {row.fault for row in EVERY}
