"""What can be counted of a stranger's reading: one sentence first, one step first, and no technical word without its line."""

import re

import pytest

from probe.catalogue import entries
from probe.cli.plain_words import WORDS, words_in
from tests.docs.reading import TEN, page

NARROW = 70  # columns beside a page's margin
# Words that nobody who only trades has to know. Besides, whatever is written in capitals or with a dot inside.
TECHNICAL = """\
SSID handshake TLS Engine.IO Socket.IO namespace upgrade ping heartbeat 101 41 44 WebSocket proxy resolver
TIME_WAIT TCP DNS certificate frame token header port packet kernel gateway bridge Origin User-Agent subscribe region edge
monotonic slewed isDemo credential client host session control ws://"""
_IN_CAPITALS = re.compile(r"(?<![\w/.'-])[A-Z][A-Z0-9_]*[A-Z](?:v[46])?(?![\w-])|IPv[46]|\b[A-Z]\w+\.IO\b")
EVERYBODYS = {"OTC", "FAILED", "DEGRADED", "UNKNOWN", "EURUSD"}
NO_ORDER = {
    "A",
    "An",
    "If",
    "It",
    "No",
    "Nothing",
    "One",
    "That",
    "The",
    "There",
    "These",
    "They",
    "This",
    "When",
    "Where",
    "You",
    "Your",
}


def is_an_order(step: str) -> bool:
    """By its first word, which is a verb's bare form."""
    first = re.split(r"[^\w]", step)[0]
    return first.istitle() and first not in NO_ORDER and not re.search(r"(?:ing|ed|ly|[^su]s)$", first)


def before_the_words(text: str) -> str:
    return text.partition("\nwords ")[0]


def explained(text: str) -> str:
    """The terms of the lines at the end."""
    _, _, rows = text.partition("\nwords ")
    return " ".join(re.findall(r"^\s*([^:]+(?:://)?): ", rows, re.MULTILINE))


@pytest.mark.parametrize("name", TEN)
def test_the_first_line_is_one_sentence_with_what_is_wrong_and_how_sure_that_is(name: str) -> None:
    first = " ".join(page(name).partition("\n\n")[0].split())
    code = re.escape(next(each for each in entries() if name.startswith(each)))
    found = re.match(rf"(?:FAILED|DEGRADED) (?:Certain|Likely|Possible): ([^()]+) \({code}\)\. ", first)
    assert found, first
    assert ". " not in found[1]


@pytest.mark.parametrize("name", TEN)
def test_one_next_step_comes_first_and_says_what_to_do(name: str) -> None:
    _, _, rest = page(name).partition("\ndo        1. ")
    step = " ".join(re.split(r"\n {10}2\. |\n\n|\nalso ", rest)[0].split())
    assert is_an_order(step), step
    assert re.findall(r"\.(?: |$)", step) == ["."]


@pytest.mark.parametrize("name", TEN)
def test_every_technical_word_has_its_line(name: str) -> None:
    text = before_the_words(page(name))
    used = [
        each for each in TECHNICAL.split() if re.search(rf"(?<![\w.-]){re.escape(each)}s?(?![\w.-])", text)
    ]
    used += [each for each in _IN_CAPITALS.findall(text) if each not in EVERYBODYS]
    terms = explained(page(name))
    assert [each for each in used if each not in terms] == []


def test_there_are_ten_of_ten_kinds() -> None:
    assert len(TEN) == len({name.partition(".")[0] for name in TEN}) == 10


def test_each_explanation_is_one_line_and_no_word_stands_twice() -> None:
    lines = [f"{term}: {meaning}." for term, meaning in WORDS.values()]
    assert [each for each in lines if len(each) > NARROW] == []
    assert len({term for term, _ in WORDS.values()}) == len(WORDS)


def test_they_come_in_the_order_of_the_text_and_parts_of_words_are_none() -> None:
    assert list(words_in("The proxy wants TLS, says the proxy.")) == [
        "proxy: a machine in between that your connections go through.",
        "TLS: the encryption of a connection, as in https://.",
    ]
    assert list(words_in("a pinging frameless report-100 at /api/v1/hosts")) == []


def test_the_first_step_of_every_failure_says_what_to_do() -> None:
    assert [code for code, entry in entries().items() if not is_an_order(entry.advice[0])] == []
    assert not is_an_order("The server is down.")
    assert not is_an_order("Restarting it helps.")
