"""Round trips that take long: how long each of those that lie inside one another takes, and where the time arises."""

from collections.abc import Iterator
from statistics import median

from probe.diagnose.case import Case, Look
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.edge import on_time, ruled_out
from probe.diagnose.rules.flow import PUSHED, is_explained, our_own_fault, trickles
from probe.diagnose.words import span
from probe.measure.complaints import SLOW_AGAINST_USUAL, SLOW_AT_LEAST, SLOW_SECONDS
from probe.measure.vitals import ROUND_TRIPS
from probe.model.events import PINGS
from probe.model.findings import Sign, State

book = RuleBook()

QUICK_LOOKUP = 1.0  # seconds
OWN_SHARE = 0.1  # of the time in which this process wanted the processor and had it not: too little to matter
MOST_OF_IT = 0.5


@book.of("net.slow")
def slow(case: Case) -> Sign | None:
    look = case.looks.first if case.looks else None
    trickle = trickles(case)
    ended = case.failure.kind if case.failure else ""
    if look is None or is_explained(look) or (ended and not (trickle and ended == "session.half-open")):
        return None
    trips = [each.rtt_seconds for each in look.facts.heartbeats if each.name in PINGS][-ROUND_TRIPS:]
    past = case.past if case.past and case.past.region == look.endpoint.region else None
    usual = past.usual_round_trip if past else None
    against = f", where {span(usual)} is usual" if usual is not None else ""
    if trickle:
        took = look.facts.seconds_without_pong
        seen = f"a ping has waited {span(took)} for its answer, while bytes keep coming{against}"
    elif len(trips) == ROUND_TRIPS and median(trips) > _limit(usual):
        took = median(trips)
        seen = f"the last {ROUND_TRIPS} round trips over the session took {span(took)}{against}"
    else:
        return None
    return Sign(
        evidence=(
            seen,
            *_inside(case, look),
            _where(look, took),
        ),
        excluded=_excluded(case, look),
        state=State.FAILED if ended else State.DEGRADED,
    )


def _limit(usual: float | None) -> float:
    return (
        SLOW_SECONDS if usual is None else min(SLOW_SECONDS, max(SLOW_AGAINST_USUAL * usual, SLOW_AT_LEAST))
    )


def _inside(case: Case, look: Look) -> Iterator[str]:
    for control in case.controls:
        if control.way is not None and control.is_reached:
            yield f"the control {control.host} took a connection after {span(control.way.seconds)}"
    if look.facts.kernel is not None:
        yield f"TCP's own round trip is {span(look.facts.kernel.rtt_seconds)}"


def _where(look: Look, took: float) -> str:
    kernel = look.facts.kernel
    if kernel is None:
        return "whether the network or the broker takes the time was not measured"
    if kernel.rtt_seconds >= MOST_OF_IT * took:
        return "so the network between takes most of it"
    return "so it is not the network between that takes the time, but what answers there"


def _excluded(case: Case, look: Look) -> dict[str, str]:
    lookups = case.names.lookups if case.names else ()
    host, polled = case.host, look.endpoint.scheme not in PUSHED
    waited = host.cpu_waited if host else None
    return ruled_out(
        {
            "dns.slow": "the name was looked up before, and each round trip took long"
            if lookups and all(each.seconds < QUICK_LOOKUP for each in lookups)
            else "",
            "host.event-loop-blocked": on_time(case),
            "host.cpu-starved": "this process got its share of the processor"
            if waited is not None and waited < OWN_SHARE
            else "",
            "session.slow-consumer": "prices are asked for, one question after the other"
            if polled
            else our_own_fault(case).get("session.slow-consumer", ""),
        }
    )
