"""What a monitor has lived through before the doctor comes."""

from collections.abc import Callable

from probe.brokers import find_broker
from probe.diagnose.case import Case, End, Look, Looks, Past, Try
from probe.diagnose.facts import Facts
from probe.diagnose.past import past_of
from probe.diagnose.verdict import Asked
from probe.measure.records import Attempt, Disconnected
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, Traffic
from probe.model.failures import Failure
from tests.doctor.staging import SECOND_FORM, Said, Staged, judged, on_paper
from tests.monitor.matrix import course
from tests.virtual.travelling import run

BROKER = find_broker("pocketoption")


def lived_through(code: str, *faults: str, seconds: float) -> Callable[[], Said]:
    """A monitor watches a simulator with these faults for so long."""

    async def watched() -> Past:
        async with course(BROKER, *faults) as one:
            await one.until(lambda: False, within=seconds)
            return past_of(one.of(Attempt), one.of(Disconnected), one.began_utc + one.now)

    return lambda: judged(Case(past=run(watched())), BROKER, code)


DROPPED = End(ago_seconds=600.0, lived_seconds=5000.0, code="session.closed-1006", heard_seconds=0.4)
LOOKED_SINCE = tuple(Try(ago_seconds=each, purpose="knock") for each in (500.0, 200.0))


def refused_by_the_broker() -> Looks:
    facts = Facts()
    facts.add(
        Ended(at=1.0, phase=Phase.SIGNING_IN, failure=Failure(kind="login.stale-token"), traffic=Traffic())
    )
    endpoint = Endpoint(
        broker=BROKER.name, region="near", url="ws://127.0.0.1:1/", account=Account.DEMO, named_by_user=True
    )
    return Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None)))


CASES = [
    Staged(
        code="session.reconnect-broken",
        name="looked at and never opened again",
        play=on_paper(
            lambda: Case(past=Past(seconds=3600.0, tries=LOOKED_SINCE, ends=(DROPPED,))),
            "session.reconnect-broken",
            why="needs a program that has given up and still looks; a monitor of ours that gives up looks no more",
        ),
        certain=True,
    ),
    Staged(
        code="session.idle-timeout",
        name="a server that wants a keep-alive more often than it comes",
        play=lived_through("session.idle-timeout", "idle-kick:silence=12s,sweep=1s", seconds=200.0),
    ),
    Staged(
        code="auth.reconnect-stale-token",
        name="the broker itself hands out the old one",
        play=on_paper(
            lambda: Case(looks=refused_by_the_broker()),
            "auth.reconnect-stale-token",
            BROKER,
            why=SECOND_FORM,
        ),
    ),
]
