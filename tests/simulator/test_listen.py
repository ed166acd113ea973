"""The assembled simulator over real loopback sockets: sessions, pages, TLS, regions and faults on the same ports."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect as websockets_connect

from probe.brokers import find_broker
from probe.drivers.dial import system_resolver
from probe.faults.listener import BadCertificate
from probe.model.endpoint import Account, read_url
from probe.model.errors import ConfigError, UnknownBroker
from probe.model.events import Dialled, Phase, PhaseFinished, QuoteArrived
from probe.session.broker import REGIONS, Region
from probe.simulator import doorway
from probe.simulator.listen import SimEndpoint
from probe.simulator.run import Simulator
from probe.wire.heads import MAX_HEAD
from tests.simulator.clients import PATIENCE, calling, eventually
from tests.simulator.conftest import OPTIONS
from tests.virtual import travelling

DEMO = Region(name="demo", account=Account.DEMO)
LIVE = Region(name="live", account=Account.LIVE)
pytestmark = pytest.mark.usefixtures("with_tls")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = left_open()
    yield
    assert left_open() == before


def left_open() -> tuple[int, int]:
    descriptors = Path("/proc/self/fd")  # where the system tells
    return sum(1 for _ in descriptors.iterdir()) if descriptors.is_dir() else 0, threading.active_count()


def simulator(*faults: str, tls: bool = False, pages: bool = False, latency: float = 0.0) -> Simulator:
    region = Region(name="demo", account=Account.DEMO, latency=latency)
    return Simulator(["pocketoption"], faults=faults, tls=tls, pages=pages, regions=(region,))


def port_of(endpoint: SimEndpoint) -> int:
    return read_url(endpoint.url).port


async def said_to(endpoint: SimEndpoint, *pieces: bytes) -> bytes:
    """All that a raw client is answered until the end of the stream."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(endpoint))
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


async def get(endpoint: SimEndpoint, *paths: str) -> list[tuple[int, str]]:
    """Over one connection."""
    scheme = "https" if endpoint.ca_file else "http"
    trust = ssl.create_default_context(cafile=endpoint.ca_file) if endpoint.ca_file else False
    async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=PATIENCE) as client:
        answers = [await client.get(f"{scheme}://127.0.0.1:{port_of(endpoint)}{path}") for path in paths]
        return [(answer.status_code, answer.text) for answer in answers]


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_session_logs_in_and_is_told_prices(tls: bool) -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim, calling(sim.endpoints[tls]) as caller:
            await caller.ticking()

    asyncio.run(scenario())


def test_every_endpoint_takes_the_credential_it_is_listed_with() -> None:
    async def phase(endpoint: SimEndpoint) -> Phase:
        async with calling(endpoint, watch=()) as caller:
            await caller.live()
            return caller.session.phase

    async def scenario() -> None:
        near = tuple(replace(region, latency=0.0) for region in REGIONS)
        names = [each.name for each in OPTIONS]
        async with Simulator(names, tls=True, regions=near) as sim:
            assert len(sim.endpoints) == 2 * len(REGIONS) * len(names)
            phases = await asyncio.gather(*(phase(endpoint) for endpoint in sim.endpoints))
            assert phases == [Phase.LIVE] * len(sim.endpoints)

    asyncio.run(scenario())


def test_a_real_credential_is_sent_away_by_a_demo_endpoint() -> None:
    async def scenario() -> None:
        async with Simulator(["pocketoption"], regions=(DEMO, LIVE)) as sim:
            demo, live = sim.endpoints
            async with calling(demo, credential=live.credential.reveal()) as caller:
                assert await caller.failure() == "auth.rejected-41"

    asyncio.run(scenario())


def test_a_region_is_as_far_away_as_it_says() -> None:
    async def scenario() -> None:
        async with simulator(latency=0.05, tls=True) as sim, calling(sim.endpoints[1], watch=()) as caller:
            await caller.live()
            seconds = {event.phase: event.seconds for event in caller.of(PhaseFinished)}
            assert seconds[Phase.CONNECTING] < 0.05  # the kernel answers, nearer than any broker
            assert 0.1 <= seconds[Phase.SECURING] < 0.2
            assert 0.1 <= seconds[Phase.UPGRADING] < 0.2

    travelling.run(scenario())


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_library_that_is_not_ours_is_served(tls: bool) -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim, asyncio.timeout(PATIENCE):
            endpoint = sim.endpoints[tls]
            trust = ssl.create_default_context(cafile=sim.ca_file) if tls else None
            async with websockets_connect(endpoint.url, ssl=trust, proxy=None) as client:
                assert str(await client.recv()).startswith('0{"sid":')
                await client.send("40")
                assert str(await client.recv()).startswith('40{"sid":"')
                await client.send(endpoint.credential.reveal())
                assert await client.recv() == '451-["successauth",{"_placeholder":true,"num":0}]'
                await (await client.ping())

    asyncio.run(scenario())


def test_the_head_of_a_request_may_come_byte_by_byte() -> None:
    head = (
        b"GET /socket.io/?transport=websocket&EIO=4&t=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    close_frame = b"\x88\x80\0\0\0\0"

    async def scenario() -> None:
        async with simulator() as sim:
            answer = await said_to(sim.endpoints[0], *(bytes([byte]) for byte in head + close_frame))
            assert answer.startswith(b"HTTP/1.1 101 ")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"GET /" + b"x" * MAX_HEAD,
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
    ],
    ids=["TLS on a plain port", "words", "endless head", "broken header"],
)
def test_what_is_no_request_is_refused_and_ended(request_bytes: bytes) -> None:
    async def scenario() -> None:
        async with simulator() as sim:
            assert (await said_to(sim.endpoints[0], request_bytes)).startswith(b"HTTP/1.1 400 ")

    asyncio.run(scenario())


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_says_nothing_is_not_waited_for(tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "HEAD_WITHIN_SECONDS", 0.05)

    async def scenario() -> None:
        async with simulator(tls=True) as sim:
            assert await said_to(sim.endpoints[tls]) == b""
            assert sim.counters.sessions == 0

    asyncio.run(scenario())


def test_sessions_are_counted_and_their_frames_kept() -> None:
    async def scenario() -> None:
        async with simulator() as sim:
            async with calling(sim.endpoints[0]) as caller:
                await caller.ticking()
                (record,) = sim.sessions.records()
                facts = record.facts()
                assert (facts.number, facts.region, facts.open, facts.phase) == (1, "demo", True, "live")
                assert (sim.counters.sessions, sim.counters.sessions_open) == (1, 1)
                assert record.frames()[0].text.startswith('0{"sid":')
                assert {frame.direction for frame in record.frames()} == {"<", ">"}
            await eventually(lambda: sim.counters.sessions_open == 0)
            traffic, seen = sim.counters.traffic, caller.session.traffic
            assert (traffic.messages_sent, traffic.bytes_sent) >= (
                seen.messages_received,
                seen.bytes_received,
            )
            assert traffic.messages_received == seen.messages_sent
            assert (sim.counters.sessions, sim.counters.sessions_open) == (1, 0)

    asyncio.run(scenario())


def test_a_session_can_be_closed_and_dropped_from_outside() -> None:
    async def scenario() -> None:
        async with simulator() as sim:
            async with calling(sim.endpoints[0], watch=()) as caller:
                await caller.live()
                sim.sessions.records()[0].close(1008)
                assert await caller.failure() == "session.policy-1008"
            async with calling(sim.endpoints[0], watch=()) as caller:
                await caller.live()
                sim.sessions.records()[1].drop()
                assert await caller.failure() == "session.tcp-reset"

    asyncio.run(scenario())


# -- pages -------------------------------------------------------------------------------------------------------------


def test_pages_share_port_and_tls_with_the_socket() -> None:
    async def scenario() -> None:
        async with simulator(tls=True, pages=True) as sim:
            for endpoint in sim.endpoints:
                front, missing = await get(endpoint, "/", "/no")
                (polling,) = await get(endpoint, "/socket.io/?EIO=4&transport=polling")
                assert (front[0], "PocketOption, simulated" in front[1]) == (200, True)
                assert polling == (400, '{"code":0,"message":"Transport unknown"}')
                assert missing[0] == 404
                async with calling(endpoint, watch=()) as caller:
                    await caller.live()
            assert sim.counters.sessions == 2

    asyncio.run(scenario())


def test_pages_suffer_stream_faults_too() -> None:
    async def scenario() -> None:
        async with simulator("cut:after=40", pages=True) as sim:
            with pytest.raises(httpx.RemoteProtocolError):
                await get(sim.endpoints[0], "/")

    asyncio.run(scenario())


@pytest.mark.parametrize("tls", [False, True])
def test_pages_take_no_endless_upload(tls: bool) -> None:
    async def scenario() -> None:
        async with simulator(tls=True, pages=True) as sim:
            endpoint = sim.endpoints[tls]
            trust = ssl.create_default_context(cafile=endpoint.ca_file) if endpoint.ca_file else False
            async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=PATIENCE) as client:
                url = f"{'https' if tls else 'http'}://127.0.0.1:{port_of(endpoint)}/"
                answer = await client.post(url, content=bytes(16 * doorway.UPLOAD_LIMIT_BYTES))
            assert (answer.status_code, answer.headers["Connection"]) == (413, "close")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("framing", "body"),
    [("Content-Length: 99999999", b""), ("Transfer-Encoding: chunked", bytes(doorway.UPLOAD_LIMIT_BYTES))],
)
def test_a_client_that_does_not_close_after_a_refused_upload_is_not_waited_for(
    framing: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "REFUSED_WITHIN_SECONDS", 0.05)

    async def scenario() -> None:
        head = f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
        async with simulator(pages=True) as sim:
            answer = await said_to(sim.endpoints[0], head, body)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.count(b"HTTP/1.1") == 1

    asyncio.run(scenario())


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_protocol_fault_is_switched_on_and_off_while_it_runs() -> None:
    async def scenario() -> None:
        async with simulator() as sim:
            number = await sim.board.switch_on("http-status:code=503")
            async with calling(sim.endpoints[0]) as caller:
                assert await caller.failure() == "http.bad-gateway"
            await sim.board.switch_off(number)
            async with calling(sim.endpoints[0]) as caller:
                await caller.live()

    asyncio.run(scenario())


def test_a_fault_reaches_sessions_that_are_open() -> None:
    async def scenario() -> None:
        async with simulator() as sim, calling(sim.endpoints[0]) as caller:
            await caller.live()
            await sim.board.switch_on("close:at=0s,code=1008")
            assert sim.sessions.records()[0].facts().phase == "closing"  # at once
            assert await caller.failure() == "session.policy-1008"

    asyncio.run(scenario())


@pytest.mark.parametrize("tls", [False, True])
def test_a_stream_fault_reaches_connections_that_are_open(tls: bool) -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim, calling(sim.endpoints[tls]) as caller:
            await caller.ticking()
            await sim.board.switch_on("reset")
            assert await caller.failure() == "session.tcp-reset"

    asyncio.run(scenario())


def test_what_a_freeze_held_back_comes_when_it_is_switched_off() -> None:
    async def scenario() -> None:
        async with simulator() as sim, calling(sim.endpoints[0]) as caller:
            await caller.ticking()
            number = await sim.board.switch_on("freeze")
            sent = sim.counters.traffic.messages_sent
            seen = len(caller.of(QuoteArrived))
            await eventually(lambda: sim.counters.traffic.messages_sent >= sent + 2)
            assert len(caller.of(QuoteArrived)) == seen
            await sim.board.switch_off(number)
            await caller.ticking()

    asyncio.run(scenario())


def test_corruption_hits_the_tls_handshake() -> None:
    async def scenario() -> None:
        corrupting = simulator("corrupt:direction=down,probability=1", tls=True)
        async with corrupting as sim, calling(sim.endpoints[1]) as caller:
            assert str(await caller.failure()).startswith("tls.")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("flaw", "kind"),
    [
        (BadCertificate.EXPIRED, "tls.server-cert-expired"),
        (BadCertificate.NOT_YET_VALID, "tls.not-yet-valid"),
        (BadCertificate.WRONG_HOST, "tls.hostname"),
        (BadCertificate.SELF_SIGNED, "tls.unknown-ca"),
        (BadCertificate.UNTRUSTED_CA, "tls.unknown-ca"),
    ],
)
def test_a_bad_certificate_is_shown_on_request(flaw: BadCertificate, kind: str) -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim:
            number = await sim.board.switch_on(f"tls-certificate:kind={flaw.value}")
            async with calling(sim.endpoints[1]) as caller:
                assert await caller.failure() == kind
            await sim.board.switch_off(number)
            async with calling(sim.endpoints[1], watch=()) as caller:
                await caller.live()

    asyncio.run(scenario())


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_may_speak_one_version_of_tls_only(version: str) -> None:
    async def scenario() -> None:
        async with simulator(f"tls-version:only={version}", tls=True) as sim:
            async with calling(sim.endpoints[1], watch=()) as caller:
                await caller.live()
                (dialled,) = caller.of(Dialled)
                assert dialled.tls is not None
                assert dialled.tls.version == f"TLSv{version}"
            older = ssl.create_default_context(cafile=sim.ca_file)
            older.maximum_version = ssl.TLSVersion.TLSv1_2
            opening = asyncio.open_connection("127.0.0.1", port_of(sim.endpoints[1]), ssl=older)
            if version == "1.3":
                with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                    await opening
            else:
                _, writer = await opening
                writer.close()

    asyncio.run(scenario())


def test_a_client_that_insists_on_tls_1_3_finds_no_common_version_with_an_older_server() -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim:
            number = await sim.board.switch_on("tls-version:only=1.2")
            async with calling(sim.endpoints[1], minimum=ssl.TLSVersion.TLSv1_3) as caller:
                assert await caller.failure() == "tls.version"
            await sim.board.switch_off(number)
            async with calling(sim.endpoints[1], minimum=ssl.TLSVersion.TLSv1_3, watch=()) as caller:
                await caller.live()

    asyncio.run(scenario())


def test_a_refusing_port_serves_only_who_was_there_before() -> None:
    async def scenario() -> None:
        async with simulator() as sim, calling(sim.endpoints[0]) as earlier:
            await earlier.ticking()
            number = await sim.board.switch_on("refuse")
            async with calling(sim.endpoints[0]) as caller:
                assert await caller.failure() == "tcp.refused"
            await earlier.ticking()
            await sim.board.switch_off(number)
            async with calling(sim.endpoints[0], watch=()) as caller:
                await caller.live()

    asyncio.run(scenario())


def test_a_refusal_begins_and_ends_at_its_time() -> None:
    async def scenario() -> None:
        async with simulator("refuse@0.2s+0.2s") as sim:
            began_at = asyncio.get_running_loop().time()
            told: list[str | None] = []
            async with asyncio.timeout(PATIENCE):
                while told.count("live") < 1 or told[-1] != "live" or "tcp.refused" not in told:
                    async with calling(sim.endpoints[0], watch=()) as caller:
                        await caller.until(lambda caller: caller.session.phase in (Phase.LIVE, Phase.ENDED))
                        refused = caller.session.phase is Phase.ENDED
                        told.append(await caller.failure() if refused else "live")
            assert told[0] == "live"
            assert asyncio.get_running_loop().time() - began_at >= 0.4

    asyncio.run(scenario())


def test_a_client_address_has_only_so_many_sessions() -> None:
    async def scenario() -> None:
        async with simulator("connection-cap:cap=1,code=429", pages=True) as sim:
            async with calling(sim.endpoints[0], watch=()) as first:
                await first.live()
                async with calling(sim.endpoints[0], watch=()) as second:
                    assert await second.failure() == "http.429"
                assert (await get(sim.endpoints[0], "/"))[0][0] == 200
            await eventually(lambda: sim.counters.sessions_open == 0)
            async with calling(sim.endpoints[0], watch=()) as third:
                await third.live()

    asyncio.run(scenario())


def test_a_broker_may_allow_a_client_address_only_so_many_sessions_by_itself() -> None:
    async def scenario() -> None:
        bingx = find_broker("bingx")
        assert bingx.house.connection_cap == 60
        few = replace(bingx, house=replace(bingx.house, connection_cap=1))
        only = few.house.regions[:1]
        async with Simulator([few], regions=only) as sim, calling(sim.endpoints[0], watch=()) as first:
            await first.live()
            async with calling(sim.endpoints[0], watch=()) as second:
                assert await second.failure() == "http.429"

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["silent-stal", "close:code=99", "tls-certificate:kind=old"])
def test_an_impossible_fault_is_told_before_anything_starts(fault: str) -> None:
    with pytest.raises(ConfigError):
        simulator(fault)


# -- the ports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broker", "fault"),
    [("quotex", "demo-trade-cap"), ("pocketoption", "history-by-word"), ("pocketoption", "signin-expired")],
)
def test_a_fault_that_no_simulated_broker_can_have_is_refused(broker: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"no broker that is simulated here can have {fault}"):
        Simulator([broker], faults=[fault])
    assert list(map(str, Simulator(["pocketoption", "quotex"], faults=[fault]).board.orders.values())) == [
        fault
    ]


@pytest.mark.parametrize("fault", ["signin-challenge", "signin-slow"])
def test_the_edge_s_faults_are_for_the_pages_of_every_broker(fault: str) -> None:
    assert list(map(str, simulator(fault).board.orders.values())) == [fault]


@pytest.mark.parametrize("fault", ["tls-certificate", "tls-version:only=1.2"])
def test_a_fault_of_tls_is_refused_where_nothing_is_served_over_it(fault: str) -> None:
    with pytest.raises(ConfigError, match="nothing is served over TLS here"):
        Simulator(["pocketoption"], faults=[fault])


def test_it_listens_on_loopback_only() -> None:
    async def scenario() -> None:
        async with simulator(tls=True, pages=True) as sim:
            assert {read_url(each.url).host for each in sim.endpoints} == {"127.0.0.1"}
            own = [found.address[0] for found in system_resolver(socket.gethostname(), 1)]
            for address in set(own) - {"127.0.0.1", "127.0.1.1", "::1"}:
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection(address, port_of(sim.endpoints[0]))

    asyncio.run(scenario())


def test_a_named_port_is_the_first_and_the_others_follow() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            base = holder.getsockname()[1]
        async with Simulator(["pocketoption"], port=base, regions=(DEMO, LIVE)) as sim:
            assert [port_of(endpoint) for endpoint in sim.endpoints] == [base, base + 1]

    asyncio.run(scenario())


@contextlib.contextmanager
def taken_port_behind_a_free_one() -> Iterator[int]:
    """The free one's number."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            base = holder.getsockname()[1] - 1
            try:
                socket.create_server(("127.0.0.1", base)).close()
            except OSError:
                continue
            yield base
            return


def test_a_port_that_is_taken_is_told_and_nothing_is_left() -> None:
    async def scenario() -> None:
        with taken_port_behind_a_free_one() as base:
            with pytest.raises(ConfigError) as caught:
                async with Simulator(["pocketoption"], port=base, regions=(DEMO, LIVE)):
                    pass
            assert str(caught.value) == (
                f"the simulator cannot listen on port {base + 1} (Address already in use). "
                "Choose another one, or name none and it takes any that are free."
            )

    asyncio.run(scenario())


def test_an_unknown_broker_is_told() -> None:
    with pytest.raises(UnknownBroker):
        Simulator(["pocketopton"])


def test_it_leaves_neither_task_nor_connection_behind() -> None:
    async def scenario() -> None:
        sim = simulator("freeze@0.05s", tls=True, pages=True, latency=0.001)
        async with sim, calling(sim.endpoints[0]), calling(sim.endpoints[1]) as caller:
            await caller.until(lambda caller: caller.session.phase is not Phase.CONNECTING)
            await sim.__aexit__(None, None, None)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_the_same_seed_gives_the_same_credentials() -> None:
    async def credentials(seed: int) -> list[str]:
        async with Simulator(seed=seed, regions=(DEMO, LIVE)) as sim:
            return [endpoint.credential.reveal() for endpoint in sim.endpoints]

    first = asyncio.run(credentials(1))
    assert asyncio.run(credentials(1)) == first
    assert not set(asyncio.run(credentials(2))) & set(first)


def test_the_endpoints_can_be_given_to_a_client() -> None:
    async def scenario() -> None:
        async with simulator(tls=True) as sim:
            (endpoint,) = sim.plain_endpoints()
            assert endpoint.url == sim.endpoints[0].url
            assert sim.credential(endpoint) == sim.endpoints[0].credential
            assert find_broker(endpoint.broker).recognises(sim.credential(endpoint).reveal())

    asyncio.run(scenario())
