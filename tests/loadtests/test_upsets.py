"""What is done to sessions that work has its effect at the server, is seen in the figures, and passes."""

import time
from dataclasses import replace

import gevent
import pytest

from loadtests.session import LoadSession
from probe.brokers import find_broker
from probe.brokers.pocketoption.codec import PocketOptionCodec
from probe.drivers import aio
from probe.load.causes import causes
from probe.load.figures import Figures, Slice
from probe.load.plan import Upset, UpsetKind
from probe.load.record import RunRecord
from probe.model.events import Traffic
from probe.model.intents import AskBalance, AskHistory, Watch
from tests.load import made
from tests.loadtests.commons import Shared, eventually
from tests.loadtests.simulated import Beside

BROKER = find_broker("pocketoption")
SYMBOL = BROKER.default_symbol


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asks for a sign of life every 0.2 s, and waits two seconds for it."""
    rules = replace(PocketOptionCodec.rules, ping_interval=0.2, ping_timeout=2.0)
    monkeypatch.setattr(PocketOptionCodec, "rules", rules)


def sessions_open(simulator: Beside) -> int:
    found: int = simulator.call(lambda: simulator.simulator.counters.sessions_open)
    return found


def traffic(simulator: Beside) -> Traffic:
    found: Traffic = simulator.call(lambda: simulator.simulator.counters.traffic)
    return found


def test_a_slow_reader_gets_late_what_the_server_said_meanwhile_and_stays(
    simulator: Beside, there: Shared, session: LoadSession
) -> None:
    def ticks() -> int:
        found = there.figures().ticks.get(SYMBOL)
        return 0 if found is None else found.arrived

    eventually(lambda: ticks() >= 1)
    upset = Upset(kind=UpsetKind.SLOW_READER, bytes_per_second=1)
    there.common.fleet.upset(upset, 1)
    began, before, said = time.monotonic(), ticks(), traffic(simulator).messages_sent
    asking = gevent.spawn(session.ask, AskBalance(), "balance")
    eventually(lambda: traffic(simulator).messages_sent >= said + 4)
    assert ticks() <= before + 1  # that was read already
    assert not asking.ready()
    stood_still = time.monotonic() - began
    there.common.fleet.calm(upset)
    asking.get(timeout=10)
    eventually(lambda: ticks() >= before + 3)
    figures = there.figures()
    assert figures.ticks[SYMBOL].gap.largest >= stood_still / 2
    assert figures.requests["balance"].response.largest >= stood_still / 2
    assert (figures.sessions.lost, figures.sessions.dropped, session.is_live) == ({}, 0, True)


def test_a_slow_reader_for_whom_too_much_waits_is_given_up_by_the_server_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, simulator: Beside, there: Shared, session: LoadSession
) -> None:
    monkeypatch.setattr(aio, "UNSENT_LIMIT", 64 * 1024)
    upset = Upset(kind=UpsetKind.SLOW_READER, bytes_per_second=1)
    there.common.fleet.upset(upset, 1)

    def is_given_up() -> bool:
        """A page of 45 KB for each."""
        session.put(Watch(symbol=SYMBOL), "subscribe", time.monotonic())
        return sessions_open(simulator) == 0

    eventually(is_given_up, within=60.0)
    there.common.fleet.calm(upset)
    eventually(lambda: there.figures().sessions.reopened == 1)
    figures = there.figures()
    asked = figures.requests["subscribe"]
    assert (figures.sessions.lost, figures.sessions.dropped) == ({"session.tcp-reset": 1}, 0)
    assert asked.failed["session-lost"] > 0
    assert asked.due == asked.answered + sum(asked.failed.values())


def test_who_answers_no_heartbeat_or_sleeps_is_given_up_by_the_server_and_comes_back(
    impatient: None, simulator: Beside, there: Shared
) -> None:
    silent, sleeping, well = sessions = [LoadSession(there.common) for _ in range(3)]
    for each in sessions:
        each.open()
    silent.upset(Upset(kind=UpsetKind.LOST_PONG))
    sleeping.upset(Upset(kind=UpsetKind.HALF_OPEN))
    eventually(lambda: there.figures().sessions.reopened == 1, within=30.0)
    assert there.figures().sessions.lost == {"session.closed-1005": 1}
    eventually(lambda: sessions_open(simulator) == 2, within=30.0)
    assert (silent.is_live, sleeping.is_live) == (True, True)  # nobody has told the one that sleeps
    sleeping.calm()
    eventually(lambda: there.figures().sessions.reopened == 2)
    assert sum(there.figures().sessions.lost.values()) == 2
    assert well.last_failure == ""
    for each in sessions:
        each.close()


def test_clients_that_are_cut_together_and_do_not_wait_are_a_herd_and_those_that_wait_are_none(
    simulator: Beside, there: Shared
) -> None:
    sessions = [LoadSession(there.common) for _ in range(25)]
    for each in [gevent.spawn(each.open) for each in sessions]:
        each.get(timeout=10)
    record = RunRecord(made.plan(rate=None))
    for second, jitter in ((0, 0.0), (10, 3.0)):
        there.common.fleet.upset(Upset(kind=UpsetKind.DROP, jitter=jitter), 25)
        eventually(lambda: there.figures().sessions.reopened == 25, within=20.0)
        figures, there.total = there.total, Figures()
        record.add(Slice(second=second, stage=0, figures=figures))
        assert figures.sessions.pause.count == 25
    (herd,) = (each for each in causes(record) if each.code == "load.reconnect-herd")
    assert herd.evidence[0] == "in second 0 of the run 25 sessions were cut by this test"
    for each in sessions:
        each.close()


def test_what_was_asked_and_not_answered_when_its_session_left_is_counted_as_that(
    simulator: Beside, there: Shared
) -> None:
    before = traffic(simulator)
    fault = simulator.switch_on("history-unanswered")
    session = LoadSession(there.common)
    try:
        session.open()
        for number in range(5):
            asked = AskHistory(symbol=SYMBOL, period=60, until=time.time(), span=9000.0, index=number)
            session.put(asked, "candles", time.monotonic())
        session.close()
    finally:
        simulator.switch_off(fault)
    eventually(lambda: sessions_open(simulator) == 0)
    figures, after = there.figures(), traffic(simulator)
    candles = figures.requests["candles"]
    assert (candles.due, candles.sent, candles.failed) == (5, 5, {"unfinished": 5})
    assert figures.frames.messages_sent == after.messages_received - before.messages_received
    assert figures.frames.messages_received == after.messages_sent - before.messages_sent
    assert figures.frames.cut_sent == figures.frames.cut_received == 0
