"""How the parts of the exporter are put together, and what is said about where it listens."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from exporters.run import exporting
from probe.config import ExporterSettings, load_settings
from probe.measure.records import Notice
from probe.model.errors import ConfigError, CredentialMissing
from probe.monitor.monitor import Monitor
from tests.cli.exporting import ask, metrics
from tests.exporters.certified import HASH, certify

SUCCESSFUL, WHEN = "config_last_reload_successful", "config_last_reload_success_timestamp_seconds"
Words = tuple[list[str], list[str]]


async def nothing_changed() -> str:
    return "nothing changed"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExporterSettings]:
    monkeypatch.chdir(tmp_path)

    def made(listen: str = "127.0.0.1:0", **more: object) -> ExporterSettings:
        options = {f"exporter.{name}": (name, value) for name, value in {"listen": listen, **more}.items()}
        return load_settings(options=options, environ={"TRADEPROBE_HOME": str(tmp_path)}).exporter

    return made


def started(monitor: Monitor, settings: ExporterSettings, words: Words) -> AbstractAsyncContextManager[str]:
    told, warned = words
    return exporting(monitor, settings, reload=nothing_changed, tell=told.append, warn=warned.append)


async def words_about(settings: ExporterSettings) -> Words:
    words: Words = [], []
    async with started(Monitor(()), settings, words):
        return words


def test_what_only_this_machine_reaches_draws_no_warning(settings: Callable[..., ExporterSettings]) -> None:
    (told,), warned = asyncio.run(words_about(settings()))
    assert told.startswith("serving http://127.0.0.1:")
    assert told.endswith("/ to this machine only")
    assert warned == []


def test_what_others_reach_without_a_password_draws_one(settings: Callable[..., ExporterSettings]) -> None:
    (told,), (warned,) = asyncio.run(words_about(settings("0.0.0.0:0")))
    assert told.endswith("/ to every machine that can reach this one")
    assert "--web-config" in warned


def test_a_reload_that_fails_shows_in_the_metrics_and_so_does_the_next(
    settings: Callable[..., ExporterSettings],
) -> None:
    async def seen() -> list[tuple[float, float]]:
        monitor, found = Monitor(()), []
        async with started(monitor, settings(), ([], [])) as url:
            for number, code in enumerate(("", "config.reload-failed", "config.reloaded")):
                monitor.emit(Notice(at_utc=float(number), code=code, sentence=""))
                now = await asyncio.to_thread(metrics, url)
                found.append((now[f"tradeprobe_{SUCCESSFUL}", ()], now[f"tradeprobe_{WHEN}", ()]))
        return found

    before = time.time()
    first, failed, again = asyncio.run(seen())
    assert first[0] == 1.0
    assert before <= first[1] <= time.time()
    assert failed == (0.0, first[1])
    assert again == (1.0, 2.0)


def test_after_it_nothing_listens_there(settings: Callable[..., ExporterSettings]) -> None:
    async def url_and_seconds() -> tuple[str, float]:
        async with started(Monitor(()), settings(), ([], [])) as url:
            assert (await asyncio.to_thread(ask, f"{url}/-/healthy"))[0] == 200
            began = time.monotonic()
        return url, time.monotonic() - began

    url, seconds = asyncio.run(url_and_seconds())
    with pytest.raises(OSError, match="refused"):
        ask(f"{url}/-/healthy")
    assert seconds < 5 * 1.5


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"otlp": "env:NOT_SET_ANYWHERE"}, CredentialMissing, "'NOT_SET_ANYWHERE'"),
        ({"otlp": "env:NO_URL"}, ConfigError, "no http:// or https:// URL"),
        ({"web_config": "gone.yml"}, ConfigError, "gone.yml"),
    ],
)
def test_what_it_cannot_start_with_is_said(
    given: dict[str, str],
    kind: type[Exception],
    says: str,
    settings: Callable[..., ExporterSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_URL", "planted0otlp0token")
    with pytest.raises(kind) as problem:
        asyncio.run(words_about(settings(**given)))
    assert says in str(problem.value)
    assert "planted0otlp0token" not in str(problem.value)


USERS = f"basic_auth_users: {{prometheus: {HASH}}}\n"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"


@pytest.mark.parametrize(
    ("written", "scheme", "warned"),
    [(USERS, "http", 1), (TLS, "https", 1), (USERS + TLS, "https", 0)],
    ids=["users", "tls", "both"],
)
def test_only_tls_and_users_together_make_it_safe_for_others(
    written: str,
    scheme: str,
    warned: int,
    settings: Callable[..., ExporterSettings],
    tmp_path: Path,
) -> None:
    path = certify(tmp_path).write(written)
    (told,), warnings = asyncio.run(words_about(settings("0.0.0.0:0", web_config=str(path))))
    assert told.startswith(f"serving {scheme}://0.0.0.0:")
    assert len(warnings) == warned
