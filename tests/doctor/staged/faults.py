"""Staged: what the simulator can do and no other case here makes it do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import TLSVersion

from probe.brokers import find_broker
from probe.doctor.examine import DEEP_BUDGET, Patient
from probe.drivers.tls import TlsProfile
from probe.model.credentials import PasswordLogin, Secret
from probe.model.endpoint import Account, Endpoint
from probe.monitor.sign_in import SignIn
from probe.simulator.run import Simulator
from tests.doctor.simulated import simulated
from tests.doctor.staged.crypto import signing_in as crypto_signing_in
from tests.doctor.staging import Stage, Staged, looking_for, travelling
from tests.monitor.matrix_coins import REST

PO, QX = find_broker("pocketoption"), find_broker("quotex")


def _nobody(_: object) -> None:
    """There is no person to give a PIN."""


def _signing_in(fault: str) -> Stage:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with Simulator([QX], faults=[fault], pages=True) as simulator:
            person = simulator.worlds[QX.name].accounts[0]
            login = PasswordLogin(
                broker=QX.name,
                user=Secret(person.email),
                password=Secret(person.password),
                account=Account.DEMO,
            )
            assert QX.web is not None
            key = SignIn(web=QX.web, login=login, keep=None, answer=_nobody)
            endpoint = simulator.plain_endpoints()[0]
            yield Patient(name="sim:quotex", broker=QX, endpoint=endpoint, key=key, is_ours=True)

    return stage


def _of_one_version(only: str, minimum: TLSVersion) -> Stage:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with Simulator([PO], faults=[f"tls-version:only={only}"], tls=True) as simulator:
            served = next(each for each in simulator.endpoints if each.ca_file is not None)
            endpoint = Endpoint(
                broker=PO.name,
                region=served.region,
                url=served.url,
                account=served.account,
                named_by_user=True,
            )
            tls = TlsProfile(ca_file=served.ca_file, minimum=minimum)
            key = simulator.key(endpoint)
            yield Patient(name="sim:pocketoption", broker=PO, endpoint=endpoint, key=key, tls=tls)

    return stage


def _staged(code: str, fault: str, stage: Stage, *beside: str, deep: bool = False) -> Staged:
    play = travelling(stage, code, leaves_early=False, deep=deep, budget=DEEP_BUDGET)
    return Staged(code=code, name=fault, play=play, beside=frozenset(beside))


OF_OTHERS: tuple[tuple[str, str, str, bool], ...] = (
    ("mt5", "gateway-nginx-503", "http.bad-gateway", False),
    ("mt5", "gateway-big-body", "session.message-too-big", True),
    ("mt5", "gateway-endless-body", "session.message-too-big", True),
    ("mt5", "gateway-invalid-utf8", "http.200-not-101", False),
    ("mt5", "gateway-wild-numbers", "http.200-not-101", False),
    ("crypto", "backend-traces", "http.bad-gateway", False),
    ("crypto", "backend-busy", "http.open-timeout", False),
    ("crypto", "backend-broker-down", "http.bad-gateway", False),
)
IN_TWO_MINUTES = (
    ("crypto", "backend-broker-clock", "crypto.bingx-timestamp"),
    ("crypto", "backend-market-stale", "data.stale-ticks"),
)

CASES = [
    *(
        _staged(code, fault, simulated(broker, fault), *beside)
        for code, broker, fault, *beside in (
            ("sio.connect-error", PO, "connect-error:message=No room"),
            ("session.closed-1005", PO, "close-loop"),
            ("session.policy-1008", PO, "rate-limit:limit=1"),
            ("sio.binary-placeholder", QX, "interleave", "session.request-no-reply"),
            ("cfg.client-outdated", PO, "truncate-json:every=2", "session.request-no-reply"),
            ("cfg.client-outdated", PO, "missing-element"),
            ("cfg.client-outdated", PO, "garbage:at=2s"),
            ("sio.binary-placeholder", PO, "binary-garbage:at=2s"),
            ("session.slow-consumer", PO, "flood:at=2s"),
            ("session.closed-1006", PO, "cut@3s"),
            ("session.tcp-reset", PO, "reset@3s"),
            ("session.protocol-error", PO, "corrupt:after=6000"),
            ("session.peer-stopped-ponging", PO, "freeze@3s"),
            ("tcp.refused", PO, "refuse"),
        )
    ),
    *(
        _staged(code, fault, _signing_in(fault))
        for code, fault in (
            ("http.cf-challenge", "signin-challenge"),
            ("cfg.login-page-changed", "signin-form-missing"),
            ("geo.blocked", "signin-region-blocked"),
            ("auth.2fa-pin", "signin-pin"),
            ("auth.bad-credentials", "signin-refused"),
            ("cfg.login-page-changed", "signin-settings-missing"),
        )
    ),
    *(
        _staged(code, f"{broker} {fault}", simulated(broker, fault, at=at), deep=True)
        for code, broker, fault, at in (
            ("data.stale-ticks", "mt5", "gateway-broker-down", None),
            ("data.stale-ticks", "mt5", "gateway-frozen-feed", None),
            ("mt5.multi-terminal", "mt5", "gateway-account-switched@5s", None),
            ("http.429", "bingx", "exchange-limit:requests=0", REST),
        )
    ),
    _staged("http.bad-gateway", "backend-hash-broken", crypto_signing_in("backend-hash-broken")),
    _staged("eio.ping-direction", "stop-pings", simulated(PO, "stop-pings"), deep=True),
    _staged("tls.version", "tls-version:only=1.2", _of_one_version("1.2", TLSVersion.TLSv1_3)),
    *(
        Staged(
            code=code,
            name=f"{broker} {fault}",
            play=travelling(simulated(broker, fault), code),
            certain=certain,
            long=True,
        )
        for broker, fault, code, certain in OF_OTHERS
    ),
    *(
        Staged(
            code=code,
            name=f"{broker} {fault} looked at for long",
            play=looking_for(120.0, simulated(broker, fault), code),
            long=True,
        )
        for broker, fault, code in IN_TWO_MINUTES
    ),
]
