"""How all targets stand, as plain data: what `/api/v1/status` answers, and what the page and the badges are made from.

Names are those of `probe monitor --json`. What somebody else said is redacted and has no control character in it.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from exporters.status.history import Cell, bar
from probe.catalogue import entries
from probe.cli.lines import TONE_OF_STATE, safe
from probe.cli.summary import BESIDES, next_step, round_trips_of
from probe.logs import redact
from probe.measure.plain import iso, plain
from probe.measure.records import SessionState, ping_in
from probe.measure.snapshot import Quantiles, Snapshot
from probe.session.evidence import without_addresses

SCHEMA = 1
NAMED = 3  # targets, in one sentence
PRIVATE = ("balance",)  # a page is seen by more people than a terminal
# Left out of targets whose details nobody wants.
DETAILS = (
    "attempts", "bad_seconds", "blame", "clock_skew_seconds", "disconnects", "endpoints", "failures", "incidents",
    "longest_blind_seconds", "open_seconds", "recent", "reconnects", "rtt", "symbols", "tainted_samples",
    "traffic", "unobserved_seconds",
)  # fmt: skip
WORDS = {SessionState.BACKOFF: "waiting to try again", SessionState.AUTH_REJECTED: "credential rejected"}
_ON_THE_WAY = (SessionState.IDLE, SessionState.CONNECTING, SessionState.AUTHENTICATING)


class Tradable(Enum):
    """Could I trade there now?"""

    YES = "yes"
    WITH_CARE = "with care"
    CLOSED = "market closed"
    NOT_YET = "not yet"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was known at one moment."""

    at_utc: float
    snapshots: Sequence[Snapshot]
    cells: Mapping[str, Sequence[Cell]]
    own_lag: Quantiles
    version: str
    told: dict[tuple[str, bool], dict[str, object]] = field(
        default_factory=dict
    )  # targets, for who asks next

    def of(self, target: str) -> Snapshot | None:
        return next((each for each in self.snapshots if each.target == target), None)


def words(state: SessionState) -> str:
    return WORDS.get(state, state.value)


def tradable(snapshot: Snapshot) -> Tradable:
    match snapshot.condition.state:
        case SessionState.STREAMING if snapshot.symbols and all(
            each.is_open is False for each in snapshot.symbols
        ):
            return Tradable.CLOSED
        case SessionState.STREAMING:
            return Tradable.YES
        case SessionState.DEGRADED:
            return Tradable.WITH_CARE
        case state if state in _ON_THE_WAY and not snapshot.disconnects and not snapshot.failures:
            return Tradable.NOT_YET
        case _:
            return Tradable.NO


def headline(snapshots: Sequence[Snapshot]) -> tuple[Tradable | None, str]:
    """Could I trade now? None: nothing is watched."""
    if not snapshots:
        return None, "Nothing is watched: the configuration names no target."
    answers = {each.target: tradable(each) for each in snapshots}
    whole = len(snapshots)
    count = list(answers.values()).count
    yes, care, closed = count(Tradable.YES), count(Tradable.WITH_CARE), count(Tradable.CLOSED)
    others = "; ".join(
        f"{words(state)}: {_named(names)}"
        for state in sorted(SessionState, key=lambda each: TONE_OF_STATE[each] != "bad")
        if state is not SessionState.STREAMING
        and (names := [each.target for each in snapshots if each.condition.state is state])
    )
    tail = f" {others[:1].upper()}{others[1:]}." if others else ""
    if yes == whole:
        return (
            Tradable.YES,
            f"Yes: {snapshots[0].target} streams." if whole == 1 else f"Yes: all {whole} targets stream.",
        )
    if closed and yes + closed == whole:
        rest = f" of {closed} of {whole} targets" if yes else ""
        return Tradable.CLOSED, f"The market{rest} is closed; all sessions stand."
    if not yes + care:
        is_early = Tradable.NOT_YET in answers.values() and Tradable.NO not in answers.values()
        answer, word = (Tradable.NOT_YET, "Not yet") if is_early else (Tradable.NO, "No")
        if whole == 1:
            return answer, f"{word}: {snapshots[0].target} is {words(snapshots[0].condition.state)}."
        return answer, f"{word}: none of {whole} targets streams.{tail}"
    if yes + care + closed == whole:
        if whole == 1:
            return Tradable.WITH_CARE, f"With care: {snapshots[0].target} is degraded."
        return (
            Tradable.WITH_CARE,
            f"With care: {care} of {whole} {'is' if care == 1 else 'are'} degraded.{tail}",
        )
    return Tradable.WITH_CARE, f"Partly: {yes} of {whole} {'streams' if yes == 1 else 'stream'}.{tail}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def status(
    look: Look, *, targets: Collection[str] | None, details: Collection[str] | None
) -> dict[str, object]:
    """
    Args:
        targets: Only these; None: all.
        details: Those that are told at length; None: all.
    """
    answer, sentence = headline(look.snapshots)
    data = {
        "schema": SCHEMA,
        "version": look.version,
        "at_utc": look.at_utc,
        "headline": {"answer": answer.value if answer else None, "sentence": sentence},
        "own": {
            "loop_lag": plain(look.own_lag),
            "uplink": look.snapshots[0].uplink if look.snapshots else "not measured",
        },
    }
    chosen = [each for each in look.snapshots if targets is None or each.target in targets]
    told = [_told(look, each, is_long=details is None or each.target in details) for each in chosen]
    return {**_cleaned(data), "targets": told}


def _told(look: Look, snapshot: Snapshot, *, is_long: bool) -> dict[str, object]:
    key = snapshot.target, is_long
    if key not in look.told:
        cells = look.cells.get(snapshot.target, ())
        look.told[key] = _cleaned(_target(snapshot, is_long=is_long)) | {
            "history": bar(cells, snapshot.at_utc)
        }
    return look.told[key]


def _target(snapshot: Snapshot, *, is_long: bool) -> dict[str, object]:
    left_out = PRIVATE if is_long else (*PRIVATE, *DETAILS)
    fields: dict[str, Any] = {
        each.name: plain(getattr(snapshot, each.name))
        for each in dataclasses.fields(snapshot)
        if each.name not in left_out
    }
    entry = entries().get(snapshot.condition.code or "")
    if is_long:
        fields["rtt"] = _round_trips(snapshot)
    else:
        del fields["score"]["components"]
    return fields | {
        "words": words(snapshot.condition.state),
        "tone": TONE_OF_STATE[snapshot.condition.state],
        "tradable": tradable(snapshot).value,
        "title": entry.title if entry else None,
        "advice": next_step(snapshot) or (entry.advice[0] if entry else None),
        "main_rtt": plain(ping_in(snapshot.rtt)),
    }


def _round_trips(snapshot: Snapshot) -> dict[str, object]:
    names = round_trips_of(snapshot) | BESIDES
    return {
        metric.value: {"name": name, **dataclasses.asdict(snapshot.rtt[metric])}
        for metric, name in names.items()
        if metric in snapshot.rtt
    }


def _cleaned(value: Any) -> Any:
    """No secret, no address, nothing that moves a cursor, no number that JSON does not know; times in both forms."""
    match value:
        case str():
            return clean(value)
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            if "binary" in value:  # a line of evidence, whose time has no unit in its name
                value = {"at_utc" if key == "at" else key: each for key, each in value.items()}
            times = {
                key.removesuffix("_utc"): None if utc is None else iso(utc)
                for key, utc in value.items()
                if key.endswith("_utc")
            }
            return {key: _cleaned(each) for key, each in value.items()} | times
        case _:
            return value


def clean(text: str) -> str:
    return safe(redact(without_addresses(text)))
