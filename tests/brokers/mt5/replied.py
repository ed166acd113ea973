"""Flows of a terminal's calls, driven by values written down beforehand."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from probe.brokers.mt5.terminal import TerminalSurvey
from probe.model.credentials import Credentials
from probe.model.meanings import Meaning, Trouble, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import Explained, Said
from probe.wire.calls import Asking, Call, LookForProcess, ProcessFound, Reply, TerminalCall, TerminalReply

MONDAY_UTC = 1_795_428_000.0  # 2026-11-23, 10:00
SATURDAY_UTC = MONDAY_UTC - 2 * 86_400
PLAN = SurveyPlan(base="terminal://local", symbols=("EURUSD", "GBPUSD"), utc_at_zero=MONDAY_UTC)
ZONE = 7200.0  # the broker's clock ahead of UTC

NO_IPC = (-10004, "No IPC connection")
INFO = {
    "connected": True,
    "trade_allowed": True,
    "tradeapi_disabled": False,
    "build": 4755,
    "ping_last": 77_850,
    "retransmission": 0.0,
}
ACCOUNT = {
    "login": 12345678,
    "trade_mode": 0,
    "trade_allowed": True,
    "trade_expert": True,
    "margin_so_mode": 0,
    "balance": 10_000.0,
    "equity": 10_250.5,
    "margin": 500.0,
    "margin_level": 2050.1,
    "margin_so_call": 100.0,
    "server": "Broker-Demo",
}


def reply(value: object, error: tuple[int, str] = (1, "Success"), seconds: float = 0.001) -> TerminalReply:
    return TerminalReply(value=value, error=error[0], error_text=error[1], seconds=seconds)


class Desk:
    """A terminal by its answers. A function that is not in `values` was not attached to: as the package, it says no IPC."""

    def __init__(self, *, running: bool | None = True) -> None:
        self.running = running
        self.is_attached = True
        self.can_attach = True
        self.values: dict[str, Any] = {
            "terminal_info": dict(INFO),
            "account_info": dict(ACCOUNT),
            "login": True,
            "positions_get": [],
            "orders_get": [],
            "history_deals_get": [],
            "symbols_total": 3165,
        }
        self.replies: dict[str, Reply] = {}  # instead of all that
        self.asked: list[Call] = []

    @property
    def functions(self) -> list[str]:
        return [each.function if isinstance(each, TerminalCall) else "look" for each in self.asked]

    def __call__(self, call: Call) -> Reply:
        self.asked.append(call)
        if isinstance(call, LookForProcess):
            return ProcessFound(running=self.running)
        assert isinstance(call, TerminalCall)
        if call.function in self.replies:
            return self.replies[call.function]
        if call.function == "initialize":
            self.is_attached = self.can_attach
            return reply(True) if self.can_attach else reply(False, (-10005, "IPC timeout"))
        if not self.is_attached:
            return reply(None, NO_IPC)
        value = self.values.get(call.function)
        return reply(value(*call.arguments) if callable(value) else value)


def drive(flow: Asking[Said | Explained], respond: Callable[[Call], Reply]) -> Said:
    try:
        call = next(flow)
        while True:
            call = flow.send(respond(call))
    except StopIteration as end:
        said: Said = end.value
        return said


def troubles(said: Said) -> dict[str, Trouble]:
    assert isinstance(said, Sequence), said
    return {row.code: row for each in said if isinstance(each, Troubles) for row in each.rows}


def kinds(said: Said) -> list[type[Meaning]]:
    assert isinstance(said, Sequence), said
    return [type(each) for each in said]


class Sitting:
    """One survey with one terminal."""

    def __init__(self, desk: Desk, plan: SurveyPlan = PLAN, credentials: Credentials | None = None) -> None:
        self.desk = desk
        self.survey = TerminalSurvey(plan)
        self.opened = drive(self.survey.open(0.0), desk)
        self.entered = drive(self.survey.enter(credentials, 0.0), desk)
        self._rounds = {each.name: each for each in self.survey.rounds()}

    def ask(self, name: str, now: float = 10.0) -> Said:
        return drive(self._rounds[name].ask(now), self.desk)


def plan(**other: Any) -> SurveyPlan:
    return replace(PLAN, **other)
