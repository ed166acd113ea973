"""Random histories of a target, as a monitor might have written them, and the bad luck in between."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from probe.measure.histogram import Histogram
from probe.measure.records import (
    Attempt,
    Cause,
    Disconnected,
    Incident,
    Metric,
    Period,
    PhaseTime,
    Recognised,
    Record,
    Tick,
    Trigger,
)
from probe.model.events import Phase
from probe.model.failures import Blame, Failure
from probe.model.findings import Certainty
from probe.store.opened import OpenStore

# Before midnight of the night in which Europe's clocks go forward, and of an ordinary one.
EVENINGS = (1_774_738_800.0, 1_764_543_600.0)
HOUR = 3600.0
LONGEST = 60 * HOUR

_seconds = st.floats(0, 60, allow_nan=False).map(lambda value: round(value, 3))
_moments = st.floats(0, LONGEST).map(lambda value: round(value, 3))
_counts = st.integers(0, 5)
_named = st.tuples(
    st.sampled_from(["session.silent-stall", "session.tcp-reset"]),
    st.sampled_from([Certainty.CERTAIN, Certainty.POSSIBLE]),
)


@dataclass(frozen=True)
class Lived:
    """What was written, and the period that is asked for."""

    records: Sequence[Record]
    since_utc: float
    until_utc: float

    def keep(self, path: Path) -> None:
        with closing(OpenStore(path, self.since_utc)) as store:
            assert store.save(self.records) == []


@st.composite
def minutes(draw: st.DrawFn, began_utc: float) -> Period:
    observed, bad = draw(_seconds), draw(st.dictionaries(st.sampled_from(Cause), _seconds, max_size=3))
    is_judged = draw(st.booleans())
    values = draw(st.lists(st.floats(1e-4, 5.0), max_size=4))
    return Period(
        began_utc=began_utc,
        seconds=60.0,
        target="one",
        observed_seconds=observed,
        unobserved_seconds=draw(_seconds),
        bad_seconds=bad,
        open_seconds=draw(_seconds),
        blind_seconds=draw(_seconds),
        longest_blind_seconds=draw(st.floats(0, 4 * HOUR)),
        connects=draw(_counts),
        connect_failures=draw(_counts),
        disconnects=draw(_counts),
        messages=draw(_counts),
        beats_missed=draw(_counts),
        tainted=draw(_counts),
        histograms={Metric.WS_RTT: Histogram.of(values)} if values else {},
        score=80.0 if is_judged else None,
        judged_seconds=observed if is_judged else 0.0,
        lost={"errors": 15 * observed, "cap": 5 * observed} if is_judged and observed else {},
    )


@st.composite
def histories(draw: st.DrawFn) -> Lived:
    """Two days and more: gaps, clocks that were set back in the middle, minutes told in two parts, events at any time."""
    evening = draw(st.sampled_from(EVENINGS))
    records: list[Record] = []
    at = evening
    gaps = st.sampled_from([0.0, 0.0, 0.0, 7.25, 60.0, 1800.0, 9 * HOUR, -400.0])
    before, after = draw(st.lists(gaps, max_size=10)), draw(st.lists(gaps, max_size=10))
    pause = draw(st.sampled_from([[], [30 * HOUR]]))  # what is longer than a day is read by the hour
    for gap in [*before, *pause, *after]:
        records.append(draw(minutes(at)))
        at += 60.0 + gap
    moment = _moments.map(lambda value: evening + value)
    for began in draw(st.lists(moment, max_size=5, unique=True)):
        lasted = draw(st.floats(0, 8 * HOUR))
        records.append(
            Incident(
                id=f"one-{began}",
                target="one",
                began_utc=began,
                ended_utc=began + lasted,
                cause=Cause.STALLED,
                code=draw(st.sampled_from(["session.silent-stall", "session.disconnected"])),
                sentence="it stopped",
                advice="wait",
                blame=draw(st.sampled_from(Blame)),
                endpoint="eu",
                verdicts=tuple(
                    Recognised(code=code, certainty=certainty, says="it is so", at_utc=began)
                    for code, certainty in draw(st.lists(_named, max_size=3, unique=True))
                ),
            )
        )
    for began in draw(st.lists(moment, max_size=8)):
        purpose = draw(st.sampled_from(["hold", "knock"]))
        failure = draw(st.sampled_from([None, None, Failure(kind="dns.nxdomain"), Failure(kind="http.429")]))
        phases = (PhaseTime(phase=Phase.RESOLVING, seconds=draw(_seconds)),)
        trigger = draw(st.sampled_from(Trigger))
        records.append(
            Attempt(
                at_utc=began,
                target="one",
                endpoint=draw(st.sampled_from(["eu", "us"])),
                purpose=purpose,
                trigger=trigger,
                phases=phases,
                failure=failure,
            )
        )
    records += [
        Disconnected(
            at_utc=ended,
            target="one",
            endpoint="eu",
            lasted_seconds=1.0,
            initiator="remote",
            close_code=None,
            planned=draw(st.booleans()),
            failure=None,
        )
        for ended in draw(st.lists(moment, max_size=3))
    ]
    symbol = st.sampled_from(["EURUSD", "GBPUSD"])
    prices = st.sampled_from([1.0, 1.5])
    for came in draw(st.lists(moment, max_size=12)):
        theirs = draw(st.integers(0, 6))
        records.append(Tick(came, "one", draw(symbol), float(theirs), draw(prices)))
    begins = [each.began_utc for each in records if isinstance(each, Period)] or [evening]
    edge = st.tuples(st.sampled_from(begins), st.sampled_from([-0.001, 0.0, 0.001, 30.0])).map(sum)
    edges = st.one_of(moment, edge)
    since, until = sorted(draw(st.lists(edges, min_size=2, max_size=2, unique=True)))
    return Lived(records=records, since_utc=since, until_utc=until)
