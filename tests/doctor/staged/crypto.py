"""Staged: a backend of a crypto trader, and the exchange behind it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from probe.brokers import find_broker
from probe.brokers.bingx.account import EXPIRED, read_event
from probe.brokers.crypto import limits
from probe.brokers.crypto.limits import Form, Limited
from probe.brokers.crypto.signin import ATTRIBUTES
from probe.brokers.crypto.standing import Standing
from probe.diagnose.case import Case, Look, Looks
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.doctor.examine import Patient
from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Told
from probe.model.meanings import Meaning, Trouble, Troubles
from probe.monitor.sign_in import SignIn
from probe.simulator.run import Simulator
from tests.doctor.simulated import simulated
from tests.doctor.staging import SECOND_FORM, Stage, Staged, looking_for, on_paper, travelling
from tests.monitor.matrix_coins import REST, SWAP

CRYPTO, BINGX = find_broker("crypto"), find_broker("bingx")


def _backend(
    code: str,
    name: str,
    fault: str,
    *,
    certain: bool = False,
    beside: frozenset[str] = frozenset(),
    **means: Any,
) -> Staged:
    play = travelling(simulated("crypto", fault), code, **means)
    return Staged(code=code, name=name, play=play, certain=certain, beside=beside)


def _exchange(code: str, name: str, fault: str, *, certain: bool = False, **means: Any) -> Staged:
    play = travelling(simulated("bingx", fault, at=REST), code, **means)
    return Staged(code=code, name=name, play=play, certain=certain)


def _paper(
    code: str, name: str, *said: Meaning, why: str, broker: str = "crypto", certain: bool = False
) -> Staged:
    def make() -> Case:
        facts = Facts()
        for each in said:
            facts.add(Told(at=1.0, meaning=each))
        url = "http://127.0.0.1:1"
        endpoint = Endpoint(broker=broker, region="own", url=url, account=Account.NONE, named_by_user=True)
        return Case(
            looks=Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None)))
        )

    play = on_paper(make, code, find_broker(broker), why=why)
    return Staged(code=code, name=f"{name} on paper", play=play, certain=certain)


def _troubles(*rows: Trouble) -> Troubles:
    return Troubles(about="account", rows=rows)


def _for_long(code: str, name: str, fault: str, seconds: float, *, certain: bool = False) -> Staged:
    play = looking_for(seconds, simulated("crypto", fault), code)
    return Staged(code=code, name=name, play=play, certain=certain)


def signing_in(fault: str) -> Stage:
    """With e-mail and password, which nobody keeps."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with Simulator([CRYPTO], faults=[fault]) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            known = simulator.endpoints[0].sign_in
            assert known is not None
            assert CRYPTO.web is not None
            login = PasswordLogin(
                broker="crypto", user=known.email, password=known.password, account=endpoint.account
            )
            key = SignIn(web=CRYPTO.web, login=login, keep=None, answer=lambda _: None)
            yield Patient(
                name="sim:crypto", broker=CRYPTO, endpoint=endpoint, key=key, symbol="BTC-USDT", is_ours=True
            )

    return stage


def _outlived() -> Sequence[Trouble]:
    standing = Standing(
        "session", "https://backend.test", _cookie("Max-Age=60; Secure; HttpOnly; SameSite=Lax")
    )
    standing.begin(1_000.0)
    standing.accepted("me")
    standing.refused("portfolio", None, 2_000.0)
    return list(standing.troubles(2_000.0))


def _cookie(attributes: str) -> Credentials:
    facts = ((ATTRIBUTES, attributes),)
    value = Secret("planted")
    return Credentials(
        broker="crypto", frame=value, token=value, account=Account.NONE, facts=facts, user=None
    )


@asynccontextmanager
async def _with_a_key_that_expires() -> AsyncIterator[Patient]:
    """In the middle of the look."""
    async with Simulator([BINGX], regions=SWAP) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        world = simulator.worlds[BINGX.name]
        user = world.accounts[0]
        key = BINGX.read_credentials(BINGX.write_credential(user))
        world.lend(key.token, user.user, world.floor.at(asyncio.get_running_loop().time()) + 3.0)
        yield Patient(
            name="sim:bingx", broker=BINGX, endpoint=endpoint, key=key, symbol="BTC-USDT", is_ours=True
        )


_STATED = Limited(form=Form.SLOWAPI, status=429, stated=100, retry_after=None)
_DATABASE = frozenset(("crypto.mongo-down",))
CASES: list[Staged] = [
    # its database
    _backend("crypto.health-lies", "no database", "backend-health-lies", certain=True, beside=_DATABASE),
    _backend("crypto.health-hangs", "a dependency hangs", "backend-health-hangs", certain=True),
    _backend("crypto.mongo-down", "down", "backend-database-down", certain=True),
    Staged(
        code="crypto.mongo-down",
        name="no time for an answer to the login",
        play=travelling(simulated("crypto", "backend-database-down"), "crypto.mongo-down", budget=15.0),
        certain=True,
    ),
    _backend("crypto.mongo-down", "failover", "backend-database-failover", certain=True),
    _backend("crypto.mongo-pool", "exhausted", "backend-pool-exhausted:timeouts=1", certain=True),
    _backend("crypto.mongo-allow-list", "alert", "backend-database-allow-list", certain=True),
    # its sessions
    _backend("crypto.session-secret", "many workers", "backend-many-secrets", certain=True),
    _backend(
        "crypto.session-secret", "restarted", "backend-restarted@3s", certain=True, deep=True, budget=180.0
    ),
    _backend(
        "crypto.session-expired",
        "its time is over",
        "backend-session-short:seconds=5",
        deep=True,
        budget=180.0,
    ),
    _paper(
        "crypto.session-expired",
        "its time is over",
        _troubles(*_outlived()),
        why=SECOND_FORM,
        certain=True,
    ),
    *(
        Staged(
            code="crypto.session-cookie",
            name=f"{flaw} in a cookie that was just given",
            play=travelling(signing_in(f"backend-cookie:flaw={flaw}"), "crypto.session-cookie"),
            certain=True,
        )
        for flaw in ("secure", "path", "domain")
    ),
    _for_long("data.cached-as-fresh", "a price that stands still", "backend-market-cached", 120.0),
    _for_long("data.stale-history", "snapshots that are no longer made", "backend-snapshots-stopped", 120.0),
    # its limiter
    _backend("crypto.rate-limited-own", "limit of ours", "backend-limit"),
    _backend("crypto.rate-limited-own", "stated", "backend-limit:form=shared,limit=3", certain=True),
    _paper(
        "crypto.rate-limited-shared",
        "stated",
        _troubles(limits.trouble_of(_STATED, 8, is_own=False)),
        why=SECOND_FORM,
        certain=True,
    ),
    _backend("crypto.rate-limited-shared", "used up", "backend-limit-used-up:share=1"),
    # the exchange behind it
    _for_long("crypto.fernet-key", "lost", "backend-fernet-key", 120.0, certain=True),
    _backend("crypto.bingx-busy", "behind a backend", "backend-broker-limited"),
    _exchange("crypto.bingx-timestamp", "100421", "exchange-error:code=100421"),
    _exchange("crypto.bingx-timestamp", "its clock", "exchange-clock-skew", deep=True, budget=180.0),
    _exchange("crypto.bingx-busy", "itself", "exchange-error"),
    _exchange("crypto.bingx-symbol-offline", "taken off", "exchange-symbol-offline", certain=True),
    _exchange("crypto.bingx-200-with-error", "unknown code", "exchange-error:code=123456", certain=True),
    _exchange("crypto.bingx-signature", "100001", "exchange-error:code=100001", certain=True),
    _exchange("crypto.bingx-permission", "100004", "exchange-error:code=100004"),
    Staged(
        code="crypto.bingx-listen-key",
        name="expires",
        play=travelling(_with_a_key_that_expires, "crypto.bingx-listen-key"),
        certain=True,
    ),
    _paper(
        "crypto.bingx-listen-key",
        "expired",
        read_event(EXPIRED, {})[0],
        broker="bingx",
        why=SECOND_FORM,
        certain=True,
    ),
    _exchange(
        "crypto.bingx-ip-allow-list", "100419", "exchange-error:code=100419,path=server/time", certain=True
    ),
]
