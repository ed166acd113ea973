"""Records of a target named `one`, and the report that a store with them gives."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from probe.measure.records import Cause, Incident, Period, Recognised, Record
from probe.model.failures import Blame
from probe.model.findings import Certainty
from probe.store.opened import OpenStore
from probe.store.pages import StorePages
from reports.diagnostics.facts import Report
from reports.diagnostics.report import report_of

MIDNIGHT = 1_764_547_200.0  # 2025-12-01, UTC
HOUR, DAY = 3600.0, 86_400.0


def minute(began_utc: float, *, bad: float = 0.0, **more: object) -> Period:
    fields: dict[str, object] = {
        "began_utc": began_utc,
        "seconds": 60.0,
        "target": "one",
        "observed_seconds": 60.0,
        "bad_seconds": {Cause.STALLED: bad} if bad else {},
        "score": 95.0,
        "judged_seconds": 60.0,
        "lost": {"errors": 300.0},
    }
    return Period(**(fields | more))  # type: ignore[arg-type]


def minutes(began_utc: float, count: int) -> list[Period]:
    return [minute(began_utc + 60.0 * number) for number in range(count)]


def incident(began_utc: float, ended_utc: float | None, **more: object) -> Incident:
    fields: dict[str, object] = {
        "id": f"one-{began_utc}",
        "target": "one",
        "began_utc": began_utc,
        "ended_utc": ended_utc,
        "cause": Cause.STALLED,
        "code": "session.silent-stall",
        "sentence": "prices stopped",
        "advice": "Look at the broker's page.",
        "blame": Blame.BROKER,
        "endpoint": "eu",
    }
    return Incident(**(fields | more))  # type: ignore[arg-type]


def verdict(code: str, certainty: Certainty = Certainty.CERTAIN) -> Recognised:
    return Recognised(code=code, certainty=certainty, says=f"it is {code}", at_utc=MIDNIGHT)


def kept(
    path: Path,
    records: Sequence[Record],
    since_utc: float,
    until_utc: float,
    objectives: Mapping[str, float] | None = None,
    run_utc: float = MIDNIGHT - DAY,
) -> Report:
    """Added to what the store there has already."""
    with closing(OpenStore(path, run_utc)) as store:
        assert store.save(records) == []
    with closing(StorePages(path)) as pages:
        return report_of(
            pages, pages.targets(), since_utc, until_utc, now_utc=until_utc, objectives=objectives or {}
        )
