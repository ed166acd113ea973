from collections.abc import Callable, Sequence

import pytest

from probe.model.credentials import Redactor
from probe.model.errors import ConfigError, LocalProtocolError, UnsafeTarget
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
from probe.model.failures import Blame, Failure
from probe.model.intents import AskBalance, AskHistory, Leave, PlaceOrder, Watch
from probe.model.meanings import (
    Admitted,
    Direction,
    Effect,
    Quotes,
    Refused,
    Trouble,
    Troubles,
    Unrecognised,
)
from probe.session.polled import Answered, Explained, Round, Said
from probe.session.touching import TouchingSession
from probe.wire.calls import (
    Asking,
    HttpCall,
    LookForProcess,
    NewLines,
    ProcessFound,
    ReadLines,
    TerminalCall,
    TerminalReply,
    Touch,
    Touched,
)
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
    with pytest.raises(UnsafeTarget, match="only reads"):
        talk.session.ask(order, talk.now)
    with pytest.raises(ConfigError, match=r"no AskHistory.*AskBalance"):
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
        survey=Place(), credentials=KEY, plan=talk.session.plan, redact=Redactor((KEY.token,))
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


def price_of(symbol: str) -> Round:
    return Round(name=symbol, every=60.0, ask=Place()._ask(f"/{symbol}"), intent=Watch(symbol=symbol))


class Rounds(Place):
    def __init__(self, *rounds: Round) -> None:
        super().__init__()
        self._of = rounds

    def rounds(self) -> tuple[Round, ...]:
        return self._of


def test_each_number_that_was_given_is_answered_or_expires_whatever_waits_in_its_lane() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(3.0)
    talk.pass_time(5.0, answers=False)
    assert talk.paths() == ["/price"]
    number = talk.session.ask(AskBalance(), talk.now)  # it waits for the price
    assert talk.session.ask(AskBalance(), talk.now) == number
    talk._pump()
    talk.answer("/price")
    assert number not in {done.request for done in talk.of(RequestAnswered)}
    talk.answer("/account")
    assert talk.of(RequestAnswered)[-1].request == number
    assert isinstance(talk.of(RequestAnswered)[-1].intent, AskBalance)


def test_who_waits_for_an_answer_hears_that_there_will_be_none() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(3.0)
    talk.pass_time(5.0, answers=False)
    number = talk.session.ask(AskBalance(), talk.now)
    talk.answer("/price", Failure(kind="http.429", http_status=429))
    assert [each.request for each in talk.of(RequestExpired)][-1] == number
    assert talk.paths() == []


@pytest.mark.parametrize("end", ["left", "lost"])
def test_who_waits_for_an_answer_hears_of_the_end(end: str) -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(3.0)
    number = talk.session.ask(AskBalance(), talk.now)
    talk._pump()
    if end == "left":
        talk.leave()
    else:
        talk.session.receive_end(talk.now, Failure(kind="session.tcp-reset"))
        talk._pump()
    assert [type(event) for event in talk.events[-2:]] == [RequestExpired, Ended]
    assert [each.request for each in talk.of(RequestExpired)] == [number]


def test_what_was_out_when_it_was_told_to_ask_less_is_not_asked_again_sooner() -> None:
    def bad(now: float) -> Asking[Said]:
        yield HttpCall(method="GET", url="http://x/rare")
        return Failure(kind="http.bad-gateway", http_status=502)

    rare = Round(name="rare", every=300.0, ask=bad, lane="rare")
    talk = Talk(Rounds(Round(name="price", every=5.0, ask=Place()._ask("/price")), rare))
    talk.live()
    talk.pass_time(1.0, answers=False)
    limited = Failure(kind="http.429", http_status=429, retry_after_seconds=200.0)
    talk.answer("/price", limited, after=0.0)
    talk.answer("/rare", after=0.0)
    talk.pass_time(199.0, answers=False)
    assert talk.paths() == []
    talk.pass_time(2.0, answers=False)
    assert sorted(talk.paths()) == ["/price", "/rare"]


def test_who_asks_what_this_time_needs_no_question_hears_that_too() -> None:
    def nothing(now: float) -> Asking[Said]:
        yield from ()
        return []

    talk = Talk(Rounds(Round(name="account", every=60.0, ask=nothing, intent=AskBalance())))
    talk.live()
    number = talk.session.ask(AskBalance(), talk.now)
    talk._pump()
    assert [each.request for each in talk.of(RequestExpired)] == [number]


def test_another_symbol_s_price_is_no_answer() -> None:
    talk = Talk(Rounds(price_of("EURUSD"), price_of("BTCUSD")))
    talk.live()
    talk.session.ask(Watch(symbol="BTCUSD"), talk.now)
    talk._pump()
    assert talk.paths() == ["/BTCUSD"]
    with pytest.raises(ConfigError, match="no Watch of GBPUSD"):
        talk.session.ask(Watch(symbol="GBPUSD"), talk.now)


def test_a_beat_that_waited_for_a_slow_answer_is_not_called_late() -> None:
    slow = Round(name="slow", every=60.0, ask=Place()._ask("/slow"))
    beat = Round(name="beat", every=5.0, ask=Place()._ask("/beat"), is_beat=True, first_after=1.0)
    talk = Talk(Rounds(slow, beat))
    talk.live()
    talk.pass_time(5.0, answers=False)
    assert talk.paths() == ["/slow"]
    talk.answer("/slow")
    (sent,) = talk.of(HeartbeatSent)
    assert sent.due_at == sent.at == talk.now


def test_what_is_read_here_or_only_touched_is_no_request_and_proves_no_life() -> None:
    def journal(now: float) -> Asking[Said]:
        yield ReadLines(folder="/logs")
        yield Touch(name="access", host="192.0.2.1", port=443)
        return []

    def look(now: float) -> Asking[Said]:
        yield LookForProcess()
        return []

    slow = Failure(kind="terminal.silent")
    price = Round(name="price", every=20.0, ask=Place()._price, lane="price")
    beat = Round(name="look", every=20.0, ask=look, is_beat=True, lane="look")
    talk = Talk(Rounds(price, beat, Round(name="journal", every=5.0, ask=journal)))
    talk.live()
    for _ in range(2):
        talk.pass_time(10.0, answers=False)
        talk.reply_to(LookForProcess, ProcessFound(running=False))
        talk.reply_to(ReadLines, NewLines(file="x.log", lines=(), is_first=False))
        talk.reply_to(Touch, Touched(address="192.0.2.1", seconds=0.1))
        talk.answer("/price", slow)
        talk.pass_time(10.0, answers=False)
    assert (talk.of(HeartbeatSent), talk.of(HeartbeatAnswered), talk.of(RequestAnswered)) == ([], [], [])
    assert ended(talk).failure == slow


def test_while_it_says_goodbye_nothing_else_is_asked() -> None:
    talk = Talk(Rounds(Round(name="fast", every=0.5, ask=Place()._ask("/fast"))))
    talk.session._survey = Place(politely=True)
    talk.live()
    talk.pass_time(3.0)
    talk.leave()
    talk.pass_time(1.5, answers=False)
    assert talk.paths() == ["/logout"]


def test_an_answer_that_comes_after_the_end_is_no_event() -> None:
    talk = Talk()
    (asked,) = talk.out
    talk.pass_time(60.0, answers=False)
    ended(talk)
    talk.session.receive(Answered(number=asked.number, reply=reply()), talk.now)
    talk._pump()
    assert isinstance(talk.events[-1], Ended)


def test_a_terminal_that_does_not_open_is_not_called_a_web_server() -> None:
    class Hanging(Place):
        def open(self, now: float) -> Asking[Said]:
            yield LookForProcess()
            return []

    talk = Talk(Hanging())
    talk.pass_time(60.0, answers=False)
    failure = ended(talk).failure
    assert failure is not None
    assert failure.kind == "terminal.silent"


ME = '{"email": "ann.other@mail.example", "balance": 1234.5}'


def test_of_an_answer_about_an_account_only_its_size_is_evidence_and_of_an_error_its_words() -> None:
    signed = (("Cookie", KEY.token),)

    def ask(path: str) -> Callable[[float], Asking[Said]]:
        def flow(now: float) -> Asking[Said]:
            yield HttpCall(method="GET", url=f"http://x{path}", headers=signed)
            return []

        return flow

    price = Round(name="price", every=60.0, ask=ask("/price"), intent=Watch(symbol="EURUSD"))
    talk = Talk(Rounds(Round(name="money", every=60.0, ask=ask("/money")), price))
    talk.live()
    talk.pass_time(2.0, answers=False)
    talk.answer("/money", reply(ME))
    talk.answer("/price", reply('{"price": 1.5}'))
    talk.pass_time(58.5, answers=False)
    talk.answer("/money", reply('{"detail": "ann.other@mail.example may not"}', status=403))
    said = [line.text for line in talk.session.transcript() if line.direction == "<"][2:]
    assert said == [f"200 ({len(ME)} bytes)", '200 {"price": 1.5}', '403 {"detail": "*** may not"}']


def test_of_a_terminal_s_records_only_their_size_is_evidence() -> None:
    def ask(function: str) -> Callable[[float], Asking[Said]]:
        def flow(now: float) -> Asking[Said]:
            yield TerminalCall(function=function)
            return []

        return flow

    talk = Talk(Rounds(Round(name="account", every=60.0, ask=ask("account_info"))))
    talk.live()
    talk.pass_time(1.0, answers=False)
    value = {"name": "Ann Other", "balance": 1234.5}
    talk.reply_to(TerminalCall, TerminalReply(value=value, error=1, error_text="Success", seconds=0.01))
    assert talk.session.transcript()[-1].text == "a record of 2 values"


def test_no_word_that_leaves_the_session_holds_the_secret_or_an_e_mail_address() -> None:
    words = f"{KEY.token.reveal()} of ann.other@mail.example"
    trouble = Trouble(
        code="http.403", sentence=words, advice="-", effect=Effect.NOTED, blame=Blame.CREDENTIAL
    )

    class Talkative(Place):
        def enter(self, credentials, now):  # type: ignore[no-untyped-def]
            odd = Unrecognised(problem=words, preview=words)
            return self._ask("/me", Troubles(about="me", rows=(trouble,)), odd, Refused(reason=words))(now)

    talk = Talk(Talkative())
    talk.answer("/", reply(headers=(("server", words), ("Set-Cookie", "a=b"))))
    talk.answer("/me")
    assert ended(talk).failure is not None
    shown = f"{talk.events} {talk.session.transcript()}"
    assert "of ***" in shown
    assert ("planted" in shown, "@" in shown, "a=b" in shown) == (False, False, False)


def test_a_failure_that_a_flow_ends_in_is_told_without_the_secret() -> None:
    class Failing(Place):
        def open(self, now: float) -> Asking[Said]:
            yield HttpCall(method="GET", url="http://x/")
            return Failure(kind="http.403", detail=f"{KEY.token.reveal()} of ann.other@mail.example")

    talk = Talk(Failing())
    talk.answer("/")
    failure = ended(talk).failure
    assert failure is not None
    assert failure.detail == "*** of ***"


class Knowing(Place):
    """It knows why its price does not come."""

    def __init__(self, *, stands: bool) -> None:
        super().__init__()
        self._stands = stands

    def rounds(self) -> Sequence[Round]:
        return (Round(name="price", every=5.0, ask=self._why),)

    def _why(self, now: float) -> Asking[Said | Explained]:
        got = yield HttpCall(method="GET", url="http://x/price")
        assert isinstance(got, Failure)
        why = Trouble(
            code="crypto.mongo-down",
            sentence="it is so",
            advice="Do this.",
            effect=Effect.STALLS,
            blame=Blame.BROKER,
        )
        return Explained(failure=got, said=(Troubles(about="backend", rows=(why,)),), stands=self._stands)


@pytest.mark.parametrize(("stands", "phase"), [(True, Phase.LIVE), (False, Phase.ENDED)])
def test_a_survey_that_knows_why_nothing_came_says_it_instead(stands: bool, phase: Phase) -> None:
    talk = Talk(Knowing(stands=stands))
    talk.live()
    for _ in range(2):
        talk.pass_time(6.0, answers=False)
        talk.answer("/price", Failure(kind="http.open-timeout"))
    told = [
        (each.meaning.about, [row.code for row in each.meaning.rows])
        for each in talk.of(Told)
        if isinstance(each.meaning, Troubles)
    ]
    assert told[:2] == [("backend", ["crypto.mongo-down"]), ("price?", [])]
    assert len(talk.of(RequestExpired)) == 2
    assert talk.session.phase is phase


def test_a_beat_that_is_refused_is_answered() -> None:
    talk = Talk()
    talk.live()
    talk.pass_time(0.0, answers=False)
    talk.answer("/health", Failure(kind="http.429", http_status=429))
    assert (len(talk.of(HeartbeatAnswered)), len(talk.of(HeartbeatMissed))) == (1, 0)


@pytest.mark.parametrize(("effect", "after"), [(Effect.STALLS, 60.0), (Effect.NOTED, 300.0)])
def test_a_rare_question_that_showed_trouble_is_asked_again_soon(effect: Effect, after: float) -> None:
    row = Trouble(code="x.y", sentence="it is so", advice="Do.", effect=effect, blame=Blame.BROKER)

    class Rare(Place):
        def rounds(self) -> Sequence[Round]:
            ask = self._ask("/list", Troubles(about="list", rows=(row,)))
            return (Round(name="list", every=300.0, ask=ask),)

    talk = Talk(Rare())
    talk.live()
    talk.pass_time(400.0)
    first, second = [event.at for event in talk.of(RequestSent)][:2]
    assert second - first == pytest.approx(after)
