"""Sessions of brokers that are asked over HTTP, against the simulator."""

import time
from collections.abc import Iterator

import pytest

from loadtests import polled
from loadtests.polled import PolledLoadSession, asked_of, is_polled
from loadtests.session import StepFailed
from probe.brokers import find_broker
from probe.load.plan import Upset, UpsetKind
from probe.model.errors import ConfigError, UnsafeTarget
from probe.model.intents import AskAssets, AskBalance, Intent, Murmur, SellOrder, Watch
from probe.model.meanings import Assets, Balance, Meaning, Troubles
from tests.loadtests.commons import Shared, eventually, shared
from tests.loadtests.simulated import Beside, simulator_beside

CRYPTO, MT5, BINGX = map(find_broker, ("crypto", "mt5", "bingx"))


class Gate:
    """A guard whose cap on messages a test works by hand."""

    last_refusal = "rate"

    def __init__(self, one_in: int = 1) -> None:
        self.is_open, self.asked, self._one_in = True, 0, one_in

    def claim_connection(self) -> bool:
        return True

    def release_connection(self) -> None: ...

    def claim_message(self, now: float) -> bool:
        self.asked += 1
        return self.is_open and self.asked % self._one_in == 0

    def may_trade(self, url: str) -> bool:
        return False


@pytest.fixture(scope="module")
def simulator() -> Iterator[Beside]:
    with simulator_beside("crypto", "mt5", "bingx") as running:
        yield running


@pytest.fixture
def there(simulator: Beside) -> Shared:
    return _at(simulator, "crypto")


def _at(simulator: Beside, name: str) -> Shared:
    broker, endpoint = find_broker(name), simulator.endpoint(name)
    key = None if name == "bingx" else broker.read_credentials(endpoint.credential.reveal())
    return shared(broker, endpoint.url, key)


@pytest.fixture
def session(there: Shared) -> Iterator[PolledLoadSession]:
    opened = PolledLoadSession(there.common)
    opened.open()
    yield opened
    opened.close()
    assert there.bugs == []


def test_it_opens_and_asks_and_all_of_it_is_counted(there: Shared, session: PolledLoadSession) -> None:
    answer = session.ask(AskBalance(), "balance")
    session.close()
    figures = there.figures()
    assert isinstance(answer, Balance)
    balance = figures.requests["balance"]
    assert (balance.due, balance.sent, balance.answered, balance.failed) == (1, 1, 1, {})
    assert 0.0 < balance.service.largest <= balance.response.largest
    assert (figures.connects.begun, figures.connects.opened) == (1, 1)
    assert set(figures.connects.phases) == {"resolving", "connecting", "opening", "authenticating"}
    assert (figures.sessions.left, figures.sessions.lost) == (1, {})
    assert figures.frames.messages_sent == figures.frames.messages_received >= 5
    assert figures.sessions.live.last == 0.0


def test_prices_that_answers_bring_are_ticks(there: Shared, session: PolledLoadSession) -> None:
    assert session.expect(lambda meaning: isinstance(meaning, Troubles) and meaning.about == "ticker")
    ticks = there.figures().ticks
    assert list(ticks) == [CRYPTO.default_symbol]
    assert ticks[CRYPTO.default_symbol].arrived >= 1
    assert ticks[CRYPTO.default_symbol].first.count == 1


def test_what_is_due_while_the_same_is_on_its_way_has_a_question_of_its_own(
    there: Shared, session: PolledLoadSession
) -> None:
    outcomes: list[tuple[Meaning | None, str]] = []
    asked_before = session.traffic.messages_sent
    due = time.monotonic() - 0.5
    for _ in range(5):
        session.put(AskBalance(), "balance", due, lambda answer, failure: outcomes.append((answer, failure)))
    eventually(lambda: len(outcomes) == 5)
    assert [failure for _, failure in outcomes] == [""] * 5
    assert session.traffic.messages_sent - asked_before >= 5
    requests = there.figures().requests["balance"]
    assert (requests.due, requests.sent, requests.answered) == (5, 5, 5)
    response, service, lateness = (
        each.quantile(0.01) or 0.0 for each in (requests.response, requests.service, requests.lateness)
    )
    assert min(response, lateness) >= 0.45  # it was due half a second before
    assert service < response


def test_a_sign_of_life_is_the_lightest_question(there: Shared, session: PolledLoadSession) -> None:
    assert session.ask(None, "ping") is None
    figures = there.figures()
    assert figures.requests["ping"].answered == 1
    assert figures.sessions.beats_sent == figures.sessions.beats_answered >= 1


def test_what_a_broker_is_not_asked_is_said_and_orders_are_never_sent(session: PolledLoadSession) -> None:
    with pytest.raises(UnsafeTarget):
        session.ask(SellOrder(ticket="1"), "sell")
    assert asked_of(CRYPTO, "http://127.0.0.1:1", ("BTC-USDT",)) == {AskBalance()}
    assert asked_of(BINGX, "http://127.0.0.1:1", ("BTC-USDT",)) == {AskAssets()}
    assert asked_of(MT5, "http://127.0.0.1:1", ("EURUSD",)) == {AskBalance(), Watch(symbol="EURUSD")}


def test_a_dropped_session_comes_back_and_how_long_that_took_is_known(
    there: Shared, session: PolledLoadSession
) -> None:
    session.upset(Upset(kind=UpsetKind.DROP))
    assert not session.is_live
    eventually(lambda: session.is_live)
    sessions = there.figures().sessions
    assert (sessions.dropped, sessions.reopened, sessions.lost) == (1, 1, {})
    assert sessions.recovery.count == 1


def test_upsets_of_sockets_do_not_apply_and_that_is_said_once(
    session: PolledLoadSession, capsys: pytest.CaptureFixture[str]
) -> None:
    polled._say_once.cache_clear()
    for _ in range(3):
        session.upset(Upset(kind=UpsetKind.LOST_PONG))
    session.calm()
    said = capsys.readouterr()
    assert (said.out + said.err).count("lost-pong does not apply to Crypto backend") == 1
    assert session.is_live


def test_a_question_that_fails_says_why(simulator: Beside, there: Shared, session: PolledLoadSession) -> None:
    session.ask(AskBalance(), "balance")
    fault = simulator.switch_on("backend-database-failover")
    try:
        with pytest.raises(StepFailed) as failed:
            session.ask(AskBalance(), "balance")
    finally:
        simulator.switch_off(fault)
    assert failed.value.kind not in ("", "expired")
    assert there.figures().requests["balance"].failed == {failed.value.kind: 1}


def test_a_server_that_wants_fewer_questions_is_told_apart_from_silence(simulator: Beside) -> None:
    there = _at(simulator, "bingx")
    session = PolledLoadSession(there.common)
    session.open()
    kinds: set[str] = set()

    def is_refused() -> bool:
        """The first one in ten seconds is not."""
        try:
            session.ask(AskAssets(), "assets")
        except StepFailed as failed:
            kinds.add(failed.kind)
        return bool(kinds)

    fault = simulator.switch_on("exchange-limit:requests=1")
    try:
        eventually(is_refused)
    finally:
        simulator.switch_off(fault)
    session.close()
    assert kinds == {"http.429"}


def test_nobody_waits_longer_than_he_wants(there: Shared) -> None:
    gate = Gate()
    capped = shared(CRYPTO, there.common.endpoint.url, there.common.credentials, guard=gate)
    session = PolledLoadSession(capped.common)
    session.open()
    gate.is_open = False
    session.put(AskBalance(), "first", time.monotonic())
    with pytest.raises(StepFailed, match="expired"):
        session.ask(AskBalance(), "second", within=0.05)
    gate.is_open = True
    assert session.ask(AskBalance(), "third") is not None
    session.close()
    requests = capped.figures().requests
    assert {name: (each.answered, each.failed) for name, each in requests.items()} == {
        "first": (1, {}),
        "second": (0, {"expired": 1}),
        "third": (1, {}),
    }


def test_who_asks_while_others_are_on_their_way_has_an_answer_of_his_own(there: Shared) -> None:
    gate = Gate()
    gated = shared(CRYPTO, there.common.endpoint.url, there.common.credentials, guard=gate)
    session = PolledLoadSession(gated.common)
    session.open()
    gate.is_open = False
    eventually(lambda: Murmur(name="ticker") in session._on_way.values())  # what it asks by itself
    for _ in range(3):
        session.put(AskBalance(), "behind another", time.monotonic())
    gate.is_open = True
    eventually(lambda: gated.figures().requests["behind another"].answered == 3)
    session.close()
    assert session._conversation is None


def test_who_asks_what_the_session_is_just_asking_by_itself_has_an_answer_of_his_own(there: Shared) -> None:
    class HoldsBalance(Gate):
        holding: PolledLoadSession

        def claim_message(self, now: float) -> bool:
            return self.is_open or AskBalance() not in self.holding._on_way.values()

    gate = HoldsBalance()
    gate.is_open = False
    gated = shared(CRYPTO, there.common.endpoint.url, there.common.credentials, guard=gate)
    session = gate.holding = PolledLoadSession(gated.common)
    session.open()
    eventually(lambda: AskBalance() in session._on_way.values())
    sent = session.traffic.messages_sent
    session.put(AskBalance(), "behind the same", time.monotonic())
    gate.is_open = True
    eventually(lambda: gated.figures().requests["behind the same"].answered == 1)
    session.close()
    assert gated.figures().frames.messages_sent >= sent + 2


def test_asked_while_it_is_not_live_it_fails_and_is_counted(there: Shared) -> None:
    closed = PolledLoadSession(there.common)
    outcomes: list[str] = []
    closed.put(AskBalance(), "balance", time.monotonic(), lambda _, failure: outcomes.append(failure))
    assert outcomes == ["not-live"]
    assert there.figures().requests["balance"].failed == {"not-live": 1}


def test_nobody_there_is_a_failure_to_connect(there: Shared) -> None:
    nowhere = shared(CRYPTO, "http://127.0.0.1:9", there.common.credentials)
    session = PolledLoadSession(nowhere.common, reopens=False)
    with pytest.raises(StepFailed, match=r"tcp\.refused"):
        session.open()
    session.close()
    assert nowhere.figures().connects.failed == {"tcp.refused": 1}


def test_the_runs_cap_on_messages_makes_calls_wait_and_that_is_counted(there: Shared) -> None:
    gate = Gate(one_in=3)
    capped = shared(CRYPTO, there.common.endpoint.url, there.common.credentials, guard=gate)
    session = PolledLoadSession(capped.common)
    session.open()
    assert session.ask(AskBalance(), "balance") is not None
    session.close()
    figures = capped.figures()
    refused = sum(each.refused["rate"] for each in figures.generators.values())
    waited = gate.asked // 3
    assert waited == figures.frames.messages_sent
    assert waited <= refused <= waited + 1  # one more may have waited when it was closed


@pytest.mark.parametrize(
    ("name", "intent", "answer"), [("mt5", AskBalance(), Balance), ("bingx", AskAssets(), Assets)]
)
def test_so_do_the_other_brokers_that_are_polled(
    simulator: Beside, name: str, intent: Intent, answer: type
) -> None:
    there = _at(simulator, name)
    session = PolledLoadSession(there.common)
    session.open()
    assert isinstance(session.ask(intent, "question"), answer)
    session.close()
    assert there.bugs == []
    assert there.figures().requests["question"].answered == 1


def test_a_program_on_this_machine_is_nothing_to_load() -> None:
    assert [is_polled(MT5, "http://127.0.0.1:1"), is_polled(BINGX, "ws://127.0.0.1:1")] == [True, False]
    with pytest.raises(ConfigError, match="is a program on this machine"):
        is_polled(MT5, "bridge://127.0.0.1:1")
