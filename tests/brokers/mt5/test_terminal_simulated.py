"""The survey of a terminal over the simulated one, carried by the real driver, in time that does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from probe.brokers.mt5.terminal import TerminalSurvey
from probe.drivers.dial import DialPlan
from probe.drivers.polling import converse
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account, Address
from probe.model.events import Ended, Event, QuoteArrived, Told
from probe.model.meanings import Admitted, Balance, Effect, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import PolledSession, PollPlan
from probe.simulator.floor import Floor
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from tests.simulator.desks import utc
from tests.virtual.travelling import run

URL = "terminal://local"
OURS, ANOTHER = 1001, 1002
SYMBOLS = ("EURUSD", "GBPUSD")
WEDNESDAY, SATURDAY = utc("Wed 12:00"), utc("Sat 12:00")
STALLS, SHUTS_OUT, DEGRADES, NOTED = Effect


class Sitting:
    """One session at one terminal, and what it told."""

    def __init__(self, began_utc: float) -> None:
        self.loop, self.began_utc = asyncio.get_running_loop(), began_utc
        self.events: list[Event] = []
        accounts = {
            login: TerminalAccount(login=login, password=f"pass-{login}", server="Sim-Demo", balance=10_000.0)
            for login in (OURS, ANOTHER)
        }
        floor = Floor(seed=1, epoch=0.0, zone_seconds=0.0, skew_seconds=0.0)
        self.terminal = SimulatedTerminal(accounts=accounts, floor=floor, utc=self.utc, offset_seconds=7200)
        self.terminal.call("initialize", login=OURS, password=f"pass-{OURS}", server="Sim-Demo")
        self.session = PolledSession(
            survey=TerminalSurvey(SurveyPlan(base=URL, symbols=SYMBOLS, utc_at_zero=began_utc)),
            credentials=None,
            plan=PollPlan(account=Account.NONE),
            redact=redactor_for(None),
        )

    def utc(self) -> float:
        return self.began_utc + self.loop.time()

    @property
    def wrong(self) -> dict[str, Effect]:
        """As it was last told; of each code what harms most."""
        latest = {
            event.meaning.about: event.meaning
            for event in self.events
            if isinstance(event, Told) and isinstance(event.meaning, Troubles)
        }
        rows = [row for each in latest.values() for row in each.rows]
        rows.sort(key=lambda row: list(Effect).index(row.effect), reverse=True)
        return {row.code: row.effect for row in rows}

    def quotes_since(self, at: float) -> int:
        return sum(isinstance(event, QuoteArrived) and event.at >= at for event in self.events)

    def balances_since(self, at: float) -> int:
        return sum(
            isinstance(event, Told) and isinstance(event.meaning, Balance) and event.at >= at
            for event in self.events
        )


@asynccontextmanager
async def sitting(
    began_utc: float = WEDNESDAY, *, before: Callable[[SimulatedTerminal], None] | None = None
) -> AsyncIterator[Sitting]:
    one = Sitting(began_utc)
    if before is not None:
        before(one.terminal)
    plan = DialPlan(address=Address(secure=False, host="local", port=1, path="/"))
    conversation = await converse(
        one.session, plan, url=URL, on_event=one.events.append, terminal=lambda: one.terminal
    )
    try:
        yield one
    finally:
        conversation.abort()
        await conversation.ended()


def test_a_healthy_terminal_gives_prices_and_money_and_no_trouble() -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(900.0)
            assert one.wrong == {}
            assert one.quotes_since(890.0) >= 10
            assert one.balances_since(880.0) >= 1
            assert sum(isinstance(e, Told) and isinstance(e.meaning, Admitted) for e in one.events) == 1
            assert one.terminal.launches == 0

    run(watch())


def broker_down(it: SimulatedTerminal) -> None:
    it.connected = False


def not_logged_in(it: SimulatedTerminal) -> None:
    it.logged_in = None


def algo_off(it: SimulatedTerminal) -> None:
    it.trade_allowed = False


def investor(it: SimulatedTerminal) -> None:
    it.account_trade_allowed = False


def frozen(it: SimulatedTerminal) -> None:
    it.frozen_since_utc = it._utc()


def unlinked(it: SimulatedTerminal) -> None:
    it.call("shutdown")


def timing_out(it: SimulatedTerminal) -> None:
    it.call_error, it.call_seconds = (-10005, "IPC timeout"), 8.0


def gone(it: SimulatedTerminal) -> None:
    it.process_running = False


def switched(it: SimulatedTerminal) -> None:
    it.logged_in = ANOTHER


@pytest.mark.parametrize(
    ("happens", "code", "effect"),
    [
        (broker_down, "mt5.no-server-connection", STALLS),
        (not_logged_in, "mt5.auth-failed", SHUTS_OUT),
        (algo_off, "mt5.algo-off", DEGRADES),
        (investor, "mt5.investor-password", DEGRADES),
        (frozen, "data.stale-ticks", STALLS),
        (timing_out, "mt5.ipc-timeout", STALLS),
        (gone, "mt5.terminal-crashed", STALLS),
        (switched, "mt5.multi-terminal", SHUTS_OUT),
    ],
)
def test_what_happens_to_a_terminal_is_told_by_its_name(
    happens: Callable[[SimulatedTerminal], None], code: str, effect: Effect
) -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(60.0)
            assert one.wrong == {}
            happens(one.terminal)
            await asyncio.sleep(180.0)
            assert one.wrong.get(code) is effect
            assert one.terminal.launches == 0
            assert not any(isinstance(event, Ended) for event in one.events)

    run(watch())


@pytest.mark.parametrize(
    ("happens", "code", "effect"),
    [
        (broker_down, "mt5.no-server-connection", STALLS),
        (not_logged_in, "mt5.auth-failed", SHUTS_OUT),
        (algo_off, "mt5.algo-off", NOTED),
        (investor, "mt5.investor-password", NOTED),
        (gone, "mt5.terminal-crashed", STALLS),
    ],
)
def test_what_is_so_from_the_start_is_told_too_and_what_may_be_meant_so_is_only_noted(
    happens: Callable[[SimulatedTerminal], None], code: str, effect: Effect
) -> None:
    async def watch() -> None:
        async with sitting(before=happens) as one:
            await asyncio.sleep(30.0)
            assert one.wrong.get(code) is effect
            assert one.terminal.launches == 0

    run(watch())


@pytest.mark.parametrize("happens", [broker_down, frozen])
def test_prices_of_a_terminal_that_only_remembers_are_not_told(
    happens: Callable[[SimulatedTerminal], None],
) -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(60.0)
            happens(one.terminal)
            await asyncio.sleep(60.0)
            assert one.quotes_since(62.0) == 0

    run(watch())


def test_money_of_a_terminal_without_its_broker_is_not_believed() -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(60.0)
            broker_down(one.terminal)
            await asyncio.sleep(120.0)
            assert one.balances_since(71.0) == 0

    run(watch())


def test_a_terminal_that_lost_its_link_is_attached_to_again_without_being_started() -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(61.0)
            unlinked(one.terminal)
            await asyncio.sleep(3.0)
            assert one.wrong == {"mt5.no-ipc": STALLS}
            await asyncio.sleep(60.0)
            assert (one.wrong, one.terminal.launches) == ({}, 0)
            assert one.quotes_since(110.0) > 0

    run(watch())


def test_a_terminal_that_comes_back_is_well_again() -> None:
    async def watch() -> None:
        async with sitting() as one:
            await asyncio.sleep(60.0)
            gone(one.terminal)
            await asyncio.sleep(60.0)
            one.terminal.process_running = True  # somebody started it
            await asyncio.sleep(90.0)
            assert (one.wrong, one.terminal.launches) == ({}, 0)
            assert one.quotes_since(200.0) > 0

    run(watch())


def test_a_closed_market_is_not_a_frozen_feed() -> None:
    async def watch() -> None:
        async with sitting(SATURDAY) as one:
            await asyncio.sleep(900.0)
            assert one.wrong == {}

    run(watch())
