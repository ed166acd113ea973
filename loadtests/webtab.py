"""Locust's web page with a tab for sessions, and with a door that pages of strangers do not come through.

A page that somebody has open elsewhere can send requests to this machine, and by rebinding a name of its own even read the answers;
Locust itself lets every origin in. So each request must name this machine, and come from its own page.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, request, send_file

from loadtests.collector import Collector
from probe.load.look import Look, left_of
from probe.logs import redact
from probe.safety import is_loopback

FILES = Path(__file__).with_name("web")
SERVED = {
    "": ("sessions.html", "text/html"),
    "/sessions.js": ("sessions.js", "text/javascript"),
    "/sessions.css": ("sessions.css", "text/css"),
    "/tab.js": ("tab.js", "text/javascript"),
}
KEPT = 1.0  # seconds; however many look, the run is looked at so often
TAB = {"title": "Sessions", "key": "tradeprobe"}
OURS = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
# Locust's own page needs an inline script and styles that its script writes.
THEIRS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class Seen(Protocol):
    """The run of an environment."""

    collector: Collector | None
    refusal: str

    def judge_host(self, host: str) -> str: ...


class Sessions:
    """What is told of them: taken once a second at the most."""

    def __init__(self, environment: Any, seen: Seen, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._environment, self._seen, self._clock = environment, seen, clock
        self._look: Look | None = None
        self._kept: tuple[float, dict[str, Any]] | None = None

    def record(self) -> dict[str, Any]:
        now = self._clock()
        if self._kept is None or not 0 <= now - self._kept[0] < KEPT:
            self._kept = now, self._taken()
        return self._kept[1]

    def _taken(self) -> dict[str, Any]:
        runner = self._environment.runner
        told = {"state": runner.state, "refusal": self._seen.refusal, "run": None}
        collector = self._seen.collector
        if collector is None:
            return told
        if self._look is None or self._look.record is not collector.record:
            self._look = Look(collector.record, redact)
        return told | {"run": {**self._look.taken(), "left": self._left()}}

    def _left(self) -> float | None:
        """Where Locust was told how many users and how long, its own time counts."""
        if self._environment.runner.state not in ("spawning", "running") or self._look is None:
            return None
        if self._environment.shape_class is not None:
            return left_of(self._look.record)
        whole = getattr(self._environment.parsed_options, "run_time", None)
        return None if whole is None else max(0.0, whole - self._look.record.seconds)


def extend(web: Any, seen: Seen) -> None:
    environment = web.environment
    base = getattr(environment.parsed_options, "web_base_path", None) or ""
    sessions = Sessions(environment, seen)
    app: Flask = web.app
    is_local = is_loopback(web.host)
    web.template_args["extended_tabs"] = [*web.template_args.get("extended_tabs", ()), TAB]

    judged = web.auth_required_if_enabled(lambda: refused_host(seen))

    @app.before_request
    def keep_strangers_out() -> Response | None:
        return strange(is_local=is_local) or (judged() if request.endpoint == "locust.swarm" else None)

    def protect(answer: Response) -> Response:
        is_ours = request.path.startswith(f"{base}/tradeprobe")
        answer.headers.setdefault("content-security-policy", OURS if is_ours else THEIRS)
        answer.headers["x-content-type-options"] = "nosniff"
        answer.headers["referrer-policy"] = "no-referrer"
        if request.endpoint == "locust.index" and answer.status_code == 200:
            page = answer.get_data(as_text=True)
            answer.set_data(page.replace("</body>", '<script src="./tradeprobe/tab.js"></script>\n</body>'))
        for name in [each for each, _ in answer.headers if each.lower().startswith("access-control-")]:
            del answer.headers[name]
        return answer

    app.after_request_funcs.setdefault(None, []).insert(0, protect)  # the first comes last, after Locust's

    def record() -> Response:
        answer = jsonify(sessions.record())
        answer.headers["cache-control"] = "no-store"
        return answer

    def page() -> Response:
        name, kind = SERVED[request.path.removeprefix(f"{base}/tradeprobe")]
        return send_file(FILES / name, mimetype=kind, max_age=0)

    app.add_url_rule(f"{base}/tradeprobe/record", "tradeprobe-record", web.auth_required_if_enabled(record))
    for path in SERVED:
        app.add_url_rule(f"{base}/tradeprobe{path}", f"tradeprobe{path}", web.auth_required_if_enabled(page))


def strange(*, is_local: bool) -> Response | None:
    """What a request gets that another page may have made."""
    host = request.headers.get("host", "")
    if is_local and not _names_this_machine(host):
        return _refusal(
            "This page is for this machine only: ask for 127.0.0.1 or localhost, not for another name.", 421
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return _refusal("Another page asked for this, and may not.", 403)
    return None


def refused_host(seen: Seen) -> Response | None:
    """The page's Host field leads where no load may go: Locust shows the words beside its button."""
    asked = request.form.get("host", "")
    if asked and (why := seen.judge_host(asked)):
        return jsonify({"success": False, "message": why, "host": asked})
    return None


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name)


def _refusal(words: str, status: int) -> Response:
    return Response(f"{words}\n", status, mimetype="text/plain")
