"""`probe doctor`: why a connection fails, how sure that is, and what to do."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import click

from probe.api.opening import simulated
from probe.cli.doctor_from import judge_file, refuse_others
from probe.cli.doctor_report import Page, as_data, briefly, contact_lines, width
from probe.cli.options import Typed, takes_targets
from probe.cli.output import dumped
from probe.cli.share import check_place, write
from probe.config import Settings
from probe.doctor.client_log import client_in
from probe.doctor.examine import (
    BUDGET,
    DEEP_BUDGET,
    Examination,
    Means,
    Patient,
    Rung,
    contacts,
    examine,
)
from probe.doctor.pasted import pasted_of, pasted_url, sources_of
from probe.drivers.proxies import ChosenProxy
from probe.host.handles import TO_BEGIN, take_handles
from probe.model.credentials import SHORTEST, Redactor, Secret, WebSession, redactor_for
from probe.model.endpoint import Endpoint
from probe.model.errors import ConfigError, ProbeError
from probe.model.units import parse_duration
from probe.monitor.impatient import ImpatientExecutor
from probe.monitor.sign_in import SignIn
from probe.store.place import default_path
from probe.targets import CredentialUnreadable, NobodysCredential, Target, is_secret_itself

Redact = Callable[[str], str]
# Of a text that nobody understands: what in it is most likely secret.
_LONG_WORD = re.compile(r"[\w%+/=-]{12,}")


@click.command(
    epilog="Exit codes: 0 healthy, 1 something is wrong, 2 usage, 3 degraded, 4 could not judge. "
    "Try: probe doctor sim:pocketoption --fault silent-stall"
)
@click.argument("targets", nargs=-1, metavar="TARGET")
@takes_targets
@click.option("--offline", is_flag=True, help="Judge credential, settings and this machine; ask nobody.")
@click.option(
    "--deep",
    is_flag=True,
    help="Take longer: watch prices for most of a minute, and try again after a pause where that harms nobody.",
)
@click.option("--symbol", metavar="NAME", help="Whose price to look for; the broker's usual one without.")
@click.option(
    "--timeout",
    default=None,
    envvar="TRADEPROBE_TIMEOUT",
    show_envvar=True,
    metavar="TIME",
    help=f"Bounds everything.  [default: {BUDGET:g}s; with --deep {DEEP_BUDGET:g}s]",
)
@click.option("--store", metavar="FILE", help="Where a monitor has kept its history; none: do not look.")
@click.option(
    "--fault", "faults", multiple=True, metavar="FAULT", help="Of a simulated broker, as probe sim takes it."
)
@click.option(
    "--log", metavar="FILE", help="The log of another client of the same broker, to be judged beside it."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--share",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all of it into FILE, without anything private: safe to post.",
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="Judge a file that was shared or printed as JSON, or a transcript, instead of a TARGET; -: standard input. Asks nobody.",
)
def doctor(
    typed: Typed,
    source: str | None,
    symbol: str | None,
    timeout: str | None,
    store: str | None,
    faults: Sequence[str],
    log: str | None,
    share: Path | None,
    *,
    offline: bool,
    deep: bool,
    as_json: bool,
) -> int:
    """Say why the connection to TARGET fails, how sure that is, and what to do about it.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the text itself), a URL, sim:BROKER, or the name of a target in
    probe.toml. Whom it contacts is told first; nobody's server is logged in to more than once.
    """
    if source is not None:
        refuse_others(click.get_current_context())
        if share is not None:
            check_place(share)
        typed.set_colour()
        return judge_file(source, broker=typed.broker, as_json=as_json, share=share)
    budget = parse_duration(timeout, where="--timeout") if timeout else DEEP_BUDGET if deep else BUDGET
    if budget <= 0:
        raise ConfigError(
            "it must be longer than nothing", where="--timeout", next_step="For example --timeout 1m."
        )
    if share is not None:
        check_place(share)
    options: dict[str, tuple[str, object]] = {}
    if store is not None:
        options["store.enabled"] = ("--store", store != "none")
    if store is not None and store != "none":
        options["store.path"] = ("--store", store)
    # A fault may begin when a healthy target would have been left.
    means = Means(offline=offline, deep=deep, leaves_early=not faults, budget=budget)
    try:
        found, settings = typed.understood(options, always_read=True)
    except (ConfigError, CredentialUnreadable) as problem:
        visit = _Visit(typed, unreadable=_unreadable(typed, problem))
    else:
        assert settings is not None  # noqa: S101 - they were to be read
        visit = _Visit(typed, target=_only(found), settings=settings, faults=faults, symbol=symbol, log=log)
        means = replace(
            means,
            controls=settings.doctor.controls,
            resolvers=settings.doctor.resolvers,
            store=_store(found[0], settings),
        )
    take_handles(TO_BEGIN)  # a loop that lacks one leaves a traceback
    examination = asyncio.run(visit.run(means))
    redact = visit.redactor(examination)
    if as_json:
        shown = dumped(as_data(examination, redact))
    else:
        shown = "\n".join(Page(columns=width(), clean=redact).of(examination))
    click.echo(shown)
    if share is not None:
        write(share, examination, redact)
        click.echo(f"written, and safe to post: {share}", err=True)
    return examination.diagnosis.state.exit_code


def _is_one_screen() -> bool:
    """Progress and report go to the same one, whose lines can be taken back."""
    outputs = (sys.stdout, sys.stderr)
    return os.environ.get("TERM", "dumb") != "dumb" and all(each and each.isatty() for each in outputs)


def _only(found: Sequence[Target]) -> Target:
    if len(found) != 1:
        raise ConfigError(
            "one target is examined at a time",
            where="TARGET",
            next_step=f"Name one of: {', '.join(each.name for each in found)}.",
        )
    return found[0]


def _store(target: Target, settings: Settings) -> Path | None:
    """What a monitor keeps of a simulator is nobody's history, unless it was told where."""
    if not settings.store.enabled or (target.simulated and settings.store.path is None):
        return None
    return settings.store.path or default_path()


def _unreadable(typed: Typed, problem: ProbeError) -> tuple[Patient, list[Secret]]:
    """What cannot be understood is a finding, where what was given to open a session is to blame; with what must not be shown
    of it.

    Raises:
        ProbeError: it is something else.
    """
    if isinstance(problem, CredentialUnreadable | NobodysCredential) and problem.found is not None:
        found, broker = problem.found, problem.broker if isinstance(problem, CredentialUnreadable) else None
        text = found.secret.reveal()
        words = _LONG_WORD.findall(text)
        patient = Patient(
            name=f"a credential from {found.source}",
            broker=broker,
            endpoint=None,
            pasted=pasted_of(found, broker),
        )
        return patient, [Secret(each) for each in (text, *words) if words]
    for url in (*typed.endpoints, *(text for text in typed.targets if "://" in text)):
        pasted = pasted_url(url)
        if pasted is not None and not is_secret_itself(url):
            return Patient(name="a URL", broker=None, endpoint=None, pasted=pasted), [Secret(url)]
    raise problem


class _Visit:
    """One run of the command: from what was typed to an examination."""

    def __init__(
        self,
        typed: Typed,
        *,
        target: Target | None = None,
        settings: Settings | None = None,
        unreadable: tuple[Patient, list[Secret]] | None = None,
        faults: Sequence[str] = (),
        symbol: str | None = None,
        log: str | None = None,
    ) -> None:
        self._typed, self._target, self._faults, self._symbol = typed, target, faults, symbol
        self._settings = settings
        self._client = client_in(log, target.broker) if log is not None and target is not None else None
        self._patient: Patient | None = unreadable[0] if unreadable else None
        self._secrets: list[Secret] = unreadable[1] if unreadable else []
        if faults and not (target is not None and target.simulated):
            raise ConfigError(
                "only a simulated broker can be made to fail",
                where="--fault",
                next_step="Examine sim:BROKER.",
            )

    async def run(self, means: Means) -> Examination:
        asyncio.get_running_loop().set_default_executor(ImpatientExecutor())
        async with AsyncExitStack() as stack:
            patient = self._patient or await self._understood(stack)
            redact = self.redactor(None)
            for line in contact_lines([redact(each) for each in contacts(patient, means)], columns=width()):
                click.echo(line, err=True)
            page = Page(columns=width(), clean=redact)
            previous: Rung | None = None
            told = 0

            def say(rung: Rung) -> None:
                nonlocal previous, told
                for line in page.rung(briefly(rung, previous)):
                    click.echo(line, err=True)
                    told += 1
                previous = rung

            examination = await examine(patient, means, say)
            if _is_one_screen() and told < shutil.get_terminal_size().lines:
                # The report has the steps again. Without colours lines are taken back, too.
                click.echo(f"\x1b[{told}F\x1b[J", err=True, color=True)
            return examination

    def redactor(self, examination: Examination | None) -> Redact:
        """For all that this run has to do with, and what it won on the way."""
        target = self._target
        entered = examination.knock.entered if examination is not None and examination.knock else None
        won = entered.outcome if entered is not None and isinstance(entered.outcome, WebSession) else None
        keys = (target.credentials, target.login, won) if target is not None else ()
        redactors = [*map(redactor_for, keys), Redactor(self._secrets)]

        def redact(text: str) -> str:
            for each in redactors:
                text = each(text)
            return text

        return redact

    async def _understood(self, stack: AsyncExitStack) -> Patient:
        target, typed = self._target, self._typed
        assert target is not None  # noqa: S101 - else there was a patient
        endpoints, key = target.endpoints, typed.key_of(target)
        if target.simulated:
            region = typed.chosen.region_of(target)
            endpoints, key = await simulated(target, region, stack, self._faults)
        configured = target.settings.symbols if target.settings else ()
        proxy = typed.proxy_of(target, endpoints[0].address)
        self._hide(target, endpoints[0], proxy)
        named = target.settings
        places = [*typed.targets, typed.ssid, named.credentials if named is not None else None]
        return Patient(
            name=target.name,
            broker=target.broker,
            endpoint=endpoints[0],
            key=key,
            tls=typed.chosen.tls_of(target),
            proxy=proxy,
            about=typed.chosen.about(target),
            symbol=self._symbol or next(iter(configured), target.usual_symbol),
            pasted=pasted_of(target.found, target.broker, sources_of(filter(None, places), target.broker)),
            is_ours=target.simulated or (named is not None and named.owned),
            others=() if isinstance(key, SignIn) else tuple((each, key) for each in endpoints[1:]),
            known_as=typed.chosen.wanted(target, endpoints, key, taken=()).name,
            beside=tuple(self._beside(target)),
            client=self._client,
        )

    def _beside(self, target: Target) -> Iterator[str]:
        """Names of the configuration's other targets of the same broker, as far as they say it without their credentials."""
        name = target.broker.name
        for each in self._settings.targets.values() if self._settings else ():
            if each.name != target.name and (each.broker == name or each.target == f"sim:{name}"):
                yield each.name

    def _hide(self, target: Target, endpoint: Endpoint, proxy: ChosenProxy | None) -> None:
        """A URL's query may hold a token, and a proxy's URL a login."""
        if target.found is not None:
            self._secrets.append(target.found.secret)
        usual = target.broker.rules.query.items()
        query = parse_qsl(urlsplit(endpoint.url).query)
        self._secrets += [
            Secret(value) for name, value in query if (name, value) not in usual and len(value) >= SHORTEST
        ]
        if proxy is not None and proxy.proxy.login is not None:
            self._secrets += [*proxy.proxy.login]
