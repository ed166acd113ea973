"""Clients of brokers and the libraries under them, as pip wrote them down."""

import inspect
import os
import socket
import sys
from pathlib import Path

import pytest
import websockets

from probe.brokers import all_brokers
from probe.host.connections import count_connections
from probe.host.packages import look_at_packages


def installed(folder: Path, name: str, version: str, demand: str = "") -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    needs = f"Requires-Dist: {demand}\n" if demand else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")


def trouble(name: str) -> str:
    return next(each.trouble for each in look_at_packages() if each.name == name)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It is looked at before all else that is installed here."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


@pytest.mark.parametrize(
    ("demand", "version", "fits"),
    [
        ("websockets", "17.4", True),
        ("websockets>=12", "12.0", True),
        ("websockets (<14,>=10)", "13.1", True),
        ("websockets (<14,>=10)", "14.0", False),
        ("websockets==13.1", "13.1", True),
        ("websockets==13.1", "13.2", False),
        ("websockets==13.*", "13.2", True),
        ("websockets==13.*", "14.0", False),
        ("websockets~=13.1", "13.9", True),
        ("websockets~=13.1", "14.0", False),
        ("websockets!=13.1", "13.1", False),
        ("websockets<=13", "13.0", True),
        ("websockets>13", "13.0", False),
        ("websockets<14; extra == 'old'", "17.4", True),
        ("something-else<1", "17.4", True),
    ],
)
def test_a_client_fits_the_library_that_it_asks_for(
    site: Path, demand: str, version: str, fits: bool
) -> None:
    installed(site, "quotexpy", "1.40.7", demand)
    installed(site, "websockets", version)
    assert (trouble("quotexpy") == "") is fits


def test_a_client_that_calls_what_is_gone_is_told_from_its_elder_library(site: Path) -> None:
    installed(site, "pocketoptionapi-async", "2.0.1", "websockets>=11")
    installed(site, "websockets", "13.1")
    assert trouble("pocketoptionapi-async") == ""
    (site / "websockets-13.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: websockets\nVersion: 14.0\n"
    )
    assert "extra_headers" in trouble("pocketoptionapi-async")


def test_a_release_that_asks_for_the_newer_library_has_been_mended(site: Path) -> None:
    installed(site, "pocketoptionapi-async", "2.1", "websockets>=14.1")
    installed(site, "websockets", "15.0")
    assert trouble("pocketoptionapi-async") == ""


def test_two_packages_that_bring_one_module_are_named(site: Path) -> None:
    installed(site, "websocket", "0.2.1")
    installed(site, "websocket-client", "1.8.0")
    assert "websocket-client" in trouble("websocket")


@pytest.mark.parametrize(
    ("proxy", "package", "variable"),
    [
        ("socks5://127.0.0.1:9", "", "all_proxy"),
        ("socks5://127.0.0.1:9", "python-socks", ""),
        ("http://127.0.0.1:9", "", ""),
    ],
)
def test_a_socks_proxy_needs_a_package(
    site: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, package: str, variable: str
) -> None:
    for name in {each for each in os.environ if each.lower().endswith("_proxy")}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("all_proxy", proxy)
    installed(site, "quotexpy", "1.40.7")
    if package:
        installed(site, package, "2.0")
    assert [each.without_socks for each in look_at_packages() if each.name == "quotexpy"] == [variable]


def test_what_is_said_to_be_gone_is_gone() -> None:
    assert "extra_headers" not in inspect.signature(websockets.connect).parameters
    assert any(client.library == "websockets" for broker in all_brokers() for client in broker.clients)


def test_connections_to_one_place_are_counted_and_others_are_not() -> None:
    tells = Path("/proc/self/net/tcp").exists()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert count_connections(["127.0.0.1"], port) == (0 if tells else None)
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert count_connections(["127.0.0.1", "::1"], port) == (2 if tells else None)
            assert count_connections(["127.0.0.2"], port) == (0 if tells else None)
