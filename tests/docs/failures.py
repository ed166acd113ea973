"""The page of failures that have a name, drawn from the catalogue."""

from collections.abc import Iterator
from itertools import groupby

from probe.catalogue import Entry, entries


def failures_page() -> str:
    lines = [
        "# Failures that have a name",
        "",
        "Drawn from `probe/catalogue/` by `make docs`, in the order in which a connection can fail. Checks, incidents, alerts and the",
        "doctor name what is wrong by these codes. `probe explain CODE` says the same in a terminal, with `--json` to programs, and `--all` lists",
        "them.",
        "*Certain* is said only when the evidence excludes every look-alike, *likely* when one remains, *possible* when more do.",
    ]
    for layer, rows in groupby(entries().values(), key=lambda each: each.layer):
        lines += ["", f"## {layer}"]
        for each in rows:
            lines += ["", *_entry(each)]
    return "\n".join([*lines, ""])


def _entry(entry: Entry) -> Iterator[str]:
    yield f"### `{entry.code}` {entry.title}"
    yield ""
    costs = f"its bad seconds count as {entry.cause}" if entry.cause else "it costs no second by itself"
    yield f"- **Seen:** {entry.seen}"
    yield f"- **Evidence:** {entry.evidence}"
    yield f"- **Not:** {entry.separated}"
    yield f"- **How sure:** {entry.sure}"
    yield f"- **Do:** {' '.join(f'({place}) {each}' for place, each in enumerate(entry.advice, 1))}"
    yield f"- **Counted:** as {entry.reason.value}; {costs}"
