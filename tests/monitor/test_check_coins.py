"""One look at a crypto backend or an exchange with each of its faults: the verdict names it, or a row says why one look
cannot."""

import asyncio
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.faults.backend import BACKEND_FAULTS
from probe.faults.catalogue import FAULTS
from probe.faults.exchange import EXCHANGE_FAULTS
from probe.kept import SessionFile
from probe.model.credentials import PasswordLogin
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.monitor.sign_in import SignIn
from probe.session.broker import Broker, Region
from probe.simulator.run import Simulator
from tests.monitor.linked import utc_of
from tests.monitor.matrix_coins import REST, SPOT, SWAP
from tests.virtual.travelling import run

CRYPTO, BINGX = find_broker("crypto"), find_broker("bingx")
LONG = 60.0


async def look(broker: Broker, at: tuple[Region, ...] | None, *faults: str) -> Knock:
    async with Simulator([broker], faults=faults, regions=at) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        utc = utc_of(simulator, broker)
        return await knock(broker, endpoint, simulator.key(endpoint), tls=TlsProfile(), timeout=LONG, utc=utc)


def codes(result: Knock) -> list[str]:
    return [each.code for each in result.verdict.findings]


@pytest.mark.parametrize(
    ("broker", "at"),
    [(CRYPTO, None), (BINGX, SWAP), (BINGX.speaking({"heartbeat": "spot"}), SPOT), (BINGX, REST)],
    ids=["crypto", "swap", "spot", "rest"],
)
def test_what_is_well_is_called_healthy(broker: Broker, at: tuple[Region, ...] | None) -> None:
    verdict = run(look(broker, at)).verdict
    assert (verdict.state, verdict.findings, verdict.not_checked) == (State.HEALTHY, (), ())


# By fault: what the verdict is and what stands first in it.
SEEN = {
    "backend-database-down": (State.FAILED, "crypto.mongo-down"),
    "backend-database-allow-list": (State.FAILED, "crypto.mongo-allow-list"),
    "backend-database-failover": (State.FAILED, "crypto.mongo-down"),
    "backend-pool-exhausted:timeouts=1": (State.DEGRADED, "crypto.mongo-pool"),
    "backend-health-lies": (State.FAILED, "crypto.health-lies"),
    "backend-health-hangs": (State.DEGRADED, "crypto.health-hangs"),
    "backend-docs-exposed": (State.HEALTHY, "http.200-not-101"),
    "backend-traces": (State.DEGRADED, "http.bad-gateway"),
    "backend-busy": (State.DEGRADED, "http.open-timeout"),
    "backend-broker-down": (State.FAILED, "http.bad-gateway"),
    "backend-broker-limited": (State.FAILED, "crypto.bingx-busy"),
    "backend-limit": (State.DEGRADED, "crypto.rate-limited-own"),
    "exchange-clock-skew": (State.DEGRADED, "crypto.bingx-timestamp"),
    "exchange-error": (State.FAILED, "crypto.bingx-busy"),
    "exchange-limit:requests=0": (State.FAILED, "http.429"),
    "exchange-symbol-offline": (State.FAILED, "crypto.bingx-symbol-offline"),
}
LATER = "asked later in a session, for a first minute has little room"
NOT_SEEN = {
    "backend-database-slow": "every answer comes, a little later",
    "backend-health": "a constant /health is one of those known",
    "backend-cookie-signed": "it takes a sign-out to see it, and nobody is signed out by a look",
    "backend-mail": "only whoever signs up waits for a mail",
    "backend-session-short": "the session is young at the time of a look",
    "backend-restarted": "the session began after it: below, for an old one",
    "backend-fernet-key": LATER,
    "backend-broker-clock": LATER,
    "backend-snapshots-stopped": LATER,
    "backend-market-stale": "it takes a minute until a price is old",
    "backend-market-cached": "it takes some readings of one price",
    "exchange-old-codes": "nothing is wrong with them",
}
BELOW = ("backend-many-secrets", "backend-hash-broken", "backend-cookie", "backend-limit-used-up")


@pytest.mark.parametrize("fault", SEEN)
def test_one_look_names_the_fault(fault: str) -> None:
    is_exchange = fault.startswith("exchange")
    result = run(look(BINGX, REST, fault) if is_exchange else look(CRYPTO, None, fault))
    state, code = SEEN[fault]
    assert (result.verdict.state, codes(result)[:1]) == (state, [code])
    assert FAULTS[fault.partition(":")[0]].finding in ("", code)


@pytest.mark.parametrize("fault", NOT_SEEN)
def test_what_one_look_cannot_see_it_does_not_invent(fault: str) -> None:
    is_exchange = fault.startswith("exchange")
    result = run(look(BINGX, REST, fault) if is_exchange else look(CRYPTO, None, fault))
    assert codes(result) == []


def test_every_fault_of_the_backend_and_the_exchange_is_met() -> None:
    seen = {fault.partition(":")[0] for fault in SEEN}
    assert seen | NOT_SEEN.keys() | {*BELOW} == BACKEND_FAULTS.keys() | EXCHANGE_FAULTS.keys()


@pytest.mark.parametrize(("form", "limit"), [("shared", 3), ("sliding", 5)])
def test_forms_of_the_limiter_that_count_everything_are_told_as_ours(form: str, limit: int) -> None:
    result = run(look(CRYPTO, None, f"backend-limit:form={form},limit={limit}"))
    assert codes(result)[:1] == ["crypto.rate-limited-own"]


@pytest.mark.parametrize("form", ["per-route", "headers"])
def test_one_look_asks_no_route_twice(form: str) -> None:
    assert codes(run(look(CRYPTO, None, f"backend-limit:form={form},limit=1"))) == []


def test_a_limit_that_others_used_up_is_not_ours() -> None:
    result = run(look(CRYPTO, None, "backend-limit-used-up:share=1"))
    assert (result.verdict.state, codes(result)) == (State.FAILED, ["http.429", "crypto.rate-limited-shared"])


def with_password(folder: Path, *faults: str, before: str = "") -> Knock:
    """Signs in, and then looks; `before`: a fault that comes between this session and another look with it."""

    async def go() -> Knock:
        async with Simulator(["crypto"], faults=faults) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            known = simulator.endpoints[0].sign_in
            assert known is not None
            assert CRYPTO.web is not None
            login = PasswordLogin(
                broker="crypto", user=known.email, password=known.password, account=endpoint.account
            )
            keep = SessionFile(folder, warn=lambda _: None)
            key = SignIn(web=CRYPTO.web, login=login, keep=keep, answer=lambda _: None)
            result = await knock(CRYPTO, endpoint, key, tls=TlsProfile(), timeout=LONG)
            if before:
                await simulator.board.switch_on(before)
                return await knock(CRYPTO, endpoint, simulator.key(endpoint), tls=TlsProfile(), timeout=LONG)
            return result

    return asyncio.run(go())


def test_a_password_that_opens_is_called_healthy(tmp_path: Path) -> None:
    result = with_password(tmp_path)
    assert (result.verdict.state, codes(result)) == (State.HEALTHY, [])


@pytest.mark.parametrize(
    ("fault", "state", "code"),
    [
        ("backend-cookie", State.DEGRADED, "crypto.session-cookie"),
        ("backend-cookie:flaw=path", State.DEGRADED, "crypto.session-cookie"),
        ("backend-cookie:flaw=domain", State.DEGRADED, "crypto.session-cookie"),
        ("backend-hash-broken", State.FAILED, "http.bad-gateway"),
    ],
)
def test_a_sign_in_names_the_fault(fault: str, state: State, code: str, tmp_path: Path) -> None:
    result = with_password(tmp_path, fault)
    assert (result.verdict.state, codes(result)) == (state, [code])


def test_a_session_that_a_restart_forgot_is_refused(tmp_path: Path) -> None:
    result = with_password(tmp_path, before="backend-restarted")
    assert (result.verdict.state, codes(result)) == (State.FAILED, ["auth.session-expired"])


def test_a_session_that_only_some_workers_know_may_be_told_in_one_look() -> None:
    result = run(look(CRYPTO, None, "backend-many-secrets:share=0.3"))
    assert {*codes(result)} <= {"crypto.session-secret", "auth.session-expired"}
