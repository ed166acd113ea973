"""What no key can know for itself: keys that contradict, miss or double each other."""

from collections.abc import Iterator, Mapping, Sequence

from probe.brokers import find_broker
from probe.config.settings import AlertSettings, ChannelSettings, RuleSettings, TargetSettings
from probe.measure.alert_rules import RULES
from probe.measure.alert_tuning import tuned
from probe.measure.quiet_hours import QuietHours
from probe.model.errors import ConfigError, near_miss
from probe.session.broker import Broker

_SIM_BRINGS = ("credentials", "endpoints", "login", "pin", "sessions")
_WAYS = ("url", "webhook", "command")


def check_target(target: TargetSettings, written: Mapping[str, object]) -> Iterator[ConfigError]:
    """`written`: what stands in the file. An error's `where` is the key, relative to the table."""
    if target.target is not None:
        for name in _SIM_BRINGS:
            if name in written:
                yield ConfigError(
                    "a simulated broker brings this itself", where=name, next_step="Leave one of the two out."
                )
        if target.broker not in (None, target.target.partition(":")[2]):
            yield ConfigError(
                f"this is not the broker of {target.target}", where="broker", next_step="Leave it out."
            )
    elif target.credentials is None and not target.endpoints and not _is_open(target.broker):
        yield ConfigError(
            "nothing says what to connect to",
            next_step='Give credentials, endpoints, or target = "sim:BROKER".',
        )
    elif target.login and target.credentials is None:
        yield ConfigError(
            "there is nothing to sign in with",
            where="login",
            next_step="Say with credentials where they are.",
        )
    if target.target is None and not target.login:
        for name in ("pin", "sessions"):
            if name in written:
                yield ConfigError(
                    "this is for signing in, which is not on",
                    where=name,
                    next_step="Write login = true, or leave it out.",
                )
    if target.knock_auth and target.knock_every is None:
        yield ConfigError(
            "nothing ever knocks: knock_every is 0", where="knock_auth", next_step="Leave one of the two out."
        )
    if (broker := _broker_of(target)) is None:
        return
    if target.dialect:
        try:
            broker.speaking(target.dialect)
        except ConfigError as problem:
            problem.where = "dialect"
            yield problem
    if target.login and broker.divides(target.endpoints):
        yield ConfigError(
            "a password is the login itself at some of these, and wins a session at others",
            where="endpoints",
            next_step="Make two targets of them.",
        )
    if target.journal is not None and not broker.journals:
        yield ConfigError(f"of {broker.title} no journal is read", where="journal", next_step="Leave it out.")


def _broker_of(target: TargetSettings) -> Broker | None:
    """None: its credential or URL says which."""
    name = target.broker or (target.target or "").partition(":")[2]
    return find_broker(name) if name else None


def _is_open(broker: str | None) -> bool:
    return broker is not None and bool(find_broker(broker).open_endpoints)


def check_references(targets: Mapping[str, TargetSettings]) -> Iterator[ConfigError]:
    for name, target in targets.items():
        if target.reference is None:
            continue
        if target.reference not in targets or target.reference == name:
            yield ConfigError(
                "no other target has this name",
                where=f"{name}.reference",
                suggestion=near_miss(target.reference, set(targets) - {name}) or "",
                next_step="Name a target of this file.",
            )


def check_channels(channels: Sequence[ChannelSettings]) -> Iterator[ConfigError]:
    names = [channel.name for channel in channels]
    for index, channel in enumerate(channels):
        where = f"[{index}]"
        ways = [name for name in _WAYS if getattr(channel, name)]
        if len(ways) != 1:
            said = f"{' and '.join(ways)} say" if ways else "nothing says"
            yield ConfigError(
                f"{said} how to deliver",
                where=where,
                next_step=f"Give exactly one of {', '.join(_WAYS)}.",
            )
        if channel.token and not channel.webhook:
            yield ConfigError("only a webhook has a token", where=f"{where}.token", next_step="Leave it out.")
        if channel.name in names[:index]:
            yield ConfigError(
                "another channel has this name",
                where=f"{where}.name",
                next_step="Give each a name of its own.",
            )


def check_rules(rules: Mapping[str, RuleSettings]) -> Iterator[ConfigError]:
    known = [rule.name for rule in RULES]
    for name, rule in rules.items():
        if name not in known:
            yield ConfigError(
                "there is no such rule",
                where=name,
                suggestion=near_miss(name.lower(), known) or "",
                next_step=f"There are: {', '.join(known)}.",
            )
            continue
        try:
            tuned(RULES, {name: rule.changes}, where="")
        except ConfigError as problem:
            problem.where = problem.where.removeprefix(".")
            yield problem


def check_quiet(alerts: AlertSettings) -> Iterator[ConfigError]:
    try:
        QuietHours.parse(alerts.quiet, where="quiet")
    except ConfigError as problem:
        yield problem


def doubts(targets: Mapping[str, TargetSettings], alerts: AlertSettings) -> Iterator[str]:
    """What works, but perhaps not as it is meant."""
    by_credential: dict[str, str] = {}
    for name, target in targets.items():
        if target.credentials is not None:
            first = by_credential.setdefault(target.credentials, name)
            if first != name:
                yield (
                    f"targets.{first} and targets.{name} have the same credentials ({target.credentials}): "
                    "a second login can end the first session."
                )
        broker = _broker_of(target)
        if target.access_points and broker is not None and not broker.touches:
            yield (
                f"targets.{name}.access_points are measured by probe endpoints only: "
                f"watching {broker.title} does not look at them."
            )
    for index, channel in enumerate(alerts.channels):
        if channel.url is not None and not channel.url.is_reference:
            yield (
                f"alerts.channels[{index}].url stands in the file in the clear, and such a URL is a secret. "
                "Put it elsewhere and write where it is: env:NAME, file:PATH or keyring:NAME."
            )
