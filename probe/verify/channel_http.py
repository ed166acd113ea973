"""Channels over HTTP: the flows that a broker's folder has for what can be asked of it."""

from collections.abc import Callable
from functools import partial
from itertools import cycle

from probe.brokers import all_brokers
from probe.drivers.calls import arun
from probe.drivers.exchange import CallDone, CallPhase, CallSettings
from probe.measure.histogram import Histogram
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import Endpoint
from probe.session.broker import Broker
from probe.session.channels import Channel, ChannelPlan, NotAsPromised
from probe.verify.bench import Bench
from probe.verify.model import Evidence, Failed, Group, Need, Skip, Trial

HTTP = ("http", "https")
_ANSWERING = (CallPhase.SENDING, CallPhase.RECEIVING)
SILENCE = 6.0  # seconds for each request to what is not ours: ten a minute, as the monitor


def http_trials() -> tuple[Trial, ...]:
    return tuple(_trial(broker, channel) for broker in all_brokers() for channel in broker.channels)


def _trial(broker: Broker, channel: Channel) -> Trial:
    needs = {Need.SIMULATOR} if channel.changes else set()
    needs |= {Need.ACCOUNT} if channel.needs_account else set()
    return Trial(
        name=channel.name,
        promise=channel.promise,
        run=partial(_tried, channel.name),
        group=Group.CONNECTIVITY,
        needs=frozenset(needs),
        broker=broker.name,
    )


async def _tried(name: str, bench: Bench) -> Evidence:
    # By its name: the target may speak another dialect.
    channel = next((each for each in bench.broker.channels if each.name == name), None)
    if channel is None:
        raise Skip("in this dialect it has another path")
    calls: list[CallDone] = []
    settings = CallSettings(tls=bench.wanted.tls)
    try:
        seen = await arun(channel.flow(_plan(bench)), settings, answer=lambda _: None, on_call=calls.append)
    except NotAsPromised as problem:
        raise Failed(str(problem), requests=len(calls)).taken_for(problem.code) from None
    finally:
        if bench.simulator is None:
            await bench.wait(SILENCE * len(calls))
    return Evidence(words=seen.words, figures={**seen.figures, "requests": len(calls)})


async def seconds_of_requests(bench: Bench, most: int) -> Histogram:
    """Of the questions that only read, one after the other and again, each from its sending to the end of its answer."""
    reading = [each for each in bench.broker.channels if not each.changes]
    reading = [each for each in reading if bench.has_account or not each.needs_account]
    if not reading:
        raise Skip("it needs questions that the broker answers")
    histogram, settings = Histogram(), CallSettings(tls=bench.wanted.tls)

    def note(call: CallDone) -> None:
        histogram.add(sum(seconds for phase, seconds in call.phases if phase in _ANSWERING))

    for channel in cycle(reading):
        if histogram.count >= most:
            return histogram
        before = histogram.count
        try:
            await arun(channel.flow(_plan(bench)), settings, answer=lambda _: None, on_call=note)
        except NotAsPromised as problem:
            raise Failed(f"{channel.name}: {problem}") from None
        if bench.simulator is None:
            await bench.wait(SILENCE * (histogram.count - before))
    raise AssertionError


def _plan(bench: Bench) -> ChannelPlan:
    key = bench.wanted.key
    return ChannelPlan(
        base=_endpoint(bench).url.partition("?")[0].rstrip("/"),
        symbol=bench.symbol,
        utc=bench.utc(),
        credentials=key if isinstance(key, Credentials) else None,
        user=_user(bench),
        login=_login(bench),
    )


def _endpoint(bench: Bench) -> Endpoint:
    endpoints: list[Endpoint] = [
        *bench.wanted.endpoints,
        *(bench.simulator.plain_endpoints() if bench.simulator else ()),
    ]
    found = next((each for each in endpoints if each.scheme in HTTP), None)
    if found is None:
        raise Skip("it needs an endpoint that is asked over HTTP")
    return found


def _user(bench: Bench) -> str | None:
    key = bench.wanted.key
    known = key.user if isinstance(key, Credentials) else None
    return known or (bench.identity.user if bench.simulator is not None else None)


def _login(bench: Bench) -> PasswordLogin | None:
    read: Callable[[str], PasswordLogin | None] | None = (
        bench.broker.web.read_login if bench.broker.web else None
    )
    if bench.simulator is None or read is None:
        return None
    sign_in = next((each.sign_in for each in bench.simulator.accounts() if each.sign_in), None)
    return read(sign_in.login.reveal()) if sign_in else None
