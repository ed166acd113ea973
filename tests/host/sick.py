"""Examines a target from a machine that is itself sick, and prints what came of it as JSON.

python -m tests.host.sick handles|ports|names|ipv6|processor
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from probe.brokers import find_broker
from probe.doctor.examine import Examination, Means, Patient, examine
from probe.model.endpoint import Account, Endpoint
from tests.doctor.simulated import simulated
from tests.doctor.staging import judged

NAME = "two-families.sim.test"
COMPETITORS = 6


def nobody_at(host: str) -> Patient:
    endpoint = Endpoint(
        broker="pocketoption",
        region="demo-eu",
        url=f"wss://{host}/socket.io/?EIO=4&transport=websocket",
        account=Account.DEMO,
        named_by_user=True,
    )
    return Patient(name="one", broker=find_broker("pocketoption"), endpoint=endpoint, is_ours=True)


@contextmanager
def no_handles() -> Iterator[None]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        yield
    for each in taken:
        os.close(each)


@contextmanager
def one_busy_core() -> Iterator[None]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with ExitStack() as stack:
        for _ in range(COMPETITORS):
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(busy.wait)
            stack.callback(busy.kill)
        yield


async def of_handles() -> Examination:
    with no_handles():
        return await examine(nobody_at("127.0.0.1:9"), Means())


async def of_ports() -> Examination:
    """In a namespace whose range is narrow."""
    async with simulated("pocketoption")() as patient:
        assert patient.endpoint
        address = patient.endpoint.address
        with ExitStack() as stack:
            with suppress(OSError):
                while True:
                    stack.enter_context(socket.create_connection((address.host, address.port)))
            return await examine(patient, Means())


async def of_names() -> Examination:
    return await examine(nobody_at("nobody.sim.test"), Means())


async def of_ipv6() -> Examination:
    async with simulated("pocketoption")() as patient:
        assert patient.endpoint
        url = patient.endpoint.url.replace("127.0.0.1", NAME)
        return await examine(replace(patient, endpoint=replace(patient.endpoint, url=url)), Means())


async def of_processor() -> Examination:
    async with simulated("pocketoption")() as patient:
        with one_busy_core():
            return await examine(patient, Means())


def main() -> None:
    how, code = {
        "handles": (of_handles, "host.fd-limit"),
        "ports": (of_ports, "load.ephemeral-ports"),
        "names": (of_names, "dns.temporary-failure"),
        "ipv6": (of_ipv6, "net.ipv6-blackhole"),
        "processor": (of_processor, "host.cpu-starved"),
    }[sys.argv[1]]
    seen = asyncio.run(how())
    said = judged(seen.case, seen.patient.broker, code)
    told = {
        "state": seen.diagnosis.state.value,
        "is_within_budget": seen.seconds < seen.means.budget,
        "seconds": seen.seconds,
        "said": [[code, certainty.value] for code, certainty in said.verdicts],
        "without": said.without,
        "rungs": {each.name: each.outcome.value for each in seen.rungs},
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
