"""`probe exporter` as a process of its own, and a browser of few words."""

import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.cli.monitoring import PATIENCE, Running, watching

EXPORTER = (sys.executable, "-m", "probe", "exporter")
AT_ANY = ("--listen", "127.0.0.1:0")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def url_of(running: Running) -> str:
    """As it says on standard error."""
    until(
        lambda: re.search(r"http\S+/", "".join(running.err)) or running.process.poll() is not None, "no URL"
    )
    found = re.search(r"(http\S+)/", "".join(running.err))
    assert found, "".join(running.err)
    return found[1]


@contextmanager
def exporting(
    home: Path, *arguments: str, more: dict[str, str] | None = None
) -> Iterator[tuple[Running, str]]:
    with watching(home, *AT_ANY, *arguments, more=more, command=EXPORTER) as running:
        yield running, url_of(running)


def ask(url: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status, and headers and body as one text."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with _DIRECT.open(request, timeout=PATIENCE) as answer:
            return answer.status, f"{answer.headers}{answer.read().decode()}"
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, f"{refused.headers}{refused.read().decode()}"


def metrics(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with _DIRECT.open(f"{url}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
