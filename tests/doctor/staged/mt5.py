"""Staged: a gateway over a terminal, and the terminal itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from probe.brokers.mt5 import BROKER
from probe.brokers.mt5.verdicts import NOT_RUNNING
from probe.diagnose.case import Case, Look, Looks
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.doctor.examine import Patient
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Phase, PhaseFinished, Told
from probe.model.meanings import Admitted, Trouble, Troubles
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
from tests.doctor.staging import SECOND_FORM, Staged, looking_for, on_paper, travelling


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


@asynccontextmanager
async def _without_a_journal() -> AsyncIterator[Patient]:
    async with terminal()() as patient:
        yield replace(patient, about=About(journal="/nowhere/at/all"))


def _with_a_journal(words: str) -> Stage:
    """Into which the terminal writes that an order failed, while it is looked at."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        with TemporaryDirectory() as folder:
            log = Path(folder) / "20260105.log"
            log.write_text("\ufeff", "utf-16-le")

            async def fail() -> None:
                await asyncio.sleep(8.0)
                line = f"AB\t2\t12:00:08.000\tTrades\t'1001': failed market buy 0.1 EURUSD [{words}]\r\n"
                with log.open("ab") as file:
                    file.write(line.encode("utf-16-le"))

            failing = asyncio.create_task(fail())
            async with terminal()() as patient:
                yield replace(patient, about=About(journal=folder))
            await failing

    return stage


def _loses_packets(stub: Stub) -> None:
    usual = stub.its.functions["terminal_info"]
    stub.its.functions["terminal_info"] = lambda: usual()._replace(retransmission=12.5)


def _gets_slow(stub: Stub) -> None:
    """Twenty usual pings, and then some of ten times as much."""
    usual, pings = stub.its.functions["terminal_info"], count(20_000)

    def info() -> Any:
        ping = next(pings)
        return usual()._replace(ping_last=ping if ping < 20_020 else 10 * ping)

    stub.its.functions["terminal_info"] = info


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
        why=SECOND_FORM,
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
    *(
        Staged(
            code=code,
            name=f"an order that failed with {words}",
            play=looking_for(20.0, _with_a_journal(words), code, utc=MONDAY_NOON),
        )
        for code, words in (
            ("mt5.wrong-account-type", "Only real accounts allowed"),
            ("mt5.market-closed", "Market closed"),
        )
    ),
    _of("mt5.ping-high", "packets are lost", terminal(_loses_packets)),
    Staged(
        code="mt5.ping-high",
        name="ten times as long",
        play=looking_for(300.0, terminal(_gets_slow), "mt5.ping-high", utc=MONDAY_NOON),
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
        play=travelling(_without_a_journal, "host.unreadable-file", utc=MONDAY_NOON),
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
