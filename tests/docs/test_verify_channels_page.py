"""docs/verify-channels.md names every test of its two suites, and what is tried in a simulator only."""

import re
from pathlib import Path

from probe.brokers import all_brokers
from probe.verify import channels, performance
from probe.verify.performance import MEMORY, MOST_RATE, RATE_LASTS, TOO_LATE

PAGE = (Path(__file__).parents[2] / "docs" / "verify-channels.md").read_text(encoding="utf-8")
ROWS = {row.removesuffix(" ✎") for row in re.findall(r"^\| ([^|]+?) \|", PAGE, re.MULTILINE)}


def test_every_test_has_its_line() -> None:
    names = {trial.name for suite in (channels.SUITE, performance.SUITE) for trial in suite.trials}
    assert names - ROWS == set()


def test_what_changes_anything_is_marked() -> None:
    marked = set(re.findall(r"^\| ([^|]+?) ✎ \|", PAGE, re.MULTILINE))
    assert marked == {each.name for broker in all_brokers() for each in broker.channels if each.changes}


def test_its_figures_are_those_of_the_code() -> None:
    assert f"{MOST_RATE:g} are due each second for {RATE_LASTS:g} s" in PAGE
    assert f"below {MEMORY:g} MB" in PAGE
    assert f"more than {1000 * TOO_LATE:g} ms late" in PAGE
