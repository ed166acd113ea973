"""The catalogue's text can be read, and its parts name each other truly."""

import re
from pathlib import Path

import pytest

import probe
from probe.catalogue import Entry, entries
from probe.measure.records import Cause
from probe.model.failures import KINDS

ENTRIES = entries()
NOTICES = {"clock.stepped", "monitor.late"}


def test_there_are_196_failures_in_fourteen_layers() -> None:
    assert (len(ENTRIES), len({each.layer for each in ENTRIES.values()})) == (196, 14)


def test_no_two_failures_have_one_title() -> None:
    assert len({each.title for each in ENTRIES.values()}) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda each: each.code)
def test_an_entry_names_look_alikes_that_exist_advice_in_sentences_and_a_known_cause(entry: Entry) -> None:
    assert entry.look_alikes
    assert set(entry.look_alikes) - ENTRIES.keys() == set()
    assert entry.code not in entry.look_alikes
    assert [
        each for each in entry.advice if not (each[0].isupper() or each[0] == "`") or not each.endswith(".")
    ] == []
    assert entry.cause in {None, *(each.value for each in Cause)}
    assert entry.sure.startswith(("high", "medium", "low"))
    assert entry.stage[0] in "✔○"


def test_every_kind_of_failure_points_to_an_entry() -> None:
    assert {kind.code for kind in KINDS.values()} - ENTRIES.keys() == set()


def test_the_product_names_failures_by_the_catalogues_codes_alone() -> None:
    layers = "|".join(sorted({code.partition(".")[0] for code in ENTRIES}))
    texts = [path.read_text("utf-8") for path in Path(probe.__file__).parent.rglob("*.py")]
    used = {
        code for text in texts for code in re.findall(rf'"((?:{layers}|clock|monitor)\.[a-z0-9-]+)"', text)
    }
    assert len(used & ENTRIES.keys()) > 100
    assert used - ENTRIES.keys() - KINDS.keys() - NOTICES - {"http.disconnect"} == set()  # ASGI's own word
