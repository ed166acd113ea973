"""The page that compares the doctor's words with those of public clients says what they say today."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.compared import PAGE, page


@pytest.mark.long
@pytest.mark.alone  # clients give up after seconds, and a busy machine would make others of them give up too
def test_clients_and_the_doctor_still_say_what_the_page_says(
    run_once: Callable[..., tuple[str, Any]],
) -> None:
    assert _gist(page(run_once("compared_inside", most_seconds=300)[1])) == _gist(PAGE.read_text())


def _gist(text: str) -> list[str]:
    """Of a client the kind of its error, whose words change with every version of it; of the doctor every word."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [row if "**" in row else row.partition(":")[0] for row in rows]


def test_of_each_failure_the_page_tells_what_three_clients_say_and_what_the_doctor_does() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    named = [line for line in rows if line.startswith("| **probe doctor**")]
    assert (len(rows) - 12, len(named)) == (48, 12)
    assert [line for line in named if "`" in line or "undetermined" in line] == []
