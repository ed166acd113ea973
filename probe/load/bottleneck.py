"""Where a run's time went when it was slow: in the generator, on the way, in accepting, in answering, or in telling everybody.

The slow moments of a run are held against its quick ones, for answers, for the stream and for connects. What grew most is where it
was slow; what grew with it says why, and what did not is cleared. Where nothing grew, nothing ran out, and that is said.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from probe.load.causes import causes
from probe.load.figures import Figures
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram
from probe.model.findings import Certainty

FEWEST_MOMENTS = 6
FEW_SLOW = 3  # so few slow moments may be chance, or a neighbour on the machine
SLOW_SHARE, QUICK_SHARE = 0.1, 0.25  # of the moments in which there was something
GREW, GREW_SECONDS = 2.0, 0.02  # so many times as long as in quick moments, and so much longer, is no noise
# Verdicts that say that the generator was at its limit; others say that something is missing.
SATURATED = frozenset(
    (
        "cpu",
        "loop-lag",
        "send-lateness",
        "machine-full",
        "rate-not-reached",
        "file-handles",
        "local-ports",
        "samples-dropped",
    )
)
FULL_QUEUE = "load.accept-backlog"
FAILED_CONNECTS = 0.02
FAR_SECONDS = 0.02
ON_THE_WAY = frozenset(
    ("resolving", "connecting", "tunnelling")
)  # phases in which the server's program has no part


class Where(Enum):
    GENERATOR = "generator"
    NETWORK = "network"
    ACCEPT = "accept"
    ANSWER = "answer"
    FAN_OUT = "fan-out"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    where: Where
    certainty: Certainty
    evidence: tuple[str, ...]  # sentences, the heaviest first


Take = Callable[[Figures], Histogram]


def _answers(figures: Figures) -> Histogram:
    return figures.all_requests().service


def _lateness(figures: Figures) -> Histogram:
    return figures.all_requests().lateness


def _ticks(figures: Figures) -> Histogram:
    return figures.all_ticks().gap


def _connects(figures: Figures) -> Histogram:
    return figures.connects.whole


def _beats(figures: Figures) -> Histogram:
    return figures.sessions.beat_round_trip


def _phase(name: str) -> Take:
    return lambda figures: figures.connects.phases.get(name, Histogram())


@dataclass(frozen=True, slots=True)
class _Grown:
    """A p90 in quick and in slow moments."""

    quick: float
    slow: float

    @property
    def more(self) -> float:
        return self.slow - self.quick

    @property
    def is_more(self) -> bool:
        return self.slow >= GREW * self.quick and self.more >= GREW_SECONDS

    def __str__(self) -> str:
        return f"p90 {_ms(self.quick)} in quick moments, {_ms(self.slow)} in slow ones"


class _Halves:
    """The quick and the slow moments of a run, by one thing."""

    def __init__(self, moments: Sequence[Figures], take: Take) -> None:
        timed = [(p90, each) for each in moments if (p90 := take(each).quantile(0.9)) is not None]
        timed.sort(key=lambda pair: pair[0])
        held = [each for _, each in timed]
        self.is_known = len(held) >= FEWEST_MOMENTS
        self.quick = _together(held[: round(len(held) * QUICK_SHARE)])
        slow = held[-max(2, round(len(held) * SLOW_SHARE)) :]
        self.slow, self.is_few = _together(slow), len(slow) < FEW_SLOW

    def grown(self, take: Take) -> _Grown | None:
        quick, slow = take(self.quick).quantile(0.9), take(self.slow).quantile(0.9)
        return None if quick is None or slow is None else _Grown(quick, slow)


def bottleneck(record: RunRecord) -> Bottleneck:
    moments, whole = [each.figures for each in record.timeline], record.total
    if saturated := [each.sentence for each in record.verdict.reasons if each.code in SATURATED]:
        return _found(Where.GENERATOR, Certainty.CERTAIN, saturated)
    # In TCP's own times a full queue looks like a long way.
    for cause in causes(record):
        if cause.code == FULL_QUEUE and cause.certainty is Certainty.CERTAIN:
            evidence = (f"{each[0].upper()}{each[1:]}." for each in cause.evidence)
            return _found(Where.ACCEPT, cause.certainty, evidence)
    cases = {
        kind: _Halves(moments, take)
        for kind, take in ((Where.ANSWER, _answers), (Where.FAN_OUT, _ticks), (Where.ACCEPT, _connects))
    }
    takes = {Where.ANSWER: _answers, Where.FAN_OUT: _ticks, Where.ACCEPT: _connects}
    failed = _failed_connects(whole)
    grown = {
        kind: growth
        for kind, halves in cases.items()
        if halves.is_known and (growth := halves.grown(takes[kind])) is not None and growth.is_more
    }
    if grown:
        kind = max(grown, key=lambda each: grown[each].slow / grown[each].quick)
        judge = {Where.ANSWER: _of_answers, Where.FAN_OUT: _of_ticks, Where.ACCEPT: _of_connects}[kind]
        found = judge(cases[kind], grown[kind])
        certainty = Certainty.POSSIBLE if cases[kind].is_few else found.certainty
        return _found(found.where, certainty, [*found.evidence, *failed])
    if failed:
        return _found(Where.ACCEPT, Certainty.POSSIBLE, failed)
    if not any(halves.is_known for halves in cases.values()):
        return _found(
            Where.UNKNOWN,
            Certainty.UNDETERMINED,
            ["Too little was answered, pushed and connected to hold slow moments against quick ones."],
        )
    return _of_nothing(whole, cases)


def _of_answers(halves: _Halves, growth: _Grown) -> Bottleneck:
    evidence = [f"Answers took longer: {growth}."]
    connecting, beats = halves.grown(_phase("connecting")), halves.grown(_beats)
    if connecting and connecting.is_more:
        evidence.append(
            f"TCP connects grew with them ({connecting}); the server's program has no part in those."
        )
        return _found(Where.NETWORK, Certainty.LIKELY, evidence)
    evidence.extend(_cleared(halves))
    if beats and beats.is_more:
        evidence.append(
            f"Heartbeats grew with them ({beats}): all of the server stood still, or the way to it."
        )
        return _found(Where.ANSWER, Certainty.POSSIBLE if connecting is None else Certainty.LIKELY, evidence)
    if beats:
        evidence.append(f"Heartbeats of the same sessions did not grow ({beats}): the way is clear.")
    return _found(Where.ANSWER, Certainty.LIKELY if beats or connecting else Certainty.POSSIBLE, evidence)


def _of_ticks(halves: _Halves, growth: _Grown) -> Bottleneck:
    evidence = [f"Ticks came further apart: {growth}.", *_cleared(halves)]
    answers = halves.grown(_answers)
    if answers is None:
        return _found(Where.FAN_OUT, Certainty.POSSIBLE, evidence)
    if answers.is_more:
        evidence.append(f"Answers grew with them ({answers}), so it is not the stream alone.")
        return _found(Where.FAN_OUT, Certainty.POSSIBLE, evidence)
    evidence.append(f"Answers over the same sessions did not grow ({answers}).")
    return _found(Where.FAN_OUT, Certainty.LIKELY, evidence)


def _of_connects(halves: _Halves, growth: _Grown) -> Bottleneck:
    phases = {
        name: each for name in halves.slow.connects.phases if (each := halves.grown(_phase(name))) is not None
    }
    evidence = [f"It took longer until a session was live: {growth}."]
    if not phases:
        return _found(Where.ACCEPT, Certainty.POSSIBLE, evidence)
    most = max(phases, key=lambda each: phases[each].more)
    evidence.append(f"Most of it was in {most}: {phases[most]}.")
    # A long way is in every phase, and a slow server in its own ones alone.
    where = Where.ACCEPT
    for name in sorted(ON_THE_WAY & phases.keys()):
        if phases[name].is_more and phases[name].more >= phases[most].more / 2:
            where = Where.NETWORK
            evidence.append(f"In {name}, in which the server's program has no part: {phases[name]}.")
    evidence.extend(_cleared(halves))
    return _found(where, Certainty.LIKELY, evidence)


def _cleared(halves: _Halves) -> Iterator[str]:
    late = halves.grown(_lateness)
    if late and not late.is_more:
        yield f"The generator was on time ({late})."


def _failed_connects(whole: Figures) -> list[str]:
    failed = sum(whole.connects.failed.values())
    if failed < max(1, FAILED_CONNECTS * whole.connects.begun):
        return []
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in whole.connects.failed.items())
    return [f"{failed:,} of {whole.connects.begun:,} connects failed: {kinds}."]


def _of_nothing(whole: Figures, cases: dict[Where, _Halves]) -> Bottleneck:
    way, answers = _phase("connecting")(whole).quantile(0.5), _answers(whole).quantile(0.5)
    if way is not None and answers is not None and way >= FAR_SECONDS and way >= answers / 2:
        return _found(
            Where.NETWORK,
            Certainty.POSSIBLE,
            [
                f"Nothing grew, but half of the answers took over {_ms(answers)}, and a TCP connect {_ms(way)}: "
                "most of it is the way there and back."
            ],
        )
    names = {Where.ANSWER: "answers", Where.FAN_OUT: "ticks", Where.ACCEPT: "connects"}
    held = [names[kind] for kind, halves in cases.items() if halves.is_known]
    return _found(
        Where.NOTHING,
        Certainty.LIKELY,
        [f"In its slowest moments the run was not much slower than in its quick ones ({', '.join(held)})."],
    )


def _found(where: Where, certainty: Certainty, evidence: Iterable[str]) -> Bottleneck:
    return Bottleneck(where=where, certainty=certainty, evidence=tuple(evidence))


def _together(moments: Iterable[Figures]) -> Figures:
    whole = Figures()
    for each in moments:
        whole.add(each, later=True)
    return whole


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
