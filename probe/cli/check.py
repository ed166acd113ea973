"""`probe check`: one fresh connection to each target, judged."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from probe.cli.check_report import as_data, as_text
from probe.cli.targets import Target, TargetOptions, pick_region, resolve
from probe.drivers.proxies import choose_proxy
from probe.drivers.tls import TlsProfile
from probe.kept import KeptSessions, SessionFile, SessionKeyring
from probe.model.credentials import Credentials, Secret, WebSession, redactor_for
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.model.units import parse_duration
from probe.monitor.knock import Knock, knock
from probe.monitor.sign_in import SignIn
from probe.vault import ask, only_one_reads_standard_input
from probe.wire.calls import Question

TLS_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
KEPT_IN = ("file", "keyring", "none")
WORST_FIRST = (State.FAILED, State.UNKNOWN, State.DEGRADED, State.HEALTHY)


@click.command(
    epilog="Exit codes: 0 healthy, 1 errors found, 2 usage or credential, 3 degraded, 4 could not judge. "
    "Try: probe check sim:pocketoption"
)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--broker", metavar="NAME", help="Who is behind it, when URL and credential do not say.")
@click.option(
    "--ssid",
    metavar="REF",
    help="The credential: -, env:NAME, file:PATH, keyring:NAME, or the value (warns).",
)
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="URL", help="Where to go instead of the known hosts."
)
@click.option(
    "--login",
    "signs_in",
    is_flag=True,
    help="Sign in on the broker's web pages with the e-mail and password given as TARGET. It may end other sessions.",
)
@click.option("--pin", metavar="REF", help="Where a PIN comes from that the broker mails: - or env:NAME.")
@click.option(
    "--sessions",
    "kept_in",
    type=click.Choice(KEPT_IN),
    default="file",
    show_default=True,
    help="Where what signing in has won is kept for the next time.",
)
@click.option("--region", metavar="NAME", help="Which of the broker's regions; the first one without it.")
@click.option(
    "--timeout", default="30s", show_default=True, metavar="TIME", help="Bounds everything, for each target."
)
@click.option(
    "--ca", type=click.Path(exists=True, dir_okay=False), help="A certificate authority of your own (PEM)."
)
@click.option(
    "--tls-min",
    type=click.Choice(list(TLS_MINIMUM)),
    default="1.2",
    show_default=True,
    help="Lowest TLS version.",
)
@click.option(
    "--dialect",
    multiple=True,
    metavar="NAME=VALUE",
    help="Speak it otherwise where sources contradict each other; docs/dialects.md lists the choices.",
)
@click.option("--proxy", metavar="URL", help="Through this proxy (http:// or socks5://); none: through none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each target.")
@click.option("--no-color", is_flag=True, help="No colours (as NO_COLOR=1 does).")
def check(
    targets: Sequence[str],
    broker: str | None,
    ssid: str | None,
    endpoints: Sequence[str],
    pin: str | None,
    kept_in: str,
    region: str | None,
    timeout: str,
    ca: str | None,
    tls_min: str,
    dialect: Sequence[str],
    proxy: str | None,
    *,
    signs_in: bool,
    as_json: bool,
    no_color: bool,
) -> int:
    """One fresh connection to each TARGET, judged: how long each step took, whether the login was accepted, whether prices flow.

    TARGET is a credential (-, env:NAME, file:PATH, keyring:NAME, or the frame itself), a ws:// or wss:// URL, sim, or sim:BROKER.
    """
    seconds = parse_duration(timeout)
    if seconds <= 0:
        raise ConfigError(
            "it must be longer than nothing", where="--timeout", next_step="For example --timeout 20s."
        )
    options = TargetOptions(
        broker=broker, ssid=ssid, endpoints=tuple(endpoints), region=region, dialect=tuple(dialect)
    )
    profile = TlsProfile(minimum=TLS_MINIMUM[tls_min], ca_file=Path(ca) if ca else None)
    context = click.get_current_context()
    context.color = False if no_color or "NO_COLOR" in os.environ else None
    if proxy and "@" in proxy:
        click.echo(
            "warning: the proxy's login was given as an argument: other users of this machine can read it. "
            "Put the URL into TRADEPROBE_PROXY instead.",
            err=True,
        )
    only_one_reads_standard_input(*targets, ssid, pin)
    understood = [target for text in targets for target in resolve(text, options)]
    states = []
    for target in understood:
        for warning in target.warnings:
            click.echo(f"warning: {warning}", err=True)
        key = _key(target, pin, kept_in, signs_in=signs_in)
        result = asyncio.run(_check(target, key, profile, proxy, seconds, region))
        states.append(result.verdict.state)
        if as_json:
            is_unicode = sys.stdout.encoding.lower().startswith("utf")
            shown = json.dumps(as_data(result, target.name), ensure_ascii=not is_unicode)
        else:
            shown = "\n".join(as_text(result, target.name))
        won = result.entered.outcome if result.entered else None
        for secrets in (target.credentials, target.login, won if isinstance(won, WebSession) else None):
            shown = redactor_for(secrets)(shown)  # whatever a server had us say
        click.echo(shown)
    return next(state for state in WORST_FIRST if state in states).exit_code


def _key(target: Target, pin: str | None, kept_in: str, *, signs_in: bool) -> Credentials | SignIn | None:
    """What opens the target.

    Raises:
        ConfigError: it is a password, and nobody said that signing in is wanted.
    """
    if target.login is None or target.broker.web is None:
        return target.credentials
    if not signs_in:
        raise ConfigError(
            f"an e-mail address and a password open nothing at {target.broker.title} by themselves",
            where="TARGET",
            next_step="Say --login to sign in with them on its web pages. That may end the session your browser has.",
        )

    def warn(words: str) -> None:
        click.echo(f"warning: {words}", err=True)

    keep: KeptSessions | None = None
    if kept_in != "none":
        keep = SessionKeyring(warn=warn) if kept_in == "keyring" else SessionFile(warn=warn)

    def answer(question: Question) -> Secret | None:
        return ask(question.prompt, pin)

    return SignIn(web=target.broker.web, login=target.login, keep=keep, answer=answer)


async def _check(
    target: Target,
    key: Credentials | SignIn | None,
    profile: TlsProfile,
    proxy: str | None,
    timeout: float,
    region: str | None,
) -> Knock:
    endpoints = target.endpoints
    async with AsyncExitStack() as stack:
        if target.simulated:
            from probe.simulator.run import Simulator

            simulator = await stack.enter_async_context(Simulator([target.broker]))
            endpoints = pick_region(tuple(simulator.plain_endpoints()), region)
            key = target.broker.read_credentials(simulator.credential(endpoints[0]).reveal())
        chosen = choose_proxy(endpoints[0].address, proxy or ("none" if target.simulated else None))
        return await knock(target.broker, endpoints[0], key, tls=profile, proxy=chosen, timeout=timeout)
