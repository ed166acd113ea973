"""What a control and a way show of themselves, over real sockets."""

import asyncio
import errno
import socket
from email.utils import formatdate
from pathlib import Path
from unittest.mock import patch

import pytest

from probe.diagnose.case import Clock, Control
from probe.doctor import controls
from probe.doctor.controls import ask_controls
from probe.doctor.ways import try_ways
from probe.drivers.tls import TlsProfile
from tests.doctor.answering import answering
from tests.drivers.peers import closed_port
from tests.drivers.pki import make_pki

AT_UTC = 1_790_000_000.0


async def _asked(reply: bytes) -> tuple[Control, tuple[Clock, ...]]:
    async with answering(reply) as port:
        (control,), clocks = await ask_controls([f"127.0.0.1:{port}"], within=5.0, utc=lambda: AT_UTC + 90.5)
    return control, clocks


def test_a_control_tells_the_time_and_where_it_leads_without_the_query() -> None:
    date = formatdate(AT_UTC, usegmt=True)
    reply = f"HTTP/1.1 302 Found\r\nDate: {date}\r\nLocation: https://login.example/a?token=secret\r\n\r\n"
    control, (clock,) = asyncio.run(_asked(reply.encode()))
    assert (control.status, control.redirects_to) == (302, "https://login.example/a")
    assert control.is_reached
    assert (clock.offset_seconds, clock.uncertainty_seconds) == (90.0, 1.0)


@pytest.mark.parametrize(
    "reply", [b"SSH-2.0-x\r\n\r\n", b"", b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nDate: "]
)
def test_a_control_that_does_not_speak_http_is_reached_all_the_same(reply: bytes) -> None:
    control, clocks = asyncio.run(_asked(reply))
    assert (control.is_reached, control.status, clocks) == (True, None, ())


def test_a_control_that_is_not_there_is_not_reached() -> None:
    (control,), clocks = asyncio.run(ask_controls([f"127.0.0.1:{closed_port()}"], within=5.0))
    assert control.way is not None
    assert control.way.failure is not None
    assert (control.way.failure.kind, control.is_reached, clocks) == ("tcp.refused", False, ())


def test_without_a_file_handle_a_way_fails_and_nothing_is_raised() -> None:
    none_left = OSError(errno.EMFILE, "none left")

    async def tried() -> list[str]:
        with patch.object(socket, "socket", side_effect=none_left):
            ways = await try_ways(["127.0.0.1", "127.0.0.2", "127.0.0.3"], 1, within=5.0)
        return [way.failure.kind for way in ways if way.failure is not None]

    assert asyncio.run(tried()) == ["host.fd-limit", "host.fd-limit"]


@pytest.mark.parametrize(("is_trusted", "status"), [(True, 204), (False, None)])
def test_on_its_port_a_control_is_asked_over_tls(
    tmp_path: Path, is_trusted: bool, status: int | None
) -> None:
    pki = make_pki(tmp_path)

    async def asked() -> Control:
        async with answering(b"HTTP/1.1 204 No Content\r\n\r\n", tls=pki.servers["good"]) as port:
            profile = pki.profile if is_trusted else TlsProfile()
            with (
                patch.object(controls, "TLS_PORT", port),
                patch.object(controls, "TlsProfile", lambda: profile),
            ):
                (control,), _ = await ask_controls([f"127.0.0.1:{port}"], within=5.0)
        return control

    control = asyncio.run(asked())
    assert control.handshake is not None
    assert control.handshake.tls is not None  # the certificate is known, whoever vouched for it
    assert (control.handshake.failure is None, control.status) == (is_trusted, status)
