"""What a failure is called: by the doctor, by a monitor that watched for some minutes, and by the sessions that met it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from probe.catalogue import entries
from probe.doctor.examine import BUDGET, DEEP_BUDGET, Means, Patient, examine
from probe.model.failures import Failure
from probe.model.findings import Certainty, Finding, State
from probe.verify.bench import Bench

JUDGED_WITHIN = 200.0  # the doctor's own budget, and a little
WATCHED = 240.0  # seconds, where they are pretended
OURSELVES = "host."  # where time is pretended, how this machine keeps it says nothing
SUREST_FIRST = tuple(Certainty)


async def looked(bench: Bench) -> tuple[Finding, ...]:
    """What the doctor finds wrong with the target now; and, where time costs nothing, what a monitor does that watches it."""
    found: list[Finding] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(JUDGED_WITHIN):
            found += await _examined(bench)
    if bench.pretends:
        found += await _watched(bench)
    return joined(each for each in found if not (bench.pretends and each.code.startswith(OURSELVES)))


async def _examined(bench: Bench) -> list[Finding]:
    patient = Patient(
        name=bench.wanted.name,
        broker=bench.broker,
        endpoint=bench.endpoint,
        key=bench.wanted.key,
        tls=bench.wanted.tls,
        about=bench.wanted.about,
        symbol=bench.symbol,
        is_ours=bench.simulator is not None,
    )
    budget = DEEP_BUDGET if bench.pretends else BUDGET
    means = Means(leaves_early=False, deep=bench.pretends, budget=budget)
    examination = await examine(patient, means, utc=bench.utc)
    return [
        Finding(
            code=each.code,
            state=each.state,
            certainty=each.certainty,
            cause=each.says,
            next_step=each.advice[0],
        )
        for each in examination.diagnosis.verdicts
        if each.state is not State.HEALTHY
    ]


async def _watched(bench: Bench) -> list[Finding]:
    async with bench.monitor() as monitor:
        await bench.wait(WATCHED)
        incidents = [each for snapshot in monitor.snapshots() for each in snapshot.incidents]
    verdicts = [verdict for incident in incidents for verdict in incident.verdicts]
    return [_known(each.code, each.certainty, each.says) for each in verdicts]


def named(ended: Sequence[Failure], code: str) -> tuple[Finding, ...]:
    """
    Args:
        ended: What sessions of a test ended of.
        code: What the test itself takes its failure for; empty: nothing.
    """
    found = [_known(each.code, Certainty.LIKELY, str(each)) for each in ended]
    if code:
        found.append(_known(code, Certainty.POSSIBLE, code))
    return joined(found)


def _known(code: str, certainty: Certainty, says: str) -> Finding:
    """By the catalogue, if it has it."""
    entry = entries().get(code)
    return Finding(
        code=code,
        state=State.FAILED,
        certainty=certainty,
        cause=entry.title if entry else says,
        next_step=entry.advice[0] if entry else "Look at the last messages: probe doctor shows them.",
    )


def joined(*several: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, as sure as anybody is of it; the surest first."""
    first: dict[str, Finding] = {}
    for each in sorted((each for some in several for each in some), key=_doubt):
        first.setdefault(each.code, each)
    return tuple(first.values())


def _doubt(finding: Finding) -> int:
    return SUREST_FIRST.index(finding.certainty)
