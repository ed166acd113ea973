"""Certificates, keys and hashes for a web configuration."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
from cryptography.hazmat.primitives import serialization

from tests.drivers.pki import _certificate

PASSWORD = "correct-horse-7731"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()  # the cheapest there is
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    folder: Path

    def write(self, text: str, name: str = "web.yml") -> Path:
        file = self.folder / name
        file.write_text(text)
        return file

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def certify(folder: Path) -> Certified:
    """server, second and client are pairs of one authority, stranger is a pair of another."""
    now = datetime.now(UTC).replace(microsecond=0)
    valid = (now - timedelta(days=1), now + timedelta(days=1))
    ours, theirs = (_certificate(name, None, *valid) for name in ("Test Authority", "Other Authority"))
    pairs = {
        "ca": ours,
        "server": _certificate("server", ours, *valid, ("localhost", "127.0.0.1", "::1")),
        "second": _certificate("second", ours, *valid, ("localhost", "127.0.0.1", "::1")),
        "client": _certificate("client", ours, *valid, ("prometheus.test", "::1")),
        "stranger": _certificate("stranger", theirs, *valid, ("prometheus.test",)),
    }
    for name, (certificate, key) in pairs.items():
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    locked = serialization.BestAvailableEncryption(b"locked")
    (folder / "locked.key").write_bytes(pairs["server"][1].private_bytes(PEM, PKCS8, locked))
    (folder / "no.pem").write_text("this is no certificate\n")
    return Certified(folder=folder)
