"""Staged: a gateway over a terminal, and the terminal itself."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from probe.brokers.mt5 import BROKER
from probe.brokers.mt5.standing import Link
from probe.brokers.mt5.verdicts import NOT_RUNNING
from probe.diagnose.case import Case, Look, Looks
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.doctor.examine import Patient
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Phase, PhaseFinished, Told
from probe.model.failures import Blame
from probe.model.meanings import Admitted, Effect, Trouble, Troubles
from probe.monitor.endpoints import About
from tests.brokers.mt5.asked import MONDAY_NOON, Gateway, key, reply
from tests.doctor.mt5_stubs import (
    Stage,
    Stub,
    closed_port,
    failing,
    gateway,
    over_a_bridge,
    resetting_port,
    says,
    terminal,
    unknown_name,
)
from tests.doctor.simulated import simulated
from tests.doctor.staging import Staged, on_paper, travelling


def _of(
    code: str, name: str, stage: Stage, *, certain: bool = False, beside: frozenset[str] = frozenset()
) -> Staged:
    play = travelling(stage, code, utc=MONDAY_NOON)
    return Staged(code=code, name=name, play=play, certain=certain, beside=beside)


def _fault(
    code: str, name: str, fault: str, *, certain: bool = False, beside: frozenset[str] = frozenset()
) -> Staged:
    play = travelling(simulated("mt5", fault), code)
    return Staged(code=code, name=name, play=play, certain=certain, beside=beside)


def _paper(code: str, name: str, *rows: Trouble, why: str, certain: bool = False) -> Staged:
    """Of a session that was live."""

    def make() -> Case:
        facts = Facts()
        facts.add(PhaseFinished(at=1.0, phase=Phase.AUTHENTICATING, began_at=0.5))
        facts.add(Told(at=1.0, meaning=Admitted()))
        facts.add(Told(at=9.0, meaning=Troubles(about="terminal", rows=rows)))
        endpoint = Endpoint(broker="mt5", region="own", url="terminal://local", account=Account.NONE)
        return Case(
            looks=Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None)))
        )

    return Staged(
        code=code, name=f"{name} on paper", play=on_paper(make, code, BROKER, why=why), certain=certain
    )


def _slow_way() -> Sequence[Trouble]:
    """Twenty usual pings, and three of ten times as much."""
    link = Link()
    pings = [20_000 + place for place in range(20)] + [200_000, 210_000, 220_000]
    told = [link.see({"connected": True, "ping_last": each, "retransmission": 0.0})[0] for each in pings]
    return told[-1]


def _set(**attributes: object) -> Callable[[Stub], None]:
    """Of the simulated terminal."""

    def prepare(stub: Stub) -> None:
        for name, value in attributes.items():
            assert hasattr(stub.its, name)
            setattr(stub.its, name, value)

    return prepare


def _instead(
    function: str, code: int, words: str, after: float = 0.001, *, nothing: object = None, every: int = 1
) -> Callable[[Stub], None]:
    """Of this function's calls one in so many fails so."""

    def prepare(stub: Stub) -> None:
        failed = failing(code, words, after, nothing=nothing)
        stub.instead[function] = lambda count: failed if count % every == every - 1 else None

    return prepare


def _unattached(code: int, words: str, after: float) -> Callable[[Stub], None]:
    def prepare(stub: Stub) -> None:
        for function, nothing in (("terminal_info", None), ("initialize", False)):
            _instead(function, code, words, after, nothing=nothing)(stub)

    return prepare


def _away(stub: Stub) -> None:
    stub.its.process_running = False


def _restricted(stub: Stub) -> None:
    usual = stub.its.functions["symbol_info"]
    stub.its.functions["symbol_info"] = lambda symbol: usual(symbol)._replace(trade_mode=3)


def _without_price(stub: Stub) -> None:
    usual = stub.its.functions["symbol_info_tick"]
    stub.its.functions["symbol_info_tick"] = lambda symbol: usual(symbol)._replace(
        time=0, time_msc=0, bid=0.0, ask=0.0
    )


def _second_factor(stub: Stub) -> None:
    words = "Unsupported authorization mode, OTP or certificate password needed"
    _instead("login", -6, words, nothing=False)(stub)


def _mute(stub: Stub) -> None:
    stub.is_mute = True


def _unseen(stub: Stub) -> None:
    stub.running = None
    _instead("terminal_info", -10004, "No IPC connection")(stub)


def _loaded_later(stub: Stub) -> None:
    failed = failing(-4, "Not found")
    stub.instead["history_deals_get"] = lambda count: failed if count == 0 else None


def _no_balance(gateway: Gateway) -> None:
    gateway.routes["/api/v1/balance"] = reply({"balance": 0.0})


def _with_a_journal(folder: str) -> Stage:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with terminal()() as patient:
            yield replace(patient, about=About(journal=folder))

    return stage


_ANOTHER = key(account=77)

CASES: list[Staged] = [
    # the bridge
    _of("mt5.bridge-down", "closed port", over_a_bridge(closed_port), certain=True),
    _of("mt5.bridge-down", "reset", over_a_bridge(resetting_port), certain=True),
    _of("mt5.bridge-down", "unknown name", over_a_bridge(unknown_name), certain=True),
    _of(
        "mt5.bridge-timeout",
        "long history",
        gateway(says(500, "result expired", "history", "snapshot", after=10.0)),
        certain=True,
    ),
    _fault("mt5.bridge-hang", "blocked loop", "gateway-blocked", certain=True),
    _of("mt5.bridge-hang", "mute bridge", terminal(_mute, is_bridge=True)),
    _of(
        "mt5.bridge-type-error",
        "netref",
        gateway(says(500, "Unable to serialize unknown type: <netref class 'numpy.float64'>", "symbol")),
    ),
    # the terminal behind it
    _fault("mt5.ipc-timeout", "behind a gateway", "gateway-ipc-timeout"),
    _of("mt5.ipc-timeout", "of a terminal", terminal(_unattached(-10005, "IPC timeout", 12.0)), certain=True),
    _of("mt5.terminal-not-found", "none installed", terminal(_unattached(-10003, "x64 not found", 0.01))),
    _of(
        "mt5.no-ipc", "process seen", terminal(_unattached(-10004, "No IPC connection", 0.001)), certain=True
    ),
    _of("mt5.no-ipc", "behind a bridge", terminal(_unseen, is_bridge=True)),
    _of(
        "mt5.ipc-contention",
        "some calls",
        terminal(_instead("symbol_info_tick", -10000, "IPC error", every=3)),
    ),
    _of(
        "mt5.version-mismatch",
        "minus 5",
        terminal(_unattached(-5, "Incompatible versions", 0.01)),
        certain=True,
    ),
    _of("mt5.terminal-crashed", "no process", terminal(_away)),
    _paper(
        "mt5.terminal-crashed",
        "ended meanwhile",
        NOT_RUNNING,
        why="a second form of what is staged for real",
        certain=True,
    ),
    _fault("mt5.gateway-up-terminal-down", "closed", "gateway-terminal-closed", certain=True),
    _fault("mt5.gateway-up-terminal-down", "logged out by others", "gateway-other-logged-out", certain=True),
    _of("mt5.multi-terminal", "another account", gateway(credentials=_ANOTHER), certain=True),
    _of("mt5.multi-terminal", "at the terminal", terminal(account=77), certain=True),
    # the account
    _of("mt5.auth-failed", "refused", terminal(account=77, password="wrong")),
    _of(
        "mt5.auth-mode-unsupported", "one-time password", terminal(_second_factor, account=77, password="any")
    ),
    _of("mt5.investor-password", "read only", terminal(_set(account_trade_allowed=False))),
    _of("mt5.algo-off", "button", terminal(_set(trade_allowed=False)), certain=True),
    _of("mt5.algo-off", "option", terminal(_set(tradeapi_disabled=True)), certain=True),
    _of("mt5.algo-off-server", "by the broker", terminal(_set(trade_expert=False))),
    _of("mt5.trade-disabled", "only closing", terminal(_restricted), certain=True),
    # its broker and its prices
    _of("mt5.no-server-connection", "lost", terminal(_set(connected=False)), certain=True),
    _paper(
        "mt5.wrong-account-type",
        "a netting account",
        Trouble(
            code="mt5.wrong-account-type",
            sentence="the account nets positions, and hedging was expected",
            advice="Ask for an account of the other kind.",
            effect=Effect.DEGRADES,
            blame=Blame.US,
        ),
        why="what kind of account was expected only its owner knows, and nobody asks him",
    ),
    _paper(
        "mt5.market-closed",
        "an order at night",
        Trouble(
            code="mt5.market-closed",
            sentence="an order was refused: the market is closed",
            advice="Trade within the symbol's sessions.",
            effect=Effect.DEGRADES,
            blame=Blame.US,
        ),
        why="needs an order that is refused, and the doctor places none",
    ),
    _paper(
        "mt5.ping-high",
        "ten times as long",
        *_slow_way(),
        why="needs the usual of a terminal's pings, of which one look sees too few",
    ),
    _of("mt5.no-prices", "no tick yet", terminal(_without_price), certain=True),
    _of("mt5.symbol-not-selected", "hidden", terminal(_set(hidden={"EURUSD"})), certain=True),
    _of("mt5.history-none", "loaded at last", terminal(_loaded_later), certain=True),
    _of("mt5.history-none", "not loaded", terminal(_instead("history_deals_get", -4, "Not found"))),
    _of(
        "mt5.none-as-empty",
        "empty beside a code",
        terminal(_instead("positions_get", -10006, "?", nothing=[])),
        certain=True,
    ),
    _of("mt5.none-as-empty", "zero beside an account", gateway(prepare=_no_balance)),
    _fault("mt5.server-timezone", "absurd offset", "gateway-bad-offset"),
    _fault("session.silent-stall", "frozen before anybody looked", "gateway-frozen-feed"),
    Staged(
        code="host.unreadable-file",
        name="a journal that is not there",
        play=travelling(_with_a_journal("/nowhere/at/all"), "host.unreadable-file", utc=MONDAY_NOON),
        certain=True,
    ),
    # the gateway
    _fault("mt5.gateway-401", "started anew", "gateway-tokens-lost"),
    _of(
        "mt5.gateway-401",
        "over by its date",
        gateway(credentials=key(expires=MONDAY_NOON - 60)),
        certain=True,
    ),
    _fault("mt5.gateway-401-random", "workers", "gateway-workers", certain=True),
    _of("mt5.gateway-422", "form", gateway(says(422, "field required", "symbol")), certain=True),
    _of("mt5.gateway-500", "no words", gateway(says(500, "Internal error", "history"))),
]
