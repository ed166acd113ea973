"""What remains in doubt is looked at more closely with --deep, where that harms nobody; where it may, it is said that it was
not, and the doubt remains."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from probe.diagnose.diagnose import Verdict
from probe.doctor.examine import (
    NOT_TWICE,
    PAST_THE_PROXY,
    STRANGERS_DOOR,
    Examination,
    Means,
    Outcome,
    Patient,
)
from probe.model.findings import Certainty
from probe.monitor.sign_in import SignIn
from tests.doctor.simulated import simulated
from tests.doctor.staged.upgrade import behind_proxy
from tests.doctor.staging import Stage, _examined
from tests.doctor.upgrade_stubs import answers, silent
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.virtual.travelling import run

PO = "pocketoption"


def with_another_region(*faults: str) -> Stage:
    """Here a login is refused; the other region has these faults, and knows the same accounts."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with simulated(PO, "auth-refused")() as patient, simulated(PO, *faults)() as other:
            assert other.endpoint is not None
            assert not isinstance(other.key, SignIn)
            yield replace(patient, others=((replace(other.endpoint, region="far"), other.key),))

    return stage


def owned(stage: Stage, *, is_ours: bool) -> Stage:
    @asynccontextmanager
    async def owned_stage() -> AsyncIterator[Patient]:
        async with stage() as patient:
            yield replace(patient, is_ours=is_ours)

    return owned_stage


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """
    Args:
        code: What is said first.
        doubt: What it may be as well.
        step: That decides.
        why_not: It is not made at somebody else's server.
        decided: What is said first once it is made; usual: the same.
    """

    name: str
    stage: Stage
    code: str
    doubt: str
    step: str
    why_not: str = STRANGERS_DOOR
    decided: str = ""


DOUBTS = (
    Doubt(
        name="another region lets it in",
        stage=with_another_region(),
        code="auth.session-expired",
        doubt="auth.wrong-region",
        step="another region",
        why_not=NOT_TWICE,
        decided="auth.wrong-region",
    ),
    Doubt(
        name="another region refuses it too",
        stage=with_another_region("auth-refused"),
        code="auth.session-expired",
        doubt="auth.wrong-region",
        step="another region",
        why_not=NOT_TWICE,
    ),
    Doubt(
        name="another session gets prices",
        stage=simulated(PO, "silent-stall:at=2s"),
        code="session.silent-stall",
        doubt="data.market-closed",
        step="another session",
    ),
    Doubt(
        name="one symbol is alive for another session",
        stage=simulated(PO, "one-symbol-stall:at=3s,symbol=EURUSD_otc"),
        code="session.one-symbol-stall",
        doubt="data.market-closed",
        step="another session",
    ),
    Doubt(
        name="past the proxy it opens",
        stage=behind_proxy(answers("426 Upgrade Required", "Via: 1.1 proxy")),
        code="http.no-upgrade",
        doubt="",
        step="without the proxy",
        why_not=NOT_TWICE,
    ),
    Doubt(
        name="past the proxy it is not silent",
        stage=behind_proxy(silent),
        code="http.open-timeout",
        doubt="",
        step="without the proxy",
        why_not=PAST_THE_PROXY,
    ),
)


@pytest.fixture(params=DOUBTS, ids=lambda doubt: doubt.name.replace(" ", "-"))
def doubt(request: pytest.FixtureRequest) -> Doubt:
    found: Doubt = request.param
    return found


def seen(stage: Stage, *, is_ours: bool) -> Examination:
    means = Means(deep=True, budget=180.0)
    return run(_examined(owned(stage, is_ours=is_ours), means, WEDNESDAY_NOON))


def first(examination: Examination) -> Verdict:
    return examination.diagnosis.verdicts[0]


def step(examination: Examination, name: str) -> tuple[Outcome, str] | None:
    return next(((each.outcome, each.note) for each in examination.rungs if each.name == name), None)


def test_at_ones_own_server_the_doubt_is_cleared(doubt: Doubt) -> None:
    examination = seen(doubt.stage, is_ours=True)
    verdict = first(examination)
    assert verdict.code == (doubt.decided or doubt.code)
    assert doubt.doubt not in verdict.remaining
    made = step(examination, doubt.step)
    assert made is not None
    assert made[0] is Outcome.FINE


def test_at_somebody_elses_the_doubt_remains_and_it_is_said_what_was_not_made(doubt: Doubt) -> None:
    examination = seen(doubt.stage, is_ours=False)
    verdict = first(examination)
    assert verdict.code == doubt.code
    assert verdict.certainty is not Certainty.CERTAIN
    assert not doubt.doubt or doubt.doubt in verdict.remaining
    assert step(examination, doubt.step) == (Outcome.NOT_CHECKED, doubt.why_not)


def test_how_the_other_region_was_is_told() -> None:
    well, refused = (seen(with_another_region(*faults), is_ours=True) for faults in ((), ("auth-refused",)))
    assert step(well, "another region") == (Outcome.FINE, "far: it goes well")
    outcome, note = step(refused, "another region") or (None, "")
    assert (outcome, note.partition(":")[0]) == (Outcome.FINE, "far")
    assert "refused the credential" in note
