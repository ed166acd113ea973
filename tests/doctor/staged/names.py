"""Staged: looking up the host's name."""

from collections.abc import Sequence

from probe.diagnose.case import Case, Host, Lookup, Names
from probe.model.failures import Failure
from tests.doctor import alone
from tests.doctor.staging import SECOND_FORM, Staged, on_paper

CERTAIN = {
    "gone.trading.example",
    "servfail.trading.example",
    "silence.trading.example",
    "empty.trading.example",
    "zero.trading.example",
    "slow.sim.test",
    "half-answered.sim.test",
}


def looked_up(*lookups: Lookup, again: Sequence[Lookup] = (), lag: float = 0.0) -> Case:
    names = Names(host="ws.sim.test", lookups=lookups, again=tuple(again))
    return Case(names=names, host=Host(loop_lag_seconds=lag))


def lookup(seconds: float = 0.01, *, queued: float = 0.0, family: int = 0, kind: str = "") -> Lookup:
    return Lookup(
        family=family,
        addresses=() if kind else ("10.0.0.1",),
        seconds=seconds,
        failure=Failure(kind=kind) if kind else None,
        queued_seconds=queued,
    )


def only_a_is_answered() -> Case:
    unanswered = lookup(7.5, family=6, kind="dns.timeout")
    return looked_up(lookup(6.0), lookup(family=4), unanswered, again=[lookup(6.0)])


def waits_for_a_thread() -> Case:
    return looked_up(lookup(3.1, queued=3.0))


CASES = [
    *alone.cases("dns", "", certain=CERTAIN),
    Staged(
        code="dns.slow",
        name="on paper",
        play=on_paper(only_a_is_answered, "dns.slow", why=SECOND_FORM),
        certain=True,
    ),
    Staged(
        code="dns.resolver-saturated",
        name="on paper",
        play=on_paper(
            waits_for_a_thread,
            "dns.resolver-saturated",
            why="each lookup of ours has a thread of its own, so that none waits: it is another program that has it",
        ),
        certain=True,
    ),
]
