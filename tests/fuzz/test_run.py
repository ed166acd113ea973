import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from tests.fuzz import run
from tests.fuzz.mutate import LONGEST, mutate

TARGETS = sorted(path.name.removesuffix("_target.py") for path in Path(__file__).parent.glob("*_target.py"))


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_hunt_finds_nothing(name: str) -> None:
    assert run.hunt(run.load_target(name), inputs=2000, seed=1) is None


class Picky(ModuleType):
    SEEDS = (b"one", b"two")
    DICTIONARY = (b"<token>",)

    @staticmethod
    def run(data: bytes) -> None:
        if b"<token>" in data:
            raise ValueError("it broke")


def test_a_find_is_printed_with_its_input_and_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tests.fuzz.picky_target", Picky("picky"))

    code = run.main(["picky", "--inputs", "1000", "--seed", "5"])

    printed = capsys.readouterr().out
    assert code == 1
    assert "ValueError: it broke" in printed
    assert "of seed 5 failed" in printed
    assert b"<token>" in bytes.fromhex(printed.split()[-1])


def test_a_clean_hunt_exits_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tests.fuzz.picky_target", Picky("picky"))

    assert run.main(["picky", "--inputs", "2"]) == 0  # the seeds, which come first as they are
    assert capsys.readouterr().out.startswith("picky: 2 inputs, ")


def test_a_slow_input_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SLOWEST_ALLOWED", -1.0)

    assert run.hunt(Picky("picky"), inputs=1, seed=1) is not None


def test_mutation_follows_its_random_numbers_and_keeps_to_the_limit() -> None:
    seeds, words = [b"seed" * 20_000, b"other"], [b"word"]

    first, second = ([mutate(Random(n), seeds, words) for n in range(200)] for _ in range(2))

    assert first == second
    assert len(set(first)) > 150
    assert max(map(len, first)) == LONGEST
