"""A throw-away authority, and servers with every kind of certificate."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from probe.drivers.tls import TlsProfile

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    ca_file: Path
    servers: dict[str, ssl.SSLContext]

    @property
    def profile(self) -> TlsProfile:
        return TlsProfile(ca_file=self.ca_file)


def make_pki(folder: Path) -> Pki:
    today = datetime.now(UTC).replace(microsecond=0)
    ca, ca_key = _certificate("Test Authority", None, today - 2 * DAY, today + 2 * DAY)
    other_ca, other_key = _certificate("Other Authority", None, today - 2 * DAY, today + 2 * DAY)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    local = ("localhost", "127.0.0.1", "::1")
    past, present, future = (
        (today - 2 * DAY, today - DAY),
        (today - DAY, today + DAY),
        (today + DAY, today + 2 * DAY),
    )
    kinds = {
        "good": _certificate("good", (ca, ca_key), *present, local),
        "expired": _certificate("expired", (ca, ca_key), *past, local),
        "early": _certificate("early", (ca, ca_key), *future, local),
        "wrong host": _certificate("other", (ca, ca_key), *present, ("other.test",)),
        "other authority": _certificate("stranger", (other_ca, other_key), *present, local),
        "self-signed": _certificate("self", None, *present, local),
        "large": _certificate("large", None, *present, tuple(f"host-{number}.test" for number in range(200))),
    }
    servers = {kind: _server(folder / f"{kind}.pem", *pair) for kind, pair in kinds.items()}
    servers["TLS 1.2 only"] = _server(folder / "good.pem", *kinds["good"])
    servers["TLS 1.2 only"].maximum_version = ssl.TLSVersion.TLSv1_2
    servers["client certificate"] = _server(folder / "good.pem", *kinds["good"])
    servers["client certificate"].load_verify_locations(ca_file)
    servers["client certificate"].verify_mode = ssl.CERT_REQUIRED
    return Pki(ca_file=ca_file, servers=servers)


def _server(file: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    server.set_alpn_protocols(["http/1.1"])
    return server


def _certificate(
    name: str,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    begins: datetime,
    ends: datetime,
    hosts: tuple[str, ...] = (),
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
        ]
    )
    authority, signer = (subject, key) if issuer is None else (issuer[0].subject, issuer[1])
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=authority, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False
        )
    else:
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, hashes.SHA256()), key


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
