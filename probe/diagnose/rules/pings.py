"""Pings that stay unanswered, the server's and ours."""

from statistics import median

from probe.diagnose.case import Case
from probe.diagnose.facts import Facts
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.ends import close_code, ended_as, when
from probe.diagnose.rules.flow import (
    LAG_SECONDS,
    is_explained,
    is_mute,
    lagged,
    our_own_fault,
    trickles,
    without,
)
from probe.diagnose.verdict import LOOKED_LONG_ENOUGH
from probe.model.events import WEBSOCKET
from probe.model.findings import Sign, State

book = RuleBook()

LONG_LIST = 50  # symbols: more than one packet holds
SLOWER = 2.0  # times the longest answer so far: until then a ping may only be slow
AS_FRESH = 1.0  # seconds by which prices may be older than before


def _is_acknowledged(case: Case) -> bool:
    """The other machine's system lives: it takes what we send. Through a proxy that is the proxy's."""
    kernel = case.facts.kernel if case.facts else None
    proxied = case.looks is not None and bool(case.looks.first.proxy)
    return (
        kernel is not None and kernel.acknowledged_seconds is not None and not kernel.backoff and not proxied
    )


@book.of("session.half-open")
def half_open(case: Case) -> Sign | None:
    gone, dead = ended_as(case, "session.network-gone"), ended_as(case, "session.half-open")
    timed_out = dead is not None and dead.seen.error == "ETIMEDOUT"
    silent = is_mute(case) or dead is not None
    if (case.failure is not None and not gone and not dead) or not (gone or silent):
        return None
    if not gone and not timed_out and trickles(case):
        return None
    if not gone and not timed_out and _is_acknowledged(case):
        return None
    facts = case.facts
    kernel = facts.kernel if facts else None
    unacknowledged = None
    if timed_out:
        unacknowledged = "the system gave up: what we sent was never acknowledged"
    elif kernel is not None and kernel.backoff:
        unacknowledged = (
            f"what we sent is not acknowledged, though the system sent it {kernel.backoff} times more"
        )
    waited = facts.seconds_without_pong if facts else 0.0
    excluded = {
        "session.silent-stall": f"a ping was not answered for {waited:.1f} s" if waited else None,
        "session.peer-stopped-ponging": unacknowledged
        or ("there is no way there any more" if gone else None),
        "tcp.mtu-blackhole": f"a list of {len(facts.assets.rows)} symbols had come before on this connection"
        if facts and facts.assets and len(facts.assets.rows) >= LONG_LIST
        else None,
        **our_own_fault(case),
    }
    evidence = [f"nothing came any more, not even an answer to a ping, for {waited:.1f} s"] if waited else []
    evidence += [unacknowledged] if unacknowledged else []
    evidence += [f"the system's word for it: {gone.seen.error}"] if gone and gone.seen.error else []
    return Sign(evidence=tuple(evidence) or (when(case),), excluded=without(excluded, "session.half-open"))


@book.of("session.peer-stopped-ponging")
def peer_stopped_ponging(case: Case) -> Sign | None:
    facts, failure = case.facts, case.failure
    if facts is None:
        return None
    dead = ended_as(case, "session.half-open")
    if trickles(case):
        return None
    half_open, state = None, State.FAILED
    if ended_as(case, "session.peer-not-reading"):
        evidence = (f"the server does not read what we send it, {when(case)}",)
    elif _is_acknowledged(case) and (dead or (failure is None and is_mute(case))):
        if dead is not None and dead.seen.error == "ETIMEDOUT":
            return None
        evidence = (
            f"nothing came for {facts.seconds_without_pong:.1f} s, not even an answer to a ping, while the other"
            " machine's system acknowledges what is sent",
        )
        if facts.kernel is not None and not facts.kernel.unacknowledged:
            half_open = "what we sent was acknowledged"
    elif (
        facts.went_live and failure is None and not is_mute(case) and _unanswered(case) and not _is_told(case)
    ):
        waited = max(facts.seconds_without_pong, *(each.at - each.sent_at for each in facts.missed), 0.0)
        evidence = (f"a heartbeat was not answered for {waited:.1f} s while other data kept coming",)
        half_open, state = "data kept coming after the ping", State.DEGRADED
    else:
        return None
    return Sign(
        evidence=evidence,
        excluded=without(
            {
                "session.half-open": half_open,
                "session.we-stopped-ponging": "no close of the server's came",
                "net.slow": "it was given up after all the time that an answer may take"
                if case.failure is not None
                else _not_slow(facts),
                **our_own_fault(case),
            },
            "session.peer-stopped-ponging",
        ),
        state=state,
    )


def _is_told(case: Case) -> bool:
    return case.looks is not None and is_explained(case.looks.first)


def _unanswered(case: Case) -> bool:
    facts = case.facts
    if facts is None or facts.missed:
        return facts is not None
    longest = max((each.rtt_seconds for each in facts.heartbeats if each.name == WEBSOCKET), default=0.0)
    return facts.seconds_without_pong >= max(LOOKED_LONG_ENOUGH, SLOWER * longest)


def _not_slow(facts: Facts) -> str | None:
    if facts.missed:
        return "the time that a ping's answer may take was over"
    ping, ages = facts.unanswered_ping, [(each.at, each.at - each.broker_time) for each in facts.quotes]
    since = [age for at, age in ages if ping is not None and at > ping.at]
    if not since or median(since) - min(age for _, age in ages) > AS_FRESH:
        return None
    return "prices that came while the ping waited were as fresh as before"


@book.of("session.we-stopped-ponging")
def we_stopped_ponging(case: Case) -> Sign | None:
    failure, host = case.failure, case.host
    if failure is None or close_code(failure) != 1011 or not lagged(case):
        return None
    lag = host.loop_lag_seconds if host else 0.0
    return Sign(
        evidence=(
            f"the server gave up (1011) {when(case)}",
            f"this program was blocked for {lag:.1f} s",
        ),
        excluded=without(
            {
                "session.peer-stopped-ponging": "it was the server that gave up",
                "host.suspend-resume": "this machine's clocks went on together"
                if host and abs(host.clock_jump_seconds) < LAG_SECONDS
                else None,
                "session.half-open": "the server's close came, so the way lives",
            },
            "session.we-stopped-ponging",
        ),
    )
