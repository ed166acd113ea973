"""A target checked as a pipeline wants it: held against limits, tried again where that can help, and told how often it took."""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Unpack

from probe.api.opening import Options, chosen_of, simulated, target_options
from probe.catalogue import entries
from probe.config import load_settings
from probe.diagnose.limits import Held, Limits, connect_seconds, held, tick_age_seconds
from probe.drivers.proxies import ChosenProxy, choose_proxy
from probe.logs import get_logger
from probe.measure.health import FEWEST_SECONDS, HealthScore
from probe.model.credentials import WebSession, redactor_for
from probe.model.endpoint import Address
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.monitor.understanding import Chosen, Key
from probe.monitor.wanted import Wanted
from probe.session.reconnect import decide
from probe.targets import Target, is_secret_itself, may_be_named, resolve

LONGEST_PAUSE = 60.0  # before another try; a pipeline does not wait for what wants more
SCORE_WITHIN = 2 * FEWEST_SECONDS
LOOKS_EVERY = 1.0


class Cause(Enum):
    """Whose business a failed check is, with the exit code of --exit-by-cause."""

    NETWORK = "network"
    CREDENTIAL = "credential"
    DATA = "data"
    THRESHOLD = "threshold"

    @property
    def exit_code(self) -> int:
        return 10 + list(Cause).index(self)


_CAUSES = {
    "auth": Cause.CREDENTIAL,
    "disconnected": Cause.NETWORK,
}  # of the catalogue; the others are of prices


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a target is looked at."""

    timeout: float
    symbol: str | None = None
    limits: Limits = field(default_factory=Limits)
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one target. As text it is one sentence, and what to do."""

    target: str
    knock: Knock  # of the last try
    limits: tuple[Held, ...]
    earlier: tuple[str, ...]  # what was wrong in each try before
    seconds: float  # all of it
    hide: Callable[[str], str]  # takes the target's secrets out of a text

    @property
    def state(self) -> State:
        """The verdict, limits and needed tries counted in."""
        state = self.knock.verdict.state
        if state is State.FAILED or any(each.holds is False for each in self.limits):
            return State.FAILED
        if state is State.UNKNOWN or any(each.holds is None for each in self.limits):
            return State.UNKNOWN
        return State.DEGRADED if self.earlier else state

    @property
    def verdict(self) -> str:
        return self.state.value

    @property
    def healthy(self) -> bool:
        return self.state is State.HEALTHY

    @property
    def flaky(self) -> bool:
        """It works, and did not at the first try."""
        return bool(self.earlier) and self.state is State.DEGRADED

    @property
    def tries(self) -> int:
        return 1 + len(self.earlier)

    @property
    def findings(self) -> tuple[str, ...]:
        """Their codes; the one to fix first comes first."""
        return tuple(each.code for each in self.knock.verdict.findings)

    @property
    def connect_seconds(self) -> float | None:
        return connect_seconds(self.knock.facts, self.knock.asked)

    @property
    def tick_age_seconds(self) -> float | None:
        return tick_age_seconds(self.knock.facts, self.knock.asked, self.knock.clock)

    @property
    def cause(self) -> Cause | None:
        """None: it has not failed."""
        if self.state is not State.FAILED:
            return None
        if self.knock.verdict.state is not State.FAILED:
            return Cause.THRESHOLD
        gravest = next(each for each in self.knock.verdict.findings if each.state is State.FAILED)
        known = entries().get(gravest.code)
        return _CAUSES.get(known.cause or "" if known else "", Cause.DATA)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said besides the verdict of the last try."""
        failed = self.knock.verdict.state is State.FAILED
        said = [
            f"{'Not judged' if each.holds is None else 'Threshold broken'}: {each.sentence} (--{each.name})."
            for each in self.limits
            if each.holds is False or (each.holds is None and not failed)
        ]
        if self.earlier:
            tried = "; ".join(f"try {number}: {words}" for number, words in enumerate(self.earlier, 1))
            word = "Flaky, it worked only at" if self.flaky else "Tried again, and this was"
            said.append(f"{word} try {self.tries}. {tried}.")
        return tuple(said)

    @property
    def sentence(self) -> str:
        found = [
            f"{each.cause} ({each.code}). {each.next_step}"
            for each in self.knock.verdict.findings
            if each.state is not State.HEALTHY
        ]
        failed = self.knock.verdict.state is State.FAILED
        words = " ".join([*found, *self.remarks] if failed else [*self.remarks, *found])
        plain = "".join(char if char.isprintable() else "�" for char in words)
        return self.hide(plain)

    def __str__(self) -> str:
        return f"{self.target} is {self.verdict.upper()}" + (f": {self.sentence}" if self.sentence else ".")

    __repr__ = __str__


async def check_target(
    target: Target,
    chosen: Chosen,
    key: Key | None,
    proxy_of: Callable[[Address], ChosenProxy | None],
    plan: Plan,
) -> Checked:
    """
    Raises:
        ConfigError: there is no such region, or sessions cannot be kept where they should be.
    """
    rng, earlier = random.SystemRandom(), list[str]()
    now = asyncio.get_running_loop().time
    began = now()
    configured = target.settings.symbols if target.settings else ()
    async with AsyncExitStack() as stack:
        endpoints = target.endpoints
        if target.simulated:
            endpoints, key = await simulated(target, chosen.region_of(target), stack)
        wanted = chosen.wanted(target, endpoints[:1], key, taken=())
        symbol = plan.symbol or next(iter(configured), target.usual_symbol)
        while True:
            result = await knock(
                target.broker,
                endpoints[0],
                key,
                tls=chosen.tls_of(target),
                proxy=proxy_of(endpoints[0].address),
                timeout=plan.timeout,
                about=chosen.about(target),
                symbol=symbol,
            )
            score = None
            if plan.limits.score is not None and result.verdict.state in (State.HEALTHY, State.DEGRADED):
                score = await _score(replace(wanted, symbols=(symbol,)))
            limits = tuple(held(plan.limits, result.facts, result.asked, result.clock, score))
            checked = Checked(
                target.name, result, limits, tuple(earlier), now() - began, _hidden(target, result)
            )
            pause = _pause(checked, rng) if len(earlier) < plan.retries else None
            if pause is None:
                return checked
            earlier.append(_in_short(checked))
            await asyncio.sleep(pause)


def check_now(
    target: str,
    *,
    timeout: float = 30.0,
    symbol: str | None = None,
    max_connect: float | None = None,
    max_tick_age: float | None = None,
    min_score: float | None = None,
    retries: int = 0,
    config: Path | str | None = None,
    **options: Unpack[Options],
) -> Checked:
    """For programs without a loop; where one runs, it stands still meanwhile.

    Args:
        config: Instead of probe.toml.
        options: What `open_session` takes besides.

    Raises:
        ConfigError, CredentialInvalid, CredentialMissing, UnknownBroker: what was given cannot be used.
    """
    limits = Limits(connect_seconds=max_connect, tick_age_seconds=max_tick_age, score=min_score)
    plan = Plan(timeout=timeout, symbol=symbol, limits=limits, retries=retries)
    chosen = chosen_of(options)
    settings = load_settings(config) if config is not None or may_be_named(target) else None
    found = resolve(target, target_options(options), settings)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigError("one target is checked at a time", next_step=f"Choose one of: {names}.")
    (one,) = found
    for warning in one.warnings[is_secret_itself(target) :]:
        _warn(warning)
    key = chosen.key_of(one, warn=_warn)

    def proxy_of(address: Address) -> ChosenProxy | None:
        return choose_proxy(address, chosen.proxy_of(one))

    # In a thread of its own: where a test is asynchronous, a loop runs in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, check_target(one, chosen, key, proxy_of, plan)).result()


def _warn(words: str) -> None:
    get_logger().warning("credential", words=words)


def _hidden(target: Target, result: Knock) -> Callable[[str], str]:
    won = result.entered.outcome if result.entered else None
    secrets = (target.credentials, target.login, won if isinstance(won, WebSession) else None)
    redactors = [redactor_for(each) for each in secrets]

    def hide(text: str) -> str:
        for redact in redactors:
            text = redact(text)
        return text

    return hide


def _pause(checked: Checked, rng: random.Random) -> float | None:
    """How long to wait before another try. None: it is not needed, or cannot help, or would come too soon for the server."""
    failure = checked.knock.facts.ended.failure if checked.knock.facts.ended else None
    if checked.state is not State.FAILED or checked.cause is Cause.CREDENTIAL:
        return None
    delay = decide(failure, checked.tries, rng).delay_seconds
    return delay if delay is not None and delay < LONGEST_PAUSE else None


def _in_short(checked: Checked) -> str:
    broken = [each.sentence for each in checked.limits if each.holds is False]
    found = [f"{each.cause} ({each.code})" for each in checked.knock.verdict.findings]
    return next(iter([*found, *broken] if checked.knock.verdict.state is State.FAILED else [*broken, *found]))


async def _score(wanted: Wanted) -> HealthScore:
    """Watched until there is a score, or it is clear that there is none: one look has not seen enough for it."""
    from probe.monitor.monitor import Monitor  # noqa: PLC0415 - takes a while, and most checks need none

    monitor = Monitor([replace(wanted, knock_every=None)])
    running, loop = asyncio.create_task(monitor.run()), asyncio.get_running_loop()
    until = loop.time() + SCORE_WITHIN
    try:
        while True:
            await asyncio.sleep(LOOKS_EVERY)
            (now,) = monitor.snapshots()
            if now.score.value is not None or loop.time() > until or running.done():
                return now.score
    finally:
        monitor.stop()
        await running
