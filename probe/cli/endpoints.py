"""`probe endpoints`: every endpoint of a broker, measured step by step, and the access servers somebody named, touched once."""

import asyncio
import textwrap
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from random import SystemRandom

import click

from probe.cli.check_report import NAMES
from probe.cli.options import Typed, takes_targets, warn
from probe.cli.output import dumped, plain
from probe.drivers.exchange import CallSettings
from probe.measure.plain import SCHEMA_VERSION, iso
from probe.measure.plain import plain as as_plain
from probe.measure.records import Attempt
from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import Account, Endpoint, Sureness
from probe.model.errors import ConfigError
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.model.units import parse_duration
from probe.monitor.endpoints import Dialler, Trial, measure
from probe.monitor.hold import WayIn
from probe.monitor.winners import Winners
from probe.safety import withheld_from
from probe.session.broker import AccessPoint, Broker
from probe.session.reconnect import is_regional
from probe.targets import Target, pick_region

WIDTH = 80
REGION_CELLS, CELLS = 12, 7  # a column is as wide as its title needs
PHASES = (Phase.RESOLVING, Phase.CONNECTING, Phase.TUNNELLING, Phase.SECURING, Phase.UPGRADING, Phase.OPENING)
LATER = (Phase.JOINING, Phase.AUTHENTICATING)
ACCOUNTS = {Account.DEMO: "demo", Account.LIVE: "real", Account.NONE: "any"}
ONLY_TOUCHED = "tcp"  # the scheme of what is connected to without a word
TOUCHED_EVERY = 30.0  # seconds between two connections to one such place, over all runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    endpoint: Endpoint
    accounts: tuple[Account, ...]  # that are served there
    attempt: Attempt
    seconds: float | None  # to the transport's greeting; None: it did not come so far


@click.command(
    epilog="Exit codes: 0 at least one endpoint answered, 1 none did, 2 usage or credential. "
    "Try: probe endpoints sim:pocketoption"
)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@takes_targets
@click.option(
    "--auth", is_flag=True, help="Log in too, at the endpoints that --region names, or the one URL given."
)
@click.option(
    "--timeout",
    default="10s",
    show_default=True,
    envvar="TRADEPROBE_TIMEOUT",
    show_envvar=True,
    metavar="TIME",
    help="Bounds everything, for each endpoint.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
def endpoints(typed: Typed, timeout: str, *, auth: bool, as_json: bool) -> int:
    """All endpoints of TARGET's broker, one after another: how long each step takes up to the first word of the trading server.

    No credential is sent, unless --auth says so; demo and real endpoints are kept apart. Access servers that probe.toml names are
    connected to once each, without a word. TARGET is as in `probe check`.
    """
    seconds = parse_duration(timeout, where="--timeout")
    if seconds <= 0:
        raise ConfigError(
            "it must be longer than nothing", where="--timeout", next_step="For example --timeout 5s."
        )
    found, _ = typed.understood()
    answered = False
    for target in found:
        is_one = sum(endpoint.named_by_user for endpoint in target.endpoints) == 1
        if auth and not is_one and typed.chosen.region_of(target) is None:
            raise ConfigError(
                "it logs in, so it needs to know where",
                where="--auth",
                next_step="Name one region with --region, or one URL; without --auth all are measured.",
            )
        rows = asyncio.run(_look(typed, target, seconds, auth=auth, as_json=as_json))
        answered |= any(row.attempt.failure is None for row in rows)
    return 0 if answered else 1


async def _look(typed: Typed, target: Target, timeout: float, *, auth: bool, as_json: bool) -> list[Measured]:
    async with AsyncExitStack() as stack:
        credentials, winners, region = target.credentials, None, typed.chosen.region_of(target)
        places = () if auth else typed.chosen.about(target).access_points
        touched = access_servers(target.broker, places)
        if target.simulated:
            from probe.simulator.run import Simulator

            simulator = await stack.enter_async_context(Simulator([target.broker]))
            known = pick_region((*simulator.plain_endpoints(), *touched), region)
            credentials = simulator.key(known[0]) if auth else None
        else:
            known = candidates(target, region)
            known += tuple(each for each in touched if region in (None, each.region))
            winners = Winners(warn=warn)
        dialler = Dialler(
            target=target.name,
            broker=target.broker,
            rng=SystemRandom(),
            tls=typed.chosen.tls_of(target),
            proxy=typed.chosen.proxy_of(target),
        )
        if auth and not target.simulated:
            credentials = await _credentials(typed, target, known[0], timeout)
        redact = redactor_for(credentials)
        survey = Survey(dialler, known, winners, credentials if auth else None)
        began_utc = time.time()
        rows: list[Measured] = []
        async for row in survey.run(timeout):
            if not as_json:
                for line in survey.lines(row, is_first=not rows):
                    click.echo(redact(line))
            rows.append(row)
        if as_json:
            click.echo(redact(dumped(survey.as_data(rows, began_utc))))
        else:
            click.echo(survey.summary(rows))
        return rows


async def _credentials(
    typed: Typed, target: Target, endpoint: Endpoint, timeout: float
) -> Credentials | None:
    """
    Raises:
        ConfigError: there are none, or signing in did not win any.
    """
    key = typed.key_of(target)
    if key is None:
        raise ConfigError("there is nothing to log in with", where="--auth", next_step="Give it with --ssid.")
    if (withheld := withheld_from(endpoint)) is not None:
        raise ConfigError(
            f"nothing is sent to log in with: {withheld.reason}", where="--auth", next_step=withheld.next_step
        )
    proxy = typed.proxy_of(target, endpoint.address)
    settings = CallSettings(
        tls=typed.chosen.tls_of(target),
        proxy=proxy.proxy if proxy else None,
        timeout=timeout,
        deadline=3 * timeout,
    )
    won = await WayIn(key).credentials(endpoint, settings, lambda _: None)
    if isinstance(won, Failure):
        raise ConfigError(f"signing in failed: {won}", where="--auth", next_step=won.facts.advise)
    return won


def candidates(target: Target, region: str | None) -> tuple[Endpoint, ...]:
    """Those the user named, else all that are known of the broker."""
    named = tuple(endpoint for endpoint in target.endpoints if endpoint.named_by_user)
    return named or pick_region(target.broker.endpoints, region)


def access_servers(broker: Broker, places: Sequence[AccessPoint]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            broker=broker.name,
            region=each.name,
            url=f"{ONLY_TOUCHED}://{f'[{each.host}]' if ':' in each.host else each.host}:{each.port}",
            account=Account.NONE,
            sureness=Sureness.INFERRED,
            named_by_user=True,
        )
        for each in places
    )


def _touched(endpoint: Endpoint) -> Endpoint:
    """As it is remembered: by its place, for no session is held there, and its name is only this user's."""
    return replace(endpoint, region=endpoint.url)


class Survey:
    """The endpoints of one target, and how what was measured is shown."""

    def __init__(
        self,
        dialler: Dialler,
        known: Sequence[Endpoint],
        winners: Winners | None,
        credentials: Credentials | None,
    ) -> None:
        self._dialler, self._winners, self._credentials = dialler, winners, credentials
        self._accounts: dict[str, list[Account]] = {}
        self._endpoints: list[Endpoint] = []
        for endpoint in known:  # one address may serve both kinds of account
            if endpoint.url not in self._accounts:
                self._endpoints.append(endpoint)
            self._accounts.setdefault(endpoint.url, []).append(endpoint.account)
        self._best = {
            best
            for _, group in groupby(self._endpoints, key=lambda each: self._accounts[each.url])
            if winners is not None and (best := winners.best(list(group))) is not None
        }
        self._heading: str | None = None

    async def run(self, timeout: float) -> AsyncIterator[Measured]:
        try:
            async for row in self._measured(timeout):
                yield row
        finally:
            if self._winners is not None:
                self._winners.save()

    async def _measured(self, timeout: float) -> AsyncIterator[Measured]:
        for endpoint in self._endpoints:
            if endpoint.scheme == ONLY_TOUCHED:
                await self._wait_for_turn(endpoint)
            credentials = self._credentials if self._may_log_in(endpoint) else None
            goal = Phase.OPENING if self._credentials is None else Phase.AUTHENTICATING
            async for trial, attempt in measure(
                self._dialler, [endpoint], timeout=timeout, goal=goal, credentials=credentials
            ):
                self._remember(trial, attempt)
                yield Measured(
                    endpoint=endpoint,
                    accounts=tuple(self._accounts[endpoint.url]),
                    attempt=attempt,
                    seconds=trial.seconds_to_greeting,
                )

    async def _wait_for_turn(self, endpoint: Endpoint) -> None:
        """Another run may just have been there, and such a server blocks whoever comes too often."""
        last = self._winners.known(_touched(endpoint)) if self._winners is not None else None
        if last is None:
            return
        ago = self._dialler.utc() - last.at_utc
        if 0 <= ago < TOUCHED_EVERY:
            left = TOUCHED_EVERY - ago
            warn(
                f"{endpoint.region} was connected to {ago:.0f} s ago: waiting for {left:.0f} s, as politeness wants."
            )
            await asyncio.sleep(left)

    def _may_log_in(self, endpoint: Endpoint) -> bool:
        credentials = self._credentials
        if credentials is None or credentials.account not in self._accounts[endpoint.url]:
            return False
        if (withheld := withheld_from(endpoint)) is None:
            return True
        warn(f"{endpoint.region}: the credential is not sent: {withheld.reason}. {withheld.next_step}")
        return False

    def _remember(self, trial: Trial, attempt: Attempt) -> None:
        if self._winners is None:
            return
        if trial.endpoint.scheme == ONLY_TOUCHED:
            self._winners.reached(_touched(trial.endpoint), None, attempt.at_utc)
            return
        seconds = trial.seconds_to_greeting
        if seconds is not None:
            self._winners.reached(trial.endpoint, seconds, attempt.at_utc)
        elif attempt.failure is not None and is_regional(attempt.failure):
            self._winners.failed(trial.endpoint, attempt.at_utc)

    # -- for people ----------------------------------------------------------------------------------------------------

    @property
    def _columns(self) -> list[Phase]:
        shown = PHASES + LATER if self._credentials is not None else PHASES
        return [phase for phase in shown if phase is not Phase.TUNNELLING or self._is_proxied]

    @property
    def _is_proxied(self) -> bool:
        return self._dialler.plan(self._endpoints[0]).proxy is not None

    def lines(self, row: Measured, *, is_first: bool) -> Iterator[str]:
        if is_first:
            yield click.style(self._dialler.target, bold=True) + "  milliseconds of each step"
        kinds = " + ".join(ACCOUNTS[account] for account in row.accounts)
        if row.endpoint.scheme == ONLY_TOUCHED:
            kinds = "access"
        if kinds != self._heading:
            self._heading = kinds
            titles = "".join(f"{NAMES[phase]:>{_cells(phase)}}" for phase in self._columns)
            yield ""
            yield click.style(f"  {kinds:<{REGION_CELLS}}{titles}{'total':>{CELLS + 1}}", dim=True)
        times = {each.phase: each.seconds for each in row.attempt.phases}
        cells = [times.get(phase) for phase in self._columns]
        total = None if row.attempt.failure else sum(seconds or 0.0 for seconds in cells)
        mark = click.style("★", fg="yellow") if row.endpoint in self._best else " "
        figures = "".join(
            _figure(seconds, _cells(phase)) for phase, seconds in zip(self._columns, cells, strict=True)
        ) + _figure(total, CELLS + 1)
        shown = f"{_cut(row.endpoint.region):<{REGION_CELLS}}{figures}"
        address = row.attempt.address or ""
        fits = address and len(shown) + 4 + len(address) <= WIDTH
        yield f"{mark} {shown}" + (f"  {address}" if fits else "")
        if address and not fits:
            yield f"    {address}"
        if row.attempt.failure is not None:
            yield _problem(row.attempt.failure)

    def summary(self, rows: Sequence[Measured]) -> str:
        counted = f"{sum(row.attempt.failure is None for row in rows)} of {len(rows)} answered"
        for what, is_touched in (("the fastest", False), ("the nearest access server", True)):
            timed = [
                (row.seconds, row.endpoint.region)
                for row in rows
                if row.seconds is not None and (row.endpoint.scheme == ONLY_TOUCHED) is is_touched
            ]
            counted += f"; {what} now is {min(timed)[1]}" if timed else ""
        lines = ["", f"{counted}."]
        if self._best:
            lines.append("★ is dialled first: sessions went live there, and it was the fastest before.")
        return "\n".join(lines)

    # -- for programs --------------------------------------------------------------------------------------------------

    def as_data(self, rows: Sequence[Measured], began_utc: float) -> dict[str, object]:
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "endpoints",
            "at": iso(began_utc),
            "target": self._dialler.target,
            "broker": self._dialler.broker.name,
            "answered": sum(row.attempt.failure is None for row in rows),
            "endpoints": [self._row_data(row) for row in rows],
        }

    def _row_data(self, row: Measured) -> dict[str, object]:
        attempt = row.attempt
        return {
            "region": row.endpoint.region,
            "accounts": [ACCOUNTS[account] for account in row.accounts],
            "scheme": row.endpoint.scheme,
            "host": row.endpoint.address.host_header,
            "sureness": row.endpoint.sureness.value,
            "at": iso(attempt.at_utc),
            "phases": {each.phase.value: each.seconds for each in attempt.phases},
            "greeting_seconds": row.seconds,
            "failure": as_plain(attempt.failure),
            "address": attempt.address,
            "http_status": attempt.http_status,
            "tls": attempt.tls,
            "certificate_expires_utc": attempt.certificate_expires_utc,
            "proxy": attempt.proxy,
            "tcp_rtt_seconds": attempt.tcp_rtt_seconds,
            "remembered_winner": row.endpoint in self._best,
        }


def _cells(phase: Phase) -> int:
    return max(CELLS, len(NAMES[phase]) + 1)


def _figure(seconds: float | None, cells: int) -> str:
    if seconds is None:
        return f"{'–':>{cells}}"
    value = seconds * 1000
    return f"{value:>{cells},.0f}" if value >= 100 else f"{value:>{cells}.1f}"


def _cut(text: str) -> str:
    shown = plain(text)
    return shown if len(shown) < REGION_CELLS else shown[: REGION_CELLS - 2] + "…"


def _problem(failure: Failure) -> str:
    words = f"✗ {plain(str(failure))} [{failure.code}]"
    wrapped = textwrap.fill(
        words, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False
    )
    return click.style(wrapped, fg="red")
