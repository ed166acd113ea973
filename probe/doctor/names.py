"""The host's name, looked up as programs do, and where that goes wrong or looks odd, asked of the resolvers one by one."""

import asyncio
import errno
import socket
import time
from collections.abc import Iterable, Sequence

import dns.exception
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from probe.diagnose.case import Asking, Lookup, Names
from probe.diagnose.rules.names import SLOW, is_false, looks_public
from probe.drivers.dial import failure_of, literal_address, on_a_thread
from probe.model.events import Phase

ASKED_WITHIN, ASKED_TIMES = 1.5, 2  # a question or its answer may get lost
DNS_PORT = 53
LARGEST = 4096
_FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
_RECORDS = {4: dns.rdatatype.A, 6: dns.rdatatype.AAAA}


async def look_up(host: str, port: int, *, resolvers: Sequence[str], within: float) -> Names:
    """What was not answered half way to the deadline is asked again, and then given up."""
    literal = literal_address(host, port)
    if literal is not None:
        return Names(host=host, lookups=(Lookup(family=0, addresses=(literal[0].host,), seconds=0.0),))
    lookups = await _in_all_families(host, port, within / 2)
    if not _is_odd(host, lookups):
        return Names(host=host, lookups=lookups)
    asked = asyncio.gather(*_questions(host, resolvers))
    again = (await system_lookup(host, port, 0, within / 2),) if _is_troubled(lookups) else ()
    return Names(host=host, lookups=lookups, again=again, asked=tuple(await asked))


async def system_lookup(host: str, port: int, family: int, within: float) -> Lookup:
    asked_at = time.monotonic()
    began_at = ended_at = None

    def ask() -> list[str]:
        nonlocal began_at, ended_at
        began_at = time.monotonic()
        try:
            answers = socket.getaddrinfo(
                host.encode("ascii"), port, family=_FAMILIES[family], type=socket.SOCK_STREAM
            )
        finally:
            ended_at = time.monotonic()
        return [str(each[4][0]) for each in answers]

    found: Iterable[str] = ()
    failure = None
    try:
        async with asyncio.timeout(within):
            found = await asyncio.wrap_future(on_a_thread(ask))
    except (OSError, UnicodeError) as error:
        failure = failure_of(error, Phase.RESOLVING)
    over_at = ended_at or time.monotonic()
    return Lookup(
        family=family,
        addresses=tuple(dict.fromkeys(found)),
        seconds=over_at - asked_at,
        failure=failure,
        queued_seconds=(began_at or over_at) - asked_at,
    )


async def _in_all_families(host: str, port: int, within: float) -> tuple[Lookup, ...]:
    return tuple(await asyncio.gather(*(system_lookup(host, port, family, within) for family in _FAMILIES)))


def _is_troubled(lookups: Sequence[Lookup]) -> bool:
    """A family that the host has no address of is no trouble."""
    return lookups[0].failure is not None or any(each.seconds > SLOW for each in lookups)


def _is_odd(host: str, lookups: Sequence[Lookup]) -> bool:
    false = any(is_false(address) for each in lookups for address in each.addresses)
    return _is_troubled(lookups) or (false and looks_public(host))


# -- past the system's resolver ----------------------------------------------------------------------------------------


def _questions(host: str, resolvers: Sequence[str]) -> Iterable[asyncio.Future[Asking]]:
    systems = _systems_resolvers()
    for resolver in dict.fromkeys([*systems, *resolvers]):
        for family in _RECORDS:
            yield asyncio.ensure_future(_ask(resolver, host, family, is_systems=resolver in systems))


def _systems_resolvers() -> Sequence[str]:
    try:
        return [str(each) for each in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return ()


async def _ask(resolver: str, host: str, family: int, *, is_systems: bool) -> Asking:
    began = time.monotonic()
    code, error = "", ""
    addresses: tuple[str, ...] = ()
    for _ in range(ASKED_TIMES):
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                code, addresses = await _answer(resolver, host, family)
            break
        except OSError as problem:
            error = errno.errorcode.get(problem.errno or 0, "")
        except dns.exception.DNSException:
            error = "not understood"
    return Asking(
        resolver=resolver,
        is_systems=is_systems,
        family=family,
        code=code,
        error="" if code else error,
        addresses=addresses,
        seconds=time.monotonic() - began,
    )


async def _answer(resolver: str, host: str, family: int) -> tuple[str, tuple[str, ...]]:
    kind = _RECORDS[family]
    query = dns.message.make_query(host, kind)
    loop = asyncio.get_running_loop()
    found = literal_address(resolver, DNS_PORT)
    if found is None:
        raise OSError(errno.EINVAL, "a resolver is given by its address")
    with socket.socket(found[0].family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(found[0].address)
        await loop.sock_sendall(sock, query.to_wire())
        answer = dns.message.from_wire(await loop.sock_recv(sock, LARGEST))
        while not query.is_response(answer):
            answer = dns.message.from_wire(await loop.sock_recv(sock, LARGEST))
    addresses = (
        str(row.address)
        for rows in answer.answer
        if rows.rdtype == kind and rows.rdclass == dns.rdataclass.IN
        for row in rows
    )
    return dns.rcode.to_text(answer.rcode()), tuple(addresses)
