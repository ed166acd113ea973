"""A run's users share what the run was told: here, whose certificates it trusts."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loadtests import settings as run_settings
from loadtests.running import Running
from loadtests.session import StepFailed
from loadtests.settings import RunSettings
from probe.load.figures import Figures
from probe.load.wishes import Wishes, plan_of
from tests.loadtests.simulated import simulator_beside


@pytest.fixture
def over_tls() -> Iterator[RunSettings]:
    with simulator_beside("pocketoption", tls=True) as simulator:
        endpoint = simulator.endpoint("pocketoption", "wss")
        plan = plan_of(Wishes(), run="r", broker="pocketoption", url=endpoint.url, dialect=())
        yield RunSettings(plan=plan, credential=endpoint.credential, ca_file=str(endpoint.ca_file))
    run_settings.use(None)


def begun(settings: RunSettings) -> Running:
    run_settings.use(settings)
    return Running(
        settings, worker="test", began_at=time.monotonic(), on_bug=lambda bug: pytest.fail(repr(bug))
    )


def test_over_tls_the_authority_counts_that_the_run_was_given_and_no_other(over_tls: RunSettings) -> None:
    running = begun(over_tls)
    session = running.session(over_tls.broker, over_tls.plan.url)
    session.open()
    session.close()
    figures = Figures()
    for each in running.cut(time.monotonic(), at_the_end=True):
        figures.add(each.figures, later=True)
    assert figures.connects.opened == 1
    assert figures.connects.phases["securing"].count == 1

    stranger = begun(replace(over_tls, ca_file=None))
    with pytest.raises(StepFailed, match=r"connect: tls\.unknown-ca"):
        stranger.session(over_tls.broker, over_tls.plan.url, reopens=False).open()
