import pytest

from probe.diagnose.case import USUAL, Case, Clock, Handshake, Host, Look, Looks, Way
from probe.diagnose.diagnose import diagnose
from probe.diagnose.facts import Facts
from probe.diagnose.rules.host import book
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import HeartbeatSent
from probe.model.failures import Failure, Seen
from probe.model.findings import Certainty, State

CERTAIN, LIKELY, POSSIBLE = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE
WELL = Host(cpu_waited=0.02, cpu_own=0.05, slept_seconds=0.0, handles_used=9, handles_limit=1024)
HERE = Endpoint(broker="one", region="here", url="ws://127.0.0.1:9/", account=Account.DEMO)


def clock(source: str, offset: float) -> Clock:
    return Clock(source=source, offset_seconds=offset, uncertainty_seconds=0.5)


def failing(kind: str, error: str = "") -> Way:
    failure = Failure(kind=kind, seen=Seen(error=error))
    return Way(address="127.0.0.1", port=443, family=4, seconds=0.1, failure=failure)


def with_late_heartbeat(seconds: float) -> Looks:
    facts = Facts(heartbeats_sent=[HeartbeatSent(at=10.0 + seconds, name="one", due_at=10.0)])
    return Looks(first=Look(endpoint=HERE, facts=facts, asked=Asked(login=False, symbol=None)))


THROUGH = Way(address="192.0.2.1", port=443, family=4, seconds=0.02)
EXPIRED = Handshake(how=USUAL, seconds=0.1, failure=Failure(kind="tls.server-cert-expired"))


@pytest.mark.parametrize(
    ("case", "code", "state", "certainty"),
    [
        pytest.param(
            Case(host=Host(loop_lag_seconds=0.4, blocked_in="somebody, busy, line 7", slept_seconds=0.0)),
            "host.event-loop-blocked", State.DEGRADED, CERTAIN, id="late, and seen what ran meanwhile",
        ),
        pytest.param(
            Case(host=Host(loop_lag_seconds=0.4, blocked_in="somebody, busy, line 7", cpu_waited=0.8, cpu_own=0.1, slept_seconds=0.0)),
            "host.cpu-starved", State.DEGRADED, CERTAIN, id="seen where it had to wait for the processor",
        ),
        pytest.param(
            Case(host=Host(loop_lag_seconds=0.4, cpu_waited=0.02, slept_seconds=0.0)),
            "host.event-loop-blocked", State.DEGRADED, LIKELY, id="late at another moment than the processor was free",
        ),
        pytest.param(
            Case(host=Host(loop_lag_seconds=0.4)),
            "host.event-loop-blocked", State.DEGRADED, POSSIBLE, id="late, and nothing else is known",
        ),
        pytest.param(
            Case(host=WELL, looks=with_late_heartbeat(0.6)),
            "host.event-loop-blocked", State.DEGRADED, LIKELY, id="late in the session only",
        ),
        pytest.param(
            Case(host=Host(loop_lag_seconds=0.4, cpu_waited=0.6, cpu_own=0.1, slept_seconds=0.0)),
            "host.cpu-starved", State.DEGRADED, CERTAIN, id="late for want of the processor",
        ),
        pytest.param(
            Case(host=Host(cpu_waited=0.9, cpu_own=0.9, slept_seconds=0.0)),
            "host.cpu-starved", State.DEGRADED, LIKELY, id="starved, and busy itself",
        ),
        pytest.param(
            Case(host=Host(handles_used=20, handles_limit=20)),
            "host.fd-limit", State.FAILED, CERTAIN, id="the last handle is taken",
        ),
        pytest.param(
            Case(host=Host(handles_used=20, handles_limit=20), ways=(THROUGH,)),
            "host.fd-limit", State.DEGRADED, POSSIBLE, id="the last was free again when it was needed",
        ),
        pytest.param(
            Case(host=Host(handles_used=18, handles_limit=20)),
            "host.fd-limit", State.DEGRADED, POSSIBLE, id="a few handles are left",
        ),
        pytest.param(
            Case(host=WELL, ways=(failing("host.fd-limit", "ENFILE"),)),
            "host.fd-limit", State.FAILED, CERTAIN, id="no handle was given",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", 3.0),)),
            "host.clock-wrong", State.DEGRADED, LIKELY, id="off by one clock",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", 3.0), clock("a", 3.1))),
            "host.clock-wrong", State.DEGRADED, LIKELY, id="one clock asked twice is one",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", 3.0), clock("b", 3.2))),
            "host.clock-wrong", State.DEGRADED, CERTAIN, id="off by two clocks",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", 30.0), clock("b", -90.0))),
            "host.clock-wrong", State.DEGRADED, POSSIBLE, id="two clocks that do not agree either",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", 90.0), clock("b", 90.0)), handshakes=(EXPIRED,)),
            "host.clock-wrong", State.FAILED, CERTAIN, id="a certificate fails by it",
        ),
        pytest.param(
            Case(host=WELL, clocks=(clock("a", -86400.0),)),
            "host.clock-wrong", State.FAILED, LIKELY, id="a day off",
        ),
        pytest.param(
            Case(host=Host(clock_jump_seconds=-90.0, slept_seconds=0.0), clocks=(clock("a", -90.0),)),
            "host.clock-stepped", State.DEGRADED, CERTAIN, id="set, and so wrong by another",
        ),
        pytest.param(
            Case(host=Host(clock_jump_seconds=90.0)),
            "host.clock-stepped", State.DEGRADED, LIKELY, id="a jump where no boot clock can be read",
        ),
        pytest.param(
            Case(host=Host(clock_jump_seconds=90.0, slept_seconds=90.0, loop_lag_seconds=90.0)),
            "host.suspend-resume", State.DEGRADED, CERTAIN, id="asleep",
        ),
        pytest.param(
            Case(host=WELL, ways=(failing("host.no-ports", "EADDRNOTAVAIL"),)),
            "load.ephemeral-ports", State.FAILED, LIKELY, id="no port was given, and nobody counted",
        ),
        pytest.param(
            Case(host=Host(ports=50, ports_in_use=49, time_wait=9)),
            "load.ephemeral-ports", State.DEGRADED, POSSIBLE, id="hardly any port is left",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_this_machine_is_said_and_nothing_else(
    case: Case, code: str, state: State, certainty: Certainty
) -> None:
    verdicts = diagnose(case, book).verdicts
    assert [(each.code, each.state, each.certainty) for each in verdicts] == [(code, state, certainty)]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(host=WELL), id="well"),
        pytest.param(Case(host=Host()), id="nothing could be learned"),
        pytest.param(Case(), id="nobody looked"),
        pytest.param(Case(host=Host(cpu_busy=1.0, cpu_waited=0.5)), id="busy, and late for nothing"),
        pytest.param(Case(host=WELL, clocks=(clock("a", 0.4),)), id="the clock is right"),
        pytest.param(Case(host=WELL, clocks=(clock("a", 86400.0), clock("b", 0.2))), id="the other is wrong"),
        pytest.param(Case(host=WELL, looks=with_late_heartbeat(0.05)), id="nearly punctual"),
    ],
)
def test_a_machine_that_disturbs_nothing_is_not_spoken_of(case: Case) -> None:
    assert diagnose(case, book).verdicts == ()
