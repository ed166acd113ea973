"""`probe verify`: the public test suites, made real."""

import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM, default_int_handler, signal
from typing import Any

import click

from probe.cli.bridges import bridge
from probe.cli.files import Wanted, try_all, write_all
from probe.cli.options import Typed, takes_targets, warn
from probe.cli.output import dumped
from probe.cli.verify_report import closing_lines, headline, result_lines, verified_data, write_junit
from probe.logs import configure
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.simulator.run import Simulator
from probe.verify.model import Result, Suite, Trial
from probe.verify.run import Plan, Subject, Verified, chosen_trials
from probe.verify.run import verify as run_suites
from probe.verify.suites import SUITES

WORST_FIRST = (State.FAILED, State.UNKNOWN, State.DEGRADED, State.HEALTHY)


@click.command(
    epilog="Exit codes: 0 every promise that was tested is kept, 1 one is not, 2 usage or configuration, 4 could not judge. "
    "Try: probe verify sim:pocketoption"
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@click.option(
    "--suite",
    "suites",
    default=",".join(SUITES),
    show_default=True,
    metavar="NAMES",
    help="Which suites, with commas between them.",
)
@click.option("--only", metavar="NAME", help="Only the tests with this in their name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
@click.option("--junit", "junit_path", metavar="FILE", help="A test case for each test of each target.")
@click.option("--html", "html_path", metavar="FILE", help="All of it as one page.")
@click.option(
    "--allow-demo-orders",
    "demo_orders",
    is_flag=True,
    help="Also the tests that place orders, on a demo account of the broker's. Without it only simulated brokers get some.",
)
@click.option(
    "--real-time",
    is_flag=True,
    help="Let time pass against simulated brokers, too, instead of jumping over it.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="Of a simulated broker, as probe sim takes it: to see the tests fail.",
)
def verify(
    typed: Typed,
    suites: str,
    only: str | None,
    junit_path: str | None,
    html_path: str | None,
    faults: Sequence[str],
    *,
    as_json: bool,
    demo_orders: bool,
    real_time: bool,
) -> int:
    """Hold each TARGET to its promises: suites of tests, each with what it saw, and what is wrong where one fails.

    Simulated brokers get every test. Real ones get those that only read, and seldom; orders only on a demo account, and only with
    --allow-demo-orders. TARGET is as for probe check.
    """
    plan = Plan(
        suites=tuple(each.strip() for each in suites.split(",")),
        only=only,
        demo_orders=demo_orders,
        real_time=real_time,
        faults=tuple(faults),
    )
    chosen_trials(plan)  # tells at once what there is not
    wanted = _files(junit_path, html_path)
    try_all(wanted)
    understood, settings = typed.understood()
    configure(settings.log_level if settings else "warning", terminal=sys.stderr.isatty())
    subjects = [
        Subject(target=target, chosen=typed.chosen, key=typed.key_of(target)) for target in understood
    ]
    if faults and not all(each.target.simulated for each in subjects):
        raise ConfigError(
            "faults are for simulated brokers, and nobody else's", where="--fault", next_step="Leave it out."
        )
    for each in subjects if faults else ():
        Simulator([each.target.broker], faults=faults, tls=True)  # refuses what it cannot have
    concerned = [each for each in subjects if chosen_trials(plan, each.target.broker.name)]
    runs: list[Verified] = []
    before = signal(SIGTERM, default_int_handler)
    try:
        for subject in concerned or subjects:
            runs.append(_told(subject, plan, as_json=as_json))
            if runs[-1].not_run:
                break
    finally:
        signal(SIGTERM, before)
    if len(runs) > 1 and not as_json:
        click.echo("\n".join(map(headline, runs)))
    lost = False
    for file, problem in write_all(runs, wanted):
        if problem is not None:
            lost = True
            warn(
                f"{file.path} could not be written: {problem.strerror}. Name another place, or make room there."
            )
    if runs[-1].not_run:
        raise KeyboardInterrupt
    if lost:
        return ConfigError.exit_code
    states = {each.state for each in runs}
    return next(state for state in WORST_FIRST if state in states).exit_code


def _files(junit_path: str | None, html_path: str | None) -> list[Wanted[Any]]:
    def write_html(runs: Sequence[Verified], path: Path) -> None:
        bridge("verify_html")(runs, path)

    named = (("--junit", junit_path, write_junit), ("--html", html_path, write_html))
    return [
        Wanted(option=option, path=path, write=write) for option, path, write in named if path is not None
    ]


def _told(subject: Subject, plan: Plan, *, as_json: bool) -> Verified:
    name, done, shown = subject.target.name, 0, ""
    trials = len(chosen_trials(plan, subject.target.broker.name))
    if not as_json:
        click.echo(click.style(name, bold=True))

    def say(suite: Suite, trial: Trial, result: Result | None) -> None:
        nonlocal done, shown
        if result is None:
            done += 1
            click.echo(f"{name}: {done} of {trials}, {suite.name}, {trial.name}", err=True)
        elif not as_json:
            if suite.name != shown:
                click.echo(f"\n{suite.name}")
                shown = suite.name
            for line in result_lines(result):
                click.echo(line)

    verified = run_suites(subject, plan, say)
    if as_json:
        click.echo(dumped(verified_data(verified, verified.state.exit_code)))
    else:
        for line in closing_lines(verified):
            click.echo(line)
        click.echo()
    return verified
