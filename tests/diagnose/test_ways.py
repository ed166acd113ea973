"""What is said of the way to a host where staging does not reach."""

from dataclasses import replace

import pytest

from probe.diagnose.case import (
    TLS_1_2,
    TLS_1_3,
    USUAL,
    Case,
    Control,
    Handshake,
    Host,
    Look,
    Looks,
    Lookup,
    Names,
    Way,
)
from probe.diagnose.diagnose import diagnose
from probe.diagnose.facts import Facts
from probe.diagnose.rules import RULES
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, Traffic
from probe.model.failures import Failure, Seen
from probe.model.findings import Certainty, State


def ended(kind: str, *, proxy: str = "", url: str = "ws://ws.trading.example/") -> Case:
    """One look that ended so."""
    endpoint = Endpoint(broker="", region="", url=url, account=Account.NONE)
    facts = Facts(ended=Ended(at=1.0, phase=Phase.CONNECTING, failure=Failure(kind=kind), traffic=Traffic()))
    look = Look(endpoint=endpoint, facts=facts, asked=Asked(login=False, symbol=None), proxy=proxy)
    return Case(looks=Looks(first=look))


def way(address: str, kind: str = "", seconds: float = 0.01) -> Way:
    failure = Failure(kind=kind, seen=Seen(error="E")) if kind else None
    return Way(address=address, port=443, family=6 if ":" in address else 4, seconds=seconds, failure=failure)


def named_in_order(*addresses: str) -> Names:
    return Names(host="ws.trading.example", lookups=(Lookup(family=0, addresses=addresses, seconds=0.1),))


def control(host: str, redirects_to: str = "") -> Control:
    return Control(host=host, port=80, way=way("192.0.2.80"), status=302, redirects_to=redirects_to)


def reset_by(*hows: str) -> tuple[Handshake, ...]:
    return tuple(Handshake(how=how, seconds=0.1, failure=Failure(kind="tcp.reset-in-path")) for how in hows)


V4, V4_TOO, V6 = "93.184.215.14", "93.184.215.15", "2001:db8::1"
LED_AWAY = Case(controls=(control("a.test", "http://login.hotel.example/"),))
BEYOND_PROXY = Case(host=Host(proxies=("https_proxy",)))
FOUND = Names(host="ws.trading.example", lookups=(Lookup(family=0, addresses=(V4,), seconds=0.1),), asked=())
FIRST_DEAD = Case(names=FOUND)
PARTLY_REFUSED = (
    *reset_by(USUAL, TLS_1_2),
    Handshake(how=TLS_1_3, seconds=0.1, failure=Failure(kind="tls.version")),
)
PROXY = "http://127.0.0.1:3128, from --proxy"
ONCE = (*reset_by(USUAL), *(replace(each, failure=None) for each in reset_by(TLS_1_2, TLS_1_3, USUAL)))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (ended("tcp.refused"), ("tcp.refused", Certainty.LIKELY)),
        (ended("tcp.timeout"), ("tcp.timeout", Certainty.POSSIBLE)),
        (ended("tcp.unreachable"), ("tcp.unreachable", Certainty.LIKELY)),
        (ended("tcp.denied-locally"), ("tcp.denied-locally", Certainty.CERTAIN)),
        (ended("tcp.reset-in-path"), ("tcp.reset-in-path", Certainty.POSSIBLE)),
        (ended("tcp.proxy-silent", proxy=PROXY), ("tcp.timeout", Certainty.POSSIBLE)),
        (ended("tcp.proxy-no-target", proxy=PROXY), ("tcp.unreachable", Certainty.POSSIBLE)),
        (ended("tcp.proxy-unknown", proxy=PROXY), ("tcp.proxy-refused", Certainty.CERTAIN)),
        (ended("tcp.proxy-closed", proxy=PROXY), ("tcp.proxy-refused", Certainty.LIKELY)),
        (ended("tcp.proxy-protocol", proxy=PROXY), ("tcp.proxy-refused", Certainty.LIKELY)),
        (ended("login.region"), ("geo.blocked", Certainty.POSSIBLE)),
        (ended("dns.timeout"), ("dns.temporary-failure", Certainty.POSSIBLE)),
    ],
    ids=lambda each: each.failure.kind if isinstance(each, Case) and each.failure else None,
)
def test_one_look_alone_is_named_too(case: Case, expected: tuple[str, Certainty]) -> None:
    assert [(each.code, each.certainty) for each in diagnose(case, RULES).verdicts] == [expected]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(ways=(way(V4, "tcp.refused"), way(V6, "tcp.unreachable"))), ["tcp.refused"]),
        (Case(ways=(way(V4, "tcp.timeout", 5.0), way(V6, "tcp.unreachable"))), ["tcp.timeout"]),
        (Case(ways=(way(V4), way(V6, "tcp.unreachable"))), []),
        (Case(ways=(way(V4), way(V6, "tcp.unreachable", 3.1))), ["net.ipv6-blackhole"]),
        (Case(ways=(way(V4, "host.fd-limit"),)), []),
        (Case(ways=(way(V4),), handshakes=reset_by(USUAL, TLS_1_2, TLS_1_3, USUAL)), ["tcp.reset-in-path"]),
        (Case(ways=(way(V4),), handshakes=ONCE), ["tcp.reset-in-path"]),
        (Case(controls=(control("a.example", "https://www.a.example/"),)), []),
        (LED_AWAY, ["tcp.captive-portal"]),
        (replace(LED_AWAY, handshakes=(Handshake(how=USUAL, seconds=0.1),)), []),
        (replace(BEYOND_PROXY, ways=(way(V4, "tcp.timeout", 5.0),)), ["tcp.proxy-ignored"]),
        (
            replace(BEYOND_PROXY, controls=(control("a.test"),), ways=(way(V4, "tcp.timeout"),)),
            ["tcp.timeout"],
        ),
        (replace(ended("dns.timeout"), names=FOUND), ["dns.temporary-failure"]),
        (replace(FIRST_DEAD, ways=(way(V4, "tcp.refused"), way(V4_TOO))), ["tcp.refused"]),
        (replace(FIRST_DEAD, ways=(way(V4, "tcp.timeout", 5.0), way(V4_TOO))), ["tcp.timeout"]),
        (replace(FIRST_DEAD, ways=(way(V4), way(V6, "tcp.refused"))), []),
        (replace(LED_AWAY, ways=(way(V4, "tcp.timeout", 5.0),)), ["tcp.timeout", "tcp.captive-portal"]),
        (Case(controls=(*LED_AWAY.controls, control("b.example", "https://www.b.example/"))), []),
        (Case(ways=(way(V4),), handshakes=PARTLY_REFUSED), ["tcp.reset-in-path"]),
        (Case(ways=(way(V4), way(V6, "tcp.refused", 1.4))), []),
    ],
    ids=[
        "a family without a route says less than a refusal",
        "or than silence",
        "without IPv6 nobody waits for it",
        "a next hop that is dead costs time",
        "our own lack of handles is no refusal",
        "reset each time",
        "reset once",
        "a control that redirects within its own house",
        "a control that is led away",
        "nobody who logs in to a network shows the host's certificate",
        "past the proxy that is set",
        "others are reached past it",
        "found, and a moment later not",
        "of two addresses the first refuses",
        "of two addresses the first is silent",
        "of two addresses the second refuses",
        "a control may be led away at home, and the host be dead",
        "another control is left alone",
        "reset, and an alert to one version",
        "a refusal from far away is no silence",
    ],
)
def test_which_of_them_it_is(case: Case, expected: list[str]) -> None:
    assert [each.code for each in diagnose(case, RULES).verdicts if each.code != "host.fd-limit"] == expected


def test_a_family_that_is_dead_and_comes_first_keeps_programs_out() -> None:
    ways = (way(V4), way(V6, "tcp.timeout", 5.0))
    states = [
        diagnose(Case(names=named_in_order(*order), ways=ways), RULES).verdicts[0].state
        for order in ((V6, V4), (V4, V6))
    ]
    assert states == [State.FAILED, State.DEGRADED]


def test_of_addresses_that_nobody_tried_nothing_is_certain() -> None:
    ways = (way(V4, "tcp.refused"), way(V4_TOO, "tcp.refused"))
    tried = Case(names=named_in_order(V4, V4_TOO), ways=ways)
    more = Case(names=named_in_order(V4, V4_TOO, "93.184.215.16"), ways=ways)
    sure = [diagnose(each, RULES).verdicts[0].certainty for each in (tried, more)]
    assert sure == [Certainty.CERTAIN, Certainty.LIKELY]
