"""What is packed is unpacked as it was; what is no such value is refused with its place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf, isnan, nan
from typing import NamedTuple

import pytest

from probe.model.credentials import Secret
from probe.model.packing import Unreadable, packed, unpacked


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Point(NamedTuple):
    x: float
    name: str | None


@dataclass(frozen=True, kw_only=True)
class Leaf:
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Box:
    of: "Leaf | Point | str | int | None"
    holds: Secret | Leaf | None = None  # a secret is never written, but it may be declared


@dataclass(frozen=True, kw_only=True)
class Tree:
    colour: Colour
    leaf: Leaf | None = None
    points: tuple[Point, ...] = ()
    pairs: tuple[tuple[str, float], ...] = ()
    boxes: list[Box] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    by_colour: Mapping[Colour, tuple[int, ...]] = field(default_factory=dict)
    is_old: bool = False


FULL = Tree(
    colour=Colour.GREEN,
    leaf=Leaf(weight=inf),
    points=(Point(1.5, None), Point(2, "b")),
    pairs=(("a", 1.0),),
    boxes=[Box(of=Leaf()), Box(of=Point(0.0, "p")), Box(of="text"), Box(of=7), Box(of=None, holds=Leaf())],
    words=frozenset(("b", "a")),
    by_colour={Colour.RED: (1, 2)},
    is_old=True,
)


def through_json(tree: Tree) -> Tree:
    return unpacked(Tree, json.loads(json.dumps(packed(tree), allow_nan=False)))


@pytest.mark.parametrize("tree", [FULL, Tree(colour=Colour.RED)])
def test_what_was_packed_is_unpacked_as_it_was(tree: Tree) -> None:
    assert through_json(tree) == tree


def test_a_number_that_is_none_survives() -> None:
    leaf = through_json(Tree(colour=Colour.RED, leaf=Leaf(weight=nan))).leaf
    assert leaf is not None
    assert isnan(leaf.weight)


def test_what_is_usual_is_left_out_and_several_classes_are_told_apart_by_name() -> None:
    assert packed(Tree(colour=Colour.RED)) == {"colour": "red"}
    assert packed(FULL)["boxes"][:2] == [{"of": {"Leaf": {}}}, {"of": {"Point": [0.0, "p"]}}]
    assert packed(FULL)["words"] == ["a", "b"]


def test_what_a_later_version_adds_is_left_aside() -> None:
    assert unpacked(Tree, {"colour": "red", "height": 3}) == Tree(colour=Colour.RED)


def test_a_secret_is_not_written() -> None:
    with pytest.raises(Unreadable, match="Secret is not to be written down"):
        packed(Box(of=None, holds=Secret("planted")))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "an object was expected"),
        ({}, "colour"),
        ({"colour": "blue"}, "colour: it is no Colour that is known here"),
        ({"colour": ["red"]}, "colour: it is no Colour"),
        ({"colour": "red", "leaf": {"weight": "heavy"}}, "leaf: weight: a number was expected"),
        ({"colour": "red", "leaf": {"weight": True}}, "leaf: weight: a number was expected"),
        ({"colour": "red", "leaf": {"weight": None}}, "leaf: weight: a number was expected"),
        ({"colour": "red", "points": [[1.0]]}, "points: 2 values were expected"),
        ({"colour": "red", "points": {"x": 1}}, "points: a list was expected"),
        ({"colour": "red", "boxes": [{"of": {"Secret": "x"}}]}, "boxes: of: it is nothing that is known here"),
        ({"colour": "red", "boxes": [{"of": {"Leaf": {}, "Point": []}}]}, "boxes: of: it is nothing"),
        ({"colour": "red", "boxes": [{"of": None, "holds": {"Secret": {}}}]}, "Secret is not to be written down"),
        ({"colour": "red", "by_colour": {"blue": [1]}}, "by_colour: it is no Colour"),
        ({"colour": "red", "by_colour": {"red": [1.5]}}, "by_colour: a whole number was expected"),
        ({"colour": "red", "is_old": 1}, "is_old: true or false was expected"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_refused_with_its_place(data: object, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem):
        unpacked(Tree, data)
