"""TLS as a setting of an endpoint and as facts about a connection. It is always verified: no switch here turns that off."""

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from probe.model.errors import ConfigError
from probe.model.events import TlsFacts

_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProfile:
    """What we ask of the other end. `ca_file` replaces the system's authorities: a server that needs a private one is
    vouched for by that one only, so that nobody else's authority can stand in for it."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if self.minimum not in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            raise ValueError(f"the minimum TLS version is 1.2 or 1.3, not {self.minimum.name}")

    def context(self) -> ssl.SSLContext:
        """The one context of this profile in this process: reading the system's authorities takes 22 ms of CPU.

        Raises:
            ConfigError: the file of authorities cannot be used.
        """
        return _context(self)


_EARLIEST_END = "earliest_end"


class _Handshake(ssl.SSLObject):
    """Says when certificates end, also of those that do not hold: the error by itself does not."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            setattr(error, _EARLIEST_END, _earliest_end(self))
            raise


def earliest_end(error: BaseException) -> float | None:
    """UTC seconds: when the first of the certificates ends that this error is about; None: it is about none."""
    return getattr(error, _EARLIEST_END, None)


def _earliest_end(secured: ssl.SSLObject | ssl.SSLSocket) -> float | None:
    """Of all that the server showed, whoever vouches for them. Public since Python 3.13, there since 3.10."""
    chain = secured._sslobj.get_unverified_chain() or ()  # type: ignore[union-attr]  # noqa: SLF001
    ends = (_utc_seconds(each.get_info().get("notAfter")) for each in chain)
    return min((end for end in ends if end is not None), default=None)


@lru_cache(maxsize=32)
def _context(profile: TlsProfile) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=profile.ca_file)
    except OSError as problem:
        raise ConfigError(
            f"no certificate authority could be read from it ({problem.strerror or problem})",
            where=f"CA file {str(profile.ca_file)!r}",
            next_step="Give a readable file with at least one certificate in PEM form.",
        ) from problem
    context.minimum_version = profile.minimum
    context.sslobject_class = _Handshake
    context.set_alpn_protocols(["http/1.1"])  # WebSocket does not start from HTTP/2
    return context


def tls_facts(secured: ssl.SSLObject | ssl.SSLSocket) -> TlsFacts:
    """What a finished handshake agreed on; it was verified, or there would be none."""
    certificate: Mapping[str, Any] = secured.getpeercert() or {}
    cipher = secured.cipher()
    return TlsFacts(
        version=secured.version() or "",
        cipher=cipher[0] if cipher else "",
        alpn=secured.selected_alpn_protocol(),
        subject=_distinguished_name(certificate.get("subject", ())),
        issuer=_distinguished_name(certificate.get("issuer", ())),
        names=tuple(value.strip() for _, value in certificate.get("subjectAltName", ())),
        not_before=_utc_seconds(certificate.get("notBefore")),
        not_after=_utc_seconds(certificate.get("notAfter")),
        earliest_end=_earliest_end(secured),
        fingerprint=hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest(),
    )


def _distinguished_name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return ", ".join(f"{_SHORT.get(name, name)}={value}" for part in parts for name, value in part)


def _utc_seconds(date: str | None) -> float | None:
    return float(ssl.cert_time_to_seconds(date)) if date else None
