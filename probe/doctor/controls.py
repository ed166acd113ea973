"""Hosts of the user's choice that have nothing to do with the broker: what fails there too is not the broker's fault."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime

from probe.diagnose.case import Clock, Control, Lookup
from probe.doctor.handshakes import as_one, shake_hands
from probe.doctor.names import system_lookup
from probe.doctor.ways import try_ways
from probe.drivers.dial import literal_address
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Address

TLS_PORT = 443
LOOKUP_WITHIN, TLS_WITHIN, ANSWER_WITHIN = 5.0, 5.0, 3.0
LARGEST_HEAD = 16_384
SHOWN = 200  # signs of where it redirects to


async def ask_controls(
    hosts: Sequence[str], *, within: float, utc: Callable[[], float] = time.time
) -> tuple[tuple[Control, ...], tuple[Clock, ...]]:
    """
    Args:
        hosts: Each HOST:PORT; on port 443 TLS is spoken there.
    """
    asked = await asyncio.gather(*(_ask(host, within, utc) for host in hosts))
    return tuple(control for control, _ in asked), tuple(clock for _, clock in asked if clock is not None)


async def _ask(where: str, within: float, utc: Callable[[], float]) -> tuple[Control, Clock | None]:
    host, _, digits = where.rpartition(":")
    host, port = host.strip("[]"), int(digits)
    control = Control(host=host, port=port)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            lookup = await _look_up(host, port)
            control = replace(control, lookup=lookup)
            ways = await try_ways(lookup.addresses, port, within=within)
            reached = next((way for way in ways if way.failure is None), None)
            control = replace(control, way=reached or next(iter(ways), None))
            if reached is not None:
                return await _ask_for_head(control, reached.address, utc)
    return control, None


async def _look_up(host: str, port: int) -> Lookup:
    literal = literal_address(host, port)
    if literal is not None:
        return Lookup(family=0, addresses=(literal[0].host,), seconds=0.0)
    return await system_lookup(host, port, 0, LOOKUP_WITHIN)


async def _ask_for_head(control: Control, at: str, utc: Callable[[], float]) -> tuple[Control, Clock | None]:
    secure = control.port == TLS_PORT
    target = Address(secure=secure, host=control.host, port=control.port, path="/")
    profile = TlsProfile()
    if secure:
        shaken = as_one(await shake_hands(target, at, profile, within=TLS_WITHIN))
        control = replace(control, handshake=shaken)
        if shaken.failure is not None:
            return control, None
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            reader, writer = await asyncio.open_connection(
                at,
                control.port,
                ssl=profile.context() if secure else None,
                server_hostname=control.host if secure else None,
                limit=LARGEST_HEAD,
            )
            with contextlib.closing(writer.transport):
                sent_at = utc()
                asked = f"HEAD / HTTP/1.1\r\nHost: {target.host_header}\r\nConnection: close\r\n\r\n"
                writer.write(asked.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                heard_at = utc()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return control, None
    status, headers = _read(head)
    if status is None:
        return control, None
    location = "".join(sign for sign in headers.get("location", "").partition("?")[0] if sign.isprintable())
    control = replace(control, status=status, redirects_to=location[:SHOWN])
    return control, _clock(target.host_header, headers.get("date", ""), sent_at, heard_at)


def _read(head: bytes) -> tuple[int | None, Mapping[str, str]]:
    """None: this is no HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/") or not rest[:3].isdecimal():
        return None, {}
    pairs = (line.partition(":") for line in lines)
    return int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _clock(source: str, date: str, sent_at: float, heard_at: float) -> Clock | None:
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return Clock(
        source=source,
        offset_seconds=(sent_at + heard_at) / 2 - (theirs + 0.5),  # it names the second, without its parts
        # Some servers renew what they send here once a second only.
        uncertainty_seconds=0.5 + (heard_at - sent_at) / 2 + 0.5,
    )
