"""What is exported is what the table says, real programs accept it, and nothing in it gives anybody away."""

import re
import shutil
import subprocess
from functools import cache

import pytest
from prometheus_client import Metric as Exposed
from prometheus_client.exposition import generate_latest

from exporters.book import Book
from probe.measure.metrics import FAMILIES, OTHER, PREFIX, Family, Kind
from tests.exporters.exported import SCENES, families, golden, masked, of_scene
from tests.virtual.travelling import run

BY_NAME = {f"{PREFIX}{family.name}": family for family in FAMILIES}
BASE_UNITS = ("seconds", "bytes", "ratio")
OTHER_UNITS = re.compile(r"_(ms|milliseconds|millis|minutes|hours|kb|kilobytes|megabytes|percent)(_|$)")


@cache
def book(scene: str) -> Book:
    return run(of_scene(scene))


@cache
def exposed(scene: str) -> list[Exposed]:
    return families(book(scene))


@pytest.mark.parametrize("scene", SCENES)
def test_names_types_labels_and_help_are_the_golden_ones(scene: str) -> None:
    assert masked(exposed(scene)) == golden(scene).read_text(), "run `python -m tests.exporters.exported`"


def test_every_family_of_the_table_is_filled() -> None:
    assert {each.name for scene in SCENES for each in exposed(scene)} == set(BY_NAME)


@pytest.mark.parametrize("scene", SCENES)
def test_every_label_is_within_its_bound(scene: str) -> None:
    for each in exposed(scene):
        family: Family = BY_NAME[each.name]
        for label in family.labels:
            seen = {sample.labels[label.name] for sample in each.samples}
            assert len(seen) <= (label.bound or 64) + 1
            if label.values:
                assert seen <= {*label.values, OTHER}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_units_are_base_units_and_stand_in_the_name(family: Family) -> None:
    assert OTHER_UNITS.search(family.name) is None
    named = [unit for unit in BASE_UNITS if family.name.endswith(f"_{unit}")]
    assert named == ([family.unit] if family.unit else [])
    assert (family.kind is Kind.HISTOGRAM) is bool(family.buckets)
    assert family.help.endswith(".")


@pytest.mark.parametrize("scene", SCENES)
def test_no_label_is_an_address_and_no_series_comes_twice(scene: str) -> None:
    seen = set()
    for each in exposed(scene):
        for sample in each.samples:
            assert not any(re.search(r"://|@|\d+\.\d+\.\d+\.\d+:", text) for text in sample.labels.values())
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in seen
            seen.add(key)


@pytest.mark.parametrize("scene", SCENES)
def test_promtool_accepts_it(scene: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(book(scene)), capture_output=True, check=False
    )
    # The first is a name of the library's kind of metric; `_info` and `_total` come with theirs.
    assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", "")


def test_a_session_of_one_endpoint_and_three_symbols_takes_about_two_hundred_series() -> None:
    assert book("dropped").series <= 230
