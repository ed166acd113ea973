import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from probe.drivers import aio_dial
from probe.drivers.dial import Found

ROOT = Path(__file__).parents[2]
REACH_IPV6_LOOPBACK = """
import asyncio
from probe.drivers.aio import connect
from probe.drivers.dial import DialPlan
from probe.model.endpoint import Address
from tests.drivers.drivables import Scripted

async def main():
    plan = DialPlan(address=Address(secure=False, host="::1", port=9, path="/"))
    connection = await connect(Scripted(), plan, on_event=lambda event: None)
    print((await connection.ended()).failure.kind)

asyncio.run(main())
"""


def test_who_connects_in_the_same_moment_as_the_winner_is_closed() -> None:
    async def scenario() -> None:
        sock = socket.socket()

        async def connected() -> tuple[socket.socket, Found]:
            return sock, Found(socket.AF_INET, ("192.0.2.1", 9))

        second = asyncio.create_task(connected())
        await second
        await aio_dial._dismiss({second})
        assert sock.fileno() == -1

    asyncio.run(scenario())


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare to make a network namespace with")
def test_a_machine_without_a_fitting_address_has_no_route_and_not_too_few_ports() -> None:
    """In a network namespace whose loopback is down, ::1 is nobody's address: EADDRNOTAVAIL."""
    alone = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make a network namespace")
    command = [*alone, sys.executable, "-c", REACH_IPV6_LOOPBACK]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20, check=True)
    assert ran.stdout == "tcp.unreachable\n"
