import asyncio
import gc
import shutil
import socket
import ssl
import struct
import weakref
from asyncio import sslproto
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from exporters.guard import Guard
from exporters.guard.limits import Limits
from tests.exporters.certified import Certified, certify
from tests.exporters.serving import GET, Served, in_a_loop, serving, until

PAIR = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
WITH_CLIENTS = PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certify(tmp_path_factory.mktemp("tls"))


def trusting(files: Certified, *, as_client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files / "ca.pem")
    if as_client:
        context.load_cert_chain(files / f"{as_client}.pem", files / f"{as_client}.key")
    return context


def only(files: Certified, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = trusting(files)
    context.minimum_version = context.maximum_version = version
    return context


@in_a_loop
async def test_pages_come_over_tls(files: Certified) -> None:
    async with serving(guard=Guard(files.write(PAIR)), context=trusting(files)) as served:
        assert (await served.ask()).body == "the page"


@in_a_loop
async def test_plain_http_to_the_tls_port_is_told_so(files: Certified) -> None:
    async with serving(guard=Guard(files.write(PAIR))) as served:
        answer = await served.ask()
        assert answer.status == 400
        assert answer.body == "This port speaks TLS: the address must begin with https://, not http\n"


@in_a_loop
async def test_what_is_neither_is_closed(files: Certified) -> None:
    async with serving(guard=Guard(files.write(PAIR)), limits=Limits(handshake_within=0.3)) as served:

        def garbage() -> bytes:
            with served.client() as client:
                client.send(b"\0" * 100)
                return client.to_the_end()

        def silence() -> bytes:
            with served.client() as client:
                return client.to_the_end()

        assert len(await asyncio.to_thread(garbage)) < 20  # TLS's alert at most
        assert await asyncio.to_thread(silence) == b""


@in_a_loop
async def test_a_client_of_tls_12_gets_an_alert_where_13_is_the_least(files: Certified) -> None:
    guard = Guard(files.write(PAIR + "  min_version: TLS13\n"))
    async with serving(guard=guard) as served:
        with pytest.raises(ssl.SSLError) as refused:
            await served.ask(context=only(files, ssl.TLSVersion.TLSv1_2))
        assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
        assert (await served.ask(context=only(files, ssl.TLSVersion.TLSv1_3))).status == 200


@contextmanager
def without_collecting() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def torn(served: Served, context: ssl.SSLContext) -> None:
    with served.client(context=context) as client:
        client.ask()
        client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def not_taken_leave_of(served: Served, context: ssl.SSLContext) -> None:
    with served.client(context=context) as client:
        client.ask()


def no_tls(served: Served, _: ssl.SSLContext) -> None:
    with served.client() as client:
        client.ask()


def pushed_out(served: Served, _: ssl.SSLContext) -> None:
    with served.client() as client, served.client() as other, served.client():
        assert client.to_the_end() + other.to_the_end() == b""


@pytest.mark.parametrize("ends", [torn, not_taken_leave_of, no_tls, pushed_out])
@in_a_loop
async def test_who_is_gone_leaves_nothing_in_memory(
    ends: Callable[[Served, ssl.SSLContext], None], files: Certified
) -> None:
    """Each has 256 KiB of buffers; they may wait neither for a timer nor until garbage is collected."""
    made: weakref.WeakSet[sslproto.SSLProtocol] = weakref.WeakSet()

    class Counted(sslproto.SSLProtocol):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            made.add(self)

    with pytest.MonkeyPatch.context() as patch, without_collecting():
        patch.setattr(sslproto, "SSLProtocol", Counted)
        limits = Limits(connections_of_one=1)
        async with serving(guard=Guard(files.write(PAIR)), limits=limits) as served:
            for _ in range(10):
                await asyncio.to_thread(ends, served, trusting(files))
            await until(lambda: len(made) <= 1)  # the last one's is still on the stack


@in_a_loop
async def test_one_that_waits_for_a_goodbye_keeps_others_no_longer_than_they_may_take(
    files: Certified,
) -> None:
    limits = Limits(request_within=0.2)
    async with serving(guard=Guard(files.write(PAIR)), limits=limits, context=trusting(files)) as served:
        with served.client() as deaf:
            deaf.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")

            def silent() -> int:
                with served.client() as client:
                    return client.answer().status

            assert [await asyncio.to_thread(silent) for _ in range(3)] == [408] * 3


async def refused(served: Served, context: ssl.SSLContext) -> bool:
    """With TLS 1.3 the client learns of it only after its part of the handshake."""
    try:
        await served.ask(context=context)
    except (ssl.SSLError, ConnectionError):
        return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@in_a_loop
async def test_only_clients_our_authority_vouches_for_come_in(
    files: Certified, version: ssl.TLSVersion
) -> None:
    async with serving(guard=Guard(files.write(WITH_CLIENTS))) as served:
        for name, comes_in in (("client", True), ("stranger", False), (None, False)):
            context = trusting(files, as_client=name)
            context.minimum_version = context.maximum_version = version
            assert await refused(served, context) is not comes_in


@pytest.mark.parametrize(
    ("sans", "comes_in"),
    [
        ("prometheus.test", True),
        ('"::1"', True),
        ("other.test, prometheus.test", True),
        ("prometheus", False),
        ("", False),
    ],
)
@in_a_loop
async def test_only_clients_with_an_allowed_name_come_in(files: Certified, sans: str, comes_in: bool) -> None:
    guard = Guard(files.write(WITH_CLIENTS + f"  client_allowed_sans: [{sans}]\n"))
    async with serving(guard=guard) as served:
        assert await refused(served, trusting(files, as_client="client")) is not comes_in


@in_a_loop
async def test_a_certificate_if_given_is_verified(files: Certified) -> None:
    text = PAIR + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n"
    async with serving(guard=Guard(files.write(text))) as served:
        assert not await refused(served, trusting(files))
        assert not await refused(served, trusting(files, as_client="client"))
        assert await refused(served, trusting(files, as_client="stranger"))


@in_a_loop
async def test_suites_and_curve_are_those_of_the_file(files: Certified) -> None:
    text = (
        PAIR
        + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  curve_preferences: [CurveP384]\n"
    )
    async with serving(guard=Guard(files.write(text))) as served:
        context = only(files, ssl.TLSVersion.TLSv1_2)

        def cipher() -> object:
            with served.client(context=context) as client:
                return client.raw.cipher()[0]  # type: ignore[attr-defined]

        assert await asyncio.to_thread(cipher) == "ECDHE-ECDSA-AES256-GCM-SHA384"
        context.set_ecdh_curve("prime256v1")
        assert await refused(served, context)


@in_a_loop
async def test_suites_of_tls_13_alone_leave_no_older_version(files: Certified) -> None:
    async with serving(
        guard=Guard(files.write(PAIR + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"))
    ) as served:
        assert await refused(served, only(files, ssl.TLSVersion.TLSv1_2))
        assert not await refused(served, only(files, ssl.TLSVersion.TLSv1_3))


@in_a_loop
async def test_a_new_certificate_is_shown_to_the_next_connection(files: Certified) -> None:
    for kind in ("pem", "key"):
        shutil.copy(files / f"server.{kind}", files / f"live.{kind}")
    guard = Guard(files.write(PAIR.replace("server.", "live.")))
    async with serving(guard=guard) as served:

        def subject() -> str:
            with served.client(context=trusting(files)) as client:
                client.send(GET)
                assert client.answer().status == 200
                return str(client.raw.getpeercert()["subject"][0][0][1])  # type: ignore[attr-defined]

        assert await asyncio.to_thread(subject) == "server"
        shutil.copy(files / "second.pem", files / "live.pem")  # the key does not fit yet
        assert await asyncio.to_thread(subject) == "server"
        assert guard.problem is not None
        assert "cannot be used with this key" in guard.problem
        shutil.copy(files / "second.key", files / "live.key")
        assert await asyncio.to_thread(subject) == "second"
        assert guard.refused == 1


@in_a_loop
async def test_a_new_policy_for_clients_holds_for_the_next_connection(files: Certified) -> None:
    path = files.write(PAIR)
    async with serving(guard=Guard(path)) as served:
        assert not await refused(served, trusting(files))
        path.write_text(WITH_CLIENTS)
        assert await refused(served, trusting(files))


def test_tls_is_not_turned_off_by_a_new_file(files: Certified) -> None:
    path = files.write(PAIR)
    guard = Guard(path)
    path.write_text("")
    guard.refresh()
    assert guard.tls() is not None
    assert guard.problem is not None
    assert "Start the exporter again" in guard.problem
    guard.close()


def test_no_key_given_as_text_stays_on_disk(
    files: Certified, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    key, certificate = ((files / f"server.{kind}").read_text().splitlines() for kind in ("key", "pem"))
    text = "\n".join(
        [
            "tls_server_config:",
            "  key: |",
            *(f"    {line}" for line in key),
            "  cert: |",
            *(f"    {line}" for line in certificate),
        ]
    )
    guard = Guard(files.write(text))
    assert guard.tls() is not None
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]
    guard.close()
