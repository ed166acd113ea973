"""What a check tells a pipeline besides its output: a JUnit file, and annotations of GitHub."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from probe.api.checking import Checked
from probe.cli import files
from probe.cli.files import Case
from probe.model.findings import State

_LEVELS = {State.FAILED: "error", State.DEGRADED: "warning", State.UNKNOWN: "warning"}


def write_junit(results: Sequence[Checked], path: Path) -> None:
    """For each target a test case for the verdict and one for each threshold; what was not judged is skipped."""
    seconds = sum(each.seconds for each in results)
    files.write_junit(
        path, "probe check", [case for each in results for case in _cases(each)], seconds=seconds
    )


def _cases(checked: Checked) -> Iterator[Case]:
    state = checked.knock.verdict.state
    is_flaky = state is State.HEALTHY and checked.earlier and checked.state is not State.FAILED
    if is_flaky:
        state = State.DEGRADED
    words = checked.sentence if state is not State.HEALTHY else ""
    is_judged = state is not State.UNKNOWN
    yield Case(
        suite=checked.target,
        name="verdict",
        failure=words if is_judged else "",
        kind="flaky" if is_flaky else state.value,
        skipped="" if is_judged else words,
        seconds=checked.seconds,
    )
    for each in checked.limits:
        yield Case(
            suite=checked.target,
            name=f"{each.name} {each.limit:g}",
            failure=each.sentence if each.holds is False else "",
            kind="threshold",
            skipped=each.sentence if each.holds is None else "",
        )


def annotation(checked: Checked) -> str | None:
    """A workflow command of GitHub's; None: there is nothing to say."""
    level = _LEVELS.get(checked.state)
    if level is None:
        return None
    word = "flaky" if checked.flaky else checked.verdict
    title = _escaped(f"{checked.target}: {word.upper()}").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={title}::{_escaped(checked.sentence)}"


def without_commands(text: str) -> str:
    """GitHub takes lines of the output for its commands, also when a server has had us say them."""
    return re.sub(r"^(\s*)::", r"\1: :", text.replace("##[", "## ["), flags=re.MULTILINE)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
