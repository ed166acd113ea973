"""Run alone in a namespace that `tests.doctor.alone` made: what the doctor says of each host in it, as JSON."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from unittest.mock import patch

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from probe.diagnose.case import Host
from probe.diagnose.diagnose import diagnose, rules_for
from probe.doctor import handshakes, names, ways
from probe.doctor.examine import Means, Patient, examine
from probe.host.handles import handles_limit, handles_used
from probe.model.endpoint import Account, Endpoint
from probe.model.findings import Certainty
from tests.doctor.retelling import keep_shared
from tests.doctor.staging import Said, judged

SYSTEMS, SECOND = "127.0.0.1", "127.0.0.2"
HERE = "127.0.0.1"
SILENT, SILENT_TOO, BARRED, FORBIDDEN, NO_ROUTE = "10.7.4.2", "fd00:7::2", "10.7.1.1", "10.7.2.1", "10.99.0.1"
BEHIND_TUNNEL, TUNNEL_PORT = "10.7.5.2", 8443
ELSEWHERE = "93.184.215.14"  # a public address; no packet leaves the namespace
PORTS = range(18000, 18002)
OPEN, CLOSED = PORTS
SHORT = 1.0  # seconds of patience with a silent address
LATE = 1.2  # seconds that a slow resolver takes

NXDOMAIN, SERVFAIL, REFUSED, SILENCE, SLOW, ONLY_A = (
    "NXDOMAIN",
    "SERVFAIL",
    "REFUSED",
    "silence",
    "slow",
    "only A",
)


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """A host: what the system's resolver says of it, and a second one. An answer is addresses or one of the words above."""

    code: str
    says: Sequence[str] | str
    second: Sequence[str] | str | None = None  # None: nobody asks it
    controls: tuple[str, ...] = ()
    port: int = OPEN
    proxies: tuple[str, ...] = ()
    scheme: str = "ws"


CALM = Host(ports=28_000, ports_in_use=12)  # how busy this machine is must not matter here
CONTROL = f"{HERE}:{OPEN}"
HOSTS = {
    "fine.sim.test": Hosted(code="", says=[HERE]),
    "no-ipv6.sim.test": Hosted(code="", says=[HERE, "2001:db8::1"]),
    "gone.trading.example": Hosted(code="dns.nxdomain", says=NXDOMAIN, second=NXDOMAIN),
    "alone.trading.example": Hosted(code="dns.nxdomain", says=NXDOMAIN),
    "servfail.trading.example": Hosted(
        code="dns.temporary-failure", says=SERVFAIL, controls=(CONTROL, f"refused.trading.example:{OPEN}")
    ),
    "refused.trading.example": Hosted(code="dns.temporary-failure", says=REFUSED),
    "silence.trading.example": Hosted(code="dns.temporary-failure", says=SILENCE, second=[ELSEWHERE]),
    "empty.trading.example": Hosted(code="dns.no-address", says=[], second=[]),
    "zero.trading.example": Hosted(code="dns.blocked", says=["0.0.0.0"], second=[ELSEWHERE]),
    "private.trading.example": Hosted(code="dns.blocked", says=[BARRED], second=[ELSEWHERE]),
    "denied.trading.example": Hosted(code="dns.blocked", says=NXDOMAIN, second=[ELSEWHERE]),
    "closed.sim.test": Hosted(code="tcp.refused", says=[HERE], port=CLOSED),
    "silent.sim.test": Hosted(code="tcp.timeout", says=[SILENT, SILENT_TOO], controls=(CONTROL,)),
    "past-proxy.sim.test": Hosted(
        code="tcp.proxy-ignored", says=[SILENT, SILENT_TOO], proxies=("https_proxy",)
    ),
    "barred.sim.test": Hosted(code="tcp.unreachable", says=[BARRED], controls=(f"{BARRED}:{OPEN}",)),
    "no-route.sim.test": Hosted(code="tcp.unreachable", says=[NO_ROUTE], controls=(f"{NO_ROUTE}:{OPEN}",)),
    "one-barred.sim.test": Hosted(code="tcp.unreachable", says=[BARRED], controls=(CONTROL,)),
    "forbidden.sim.test": Hosted(code="tcp.denied-locally", says=[FORBIDDEN]),
    "tunnel.sim.test": Hosted(code="tcp.mtu-blackhole", says=[BEHIND_TUNNEL], port=TUNNEL_PORT, scheme="wss"),
    "half-dead.sim.test": Hosted(code="net.ipv6-blackhole", says=[HERE, SILENT_TOO]),
}

LONG = {
    "slow.sim.test": Hosted(code="dns.slow", says=SLOW),
    "half-answered.sim.test": Hosted(code="dns.slow", says=ONLY_A),
}
GROUPS = {"quick": HOSTS, "long": LONG}


class Resolver(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[Hosted], Sequence[str] | str | None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, whence: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        asked = query.question[0]
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        wait = 0.0
        match self._answer((HOSTS | LONG)[asked.name.to_text(omit_final_dot=True).lower()]):
            case "silence":
                return
            case "slow":
                wait, addresses = LATE, [HERE]
            case "only A":
                if asked.rdtype == dns.rdatatype.AAAA:
                    return
                addresses = [HERE]
            case str(code):
                reply.set_rcode(dns.rcode.from_text(code))
                addresses = []
            case told:
                addresses = list(told or ())
        is_ipv6 = asked.rdtype == dns.rdatatype.AAAA
        if wanted := [each for each in addresses if (":" in each) == is_ipv6]:
            rows = dns.rrset.from_rdata_list(
                asked.name, 60, [dns.rdata.from_text("IN", asked.rdtype, each) for each in wanted]
            )
            reply.answer.append(rows)
        asyncio.get_running_loop().call_later(wait, self._transport.sendto, reply.to_wire(), whence)


TUNNEL = """
ip link add tunnel type veth peer name exit
ip link set exit netns {holder}
ip address add 10.7.5.1/24 dev tunnel
ip link set tunnel up mtu 1280
ip route replace 10.7.5.0/24 dev tunnel src 10.7.5.1 advmss 1460
"""


@contextlib.contextmanager
def tunnel() -> Iterator[None]:
    """A link whose near end takes no large packets, and promises that it does."""
    far = [sys.executable, "-m", "tests.doctor.far_side", "exit", BEHIND_TUNNEL, str(TUNNEL_PORT)]
    pipe = subprocess.PIPE
    with subprocess.Popen(["unshare", "--net", *far], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        for command in TUNNEL.strip().format(holder=holder.pid).splitlines():
            subprocess.run(command.split(), check=True)
        print("go", file=holder.stdin, flush=True)
        assert holder.stdout.readline() == "up\n"
        yield
        holder.stdin.close()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    systems, second = Resolver(lambda host: host.says), Resolver(lambda host: host.second)
    await loop.create_datagram_endpoint(lambda: systems, local_addr=(SYSTEMS, 53))
    await loop.create_datagram_endpoint(lambda: second, local_addr=(SECOND, 53))
    async with await asyncio.start_server(lambda reader, writer: writer.close(), HERE, OPEN):
        yield


async def said_of(name: str, host: Hosted, keep: Path | None) -> Said:
    endpoint = Endpoint(
        broker="",
        region="",
        url=f"{host.scheme}://{name}:{host.port}/",
        account=Account.NONE,
        named_by_user=True,
    )
    patient = Patient(name=name, broker=None, endpoint=endpoint)
    means = Means(controls=host.controls, resolvers=() if host.second is None else (SECOND,))
    examination = await examine(patient, means)
    seen_here = replace(CALM, proxies=host.proxies)
    case = replace(examination.case, host=seen_here)
    if keep is not None:
        diagnosis = diagnose(case, rules_for(None))
        keep_shared(keep / f"{name}.md", replace(examination, case=case, diagnosis=diagnosis))
    return judged(case, None, host.code)


async def look_at_host() -> Host:
    return replace(CALM, handles_used=handles_used(), handles_limit=handles_limit())


def _plain(verdicts: Sequence[tuple[str, Certainty]]) -> list[tuple[str, str]]:
    return [(code, sure.value) for code, sure in verdicts]


@contextlib.contextmanager
def calm_and_hasty() -> Iterator[None]:
    """Little patience with what is silent, and a machine that has nothing else to do."""
    with (
        patch("probe.doctor.examine.look_at_host", look_at_host),
        patch.object(ways, "EACH_WITHIN", SHORT),
        patch.object(names, "ASKED_WITHIN", SHORT / 2),
        patch.object(handshakes, "USUAL_WITHIN", SHORT),
        patch.object(handshakes, "OTHER_WITHIN", SHORT),
    ):
        yield


async def main(hosts: Mapping[str, Hosted], keep: Path | None = None) -> None:
    with calm_and_hasty(), patch("probe.doctor.examine.look_at_packages", return_value=()), tunnel():
        async with serving():
            said = await asyncio.gather(*(said_of(name, host, keep) for name, host in hosts.items()))
    told = {
        name: [_plain(each.verdicts), each.without, _plain(each.retold or ())]
        for name, each in zip(hosts, said, strict=True)
    }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(GROUPS[sys.argv[1]], *map(Path, sys.argv[2:])))
