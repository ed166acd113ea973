"""Each staged failure is named, first; what is well, and what only looks alike, is not taken for it."""

from functools import cache

import pytest

from probe.catalogue import entries
from probe.diagnose.diagnose import KNOWN
from probe.model.findings import Certainty
from tests.doctor.staged import ALL
from tests.doctor.staging import Said, Staged


@cache
def played(staged_id: str) -> Said:
    return next(each for each in ALL if each.id == staged_id).play()


def _marks(each: Staged) -> list[pytest.MarkDecorator]:
    return [pytest.mark.long] if each.long else []


@pytest.fixture(params=[pytest.param(each, id=each.id, marks=_marks(each)) for each in ALL])
def staged(request: pytest.FixtureRequest) -> Staged:
    one: Staged = request.param
    return one


def test_every_failure_has_a_rule_and_a_case() -> None:
    assert sorted(entries().keys() - KNOWN) == []
    assert sorted(entries().keys() - {each.code for each in ALL}) == []


def test_the_catalogue_marks_as_staged_what_is_staged_for_real() -> None:
    marked = {code for code, entry in entries().items() if entry.staged}
    staged = {each.code for each in ALL if each.is_real and each.code}
    assert (marked - staged, staged - marked) == (set(), set())


def test_it_is_named_first_and_its_look_alikes_are_not_said_and_without_its_rule_it_is_not_named(
    staged: Staged,
) -> None:
    said = played(staged.id)
    assert said.first == staged.code, said.verdicts
    assert {code for code, _ in said.verdicts} <= {staged.code} | staged.beside
    if staged.certain:
        assert said.verdicts[0][1] is Certainty.CERTAIN
    if staged.code:
        assert said.without != staged.code
    assert said.retold in (None, said.verdicts), "shared and read again it is judged otherwise"
