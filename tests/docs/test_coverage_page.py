"""docs/coverage-mt5-crypto.md has a line for everything that these systems are said to do, and none of them points into the void."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage-mt5-crypto.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in row.split("|")[1:-1]]
    for row in re.findall(r"^\| [MC]\d.*$", PAGE, re.MULTILINE)
]
STATES = {"done", "simulated only", "not observable", "not done"}


def test_every_feature_has_its_line_once() -> None:
    wanted = [f"M{number}" for number in (*range(1, 15), *range(20, 34), *range(40, 50))]
    assert [row[0] for row in ROWS] == [*wanted, *(f"C{number}" for number in range(1, 25))]


def test_every_line_says_what_became_of_it_and_where_or_why() -> None:
    assert [row for row in ROWS if len(row) != 4 or row[2] not in STATES or not row[3]] == []


def test_every_place_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:probe|tests)/[\w/]+\.py)`", PAGE))
    assert {place for place in named if not (ROOT / place).is_file()} == set()
    assert len(named) >= 15
