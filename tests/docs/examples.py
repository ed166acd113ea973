"""The shell examples of all pages: what they say to type, and why a test does not type some of it.

A block of `sh` is typed line by line, against the simulator and where the network is loopback. What cannot be carries a comment
right before it, `<!-- not run: REASON -->`; beside a real account or server, what names the simulator is typed all the same. A block of another language
with `<!-- file: NAME -->` before it is there as that file.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import blocks

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for pattern in ("*.md", "docs/**/*.md", "grafana/*.md", "probe/brokers/*/*.md", "examples/**/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"
}
REASONS = {
    "container engine": "Docker or another one has to run.",
    "Windows": "It is for Windows.",
    "real account": "It logs in at a broker, with an account.",
    "own server": "It is for a machine, gateway, terminal, service or target of yours.",
    "own recording": "It looks at a browser's HAR, or at what a monitor has kept for hours or weeks.",
    "clone or package index": "It is typed in a clone of the repository, or installs something, as each verb of make does.",
}
SIMULATED_BESIDE = {"real account", "own server"}  # where the same is shown with the simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    page: str
    line: int  # of its block
    command: str
    reason: str  # why it is not typed; empty: it is

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.command}"

    def ours(self) -> list[list[str]]:
        """The words of each `probe` in it, without the program's name."""
        lexer = shlex.shlex(self.command, posix=True, punctuation_chars="|<>;")
        lexer.whitespace_split = True
        found: list[list[str]] = []
        after = True  # a pipe, or the beginning
        for word in lexer:
            if set(word) <= set("|;"):
                after = True
            elif set(word) <= set("<>"):
                break
            elif word == "probe" and after:
                found.append([])
                after = False
            elif found and not after:
                found[-1].append(word)
        return found


def examples(page: str) -> list[Example]:
    """
    Raises:
        KeyError: there is no such reason.
    """
    found = []
    for block in blocks(PAGES[page]):
        if block.language != "sh":
            continue
        _, marked, reason = block.remark.partition("not run: ")
        if marked:
            REASONS[reason]
        found += [
            Example(
                page=page,
                line=block.line,
                command=command,
                reason="" if reason in SIMULATED_BESIDE and re.search(r"\bsim\b", command) else reason,
            )
            for command in commands(block.text)
        ]
    return found


def files(page: str) -> dict[str, str]:
    """What has to be there, by name."""
    return {
        name: block.text
        for block in blocks(PAGES[page])
        for kind, _, name in [block.remark.partition(": ")]
        if kind == "file"
    }


def commands(text: str) -> Iterator[str]:
    """Each with the lines it goes on in, and without its comment."""
    so_far = ""
    for line in text.splitlines():
        so_far += line
        if line.endswith("\\"):
            so_far = so_far.removesuffix("\\")
            continue
        try:
            words = shlex.split(so_far, comments=True)
        except ValueError:  # a quotation that is still open
            so_far += "\n"
            continue
        if words:
            yield re.sub(r"\s+# .*$", "", so_far)
        so_far = ""
    assert not so_far, so_far
