"""The process in which Locust runs for `probe load`: `python -m loadtests.child --settings-fd N --outlet-fd M`.

The settings come as one line over a pipe that stays open. Its end means stop now: somebody pressed Ctrl-C, or the command has died.
Sessions then have two seconds to leave in order. Nothing is asked of this process's standard input or output; its log goes to
standard error, from warnings up.
"""

import locust.main  # first of all: it patches the standard library  # isort: skip

import argparse
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import locust.argument_parser

from loadtests.guard import guard
from loadtests.outlet import Outlet, outlet, speak_through
from loadtests.settings import Engine, RunSettings, read_from, use
from probe.load.plan import SearchBy
from probe.load.shapes import most_rate, most_users
from probe.logs import redact, remember
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError, ProbeError, UnsafeTarget

LEAVING_WITHIN = 2.0  # sessions, in order
ENDING_WITHIN = 3.0  # the process, whatever happens
MASTER_WITHIN, CONNECTS_WITHIN = 60.0, 5.0
WORKERS_WITHIN = 600  # a machine of a cluster may have to be started first
LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def main(arguments: list[str]) -> int:
    asked = _parsed(arguments)
    speak_through(Outlet(asked.outlet_fd))
    log_to_standard_error()
    code = 70
    try:
        settings = read_from(asked.settings_fd)
        for secret in (settings.credential, settings.simulator_key, settings.token):
            if secret is not None:
                remember(secret)
        use(settings)
        Ending(asked.settings_fd).watch()
        may_begin(settings)
        if settings.engine.worker_of is not None:
            wait_for_master(settings.engine.worker_of)
        code = run_locust(settings)
        outlet().say("ended", code=code)
    except ProbeError as problem:
        outlet().say("refused", text=redact(str(problem)), code=problem.exit_code)
        code = problem.exit_code
    except Exception as bug:  # its text may hold a secret
        outlet().say("bug", what=type(bug).__name__, place=_place(bug))
        logging.getLogger(__name__).exception("ended by a bug")
    outlet().close()
    return code


def may_begin(settings: RunSettings) -> None:
    """What the guard would say of each connection is said once, before the first.

    Raises:
        UnsafeTarget: it must not.
        ConfigError: its name leads nowhere.
    """
    plan, host = settings.plan, read_url(settings.plan.url)
    try:
        guard().resolve(host.host, host.port)
    except OSError as problem:
        raise ConfigError(
            f"the name leads nowhere ({problem.strerror or problem})",
            where=host.host_header,
            next_step="Check how it is written, and that this machine's resolver knows it.",
        ) from None
    search = plan.search
    users, rate = most_users(plan.scenario, plan.users), plan.rate and most_rate(plan.scenario, plan.rate)
    if search is not None:
        users = int(search.most) if search.by is SearchBy.USERS else users
        rate = search.most if search.by is SearchBy.RATE else rate
    seconds = 0.0 if search is not None else plan.scenario.seconds
    if refusal := guard().caps.against(connections=users, rate=rate, seconds=seconds):
        raise UnsafeTarget(host.host_header, refusal.because, refusal.next_step)


def wait_for_master(place: str) -> None:
    """Locust's own worker says nothing for half a minute, and tries for five.

    Raises:
        ConfigError: there is none.
    """
    until, is_told = time.monotonic() + MASTER_WITHIN, False
    while True:
        try:
            host, port = divided(place)
            socket.create_connection((host, int(port)), timeout=CONNECTS_WITHIN).close()
            return
        except OSError as problem:
            why = problem.strerror or str(problem)
        if time.monotonic() >= until:
            raise ConfigError(
                f"no master answers at {place} ({why}); it was waited for {MASTER_WITHIN:g} s",
                where="--worker",
                next_step="Start it with --master, and see that nothing between the machines holds its port back.",
            )
        if not is_told:
            is_told = True
            outlet().say("problem", text=f"waiting for a master at {place} ({why}), for {MASTER_WITHIN:g} s")
        gevent.sleep(1.0)


def run_locust(settings: RunSettings) -> int:
    sys.argv = ["locust", *locust_arguments(settings)]
    locust.argument_parser.DEFAULT_CONFIG_FILES = ()  # type: ignore[assignment] # a ~/.locust.conf is about other runs
    try:
        locust.main.main()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def locust_arguments(settings: RunSettings) -> list[str]:
    engine = settings.engine
    words = ["-f", str(LOCUSTFILE), "--skip-log-setup", "--only-summary", "--exit-code-on-error", "0"]
    words += ["--stop-timeout", f"{LEAVING_WITHIN:g}", *_web(engine)]
    if engine.worker_of is not None:
        host, port = divided(engine.worker_of)
        words += ["--worker", "--master-host", host, "--master-port", port]
    if engine.master is not None:
        host, port = divided(engine.master)
        words += ["--master", "--master-bind-host", host, "--master-bind-port", port]
        words += ["--expect-workers", str(max(engine.expect_workers, 1))]
        words += ["--expect-workers-max-wait", str(WORKERS_WITHIN)]
    elif settings.plan.workers > 1:
        port = str(free_port())  # two runs on one machine do not meet
        words += ["--processes", str(settings.plan.workers), "--master-bind-host", "127.0.0.1"]
        words += ["--master-bind-port", port, "--master-port", port]
    return words


def _web(engine: Engine) -> list[str]:
    if engine.web is None:
        return ["--headless"]
    host, port = divided(engine.web)
    return ["--web-host", host, "--web-port", port, "--autostart", "--autoquit", "0"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def divided(place: str) -> tuple[str, str]:
    host, _, port = place.rpartition(":")
    return host.strip("[]"), port


class Ending:
    """Stops the run when the settings' pipe ends. A forked worker has the pipe, and so this, too."""

    def __init__(self, fd: int) -> None:
        self._fd, self._pid = fd, os.getpid()
        self._runner: Any = None
        self._watcher: Any = None
        self._deadline: Any = None

    def watch(self) -> None:
        locust.events.init.add_listener(self._know)  # type: ignore[no-untyped-call]
        os.set_blocking(self._fd, False)
        self._watcher = gevent.get_hub().loop.io(self._fd, 1)  # 1: readable
        self._watcher.start(self._look)

    def _know(self, environment: Any, **_: object) -> None:
        self._runner = environment.runner

    def _look(self) -> None:
        try:
            if os.read(self._fd, 4096):
                return
        except BlockingIOError:
            return
        self._watcher.stop()
        self._deadline = gevent.get_hub().loop.timer(ENDING_WITHIN)
        self._deadline.start(os._exit, 0)
        if os.getpid() == self._pid:  # workers are told by their master, once
            gevent.spawn(self._stop)

    def _stop(self) -> None:
        if self._runner is None or self._runner.state == locust.runners.STATE_INIT:  # nothing to leave
            outlet().close()
            os._exit(0)
        self._runner.quit()


def log_to_standard_error() -> None:
    class Redacted(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return redact(super().format(record))

    handler = logging.StreamHandler(sys.stderr)
    # Users whom the clock drives have no tasks, and nobody runs any.
    handler.addFilter(lambda record: "had no tasks left after filtering" not in record.getMessage())
    handler.setFormatter(Redacted("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _place(bug: Exception) -> str:
    place, step = "an unknown place", bug.__traceback__
    while step is not None:
        module = str(step.tb_frame.f_globals.get("__name__"))
        if module.partition(".")[0] in ("loadtests", "probe", "__main__"):
            place = f"{module}, line {step.tb_lineno}"
        step = step.tb_next
    return place


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.child", description=__doc__)
    parser.add_argument("--settings-fd", type=int, required=True)
    parser.add_argument("--outlet-fd", type=int, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
