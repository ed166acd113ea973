"""`/probe`: what each module does, what each failure is called, and that a probe ends when its time is over."""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from typing import Any

import pytest

from exporters.probing.metrics import AS_BLACKBOX, NAMES, OURS
from probe.brokers import broker_names, find_broker
from probe.drivers.tls import TlsProfile
from probe.monitor.wanted import ConnectMode, Wanted
from probe.simulator.run import Simulator
from tests.drivers.conftest import no_descriptor_is_left_open  # noqa: F401 - of each test
from tests.exporters.probed import (
    Said,
    aimed_at,
    at_place,
    dripping,
    greeting,
    probe,
    probing,
    serving,
    silence,
)
from tests.monitor.linked import owned, place
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.pretending import Known
from tests.virtual.travelling import run

GOLDEN: list[tuple[str, ...]] = [
    ("probe_dns_lookup_time_seconds",),
    ("probe_duration_seconds",),
    ("probe_ip_addr_hash",),
    ("probe_ip_protocol",),
    ("probe_ssl_earliest_cert_expiry",),
    ("probe_success",),
    ("probe_timeout_seconds",),
    ("probe_tls_version_info", "version"),
    ("probe_websocket_connection_upgraded",),
    ("probe_websocket_duration_seconds", "phase"),
    ("probe_websocket_status_code",),
    ("tradeprobe_probe_phase_duration_seconds", "phase"),
]
WHY: list[tuple[str, ...]] = [("tradeprobe_probe_diagnosis", "code"), ("tradeprobe_probe_reason", "reason")]


@pytest.mark.parametrize("name", sorted(broker_names()))
def test_each_module_succeeds_at_each_way_into_each_broker(name: str) -> None:
    broker = find_broker(name)

    async def go() -> None:
        async with Simulator([broker]) as simulator:
            endpoints = tuple(
                {
                    each.url.partition("://")[0]: each for each in reversed(simulator.plain_endpoints())
                }.values()
            )
            key = next((simulator.key(each) for each in endpoints if not broker.is_public(each)), None)
            wanted = Wanted(
                name="one",
                broker=broker,
                endpoints=endpoints,
                key=key,
                symbols=(),
                connect=ConnectMode.FALLBACK,
                proxy="none",
                simulated=True,
            )
            one = probing(wanted)
            for endpoint in endpoints:
                opened = await probe(one, "open", endpoint=endpoint.region)
                assert opened.success == 1, opened.text
                assert "authenticating" not in opened.phases
                for module in ("login", "data"):
                    said = await probe(one, module, endpoint=endpoint.region)
                    assert (module, said.success, said.reason) == (module, 1, []), said.text
                    assert said.phases[-1] == "authenticating"

    with simulated_at(WEDNESDAY_NOON):
        run(go())


@pytest.mark.parametrize(
    ("name", "fault", "reason"),
    [
        ("mt5", "refuse", "refused"),
        ("mt5", "gateway-nginx-503", "http_status"),
        ("mt5", "gateway-drip", "timeout"),
        ("crypto", "backend-health-hangs", "timeout"),
    ],
)
def test_what_is_asked_over_http_fails_for_a_reason_too(name: str, fault: str, reason: str) -> None:
    broker = find_broker(name)

    async def go() -> Said:
        async with Simulator([broker], faults=[fault]) as simulator:
            (endpoint,) = simulator.plain_endpoints()
            return await _probed(aimed_at(endpoint.url, broker=broker, key=None))

    said = run(go())
    assert (said.success, said.reason) == (0, [reason]), said.text


def test_nothing_is_logged_in_by_open(known: Known) -> None:
    async def go() -> None:
        async with place(broker=known.broker) as at:
            assert (await probe(at_place(at), "open")).success == 1
            assert at.logins == 0
            assert (await probe(at_place(at), "login")).success == 1
            assert at.logins == 1

    run(go())


def test_names_and_labels_are_blackboxs_and_ours_and_no_others() -> None:
    async def go() -> tuple[Said, Said]:
        async with place("auth-refused", tls=True) as at:
            at.over_tls()
            one = at_place(at)
            return await probe(one, "open"), await probe(one, "login")

    good, bad = run(go())
    assert good.labels == GOLDEN
    assert bad.labels == sorted(GOLDEN + WHY)
    assert {name for name, *_ in bad.labels} == set(NAMES.values())
    assert {each.name for each in AS_BLACKBOX} == {name for name, *_ in GOLDEN if name.startswith("probe_")}
    assert all(NAMES[each].startswith("tradeprobe_probe_") for each in OURS)
    for said in (good, bad):
        assert len(said.values) <= 30
        assert len(said.text.encode()) <= 4096


def test_values_are_what_blackbox_means_by_them() -> None:
    async def go() -> Said:
        async with place(tls=True) as at:
            at.over_tls()
            return await probe(at_place(at), timeout="5")

    values = run(go()).values
    assert values["probe_timeout_seconds",] == 4.5
    assert values["probe_ip_protocol",] == 4
    assert values["probe_ip_addr_hash",] == 3668918509  # as blackbox_exporter says of 127.0.0.1
    assert values["probe_websocket_status_code",] == 101
    assert values["probe_websocket_connection_upgraded",] == 1
    assert values["probe_tls_version_info", "TLS 1.3"] == 1
    assert values["probe_ssl_earliest_cert_expiry",] > 1.7e9
    steps = [name[1] for name in values if name[0] == "probe_websocket_duration_seconds"]
    assert steps == ["resolve", "connect", "tls", "upgrade"]


def test_prometheus_own_linter_accepts_it() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")

    async def go() -> str:
        async with place("auth-refused", tls=True) as at:
            at.over_tls()
            return (await probe(at_place(at), "login")).text

    checked = subprocess.run(
        ["promtool", "check", "metrics"], check=False, input=run(go()), capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("fault", "module", "reason", "code"),
    [
        ("refuse", "open", "refused", "tcp.refused"),
        ("http-status:code=503", "open", "http_status", "http.bad-gateway"),
        ("http-status:code=429", "open", "rate_limited", "http.429"),
        ("http-status:code=200", "open", "not_websocket", "http.200-not-101"),
        ("silent-upgrade", "open", "timeout", "http.open-timeout"),
        ("no-open", "open", "eio_error", "eio.no-open"),
        ("no-join", "login", "sio_error", "sio.connect-silent"),
        ("connect-error", "login", "sio_error", "sio.connect-error"),
        ("auth-refused", "login", "auth_expired", "auth.session-expired"),
        ("auth-41", "login", "auth_rejected", "auth.rejected-41"),
        ("silent-stall:at=0s", "data", "first_data_missing", "session.silent-stall"),
    ],
)
def test_each_failure_has_its_reason(fault: str, module: str, reason: str, code: str) -> None:
    async def go() -> Said:
        async with place(fault) as at:
            return await probe(at_place(at), module, timeout="30")

    said = run(go())
    assert (said.success, said.reason, said.codes[:1]) == (0, [reason], [code])


@pytest.mark.parametrize("kind", ["expired", "wrong-host", "untrusted-ca"])
def test_a_certificate_that_does_not_hold_is_a_failure(kind: str) -> None:
    async def go() -> Said:
        async with place(f"tls-certificate:kind={kind}", tls=True) as at:
            at.over_tls()
            return await probe(at_place(at))

    said = run(go())
    assert (said.success, said.reason) == (0, ["tls_cert"])
    assert said.phases == ["resolving", "connecting"]
    assert (said.values["probe_ssl_earliest_cert_expiry",] < time.time()) is (kind == "expired")


@pytest.mark.parametrize("name", ["mt5", "crypto"])
def test_when_a_certificate_ends_is_known_of_what_is_asked_over_https_too(name: str) -> None:
    broker = find_broker(name)

    async def go(*faults: str) -> Said:
        async with Simulator([broker], faults=faults, tls=True) as simulator:
            served = next(each for each in simulator.endpoints if each.ca_file)
            wanted = aimed_at(served.url, broker=broker, key=None, tls=TlsProfile(ca_file=served.ca_file))
            return await _probed(wanted)

    good, bad = run(go()), run(go("tls-certificate:kind=expired"))
    assert (good.success, bad.success, bad.reason) == (1, 0, ["tls_cert"])
    ends = [each.values["probe_ssl_earliest_cert_expiry",] for each in (bad, good)]
    assert ends[0] < time.time() < ends[1]


def test_a_name_that_does_not_exist_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(host: bytes, port: int, **_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr("probe.drivers.dial.socket.getaddrinfo", no_such_name)
    said = run(_probed(aimed_at("ws://nowhere.localhost:1/socket.io/?EIO=4&transport=websocket")))
    assert (said.success, said.reason, said.phases) == (0, ["dns_nxdomain"], [])


SERVERS = ("serving.", "RequestResponseCycle.", "_drip")  # their tasks end when they see that we left


async def _probed(wanted: Wanted, module: str = "open", timeout: str = "3") -> Said:
    before = asyncio.all_tasks()
    said = await probe(probing(wanted), module, timeout)
    assert {name for name in owned(before) if not name.startswith(SERVERS)} == set()
    return said


# -- time ---------------------------------------------------------------------------------------------------------------

PATH = "/socket.io/?EIO=4&transport=websocket"
DRIPPED_HEAD = b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-Slow: yes\r\n" * 50


def _timed_out(said: Said, phases: list[str], reason: str = "timeout") -> None:
    assert (said.success, said.reason, said.phases) == (0, [reason], phases), said.text
    assert said.seconds == pytest.approx(2.5, abs=0.05)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over, real = threading.Event(), socket.getaddrinfo

    def hang(host: bytes, port: int, **options: Any) -> Any:
        if options.get("flags"):
            return real(host, port, **options)
        over.wait(20)
        return []

    monkeypatch.setattr("probe.drivers.dial.socket.getaddrinfo", hang)
    try:
        _timed_out(run(_probed(aimed_at(f"ws://slow.localhost:9{PATH}"))), [], "dns_timeout")
    finally:
        over.set()


def test_an_address_that_swallows_everything_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:  # nobody accepts them; the kernel drops what comes after
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        _timed_out(run(_probed(aimed_at(f"ws://127.0.0.1:{port}{PATH}"))), ["resolving"])
        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    ("scheme", "phases"), [("ws", ["resolving", "connecting"]), ("wss", ["resolving", "connecting"])]
)
def test_a_server_that_is_silent_is_not_waited_for(scheme: str, phases: list[str]) -> None:
    async def go() -> None:
        async with serving(silence) as port:
            _timed_out(await _probed(aimed_at(f"{scheme}://127.0.0.1:{port}{PATH}")), phases)

    run(go())


def test_a_proxy_that_is_silent_is_not_waited_for() -> None:
    async def go() -> None:
        async with serving(silence) as port:
            wanted = aimed_at(f"wss://far.localhost:1{PATH}", proxy=f"http://127.0.0.1:{port}")
            _timed_out(await _probed(wanted), ["resolving", "connecting"])

    run(go())


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_drips_bytes_is_not_waited_for(scheme: str) -> None:
    first = DRIPPED_HEAD if scheme == "ws" else b"\x16\x03\x03\x40\x00" + bytes(16384)

    async def go() -> None:
        async with serving(dripping(first)) as port:
            _timed_out(
                await _probed(aimed_at(f"{scheme}://127.0.0.1:{port}{PATH}")), ["resolving", "connecting"]
            )

    run(go())


@pytest.mark.parametrize(
    ("fault", "module", "phases"),
    [
        ("silent-upgrade", "open", ["resolving", "connecting"]),
        ("no-open", "open", ["resolving", "connecting", "upgrading"]),
        ("no-join", "login", ["resolving", "connecting", "upgrading", "opening"]),
        ("auth-silent", "login", ["resolving", "connecting", "upgrading", "opening", "joining"]),
    ],
)
def test_a_session_that_stops_anywhere_is_not_waited_for(fault: str, module: str, phases: list[str]) -> None:
    async def go() -> None:
        async with place(fault) as at:
            _timed_out(await probe(at_place(at), module, "3"), phases)

    run(go())


def test_prices_that_do_not_come_are_not_waited_for() -> None:
    async def go() -> None:
        async with place("silent-stall:at=0s") as at:
            said = await probe(at_place(at), "data", "3")
            phases = ["resolving", "connecting", "upgrading", "opening", "joining", "authenticating"]
            _timed_out(said, phases, "first_data_missing")

    run(go())


def test_a_goodbye_that_is_not_answered_makes_no_failure_and_holds_up_nobody_for_long() -> None:
    open_packet = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'.ljust(200)

    async def go() -> None:
        loop = asyncio.get_running_loop()
        async with serving(greeting(open_packet)) as port:
            began = loop.time()
            said = await _probed(aimed_at(f"ws://127.0.0.1:{port}{PATH}"), timeout="10")
            assert loop.time() - began == pytest.approx(1.0, abs=0.05)
            assert (said.success, said.reason) == (1, [])
            assert said.seconds < 0.1

    run(go())


def test_without_a_scrapers_header_there_is_a_usual_timeout() -> None:
    async def go() -> float:
        async with serving(silence) as port:
            answer = await probing(aimed_at(f"wss://127.0.0.1:{port}{PATH}", tls=TlsProfile())).answer(
                b"target=one"
            )
            return Said(answer).seconds

    assert run(go()) == pytest.approx(9.5, abs=0.05)
