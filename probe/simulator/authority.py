"""A certificate authority for the simulator: made on first use, good for loopback only, trusted by nobody who is not told to.

Its certificate and key stay in the user's data folder, so that a client set up with `--ca FILE` today still works
tomorrow. Name constraints make a stolen key useless for any other host. Server certificates live in memory, and can
be bad on request.
"""

import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from probe.disk import data_folder, locked, make_private_folder, replace_file
from probe.faults.listener import BadCertificate, TlsVersion
from probe.model.errors import ConfigError

LIFETIME = timedelta(days=365)
RENEWED_BEFORE_END = timedelta(days=30)
BACKDATED = timedelta(hours=1)  # for machines whose clock is a little behind

_CONSTRAINTS = x509.NameConstraints(
    permitted_subtrees=[
        x509.DNSName("localhost"),
        x509.DNSName("sim.test"),
        x509.IPAddress(IPv4Network("127.0.0.0/8")),
        x509.IPAddress(IPv6Network("::1/128")),
    ],
    excluded_subtrees=None,
)
_OUR_NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.DNSName("sim.test"),
    x509.DNSName("*.sim.test"),
    x509.IPAddress(IPv4Address("127.0.0.1")),
    x509.IPAddress(IPv6Address("::1")),
)
# Within the constraints, so that the host name is all that is wrong with it.
_ANOTHER_NAME: tuple[x509.GeneralName, ...] = (x509.DNSName("elsewhere.sim.test"),)
_ONLY = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Authority:
    """Makes the server's side of TLS. `ca_file` is what a client is given as `--ca`."""

    def __init__(self, ca_file: Path, identity: _Identity) -> None:
        self.ca_file = ca_file
        self._identity = identity
        self.context = cache(self._make_context)

    def _make_context(self, flaw: BadCertificate | None, version: TlsVersion | None = None) -> ssl.SSLContext:
        """One context for each flaw and version, and one without, made when first asked for."""
        chain = self._chain(flaw, datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if version is not None:
            context.minimum_version = context.maximum_version = _ONLY[version]
        context.set_alpn_protocols(["http/1.1"])
        # ssl reads certificates from files only; this one exists for a moment, for nobody else to read.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            replace_file(
                file, chain[0].key_pem + b"".join(each.certificate_pem for each in chain), mode=0o600
            )
            context.load_cert_chain(file)
        return context

    def _chain(self, flaw: BadCertificate | None, now: datetime) -> tuple[_Identity, ...]:
        since, until = now - BACKDATED, self._identity.certificate.not_valid_after_utc
        match flaw:
            case None:
                return (_issue(self._identity, _OUR_NAMES, since, until),)
            case BadCertificate.EXPIRED:
                return (
                    _issue(self._identity, _OUR_NAMES, now - timedelta(days=30), now - timedelta(days=1)),
                )
            case BadCertificate.NOT_YET_VALID:
                return (_issue(self._identity, _OUR_NAMES, now + timedelta(days=1), until),)
            case BadCertificate.WRONG_HOST:
                return (_issue(self._identity, _ANOTHER_NAME, since, until),)
            case BadCertificate.SELF_SIGNED:
                return (_issue(None, _OUR_NAMES, since, until),)
            case BadCertificate.UNTRUSTED_CA:
                stranger = _make_authority(now)
                return (_issue(stranger, _OUR_NAMES, since, until), stranger)
            case _:
                assert_never(flaw)


def open_authority() -> Authority:
    """The authority of this user, made now if there is none that is whole and fresh.

    Raises:
        ConfigError: its folder cannot be used.
    """
    folder = data_folder() / "ca"
    key_file, ca_file = folder / "key.pem", folder / "ca.pem"
    try:
        make_private_folder(folder)
        with locked(folder / "lock"):
            now = datetime.now(UTC)
            identity = _read(key_file, ca_file, now)
            if identity is None:
                identity = _make_authority(now)
                replace_file(key_file, identity.key_pem, mode=0o600)
                replace_file(ca_file, identity.certificate_pem, mode=0o644)
    except OSError as problem:
        raise ConfigError(
            f"the simulator's certificates cannot be kept in {str(folder)!r} ({problem.strerror})",
            next_step="Name a folder that can be written with TRADEPROBE_HOME, or do without TLS: --no-tls.",
        ) from None
    return Authority(ca_file, identity)


def _read(key_file: Path, ca_file: Path, now: datetime) -> _Identity | None:
    """What is stored; None if it is missing, damaged, not a pair, readable by others or near its end."""
    try:
        if os.name == "posix" and key_file.stat().st_mode & 0o077:
            return None
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
        certificate.verify_directly_issued_by(certificate)
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return None
    fresh = (
        certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - RENEWED_BEFORE_END
        and constraints.critical
        and constraints.value == _CONSTRAINTS
    )
    if not (fresh and isinstance(key, ec.EllipticCurvePrivateKey)):
        return None
    return (
        _Identity(certificate=certificate, key=key) if key.public_key() == certificate.public_key() else None
    )


def _make_authority(now: datetime) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"tradeprobe simulator, made {now:%Y-%m-%d}")
    usage = x509.KeyUsage(
        key_cert_sign=True, crl_sign=False, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(name, name, key, now - BACKDATED, now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_CONSTRAINTS, critical=True)
    )
    return _Identity(certificate=builder.sign(key, hashes.SHA256()), key=key)


def _issue(
    issuer: _Identity | None, names: tuple[x509.GeneralName, ...], since: datetime, until: datetime
) -> _Identity:
    """A server certificate; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("tradeprobe simulated broker")
    by_key, by_name = (issuer.key, issuer.certificate.subject) if issuer else (key, name)
    builder = (
        _builder(name, by_name, key, since, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False
        )
    )
    return _Identity(certificate=builder.sign(by_key, hashes.SHA256()), key=key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
