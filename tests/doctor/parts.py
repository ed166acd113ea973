"""Causes that can stand beside another one, and what each does to whatever comes later."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from probe.measure.records import Attempt, Disconnected
from probe.session.broker import Region
from tests.doctor import mt5_stubs
from tests.doctor.scenes import (
    CLOCK_OFF,
    EARLY,
    GIVEN_UP,
    IDLE,
    OF_AGE,
    STORM,
    Around,
    asked_for_the_time,
    asleep,
    bad_url,
    behind_socks,
    few_handles,
    for_the_other_kind,
    held_up,
    kept,
    nothing,
    older_file,
    pasted,
    seeing,
    through,
    unfit_client,
)
from tests.doctor.staged import login, mt5, tls, upgrade, ways
from tests.doctor.staged.config import PO as FRAME
from tests.doctor.staging import Stage
from tests.doctor.tls_stubs import at_port, saying, silent, speaking_tls
from tests.doctor.upgrade_stubs import answers, at, engine, greeting, says, switches
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.monitor.matrix_coins import REST

SATURDAY_NOON = WEDNESDAY_NOON + 3 * 86400.0
PO, QX, MT5, CRYPTO, BINGX = "pocketoption", "quotex", "mt5", "crypto", "bingx"
OPTIONS = frozenset((PO, QX))
EVERYBODY = frozenset((PO, QX, MT5, CRYPTO, BINGX))


class Step(IntEnum):
    """Where a cause shows."""

    HERE = 0
    NAMES = 1
    WAYS = 2
    TLS = 3
    UPGRADE = 4
    OPENING = 5
    LOGIN = 6
    LIVE = 7
    PRICES = 8
    END = 9


@dataclass(frozen=True, kw_only=True)
class Part:
    """One cause.

    Args:
        ends: What would show later, or at the same step, cannot be seen any more.
        stops: Nobody can trade with it; usual: as it ends the look.
        stops_beside: Whether it keeps from trading beside that other cause, which may well hang on it.
        brokers: Whose servers can have it.
        server: Stands in the simulator's place.
        faults: Of the simulator, which has those of both.
        around: What is put around the patient.
        reading: What this machine's wall clock shows so many seconds after the beginning.
        beside: Other codes that are true of it as well.
    """

    code: str
    step: Step
    ends: bool = False
    stops: bool | None = None
    stops_beside: Callable[["Part"], bool] = lambda other: False
    brokers: frozenset[str] = frozenset((PO,))
    server: Stage | None = None
    faults: tuple[str, ...] = ()
    regions: Sequence[Region] | None = None
    symbol: str = ""
    utc: float | None = None
    around: Around | None = None
    reading: Callable[[float], float] | None = None
    there: str = ""  # the name of a host in the namespace of `tests.doctor.alone`
    beside: frozenset[str] = frozenset()

    @property
    def layer(self) -> str:
        return self.code.partition(".")[0]

    def stops_trading(self, other: "Part") -> bool:
        usual = self.ends if self.stops is None else self.stops
        return usual or (other.ends and self.stops_beside(other))


# -- all of them -------------------------------------------------------------------------------------------------------

LIVES_TILL = "at=8s"
CLOSES: Mapping[str, int] = {
    "session.closed-normal": 1001,
    "session.closed-1005": 1005,
    "session.policy-1008": 1008,
    "session.message-too-big": 1009,
    "session.protocol-error": 1002,
    "session.app-close-4xxx": 4001,
}
CF, JSON, NGINX, PAGE = upgrade.CF, upgrade.JSON, upgrade.NGINX, upgrade.PAGE


_REFUSED_THERE = ("mt5.auth-failed", "mt5.gateway-401")
# By a clock that is wrong prices are old, and what is signed is so too early or too late.
_WITH_THE_CLOCK = frozenset(("data.clock-offset", "data.stale-ticks", "crypto.bingx-timestamp"))


def _by_date(other: Part) -> bool:
    """Certificates, tokens and what is signed have a time in which they are valid."""
    named = (
        "http.401",
        "http.403-origin",
        "http.origin-or-ua",
        "cfg.ssid-stale-cache",
        "cfg.login-page-changed",
        *_REFUSED_THERE,
    )
    without = ("tls.tls-on-plain", "tls.alpn-h2", "auth.false-success", "auth.login-rate-limited")
    return other.code in named or (other.layer in ("tls", "auth") and other.code not in without)


def _fails(other: Part) -> bool:
    """And it is not only that nothing comes."""
    return Step.HERE < other.step < Step.LIVE or other.step is Step.END or other.code in _REFUSED_THERE


def _cannot_be_read(code: str, text: str, broker: str = "") -> Part:
    return Part(code=code, step=Step.HERE, ends=True, brokers=EVERYBODY, around=pasted(text, broker))


def _host(code: str, **about: Any) -> Part:
    return Part(code=code, step=Step.HERE, **{"brokers": EVERYBODY, **about})


def _kept(code: str, *records: Attempt | Disconnected, **about: Any) -> Part:
    return Part(code=code, step=Step.HERE, brokers=EVERYBODY, around=kept(*records), **about)


def _secure(code: str, stage: Stage) -> Part:
    return Part(code=code, step=Step.TLS, ends=True, server=stage)


def _answered(code: str, stage: Stage, **about: Any) -> Part:
    return Part(code=code, step=Step.UPGRADE, ends=True, server=stage, **about)


def _fault(code: str, fault: str, step: Step, **about: Any) -> Part:
    return Part(code=code, step=step, faults=(fault,), **{"brokers": OPTIONS, **about})


def _ends(code: str, fault: str, step: Step, **about: Any) -> Part:
    return _fault(code, fault, step, ends=True, **about)


def _gateway(code: str, fault: str, **about: Any) -> Part:
    return _fault(code, fault, Step.LIVE, brokers=frozenset((MT5,)), **about)


def _terminal(code: str, stage: Stage, **about: Any) -> Part:
    return Part(code=code, step=Step.LIVE, brokers=frozenset((MT5,)), server=stage, **about)


def _backend(code: str, fault: str, **about: Any) -> Part:
    return _fault(code, fault, Step.LIVE, brokers=frozenset((CRYPTO,)), **about)


def _exchange(code: str, fault: str, **about: Any) -> Part:
    return _fault(code, fault, Step.LIVE, brokers=frozenset((BINGX,)), regions=REST, **about)


PARTS: tuple[Part, ...] = (
    # this machine, and load of its own making
    _host("host.fd-limit", around=few_handles),
    _host(
        "host.clock-wrong",
        around=asked_for_the_time,
        reading=lambda after: after + CLOCK_OFF,
        stops_beside=_by_date,
        beside=_WITH_THE_CLOCK,
    ),
    _host(
        "host.clock-stepped",
        reading=lambda after: after - 90.0 * (after >= EARLY),
        beside=_WITH_THE_CLOCK,
    ),
    _host("host.event-loop-blocked", around=held_up),
    _host(
        "host.suspend-resume",
        around=asleep,
        reading=lambda after: after + 3600.0 * (after >= EARLY),
        beside=_WITH_THE_CLOCK,
        stops_beside=_fails,  # after a sleep it may be well already
    ),
    _host("host.cpu-starved", around=seeing(cpu_busy=1.0, cpu_own=0.02, cpu_waited=0.83, slept_seconds=0.0)),
    _host("load.ephemeral-ports", around=seeing(ports=28_000, ports_in_use=27_900, time_wait=27_000)),
    # credential and clients
    _cannot_be_read("cfg.ssid-mangled", FRAME[:40]),
    _cannot_be_read("cfg.ssid-raw-token", "q7w6ha4u5vb1k2m9z0c3d8e7f1"),
    _cannot_be_read("cfg.ssid-wrong-frame", "laravel_session=eyJpdiI6Ik5vcGUifQ; cf_clearance=abc", QX),
    Part(code="cfg.url-malformed", step=Step.HERE, ends=True, brokers=EVERYBODY, around=bad_url),
    _host("cfg.library-version", around=unfit_client, brokers=frozenset((PO,))),
    _host("cfg.socks-extra-missing", around=behind_socks, brokers=frozenset((PO,))),
    Part(code="cfg.ssid-stale-cache", step=Step.LOGIN, ends=True, around=older_file, faults=("auth-refused",)),
    Part(code="cfg.ssid-field-override", step=Step.LIVE, around=for_the_other_kind),
    _fault("cfg.client-outdated", "rename-event:of=balance", Step.LIVE),
    # the way
    Part(code="tcp.refused", step=Step.WAYS, ends=True, server=ways.closed),
    Part(code="tcp.timeout", step=Step.WAYS, ends=True, server=ways.full),
    Part(code="tcp.reset-in-path", step=Step.TLS, ends=True, server=ways.resetting),
    Part(code="tcp.proxy-refused", step=Step.WAYS, ends=True, around=through(None)),
    Part(code="tcp.proxy-auth", step=Step.WAYS, ends=True, around=through(ways.LOGIN_WANTED)),
    *(
        Part(code=code, step=Step.NAMES, ends=True, server=nothing, there=f"{name}.trading.example")
        for code, name in (
            ("dns.nxdomain", "gone"),
            ("dns.temporary-failure", "servfail"),
            ("dns.no-address", "empty"),
            ("dns.blocked", "zero"),
        )
    ),
    Part(code="tcp.unreachable", step=Step.WAYS, ends=True, server=nothing, there="barred.sim.test"),
    Part(code="tcp.denied-locally", step=Step.WAYS, ends=True, server=nothing, there="forbidden.sim.test"),
    Part(code="net.ipv6-blackhole", step=Step.WAYS, stops=True, there="half-dead.sim.test"),
    # TLS
    _secure("tls.unknown-ca", at_port(speaking_tls("other authority"))),
    _secure("tls.server-cert-expired", at_port(speaking_tls("expired"))),
    _secure("tls.hostname", at_port(speaking_tls("wrong host"))),
    _secure("tls.sni-missing", at_port(speaking_tls("good", tls.wants_a_name))),
    _secure("tls.version", at_port(speaking_tls("good", tls.only_1_2), minimum=tls.TLS_1_3)),
    _secure("tls.plain-on-tls", at_port(saying(tls.PAGE))),
    _secure("tls.tls-on-plain", at_port(speaking_tls("good"), "ws")),
    _secure("tls.eof-in-handshake", at_port(silent)),
    _secure("tls.alpn-h2", at_port(saying(tls.SETTINGS), "ws")),
    _secure("tls.client-cert-required", at_port(speaking_tls("client certificate"))),
    # the upgrade
    _ends("http.cf-challenge", "http-status:code=403", Step.UPGRADE),
    _ends("geo.blocked", "http-status:code=451", Step.UPGRADE),
    _ends("http.429", "http-status:code=429,retry_after=20s", Step.UPGRADE),
    _ends("http.bad-gateway", "http-status:code=503", Step.UPGRADE),
    _ends("http.open-timeout", "silent-upgrade", Step.UPGRADE),
    _answered("http.cf-ip-reputation", at(upgrade.on_edge(1020))),
    _answered("http.host-vs-sni", at(upgrade.on_edge(1013))),
    _answered("http.origin-or-ua", at(upgrade.only_for("https://elsewhere.test"))),
    _answered("http.401", at(answers("401 Unauthorized", "WWW-Authenticate: Bearer"))),
    _answered("http.403-origin", at(answers("403 Forbidden", *NGINX, body="<h1>403 Forbidden</h1>"))),
    _answered("http.cf-52x", at(answers("521 Origin Error", *CF, body="<h1>Oops</h1>"))),
    _answered("http.200-not-101", at(answers("200 OK", *NGINX, body=PAGE))),
    _answered("http.wrong-path", at(answers("404 Not Found", *JSON, body='{"detail":"Not Found"}'))),
    _answered("http.no-upgrade", at(answers("426 Upgrade Required", *NGINX))),
    _answered("http.redirect", at(answers("302 Found", "Location: https://elsewhere.test/"))),
    _answered("http.error-seen-as-timeout", at(answers("503 Service Unavailable", *NGINX, body="Oops!", length=100))),
    _answered("http.handshake-invalid", at(switches(key=b"another"))),
    _answered("http.not-http", at(says(b"SSH-2.0-OpenSSH_9.6\r\n", at_once=True))),
    # the openings
    _answered("eio.version", at(answers("400 Bad Request", *JSON, body='{"code":5,"message":"Unsupported protocol version"}'))),
    _answered("eio.sid-unknown", at(answers("400 Bad Request", *JSON, body='{"code":1,"message":"Session ID unknown"}'))),
    _answered("eio.polling-only", at(answers("200 OK", "Content-Type: text/plain", body=upgrade.ENGINE_OPEN % "[]"))),
    Part(
        code="eio.ping-timeout", step=Step.LOGIN, ends=True,
        server=at(engine(greeting(), '40{"sid":"def"}', every=0.9, beats=["2", "2", "3", "3"])),
    ),
    _ends("eio.no-open", "no-open", Step.OPENING),
    _ends("eio.ping-direction", "beat-terms:interval=4s:timeout=4s", Step.END, brokers=frozenset((PO,))),
    _ends("sio.connect-silent", "no-join", Step.OPENING),
    _ends("sio.namespace", "connect-error", Step.OPENING),
    _answered("sio.connect-error", at(engine(greeting(every=25), '44{"message":"Not authorized"}')), stops=True),
    _fault(
        "sio.binary-placeholder", "drop-attachment", Step.PRICES,
        beside=frozenset(("session.request-no-reply",)),
    ),
    # the login
    _ends("auth.session-expired", "auth-refused", Step.LOGIN),
    _ends("auth.rejected-41", "auth-41", Step.LOGIN),
    _ends("auth.silent-after-connect", "auth-silent", Step.LOGIN),
    _fault("auth.demo-real-mismatch", "lying-balance", Step.LIVE, stops=True),
    _ends("auth.logged-in-elsewhere", f"kicked-elsewhere:{LIVES_TILL}", Step.END),
    _ends("auth.false-success", "false-success", Step.LIVE),
    Part(code="auth.ip-bound", step=Step.LOGIN, ends=True, server=login._bound(login.USED_TODAY, "auth-refused")),
    Part(code="auth.connection-cap", step=Step.UPGRADE, ends=True, server=login._full_house(2)),
    *(
        Part(code=code, step=Step.LOGIN, ends=True, brokers=frozenset((QX,)), server=login._signing_in(answer, login.FORM))
        for code, answer in (
            ("auth.bad-credentials", login._page("200 OK", '<p class="hint--danger">Invalid e-mail or password</p>')),
            ("auth.2fa-pin", login._page("200 OK", f'{login.INPUT}<input name="keep_code" value="1">')),
            ("auth.login-rate-limited", login.TOO_MANY),
            ("cfg.login-page-changed", login._page("200 OK", "<p>Hello</p>")),
        )
    ),
    # the session
    _ends("session.silent-stall", "silent-stall:at=2s", Step.PRICES),
    _fault("session.one-symbol-stall", "one-symbol-stall:at=3s,symbol=EURUSD_otc", Step.PRICES, brokers=frozenset((PO,)), stops=True),
    _ends("session.heartbeat-without-data", "disowned:at=2s", Step.PRICES, brokers=frozenset((PO,))),
    _fault("session.subscription-cap", "stream-cap", Step.PRICES, brokers=frozenset((PO,)), stops=True),
    _ends("session.subscription-not-armed", "half-subscribed", Step.PRICES, brokers=frozenset((PO,))),
    _fault("session.request-no-reply", "history-unanswered", Step.PRICES),
    _fault("session.peer-stopped-ponging", "no-pong", Step.LIVE),
    *(_ends(code, f"close:{LIVES_TILL},code={number}", Step.END) for code, number in CLOSES.items()),
    _ends("session.closed-1006", f"drop:{LIVES_TILL}", Step.END),
    _ends("session.tcp-reset", f"tcp-reset:{LIVES_TILL}", Step.END),
    _kept("session.idle-timeout", *IDLE),
    _kept("session.max-lifetime", *OF_AGE),
    _kept("session.reconnect-storm", *STORM),
    _kept("session.reconnect-broken", *GIVEN_UP),
    # prices
    Part(code="data.market-closed", step=Step.PRICES, ends=True, brokers=OPTIONS, utc=SATURDAY_NOON, symbol="EURUSD"),
    Part(code="data.unknown-asset", step=Step.PRICES, ends=True, brokers=OPTIONS, symbol="NOSUCH"),
    _fault("data.stale-ticks", "frozen-price", Step.PRICES),
    _fault("data.clock-offset", "clock-skew", Step.PRICES),
    _fault("data.gap", "silent-stall:at=0s@2s+12s", Step.PRICES, brokers=frozenset((PO,))),
    _fault("data.out-of-order", "out-of-order-ticks", Step.PRICES, brokers=frozenset((PO,))),
    _fault("data.duplicates", "duplicate-ticks", Step.PRICES),
    # gateway and terminal
    _gateway("mt5.bridge-hang", "gateway-blocked", ends=True),
    _gateway("mt5.gateway-up-terminal-down", "gateway-terminal-closed", ends=True),
    _gateway("mt5.gateway-401-random", "gateway-workers"),
    _gateway("mt5.ipc-timeout", "gateway-ipc-timeout", ends=True),
    _gateway("mt5.gateway-401", "gateway-tokens-lost", ends=True),
    _gateway("mt5.server-timezone", "gateway-bad-offset"),
    _gateway("session.silent-stall", "gateway-frozen-feed", stops=True),
    *(
        _fault(code, fault, Step.UPGRADE, brokers=frozenset((MT5,)), ends=True)
        for code, fault in (
            ("http.bad-gateway", "gateway-nginx-504"),
            ("http.200-not-101", "gateway-html"),
            ("http.redirect", "gateway-redirect"),
        )
    ),
    _terminal("mt5.algo-off", mt5_stubs.terminal(mt5._set(trade_allowed=False))),
    _terminal("mt5.investor-password", mt5_stubs.terminal(mt5._set(account_trade_allowed=False))),
    _terminal("mt5.algo-off-server", mt5_stubs.terminal(mt5._set(trade_expert=False))),
    _terminal("mt5.trade-disabled", mt5_stubs.terminal(mt5._restricted)),
    _terminal("mt5.no-prices", mt5_stubs.terminal(mt5._without_price), stops=True),
    _terminal("mt5.multi-terminal", mt5_stubs.terminal(account=77), stops=True),
    _terminal("mt5.history-none", mt5_stubs.terminal(mt5._loaded_later)),
    _terminal("mt5.none-as-empty", mt5_stubs.terminal(mt5._instead("positions_get", -10006, "?", nothing=[]))),
    _terminal("mt5.ipc-contention", mt5_stubs.terminal(mt5._instead("symbol_info_tick", -10000, "IPC error", every=3))),
    _terminal("mt5.auth-failed", mt5_stubs.terminal(account=77, password="wrong"), ends=True),
    _terminal("mt5.terminal-crashed", mt5_stubs.terminal(mt5._away), ends=True),
    _terminal("mt5.terminal-not-found", mt5_stubs.terminal(mt5._unattached(-10003, "x64 not found", 0.01)), ends=True),
    _terminal("mt5.version-mismatch", mt5_stubs.terminal(mt5._unattached(-5, "Incompatible versions", 0.01)), ends=True),
    _terminal("mt5.bridge-down", mt5_stubs.over_a_bridge(mt5_stubs.closed_port), stops=True),
    _terminal("mt5.gateway-422", mt5_stubs.gateway(mt5_stubs.says(422, "field required", "symbol")), stops=True),
    _terminal("mt5.gateway-500", mt5_stubs.gateway(mt5_stubs.says(500, "Internal error", "history"))),
    _terminal("mt5.no-server-connection", mt5_stubs.terminal(mt5._set(connected=False)), stops=True),
    _terminal("mt5.symbol-not-selected", mt5_stubs.terminal(mt5._set(hidden={"EURUSD"})), stops=True),
    _terminal("mt5.no-ipc", mt5_stubs.terminal(mt5._unattached(-10004, "No IPC connection", 0.001)), ends=True),
    # backend and exchange
    _backend("crypto.mongo-down", "backend-database-down", stops=True),
    _backend("crypto.health-lies", "backend-health-lies", stops=True, beside=frozenset(("crypto.mongo-down",))),
    _backend("crypto.mongo-allow-list", "backend-database-allow-list", stops=True),
    _backend("crypto.rate-limited-shared", "backend-limit-used-up:share=1"),
    _backend("crypto.mongo-pool", "backend-pool-exhausted:timeouts=1"),
    _backend("crypto.health-hangs", "backend-health-hangs"),
    _backend("crypto.rate-limited-own", "backend-limit:form=shared,limit=3"),
    _exchange("crypto.bingx-busy", "exchange-error"),
    _exchange("crypto.bingx-timestamp", "exchange-error:code=100421"),
    _exchange("crypto.bingx-permission", "exchange-error:code=100004"),
    _exchange("crypto.bingx-200-with-error", "exchange-error:code=123456"),
    _exchange("crypto.bingx-ip-allow-list", "exchange-error:code=100419,path=server/time", stops=True),
    _exchange("crypto.bingx-signature", "exchange-error:code=100001", stops=True),
    _exchange("crypto.bingx-symbol-offline", "exchange-symbol-offline", stops=True),
)  # fmt: skip
