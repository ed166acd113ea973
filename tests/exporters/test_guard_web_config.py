import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporters.guard.guard import Guard
from exporters.guard.web_config import read_web_config
from probe.model.errors import ConfigError
from tests.exporters.certified import HASH, Certified, certify

PAIR = "cert_file: server.pem\n  key_file: server.key"
NEWER = "that promtool is older than this key"
OTHERS = {  # where Prometheus' own check says something else, and why we do
    "inline": NEWER,
    "inline-ca": NEWER,
    "rate": NEWER,
    "rate-nanoseconds": NEWER,
    "rate-zero": NEWER,
    "sans": NEWER,
    "request-client": "Python's TLS verifies every certificate that it asks for",
    "require-any": "Python's TLS verifies every certificate that it asks for",
    "require-any-old": "Python's TLS verifies every certificate that it asks for",
    "verify-without-ca": "Go falls back to the system's authorities, any of which could then let somebody in",
    "ca-not-pem": "Go leaves out what it cannot read: it would trust nobody, and say nothing",
    "tls10": "no TLS 1.0 is spoken here",
    "tls11-maximum": "no TLS 1.1 is spoken here",
    "versions-crossed": "nobody could connect",
    "only-13-suites-at-12": "nobody could connect",
    "curves": "Python's TLS can be told one curve",
    "curve-x25519": "Python's TLS can be told one curve, of three",
    "suite-without-forward-secrecy": "Go itself has taken it from its list since",
    "cost-31": "one check would take a day",
    "hash-cut": "Go reads the cost only, so that this user could never log in",
    "hash-rubbish-behind": "Go reads the beginning only",
    "user-with-colon": "no client can send such a name",
    "header-with-newline": "it would end the header",
    "two-documents": "Go reads the first of them and leaves the other out",
    "number-as-user": "Go reads numbers as text; a name that is a number is put in quotes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    text: str
    problem: str | None = None  # None: it is good


def tls(more: str = "", problem: str | None = None) -> Case:
    return Case(text=f"tls_server_config:\n  {PAIR}\n{more and f'  {more}'}\n", problem=problem)


def users(more: str, problem: str | None = None) -> Case:
    return Case(text=f"basic_auth_users:\n  {more}\n", problem=problem)


CA = "client_ca_file: ca.pem"
CASES = {
    "empty": Case(text=""),
    "comment": Case(text="# nothing yet\n"),
    "pair": tls(),
    "tls-null": Case(text="tls_server_config:\n"),
    "all-null": Case(text="tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n"),
    "absolute": Case(
        text="tls_server_config:\n  cert_file: FOLDER/server.pem\n  key_file: FOLDER/server.key\n"
    ),
    "inline": Case(text="tls_server_config:\n  cert: |\n    CERT\n  key: |\n    KEY\n"),
    "inline-ca": Case(
        text=f"tls_server_config:\n  {PAIR}\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: |\n    CERT\n"
    ),
    "no-client": tls("client_auth_type: NoClientCert"),
    "verify-if-given": tls(f"client_auth_type: VerifyClientCertIfGiven\n  {CA}"),
    "require-and-verify": tls(f"client_auth_type: RequireAndVerifyClientCert\n  {CA}"),
    "request-client": tls(
        "client_auth_type: RequestClientCert", "does not verify it.*RequireAndVerifyClientCert"
    ),
    "require-any": tls(f"client_auth_type: RequireAnyClientCert\n  {CA}", "does not verify it"),
    "require-any-old": tls("client_auth_type: RequireClientCert", "does not verify it"),
    "auth-near-miss": tls(
        f"client_auth_type: RequireAndVerify\n  {CA}", "none of the known.*RequireAndVerifyClientCert"
    ),
    "verify-without-ca": tls("client_auth_type: RequireAndVerifyClientCert", "client_ca_file.*missing"),
    "ca-without-policy": tls(CA, "would not be asked for"),
    "ca-missing": tls(
        "client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: nix.pem", "no file.*nix.pem"
    ),
    "ca-not-pem": tls(
        "client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: no.pem", "no certificate stands in it"
    ),
    "sans": tls(f"client_auth_type: RequireAndVerifyClientCert\n  {CA}\n  client_allowed_sans: [a.test]"),
    "sans-if-given": tls(
        f"client_auth_type: VerifyClientCertIfGiven\n  {CA}\n  client_allowed_sans: [a.test]", "would pass"
    ),
    "sans-without-tls": Case(
        text="tls_server_config:\n  client_allowed_sans: [a.test]\n", problem="no TLS to show"
    ),
    "tls12": tls("min_version: TLS12"),
    "tls13": tls("min_version: TLS13\n  max_version: TLS13"),
    "tls10": tls("min_version: TLS10", "min_version: TLS10 is not secure"),
    "tls11-maximum": tls("max_version: TLS11", "max_version: TLS11 is not secure"),
    "tls14": tls("min_version: TLS14", "none of the known values.*TLS13"),
    "version-blank": tls('min_version: ""', "none of the known"),
    "versions-crossed": tls("min_version: TLS13\n  max_version: TLS12", "nobody could connect"),
    "suites": tls("cipher_suites:\n  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n  - TLS_AES_128_GCM_SHA256"),
    "only-13-suites": tls("cipher_suites: [TLS_AES_256_GCM_SHA384]"),
    "only-13-suites-at-12": tls(
        "max_version: TLS12\n  cipher_suites: [TLS_AES_256_GCM_SHA384]", "all of TLS 1.3"
    ),
    "suite-unknown": tls(
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM]", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    ),
    "suite-broken": tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "none of the known"),
    "suite-without-forward-secrecy": tls(
        "cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]", "none of the known"
    ),
    "suites-text": tls("cipher_suites: TLS_AES_128_GCM_SHA256", "not a list of texts"),
    "curve": tls("curve_preferences: [CurveP256]"),
    "curves": tls("curve_preferences: [X25519, CurveP256]", "one curve only"),
    "curve-x25519": tls("curve_preferences: [X25519]", "one curve only"),
    "curve-unknown": tls("curve_preferences: [P256]", "none of the known.*CurveP256"),
    "prefer": tls("prefer_server_cipher_suites: false"),
    "prefer-text": tls('prefer_server_cipher_suites: "no"', "neither true nor false"),
    "certificate-missing": Case(
        text="tls_server_config:\n  key_file: server.key\n", problem="cert_file: it is missing"
    ),
    "key-missing": Case(
        text="tls_server_config:\n  cert_file: server.pem\n", problem="key_file: it is missing"
    ),
    "certificate-not-there": Case(
        text="tls_server_config:\n  cert_file: nix.pem\n  key_file: server.key\n", problem="no file.*nix.pem"
    ),
    "certificate-is-folder": Case(
        text="tls_server_config:\n  cert_file: .\n  key_file: server.key\n", problem="no file"
    ),
    "certificate-not-pem": Case(
        text="tls_server_config:\n  cert_file: no.pem\n  key_file: server.key\n",
        problem="cannot be used with this key",
    ),
    "no-pair": Case(
        text="tls_server_config:\n  cert_file: server.pem\n  key_file: client.key\n",
        problem="cannot be used with this key",
    ),
    "key-locked": Case(
        text="tls_server_config:\n  cert_file: server.pem\n  key_file: locked.key\n",
        problem="the key has no password",
    ),
    "certificate-twice": Case(
        text=f"tls_server_config:\n  {PAIR}\n  cert: |\n    CERT\n", problem="cert_file says the same"
    ),
    "tls-near-miss": tls("key_files: x", r"key_files: nobody knows this key \(did you mean 'key_file'"),
    "tls-list": Case(text="tls_server_config: [1]\n", problem="lines of the form NAME: VALUE"),
    "text-is-number": Case(
        text="tls_server_config:\n  cert_file: 12\n  key_file: server.key\n", problem="not text"
    ),
    "key-twice": Case(
        text=f"tls_server_config:\n  {PAIR}\n  key_file: server.key\n",
        problem="line 4, column 3: this key stands there a second time",
    ),
    "top-near-miss": Case(text="tls_server_configs: {}\n", problem=r"did you mean 'tls_server_config'"),
    "top-list": Case(text="- 1\n", problem="NAME: VALUE"),
    "top-text": Case(text="yes\n", problem="NAME: VALUE"),
    "not-yaml": Case(text="tls_server_config: {cert_file: [\n", problem="line 2.*no YAML from here"),
    "tab": Case(text="tls_server_config:\n\tcert_file: server.pem\n", problem="line 2, column 1"),
    "two-documents": Case(text="---\n{}\n---\n{}\n", problem="no YAML from here"),
    "control-byte": Case(text="basic_auth_users:\n  a: \0\n", problem="no YAML"),
    "http2": Case(text="http_server_config:\n  http2: true\n"),
    "http2-off": Case(text="http_server_config:\n  http2: false\n"),
    "http2-text": Case(text="http_server_config:\n  http2: maybe\n", problem="http2.*neither true nor false"),
    "http-near-miss": Case(text="http_server_config:\n  header: {}\n", problem="did you mean 'headers'"),
    "headers": Case(
        text="http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=600\n    X-Frame-Options: deny\n"
        "    X-Content-Type-Options: nosniff\n    X-XSS-Protection: 1; mode=block\n    Content-Security-Policy: default-src *\n"
    ),
    "header-unknown": Case(
        text="http_server_config:\n  headers:\n    X-Frame-Option: deny\n",
        problem="cannot be set.*X-Frame-Options",
    ),
    "header-value": Case(
        text="http_server_config:\n  headers:\n    X-Frame-Options: never\n", problem="deny, sameorigin"
    ),
    "header-with-newline": Case(
        text='http_server_config:\n  headers:\n    X-XSS-Protection: "0\\r\\nSet-Cookie: a=b"\n',
        problem="cannot stand in a header",
    ),
    "users": users(f"admin: {HASH}\n  reader: {HASH.replace('$2b', '$2y')}"),
    "user-clear-password": users("admin: planted-secret", "user 1: the password is not a bcrypt hash"),
    "user-second": users(f"admin: {HASH}\n  other: planted-secret", "user 2: the password is not"),
    "user-null": users("admin:", "not a bcrypt hash"),
    "user-number": users("admin: 12", "not a bcrypt hash"),
    "user-twice": users(f"admin: {HASH}\n  admin: {HASH}", "line 3, column 3: this key"),
    "users-list": users(f"- {HASH}", "NAME: VALUE"),
    "user-with-colon": users(f'"a:b": {HASH}', "with a colon"),
    "number-as-user": users(f"12: {HASH}", "put in quotes"),
    "hash-cut": users(f"admin: {HASH[:-1]}x=", "not a bcrypt hash"),
    "hash-rubbish-behind": users(f"admin: {HASH}planted-secret", "not a bcrypt hash"),
    "cost-31": users(f"admin: {HASH.replace('$04$', '$31$')}", "cost of the hash is 31"),
    "cost-3": users(f"admin: {HASH.replace('$04$', '$03$')}", "cost of the hash is 3"),
    "rate": Case(text="rate_limit:\n  interval: 1m30s\n  burst: 20\n"),
    "rate-nanoseconds": Case(text="rate_limit:\n  interval: 1000000\n  burst: 20\n"),
    "rate-zero": Case(text="rate_limit:\n  interval: 0\n"),
    "rate-no-duration": Case(text="rate_limit:\n  interval: soon\n  burst: 1\n", problem="no duration"),
    "rate-negative": Case(text="rate_limit:\n  interval: -1s\n  burst: 1\n", problem="no duration"),
    "rate-no-burst": Case(text="rate_limit:\n  interval: 1s\n", problem="burst.*whole number from 1"),
    "rate-near-miss": Case(text="rate_limit:\n  intervall: 1s\n", problem="did you mean 'interval'"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return certify(tmp_path_factory.mktemp("web-config"))


def written(files: Certified, name: str) -> Path:
    pem = {"CERT": "server.pem", "KEY": "server.key"}
    text = CASES[name].text.replace("FOLDER", str(files.folder))
    for word, file in pem.items():
        text = text.replace(
            f"    {word}\n", "".join(f"    {line}\n" for line in (files / file).read_text().splitlines())
        )
    return files.write(text, f"{name}.yml")


def told(path: Path) -> str | None:
    try:
        Guard(path).close()
    except ConfigError as problem:
        return str(problem)
    return None


@pytest.mark.parametrize("name", CASES)
def test_what_is_good_is_taken_and_what_is_not_is_told(files: Certified, name: str) -> None:
    path, case = written(files, name), CASES[name]
    problem = told(path)
    if case.problem is None:
        assert problem is None
    else:
        assert problem is not None
        assert re.search(case.problem, problem)
        assert problem.startswith(str(path))
        assert problem.endswith(".")  # with what to do
        assert "planted-secret" not in problem
        assert HASH[7:] not in problem


def test_prometheus_own_check_says_the_same_but_for_these(files: Certified) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    paths = {name: written(files, name) for name in CASES}
    ran = subprocess.run(
        [promtool, "check", "web-config", *map(str, paths.values())],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    theirs = dict(re.findall(r"^(\S+\.yml) (SUCCESS|FAILED)", ran.stdout + ran.stderr, re.MULTILINE))
    good = {name: theirs[str(path)] == "SUCCESS" for name, path in paths.items()}
    differing = {name for name, case in CASES.items() if good[name] != (case.problem is None)}
    assert differing == set(OTHERS)


def test_what_is_not_said_is_as_prometheus_has_it(files: Certified) -> None:
    config = read_web_config(written(files, "pair"))
    assert config.tls is not None
    assert (config.tls.minimum, config.tls.maximum) == ("TLS12", "TLS13")
    assert config.tls.client_auth == "NoClientCert"
    assert config.tls.prefer_own_ciphers
    assert config.tls.certificate == files / "server.pem"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90.0),
        ("200ms", 0.2),
        ("1.5s", 1.5),
        ("1000000000", 1.0),
        ("0", 0.0),
        (".5h", 1800.0),
        ("3us", 3e-6),
    ],
)
def test_durations_are_read_as_go_reads_them(files: Certified, text: str, seconds: float) -> None:
    config = read_web_config(files.write(f"rate_limit:\n  interval: {text}\n  burst: 3\n", "duration.yml"))
    assert config.every == pytest.approx(seconds)
    assert config.burst == 3


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"a: " + b"[" * 400, b"a: &a [*a]\n", b"x: 2020-99-99\n", b"#" * 1_100_000]
)
def test_what_is_no_text_is_told_too(files: Certified, data: bytes) -> None:
    path = files / "strange.yml"
    path.write_bytes(data)
    assert told(path) is not None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    problem = told(tmp_path / "web.yml")
    assert problem is not None
    assert "web.yml: it cannot be read (No such file or directory)" in problem
