"""One user's session against the simulator: what its verbs do, and that whatever happens to it is counted."""

import time

import gevent
import pytest

from loadtests.session import LoadSession, StepFailed, _spoilt
from probe.brokers import find_broker
from probe.load.plan import Upset, UpsetKind
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import UnsafeTarget
from probe.model.events import Traffic
from probe.model.intents import AskBalance, AskHistory, AskOrders, PlaceOrder, Unwatch
from probe.model.meanings import Assets, Balance, Direction, History, OrderList
from tests.loadtests.commons import PATIENCE, Shared, eventually, shared
from tests.loadtests.simulated import Beside

BROKER = find_broker("pocketoption")
ORDER = PlaceOrder(
    symbol=BROKER.default_symbol, direction=Direction.CALL, amount=1.0, duration=60, request_id=1
)


def _history(index: int) -> AskHistory:
    return AskHistory(
        symbol=BROKER.default_symbol, period=60, until=time.time() + 7200, span=9000.0, index=index
    )


def test_opening_is_counted_with_its_phases(there: Shared, session: LoadSession) -> None:
    connects = there.figures().connects
    assert session.is_live
    assert (connects.begun, connects.opened, connects.failed, connects.whole.count) == (1, 1, {}, 1)
    assert list(connects.phases) == [
        "resolving",
        "connecting",
        "upgrading",
        "opening",
        "joining",
        "authenticating",
    ]


def test_an_answer_is_found_among_what_is_pushed_and_its_three_times_are_kept(
    there: Shared, session: LoadSession
) -> None:
    answers = [session.ask(AskBalance(), "balance"), session.ask(_history(1), "candles")]
    answers.append(session.ask(AskOrders(), "orders"))
    asked = there.figures().requests
    assert list(map(type, answers)) == [Balance, History, OrderList]
    assert {name: (each.due, each.sent, each.answered, each.failed) for name, each in asked.items()} == {
        name: (1, 1, 1, {}) for name in ("balance", "candles", "orders")
    }
    assert all(
        each.service.largest <= each.response.largest == pytest.approx(each.service.largest, abs=0.5)
        for each in asked.values()
    )


def test_the_response_time_counts_from_when_it_was_due_and_the_service_time_from_when_it_was_sent(
    there: Shared, session: LoadSession
) -> None:
    told: list[str] = []
    session.put(AskBalance(), "balance", time.monotonic() - 5.0, lambda _, failure: told.append(failure))
    eventually(lambda: told)
    asked = there.figures().requests["balance"]
    assert told == [""]
    assert asked.response.smallest > 5.0 > asked.service.largest
    assert 5.0 <= asked.lateness.smallest < 10.0


def test_many_who_ask_at_once_each_get_their_own_answer(session: LoadSession) -> None:
    asking = [gevent.spawn(session.ask, _history(number), "candles") for number in range(20)]
    gevent.joinall(asking, timeout=PATIENCE)
    assert [each.value.index for each in asking] == list(range(20))


def test_a_sign_of_life_is_asked_one_at_a_time_and_each_is_answered(
    there: Shared, session: LoadSession
) -> None:
    asking = [gevent.spawn(session.ask, None, "ping") for _ in range(5)]
    gevent.joinall(asking, timeout=PATIENCE, raise_error=True)
    ping = there.figures().requests["ping"]
    assert (ping.due, ping.sent, ping.answered, ping.failed) == (5, 5, 5, {})


def test_what_comes_unasked_fails_no_step_and_is_there_for_who_expects_it(session: LoadSession) -> None:
    session.ask(AskBalance(), "balance")
    assert isinstance(session.expect(Assets), Assets)  # told at the login


def test_who_expects_something_is_woken_by_it(session: LoadSession) -> None:
    eventually(lambda: session.expect(Balance, within=PATIENCE))  # of the login
    waiting = gevent.spawn(session.expect, Balance, within=PATIENCE)
    gevent.sleep(0)
    session.tell(AskBalance())
    assert isinstance(waiting.get(timeout=PATIENCE), Balance)


def test_an_expectation_that_is_not_met_is_recorded(there: Shared, session: LoadSession) -> None:
    with pytest.raises(StepFailed, match="expect History: expired"):
        session.expect(
            lambda meaning: isinstance(meaning, History) and meaning.index == 99,
            within=0.01,
            name="expect History",
        )
    assert there.figures().requests["expect History"].failed == {"expired": 1}


def test_a_mistake_in_what_somebody_expects_is_raised_there_and_harms_nobody_else(
    session: LoadSession,
) -> None:
    session.ask(AskBalance(), "balance")
    mistaken = gevent.spawn(session.expect, lambda meaning: 1 / 0, within=PATIENCE)
    other = gevent.spawn(session.expect, OrderList, within=PATIENCE)
    session._told = None  # what was told at the login
    gevent.sleep(0)
    session.tell(AskOrders())
    with pytest.raises(ZeroDivisionError):
        mistaken.get(timeout=PATIENCE)
    assert isinstance(other.get(timeout=PATIENCE), OrderList)
    assert session.is_live


def test_who_has_no_more_time_gets_a_failure_and_the_late_answer_harms_nobody(
    there: Shared, session: LoadSession
) -> None:
    with pytest.raises(StepFailed, match="balance: expired"):
        session.ask(AskBalance(), "balance", within=0.0)
    session.ask(AskOrders(), "orders")
    asked = there.figures().requests
    assert (asked["balance"].sent, asked["balance"].answered, asked["balance"].failed) == (
        1,
        0,
        {"expired": 1},
    )
    assert asked["orders"].answered == 1


def test_asking_on_a_session_that_is_not_live_is_due_and_failed_and_not_sent(there: Shared) -> None:
    with pytest.raises(StepFailed, match="balance: not-live"):
        LoadSession(there.common).ask(AskBalance(), "balance")
    asked = there.figures().requests["balance"]
    assert (asked.due, asked.sent, asked.failed) == (1, 0, {"not-live": 1})


def test_who_asked_where_nobody_is_live_waits_a_while_and_is_not_disturbed_afterwards(
    there: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.session.NOT_LIVE_PAUSE", 0.05)
    began = time.monotonic()
    with pytest.raises(StepFailed, match="balance: not-live"):
        LoadSession(there.common).ask(AskBalance(), "balance")
    assert time.monotonic() - began >= 0.05
    gevent.sleep(0.001)


def test_what_nothing_answers_is_told_and_not_asked(session: LoadSession) -> None:
    with pytest.raises(Exception, match="nothing answers Unwatch"):
        session.ask(Unwatch(symbol=BROKER.default_symbol), "unwatch")


def test_no_order_goes_to_what_did_not_prove_to_be_a_simulator(there: Shared, session: LoadSession) -> None:
    with pytest.raises(UnsafeTarget, match="the order was refused"):
        session.ask(ORDER, "order")
    assert "order" not in there.figures().requests


def test_ticks_are_counted_by_symbol(there: Shared, session: LoadSession) -> None:
    def ticks() -> int:
        found = there.figures().ticks.get(BROKER.default_symbol)
        return 0 if found is None else found.arrived

    eventually(lambda: ticks() >= 2)
    whole = there.figures()
    assert whole.ticks[BROKER.default_symbol].first.count == 1
    assert whole.ticks[BROKER.default_symbol].gap.count >= 1


def test_leaving_in_order_is_no_loss_and_the_simulator_has_counted_the_same_messages(
    simulator: Beside, there: Shared
) -> None:
    def counted() -> Traffic:
        """When all sessions have ended."""
        eventually(lambda: not simulator.call(lambda: simulator.simulator.counters.sessions_open))
        traffic: Traffic = simulator.call(lambda: simulator.simulator.counters.traffic)
        return traffic

    before = counted()
    sessions = [LoadSession(there.common) for _ in range(5)]
    opening = [gevent.spawn(each.open) for each in sessions]
    gevent.joinall(opening, timeout=PATIENCE, raise_error=True)
    for each in sessions:
        each.ask(AskBalance(), "balance")
    gevent.joinall([gevent.spawn(each.close) for each in sessions], timeout=PATIENCE, raise_error=True)
    figures = there.figures()
    after = counted()
    assert (figures.sessions.left, figures.sessions.lost, figures.sessions.live.last) == (5, {}, 0)
    assert after.messages_received - before.messages_received == figures.frames.messages_sent
    assert after.messages_sent - before.messages_sent == figures.frames.messages_received


def test_what_is_on_its_way_is_waited_for_before_leaving(there: Shared) -> None:
    session = LoadSession(there.common)
    session.open()
    session.put(AskBalance(), "balance", time.monotonic())
    session.close()
    assert there.figures().requests["balance"].answered == 1


def test_who_is_killed_while_he_closes_it_leaves_nothing_open(there: Shared) -> None:
    session = LoadSession(there.common)
    session.open()
    there.common.fleet.upset(Upset(kind=UpsetKind.HALF_OPEN), 1)
    session.put(AskBalance(), "balance", time.monotonic())
    closing = gevent.spawn(session.close)
    gevent.sleep(0)
    closing.kill()
    figures = there.figures()
    assert session._connection is None
    assert (figures.sessions.left, figures.sessions.lost) == (1, {})
    assert figures.requests["balance"].failed == {"unfinished": 1}


def test_those_whom_their_users_left_behind_leave_in_order(there: Shared) -> None:
    sessions = [LoadSession(there.common) for _ in range(3)]
    opening = [gevent.spawn(each.open) for each in sessions]
    gevent.joinall(opening, timeout=5 * PATIENCE, raise_error=True)
    assert [each.is_live for each in sessions] == [True] * 3
    there.common.fleet.close()
    assert not any(each.is_live for each in sessions)
    assert there.figures().sessions.left == 3


def test_a_bug_of_ours_ends_what_was_asked_and_is_told(simulator: Beside) -> None:
    there = shared(find_broker("bingx"), simulator.endpoint("bingx", "ws").url)
    session = LoadSession(there.common)
    session.open()
    asking = gevent.spawn(session.ask, None, "ping")
    gevent.sleep(0)
    session._connection._break(ZeroDivisionError())  # type: ignore[union-attr] # it is open
    with pytest.raises(StepFailed, match="ping: session-lost"):
        asking.get(timeout=PATIENCE)
    ping = there.figures().requests["ping"]
    assert (ping.due, ping.sent, ping.failed) == (1, 1, {"session-lost": 1})
    assert list(map(type, there.bugs)) == [ZeroDivisionError]


def test_sessions_of_one_credential_share_what_they_are_for(there: Shared) -> None:
    common = there.common
    assert common.plan(common.credentials) is common.plan(common.credentials)
    assert common.plan(None) is not common.plan(common.credentials)


def test_a_session_that_was_cut_comes_back_and_who_waited_is_told(
    there: Shared, session: LoadSession
) -> None:
    asking = gevent.spawn(session.ask, _history(1), "candles")
    gevent.sleep(0)
    session.upset(Upset(kind=UpsetKind.DROP))
    with pytest.raises(StepFailed, match="candles: session-lost"):
        asking.get(timeout=PATIENCE)
    eventually(lambda: session.is_live)
    session.ask(AskBalance(), "balance")
    sessions = there.figures().sessions
    assert (sessions.dropped, sessions.lost, sessions.reopened) == (1, {}, 1)
    assert sessions.recovery.count == 1


def test_a_credential_that_expired_is_refused_and_then_the_right_one_opens_it_again(
    there: Shared, session: LoadSession
) -> None:
    session.upset(Upset(kind=UpsetKind.AUTH_EXPIRY))
    eventually(lambda: there.figures().sessions.reopened == 1)
    figures = there.figures()
    assert figures.connects.failed == {"auth.refused": 1}
    assert (figures.connects.begun, figures.connects.opened) == (3, 2)
    assert session.is_live


def test_a_credential_that_is_refused_is_not_tried_again(simulator: Beside) -> None:
    endpoint = simulator.endpoint("pocketoption", "ws")
    right = endpoint.credential.reveal()
    wrong = BROKER.read_credentials(right.replace('"session":"', '"session":"x'))
    there = shared(BROKER, endpoint.url, wrong, account=Account.DEMO)
    session = LoadSession(there.common)
    with pytest.raises(StepFailed, match=r"connect: auth\.refused"):
        session.open()
    assert there.figures().connects.failed == {"auth.refused": 1}
    assert session._timer is None
    session.close()


def test_a_flood_asks_for_every_symbol_there_is_at_once(simulator: Beside) -> None:
    bingx = find_broker("bingx")
    there = shared(bingx, simulator.endpoint("bingx", "ws").url)
    session = LoadSession(there.common)
    session.open()
    session.upset(Upset(kind=UpsetKind.SUBSCRIBE_FLOOD))
    eventually(lambda: there.figures().requests["subscribe"].answered == len(bingx.house.listings))
    session.close()
    asked = there.figures().requests["subscribe"]
    assert (asked.due, asked.sent, asked.failed) == (asked.answered, asked.answered, {})


def test_a_connection_that_stands_still_goes_on_when_that_is_over(
    there: Shared, session: LoadSession
) -> None:
    upset = Upset(kind=UpsetKind.HALF_OPEN)
    fleet = there.common.fleet
    assert fleet.upset(upset, 1) == 1
    waiting = gevent.spawn(session.ask, AskBalance(), "balance")
    gevent.sleep(0.1)
    was_waiting = not waiting.ready()
    fleet.calm(upset)
    assert isinstance(waiting.get(timeout=PATIENCE), Balance)
    assert was_waiting


def test_the_caps_of_the_run_hold_for_connections_and_messages(there: Shared) -> None:
    class Full:
        last_refusal = "connections"

        def claim_connection(self) -> bool:
            return False

        def claim_message(self, now: float) -> bool:
            return False

        def release_connection(self) -> None: ...

    there.common.guard = Full()  # type: ignore[assignment]
    with pytest.raises(StepFailed, match="connect: refused"):
        LoadSession(there.common, reopens=False).open()
    figures = there.figures()
    assert figures.generators["test"].refused == {"connections": 1}
    assert figures.connects.begun == 0


def test_a_broker_without_a_login_is_followed_the_same_way(simulator: Beside) -> None:
    bingx = find_broker("bingx")
    there = shared(bingx, simulator.endpoint("bingx", "ws").url)
    session = LoadSession(there.common)
    session.open()
    session.ask(None, "ping")
    session.close()
    assert there.figures().requests["ping"].answered == 1
    assert there.bugs == []


def test_a_spoilt_credential_looks_like_the_right_one_and_is_another(there: Shared) -> None:
    right = there.common.credentials
    assert right is not None
    wrong = _spoilt(right)
    assert len(wrong.frame.reveal()) == len(right.frame.reveal())
    assert wrong.token != right.token
    assert wrong.frame == Secret(right.frame.reveal().replace(right.token.reveal(), wrong.token.reveal()))
