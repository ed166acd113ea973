"""Of two causes at once both are named, the one to act on first comes first, and neither is taken for a third."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pytest

from probe.model.findings import Certainty
from tests.doctor.compound import (
    ALONE,
    WANTED,
    Pair,
    Spoken,
    drawn,
    examined,
    paired,
    play,
    spoken,
    why_not,
)
from tests.doctor.parts import PARTS, Part, Step
from tests.doctor.staged import ALL
from tests.virtual.travelling import run

BOTH_NAMED, IN_ORDER = 0.90, 0.85  # the aims
A_DOZEN = 12

# Known, and not mended: what is said instead is no more than possible.
NOT_BOTH = {
    "sio.binary-placeholder+data.gap": "while nothing comes no second header shows that an attachment is missing"
}


@dataclass(frozen=True)
class Played:
    pair: Pair
    said: tuple[Spoken, ...]

    @property
    def codes(self) -> list[str]:
        return [each.code for each in self.said]

    @property
    def names_both(self) -> bool:
        return set(self.pair.codes) <= set(self.codes)

    @property
    def is_in_order(self) -> bool:
        return [code for code in self.codes if code in self.pair.codes] == list(self.pair.codes)

    def others(self, certainty: Certainty) -> list[str]:
        """What is neither of them, and was said with this certainty."""
        return [
            each.code
            for each in self.said
            if each.certainty is certainty and each.code not in self.pair.allowed
        ]


@dataclass(frozen=True)
class Matrix:
    played: Sequence[Played]
    left_out: int = 0  # they need what this machine does not give: namespaces of their own

    @property
    def both(self) -> float:
        return sum(each.names_both for each in self.played) / len(self.played)

    @property
    def order(self) -> float:
        return sum(each.is_in_order for each in self.played) / len(self.played)

    def wrong(self, certainty: Certainty) -> int:
        return sum(bool(each.others(certainty)) for each in self.played)

    @cached_property
    def by_layers(self) -> Counter[tuple[str, ...]]:
        return Counter(tuple(part.layer for part in each.pair.parts) for each in self.played)

    def lines(self) -> Iterator[str]:
        """At a glance: the aims, the layers, and each mistake by name."""
        found = drawn()
        yield f"{len(self.played)} pairs of {len(self.by_layers)} pairs of layers; {len(found.skipped)} that were drawn too cannot be"
        if self.left_out:
            yield f"  left out, since no network namespace can be made here: {self.left_out}"
        for words, value, aim in (
            ("both are named", f"{self.both:.1%}", f"at least {BOTH_NAMED:.0%}"),
            ("and in the right order", f"{self.order:.1%}", f"at least {IN_ORDER:.0%}"),
            ("a third, said to be certain", self.wrong(Certainty.CERTAIN), "none"),
            ("a third, said to be likely", self.wrong(Certainty.LIKELY), "few"),
        ):
            yield f"  {words:<32}{value:>8}   aim: {aim}"
        yield ""
        for each in self.played:
            if not each.is_in_order:
                said = ", ".join(f"{one.code} ({one.certainty.value})" for one in each.said) or "nothing"
                yield f"    {' and '.join(each.pair.codes)}: {said}"
        yield "  why pairs cannot be, how often:"
        yield from (f"    {count:>5}  {why}" for why, count in found.reasons.most_common())


def quick() -> list[Pair]:
    """Some of them, of as many layers as there are."""
    here = [pair for pair in drawn().pairs if not pair.is_there and pair.id not in NOT_BOTH]
    return here[:: len(here) // A_DOZEN][:A_DOZEN]


@pytest.mark.parametrize("pair", quick(), ids=lambda pair: pair.id)
def test_both_are_named_in_the_order_to_act_on_them_and_no_third_is(pair: Pair) -> None:
    played = Played(pair, play(pair))
    assert played.is_in_order, played.codes
    assert played.others(Certainty.CERTAIN) == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_each_cause_alone_is_what_it_is_called() -> None:
    said = {part: spoken(run(examined(part))) for part in PARTS if not part.there}
    wrong = {
        part.code: [each.code for each in verdicts]
        for part, verdicts in said.items()
        if not verdicts
        or verdicts[0].code != part.code
        or {each.code for each in verdicts} - part.beside - {part.code}
    }
    assert wrong == {}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.alone  # what it prints is to be read
def test_two_causes_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    played, left_out = [], 0
    for pair in drawn().pairs:
        try:
            played.append(Played(pair, play(pair)))
        except pytest.skip.Exception:
            left_out += 1
    matrix = Matrix(played, left_out)
    with capsys.disabled():
        print("\n", *matrix.lines(), sep="\n")
    assert matrix.both >= BOTH_NAMED
    assert matrix.order >= IN_ORDER
    assert matrix.wrong(Certainty.CERTAIN) == 0


def test_every_kind_that_is_staged_can_be_one_of_two_or_it_is_said_why_not() -> None:
    staged = {each.code for each in ALL if each.code and each.is_real}
    composed = {part.code for part in PARTS}
    assert (staged - composed - ALONE.keys(), composed & ALONE.keys()) == (set(), set())


def test_a_pair_is_of_two_layers_and_possible_and_drawn_once() -> None:
    pairs = drawn().pairs
    assert len({pair.id for pair in pairs}) == len(pairs) == WANTED
    assert all(pair.first.layer != pair.second.layer for pair in pairs)
    assert {why_not(*pair.parts) for pair in pairs} == {""}
    assert all(drawn().skipped.values())


def part(code: str, step: Step, *, ends: bool = False) -> Part:
    return Part(code=code, step=step, ends=ends)


def test_what_an_earlier_step_hides_is_no_second_cause() -> None:
    dead, silent = part("dns.nxdomain", Step.NAMES, ends=True), part("session.silent-stall", Step.PRICES)
    slow = part("net.slow", Step.WAYS)
    assert why_not(dead, silent).startswith("dns.nxdomain ends the look at the step NAMES")
    assert why_not(silent, dead) == why_not(dead, silent)
    assert why_not(slow, silent) == ""


def test_what_keeps_from_trading_comes_first_and_of_equals_ourselves_and_then_the_earliest() -> None:
    clock, away = part("host.clock-wrong", Step.HERE), part("tcp.refused", Step.WAYS, ends=True)
    twice, open_to_all = part("data.duplicates", Step.PRICES), part("cfg.library-version", Step.HERE)
    assert paired(clock, away).codes == ("tcp.refused", "host.clock-wrong")
    assert paired(twice, clock).codes == ("host.clock-wrong", "data.duplicates")
    assert paired(twice, open_to_all).codes == ("cfg.library-version", "data.duplicates")
