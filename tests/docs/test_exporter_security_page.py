"""docs/exporter-security.md is true: its file is one that is taken, and its figures are those of the program."""

import re
from pathlib import Path

from exporters.control import routes
from exporters.guard.limits import Limits
from exporters.guard.web_config import _TLS_KEYS, AUTH_TYPES, CURVES, MOST_COST, read_web_config

PAGE = (Path(__file__).parents[2] / "docs" / "exporter-security.md").read_text(encoding="utf-8")


def test_the_file_that_is_shown_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    shown = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    with_clients = re.sub(r"^  # (client_)", r"  \1", shown, flags=re.MULTILINE)
    for text, auth in ((shown, "NoClientCert"), (with_clients, "RequireAndVerifyClientCert")):
        file.write_text(text)
        config = read_web_config(file)
        assert config.tls is not None
        assert config.tls.client_auth == auth
        assert (list(config.users), config.every, config.burst) == (["prometheus"], 0.02, 100)


def test_every_key_has_its_line() -> None:
    section = PAGE.partition("### Every key")[2].partition("\n### ")[0]
    words = set(re.findall(r"`([^`]+)`", section))
    keys = {"http2", "headers", "basic_auth_users", "rate_limit"}
    assert {*_TLS_KEYS, *keys, *AUTH_TYPES, *(set(CURVES) - {"X25519"})} <= words
    assert f"cost 4 to {MOST_COST}" in section


def test_the_limits_are_those_of_the_program() -> None:
    limits = Limits()
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", PAGE.partition("## Limits")[2], re.MULTILINE))
    assert rows["connections"] == f"{limits.connections}, of one client {limits.connections_of_one}"
    assert rows["request line and headers"] == f"{limits.request_bytes // 1024} KiB"
    assert rows["the body"].startswith(f"{limits.body_bytes // 1024} KiB")
    assert rows["a request must be complete within"] == f"{limits.request_within:g} s"
    assert rows["TLS handshake within"] == f"{limits.handshake_within:g} s"
    assert rows["a pause between two requests"] == f"{limits.idle:g} s"
    assert rows["an answer that nobody takes"] == f"{limits.answer_taken_within:g} s"
    assert rows["requests of one client"] == (
        f"{limits.requests_at_once:g} at once, then {limits.requests_each_second:g} a second"
    )


def test_the_pages_for_programs_are_all_there() -> None:
    rows = set(re.findall(r"^\| `(/[^`]+)` \|", PAGE.partition("## Pages for programs")[2], re.MULTILINE))
    assert rows == {route.path for route in routes(None)}  # type: ignore[arg-type, attr-defined]
