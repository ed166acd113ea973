"""What `probe load` does with what was typed: target, plan and files are checked, then it runs, then it says what was found."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from probe.cli.bridges import bridge
from probe.cli.files import Written, try_all, write_all
from probe.cli.lines import counted, safe
from probe.cli.load_child import Child
from probe.cli.load_files import STANDARD_OUTPUT, saved_elsewhere, wanted_files
from probe.cli.load_progress import Progress, aside, to_nowhere
from probe.cli.load_run import How, Run, signals_noted
from probe.cli.load_words import EXIT_CODES, LABEL, exit_code, result
from probe.cli.options import Typed
from probe.cli.output import dumped
from probe.config import Settings
from probe.faults.catalogue import read_fault
from probe.load.permission import Permission
from probe.load.plan import LoadPlan
from probe.load.record import RunRecord
from probe.load.replay import recording_in
from probe.load.wishes import Wishes, plan_of
from probe.logs import remember
from probe.model.credentials import Secret
from probe.model.errors import ConfigError, UnsafeTarget
from probe.targets import Target, pick_region

STANDARD_OUTPUT_FD = 1


def drive(typed: Typed, asked: Mapping[str, Any]) -> int:
    wishes = Wishes(**{name: asked[name] for name in Wishes.__dataclass_fields__})
    plan = plan_of(wishes, run=secrets.token_hex(4))
    files = wanted_files(
        json_path=asked["json_path"],
        html=asked["html_path"],
        csv=asked["csv_path"],
        junit=asked["junit_path"],
    )
    _check_places(asked)
    try_all(files)
    _have_standard_streams()
    target, settings = _target(typed)
    named = target.settings.dialect if target.settings else {}
    dialect = (*(f"{name}={value}" for name, value in named.items()), *typed.dialect)
    _may_be_loaded(target, settings, asked["owned"])
    _check_faults(plan, target)
    if plan.replay is not None:
        aside(f"replay: {recording_in(plan.replay, target.broker).describe()}")
    with ExitStack() as until_written:
        stack = until_written.enter_context(ExitStack())
        started = _Started(typed, target, settings, stack)
        plan = replace(plan, broker=target.broker.name, url=started.url, dialect=dialect)
        line = bridge("load_written")(started.settings(plan, asked))
        signals = until_written.enter_context(signals_noted())
        child = stack.enter_context(Child(line, debug="TRADEPROBE_DEBUG" in os.environ))
        record = RunRecord(
            plan,
            began_utc=time.time(),
            simulated=target.simulated,
            versions={"tradeprobe": version("tradeprobe"), "locust": version("locust")},
        )
        run = Run(
            plan,
            record,
            child,
            Progress(
                plan,
                quiet=any(asked[each] for each in ("quiet", "debug_one", "worker_of")),
                now=time.monotonic(),
            ),
            kill_file=Path(asked["kill_file"]) if asked["kill_file"] else None,
            signals=signals,
            hook=started.hear,
            watch=_exporting(record, target, started, asked, stack),
        )
        if asked["web"] is not None:
            aside(f"Locust's page: http://{asked['web']}/")
        if asked["master"] is not None:
            workers = counted(max(asked["expect_workers"] or 1, 1), "worker")
            aside(f"begins when {workers} of this version came to {asked['master']}; gives up after 10 min")
        run.go()
        if run.how is How.REFUSED and not record.has_begun:
            aside(f"error: {' '.join(run.words)}")
            return 2
        if asked["worker_of"] is not None:
            aside(f"worked for {asked['worker_of']}{f', {run.ending}' if run.ending else ''}")
            return EXIT_CODES.get(run.how, 0)
        stack.close()  # it takes a while until a simulator has gone
        record.ended = run.ending
        written = list(write_all(record, files))
    return tell(run, record, written, as_json=asked["json_path"] == STANDARD_OUTPUT)


def tell(run: Run, record: RunRecord, written: Sequence[Written[RunRecord]], *, as_json: bool) -> int:
    """What is printed comes last: whoever reads it may have gone, and nothing is lost by that."""
    code, lost = exit_code(run.how, record), [file for file, problem in written if problem is not None]
    named = [f"{file.option[2:]:<{LABEL}}{safe(file.path)}" for file, problem in written if problem is None]
    is_printed = False
    try:
        lines = [dumped(record.to_json())] if as_json else [*result(record, run), *named]
        click.echo("\n".join(lines))
        is_printed = True
    except BrokenPipeError:
        if run.how is not How.UNREAD:
            raise
        to_nowhere(STANDARD_OUTPUT_FD)
        code = code or 2
    except OSError as problem:
        to_nowhere(STANDARD_OUTPUT_FD)
        aside(f"warning: the result could not be printed: {problem.strerror}.")
        code = code or 2
    finally:
        for line in named if as_json else ():
            aside(line)
        for file, reason in written:
            if reason is not None:
                aside(f"warning: {file.option} {safe(file.path)} could not be written: {reason.strerror}.")
        if len(lost) == len(written) and (lost or as_json) and not (is_printed and as_json):
            if kept := saved_elsewhere(record):
                aside(f"warning: so that nothing is lost, the whole record is in {kept}.")
            else:
                aside(
                    "warning: nor is there another place to write to; what stands above is all that is kept."
                )
    return code or (2 if lost else 0)


def _have_standard_streams() -> None:
    """Whoever started us may have closed some: their numbers must not become those of our pipes."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number there is


def _check_faults(plan: LoadPlan, target: Target) -> None:
    """
    Raises:
        ConfigError: a stage wants a fault that this run's simulator has not.
    """
    for number, stage in enumerate(plan.scenario.stages, 1):
        for text in stage.faults:
            where = f"scenario {plan.scenario.name!r}, stage {number} ({stage.name})"
            try:
                brokers = read_fault(text).spec.brokers
            except ConfigError as problem:
                problem.where = f"{where}: {problem.where}"
                raise
            if not target.simulated:
                raise ConfigError(
                    "it switches faults of a simulator on, and this run starts none",
                    where=where,
                    next_step="Take a target sim:BROKER, or remove `faults` from its stages.",
                )
            if brokers and target.broker.name not in brokers:
                raise ConfigError(
                    f"fault {text!r} is one of {', '.join(brokers)}, and not of {target.broker.name}",
                    where=where,
                    next_step="`probe sim --list-faults` says who has which.",
                )


def _exporting(
    record: RunRecord, target: Target, started: "_Started", asked: Mapping[str, Any], stack: ExitStack
) -> Callable[[float], object]:
    """What is called meanwhile, so that what is exported is new."""
    if asked["exporter"] is None:
        return lambda _: None
    exporting = bridge("load_exporting")(
        record,
        listen=asked["exporter"],
        target=target.name,
        endpoint=started.region,
        tell=aside,
        warn=lambda words: aside(f"warning: {words}"),
    )
    fill: Callable[[float], object] = stack.enter_context(exporting)
    return fill


def _target(typed: Typed) -> tuple[Target, Settings]:
    found, settings = typed.understood(always_read=True)
    assert settings is not None  # noqa: S101 - they were to be read
    if len(found) > 1:
        choices = ", ".join(target.name for target in found)
        raise ConfigError(
            "one target is put under load at a time", where="TARGET", next_step=f"Choose one of: {choices}."
        )
    (target,) = found
    for option, value in (
        ("--proxy", typed.proxy),
        ("--tls-min", typed.tls_min),
        ("--pin", typed.pin),
        ("--sessions", typed.kept_in),
    ):
        if value is not None:
            raise ConfigError("a load test does not take it", where=option, next_step="Leave it out.")
    return target, settings


def _check_places(asked: Mapping[str, Any]) -> None:
    if asked["kill_file"] is not None and Path(asked["kill_file"]).exists():
        raise ConfigError(
            f"{asked['kill_file']} is there already",
            where="--kill-file",
            next_step="Nothing was run. Remove it when a load test may run.",
        )
    for option, name in (
        ("--web", "web"),
        ("--exporter", "exporter"),
        ("--master", "master"),
        ("--worker", "worker_of"),
    ):
        said = asked[name]
        host, _, port = (said or ":").rpartition(":")
        if said is not None and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise ConfigError(
                f"{said!r} is no HOST:PORT", where=option, next_step=f"For example {option} 127.0.0.1:8089."
            )
    if asked["expect_workers"] is not None and asked["master"] is None:
        raise ConfigError(
            "it says how many a master waits for", where="--expect-workers", next_step="Add --master."
        )
    if asked["master"] is not None and asked["workers"] > 1:
        raise ConfigError(
            "its workers are started by themselves, on this machine or others",
            where="--master",
            next_step="Leave out --workers, and say with --expect-workers how many to wait for.",
        )
    if asked["exporter"] is not None and asked["worker_of"] is not None:
        raise ConfigError(
            "a worker has no figures of the whole run", where="--exporter", next_step="Give it to the master."
        )
    for option in ("web", "exporter", "master"):
        if asked[option] is not None:
            _try_to_listen(asked[option], f"--{option}")


def _try_to_listen(place: str, option: str) -> None:
    host, _, port = place.rpartition(":")
    family = socket.AF_INET6 if "[" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), int(port)), family=family).close()
    except OSError as problem:
        why = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else problem.strerror
        raise ConfigError(
            f"{place} cannot be listened on: {why}",
            where=option,
            next_step="Name another port, or end what has it.",
        ) from None


def _may_be_loaded(target: Target, settings: Settings, owned: Sequence[str]) -> None:
    """The generator asks its guard the same of every connection; here it is said before anything is started.

    Raises:
        UnsafeTarget: its name is enough to refuse it.
    """
    permission = Permission(declared=settings.owned_hosts, repeated=frozenset(owned))
    for host in {endpoint.address.host for endpoint in target.endpoints}:
        if refusal := permission.before_looking_up(host):
            raise UnsafeTarget(host, refusal.because, refusal.next_step)


class _Started:
    """The target, and where it is simulated, its simulator, which is gone with the run."""

    def __init__(self, typed: Typed, target: Target, settings: Settings, stack: ExitStack) -> None:
        self._typed, self._target, self._config = typed, target, settings
        self.simulator: Any = None
        self.region = "simulator"
        self._faults: dict[str, int] = {}
        if target.simulated:
            from probe.simulator.apart import simulator_apart

            self.simulator = stack.enter_context(simulator_apart(target.broker.name, dialect=typed.dialect))
            self.url = self.simulator.url
        else:
            endpoints = pick_region(target.endpoints, typed.chosen.region_of(target))
            self.url, self.region = endpoints[0].url, endpoints[0].region

    def hear(self, said: Mapping[str, Any]) -> None:
        """A stage of the scenario switches faults of our own simulator."""
        if said["kind"] != "fault" or self.simulator is None:
            return
        fault = str(said["fault"])
        if said["on"]:
            self._faults[fault] = self.simulator.switch_on(fault)
        elif fault in self._faults:
            self.simulator.switch_off(self._faults.pop(fault))

    def settings(self, plan: LoadPlan, asked: Mapping[str, Any]) -> Any:
        named = self._target.settings
        engine = bridge("load_engine")(
            web=asked["web"],
            master=asked["master"],
            expect_workers=asked["expect_workers"] or 0,
            worker_of=asked["worker_of"],
        )
        return bridge("load_settings")(
            plan=plan,
            engine=engine,
            credential=self._credential(),
            simulator_key=self.simulator and self.simulator.key,
            token=bridge("load_token")(self._config, plan.url),
            limits=self._config.safety.limits,
            declared=self._config.owned_hosts,
            owned=frozenset(asked["owned"]),
            ca_file=self._typed.ca or (named and named.ca and str(named.ca)),
            symbols=named.symbols if named else (),
            simulated=self._target.simulated,
            shows_frames=asked["debug_one"],
        )

    def _credential(self) -> Secret | None:
        if self.simulator is not None:
            credential: Secret = self.simulator.credential
            remember(credential)
            return credential
        if self._target.login is not None:
            self._typed.key_of(self._target)  # asks for the consent to sign in
        found = self._target.found
        return found.secret if found else None
