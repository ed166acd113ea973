from dataclasses import replace

import pytest

from probe.diagnose.case import Case
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.diagnose.loaded import Limit, LoadFacts, Moment, Percentile, Return, Waited
from probe.diagnose.rules.load import book
from probe.model.findings import Certainty, State

CERTAIN, LIKELY, POSSIBLE = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE
FAILED, DEGRADED = State.FAILED, State.DEGRADED
BUSY, LATE, STOOD_STILL, CROWDED, HANDLES, PORTS, CLOCK = (
    Limit(code=code, slug=slug, says=f"what {code} says")
    for code, slug in (
        ("cpu", "load.generator-saturated"),
        ("send-lateness", "load.generator-saturated"),
        ("loop-lag", "host.event-loop-blocked"),
        ("loop-lag", "host.cpu-starved"),
        ("file-handles", "host.fd-limit"),
        ("local-ports", "load.ephemeral-ports"),
        ("clock-set", "host.clock-stepped"),
    )
)
RAMP = (
    Moment(second=0, begun=100, opened=60, failed={"tcp.timeout": 40}, syns_again=50),
    Moment(second=1, begun=4, opened=4, answered=90),
)
TAKEN_LATE = (replace(RAMP[0], queue_overflows=12, failed={"http.closed": 40}), RAMP[1])
TAKEN_AND_SILENT = (replace(RAMP[0], queue_overflows=12, failed={"http.open-timeout": 40}), RAMP[1])
OVERFLOWN = (replace(RAMP[0], queue_overflows=12), RAMP[1])
SHUT = (Moment(second=0, begun=20, opened=20), Moment(second=1, begun=20, failed={"http.403": 20}))
AWAY = (Moment(second=0, begun=9, opened=9), Moment(second=1, begun=9, failed={"http.bad-gateway": 9}))
SERVED = (*AWAY, Moment(second=2, answered=50))
NO_HANDLE = (Moment(second=0, begun=9, opened=4, failed={"host.fd-limit": 5}),)
NO_PORT = (Moment(second=0, begun=9, opened=4, failed={"host.no-ports": 5}),)
HIDDEN = Waited(
    asked=900,
    missing=300,
    longest=3.0,
    percentiles=(
        Percentile(share=0.5, asked=0.02, wanted=0.02),
        Percentile(share=0.95, asked=0.03, wanted=2.0),
        Percentile(share=0.99, asked=2.9, wanted=2.95),
    ),
)
HERD = Return(second=9, seconds=1, ended=50, is_planned=False, back=50, spread=0.7, pause=1.5, failed=0)


@pytest.mark.parametrize(
    ("facts", "code", "state", "certainty"),
    [
        pytest.param(LoadFacts(limits=(BUSY, LATE), cpu=0.97), "load.generator-saturated", DEGRADED, CERTAIN, id="used up, and late for it"),
        pytest.param(LoadFacts(limits=(BUSY,), cpu=0.97), "load.generator-saturated", DEGRADED, LIKELY, id="used up, and not seen to be late"),
        pytest.param(LoadFacts(limits=(LATE,), cpu=0.6), "load.generator-saturated", DEGRADED, POSSIBLE, id="late, and half of a core was free"),
        pytest.param(LoadFacts(limits=(CROWDED,), cpu=0.1, others=0.9), "host.cpu-starved", DEGRADED, LIKELY, id="others had the processor"),
        pytest.param(LoadFacts(limits=(STOOD_STILL,), cpu=0.1, others=0.1), "host.event-loop-blocked", DEGRADED, LIKELY, id="nobody had the processor"),
        pytest.param(LoadFacts(limits=(CLOCK,), longest_lag=0.01), "host.clock-stepped", DEGRADED, LIKELY, id="the clock was set"),
        pytest.param(LoadFacts(limits=(HANDLES,), moments=NO_HANDLE), "host.fd-limit", FAILED, CERTAIN, id="no handle was given"),
        pytest.param(LoadFacts(limits=(HANDLES,)), "host.fd-limit", DEGRADED, POSSIBLE, id="few handles are left"),
        pytest.param(LoadFacts(limits=(PORTS,), moments=NO_PORT), "load.ephemeral-ports", FAILED, CERTAIN, id="no port was given"),
        pytest.param(LoadFacts(limits=(PORTS,)), "load.ephemeral-ports", DEGRADED, POSSIBLE, id="few ports are left"),
        pytest.param(LoadFacts(waited=HIDDEN, longest_lag=0.01), "load.coordinated-omission", DEGRADED, CERTAIN, id="a stall that 95 of 100 do not show"),
        pytest.param(LoadFacts(waited=HIDDEN, longest_lag=2.8), "load.coordinated-omission", DEGRADED, LIKELY, id="a stall in which we stood still, too"),
        pytest.param(LoadFacts(is_here=True, moments=OVERFLOWN, lag=0.001), "load.accept-backlog", FAILED, CERTAIN, id="counted by the server's kernel"),
        pytest.param(LoadFacts(is_here=True, moments=OVERFLOWN, connect=9.0, lag=8.5), "load.accept-backlog", FAILED, CERTAIN, id="counted, and not answered in time"),
        pytest.param(LoadFacts(is_here=True, moments=TAKEN_LATE, connect=1.2, lag=0.5), "load.accept-backlog", FAILED, LIKELY, id="some queue overflowed, and it was we who were late"),
        pytest.param(LoadFacts(is_here=True, moments=TAKEN_AND_SILENT, lag=0.001), "load.accept-backlog", FAILED, LIKELY, id="some queue overflowed, and TCP was quick"),
        pytest.param(LoadFacts(moments=RAMP, lag=0.001, data_again=0), "load.accept-backlog", FAILED, LIKELY, id="SYNs again, and nothing else"),
        pytest.param(LoadFacts(moments=RAMP, lag=0.001, data_again=40), "load.accept-backlog", FAILED, POSSIBLE, id="SYNs again, and other packets"),
        pytest.param(LoadFacts(moments=RAMP[:1], tracked=9, tracked_limit=9), "load.conntrack-full", FAILED, CERTAIN, id="the table is full"),
        pytest.param(LoadFacts(tracked=9, tracked_limit=9), "load.conntrack-full", DEGRADED, LIKELY, id="the table is full, and nothing was lost yet"),
        pytest.param(LoadFacts(moments=SHUT), "load.self-inflicted-ban", FAILED, LIKELY, id="nobody is let in any more, openly"),
        pytest.param(LoadFacts(moments=SERVED), "load.self-inflicted-ban", FAILED, POSSIBLE, id="away for whoever comes, and not for who is in"),
        pytest.param(LoadFacts(returns=(HERD,)), "load.reconnect-herd", DEGRADED, CERTAIN, id="back within a second"),
        pytest.param(LoadFacts(returns=(replace(HERD, failed=30),)), "load.reconnect-herd", FAILED, CERTAIN, id="back, and it fell again"),
        pytest.param(LoadFacts(returns=(replace(HERD, seconds=8),)), "load.reconnect-herd", DEGRADED, LIKELY, id="the end is known to eight seconds"),
    ],
)  # fmt: skip
def test_a_load_run_is_judged_as_surely_as_what_was_seen_allows(
    facts: LoadFacts, code: str, state: State, certainty: Certainty
) -> None:
    (verdict,) = said_of(facts)
    assert (verdict.code, verdict.state, verdict.certainty) == (code, state, certainty)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(LoadFacts(is_here=True, moments=(replace(OVERFLOWN[0], opened=100, failed={}),)), id="another listener's queue, and each of ours came in"),
        pytest.param(LoadFacts(is_here=True, moments=RAMP), id="not taken in time, and no queue overflowed"),
        pytest.param(LoadFacts(moments=RAMP[:1]), id="whether it comes up when it is calm is not known"),
        pytest.param(LoadFacts(moments=(RAMP[0], replace(RAMP[1], syns_again=2))), id="it loses calm ones as well"),
        pytest.param(LoadFacts(tracked=8, tracked_limit=9), id="there is room in the table"),
        pytest.param(LoadFacts(moments=AWAY), id="away for everybody"),
        pytest.param(LoadFacts(moments=(*SHUT, Moment(second=2, begun=1, opened=1))), id="403, and open again"),
        pytest.param(LoadFacts(returns=(replace(HERD, spread=8.0),)), id="back one by one"),
        pytest.param(LoadFacts(returns=(replace(HERD, ended=5, back=5),)), id="five are no herd"),
        pytest.param(LoadFacts(returns=(replace(HERD, back=10),)), id="most stayed away"),
        pytest.param(LoadFacts(waited=replace(HIDDEN, missing=3)), id="three questions say nothing"),
        pytest.param(LoadFacts(waited=replace(HIDDEN, percentiles=HIDDEN.percentiles[:1])), id="slow at no time"),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_said(facts: LoadFacts) -> None:
    assert said_of(facts) == ()


def test_a_limit_lets_some_in_again_and_a_ban_nobody() -> None:
    refused = Moment(second=1, begun=20, failed={"http.429": 20})
    first, last = Moment(second=0, begun=9, opened=9), Moment(second=2, begun=9, opened=3)
    (limit,), (ban,) = (
        said_of(LoadFacts(moments=moments)) for moments in ((first, refused, last), (first, refused))
    )
    assert (limit.code, ban.code) == ("http.429", "load.self-inflicted-ban")


def test_who_was_refused_from_the_first_connect_was_not_banned_for_this_test() -> None:
    (verdict,) = said_of(LoadFacts(moments=(Moment(second=0, begun=9, failed={"http.429": 9}),)))
    assert (verdict.code, verdict.state) == ("http.429", FAILED)


def test_a_queue_that_overflowed_beside_a_busy_generator_is_only_likely() -> None:
    first, second = said_of(LoadFacts(is_here=True, moments=OVERFLOWN, limits=(BUSY,), cpu=0.97))
    assert (first.code, first.certainty) == ("load.accept-backlog", LIKELY)
    assert second.code == "load.generator-saturated"


def test_who_has_no_load_run_hears_nothing_of_one() -> None:
    assert [code for code, rule in book.items() if rule(Case())] == []


def said_of(facts: LoadFacts) -> tuple[Verdict, ...]:
    return diagnose(Case(load=facts), rules_for(None)).verdicts
