import ssl
from pathlib import Path

import pytest

from probe.drivers.tls import TlsProfile
from probe.model.errors import ConfigError
from tests.drivers.pki import Pki


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
