"""`probe check`: one fresh connection to each target, judged."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import click

from probe.api.checking import Cause, Checked, Plan, check_target
from probe.cli.check_notes import annotation, without_commands, write_junit
from probe.cli.check_report import as_text, checked_data
from probe.cli.files import Wanted, try_all, write_all
from probe.cli.options import Typed, takes_targets, warn
from probe.cli.output import dumped
from probe.diagnose.limits import CONNECT, TICK_AGE, Limits
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.model.units import parse_duration
from probe.monitor.sign_in import SignIn
from probe.monitor.understanding import Key
from probe.targets import Target

SIDE_BY_SIDE = 8
# Of several targets the first of these that one of them has.
WORST_FIRST = (
    *(cause.exit_code for cause in Cause),
    *(state.exit_code for state in (State.FAILED, State.UNKNOWN, State.DEGRADED, State.HEALTHY)),
)


@click.command(
    epilog="Exit codes: 0 healthy, 1 errors found or a threshold broken, 2 usage or credential, 3 degraded or flaky, 4 could not "
    "judge; with --exit-by-cause instead of 1: 10 network, 11 credential, 12 data, 13 threshold. Try: probe check sim:pocketoption"
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@click.option(
    "--timeout",
    default="30s",
    show_default=True,
    envvar="TRADEPROBE_TIMEOUT",
    show_envvar=True,
    metavar="TIME",
    help="Bounds everything, for each try of each target.",
)
@click.option("--symbol", metavar="NAME", help="Whose price to look for; the broker's usual one without.")
@click.option("--max-connect", metavar="TIME", help="From the first look-up to the accepted login, at most.")
@click.option("--max-tick-age", metavar="TIME", help="Between a price's own stamp and its arrival, at most.")
@click.option(
    "--min-score",
    type=click.FloatRange(0.0, 100.0),
    metavar="N",
    help="Health score, at least; the target is then watched for a minute more.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 10),
    default=0,
    show_default=True,
    help="Try so many times more where that can help. What needed it is told as flaky.",
)
@click.option("--exit-by-cause", is_flag=True, help="Say by the exit code whose business a failure is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
@click.option("--junit", "junit_path", metavar="FILE", help="A test case for each target and threshold.")
@click.option(
    "--github", "on_github", is_flag=True, help="Annotations for GitHub Actions, on standard error."
)
def check(
    typed: Typed,
    timeout: str,
    symbol: str | None,
    max_connect: str | None,
    max_tick_age: str | None,
    min_score: float | None,
    retries: int,
    junit_path: str | None,
    *,
    exit_by_cause: bool,
    as_json: bool,
    on_github: bool,
) -> int:
    """One fresh connection to each TARGET, judged: how long each step took, whether the login was accepted, whether prices flow.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the text itself), a URL (wss://, https://, bridge:// and more;
    with --broker if it does not say whose), sim, sim:BROKER, or the name of a target in probe.toml.
    """
    limits = Limits(
        connect_seconds=_limit(max_connect, CONNECT),
        tick_age_seconds=_limit(max_tick_age, TICK_AGE),
        score=min_score,
    )
    plan = Plan(
        timeout=_longer_than_nothing(timeout, "--timeout"), symbol=symbol, limits=limits, retries=retries
    )
    files = [Wanted(option="--junit", path=junit_path, write=write_junit)] if junit_path is not None else []
    try_all(files)
    understood, _ = typed.understood()
    keyed = [(target, typed.key_of(target)) for target in understood]

    def tell(checked: Checked) -> None:
        data = checked_data(checked, _exit_code(checked, by_cause=exit_by_cause))
        shown = checked.hide(dumped(data) if as_json else "\n".join(as_text(checked)))
        note = annotation(checked) if on_github else None
        click.echo(without_commands(shown) if on_github else shown)
        if note is not None:
            click.echo(note, err=True)

    results, problems = asyncio.run(_all(typed, keyed, plan, tell))
    lost = False
    for file, problem in write_all(results, files):
        if problem is not None:
            lost = True
            warn(
                f"{file.path} could not be written: {problem.strerror}. Name another place, or make room there."
            )
    if problems:
        raise problems[0]
    if lost:
        return ConfigError.exit_code
    codes = {_exit_code(checked, by_cause=exit_by_cause) for checked in results}
    return next(code for code in WORST_FIRST if code in codes)


def _limit(text: str | None, name: str) -> float | None:
    return None if text is None else _longer_than_nothing(text, f"--{name}")


def _longer_than_nothing(text: str, where: str) -> float:
    seconds = parse_duration(text, where=where)
    if seconds <= 0:
        raise ConfigError(
            "it must be longer than nothing", where=where, next_step=f"For example {where} 20s."
        )
    return seconds


def _exit_code(checked: Checked, *, by_cause: bool) -> int:
    cause = checked.cause
    return cause.exit_code if by_cause and cause is not None else checked.state.exit_code


async def _all(
    typed: Typed, keyed: Sequence[tuple[Target, Key | None]], plan: Plan, tell: Callable[[Checked], object]
) -> tuple[list[Checked], list[Exception]]:
    """Side by side, told in the order in which they were named; what keeps one from being checked or told stops no other."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)
    # A second login with one credential can end the first, and one person answers for all PINs.
    alone: defaultdict[object, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def one(target: Target, key: Key | None) -> Checked:
        whose = SignIn if isinstance(key, SignIn) else object() if key is None else key
        async with alone[whose], room:
            return await check_target(target, typed.chosen, key, partial(typed.proxy_of, target), plan)

    running = [asyncio.create_task(one(*each)) for each in keyed]
    results, problems = list[Checked](), list[Exception]()
    for each in running:
        try:
            results.append(await each)
            tell(results[-1])
        except Exception as problem:  # noqa: BLE001 - told when the others are done and the files written
            problems.append(problem)
    return results, problems
