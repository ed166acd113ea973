"""Whatever the pages say to type is understood, and does what it is shown for."""

import re
import shlex
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest

from probe.cli.main import COMMANDS
from tests.clients import isolated
from tests.docs.commands import command_of
from tests.docs.examples import PAGES, REASONS, ROOT, Example, examples, files
from tests.docs.markdown import blocks

ALL = {page: found for page in PAGES if (found := examples(page))}
TYPED = {page: [each for each in found if not each.reason] for page, found in ALL.items()}
VERBS = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[0].split()
QUICK = {"check", "endpoints", "explain", "targets"}
OPEN_ENDED = {"exporter", "gateway", "monitor", "sim"}  # without --for
LOOKS_TYPED = re.compile(r"^(?:\$ |probe |make |pip |pipx |curl |docker |locust |\.venv/)", re.MULTILINE)
LOAD_SECONDS = 10  # of a load test: how long it lasts changes nothing about what it shows
JUDGED = {
    0,
    1,
    3,
    4,
}  # what is shown is often something that fails, and a busy machine makes a load test INVALID
TELLING = re.compile(
    r"\b[A-Z]{4,}\b|\b[a-z]+\.[a-z]+(?:-[a-z]+)+\b"
)  # verdicts, states and names of failures
WITHIN = 600.0


def _by_length() -> list[Any]:
    """The pages with something to be typed; what takes its time runs with the long tests."""
    return [
        pytest.param(page, marks=() if verbs <= QUICK else (pytest.mark.long, pytest.mark.patient))
        for page, found in TYPED.items()
        if found
        for verbs in [{verb for each in found for verb, *_ in each.ours()}]
    ]


@pytest.mark.parametrize("page", ALL)
def test_what_is_to_be_typed_is_understood(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for example in ALL[page]:
        if made := re.match(r"make ([a-z-]+)", example.command):
            assert made[1] in VERBS, example
        for verb, *words in example.ours():
            if verb == "--version":
                continue
            assert verb in COMMANDS, example
            for word in words:
                if word.endswith((".pem", ".har", ".json")):
                    Path(tmp_path, word).parent.mkdir(parents=True, exist_ok=True)
                    Path(tmp_path, word).touch()
            command_of(verb).make_context(verb, words)


@pytest.mark.parametrize("page", PAGES)
def test_what_looks_like_to_be_typed_is_marked_as_such(page: str) -> None:
    plain = [block for block in blocks(PAGES[page]) if not block.language]
    assert [(block.line, block.text) for block in plain if LOOKS_TYPED.search(block.text)] == []


def test_every_reason_for_not_running_is_used() -> None:
    assert {each.reason for found in ALL.values() for each in found} - {""} == set(REASONS)


@pytest.mark.parametrize("page", _by_length())
def test_what_a_page_says_to_type_runs(page: str, tmp_path: Path) -> None:
    for name, text in files(page).items():
        (tmp_path / name).write_text(text, "utf-8")
    done = isolated.run(["bash", "-c", script(TYPED[page])], home=tmp_path, most_seconds=WITHIN)
    assert (done.status, done.cut_short) == (0, ""), done.output
    ends = {
        int(place): int(code)
        for place, code in re.findall(r"^=== (\d+) ended (\d+)$", done.output, re.MULTILINE)
    }
    wrong = [
        (str(each), code)
        for place, each in enumerate(TYPED[page])
        if (code := ends[place]) not in _right_ends(each)
    ]
    assert wrong == [], done.output
    assert "Traceback" not in done.output
    if page == "docs/first-hour.md":
        shown = "".join(block.text for block in blocks(PAGES[page]) if not block.language)
        assert {each for each in TELLING.findall(shown) if each not in done.output} == set()


def _right_ends(example: Example) -> Container[int]:
    if is_open_ended(example):
        return {0, 130, 143}
    return JUDGED if example.ours() else {0}


def is_open_ended(example: Example) -> bool:
    for verb, *words in example.ours():
        context = command_of(verb).make_context(verb, list(words))
        if verb in OPEN_ENDED and context.params.get("duration") is None and "--list-faults" not in words:
            return True
        if verb == "load" and "--web" in words:
            return True
    return False


def script(typed: list[Example]) -> str:
    """What is open-ended runs while the rest of its block does, from when it has said something."""
    lines = [
        f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={ROOT} PYTHONUNBUFFERED=1",
        'finish() { test -z "$open" || { kill -TERM $open; wait $open; echo "=== $number ended $?"; open=; }; }',
    ]
    block = None
    for place, each in enumerate(typed):
        command = re.sub(r"--duration \S+", f"--duration {LOAD_SECONDS}s", each.command)
        lines += [f"echo {shlex.quote(each.command)}"]
        if is_open_ended(each):
            lines += [
                "finish",
                f"( exec {command} ) > said.{place} 2>&1 & open=$! number={place}",
                f"until grep -q . said.{place} || ! kill -0 $open; do sleep 0.1; done",
            ]
        else:
            lines += ["finish"] if each.line != block else []
            lines += [command, f'echo "=== {place} ended $?"']
        block = each.line
    return "\n".join([*lines, "finish", "exit 0"])
