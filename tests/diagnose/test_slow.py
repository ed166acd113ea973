"""When round trips are called slow, and where the time is said to arise."""

import pytest

from probe.diagnose.case import Case, Control, Host, Look, Looks, Lookup, Names, Past, Way
from probe.diagnose.diagnose import diagnose, rules_for
from probe.diagnose.facts import Facts
from probe.diagnose.rules.slow import slow
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import (
    POLL,
    WEBSOCKET,
    Ended,
    HeartbeatAnswered,
    Phase,
    PhaseFinished,
    TcpFacts,
    Traffic,
)
from probe.model.failures import Failure
from probe.model.findings import Certainty
from probe.model.meanings import Admitted

KERNEL = TcpFacts(rtt_seconds=0.02, rtt_variation_seconds=0.0, retransmits=0, heard_seconds=0.1)
CALM = Host(cpu_waited=0.0)
FOUND = Names(host="a.test", lookups=(Lookup(family=0, addresses=("192.0.2.1",), seconds=0.01),))


def looked(
    *trips: float,
    name: str = WEBSOCKET,
    kernel: TcpFacts | None = KERNEL,
    failure: Failure | None = None,
    scheme: str = "wss",
) -> Looks:
    facts = Facts(kernel=kernel, admitted=Admitted())
    facts.add(PhaseFinished(at=0.0, phase=Phase.AUTHENTICATING, began_at=-1.0))
    for place, seconds in enumerate(trips):
        facts.add(HeartbeatAnswered(at=place + seconds, name=name, due_at=place, sent_at=place))
    facts.add(Ended(at=30.0, phase=Phase.LIVE, failure=failure, traffic=Traffic()))
    endpoint = Endpoint(broker="one", region="eu", url=f"{scheme}://a.test/", account=Account.DEMO)
    return Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None)))


@pytest.mark.parametrize(
    ("looks", "usual", "is_slow"),
    [
        (looked(2.5, 2.5, 2.5), None, True),
        (looked(2.5, 2.5, 2.5, name=POLL, scheme="https"), None, True),
        (looked(1.9, 1.9, 1.9), None, False),
        (looked(2.5, 2.5), None, False),  # too few
        (looked(9.0, 9.0, 9.0, 0.1, 0.1, 0.1), None, False),  # it is over
        (looked(0.1, 9.0, 0.1), None, False),  # one of them
        (looked(0.5, 0.5, 0.5), 0.05, True),
        (looked(0.25, 0.25, 0.25), 0.05, False),  # many times the usual, and quick all the same
        (looked(0.5, 0.5, 0.5), 0.4, False),
        (
            looked(2.5, 2.5, 2.5, name="engine"),
            None,
            False,
        ),  # the broker's own keep-alive is no measure of the way
        (looked(2.5, 2.5, 2.5, failure=Failure(kind="session.tcp-reset")), None, False),
    ],
)
def test_slow_is_what_is_far_above_the_usual_or_too_much_for_anybody(
    looks: Looks, usual: float | None, is_slow: bool
) -> None:
    past = Past(seconds=3600.0, region="eu", usual_round_trip=usual)
    assert (slow(Case(looks=looks, past=past)) is not None) is is_slow


def test_the_usual_of_another_region_is_none_here() -> None:
    past = Past(seconds=3600.0, region="us", usual_round_trip=0.05)
    assert slow(Case(looks=looked(0.5, 0.5, 0.5), past=past)) is None


def test_it_is_certain_when_our_own_part_was_measured_and_is_small() -> None:
    case = Case(looks=looked(2.5, 2.5, 2.5), host=CALM, names=FOUND)
    (verdict,) = diagnose(case, {"net.slow": rules_for(None)["net.slow"]}).verdicts
    assert (verdict.certainty, verdict.remaining) == (Certainty.CERTAIN, {})


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (KERNEL, "it is not the network between that takes the time"),
        (
            TcpFacts(rtt_seconds=2.4, rtt_variation_seconds=0.0, retransmits=0),
            "the network between takes most of it",
        ),
        (None, "was not measured"),
    ],
)
def test_where_the_time_arises_is_said(kernel: TcpFacts | None, words: str) -> None:
    control = Control(
        host="192.0.2.7", port=443, way=Way(address="192.0.2.7", port=443, family=4, seconds=0.03)
    )
    sign = slow(Case(looks=looked(2.5, 2.5, 2.5, kernel=kernel), controls=(control,)))
    assert sign is not None
    assert words in sign.evidence[-1]
    assert "the control 192.0.2.7 took a connection after 30 ms" in sign.evidence
