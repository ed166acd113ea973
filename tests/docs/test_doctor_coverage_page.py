"""docs/doctor-coverage.md names every failure once, with a test that exists, or with the reason why it is not staged for real."""

import re
from pathlib import Path

import pytest

from probe.catalogue import entries
from tests.docs.coverage import TEST
from tests.doctor import test_staged
from tests.doctor.staged import ALL
from tests.doctor.staging import SECOND_FORM, OnPaper

PAGE = (Path(__file__).parents[2] / "docs" / "doctor-coverage.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in row.strip("|").split(" | ")]
    for row in PAGE.splitlines()
    if row.startswith("| [`")
]


def test_every_failure_of_the_catalogue_stands_there_once() -> None:
    assert [re.findall(r"`([^`]+)`", name)[0] for name, *_ in ROWS] == list(entries())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_test_exists_and_what_is_not_staged_says_why(row: list[str]) -> None:
    (code,) = re.findall(r"`([^`]+)`", row[0])
    (named,) = re.findall(r"`([^`]+)`", row[3])
    (staged,) = [each for each in ALL if each.id == named]
    assert (staged.code, staged.is_real) == (code, entries()[code].staged)
    assert row[2] == "staged" if staged.is_real else re.fullmatch(r"judged on recorded facts: .{10,}", row[2])


def test_the_test_that_is_named_is_one() -> None:
    file, _, name = TEST.partition("::")
    assert (file.rpartition("/")[2], callable(getattr(test_staged, name))) == ("test_staged.py", True)


def test_no_two_have_one_name() -> None:
    assert len({each.id for each in ALL}) == len(ALL)


def test_a_second_form_has_a_first_one_for_real() -> None:
    second = {each.code for each in ALL if isinstance(each.play, OnPaper) and each.play.why == SECOND_FORM}
    assert second <= {each.code for each in ALL if each.is_real}
