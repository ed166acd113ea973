import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from probe.cli.gateway import gateway
from probe.model.errors import ConfigError, CredentialMissing

PASSWORD = "planted-secret-91"
LOGIN = {"account": 12_345_678, "password": PASSWORD, "server": "Broker-Demo"}
BRIDGE = "bridge:127.0.0.1:1"  # where nobody listens


@pytest.fixture
def account(tmp_path: Path) -> str:
    file = tmp_path / "account.json"
    file.write_text(json.dumps(LOGIN))
    file.chmod(0o600)
    return f"file:{file}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(gateway, arguments)


@contextmanager
def running(account: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    program = "from probe.cli.gateway import gateway; gateway()"
    arguments = [sys.executable, "-c", program, "--terminal", BRIDGE, "--account", account, "--port", "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(
                r"listening on (http://127\.0\.0\.1:\d+), read-only\. Ctrl-C ends it\.\n", line
            )
            assert found, (line, process.stderr.read() if process.stderr else "")
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_it_says_where_it_listens_and_ends_cleanly_on_ctrl_c(account: str) -> None:
    with running(account) as (process, url):
        asked = {"account_number": LOGIN["account"], "password": PASSWORD, "server": LOGIN["server"]}
        answer = httpx.post(f"{url}/api/v1/login", json=asked)
        assert answer.status_code == 503
        assert "cannot be reached" in answer.json()["detail"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert PASSWORD not in errors
        assert "Traceback" not in errors


@pytest.mark.parametrize("terminal", ["bridge", "bridge:", "bridge:host", "bridge::1", "PACKAGE", "http://x"])
def test_a_terminal_that_is_none_is_told_before_anything_starts(terminal: str, account: str) -> None:
    ended = run("--terminal", terminal, "--account", account)
    assert isinstance(ended.exception, ConfigError)
    assert "bridge:127.0.0.1:18812" in str(ended.exception)


@pytest.mark.parametrize(
    "text",
    [
        "planted-secret-91",
        "[]",
        '{"account_number": 0, "password": "planted-secret-91", "server": "s"}',
        "[" * 9999,
    ],
    ids=["no JSON", "no object", "no account", "deep"],
)
def test_an_account_that_is_none_is_told_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ACCOUNT", text)
    ended = run("--terminal", BRIDGE, "--account", "env:GATEWAY_ACCOUNT")
    assert isinstance(ended.exception, ConfigError)
    assert "is no account" in str(ended.exception)
    assert PASSWORD not in str(ended.exception) + ended.output


def test_an_account_that_is_nowhere_is_told() -> None:
    ended = run("--terminal", BRIDGE, "--account", "env:NOT_THERE")
    assert isinstance(ended.exception, CredentialMissing)


def test_elsewhere_it_listens_over_tls_only(account: str) -> None:
    ended = run("--terminal", BRIDGE, "--account", account, "--host", "0.0.0.0")
    assert isinstance(ended.exception, ConfigError)
    assert "--tls-cert" in str(ended.exception)


def test_a_certificate_needs_its_key(account: str, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    ended = run("--terminal", BRIDGE, "--account", account, "--tls-cert", str(tmp_path / "cert.pem"))
    assert ended.exit_code == 2
    assert "--tls-cert and --tls-key go together" in ended.output


def test_help_needs_no_web_framework() -> None:
    program = (
        "import sys\nfrom probe.cli.gateway import gateway\n"
        "try:\n    gateway(['--help'])\nfinally:\n    print([name for name in sys.modules if name in ('fastapi', 'uvicorn')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")
