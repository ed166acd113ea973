"""The performance suite: what clients of this kind claim of themselves, measured here, and said to be kept or not.

Durations are measured in real time, with all that was measured in one histogram. A limit that is not kept while this machine's own
timers are late says nothing about the target, and is told as that. Of what is not simulated only little is asked.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from probe.host.lag import LagWatch
from probe.host.load import waited_for_a_core
from probe.measure.histogram import Histogram
from probe.measure.snapshot import quantiles
from probe.model.credentials import Credentials
from probe.model.errors import ConfigError
from probe.verify.bench import Bench
from probe.verify.channel_http import seconds_of_requests
from probe.verify.content import operation
from probe.verify.model import Evidence, Failed, Figure, Group, Need, Skip, Suite, Trial

SHARE = 0.95  # of all measurements must keep to a limit
CONNECT, LATENCY = 2.0, 0.1  # seconds
LEAST_RATE, MOST_RATE = 10.0, 50.0  # operations a second
RATE_LASTS = 4.0  # seconds
MEMORY, PROCESSOR = 50.0, 0.05  # megabytes; of one core
CONNECTS, REAL_CONNECTS, BETWEEN = 10, 3, 2.0
SESSIONS, QUESTIONS, REAL_QUESTIONS = 3, 30, 10
WATCHED, STARTS_WITHIN = 5.0, 60.0  # seconds
LATE_STEP, TOO_LATE = (
    0.01,
    0.03,
)  # seconds between two looks at our own timers; and by which they must not be late
STARVED = 0.25  # of the time in which this process wants to work
_BUSY = "it cannot be judged while this machine is so busy"
Figures = Mapping[str, Figure]


async def connect_time(bench: Bench) -> Evidence:
    """From the first dial until the session is live."""
    histogram = Histogram()
    async with _judging() as judge:
        for number in range(CONNECTS if bench.simulator is not None else REAL_CONNECTS):
            if number and bench.simulator is None:
                await bench.wait(BETWEEN)
            async with bench.session() as session:
                histogram.add(session.statistics().first_connect_seconds or 0.0)
    return judge.durations("connections are live", CONNECT, histogram)


async def message_latency(bench: Bench) -> Evidence:
    """Of questions, each from its sending to its answer."""
    few = bench.simulator is None
    async with _judging() as judge:
        if not bench.has_history:
            histogram = await seconds_of_requests(bench, REAL_QUESTIONS if few else QUESTIONS)
            return judge.durations("requests are answered", LATENCY, histogram)
        histogram = Histogram()
        for _ in range(1 if few else SESSIONS):
            async with bench.session() as session:
                for _ in range(REAL_QUESTIONS if few else QUESTIONS):
                    histogram.add(await session.round_trip())
                    await bench.wait(1.0 if few else 0.01)
    return judge.durations("questions are answered", LATENCY, histogram)


async def throughput(bench: Bench) -> Evidence:
    """Operations come when they are due, whether those before them were answered or not: a slow answer hides nothing."""
    histogram = Histogram()
    async with _judging() as judge, bench.session() as session:
        began = bench.now

        async def one(number: int) -> None:
            due = began + number / MOST_RATE
            await bench.wait(max(due - bench.now, 0.0))
            # Where a hundred wait for their answers already, no more can be asked: that one was not done.
            with suppress(ConfigError):
                await operation(bench, session)
                histogram.add(bench.now - due)

        await asyncio.gather(*(one(number) for number in range(int(MOST_RATE * RATE_LASTS))))
        rate = histogram.count / (bench.now - began)
    told = quantiles(histogram)
    words = (
        f"{LEAST_RATE:g} to {MOST_RATE:g} operations a second: {MOST_RATE:g} were due each second for {RATE_LASTS:g} s, "
        f"and {rate:.1f} were done, p95 {told.p95 or 0.0:.4f} s and p99 {told.p99 or 0.0:.4f} s after they were due"
    )
    return judge.judged(
        words, {"operations_per_second": rate, **_percentiles(histogram)}, is_kept=rate >= LEAST_RATE
    )


async def resources(bench: Bench) -> Evidence:
    async with _judging() as judge:
        told = await _alone(bench)
    own, share = told["own_megabytes"], told["processor_share"] or 0.0
    if own is None:
        raise Skip("this system does not tell how much memory is a process's own")
    words = (
        f"less than {MEMORY:g} MB of its own and {PROCESSOR:.0%} of a core: a process that holds one session has {own:.1f} MB "
        f"({told['resident_megabytes'] or 0.0:.1f} MB resident with the files that processes share) and takes {share:.2%}, while "
        f"{told['messages_per_second']:.1f} messages a second come and go"
    )
    return judge.judged(words, told, is_kept=own < MEMORY and share < PROCESSOR)


# -- judging -----------------------------------------------------------------------------------------------------------


class _Judge:
    late = 0.0  # seconds, the latest that one of our own timers was

    def durations(self, what: str, most: float, histogram: Histogram) -> Evidence:
        told = quantiles(histogram)
        if told.p95 is None:
            raise Failed(f"of those that {what} nothing was measured")
        words = (
            f"{SHARE:.0%} of {what} within {most:g} s: of {told.count} the median {told.p50:.4f} s, p95 {told.p95:.4f} s, "
            f"p99 {told.p99:.4f} s, the longest {told.largest:.4f} s"
        )
        return self.judged(words, {"most_seconds": most, **_percentiles(histogram)}, is_kept=told.p95 < most)

    def judged(self, words: str, figures: Figures, *, is_kept: bool) -> Evidence:
        """
        Raises:
            Failed: it is not kept.
            Skip: it is not, and this machine may be why.
        """
        told = {"kept": is_kept, **figures, "own_timers_late_seconds": self.late}
        if is_kept:
            return Evidence(words=f"kept: {words}", figures=told)
        if self.late > TOO_LATE:
            raise Skip(f"{_BUSY}: its own timers were {self.late:.2f} s late; {words}")
        if (starved := waited_for_a_core()) > STARVED:
            raise Skip(f"{_BUSY}: {starved:.0%} of the time there is no core for this process; {words}")
        raise Failed(f"not kept: {words}", **told)


@asynccontextmanager
async def _judging() -> AsyncIterator[_Judge]:
    judge = _Judge()
    async with LagWatch(LATE_STEP) as watch:
        yield judge
    judge.late = watch.worst.seconds


def _percentiles(histogram: Histogram) -> Figures:
    told = quantiles(histogram)
    return {
        "count": told.count,
        "p50_seconds": told.p50,
        "p95_seconds": told.p95,
        "p99_seconds": told.p99,
        "largest_seconds": told.largest,
    }


async def _alone(bench: Bench) -> dict[str, float | None]:
    """What a process with nothing but one session takes."""
    key = bench.wanted.key
    if key is not None and not isinstance(key, Credentials):
        raise Skip("it needs a credential that opens a session by itself")
    session = {
        "target": key.frame.reveal() if key is not None else bench.endpoint.url,
        "broker": bench.broker.name,
        "endpoint": [bench.endpoint.url],
        "symbols": [bench.symbol],
        "proxy": bench.wanted.proxy,
        "ca": str(bench.wanted.tls.ca_file) if bench.wanted.tls.ca_file else None,
        "dialect": list(bench.wanted.dialect),
    }
    asked = json.dumps({"session": session, "symbol": bench.symbol, "seconds": WATCHED}).encode()
    with tempfile.TemporaryDirectory() as folder:  # no configuration there
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "probe.verify.alone",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
        )
        try:
            async with asyncio.timeout(STARTS_WITHIN + WATCHED):
                out, err = await child.communicate(asked)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    if child.returncode != 0:
        said = err.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise Failed(f"a session in a process of its own did not open: {said[-1][:200]}")
    told: dict[str, float | None] = json.loads(out)
    return told


_REAL = frozenset((Need.REAL_TIME,))

SUITE = Suite(
    name="performance",
    trials=(
        Trial(
            name="Connect time",
            promise=f"{SHARE:.0%} of connections are live within {CONNECT:g} s.",
            run=connect_time,
            group=Group.PERFORMANCE,
            needs=_REAL,
        ),
        Trial(
            name="Message latency",
            promise=f"{SHARE:.0%} of questions are answered within {LATENCY * 1000:g} ms.",
            run=message_latency,
            group=Group.PERFORMANCE,
            needs=_REAL,
        ),
        Trial(
            name="Throughput",
            promise=f"One session does at least {LEAST_RATE:g} operations a second when {MOST_RATE:g} are due.",
            run=throughput,
            group=Group.PERFORMANCE,
            needs=_REAL | {Need.SIMULATOR, Need.HISTORY},
        ),
        Trial(
            name="Memory and processor",
            promise=f"A process that holds one session takes less than {MEMORY:g} MB of its own and {PROCESSOR:.0%} of a core.",
            run=resources,
            group=Group.PERFORMANCE,
            needs=_REAL,
        ),
    ),
)
