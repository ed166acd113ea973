"""Fresh connections beside a long one: its phases and the certificate, every few minutes."""

import asyncio
import time
from collections.abc import Callable
from random import Random

from probe.drivers.polling import is_dialled
from probe.measure.records import Attempt
from probe.model.credentials import Credentials
from probe.model.events import Phase
from probe.monitor.endpoints import Dialler, Visit
from probe.monitor.link import Link
from probe.monitor.wanted import Wanted
from probe.session.reconnect import LONGEST_HEEDED_SECONDS, is_final

FIRST_AFTER = 10.0  # the login's burst is over then
JITTER = 0.1  # of the interval, either way: many monitors shall not knock together
WITHIN = 60.0


async def keep_knocking(
    wanted: Wanted,
    link: Link,
    told: Callable[[Attempt], None],
    *,
    rng: Random,
    utc: Callable[[], float] = time.time,
    phase_deadline: float | None = None,
) -> None:
    """Until cancelled, at the endpoint in use; while the link has no live session, it tries often enough itself.

    A knock goes no further than the last step before the login, for a second login can end the first; unless the target
    wants that, and then for as long as its credential is not rejected. Where each question counts, because questions are all
    there is, it asks none; and where nothing is dialled it does not knock.
    """
    dialler = Dialler(
        target=wanted.name,
        broker=wanted.broker,
        rng=rng,
        tls=wanted.tls,
        proxy=wanted.proxy,
        phase_deadline=phase_deadline,
        utc=utc,
        about=wanted.about,
    )
    rejected: Credentials | None = None
    every = wanted.knock_every
    if every is None:
        return
    pause = min(FIRST_AFTER, every)
    while True:
        await asyncio.sleep(pause * rng.uniform(1 - JITTER, 1 + JITTER))
        endpoint = link.live_endpoint
        if endpoint is None or not is_dialled(endpoint.url):
            pause = min(FIRST_AFTER, every)
            continue
        credentials = link.credentials if wanted.knock_auth and link.credentials is not rejected else None
        is_polled = endpoint.scheme in wanted.broker.surveys
        greeted = Phase.CONNECTING if is_polled else Phase.JOINING
        goal = greeted if credentials is None else Phase.AUTHENTICATING
        attempt = await Visit(
            dialler, dialler.trial(endpoint, "knock"), goal=goal, credentials=credentials
        ).run(WITHIN)
        told(attempt)
        pause, failure = every, attempt.failure
        if failure is not None:
            asked = min(failure.retry_after_seconds or 0.0, LONGEST_HEEDED_SECONDS)
            pause = max(every, asked / (1 - JITTER))
            rejected = credentials if is_final(failure) else rejected
