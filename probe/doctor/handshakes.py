"""TLS handshakes that carry nothing: one as usual, and where it fails others that tell why."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cryptography import x509

from probe.diagnose.case import (
    NO_APPLICATION_PROTOCOL,
    OFFERING_H2,
    OTHER_NAME,
    SMALL,
    TLS_1_2,
    TLS_1_3,
    UNRECOGNIZED_NAME,
    UNVERIFIED,
    USUAL,
    Handshake,
)
from probe.drivers.aio_dial import LARGEST_READ, reach
from probe.drivers.dial import DialPlan, literal_address
from probe.drivers.tls import TlsProfile, tls_facts
from probe.model.endpoint import Address
from probe.model.events import Phase, TlsFacts
from probe.model.failures import Failure

USUAL_WITHIN, OTHER_WITHIN = 6.0, 3.0
LEAST = 0.1  # seconds; in less nothing can be tried
FIRST_BYTES = 64
SMALL_PACKET = 536  # bytes of data that fit through every way there is (RFC 9293, section 3.7.1)
KEPT_NAMES, KEPT_SIGNS = 20, 120  # of a certificate, which is the server's own word
NEUTRAL = "example.com"
_ONLY = {TLS_1_2: ssl.TLSVersion.TLSv1_2, TLS_1_3: ssl.TLSVersion.TLSv1_3}
_VERSIONS = (TLS_1_2, TLS_1_3)


async def shake_hands(
    target: Address, at: str, profile: TlsProfile, *, within: float
) -> tuple[Handshake, ...]:
    """
    Args:
        at: The address that took a connection.

    Raises:
        ConfigError: the file of authorities cannot be used.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + within
    tries = [await _shake(USUAL, target, at, profile, min(USUAL_WITHIN, within))]
    for how in _worth_trying(tries):
        left = until - clock()
        if left < LEAST:
            break
        tries.append(await _shake(how, target, at, profile, min(OTHER_WITHIN, left)))
    return tuple(tries)


def as_one(tries: Sequence[Handshake]) -> Handshake:
    """The one as usual, with the certificate that another one had to learn."""
    return replace(tries[0], tls=next((each.tls for each in tries if each.tls is not None), None))


def _worth_trying(tries: Sequence[Handshake]) -> Iterator[str]:
    """What else tells why the first one failed; asked for one by one, when those before are made."""
    usual = tries[0]
    if usual.failure is None or usual.asks_certificate:
        return
    match usual.failure.kind:
        case (
            "tls.unknown-ca"
            | "tls.server-cert-expired"
            | "tls.not-yet-valid"
            | "tls.hostname"
            | "tls.not-verified"
        ):
            yield UNVERIFIED
        case "tls.version":
            yield from _VERSIONS
        case "tls.alert" if usual.alert == NO_APPLICATION_PROTOCOL:
            yield OFFERING_H2
        case "tls.alert":
            if not usual.server_name:
                yield OTHER_NAME
            if usual.alert != UNRECOGNIZED_NAME:
                yield from _VERSIONS
        case "tls.eof-in-handshake" | "tls.timeout" | "tcp.reset-in-path":
            if usual.failure.kind == "tls.timeout" and hasattr(socket, "TCP_MAXSEG"):
                yield SMALL
                if answers(tries[-1]):
                    yield USUAL
                    yield SMALL
                    return
            if usual.server_name:
                yield OTHER_NAME
                if answers(tries[-1]):  # twice in turn, so that it is no accident
                    yield USUAL
                    yield OTHER_NAME
                    return
            yield from _VERSIONS
            yield USUAL
        case _:
            pass


def answers(made: Handshake) -> bool:
    """Something came back, if only a refusal."""
    return made.failure is None or bool(made.first_bytes)


async def _shake(how: str, target: Address, at: str, profile: TlsProfile, within: float) -> Handshake:
    deadlines = dict.fromkeys((Phase.CONNECTING, Phase.SECURING), within)
    plan = (_InSmallPackets if how == SMALL else DialPlan)(address=target, tls=profile, deadlines=deadlines)
    context, name = _context(how, profile), _name(how, plan.verified_name)
    clock, at_utc = asyncio.get_running_loop().time, time.time()
    talk = _Talk(context, name)
    phase, began = Phase.CONNECTING, clock()
    facts: TlsFacts | None = None
    failure: Failure | None = None
    try:
        async with asyncio.timeout(within):
            sock, _ = await reach(plan, (literal_address(at, target.port) or [])[:1])
            with contextlib.closing(sock):
                phase, began = Phase.SECURING, clock()
                await talk.shake(sock)
                facts = tls_facts(talk.tls) if how == USUAL else _facts_unverified(talk.tls)
    except OSError as error:
        failure = plan.failure_of(error, phase)
        if talk.heard.startswith(b"\x15\x03") and failure.kind == "tls.not-verified":
            failure = replace(failure, kind="tls.alert")  # one that Python has no name for
    return Handshake(
        how=how,
        seconds=clock() - began,
        tls=facts,
        failure=failure,
        first_bytes=talk.heard[:FIRST_BYTES].decode("latin-1"),
        at_utc=at_utc,
        server_name="" if _is_address(name) else name,
        asks_certificate=_asks_certificate(bytes(talk.heard)),
    )


class _InSmallPackets(DialPlan):
    """Asks the other end, too, to send no large ones."""

    def open_socket(
        self, family: socket.AddressFamily, kind: type[socket.socket] | None = None
    ) -> socket.socket:
        opened = super().open_socket(family, kind)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_PACKET)
        return opened


class _Talk:
    """TLS by hand over a plain socket, which shows every byte of the answer."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._arrived, self._leaving, server_hostname=name or None)
        self.heard = bytearray()

    async def shake(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._is_done():
                await loop.sock_sendall(sock, self._leaving.read())
                if data := await loop.sock_recv(sock, LARGEST_READ):
                    self.heard += data
                    self._arrived.write(data)
                else:
                    self._arrived.write_eof()
            with contextlib.suppress(ssl.SSLError):
                self.tls.unwrap()  # a goodbye, whose answer nobody waits for
        finally:
            with contextlib.suppress(OSError):
                sock.send(self._leaving.read())  # the rest of the handshake, or our own alert

    def _is_done(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


def _context(how: str, profile: TlsProfile) -> ssl.SSLContext:
    if how == USUAL:
        return profile.context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is only looked at: nothing is ever sent through it
    only = _ONLY.get(how)
    context.minimum_version = only or profile.minimum
    if only is not None:
        context.maximum_version = only
    context.set_alpn_protocols(["h2", "http/1.1"] if how == OFFERING_H2 else ["http/1.1"])
    return context


def _name(how: str, host: str) -> str:
    if how != OTHER_NAME:
        return host
    return f"{'w' * min(len(host) - len(NEUTRAL) - 1, 63)}.{NEUTRAL}".lstrip(".")  # as long as the real one


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


def _asks_certificate(heard: bytes) -> bool:
    """Under TLS 1.2 the server's first messages can be read; under 1.3 only the very first, which does not ask."""
    messages = b""
    while len(heard) >= 5 and heard[0] == 0x16:
        size = int.from_bytes(heard[3:5])
        messages, heard = messages + heard[5 : 5 + size], heard[5 + size :]
    while len(messages) >= 4:
        if messages[0] == 13:
            return True
        messages = messages[4 + int.from_bytes(messages[1:4]) :]
    return False


# -- a certificate that nobody vouched for -----------------------------------------------------------------------------


def _facts_unverified(secured: ssl.SSLObject) -> TlsFacts:
    facts = tls_facts(secured)
    try:
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        return replace(
            facts,
            subject=_distinguished_name(certificate.subject),
            issuer=_distinguished_name(certificate.issuer),
            names=_names(certificate),
            not_before=certificate.not_valid_before_utc.timestamp(),
            not_after=certificate.not_valid_after_utc.timestamp(),
        )
    except ValueError:  # it is no certificate that anybody could read
        return facts


def _distinguished_name(name: x509.Name) -> str:
    return _shown(", ".join(f"{each.rfc4514_attribute_name}={each.value!s}" for each in name))


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = (each.value for each in found if isinstance(each, x509.DNSName | x509.IPAddress))
    return tuple(_shown(str(each)) for _, each in zip(range(KEPT_NAMES), names, strict=False))


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:KEPT_SIGNS])
