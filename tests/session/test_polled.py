import pytest

from probe.model.errors import LocalProtocolError
from probe.model.events import (
    Ended,
    FirstData,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    RequestSent,
    Told,
    Upgraded,
)
from probe.model.failures import Failure
from probe.model.intents import AskBalance, AskHistory, Leave, PlaceOrder
from probe.model.meanings import Admitted, Direction, Effect, Quotes, Refused, Troubles, Unrecognised
from probe.session.polled import Answered, Round, Said
from probe.session.touching import TouchingSession
from probe.wire.calls import Asking
from probe.wire.drivable import Signal
from tests.session.polled import KEY, Place, Talk, reply


def ended(talk: Talk) -> Ended:
    (end,) = talk.of(Ended)
    assert talk.signals == [Signal.CLOSE]
    assert talk.session.phase is Phase.ENDED
    assert talk.session.next_wake() is None
    return end


def test_it_opens_logs_in_and_then_asks_in_rounds() -> None:
    talk = Talk()
    assert talk.paths() == ["/"]
    talk.live()
    assert [done.phase for done in talk.of(PhaseFinished)] == [Phase.OPENING, Phase.AUTHENTICATING]
    assert talk.session.phase is Phase.LIVE
    assert talk.of(Told)[0].meaning == Admitted()
    talk.pass_time(60.0)
    assert len(talk.of(QuoteArrived)) == 12
    assert len(talk.of(HeartbeatAnswered)) == 4
    assert len([done for done in talk.of(RequestAnswered) if isinstance(done.intent, AskBalance)]) == 4


def test_the_first_answer_says_what_server_it_is_and_the_first_price_when_it_came() -> None:
    talk = Talk()
    talk.answer("/", reply(status=200, headers=(("server", "uvicorn"),)))
    assert talk.of(Upgraded) == [Upgraded(at=talk.now, status=200, headers=(("server", "uvicorn"),))]
    talk.answer("/me")
    talk.pass_time(20.0)
    assert len(talk.of(Upgraded)) == len(talk.of(FirstData)) == 1


def test_a_round_trip_counts_from_the_sending_and_lateness_is_seen() -> None:
    talk = Talk()
    talk.live()
    began = talk.now
    talk.now += 0.4  # nobody woke us in time
    talk.session.wake(talk.now)
    talk._pump()
    talk.answer("/health", after=0.2)
    (sent,) = talk.of(HeartbeatSent)
    (answered,) = talk.of(HeartbeatAnswered)
    assert (sent.due_at, sent.at) == (began, talk.now - 0.2)
    assert answered.rtt_seconds == pytest.approx(0.05)  # as whoever carried it says


def test_without_a_credential_it_goes_no_further_than_the_greeting() -> None:
    talk = Talk(credentials=None)
    talk.answer("/")
    assert ended(talk).failure is None
    assert [done.phase for done in talk.of(PhaseFinished)] == [Phase.OPENING]


@pytest.mark.parametrize(("goal", "paths"), [(Phase.OPENING, ["/"]), (Phase.AUTHENTICATING, ["/", "/me"])])
def test_it_leaves_when_its_goal_is_behind_it(goal: Phase, paths: list[str]) -> None:
    talk = Talk(goal=goal)
    for path in paths:
        talk.answer(path)
    assert ended(talk).failure is None
    assert talk.of(PhaseFinished)[-1].phase is goal


def test_a_refusal_ends_it_and_no_secret_is_in_the_words() -> None:
    class Closed(Place):
        def enter(self, credentials, now):  # type: ignore[no-untyped-def]
            return self._ask("/me", Refused(reason=f"not you, {KEY.token.reveal()}"))(now)

    talk = Talk(Closed())
    talk.live()
    failure = ended(talk).failure
    assert failure is not None
    assert (failure.kind, failure.detail) == ("auth.refused", "not you, ***")


@pytest.mark.parametrize("kind", ["tcp.refused", "session.tcp-reset", "http.closed", "auth.revoked"])
def test_a_lost_way_or_login_ends_it_at_once(kind: str) -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    talk.pass_time(5.0, answers=False)
    talk.answer("/price", Failure(kind=kind))
    failure = ended(talk).failure
    assert failure is not None
    assert failure.kind == kind


def test_one_slow_answer_is_a_missing_one_and_a_second_ends_it() -> None:
    slow = Failure(kind="http.open-timeout")
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    talk.pass_time(5.0, answers=False)
    talk.answer("/price", slow)
    assert talk.session.phase is Phase.LIVE
    assert len(talk.of(RequestExpired)) == 1
    talk.pass_time(20.0, answers=False)
    talk.answer("/health", slow)
    assert len(talk.of(HeartbeatMissed)) == 1
    assert ended(talk).failure == slow


def test_an_answer_between_two_slow_ones_saves_it() -> None:
    slow = Failure(kind="http.open-timeout")
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    for _ in range(4):
        talk.pass_time(5.0, answers=False)
        talk.answer("/price", slow)
        talk.pass_time(5.0)
    assert talk.session.phase is Phase.LIVE


def test_what_an_answer_could_not_say_is_a_trouble_until_it_can() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    talk.pass_time(5.0, answers=False)
    talk.answer("/price", Failure(kind="http.bad-gateway", http_status=502))
    told = [
        each.meaning for each in talk.of(Told) if isinstance(each.meaning, Troubles) and each.meaning.rows
    ]
    assert [(each.about, each.rows[0].code, each.rows[0].effect) for each in told] == [
        ("price?", "http.bad-gateway", Effect.DEGRADES)
    ]
    talk.pass_time(10.0)
    newest = [
        each.meaning
        for each in talk.of(Told)
        if isinstance(each.meaning, Troubles) and each.meaning.about == "price?"
    ]
    assert newest[-1].rows == ()


@pytest.mark.parametrize(("asked", "pause"), [(None, 60.0), (300.0, 300.0), (1e9, 900.0)])
def test_who_is_told_to_ask_less_asks_nothing_for_so_long(asked: float | None, pause: float) -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    talk.pass_time(5.0, answers=False)
    talk.answer("/price", Failure(kind="http.429", http_status=429, retry_after_seconds=asked))
    while talk.out:  # those that were out already
        talk.answer(talk.paths()[0], after=0.0)
    began = talk.now
    talk.pass_time(pause - 0.5, answers=False)
    assert talk.paths() == []
    talk.pass_time(2.0)
    assert talk.of(QuoteArrived)[-1].at >= began + pause
    assert talk.session.phase is Phase.LIVE


def test_rounds_of_one_lane_wait_for_each_other_and_another_lane_does_not() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(2.0, answers=False)
    assert talk.paths() == ["/health", "/price"]
    talk.answer("/price")
    assert talk.paths() == ["/health", "/account"]


def test_a_round_that_waits_is_not_asked_twice() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(60.0, answers=False)
    assert sorted(talk.paths()) == ["/health", "/price"]
    talk.answer("/price")
    talk.answer("/account")
    assert talk.paths() == ["/health"]
    assert len(talk.of(RequestSent)) == 2


def test_a_machine_that_slept_does_not_make_up_for_it() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(10.0)
    before = len(talk.of(QuoteArrived))
    talk.now += 3600.0
    talk.session.wake(talk.now)
    talk._pump()
    talk.pass_time(0.0)
    assert len(talk.of(QuoteArrived)) == before + 1


@pytest.mark.parametrize(
    ("answered", "kind"), [([], "http.open-timeout"), (["/"], "auth.silent-after-connect")]
)
def test_opening_and_logging_in_have_deadlines(answered: list[str], kind: str) -> None:
    talk = Talk()
    for path in answered:
        talk.answer(path)
    talk.pass_time(60.0, answers=False)
    failure = ended(talk).failure
    assert failure is not None
    assert failure.kind == kind


def test_it_may_be_asked_out_of_turn_for_what_it_asks_anyway_and_for_nothing_else() -> None:
    talk = Talk()
    with pytest.raises(LocalProtocolError, match="wait until the session is live"):
        talk.session.ask(AskBalance(), talk.now)
    talk.live()
    talk.pass_time(3.0)
    before = len(talk.of(RequestAnswered))
    assert talk.session.ask(AskBalance(), talk.now)
    talk._pump()
    talk.pass_time(0.1)
    assert len(talk.of(RequestAnswered)) == before + 1
    order = PlaceOrder(symbol="EURUSD", direction=Direction.CALL, amount=1.0, duration=60, request_id=1)
    with pytest.raises(LocalProtocolError, match="only reads"):
        talk.session.ask(order, talk.now)
    with pytest.raises(LocalProtocolError, match="AskHistory"):
        talk.session.ask(AskHistory(symbol="EURUSD", period=60, until=0.0, span=1, index=1), talk.now)
    talk.session.ask(Leave(), talk.now)
    talk._pump()
    assert ended(talk).failure is None


def test_a_sign_of_life_can_be_asked_for_now() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(3.0)
    talk.session.ping(talk.now)
    talk._pump()
    assert talk.paths() == ["/health"]


def test_all_that_is_asked_soon_was_asked_when_each_round_was_answered_once() -> None:
    talk = Talk()
    talk.live()
    assert not talk.session.has_asked_all
    talk.pass_time(3.0)
    assert talk.session.has_asked_all


@pytest.mark.parametrize("answers", [True, False])
def test_it_says_goodbye_where_that_is_polite_and_does_not_wait_for_ever(answers: bool) -> None:
    talk = Talk(Place(politely=True))
    talk.live()
    talk.pass_time(3.0)
    talk.leave()
    assert talk.paths() == ["/logout"]
    assert talk.session.phase is Phase.CLOSING
    talk.pass_time(5.0, answers=answers)
    assert ended(talk).failure is None
    assert ended(talk).phase is Phase.LIVE


def test_answers_that_come_after_the_end_change_nothing() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(1.0)
    talk.pass_time(5.0, answers=False)
    number = talk.out[0].number
    talk.leave()
    talk.session.receive(Answered(number=number, reply=reply()), talk.now)
    talk.session.receive_end(talk.now, Failure(kind="tcp.refused"))
    talk.session.wake(talk.now + 1000)
    talk._pump()
    assert ended(talk).failure is None


def test_a_session_that_was_never_dialled_ends_where_dialling_ended() -> None:
    talk = Talk()
    fresh = type(talk.session)(
        survey=Place(), credentials=KEY, plan=talk.session.plan, redact=talk.session._transcript.redact
    )
    fresh.receive_end(1.0, Failure(kind="dns.nxdomain"))
    (end,) = fresh.events()
    assert isinstance(end, Ended)
    assert end.phase is Phase.RESOLVING


def test_what_is_not_understood_is_a_surprise_and_a_thousand_of_them_fill_no_memory() -> None:
    class Strange(Place):
        def rounds(self) -> list[Round]:
            asks = self._ask("/price", Unrecognised(problem="odd", preview=KEY.token.reveal()), Quotes(()))
            return [Round(name="price", every=1.0, ask=asks)]

    talk = Talk(Strange())
    talk.live()
    talk.pass_time(300.0)
    surprises = [event for event in talk.events if type(event).__name__ == "Surprise"]
    assert len(surprises) == 100
    assert "planted" not in str(surprises)


def test_the_last_messages_are_evidence_without_the_secret() -> None:
    talk = Talk()
    talk.answer("/", reply('{"token": "planted0secret"}'))
    lines = [(line.direction, line.text) for line in talk.session.transcript()]
    assert lines == [(">", "GET /"), ("<", '200 {"token": "***"}'), (">", "GET /me")]


def test_a_touch_is_over_when_there_is_a_connection() -> None:
    session = TouchingSession()
    session.begin(1.0)
    session.receive(b"anything", 1.0)
    session.receive_end(2.0, None)
    (end,) = session.events()
    assert end == Ended(at=1.0, phase=Phase.CONNECTING, failure=None, traffic=session.traffic)
    assert session.outgoing() == [Signal.CLOSE]


def test_a_touch_that_finds_nobody_says_why() -> None:
    session = TouchingSession()
    session.receive_end(1.0, Failure(kind="tcp.refused"))
    (end,) = session.events()
    assert isinstance(end, Ended)
    assert end.failure is not None
    assert end.failure.kind == "tcp.refused"


def test_a_round_that_finds_nothing_to_ask_was_no_request() -> None:
    class Idle(Place):
        def rounds(self) -> list[Round]:
            return [Round(name="idle", every=1.0, ask=self._nothing, is_beat=False)]

        def _nothing(self, now: float) -> Asking[Said]:
            yield from ()
            return []

    talk = Talk(Idle())
    talk.live()
    talk.pass_time(10.0)
    assert (talk.of(RequestSent), talk.of(RequestAnswered)) == ([], [])
    assert talk.session.has_asked_all


def test_what_else_a_refusal_showed_is_told_before_the_end() -> None:
    odd = Troubles(about="login")

    class Closed(Place):
        def enter(self, credentials, now):  # type: ignore[no-untyped-def]
            return self._ask("/me", odd, Refused(reason="no"))(now)

    talk = Talk(Closed())
    talk.live()
    assert talk.of(Told)[-1].meaning == odd
    assert ended(talk).failure is not None
