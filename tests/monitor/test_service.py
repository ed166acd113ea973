"""A service manager is told what it needs, on the socket it names."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probe.monitor.service import ServiceManager


@contextmanager
def managed(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        manager.setblocking(False)
        yield manager


def told(manager: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.mark.parametrize("kind", ["a path", "abstract"])
def test_each_thing_is_told_once(kind: str, tmp_path: Path) -> None:
    address = f"@probe-test-{os.getpid()}" if kind == "abstract" else str(tmp_path / "notify")
    with managed(address) as manager:
        service = ServiceManager({"NOTIFY_SOCKET": address})
        service.ready()
        service.status("one")
        service.status("one")
        service.status("two")
        service.reloading()
        service.alive(0.0)  # nobody waits for it
        service.stopping()
        *others, reloading, stopping = told(manager)
    assert others == ["READY=1", "STATUS=one", "STATUS=two"]
    word, _, microseconds = reloading.partition("\nMONOTONIC_USEC=")
    assert (word, microseconds.isdecimal(), stopping) == ("RELOADING=1", True, "STOPPING=1")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "3000000"}, [0.0, 1.0, 2.0, 3.0]),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, [0.0, 1.0, 2.0, 3.0]),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, []),
        ({"WATCHDOG_USEC": "0"}, []),
        ({"WATCHDOG_USEC": "soon"}, []),
        ({}, []),
    ],
)
def test_being_alive_is_told_at_a_third_of_the_patience(
    environment: dict[str, str], expected: list[float], tmp_path: Path
) -> None:
    address = str(tmp_path / "notify")
    found = []
    with managed(address) as manager:
        service = ServiceManager({"NOTIFY_SOCKET": address, **environment})
        for step in range(14):
            service.alive(step / 4)
            found += [step / 4 for _ in told(manager)]
    assert found == expected


def test_nobody_to_tell_is_nothing_to_mind(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"NOTIFY_SOCKET": "x" * 400}):
        ServiceManager(environment).ready()
