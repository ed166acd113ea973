"""The table of the peers judges what it shows."""

from tests.bench.load.beside import Found, table
from tests.bench.load.contenders import CONTENDERS, OURS

BARE, CONTRIB, ARTILLERY, TSUNG = (each.name for each in CONTENDERS[1:5])


def judged(found: Found) -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in table(CONTENDERS, found)]
    return [[cell.strip() for cell in row] for row in rows if row[-1] in ("kept", "missed")]


def test_ours_is_set_beside_the_best_peer_and_never_beside_itself() -> None:
    found: Found = {each.name: {} for each in CONTENDERS}
    found[OURS.name]["echo"] = [29.0, 31.0, 30.0]
    found[BARE]["echo"] = [1.0]
    found[ARTILLERY]["echo"] = [50.0]
    found[TSUNG]["echo"] = [41.0, 39.0, 40.0]
    assert judged(found) == [["CPU µs per echo", "30.0", "40.0 (tsung)", "0.75 ×", "≤ 0.75 ×", "kept"]]


def test_a_figure_above_its_aim_is_missed() -> None:
    found: Found = {each.name: {} for each in CONTENDERS}
    found[OURS.name]["text"] = [30.1]
    found[CONTRIB]["text"] = [30.0]
    found[OURS.name]["idle"] = [16.1]
    assert [(row[0], row[-1]) for row in judged(found)] == [
        ("CPU µs per tick, one text", "missed"),
        ("KiB per idle connection", "missed"),
    ]


def test_a_peer_that_was_not_measured_has_an_empty_cell() -> None:
    found: Found = {each.name: {} for each in CONTENDERS}
    found[OURS.name]["connect"] = [300.0]
    (row,) = [line for line in table(CONTENDERS, found) if line.startswith("| tsung |")]
    assert row.startswith("| tsung |  |  |  |  |  |")
