"""What a client's session promises, against a broker that behaves or is silent."""

import pytest

from probe.faults.catalogue import compose, read_fault
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import (
    Ended,
    FirstData,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    Surprise,
)
from probe.model.failures import Failure
from probe.model.intents import (
    AskBalance,
    AskHistory,
    CancelPending,
    Intent,
    PlaceOrder,
    PlacePending,
    Unwatch,
)
from probe.model.meanings import Balance, Direction, History, OrderOpened, OrderRejected
from tests.pretending import QUOTEX, Known, Pair, ScriptedDesk, client_session

ORDER = PlaceOrder(symbol="EURUSD_otc", direction=Direction.CALL, amount=5, duration=60, request_id=7)
HISTORY = AskHistory(symbol="EURUSD_otc", period=60, until=9000.0, span=600.0, index=42)


def ask(pair: Pair, intent: Intent) -> None:
    pair.wire.act(lambda now: pair.client.ask(intent, now))


def test_the_phases_come_in_order_and_each_is_timed() -> None:
    pair = Pair(latency=0.05).run(5)
    assert [(e.phase, round(e.seconds, 6)) for e in pair.of(PhaseFinished)] == [
        (Phase.UPGRADING, 0.1),
        (Phase.OPENING, 0.0),  # the greeting comes with the 101
        (Phase.JOINING, 0.1),
        (Phase.AUTHENTICATING, 0.1),
    ]


def test_where_the_server_joins_and_the_client_beats_the_phases_are_the_same() -> None:
    pair = Pair(QUOTEX, latency=0.05).run(61)
    assert [(e.phase, round(e.seconds, 6)) for e in pair.of(PhaseFinished)] == [
        (Phase.UPGRADING, 0.1),
        (Phase.OPENING, 0.0),
        (Phase.JOINING, 0.0),  # the 40 comes with the greeting, unasked
        (Phase.AUTHENTICATING, 0.1),
    ]
    beats = [
        (beat.name, round(beat.due_at, 2)) for beat in pair.of(HeartbeatSent) if beat.name != "websocket"
    ]
    assert beats == [(name, at) for at in (20.2, 40.2, 60.2) for name in ("engine", "tick")]
    engine = [beat for beat in pair.of(HeartbeatAnswered) if beat.name == "engine"]
    assert [round(beat.rtt_seconds, 6) for beat in engine] == [0.1] * 3
    assert pair.of(PeerBeat) == []


def test_a_client_beats_as_often_as_the_greeting_asks() -> None:
    pair = Pair(QUOTEX, misbehaviour=compose([read_fault("beat-terms:interval=7s")])).run(30)
    assert [beat.due_at for beat in pair.of(HeartbeatSent) if beat.name == "engine"] == [
        7.0,
        14.0,
        21.0,
        28.0,
    ]


def test_a_server_that_only_listens_closes_when_its_client_falls_silent() -> None:
    """The session without its timers: what it would send to keep itself alive is never sent."""
    client = client_session(QUOTEX)
    pair = Pair(QUOTEX, client=client).run(5)
    client._timers.clear()
    pair.run(60)
    assert (pair.kind, pair.ended.at) == ("session.closed-normal", 30.001)


def test_first_data_is_timed_from_the_subscription(known: Known) -> None:
    (first,) = Pair(known).run(5).of(FirstData)
    assert first.at - first.asked_at == 0.5


def test_heartbeats_keep_their_schedule_and_say_when_they_were_due() -> None:
    pair = Pair(latency=0.01).run(61)
    sent = [(beat.name, round(beat.due_at, 2)) for beat in pair.of(HeartbeatSent)]
    assert sorted(sent) == [("ps", 20.06), ("ps", 40.06), ("ps", 60.06)] + [
        ("websocket", at) for at in (0.56, 20.56, 40.56, 60.56)
    ]
    assert [round(beat.rtt_seconds, 6) for beat in pair.of(HeartbeatAnswered)] == [0.02] * 4
    assert pair.of(PeerBeat) != []


def test_a_late_timer_shows_as_lateness_and_is_not_repeated_in_a_burst() -> None:
    session = client_session()
    pair = Pair(client=session).run(10)
    session.wake(75.0)  # this machine slept
    late = [e for e in session.events() if isinstance(e, HeartbeatSent) and e.name == "ps"]
    assert [(beat.at, beat.due_at) for beat in late] == [(75.0, 60.0)]
    assert pair.of(HeartbeatMissed) == []


def test_a_session_survives_six_hours_without_a_surprise(known: Known) -> None:
    pair = Pair(known).run(6 * 3600)
    assert (pair.of(Surprise), pair.of(HeartbeatMissed), pair.of(Ended)) == ([], [], [])
    assert pair.client.traffic.messages_received == pair.server.traffic.messages_sent
    assert pair.client.traffic.bytes_sent == pair.server.traffic.bytes_received


def test_an_answer_is_matched_to_its_question_and_timed(known: Known) -> None:
    pair = Pair(known, latency=0.03).run(5)
    ask(pair, HISTORY)
    pair.run(6)
    answer = next(e for e in pair.of(RequestAnswered) if e.intent == HISTORY)
    assert isinstance(answer.answer, History)
    assert round(answer.rtt_seconds, 6) == 0.06


def test_a_question_without_an_answer_expires(known: Known) -> None:
    pair = Pair(known, desk=ScriptedDesk(silent=True)).run(5)
    ask(pair, HISTORY)
    pair.run(20)
    assert [(e.intent, e.at - e.sent_at) for e in pair.of(RequestExpired) if e.intent == HISTORY] == [
        (HISTORY, 10.0)
    ]


def test_every_open_question_expires_when_the_session_ends(known: Known) -> None:
    pair = Pair(known, desk=ScriptedDesk(silent=True)).run(5)
    ask(pair, HISTORY)
    pair.wire.cut()
    assert HISTORY in [e.intent for e in pair.of(RequestExpired)]
    assert isinstance(pair.told[-1], Ended)


def test_an_order_goes_out_on_a_proven_demo_account(known: Known) -> None:
    pair = Pair(known).run(5)
    ask(pair, ORDER)
    pair.run(6)
    answer = next(e for e in pair.of(RequestAnswered) if e.intent == ORDER)
    assert isinstance(answer.answer, OrderOpened)


def test_a_rejected_order_is_answered_and_not_expired(known: Known) -> None:
    pair = Pair(known).run(5)
    dear = PlaceOrder(symbol="EURUSD_otc", direction=Direction.PUT, amount=1e9, duration=60, request_id="x")
    ask(pair, dear)
    pair.run(60)
    answers = [e.answer for e in pair.of(RequestAnswered) if e.intent == dear]
    assert answers == [OrderRejected(error="NotMoney", request_id="x")]
    assert dear not in [e.intent for e in pair.of(RequestExpired)]


def test_an_unanswered_order_is_unconfirmed_and_nothing_else(known: Known) -> None:
    pair = Pair(known, desk=ScriptedDesk(silent=True)).run(5)
    ask(pair, ORDER)
    pair.run(60)
    assert ORDER in [e.intent for e in pair.of(RequestExpired)]
    assert ORDER not in [e.intent for e in pair.of(RequestAnswered)]


@pytest.mark.parametrize(
    "said", [Balance(amount=1.0, is_demo=False), Balance(amount=1.0, is_demo=None)], ids=["real", "nothing"]
)
def test_the_claim_of_the_ssid_is_no_proof_of_a_demo_account(known: Known, said: Balance) -> None:
    pair = Pair(known, desk=ScriptedDesk(balance=said)).run(5)  # the SSID says isDemo:1
    for intent in (
        ORDER,
        PlacePending(symbol="EURUSD_otc", direction=Direction.CALL, amount=5, duration=60, open_price=1.0),
        CancelPending(ticket="t"),
    ):
        with pytest.raises(UnsafeTarget, match="the server has not said"):
            pair.client.ask(intent, 5)
    assert not any(isinstance(heard, PlaceOrder) for heard in pair.desk.heard)  # type: ignore[attr-defined]


def test_no_order_leaves_for_an_endpoint_of_live_accounts_whatever_the_server_says(known: Known) -> None:
    pair = Pair(known, client=client_session(known, account=Account.LIVE)).run(5)
    with pytest.raises(UnsafeTarget, match="live accounts"):
        pair.client.ask(ORDER, 5)


def test_a_server_that_takes_its_word_back_stops_orders_again(known: Known) -> None:
    desk = ScriptedDesk()
    pair = Pair(known, desk=desk).run(5)
    desk.balance = Balance(amount=1.0, is_demo=False)
    ask(pair, AskBalance())
    pair.run(6)
    with pytest.raises(UnsafeTarget):
        pair.client.ask(ORDER, 6)


def test_asking_before_the_session_is_live_is_our_bug(known: Known) -> None:
    with pytest.raises(LocalProtocolError, match="wait until the session is live"):
        client_session(known).ask(AskBalance(), 0)


def test_unsubscribing_stops_the_ticks(known: Known) -> None:
    pair = Pair(known).run(5)
    ask(pair, Unwatch(symbol="EURUSD_otc"))
    pair.run(6)
    before = len(pair.of(QuoteArrived))
    pair.run(30)
    assert len(pair.of(QuoteArrived)) == before


def test_leaving_ends_both_sides_in_order(known: Known) -> None:
    pair = Pair(known).run(5)
    pair.wire.act(pair.client.leave)
    pair.run(60)
    assert (pair.ended.failure, pair.ended.phase, pair.ended.at) == (None, Phase.LIVE, 5)
    assert pair.wire.idle


def test_a_session_with_a_smaller_goal_stops_there_and_sends_no_login(known: Known) -> None:
    pair = Pair(known, client=client_session(known, goal=Phase.OPENING)).run(10)
    assert [e.phase for e in pair.of(PhaseFinished)] == [Phase.UPGRADING, Phase.OPENING]
    assert (pair.ended.failure, pair.desk.heard) == (None, [])  # type: ignore[attr-defined]


def test_without_a_credential_a_session_ends_before_the_login(known: Known) -> None:
    pair = Pair(known, client=client_session(known, ssid=None)).run(10)
    assert (pair.ended.failure, pair.ended.phase) == (None, Phase.JOINING)


def test_a_refused_login_is_told_apart_and_said_once(known: Known) -> None:
    pair = Pair(known, desk=ScriptedDesk(refuses=True)).run(60)
    assert (pair.kind, pair.ended.phase) == ("auth.refused", Phase.AUTHENTICATING)
    assert pair.wire.idle


def test_a_failed_dial_still_ends_once(known: Known) -> None:
    session = client_session(known)
    session.receive_end(3.0, Failure(kind="tcp.refused"))
    session.receive_end(4.0, None)
    (ended,) = session.events()
    assert isinstance(ended, Ended)
    assert (ended.failure, session.next_wake(), session.outgoing()) == (Failure(kind="tcp.refused"), None, [])


def test_a_black_hole_is_noticed_ten_seconds_after_the_next_heartbeat() -> None:
    pair = Pair().run(45)
    session = pair.client
    while (wake := session.next_wake()) is not None:  # nothing arrives any more
        session.wake(wake)
    events = session.events()
    assert [e.at for e in events if isinstance(e, HeartbeatMissed)] == [70.0]
    (ended,) = [e for e in events if isinstance(e, Ended)]
    assert ended.failure is not None
    assert (ended.failure.kind, ended.at) == ("session.half-open", 70.0)


def test_the_close_code_and_who_closed_first_are_kept(known: Known) -> None:
    pair = Pair(known).run(5)
    pair.wire.act(lambda now: pair.server.close(now, 1012, "restart"))
    pair.run(20)
    assert pair.ended.failure is not None
    assert pair.ended.failure.close is not None
    close = pair.ended.failure.close
    assert (close.received_code, close.received_reason, close.received_first) == (1012, "restart", True)


def test_the_credential_is_in_no_event_and_no_transcript(known: Known) -> None:
    pair = Pair(known).run(30)
    pair.wire.act(pair.client.leave)
    pair.run(40)
    everything = [*map(repr, pair.told), *map(repr, pair.heard), repr(pair.client.transcript())]
    assert [text for text in everything if known.token in text] == []
    assert any("***" in line.text or line.direction == "<" for line in pair.client.transcript())
