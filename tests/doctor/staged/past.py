"""What a monitor has lived through before the doctor comes."""

from collections.abc import Callable
from dataclasses import replace

from probe.brokers import find_broker
from probe.diagnose.case import Case, End, Look, Looks, Past, Try
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.doctor.past import past_of
from probe.measure.records import Attempt, Disconnected
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, PhaseFinished, Traffic
from probe.model.failures import Failure
from probe.model.meanings import Admitted
from tests.doctor.staging import Said, Staged, judged, on_paper
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


HOUR = 3600.0
EACH_HOUR = tuple(
    End(ago_seconds=each * HOUR, lived_seconds=HOUR - 1.0, code="session.closed-1006", heard_seconds=0.4)
    for each in (3.1, 2.0, 1.0)
)
STORM = tuple(
    Try(ago_seconds=40.0 - each, code="auth.session-expired", kind="auth.refused") for each in range(30)
)
REFUSED = tuple(
    Try(ago_seconds=500.0 - 120 * each, code="auth.session-expired", kind="auth.refused") for each in range(4)
)
DROPPED = End(
    ago_seconds=600.0,
    lived_seconds=5000.0,
    code="session.closed-1006",
    heard_seconds=0.4,
    next_try_after_seconds=1.0,
)
LOOKED_SINCE = tuple(Try(ago_seconds=each, purpose="knock") for each in (500.0, 200.0))


def live_now() -> Looks:
    facts = Facts()
    facts.add(PhaseFinished(at=1.0, phase=Phase.AUTHENTICATING, began_at=0.5))
    facts.admitted = Admitted()
    facts.add(Ended(at=9.0, phase=Phase.LIVE, failure=None, traffic=Traffic()))
    endpoint = Endpoint(
        broker=BROKER.name, region="near", url="ws://127.0.0.1:1/", account=Account.DEMO, named_by_user=True
    )
    return Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None)))


def refused_by_the_broker() -> Looks:
    looks = live_now()
    facts = Facts()
    facts.add(
        Ended(at=1.0, phase=Phase.SIGNING_IN, failure=Failure(kind="login.stale-token"), traffic=Traffic())
    )
    return replace(looks, first=replace(looks.first, facts=facts))


CASES = [
    Staged(
        code="session.idle-timeout",
        name="a server that wants a keep-alive more often than it comes",
        play=lived_through("session.idle-timeout", "idle-kick:silence=12s,sweep=1s", seconds=200.0),
    ),
    Staged(
        code="session.max-lifetime",
        name="sessions that end after an hour",
        play=on_paper(lambda: Case(past=Past(seconds=4 * HOUR, ends=EACH_HOUR)), "session.max-lifetime"),
    ),
    Staged(
        code="session.reconnect-storm",
        name="an attempt each second",
        play=on_paper(lambda: Case(past=Past(seconds=60.0, tries=STORM)), "session.reconnect-storm"),
    ),
    Staged(
        code="session.reconnect-broken",
        name="looked at and never opened again",
        play=on_paper(
            lambda: Case(
                past=Past(
                    seconds=HOUR, tries=LOOKED_SINCE, ends=(replace(DROPPED, next_try_after_seconds=None),)
                )
            ),
            "session.reconnect-broken",
        ),
        certain=True,
    ),
    Staged(
        code="auth.reconnect-stale-token",
        name="refused since a drop and accepted just now",
        play=on_paper(
            lambda: Case(past=Past(seconds=HOUR, tries=REFUSED, ends=(DROPPED,)), looks=live_now()),
            "auth.reconnect-stale-token",
            BROKER,
        ),
        certain=True,
    ),
    Staged(
        code="auth.reconnect-stale-token",
        name="the broker itself hands out the old one",
        play=on_paper(lambda: Case(looks=refused_by_the_broker()), "auth.reconnect-stale-token", BROKER),
    ),
]
