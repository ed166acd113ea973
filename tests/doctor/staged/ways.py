"""Staged: TCP, routes, proxies, and a network that wants a login."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import patch

from probe.brokers import find_broker
from probe.diagnose.case import Lookup
from probe.doctor import names
from probe.doctor.examine import Examination, Means, Outcome, Patient, examine
from probe.drivers.proxies import ChosenProxy
from probe.model.endpoint import Account, Endpoint
from probe.model.proxy import Proxy, Scheme
from tests.doctor import alone
from tests.doctor.answering import answering
from tests.doctor.simulated import simulated
from tests.doctor.staging import Said, Stage, Staged, judged, travelling
from tests.drivers.peers import black_hole, closed_port

CERTAIN = {
    "closed.sim.test",
    "silent.sim.test",
    "barred.sim.test",
    "no-route.sim.test",
    "forbidden.sim.test",
    "tunnel.sim.test",
    "half-dead.sim.test",
}
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/?mac=1\r\nContent-Length: 0\r\n\r\n"
AT_HOME = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
LOGIN_WANTED = b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
COUNTRY_PAGE = b"HTTP/1.1 403 Forbidden\r\nServer: cloudflare\r\nContent-Length: 16\r\n\r\nerror code: 1009"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


def at(port: int, scheme: str = "ws") -> Patient:
    endpoint = Endpoint(
        broker="", region="", url=f"{scheme}://127.0.0.1:{port}/", account=Account.NONE, named_by_user=True
    )
    return Patient(name="stub", broker=None, endpoint=endpoint, is_ours=True)


@asynccontextmanager
async def closed() -> AsyncIterator[Patient]:
    yield at(closed_port())


@asynccontextmanager
async def full() -> AsyncIterator[Patient]:
    with black_hole() as port:
        yield at(port)


@asynccontextmanager
async def resetting() -> AsyncIterator[Patient]:
    async with answering(None) as port:
        yield at(port, "wss")


def first_of_two_refuses() -> Said:
    """In time that waits: a name's address is told by a thread."""
    two = Lookup(family=0, addresses=("127.0.0.9", "127.0.0.1"), seconds=0.001)

    async def look_up(*_: object) -> Lookup:
        return two

    async def examined() -> Examination:
        async with simulated("pocketoption", key=None)() as patient:
            assert patient.endpoint is not None
            url = patient.endpoint.url.replace("127.0.0.1", "two.sim.test")
            return await examine(replace(patient, endpoint=replace(patient.endpoint, url=url)), Means())

    with patch.object(names, "system_lookup", look_up):
        examination = asyncio.run(examined())
    assert [each.outcome for each in examination.rungs if each.name == "session"] == [Outcome.FINE]
    quiet = replace(examination.case, host=None)  # how busy this machine is must not matter here
    return judged(quiet, examination.patient.broker, "tcp.refused")


def through(reply: bytes | None) -> Stage:
    """A simulator behind a proxy that answers so; None: there is none at its port."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with answering(reply or b"") as taken:
            proxy = Proxy(
                scheme=Scheme.HTTP, host="127.0.0.1", port=closed_port() if reply is None else taken
            )
            chosen = ChosenProxy(proxy=proxy, source="--proxy")
            async with simulated("pocketoption", proxy=chosen)() as patient:
                yield patient

    return stage


def beside_a_control(reply: bytes, inner: Callable[[int], Stage], code: str) -> Callable[[], Said]:
    """Args:
    inner: From the control's port to the stage of the patient.
    """

    def play() -> Said:
        port = closed_port()

        @asynccontextmanager
        async def stage() -> AsyncIterator[Patient]:
            async with answering(reply, port), inner(port)() as patient:
                yield patient

        return travelling(stage, code, controls=(f"127.0.0.1:{port}",))()

    return play


def broker_at(port: int) -> Stage:
    """A broker whose address is answered as the control is."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        yield replace(at(port), broker=find_broker("pocketoption"))

    return stage


@asynccontextmanager
async def country_page() -> AsyncIterator[Patient]:
    async with answering(COUNTRY_PAGE) as port, broker_at(port)() as patient:
        yield patient


def well(port: int) -> Stage:
    return simulated("pocketoption")


def behind(reply: bytes | None, code: str) -> Callable[[], Said]:
    return travelling(through(reply), code)


GEO = "http-status:code=451"
CASES = [
    *alone.cases("tcp", "net", certain=CERTAIN),
    Staged(code="tcp.refused", name="a closed port", play=travelling(closed, "tcp.refused"), certain=True),
    Staged(code="tcp.refused", name="the first of two addresses", play=first_of_two_refuses, certain=True),
    Staged(
        code="tcp.timeout",
        name="full backlog",
        play=beside_a_control(b"", lambda _: full, "tcp.timeout"),
    ),
    Staged(
        code="tcp.reset-in-path",
        name="after the first bytes",
        play=travelling(resetting, "tcp.reset-in-path"),
    ),
    Staged(
        code="tcp.proxy-refused", name="a closed port", play=behind(None, "tcp.proxy-refused"), certain=True
    ),
    Staged(code="tcp.proxy-refused", name="403 to CONNECT", play=behind(FORBIDDEN, "tcp.proxy-refused")),
    Staged(code="tcp.proxy-auth", name="407", play=behind(LOGIN_WANTED, "tcp.proxy-auth"), certain=True),
    Staged(
        code="tcp.captive-portal",
        name="all are sent to a login page",
        play=beside_a_control(PORTAL, broker_at, "tcp.captive-portal"),
        certain=True,
        beside=frozenset(["http.redirect"]),
    ),
    Staged(code="", name="a control that redirects to itself", play=beside_a_control(AT_HOME, well, "")),
    Staged(code="geo.blocked", name="451", play=travelling(simulated("pocketoption", GEO), "geo.blocked")),
    Staged(code="geo.blocked", name="a page of the edge", play=travelling(country_page, "geo.blocked")),
]
