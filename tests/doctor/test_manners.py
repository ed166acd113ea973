"""Somebody else's server is logged in to once, whatever remains in doubt; one's own may be asked again."""

import asyncio
import socket
from dataclasses import replace

import pytest

from probe.brokers import find_broker
from probe.doctor.examine import Examination, Means, Outcome, Patient, examine
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Endpoint
from probe.model.findings import State
from probe.simulator.run import Simulator
from tests.doctor.upgrade_stubs import at
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

BROKER = find_broker("pocketoption")


async def logins(fault: str, *, is_ours: bool) -> tuple[int, int, dict[str, str]]:
    """How often the credential came, how often an upgrade was asked for, and what was not checked and why."""
    clock = asyncio.get_running_loop().time
    async with Simulator([BROKER], faults=[fault]) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        patient = Patient(
            name="one", broker=BROKER, endpoint=endpoint, key=simulator.key(endpoint), is_ours=is_ours
        )
        examination = await examine(
            patient, Means(deep=True, budget=180.0), utc=lambda: WEDNESDAY_NOON + clock()
        )
        records = simulator.sessions.records()
        came = [any('"auth"' in line.text for line in record.frames()) for record in records]
        asked = [record.session.traffic.bytes_received > 0 for record in records]
    left_out = {each.name: each.note for each in examination.rungs if each.outcome is Outcome.NOT_CHECKED}
    return sum(came), sum(asked), left_out


@pytest.mark.parametrize("fault", ["silent-stall:at=2s", "auth-silent", "close:at=3s,code=1001"])
def test_a_strangers_server_sees_the_credential_once(fault: str) -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, _, left_out = run(logins(fault, is_ours=False))
    assert count == 1
    assert {"another session", "the same again"} & left_out.keys()


def test_ones_own_server_is_asked_again_where_that_tells_more() -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, _, _ = run(logins("silent-stall:at=2s", is_ours=True))
    assert count == 3


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("broker", ["pocketoption", "quotex"])
def test_a_healthy_target_is_judged_within_five_seconds_over_three_connections(
    broker: str, *, secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    connect = socket.socket.connect

    def counted(sock: socket.socket, place: tuple[str, int]) -> None:
        if sock.type is socket.SOCK_STREAM:
            reached.append(place)
        connect(sock, place)

    monkeypatch.setattr(socket.socket, "connect", counted)

    async def examined() -> Examination:
        clock = asyncio.get_running_loop().time
        async with Simulator([broker], tls=secure) as simulator:
            served = next(each for each in simulator.endpoints if (each.ca_file is not None) is secure)
            endpoint = Endpoint(
                broker=broker,
                region=served.region,
                url=served.url,
                account=served.account,
                named_by_user=True,
            )
            patient = Patient(
                name="one",
                broker=find_broker(broker),
                endpoint=endpoint,
                key=simulator.key(endpoint),
                tls=TlsProfile(ca_file=served.ca_file),
            )
            return await examine(patient, Means(), utc=lambda: WEDNESDAY_NOON + clock())

    with simulated_at(WEDNESDAY_NOON):
        examination = run(examined())
    assert (examination.diagnosis.state, examination.diagnosis.verdicts) == (State.HEALTHY, ())
    assert len(reached) == (3 if secure else 2)
    assert examination.seconds < 5.0


@pytest.mark.parametrize("fault", ["http-status:code=403", "http-status:code=429"])
def test_a_challenge_and_a_limit_are_met_once_and_end_it(fault: str) -> None:
    with simulated_at(WEDNESDAY_NOON):
        count, asked, left_out = run(logins(fault, is_ours=False))
    assert (count, asked) == (0, 1)
    assert left_out["another session"] == "such an answer is not asked for twice"


async def asked_of(*, is_ours: bool) -> tuple[list[str], int]:
    """What came to a server that knows no polling, and how often the other region was visited."""
    heads: list[str] = []

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(
            b'HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\n\r\n{"code":0,"message":"Transport unknown"} '
        )
        await reader.read()

    async with at(refusing, is_ours=is_ours)() as patient, Simulator([BROKER]) as elsewhere:
        assert patient.endpoint is not None
        url = patient.endpoint.url.replace("transport=websocket", "transport=polling")
        endpoint = elsewhere.plain_endpoints()[0]
        asked = replace(
            patient,
            endpoint=replace(patient.endpoint, url=url),
            others=((endpoint, elsewhere.key(endpoint)),),
        )
        await examine(asked, Means())
        return [each.split()[1] for each in heads], len(elsewhere.sessions.records())


@pytest.mark.parametrize("is_ours", [True, False])
def test_polling_that_is_refused_is_asked_for_once_more_as_a_websocket(is_ours: bool) -> None:
    paths, visits = run(asked_of(is_ours=is_ours))
    kinds = [path.partition("transport=")[2] for path in paths]
    assert (kinds[:2], visits) == (["polling", "websocket"], 0)


async def visits(*, is_ours: bool) -> int:
    """To another region, when the first refuses the login."""
    async with Simulator([BROKER], faults=["auth-refused"]) as here, Simulator([BROKER]) as elsewhere:
        endpoint, other = here.plain_endpoints()[0], elsewhere.plain_endpoints()[0]
        patient = Patient(
            name="one",
            broker=BROKER,
            endpoint=endpoint,
            key=here.key(endpoint),
            is_ours=is_ours,
            others=((other, elsewhere.key(other)),),
        )
        await examine(patient, Means())
        return len(elsewhere.sessions.records())


def test_another_region_is_asked_where_it_is_ones_own_alone() -> None:
    assert [run(visits(is_ours=is_ours)) for is_ours in (True, False)] == [1, 0]
