"""The throw-away authority: who trusts it, for what, and that it cannot leak, break or be made twice."""

import os
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from probe.disk import replace_file
from probe.faults.listener import BadCertificate
from probe.model.errors import ConfigError
from probe.simulator import authority
from probe.simulator.authority import Authority, open_authority

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def verdict(issuer: Authority, flaw: BadCertificate | None, host: str = "localhost") -> str:
    """What a client that trusts the authority says to a server with such a certificate; empty: it is content."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.create_default_context(cafile=issuer.ca_file)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    client = trusting.wrap_bio(arrived, leaving, server_hostname=host)
    server = issuer.context(flaw).wrap_bio(leaving, arrived, server_side=True)
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as problem:
            return str(problem.verify_message)
    assert client.version() == "TLSv1.3"
    return ""


@pytest.mark.parametrize("host", ["localhost", "sim.test", "ws2.sim.test", "127.0.0.1", "::1"])
def test_a_good_certificate_is_accepted_for_every_name_of_the_simulator(host: str) -> None:
    assert verdict(open_authority(), None, host) == ""


@pytest.mark.parametrize(
    ("flaw", "sentence"),
    [
        (BadCertificate.EXPIRED, "certificate has expired"),
        (BadCertificate.NOT_YET_VALID, "certificate is not yet valid"),
        (
            BadCertificate.WRONG_HOST,
            "Hostname mismatch, certificate is not valid for 'localhost'.",
        ),
        (BadCertificate.SELF_SIGNED, "self-signed certificate"),
        (BadCertificate.UNTRUSTED_CA, "self-signed certificate in certificate chain"),
    ],
)
def test_each_bad_certificate_is_refused_for_its_own_reason(
    flaw: BadCertificate | None, sentence: str
) -> None:
    assert verdict(open_authority(), flaw) == sentence


@pytest.mark.parametrize("host", ["broker.example", "192.0.2.1"])
def test_the_authority_cannot_vouch_for_another_host(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    monkeypatch.setattr(authority, "_OUR_NAMES", (name,))
    assert verdict(open_authority(), None, host) == "permitted subtree violation"


@pytest.mark.skipif(os.name != "posix", reason="other systems keep rights in another way")
def test_only_the_user_can_read_the_key(home: Path) -> None:
    old = os.umask(0)
    try:
        open_authority()
    finally:
        os.umask(old)
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home / "ca", home / "ca" / "key.pem")}
    assert rights == {"ca": 0o700, "key.pem": 0o600}


def test_the_authority_is_made_once_and_kept() -> None:
    first = open_authority().ca_file.read_bytes()
    assert open_authority().ca_file.read_bytes() == first


def test_it_is_valid_for_a_year() -> None:
    certificate = x509.load_pem_x509_certificate(open_authority().ca_file.read_bytes())
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=365, hours=1)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("key.pem", b""),
        ("key.pem", None),
        ("key.pem", b"-----BEGIN NONSENSE-----\nAAAA\n-----END NONSENSE-----\n"),
        ("ca.pem", b""),
        ("ca.pem", None),
        ("ca.pem", b"no certificate"),
    ],
)
def test_a_damaged_authority_is_made_anew(home: Path, file: str, content: bytes | None) -> None:
    old = open_authority().ca_file.read_bytes()
    (home / "ca" / file).unlink()
    if content is not None:
        (home / "ca" / file).write_bytes(content)
    renewed = open_authority()
    assert renewed.ca_file.read_bytes() != old
    assert verdict(renewed, None) == ""


def test_a_key_of_another_authority_is_damage(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_authority()
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "other"))
    open_authority()
    (tmp_path / "other" / "ca" / "key.pem").replace(home / "ca" / "key.pem")
    monkeypatch.setenv("TRADEPROBE_HOME", str(home))
    assert verdict(open_authority(), None) == ""


@pytest.mark.parametrize(("days_old", "kept"), [(334, True), (336, False), (400, False)])
def test_an_authority_near_its_end_is_renewed(days_old: int, kept: bool) -> None:
    now = datetime.now(UTC)
    ca_file = open_authority().ca_file
    made = authority._make_authority(now - timedelta(days=days_old))
    replace_file(ca_file, made.certificate_pem, mode=0o644)
    replace_file(ca_file.with_name("key.pem"), made.key_pem, mode=0o600)
    assert (open_authority().ca_file.read_bytes() == made.certificate_pem) == kept


def test_two_processes_that_start_at_once_agree_on_one_authority(home: Path) -> None:
    code = "from probe.simulator.authority import open_authority as o; a = o(); print(a._identity.certificate_pem)"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0] for process in processes}
    assert told == {f"{(home / 'ca' / 'ca.pem').read_bytes()!r}\n"}


def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError) as caught:
        open_authority()
    assert str(caught.value) == (
        f"the simulator's certificates cannot be kept in {str(tmp_path / 'file' / 'ca')!r} (Not a directory). "
        "Name a folder that can be written with TRADEPROBE_HOME, or do without TLS: --no-tls."
    )
