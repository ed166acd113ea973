"""Our reader and the JSON Schema for editors agree on what is good, and say of what is broken how to mend it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from probe.config import BadSettings, json_schema, load_settings
from tests.config.corpus import BROKEN, GOOD, SECRET

EXAMPLE = Path(__file__).parents[2] / "docs" / "probe.example.toml"
VALIDATOR: Any = Draft202012Validator(json_schema())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "probe.toml"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_is_taken_by_both(name: str, file: Path) -> None:
    file.write_text(GOOD[name], encoding="utf-8")
    load_settings(file, environ={})
    assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(GOOD[name]))] == []


def test_the_example_is_taken_by_both_also_with_all_that_is_left_out(file: Path) -> None:
    whole = EXAMPLE.read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in whole.splitlines()[3:]]
    for text in (whole, "\n".join(lines)):
        file.write_text(text, encoding="utf-8")
        assert load_settings(file, environ={}).warnings == ()
        assert list(VALIDATOR.iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_with_what_to_do(name: str, file: Path) -> None:
    file.write_text(BROKEN[name].text, encoding="utf-8")
    with pytest.raises(BadSettings) as refused:
        load_settings(file, environ={})
    message = str(refused.value)
    assert f"{file}: " in message
    assert BROKEN[name].words in message
    assert (len(refused.value.problems), SECRET in message, "739158" in message) == (1, False, False)


@pytest.mark.parametrize("name", BROKEN)
def test_the_schema_refuses_what_a_schema_can_know(name: str) -> None:
    errors = list(VALIDATOR.iter_errors(tomllib.loads(BROKEN[name].text)))
    assert bool(errors) == BROKEN[name].schema_knows


def test_there_are_enough_of_both() -> None:
    assert (len(GOOD) >= 15, len(BROKEN) >= 40) == (True, True)
