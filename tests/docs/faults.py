"""The page of what the simulator can do wrong, drawn from the catalogue of faults."""

from collections.abc import Iterator
from itertools import groupby

from probe.catalogue import entries
from probe.faults.catalogue import FAULTS
from probe.faults.grammar import FaultKind, FaultSpec, Parameter
from tests.docs.markdown import slug

HEAD = """# Faults

Drawn from `probe/faults/` by `make docs`. Each is switched on with `--fault NAME[:param=value,…][@start[+duration]]`, by the commands that
watch, examine or load a simulated broker, or while it runs: [how, and from when its times count](simulator.md#faults). `probe sim
--list-faults` says the same in a terminal. The verdict is what must be said of it; without one only the numbers get worse.
"""
TITLES = {
    FaultKind.PROTOCOL: "Of the broker itself",
    FaultKind.PAGES: "Of its web pages and its REST sides",
    FaultKind.STREAM: "Of the bytes on their way",
    FaultKind.LISTENER: "Of whoever takes the connections",
}


def faults_page() -> str:
    lines = [HEAD.rstrip()]
    for kind, specs in groupby(FAULTS.values(), key=lambda each: each.kind):
        lines += ["", f"## {TITLES[kind]}"]
        for spec in specs:
            lines += ["", *_fault(spec)]
    return "\n".join([*lines, ""])


def _fault(spec: FaultSpec) -> Iterator[str]:
    yield f"### `{spec.name}`"
    yield ""
    verdict = f"Verdict: {_verdict(spec.finding)}." if spec.finding else "No verdict."
    only = f" Only of {', '.join(f'`{each}`' for each in spec.brokers)}." if spec.brokers else ""
    yield f"{spec.summary[0].upper()}{spec.summary[1:]}. {verdict}{only}"
    if spec.parameters:
        yield ""
        yield "| parameter | takes | without it | what |"
        yield "|---|---|---|---|"
        yield from map(_parameter, spec.parameters)


def _verdict(code: str) -> str:
    return f"[`{code}`](failures.md#{slug(f'{code} {entries()[code].title}')})"


def _parameter(each: Parameter) -> str:
    takes = (
        each.type.value
        if not isinstance(each.type, type)
        else ", ".join(f"`{word.value}`" for word in each.type)
    )
    default = each.show(each.default)
    return f"| `{each.name}` | {takes} | {f'`{default}`' if default else ''} | {each.help} |"
