import contextlib
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from probe.drivers.tls import TlsProfile, earliest_end, tls_facts
from probe.model.errors import ConfigError
from tests.drivers.pki import DAY, Pki, _certificate, _server


def test_equal_profiles_share_one_context(pki: Pki) -> None:
    assert TlsProfile(ca_file=pki.ca_file).context() is TlsProfile(ca_file=pki.ca_file).context()
    newest = TlsProfile(ca_file=pki.ca_file, minimum=ssl.TLSVersion.TLSv1_3)
    assert newest.context() is not pki.profile.context()


def test_every_context_verifies_and_offers_http_1_only(pki: Pki) -> None:
    for profile in (TlsProfile(), pki.profile):
        context = profile.context()
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_own_authority_replaces_the_systems(pki: Pki) -> None:
    (authority,) = pki.profile.context().get_ca_certs()
    assert authority["subject"] == ((("commonName", "Test Authority"),), (("organizationName", "Tests"),))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.MINIMUM_SUPPORTED])
def test_broken_tls_versions_cannot_be_asked_for(version: ssl.TLSVersion) -> None:
    with pytest.raises(ValueError, match=r"1\.2 or 1\.3"):
        TlsProfile(minimum=version)


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"], ids=["missing", "empty", "garbage"])
def test_an_unusable_authority_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem.*PEM"):
        TlsProfile(ca_file=file).context()


@pytest.mark.parametrize(("authority_ends", "server_ends"), [(1, 2), (2, 1), (-1, 2), (2, -1)])
def test_the_end_of_the_certificate_that_ends_first_is_known_whether_it_holds_or_not(
    tmp_path: Path, authority_ends: int, server_ends: int
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - 3 * DAY
    ends = [began + (3 + days) * DAY for days in (authority_ends, server_ends)]
    authority = _certificate("Test Authority", None, began, ends[0])
    file = tmp_path / "server.pem"
    server = _server(file, *_certificate("server", authority, began, ends[1], ("localhost",)))
    (tmp_path / "ca.pem").write_bytes(authority[0].public_bytes(Encoding.PEM))
    file.write_bytes(file.read_bytes() + authority[0].public_bytes(Encoding.PEM))
    server.load_cert_chain(file)
    context = TlsProfile(ca_file=tmp_path / "ca.pem").context()
    assert _first_end(context, server) == min(ends).timestamp()


def _first_end(context: ssl.SSLContext, server: ssl.SSLContext) -> float | None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, other):
            with contextlib.suppress(ssl.SSLWantReadError):
                try:
                    side.do_handshake()
                except ssl.SSLCertVerificationError as error:
                    return earliest_end(error)
    return tls_facts(client).earliest_end
