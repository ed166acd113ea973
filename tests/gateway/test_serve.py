import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from probe.gateway.serve import TlsFiles, place, serving
from probe.model.errors import ConfigError
from probe.simulator.authority import _OUR_NAMES, _issue, _make_authority
from tests.gateway.visiting import LOGIN, Visit


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.test"])
def test_without_tls_it_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigError, match="on this machine only"):
        place(host, 0, tls=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_tls(host: str) -> None:
    with place(host, 0, tls=False) as listener:
        assert listener.getsockname()[1] > 0


def test_a_port_that_is_taken_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigError, match=r"cannot listen.*Choose another --port"),
    ):
        place("127.0.0.1", taken.getsockname()[1], tls=False)


def test_it_serves_on_a_real_socket_and_says_nothing_about_its_kind() -> None:
    async def scenario() -> None:
        visit = Visit()
        with place("127.0.0.1", 0, tls=False) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with serving(visit.app, listener, None), httpx.AsyncClient(base_url=url) as client:
                answer = await client.post("/api/v1/login", json=LOGIN)
                assert answer.status_code == 200
                assert "server" not in answer.headers

    asyncio.run(scenario())


def certified(folder: Path) -> tuple[TlsFiles, ssl.SSLContext]:
    now = datetime.now(UTC)
    authority = _make_authority(now)
    server = _issue(authority, _OUR_NAMES, now - timedelta(hours=1), now + timedelta(days=1))
    files = TlsFiles(certificate=folder / "cert.pem", key=folder / "key.pem")
    files.certificate.write_bytes(server.certificate_pem)
    files.key.write_bytes(server.key_pem)
    return files, ssl.create_default_context(cadata=authority.certificate_pem.decode())


def test_over_tls_it_may_be_asked_from_anywhere(tmp_path: Path) -> None:
    async def scenario() -> None:
        files, trust = certified(tmp_path)
        place("0.0.0.0", 0, tls=True).close()  # allowed; what follows stays on this machine
        with place("127.0.0.1", 0, tls=True) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            async with (
                serving(Visit().app, listener, files),
                httpx.AsyncClient(base_url=url, verify=trust) as client,
            ):
                assert (await client.get("/health")).status_code == 200

    asyncio.run(scenario())


def test_a_key_of_another_certificate_is_told_in_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        files, _ = certified(tmp_path)
        (tmp_path / "other").mkdir()
        other, _ = certified(tmp_path / "other")
        wrong = TlsFiles(certificate=files.certificate, key=other.key)
        with place("127.0.0.1", 0, tls=True) as listener, pytest.raises(ConfigError, match="belong together"):
            async with serving(Visit().app, listener, wrong):
                pass

    asyncio.run(scenario())
