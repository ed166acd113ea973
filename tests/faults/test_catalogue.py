import random
import re

import pytest

from probe.faults.board import MisbehaviourBoard
from probe.faults.catalogue import FAULTS, compose, read_fault
from probe.faults.grammar import FaultOrder, FaultSpec
from probe.faults.listener import LISTENER_FAULTS
from probe.faults.misbehaviour import PROTOCOL_FAULTS
from probe.faults.pages import PAGE_FAULTS
from probe.faults.stream import STREAM_FAULTS
from probe.model.errors import ConfigError
from probe.model.events import Ended, Event, PhaseFinished, QuoteArrived, Surprise
from probe.session.behaviour import Misbehaviour
from probe.session.pretend import PretendWire
from probe.session.served import ServedSession
from tests.faults.suffering import Sufferer, quotes, suffer
from tests.pretending import BROKER, ScriptedDesk, client_session


def orders(*faults: str) -> list[FaultOrder]:
    return [read_fault(fault) for fault in faults]


def outcome(misbehaviour: Misbehaviour, *, now: float) -> str | None:
    """How a login at that moment fails; None: it does not."""
    told: list[Event] = []
    server = ServedSession(
        codec=BROKER.codec(), desk=ScriptedDesk(), misbehaviour=misbehaviour, rng=random.Random(1)
    )
    PretendWire(client_session(), server, on_client=told.append, now=now).run(now + 1.0)
    failures = [event.failure for event in told if isinstance(event, Ended)]
    return next((failure.kind for failure in failures if failure), None)


def switch(pair: Sufferer, board: MisbehaviourBoard, *faults: str) -> None:
    def switching(now: float) -> None:
        board.set_faults(orders(*faults), now)
        pair.server.wake(now)

    pair.wire.act(switching)


# -- names --------------------------------------------------------------------------------------------------------------


def test_every_fault_is_in_the_catalogue_once() -> None:
    names = [spec.name for spec in FAULTS.values()]
    assert sorted(names) == sorted([*PROTOCOL_FAULTS, *PAGE_FAULTS, *STREAM_FAULTS, *LISTENER_FAULTS])
    assert len(names) == len(set(names))


@pytest.mark.parametrize("spec", FAULTS.values(), ids=lambda spec: spec.name)
def test_an_entry_says_what_it_does_in_the_form_the_documentation_needs(spec: FaultSpec) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", spec.name)
    assert re.fullmatch(r"([a-z0-9]+\.[a-z0-9]+(-[a-z0-9]+)*)?", spec.finding)
    assert len(spec.summary) <= 110
    assert not spec.summary.endswith(".")
    assert all(
        parameter.help and parameter.problem_with(parameter.default) == "" for parameter in spec.parameters
    )


@pytest.mark.parametrize("spec", FAULTS.values(), ids=lambda spec: spec.name)
def test_every_default_can_be_written_out_and_read_back(spec: FaultSpec) -> None:
    pairs = ",".join(f"{each.name}={each.show(each.default)}" for each in spec.parameters)
    assert read_fault(f"{spec.name}:{pairs}" if pairs else spec.name) == read_fault(spec.name)


def test_a_misspelt_fault_draws_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'silent-stall'"):
        read_fault("silent-stal")


def test_a_fault_of_one_broker_names_it() -> None:
    assert [spec.name for spec in FAULTS.values() if spec.brokers == ("pocketoption",)] == ["demo-trade-cap"]


# -- several at once ----------------------------------------------------------------------------------------------------


def test_faults_add_up() -> None:
    pair = suffer("duplicate-ticks", "clock-skew:seconds=10", "frozen-price", "close:at=20s")
    assert pair.ended.at == 20.0
    assert len(quotes(pair)) == 2 * 40 - 2
    assert {round(quote.broker_time - quote.at - 7200, 3) for quote in quotes(pair)} == {10.0}
    assert len({quote.price for quote in quotes(pair)}) == 1


def test_delays_add_up() -> None:
    pair = suffer("slow:step=auth:seconds=2s", "slow:step=auth:seconds=3s", until=6.0)
    assert [done.seconds for done in pair.of(PhaseFinished) if done.seconds] == [5.0]


def test_a_refusal_waits_for_the_slow_answer() -> None:
    assert suffer("http-status", "slow:step=upgrade:seconds=3s").ended.at == 3.0
    assert suffer("slow:step=upgrade:seconds=3s", "http-status").kind == "http.cf-challenge"


def test_composing_nothing_is_a_broker_that_behaves() -> None:
    assert outcome(compose([]), now=0.0) is None


# -- when ---------------------------------------------------------------------------------------------------------------


def test_a_fault_lasts_from_its_start_for_its_duration() -> None:
    pair = suffer("silent-stall:at=0@20+10", until=60.0)
    silent = {0.5 * number for number in range(1, 121)} - {quote.at for quote in quotes(pair)}
    assert silent == {20.0 + 0.5 * number for number in range(20)}


def test_what_was_due_before_the_start_happens_at_the_start() -> None:
    assert suffer("close:at=1s@30s").ended.at == 30.0


def test_what_would_be_due_after_the_end_never_happens() -> None:
    assert suffer("close:at=30s@0+20").of(Ended) == []


def test_an_outage_counts_from_the_first_connection_for_all_of_them() -> None:
    board = MisbehaviourBoard(orders("auth-outage@10+30"))
    outcomes = [outcome(board.for_session(), now=now) for now in (100.0, 111.0, 139.0, 141.0)]
    assert outcomes == [None, "auth.refused", "auth.refused", None]


def test_any_other_fault_counts_from_the_beginning_of_each_session() -> None:
    board = MisbehaviourBoard(orders("auth-refused@0+1"))
    assert [outcome(board.for_session(), now=now) for now in (0.0, 100.0)] == ["auth.refused"] * 2


# -- while it runs ------------------------------------------------------------------------------------------------------


def test_a_fault_can_be_switched_on_and_off_in_a_running_session() -> None:
    board = MisbehaviourBoard()
    pair = Sufferer(board.for_session())
    pair.run(10.2)
    switch(pair, board, "silent-stall:at=0")
    pair.run(20.2)
    switch(pair, board)
    pair.run(30.0)
    assert [quote.at for quote in quotes(pair)] == [0.5 * n for n in range(1, 61) if not 20 < n <= 40]


def test_a_fault_added_to_a_running_session_counts_from_then() -> None:
    board = MisbehaviourBoard()
    pair = Sufferer(board.for_session())
    pair.run(10.2)
    switch(pair, board, "close:at=0@5s")
    pair.run(60.0)
    assert pair.ended.at == pytest.approx(15.2)


def test_a_switched_fault_acts_at_once_even_if_nothing_else_happens() -> None:
    board = MisbehaviourBoard()
    pair = Sufferer(board.for_session())
    pair.run(10.2)
    switch(pair, board, "tcp-reset:at=0")
    pair.run(10.2)
    assert pair.kind == "session.tcp-reset"


def test_a_fault_that_stays_on_the_board_keeps_its_memory() -> None:
    board = MisbehaviourBoard(orders("frozen-price"))
    pair = Sufferer(board.for_session())
    pair.run(10.2)
    switch(pair, board, "duplicate-ticks", "frozen-price")
    pair.run(20.0)
    assert len({quote.price for quote in quotes(pair)}) == 1
    assert len(quotes(pair)) == 20 + 2 * 20


def test_taking_the_interleaving_off_the_board_loses_no_attachment() -> None:
    board = MisbehaviourBoard(orders("interleave"))
    pair = Sufferer(board.for_session())
    pair.run(10.2)
    held = len(pair.of(QuoteArrived))
    switch(pair, board)
    pair.run(10.2)
    assert len(pair.of(QuoteArrived)) == held + 1 == 40
    assert pair.of(Surprise) == []


def test_the_board_shows_what_is_on_it() -> None:
    board = MisbehaviourBoard(orders("drop"))
    board.set_faults(orders("drop", "no-pong"), 5.0)
    assert list(board.orders) == orders("drop", "no-pong")


def test_the_same_fault_twice_acts_twice() -> None:
    board = MisbehaviourBoard(orders("duplicate-ticks", "duplicate-ticks"))
    pair = Sufferer(board.for_session())
    pair.run(10.0)
    assert len(quotes(pair)) == 4 * 20


def test_an_order_that_cannot_be_is_refused_before_it_reaches_a_session() -> None:
    spec = PROTOCOL_FAULTS["close"]
    impossible = FaultOrder(spec=spec, values={"share": 1.0, "at": 5.0, "code": 3, "reason": ""})
    board = MisbehaviourBoard(orders("drop"))
    with pytest.raises(ConfigError, match="close code"):
        board.set_faults([impossible], 0.0)
    assert list(board.orders) == orders("drop")


# -- sessions of one account --------------------------------------------------------------------------------------------


def sessions(cap: int, logins: int) -> list[Sufferer]:
    board = MisbehaviourBoard(orders(f"session-cap:cap={cap},code=4001"))
    pairs = []
    for _ in range(logins):
        pairs.append(Sufferer(board.for_session()))
        for pair in reversed(pairs):  # the new one logs in first
            pair.run(pair.wire.now + 10.0)
    return pairs


def test_an_older_session_of_the_account_ends_when_a_new_one_logs_in() -> None:
    older, newer = sessions(cap=1, logins=2)
    assert older.kind == "session.app-close"
    failure = older.ended.failure
    assert failure is not None
    assert failure.close is not None
    assert failure.close.received_reason == "logged in elsewhere"
    assert newer.of(Ended) == []


def test_an_account_keeps_as_many_sessions_as_the_cap_says() -> None:
    assert [len(pair.of(Ended)) for pair in sessions(cap=2, logins=4)] == [1, 1, 0, 0]


def test_only_a_share_of_the_connections_suffers() -> None:
    order = orders("auth-41:share=0.3")
    rng = random.Random(5)
    failed = 0
    for _ in range(200):
        misbehaviour = compose(order)
        server = ServedSession(codec=BROKER.codec(), desk=ScriptedDesk(), misbehaviour=misbehaviour, rng=rng)
        told: list[Event] = []
        PretendWire(client_session(), server, on_client=told.append).run(1.0)
        failed += any(isinstance(event, Ended) for event in told)
    assert 40 <= failed <= 80
