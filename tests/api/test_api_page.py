"""Every example on the page is a program that runs, as it stands; only that time does not wait."""

import asyncio
import re
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

import probe
from tests.virtual.travelling import run

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_no_example_is_overlooked() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 9


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs_as_it_stands(
    title: str, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def travelling(main: Coroutine[Any, Any, None]) -> None:
        loop, began = asyncio.get_running_loop(), time.time()
        monkeypatch.setattr(time, "time", lambda: began + loop.time())
        await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    monkeypatch.setattr(asyncio, "run", lambda main: run(travelling(main)))
    exec(compile(code, title, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_everything_that_is_offered_is_there_and_on_the_page() -> None:
    for name in probe._WHERE:
        assert getattr(probe, name).__name__ == name
        assert name in dir(probe)
    spoken_of = {
        "Answer",
        "Direction",
        "OrderHandle",
        "OrderResult",
        "Quote",
        "Session",
    }  # handed out, not named
    assert {name for name in probe._WHERE if f"{name}" not in PAGE} <= spoken_of


def test_what_is_not_offered_is_told_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        probe.nothing  # noqa: B018
