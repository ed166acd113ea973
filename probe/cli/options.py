"""The options that say which targets are meant and how to reach them: one set for every command that takes a TARGET."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce, wraps
from typing import Any

import click

from probe.config import Settings, load_settings, strange_variables
from probe.drivers.proxies import ChosenProxy, choose_proxy
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Address
from probe.model.errors import ConfigError
from probe.monitor.sign_in import SignIn
from probe.monitor.understanding import TLS_MINIMUM, Chosen
from probe.targets import Target, TargetOptions, is_secret_itself, may_be_named, resolve
from probe.title import hide_arguments
from probe.vault import is_reference, only_one_reads_standard_input

KEPT_IN = ("file", "keyring", "none")
_OPTIONS = (
    click.option("--broker", metavar="NAME", help="Who is behind it, when URL and credential do not say."),
    click.option(
        "--ssid",
        metavar="REF",
        help="The credential: -, env:NAME, file:PATH, keyring:NAME, or the value (warns).",
    ),
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="URL",
        help="Where to go instead of the known hosts; some brokers have none that is the same for everybody.",
    ),
    click.option("--region", metavar="NAME", help="Which of the broker's regions."),
    click.option(
        "--login",
        "signs_in",
        is_flag=True,
        help="Log in with the password given as TARGET (on web pages, where the broker has some). It may end other sessions.",
    ),
    click.option("--pin", metavar="REF", help="Where a PIN comes from that the broker mails: - or env:NAME."),
    click.option(
        "--sessions",
        "kept_in",
        type=click.Choice(KEPT_IN),
        show_default="file",
        help="Where what signing in has won is kept for the next time.",
    ),
    click.option(
        "--ca",
        type=click.Path(exists=True, dir_okay=False),
        help="A certificate authority of your own (PEM).",
    ),
    click.option(
        "--tls-min", type=click.Choice(list(TLS_MINIMUM)), show_default="1.2", help="Lowest TLS version."
    ),
    click.option(
        "--dialect",
        multiple=True,
        metavar="NAME=VALUE",
        help="Speak it otherwise where sources contradict each other; docs/dialects.md lists the choices.",
    ),
    click.option(
        "--proxy", metavar="URL", help="Through this proxy (http:// or socks5://); none: through none."
    ),
    click.option(
        "--config", metavar="FILE", help="The configuration that names targets, instead of probe.toml."
    ),
    click.option("--no-color", is_flag=True, help="No colours (as NO_COLOR=1 does)."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a person typed about the targets."""

    targets: Sequence[str]
    broker: str | None
    ssid: str | None
    endpoints: Sequence[str]
    region: str | None
    signs_in: bool
    pin: str | None
    kept_in: str | None
    ca: str | None
    tls_min: str | None
    dialect: Sequence[str]
    proxy: str | None
    config: str | None
    no_color: bool

    def understood(
        self,
        options: Mapping[str, tuple[str, object]] | None = None,
        *,
        always_read: bool = False,
        all_without: bool = False,
        tell: Callable[[str], object] | None = None,
    ) -> tuple[list[Target], Settings | None]:
        """The targets, and the configuration if it was read; what is odd about them is told on standard error.

        Args:
            options: Settings that other options of the command set.
            always_read: The configuration says more than the names of targets.
            all_without: Without a TARGET those of the configuration are meant.
            tell: Takes the warnings instead of standard error.

        Raises:
            ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: in words for the person who typed it.
        """
        tell = tell or warn
        context = click.get_current_context()
        self.set_colour()
        if self.proxy and "@" in self.proxy:
            tell(
                "the proxy's login was given as an argument: other users of this machine can read it. "
                "Put the URL into TRADEPROBE_PROXY instead."
            )
        only_one_reads_standard_input(*self.targets, self.ssid, self.pin)
        hidden = hide_arguments(self._secrets) if self._secrets else ""
        reads = always_read or self.config is not None or any(map(may_be_named, self.targets))
        settings = load_settings(self.config, options=options) if reads else None
        references = (*self.targets, self.ssid or "", self.pin or "")
        for warning in settings.warnings if settings else strange_variables(os.environ, references):
            tell(warning)
        if hidden:
            tell(hidden)
        # Options alone name one, too; the rest of them is then said about it.
        is_plain = self.ssid is not None and (is_reference(self.ssid) or is_secret_itself(self.ssid))
        alone = (self.ssid,) if self.ssid and is_plain else tuple(self.endpoints[:1])
        names = self.targets or alone or (tuple(settings.targets) if settings and all_without else ())
        if not names and not all_without:
            raise click.UsageError("Missing argument 'TARGET...'.", ctx=context)
        if not names:
            raise ConfigError(
                "nothing to watch: there is no TARGET, and no configuration names one",
                next_step="Try it with: sim:pocketoption. Or write a probe.toml; docs/configuration.md shows how.",
            )
        target_options = TargetOptions(
            broker=self.broker,
            ssid=self.ssid,
            endpoints=tuple(self.endpoints),
            region=self.region,
            dialect=tuple(self.dialect),
        )
        found = [target for text in names for target in resolve(text, target_options, settings)]
        for target in found:
            for warning in target.warnings:
                tell(warning)
        return found, settings

    def set_colour(self) -> None:
        click.get_current_context().color = False if self.no_color or "NO_COLOR" in os.environ else None

    @property
    def _secrets(self) -> list[Secret]:
        typed = [Secret(text) for text in self.targets if is_secret_itself(text)]
        typed += [Secret(text) for text in (self.ssid,) if text and not is_reference(text)]
        return typed + [Secret(text) for text in (self.proxy,) if text and "@" in text]

    @property
    def chosen(self) -> Chosen:
        return Chosen(
            region=self.region,
            login=self.signs_in,
            pin=self.pin,
            sessions=self.kept_in,
            ca=self.ca,
            tls_min=self.tls_min,
            dialect=self.dialect,
            proxy=self.proxy,
        )

    def key_of(self, target: Target) -> Credentials | SignIn | None:
        """
        Raises:
            ConfigError: it is a password, and nobody said that signing in is wanted.
        """
        return self.chosen.key_of(target, warn=warn)

    def proxy_of(self, target: Target, address: Address) -> ChosenProxy | None:
        chosen = choose_proxy(address, self.chosen.proxy_of(target))
        from_file = not self.proxy and target.settings is not None and target.settings.proxy is not None
        return replace(chosen, source="probe.toml") if chosen and from_file else chosen


def warn(words: str) -> None:
    click.echo(f"warning: {words}", err=True)


def takes_targets(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets what was typed about its targets as one argument, `typed`."""
    names = list(Typed.__dataclass_fields__)

    @wraps(command)
    def collected(**more: Any) -> Any:
        return command(typed=Typed(**{name: more.pop(name) for name in names}), **more)

    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), collected)
