"""The book's bounds hold whatever is written, and what it shows is what was told."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.samples import Sample

from exporters.book import LONGEST, Book, clean
from probe.measure.metrics import FAMILIES, OF_MONITOR, TARGET, Family, Kind

MOST = 120
BY_NAME = {family.name: family for family in FAMILIES}
TRICKY = st.sampled_from(
    ["a", "b", "other", "eu", 'q"u\\o', "two\nlines", "\x1b[31m", "x" * 500, "", "wss://u:p@h/s"]
)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5)


@st.composite
def writings(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...], float]:
    family = draw(st.sampled_from(FAMILIES))
    labels = tuple(
        draw(TRICKY | st.sampled_from(label.values) if label.values else TRICKY) for label in family.labels
    )
    if draw(st.integers(0, 20)) == 0:
        return "forget", "", ("a",), 0.0
    return draw(st.sampled_from(_VERBS[family.kind])), family.name, labels, draw(NUMBERS)


_VERBS = {
    Kind.COUNTER: ["add", "put"],
    Kind.GAUGE: ["put", "drop"],
    Kind.INFO: ["put", "drop"],
    Kind.HISTOGRAM: ["observe"],
    Kind.SUMMARY: ["observe"],
    Kind.STATES: ["choose"],
}


def write(book: Book, verb: str, name: str, labels: tuple[str, ...], value: float) -> None:
    match verb:
        case "forget":
            book.forget(labels[0])
        case "add":
            book.add(name, labels, value)
        case "put":
            book.put(name, labels, value)
        case "drop":
            book.put(name, labels, None)
        case "observe":
            book.observe(name, labels, value, {"session": "0" * 8, "incident": labels[0] if labels else ""})
        case _:
            book.choose(name, labels, BY_NAME[name].states[0])


def series(book: Book) -> Iterator[tuple[str, Sample]]:
    for family in book.collect():
        for sample in family.samples:
            yield family.type, sample


def rising(book: Book) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for kind, sample in series(book)
        if kind in ("counter", "histogram", "summary")
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(writings(), max_size=80))
def test_bounds_hold_and_nothing_falls(told: list[tuple[str, str, tuple[str, ...], float]]) -> None:
    book = Book(FAMILIES, max_series=MOST)
    before = rising(book)
    for each in told:
        write(book, *each)
        after = rising(book)
        assert book.series == sum(1 for _ in series(book)) <= MOST
        if each[0] != "forget":
            assert {key: value for key, value in before.items() if after.get(key, -1.0) < value} == {}
        before = after
    for _, sample in series(book):
        assert all(
            each.isprintable() and len(each) <= LONGEST and "://" not in each
            for each in sample.labels.values()
        )
    for target in {sample.labels["target"] for _, sample in series(book) if "target" in sample.labels}:
        book.forget(target)
    assert [sample for _, sample in series(book) if "target" in sample.labels] == []


def values(book: Book, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for _, sample in series(book) if sample.name == name}


def test_what_does_not_fit_is_counted_and_never_silent() -> None:
    book = Book(FAMILIES, max_series=4)
    for number in range(5):
        book.put("session_up", (f"t{number}",), 1)
    assert (len(values(book, "tradeprobe_session_up")), book.series) == (2, 4)
    assert values(book, "tradeprobe_series_refused_total") == {(): 3.0}
    assert values(book, "tradeprobe_series") == {(): 4.0}


def test_room_that_was_given_back_is_used_again() -> None:
    book = Book(FAMILIES, max_series=4)
    for name in ("a", "b", "c"):
        book.put("session_up", (name,), 1)
    book.forget("a")
    book.put("session_up", ("c",), 1)
    assert values(book, "tradeprobe_session_up") == {("b",): 1.0, ("c",): 1.0}


@pytest.mark.parametrize("name", ["upgrade_responses", "disconnects"])
def test_a_status_or_close_code_too_many_becomes_other(name: str) -> None:
    family: Family = BY_NAME[name]
    book = Book(FAMILIES, max_series=1000)
    before = ("a", "eu", "remote")[: len(family.labels) - 1]
    for number in range(25):
        book.add(name, (*before, str(1000 + number)))
    found = values(book, family.full_name)
    assert (len(found), found[*before, "other"]) == (21, 5.0)
    assert values(book, "tradeprobe_series_refused_total") == {(): 0.0}


def test_a_symbol_too_many_is_refused_and_so_is_a_word_nobody_knows() -> None:
    book = Book(FAMILIES, max_series=1000)
    for number in range(25):
        book.put("ticks", ("a", f"S{number}"), 1)
        book.put("ticks", ("b", f"S{number}"), 1)
    book.add("incidents", ("a", "tired"))
    assert len(values(book, "tradeprobe_ticks_total")) == 40
    assert values(book, "tradeprobe_series_refused_total") == {(): 11.0}


def test_a_value_that_is_not_known_any_more_has_no_series() -> None:
    book = Book(FAMILIES, max_series=1000)
    book.put("clock_offset_seconds", ("a",), 1.5)
    book.put("clock_offset_seconds", ("a",), None)
    assert values(book, "tradeprobe_clock_offset_seconds") == {}


def test_exactly_one_state_holds() -> None:
    book = Book(FAMILIES, max_series=1000)
    for state in ("idle", "streaming"):
        book.choose("session_state", ("a",), state)
    found = values(book, "tradeprobe_session_state")
    assert {labels for labels, value in found.items() if value} == {("a", "streaming")}
    assert len(found) == 9


class Interrupting(str):
    """While it is compared, as between any two steps of a reader, somebody writes."""

    __slots__ = ()
    write: ClassVar[Callable[[], None] | None] = None

    def __eq__(self, other: object) -> bool:
        write, Interrupting.write = Interrupting.write, None
        if write is not None:
            write()
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_exactly_one_state_holds_also_for_who_reads_while_it_changes() -> None:
    states = (Interrupting("first"), "second")
    family = Family(name="state", kind=Kind.STATES, help="A state.", labels=(TARGET,), states=states)
    book = Book((*OF_MONITOR, family), max_series=100)
    book.choose("state", ("a",), "first")
    Interrupting.write = partial(book.choose, "state", ("a",), "second")
    assert sorted(values(book, "tradeprobe_state").values()) == [0.0, 1.0]
    assert Interrupting.write is None


def test_a_page_that_is_read_while_others_write_and_go_is_whole() -> None:
    """Each histogram's count is that of its last bucket, no bucket holds less than the one before it, and nothing is shown
    before it has its value."""
    book = Book(FAMILIES, max_series=2000)
    names, ended = ("one", "two", "three"), threading.Event()

    def write_and_forget() -> None:
        for number in range(4000):
            name = names[number % 3]
            book.observe("tick_interarrival_seconds", (name,), number % 50 / 5)
            book.choose("session_state", (name,), ("idle", "streaming", "stopped")[number % 7 % 3])
            book.put("diagnosis", (name, f"code-{number % 20}"), None if number % 5 else 1)
            if number % 40 == 0:
                book.forget(name)
        ended.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    writer = threading.Thread(target=write_and_forget)
    try:
        writer.start()
        pages = 0
        while pages < 20 or not ended.is_set():
            pages += 1
            lines = [line for _, found in book.written(exemplars=True) for line in found]
            for name in names:
                inside = [number_in(each) for each in lines if f'_bucket{{target="{name}"' in each]
                count = [number_in(each) for each in lines if f'_count{{target="{name}"' in each]
                assert inside == sorted(inside)
                assert inside[-1:] == count
                held = [number_in(each) for each in lines if f'_state{{target="{name}"' in each]
                assert sum(held) == (1 if held else 0)
            assert {number_in(each) for each in lines if "_diagnosis{" in each} <= {1.0}
    finally:
        writer.join()
        sys.setswitchinterval(before)


def number_in(line: str) -> float:
    return float(line.partition(" # ")[0].rpartition(" ")[2])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://user:planted@host.example/path?token=planted", "host.example"),
        ("wss://host.example?token=planted", "host.example"),
        ("wss://host.example#planted", "host.example"),
        (f"wss://user:{'planted' * 30}@host.example/", "host.example"),
        ("eu\u2028\ud800\x1b", "eu???"),
        ("é📈", "é📈"),
    ],
)
def test_of_an_address_only_the_host_is_shown_however_long_it_is(text: str, shown: str) -> None:
    assert clean(text) == clean(shown) == shown


def test_names_that_look_alike_share_their_series_and_go_together() -> None:
    book = Book(FAMILIES, max_series=1000)
    for name in ('a"\n\\', 'a"\t\\'):
        book.add("ticks_repeated", (name,))
    assert values(book, "tradeprobe_ticks_repeated_total") == {('a"?\\',): 2.0}
    book.forget('a"\r\\')
    assert (values(book, "tradeprobe_ticks_repeated_total"), book.series) == ({}, 2)


def test_an_exemplar_that_is_too_long_is_left_out() -> None:
    book = Book(FAMILIES, max_series=1000)
    book.observe("app_rtt_seconds", ("a", "eu"), 0.15, {"session": "00c0ffee"})
    book.observe("app_rtt_seconds", ("a", "eu"), 0.15, {"session": "x" * 130})
    shown = [sample.exemplar.labels for _, sample in series(book) if sample.exemplar]
    assert shown == [{"session": "00c0ffee"}]


def test_what_holds_no_more_leaves_room_for_what_holds_then() -> None:
    book = Book(FAMILIES, max_series=1000)
    for number in range(100):
        book.put("diagnosis", ("one", f"code-{number}"), 1)
        book.put("diagnosis", ("one", f"code-{number}"), None)
    book.put("diagnosis", ("one", "last"), 1)
    assert values(book, "tradeprobe_diagnosis") == {("one", "last"): 1.0}
    assert values(book, "tradeprobe_series_refused_total") == {(): 0.0}
