"""Whatever goes wrong with a connection, one look tells it from everything else, in words and by its code."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from probe.drivers.proxies import ChosenProxy
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Endpoint
from probe.model.findings import Finding, State
from probe.model.proxy import read_proxy_url
from probe.monitor.knock import Knock, knock
from probe.session.broker import REGIONS, Region
from probe.simulator.run import Simulator
from tests.drivers.peers import closed_port
from tests.pretending import KNOWN, Known
from tests.virtual import travelling

NEAR: tuple[Region, ...] = (replace(REGIONS[0], latency=0.0),)
NEWEST = ssl.TLSVersion.TLSv1_3


class Trouble(NamedTuple):
    fault: str
    code: str
    words: str  # a piece of the sentence
    state: State = State.FAILED
    tls: bool = False
    seconds: float = 2.5


# The newest public client says of a 403, of a certificate it cannot verify and of a rejected token alike:
# "Websocket connection rejected."
TROUBLES = [
    Trouble("refuse", "tcp.refused", "refused"),
    Trouble("tls-certificate:kind=expired", "tls.server-cert-expired", "expired", tls=True),
    Trouble("tls-certificate:kind=not-yet-valid", "tls.clock-skew", "not yet valid", tls=True),
    Trouble("tls-certificate:kind=wrong-host", "tls.hostname", "another name", tls=True),
    Trouble("tls-certificate:kind=untrusted-ca", "tls.unknown-ca", "authority", tls=True),
    Trouble("tls-version:only=1.2", "tls.version", "version", tls=True),
    Trouble("http-status:code=403", "http.cf-challenge", "Just a moment"),
    Trouble("http-status:code=401", "http.401", "401"),
    Trouble("http-status:code=404", "http.wrong-path", "404"),
    Trouble("http-status:code=429", "http.429", "429"),
    Trouble("http-status:code=502", "http.bad-gateway", "502"),
    Trouble("http-status:code=302", "http.redirect", "location"),
    Trouble("http-status:code=200", "http.200-not-101", "200"),
    Trouble("silent-upgrade", "http.open-timeout", "did not answer the request"),
    Trouble("no-open", "eio.no-open", "greeting"),
    Trouble("no-join", "sio.connect-silent", "namespace"),
    Trouble("connect-error", "sio.connect-error", "Invalid namespace"),
    Trouble("auth-refused", "auth.session-expired", "refused"),
    Trouble("auth-41", "auth.rejected-41", "41"),
    Trouble("auth-silent", "auth.silent-after-connect", "login"),
    Trouble("auth-close", "auth.demo-real-mismatch", "closed"),
    Trouble("kicked-elsewhere:at=0.2s", "auth.logged-in-elsewhere", "withdrew"),
    Trouble("goodbye:at=0.2s", "session.closed-normal", "41"),
    Trouble("close:at=0.2s:code=1000", "session.closed-normal", "in order"),
    Trouble("close:at=0.2s:code=1008", "session.policy-1008", "1008"),
    Trouble("tcp-reset:at=0.2s", "session.tcp-reset", "reset"),
    Trouble("false-success", "session.silent-stall", "mute", seconds=4.5),
    Trouble("extra-element", "cfg.client-outdated", "does not know", State.DEGRADED),
    Trouble("rename-event", "cfg.client-outdated", "V2", seconds=4.5),
    Trouble("half-open:at=0s", "session.half-open", "nothing came any more", seconds=4.5),
    Trouble("lying-balance", "auth.demo-real-mismatch", "says that the account is a live one"),
    Trouble("clock-skew", "data.clock-offset", "clock", State.DEGRADED),
]
SLOW = [
    Trouble("no-pong", "session.peer-stopped-ponging", "heartbeat", State.DEGRADED, seconds=14.0),
    Trouble("history-unanswered", "session.request-no-reply", "AskHistory", State.DEGRADED, seconds=14.0),
]


async def look(known: Known, trouble: Trouble) -> Knock:
    broker = known.broker
    simulator = Simulator([broker.name], faults=[trouble.fault], regions=NEAR, tls=trouble.tls)
    async with simulator:
        told = simulator.endpoints[-1]
        endpoint = Endpoint(
            broker=broker.name, region=told.region, url=told.url, account=told.account, named_by_user=True
        )
        credentials = broker.read_credentials(told.credential.reveal())
        minimum = NEWEST if "1.2" in trouble.fault else ssl.TLSVersion.TLSv1_2
        profile = TlsProfile(ca_file=told.ca_file, minimum=minimum)
        seen = await knock(broker, endpoint, credentials, tls=profile, timeout=trouble.seconds)
    assert credentials.token.reveal() not in repr(seen)
    return seen


async def look_through_a_dead_proxy(known: Known) -> Knock:
    broker = known.broker
    url = f"http://127.0.0.1:{closed_port()}"
    proxy = ChosenProxy(proxy=read_proxy_url(url, where="a test"), source="a test")
    async with Simulator([broker.name], regions=NEAR) as simulator:
        (endpoint,) = simulator.plain_endpoints()
        credentials = broker.read_credentials(simulator.credential(endpoint).reveal())
        return await knock(broker, endpoint, credentials, tls=TlsProfile(), proxy=proxy, timeout=3.0)


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator's certificate authority is kept there."""
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))


@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize(
    ("troubles", "run"),
    [(TROUBLES, travelling.run), pytest.param(SLOW, asyncio.run, marks=pytest.mark.long)],
    ids=["quick", "slow"],
)
def test_every_trouble_has_a_sentence_and_a_code_that_no_other_has(
    troubles: list[Trouble], run: Callable[..., Any]
) -> None:
    async def look_at_all(known: Known) -> list[Knock]:
        looks = [look(known, trouble) for trouble in troubles]
        return await asyncio.gather(*looks, look_through_a_dead_proxy(known))

    async def on_both() -> list[list[Knock]]:
        return await asyncio.gather(*(look_at_all(known) for known in KNOWN))

    for seen in run(on_both()):
        *looks, through_proxy = seen
        first: list[Finding] = [each.verdict.findings[0] for each in looks]
        said = [
            (t.fault, each.verdict.state, f.code) for t, each, f in zip(troubles, looks, first, strict=True)
        ]
        assert said == [(trouble.fault, trouble.state, trouble.code) for trouble in troubles]
        wordless = [
            (trouble.fault, finding.cause)
            for trouble, finding in zip(troubles, first, strict=True)
            if trouble.words.lower() not in finding.cause.lower()
        ]
        assert wordless == []
        dead = through_proxy.verdict.findings[0]
        assert dead.code == "tcp.proxy-refused"
        assert "proxy" in dead.cause
        sentences = [finding.cause for finding in (*first, dead)]
        assert sorted({*sentences}) == sorted(sentences)
        assert all(finding.next_step for finding in (*first, dead))
