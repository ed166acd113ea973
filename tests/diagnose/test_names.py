"""What is said of names where staging does not reach."""

from dataclasses import replace

import pytest

from probe.diagnose.case import USUAL, Asking, Case, Control, Handshake, Host, Lookup, Names
from probe.diagnose.diagnose import diagnose
from probe.diagnose.rules import RULES
from probe.diagnose.rules.names import looks_public
from probe.model.failures import Failure
from probe.model.findings import Certainty, State

HOST, PUBLIC = "ws.trading.example", "93.184.215.14"
CALM = Host()


def lookup(*addresses: str, kind: str = "", seconds: float = 0.1, queued: float = 0.0) -> Lookup:
    return Lookup(
        family=0,
        addresses=addresses,
        seconds=seconds,
        failure=Failure(kind=kind) if kind else None,
        queued_seconds=queued,
    )


def asking(code: str, *addresses: str, error: str = "", is_systems: bool = True) -> Asking:
    resolver = "192.0.2.53" if is_systems else "192.0.2.54"
    return Asking(
        resolver=resolver, is_systems=is_systems, family=4, code=code, error=error, addresses=addresses
    )


def names(first: Lookup, *asked: Asking, again: tuple[Lookup, ...] = ()) -> Names:
    return Names(host=HOST, lookups=(first,), again=again, asked=asked)


def control(name: str, *addresses: str, kind: str = "") -> Control:
    return Control(host=name, port=80, lookup=lookup(*addresses, kind=kind))


FAILED = lookup(kind="dns.temporary-failure")
SERVFAIL = Case(host=CALM, names=names(FAILED, asking("SERVFAIL"), again=(FAILED,)))
NXDOMAIN = Case(
    names=names(lookup(kind="dns.nxdomain"), asking("NXDOMAIN"), asking("NXDOMAIN", is_systems=False))
)
STOOD_IN_FOR = Case(names=names(lookup("198.18.0.9")))
SERVED_AT_HOME = Case(names=names(lookup("10.1.2.3")), is_ours=True)
AMONG_OTHERS = Case(names=names(lookup("10.1.2.3", PUBLIC)))


def said(case: Case) -> list[tuple[str, Certainty, State]]:
    return [(each.code, each.certainty, each.state) for each in diagnose(case, RULES).verdicts]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (NXDOMAIN, [("dns.nxdomain", Certainty.CERTAIN, State.FAILED)]),
        (
            replace(NXDOMAIN, controls=(control("elsewhere.example", kind="dns.nxdomain"),)),
            [("dns.nxdomain", Certainty.LIKELY, State.FAILED)],
        ),
        (
            replace(SERVFAIL, controls=(control("elsewhere.example", PUBLIC),)),
            [("dns.temporary-failure", Certainty.LIKELY, State.FAILED)],
        ),
        (
            replace(SERVFAIL, names=names(FAILED, asking("", error="ENETUNREACH"), again=(FAILED,))),
            [("tcp.unreachable", Certainty.CERTAIN, State.FAILED)],
        ),
        (
            Case(names=names(FAILED, again=(lookup(PUBLIC),))),
            [("dns.temporary-failure", Certainty.POSSIBLE, State.DEGRADED)],
        ),
        (
            Case(host=CALM, names=names(lookup(PUBLIC, seconds=6.0))),
            [("dns.slow", Certainty.LIKELY, State.DEGRADED)],
        ),
        (
            Case(
                host=replace(CALM, loop_lag_seconds=2.0),
                names=names(lookup(PUBLIC, seconds=2.5, queued=2.4)),
            ),
            [("dns.resolver-saturated", Certainty.POSSIBLE, State.DEGRADED)],
        ),
        (
            Case(names=names(lookup(kind="dns.nxdomain"), asking("NOERROR"))),
            [("dns.no-address", Certainty.LIKELY, State.FAILED)],
        ),
        (
            Case(names=names(lookup(kind="dns.nxdomain"), asking("")), host=CALM),
            [("dns.temporary-failure", Certainty.POSSIBLE, State.FAILED)],
        ),
        (STOOD_IN_FOR, [("dns.blocked", Certainty.POSSIBLE, State.FAILED)]),
        (replace(STOOD_IN_FOR, handshakes=(Handshake(how=USUAL, seconds=0.1),)), []),
        (SERVED_AT_HOME, []),
        (AMONG_OTHERS, []),
    ],
    ids=[
        "two resolvers know no such name",
        "nor any other name",
        "another name is known",
        "no route to the resolver",
        "it passed",
        "slow once",
        "the loop was late as well",
        "the code says more than the system does",
        "a system that says the same of silence",
        "an address as proxy programs hand out",
        "and behind it the host shows its certificate",
        "a server of one's own may be at home",
        "one of the addresses is public",
    ],
)
def test_what_resolvers_said(case: Case, expected: list[tuple[str, Certainty, State]]) -> None:
    without_host = [each for each in said(case) if not each[0].startswith(("host.", "load."))]
    assert without_host == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ws.trading.example", True),
        ("localhost", False),
        ("eu.sim.test", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("gateway", False),
        ("gateway.lan.", False),
    ],
)
def test_which_names_everybody_may_look_up(host: str, expected: bool) -> None:
    assert looks_public(host) == expected
