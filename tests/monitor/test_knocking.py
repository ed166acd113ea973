"""Fresh connections beside a long one."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from probe.model.events import FirstData, Phase
from probe.monitor.knocking import keep_knocking
from tests.monitor.linked import Place, has_logged_in, place, regions, running, until
from tests.pretending import Known
from tests.virtual.travelling import run


@asynccontextmanager
async def knocked(at: Place, **changes: Any) -> AsyncIterator[None]:
    """Beside a link to the same target."""
    link = at.link(**changes)
    async with running(link):
        knocks = keep_knocking(
            at.wanted(**changes), link, at.ears.attempted, rng=random.Random(at.seed), utc=at.utc
        )
        task = asyncio.get_running_loop().create_task(knocks)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


def test_knocks_come_soon_and_then_every_few_minutes_and_not_by_the_clock(known: Known) -> None:
    async def go() -> None:
        async with place(broker=known.broker) as at, knocked(at, symbols=()):
            await asyncio.sleep(3600)
            knocks = at.ears.by("knock")
            times = [each.at_utc - at.ears.attempts[0].at_utc for each in knocks]
            assert 9 <= times[0] <= 11
            gaps = [late - early for early, late in itertools.pairwise(times)]
            assert 270 <= min(gaps) < 290
            assert 310 < max(gaps) <= 331
            for each in knocks:
                assert (each.failure, each.phases[-1].phase) == (None, Phase.JOINING)
                assert each.tcp_rtt_seconds is not None
            assert at.logins == 1

    run(go())


def test_a_knock_logs_in_where_that_is_wanted(known: Known) -> None:
    async def go() -> None:
        async with place(broker=known.broker) as at, knocked(at, knock_auth=True, knock_every=60.0):
            await until(lambda: len(at.ears.by("knock")) == 3, within=300)
            assert {each.phases[-1].phase for each in at.ears.by("knock")} == {Phase.AUTHENTICATING}
            assert at.logins == 4

    run(go())


def test_a_credential_that_a_knock_saw_rejected_is_not_knocked_with_again() -> None:
    async def go() -> None:
        async with place() as at, knocked(at, knock_auth=True, knock_every=60.0):
            await until(lambda: at.ears.of(FirstData))
            await at.spoil("near", "auth-refused")
            await until(lambda: len(at.ears.by("knock")) == 4, within=300)
            kinds = [each.failure.kind if each.failure else None for each in at.ears.by("knock")]
            assert kinds == ["auth.refused", None, None, None]
            assert at.logins == 2

    run(go())


def test_nobody_knocks_while_the_session_is_being_made_again() -> None:
    async def go() -> None:
        async with place("refuse", at=regions("a")) as at, knocked(at, knock_every=20.0):
            await asyncio.sleep(600)
            assert at.ears.by("knock") == []

    run(go())


def test_a_knock_that_is_asked_to_wait_waits() -> None:
    async def go() -> None:
        async with place() as at, knocked(at, knock_every=60.0, symbols=()):
            await until(lambda: at.ears.by("hold"))
            await at.spoil("near", "http-status:code=429:retry_after=600s")
            await asyncio.sleep(1900)
            times = [each.at_utc for each in at.ears.by("knock")]
            assert len(times) == 3
            assert min(late - early for early, late in itertools.pairwise(times)) >= 600

    run(go())


def test_knocking_never_is_a_setting() -> None:
    async def go() -> None:
        async with place() as at, knocked(at, knock_every=None):
            await asyncio.sleep(700)
            assert at.ears.by("knock") == []
            assert [has_logged_in(record) for record in at.records] == [True]

    run(go())


def test_a_cancelled_knock_leaves_nothing() -> None:
    async def go() -> None:
        async with place() as at:
            async with knocked(at):
                await until(lambda: at.ears.of(FirstData))
                await at.spoil("near", "no-join")
                await until(lambda: at.simulator.counters.sessions_open == 2)
            assert at.ears.by("knock") == []

    run(go())


@pytest.mark.parametrize("kind", ["expired"])
def test_the_certificates_end_is_seen_by_knocks(
    kind: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))

    async def go() -> None:
        async with place(tls=True) as at:
            at.over_tls()
            async with knocked(at):
                await until(lambda: at.ears.by("knock"))
                await at.spoil("near", f"tls-certificate:kind={kind}")
                await until(lambda: len(at.ears.by("knock")) == 2, within=600)
            good, bad = at.ears.by("knock")
            assert good.certificate_expires_utc is not None
            assert good.certificate_expires_utc > at.utc()
            assert str(good.tls).startswith("TLSv1.3 ")
            assert bad.failure is not None
            assert bad.failure.kind == "tls.server-cert-expired"
            assert len(at.ears.dialled) == 1  # the session itself goes on

    run(go())
