"""What the figures mean, in sentences: verdicts, what to do, and how much to trust it all."""

from collections.abc import Iterator, Mapping, Sequence

from probe.cli.lines import counted, percent, span
from probe.cli.output import milliseconds
from probe.measure.records import Cause, Incident
from probe.model.failures import Blame
from reports.diagnostics.facts import Budget, Sums, TargetReport, Trust
from reports.diagnostics.figures import seconds_in

CAUSES: Mapping[Cause, str] = {
    Cause.DISCONNECTED: "the session was down",
    Cause.AUTH: "the credential was refused",
    Cause.STALLED: "prices stopped",
    Cause.DEGRADED: "it worked badly",
}
FEW = 0.5  # of the period; who watched less of it knows little
FEW_TAINTED = 0.01
SOME_SECONDS = 60.0  # at the edges of a period, which nobody could have watched to the second
LATE_SECONDS = 0.1  # of our own loop, at p99
SOON_SECONDS = 14 * 86_400.0  # a certificate's end
NOTHING = "Nothing to do: all that was watched went well."
UNKNOWN = "Nothing was observed in this period: whether the session was usable is not known."


def verdict(sums: Sums, budget: Budget, blame: Blame) -> str:
    """One sentence.

    Args:
        blame: Whose fault what took most of the time was.
    """
    if sums.availability is None:
        return UNKNOWN
    watched = f"the {span(sums.observed)} that were watched"
    if sums.coverage < FEW:
        watched += f" ({percent(sums.coverage)} of the period)"
    if sums.commonest is None:
        return f"The session was usable for all of {watched}."
    wanted = f"{budget.objective * 100:g} %"
    judged = (
        f"as the objective of {wanted} allows" if is_kept(budget) else f"less than the objective of {wanted}"
    )
    likely = "" if blame is Blame.UNKNOWN else f" (likely {blame.value})"
    mostly = "mostly because" if len(sums.bad) > 1 else "because"
    return (
        f"The session was usable for {percent(sums.availability)} of {watched}, {judged}: {span(sums.bad_seconds)} were bad, "
        f"{mostly} {CAUSES[sums.commonest]}{likely}."
    )


def is_kept(budget: Budget) -> bool:
    return budget.spent_seconds <= budget.allowed_seconds


def verdict_over_all(targets: Sequence[TargetReport]) -> str:
    if len(targets) == 1:
        return targets[0].verdict
    seen = [each for each in targets if each.sums.availability is not None]
    missed = [each for each in seen if not is_kept(each.budget)]
    unseen = len(targets) - len(seen)
    if not seen:
        return f"Nothing was observed of {counted(len(targets), 'target')} in this period: whether they were usable is not known."
    if missed:
        worst = min(missed, key=lambda each: each.sums.availability or 0.0)
        told = (
            f"{len(missed)} of {counted(len(seen), 'target')} missed the objective; the worst, {worst.target}, was usable for "
            f"{percent(worst.sums.availability)} of the time"
        )
    else:
        told = (
            f"All {counted(len(seen), 'target')} that were watched kept the objective"
            if unseen
            else (f"All {len(seen)} targets kept the objective")
        )
    return (
        f"{told}; {counted(unseen, 'target')} {'was' if unseen == 1 else 'were'} not watched."
        if unseen
        else f"{told}."
    )


def advice(
    incidents: Sequence[Incident],
    trust: Trust,
    certificate_seconds_left: float | None,
    *,
    since_utc: float,
    until_utc: float,
) -> tuple[str, ...]:
    """What to do, what cost most first."""
    costs: dict[tuple[str, str], list[float]] = {}
    for each in incidents:
        costs.setdefault((each.code, each.advice), []).append(seconds_in(each, since_utc, until_utc))
    told = [
        f"{counted(len(lasted), 'time')}, {span(sum(lasted))} in all: {words} [{code}]"
        for (code, words), lasted in sorted(costs.items(), key=lambda each: -sum(each[1]))
    ]
    if certificate_seconds_left is not None and certificate_seconds_left < SOON_SECONDS:
        left = f"in {span(certificate_seconds_left)}" if certificate_seconds_left > 0 else "already"
        told.append(f"The server's certificate ends {left}: tell whoever runs it [tls.server-cert-expired]")
    if trust.coverage < FEW:
        told.append("Let the monitor run all the time, as a service: what nobody watches nobody can explain.")
    if trust.own_lag_p99 is not None and trust.own_lag_p99 > LATE_SECONDS:
        told.append("Give this machine more air, or watch from another: it is late itself.")
    return tuple(told) or (NOTHING if trust.coverage > 0 else "Let the monitor run: probe monitor TARGET.",)


def remarks(
    sums: Sums,
    *,
    samples: int,
    tainted: int,
    killed: int,
    clock_steps: int,
    own_lag_p99: float | None,
    judged: float,
) -> Iterator[str]:
    """What speaks against the figures, the gravest first."""
    if sums.observed <= 0:
        yield "Nothing was observed."
        return
    if sums.asked * (1 - sums.coverage) > max(FEW_TAINTED * sums.asked, SOME_SECONDS):
        yield f"{percent(sums.coverage)} of the period was watched: what happened in the rest is not known."
    if sums.unobserved > FEW_TAINTED * sums.observed:
        yield f"For {span(sums.unobserved)} the monitor ran and could not look: it was suspended, or the clock was set."
    if clock_steps:
        yield f"The clock of this machine was set {counted(clock_steps, 'time')}: moments before and after are apart by as much."
    if killed:
        yield f"The monitor ended {counted(killed, 'time')} without a word: it was killed, or the machine went down."
    if samples and tainted > FEW_TAINTED * samples:
        yield (
            f"{percent(tainted / samples)} of the samples were taken while this machine was late itself; no figure uses them."
        )
    if own_lag_p99 is not None and own_lag_p99 > LATE_SECONDS:
        yield f"This machine itself was late by {milliseconds(own_lag_p99)} (p99)."
    if judged < FEW * sums.observed:
        yield f"The score was told for {span(judged)} only: an older version wrote the rest, or too little was seen."
