"""A report that may be shown to strangers: all has gone from it that could lead to an account, a person or a machine of theirs."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from probe.cli.nameless import Net, own_words
from probe.measure.histogram import Histogram
from probe.session.transcript import Line
from reports.diagnostics.facts import Report, Slot

Value = TypeVar("Value")

_OF_AN_ACCOUNT = re.compile(
    r"(?i)balanc|equity|margin|deposit|withdraw|profit|portfolio|wallet|account|profile|user|uid|login|auth|order|deal|position|trade"
)
_AMOUNT = re.compile(
    r"(?i)(\b\w*(?:balance|equity|margin|deposit|profit|amount|wallet)\w*\\*[\"']?\s*(?:[:=]|is|of|was)?\s*)"
    r"[-+$€£]*\d[\d.,_ ]*\d*(?:\s?[A-Z]{3,4}\b)?"
)
_HOST = re.compile(r"[.:/]")


def mapped(value: Value, clean: Callable[[str], str]) -> Value:
    """The same with every text cleaned, the names of enumerations apart."""
    return _mapped(value, clean)  # type: ignore[no-any-return]


_WITHOUT_TEXT = {float, int, bool, type(None), Slot, Histogram}


def _mapped(value: Any, clean: Callable[[str], str]) -> Any:
    if type(value) in _WITHOUT_TEXT:
        return value
    match value:
        case Enum():
            return value
        case str():
            return clean(value)
        case Mapping():
            return {_mapped(key, clean): _mapped(each, clean) for key, each in value.items()}
        case Line():
            return Line(*(_mapped(each, clean) for each in value))
        case tuple():
            return tuple(_mapped(each, clean) for each in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = (each.name for each in dataclasses.fields(value))
            return dataclasses.replace(
                value, **{name: _mapped(getattr(value, name), clean) for name in fields}
            )
        case _:
            return value


def shared(report: Report) -> Report:
    """Targets and servers that only their owner knows get other names; what is left of messages says what kind they were."""
    names = {each.target: f"target {number}" for number, each in enumerate(report.targets, 1)}
    theirs = {region.name for each in report.targets for region in each.regions if _HOST.search(region.name)}
    names |= {name: f"server {number}" for number, name in enumerate(sorted(theirs), 1)}
    net = Net((), [*own_words(), *names.items()])

    def clean(text: str) -> str:
        return names.get(text) or _AMOUNT.sub(r"\1<amount>", net(text))

    return mapped(_without_accounts(report), clean)


def _without_accounts(report: Report) -> Report:
    return dataclasses.replace(
        report,
        targets=tuple(
            dataclasses.replace(
                target,
                incidents=tuple(
                    dataclasses.replace(
                        each, id=f"incident {number}", evidence=tuple(map(_anonymous, each.evidence))
                    )
                    for number, each in enumerate(target.incidents, 1)
                ),
            )
            for target in report.targets
        ),
    )


def _anonymous(line: Line) -> Line:
    if _OF_AN_ACCOUNT.search(line.text):
        return line._replace(text=f"<{len(line.text)} signs about the account>")
    return line
