"""Staged: tls."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from probe.diagnose.case import Asking, Case, Control, Handshake, Lookup, Names, Way
from probe.doctor.examine import Patient
from probe.doctor.handshakes import as_one
from probe.model.endpoint import Sureness
from tests.doctor.simulated import simulated
from tests.doctor.staging import Staged, travelling
from tests.doctor.tls_stubs import (
    at_port,
    by_first_message,
    by_other_clocks,
    saying,
    shaken,
    silent,
    simulated_over_tls,
    speaking_tls,
)

UNRECOGNIZED_NAME, NO_PROTOCOL, PROTOCOL_VERSION = (
    bytes([0x15, 3, 3, 0, 2, 2, number]) for number in (112, 120, 70)
)
SETTINGS = bytes.fromhex("000012040000000000000300000064")
PAGE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TLS_WANTED = b"<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port"
TLS_WANTED = (
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: %d\r\n\r\n" % len(_TLS_WANTED)
    + _TLS_WANTED
)
TLS_1_3 = ssl.TLSVersion.TLSv1_3


def only_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def wants_a_name(context: ssl.SSLContext) -> None:
    def chosen(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = chosen


def known(host: str, *addresses: str) -> Names:
    """Two resolvers agree."""
    return Names(
        host=host,
        lookups=(Lookup(family=0, addresses=addresses, seconds=0.01),),
        asked=(
            Asking(resolver="192.0.2.53", is_systems=False, family=4, code="NOERROR", addresses=addresses),
        ),
    )


def control(**facts: object) -> Control:
    way = Way(address="192.0.2.80", port=443, family=4, seconds=0.02)
    return replace(Control(host="control.example", port=443, way=way, status=200), **facts)  # type: ignore[arg-type]


def named_rightly(made: tuple[Handshake, ...]) -> Case:
    return Case(names=known("right.test", "127.0.0.1"), handshakes=made, controls=(control(),))


def opened_everywhere(made: tuple[Handshake, ...]) -> Case:
    return replace(named_rightly(made), controls=(control(handshake=as_one(made)),))


@asynccontextmanager
async def not_known_well() -> AsyncIterator[Patient]:
    async with simulated("pocketoption")() as patient:
        assert patient.endpoint is not None
        unsure = replace(patient.endpoint, named_by_user=False, sureness=list(Sureness)[-1])
        yield replace(patient, endpoint=unsure)


def staged(code: str, name: str, *args: object, certain: bool = False, **more: object) -> Staged:
    stage = at_port(*args, **more)  # type: ignore[arg-type]
    return Staged(code=code, name=name, play=travelling(stage, code), certain=certain)


CASES: list[Staged] = [
    Staged(code="", name="over TLS", play=travelling(simulated_over_tls(), "")),
    Staged(
        code="tls.server-cert-expired",
        name="by the simulator",
        play=travelling(simulated_over_tls("tls-certificate:kind=expired"), "tls.server-cert-expired"),
    ),
    staged("tls.unknown-ca", "other authority", speaking_tls("other authority"), certain=True),
    staged("tls.unknown-ca", "self-signed", speaking_tls("self-signed"), certain=True),
    Staged(
        code="tls.interception",
        name="one issuer everywhere",
        play=shaken(
            speaking_tls("other authority"), "right.test", "tls.interception", around=opened_everywhere
        ),
        certain=True,
    ),
    staged("tls.server-cert-expired", "no other clock", speaking_tls("expired")),
    Staged(
        code="tls.server-cert-expired",
        name="by two other clocks too",
        play=by_other_clocks(at_port(speaking_tls("expired")), "tls.server-cert-expired"),
        certain=True,
    ),
    staged("tls.clock-skew", "not yet valid", speaking_tls("early")),
    *(
        Staged(  # what is wrong with ourselves is said first
            code="host.clock-wrong",
            name=f"a certificate is {certificate} by it alone",
            play=by_other_clocks(at_port(speaking_tls(certificate)), "host.clock-wrong", ahead_days=days),
            certain=True,
            beside=frozenset({"tls.clock-skew"}),
        )
        for certificate, days in (("early", 1.5), ("expired", -1.5))
    ),
    Staged(
        code="tls.not-verified",
        name="not yet valid by any clock",
        play=by_other_clocks(at_port(speaking_tls("early")), "tls.not-verified"),
    ),
    Staged(
        code="tls.not-verified",
        name="credential withheld",
        play=travelling(not_known_well, "tls.not-verified"),
        certain=True,
    ),
    staged("tls.hostname", "by address", speaking_tls("wrong host")),
    Staged(
        code="tls.hostname",
        name="by name",
        play=shaken(speaking_tls("wrong host"), "right.test", "tls.hostname", around=named_rightly),
        certain=True,
    ),
    Staged(
        code="tls.hostname",
        name="name not known there",
        play=shaken(saying(UNRECOGNIZED_NAME), "right.test", "tls.hostname", around=named_rightly),
    ),
    staged("tls.sni-missing", "alert 112", saying(UNRECOGNIZED_NAME)),
    staged("tls.sni-missing", "passes with a name", speaking_tls("good", wants_a_name), certain=True),
    Staged(
        code="tls.sni-blocked",
        name="cut off by name",
        play=shaken(
            by_first_message(lambda first: b"" if b"blocked.test" in first else None, alpn="http/1.1"),
            "blocked.test",
            "tls.sni-blocked",
            around=named_rightly,
        ),
    ),
    staged("tls.version", "alert 70", saying(PROTOCOL_VERSION)),
    staged("tls.version", "older only", speaking_tls("good", only_1_2), minimum=TLS_1_3, certain=True),
    staged(
        "tls.version",
        "ended without an alert",
        by_first_message(lambda first: b"" if b"\x00\x2b" in first else None, alpn="http/1.1"),
        minimum=TLS_1_3,
    ),
    staged("tls.plain-on-tls", "plain HTTP", saying(PAGE), certain=True),
    staged("tls.plain-on-tls", "neither of them", saying(b"SSH-2.0-OpenSSH_9.6\r\n")),
    staged("tls.tls-on-plain", "alert", saying(PROTOCOL_VERSION), "ws", certain=True),
    staged("tls.tls-on-plain", "page says so", saying(TLS_WANTED), "ws", certain=True),
    Staged(
        code="tls.tls-on-plain",
        name="ended without a word and shakes hands",
        play=travelling(at_port(speaking_tls("good"), "ws"), "tls.tls-on-plain"),
        certain=True,
    ),
    staged("tls.eof-in-handshake", "ended after the first message", saying(b"")),
    staged("tls.eof-in-handshake", "silent", silent),
    staged("tls.alpn-h2", "settings frame", saying(SETTINGS), "ws", certain=True),
    staged(
        "tls.alpn-h2",
        "insists on it",
        by_first_message(lambda first: None if b"\x02h2" in first else NO_PROTOCOL, alpn="h2"),
        certain=True,
    ),
    staged(
        "tls.client-cert-required", "after the handshake", speaking_tls("client certificate"), certain=True
    ),
    staged("tls.client-cert-required", "within it", speaking_tls("client certificate", only_1_2)),
]
