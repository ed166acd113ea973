from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

from probe.faults.catalogue import compose, read_fault
from probe.faults.misbehaviour import PROTOCOL_FAULTS, protocol_fault
from probe.model.errors import ConfigError
from probe.model.events import (
    Ended,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    Surprise,
    Told,
    Upgraded,
)
from probe.model.intents import AskBalance, AskHistory, PlaceOrder, Watch
from probe.model.meanings import (
    Admitted,
    Candle,
    Goodbye,
    History,
    OrderList,
    OrderOpened,
    OrderRejected,
    OrdersClosed,
)
from tests.faults.suffering import (
    FIRST,
    SECOND,
    Sufferer,
    ages,
    balances,
    expired,
    lasting,
    meanings,
    price_at,
    quotes,
    suffer,
)
from tests.pretending import BROKER, KNOWN, POCKETOPTION, Known, Pair

# Another broker's own would be said in words that these have not.
POSSIBLE = {name for name, spec in PROTOCOL_FAULTS.items() if spec.brokers != ("bingx",)}
# These do nothing to a client that does nothing unusual, or to one that is alone.
NEEDS_MORE = {
    "pre-auth-events",
    "session-cap",
    "rate-limit",
    "stuck-history",
    "short-history",
    "numbers-as-text",
}


# With these nothing changes for a client that subscribes in parts, or whose rows once were shorter.
NEEDS_ANOTHER_DIALECT = {"quotex": {"half-subscribed", "missing-element"}}


@cache
def unharmed(known: Known) -> Sufferer:
    return suffer(known=known)


@pytest.fixture
def healthy() -> Sufferer:
    return unharmed(POCKETOPTION)


def test_a_healthy_session_shows_none_of_it(healthy: Sufferer) -> None:
    assert healthy.of(Ended) == []
    assert healthy.of(Surprise) == []
    assert healthy.of(HeartbeatMissed) == []
    assert expired(healthy) == []
    assert healthy.refused == []
    assert ages(healthy) == {0.0}
    assert [quote.at for quote in quotes(healthy)] == [0.5 * number for number in range(1, 121)]
    assert set(balances(healthy)) == {50000.0}


@pytest.mark.parametrize("name", sorted(POSSIBLE - NEEDS_MORE))
def test_every_fault_changes_what_the_client_sees(name: str, known: Known) -> None:
    until = 8.0 if name == "flood" else 60.0
    seen = lasting(suffer(name, until=until, known=known))
    untouched = name in NEEDS_ANOTHER_DIALECT.get(known.broker.name, ())
    assert (seen == [event for event in lasting(unharmed(known)) if event.at <= until]) is untouched


@pytest.mark.parametrize("name", sorted(PROTOCOL_FAULTS))
def test_a_fault_whose_time_has_not_come_changes_nothing(name: str, known: Known) -> None:
    assert lasting(suffer(f"{name}@1h", known=known)) == lasting(unharmed(known))


@pytest.mark.parametrize("name", sorted(PROTOCOL_FAULTS))
def test_a_fault_that_spares_this_connection_changes_nothing(name: str, healthy: Sufferer) -> None:
    assert lasting(suffer(f"{name}:share=0")) == lasting(healthy)


@pytest.mark.parametrize("name", sorted(POSSIBLE))
def test_both_ends_end_once_and_leave_no_timer(name: str, known: Known) -> None:
    pair = suffer(name, until=8.0, known=known)
    pair.wire.act(pair.client.leave)
    pair.run(200.0)
    assert len(pair.of(Ended)) == 1
    assert sum(isinstance(event, Ended) for event in pair.heard) == 1
    assert pair.wire.idle


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("http-status:code=200", "http.200-not-101"),
        ("http-status:code=302", "http.redirect"),
        ("http-status:code=400", "http.bad-request"),
        ("http-status:code=401", "http.401"),
        ("http-status:code=403", "http.cf-challenge"),
        ("http-status:code=404", "http.wrong-path"),
        ("http-status:code=418", "http.refused"),
        ("http-status:code=429", "http.429"),
        ("http-status:code=500", "http.other-status"),
        ("http-status:code=502", "http.bad-gateway"),
        ("http-status:code=503", "http.bad-gateway"),
        ("http-status:code=599", "http.other-status"),
        ("silent-upgrade", "http.open-timeout"),
        ("slow:step=upgrade:seconds=12s", "http.open-timeout"),
        ("slow:step=open:seconds=12s", "eio.no-open"),
        ("slow:step=join:seconds=12s", "sio.connect-silent"),
        ("slow:step=auth:seconds=20s", "auth.silent-after-connect"),
        ("no-open", "eio.no-open"),
        ("no-join", "sio.connect-silent"),
        ("connect-error", "sio.connect-error"),
        ("auth-refused", "auth.refused"),
        ("auth-41", "auth.rejected-41"),
        ("auth-silent", "auth.silent-after-connect"),
        ("auth-close", "auth.closed"),
        ("auth-close:code=1000", "auth.closed"),
        ("auth-close:code=1006", "auth.closed"),
        ("auth-outage", "auth.refused"),
        ("auth-refused:then=stay", "auth.refused"),
        ("beat-terms", "eio.ping-timeout"),
        ("kicked-elsewhere", "auth.revoked"),
        ("goodbye", "session.goodbye"),
        ("goodbye:then=stay", "session.goodbye"),
        ("close-after-order", "session.closed-1005"),
        ("close-after-order:code=1006", "session.closed-1006"),
        ("rate-limit:limit=3", "session.policy-1008"),
        ("rate-limit:limit=3:code=4029", "session.app-close"),
        ("close", "session.closed-normal"),
        ("close:code=1001", "session.closed-normal"),
        ("close:code=1005", "session.closed-1005"),
        ("close:code=1006", "session.closed-1006"),
        ("close:code=1008", "session.policy-1008"),
        ("close:code=1011", "session.closed-other"),
        ("close:code=1012", "session.closed-other"),
        ("close:code=1013", "session.closed-other"),
        ("close:code=4001", "session.app-close"),
        ("drop", "session.closed-1006"),
        ("tcp-reset", "session.tcp-reset"),
        ("close-loop", "session.closed-1005"),
        ("idle-kick", "session.closed-normal"),
        ("half-open", "session.half-open"),
        ("half-open:at=0", "session.half-open"),
        ("stop-pings", "eio.ping-timeout"),
        ("big-message", "session.message-too-big"),
    ],
)
def test_the_client_ends_with_the_right_kind(fault: str, kind: str, known: Known) -> None:
    if not known.broker.rules.peer_beats:
        kind = ONLY_THE_CLIENT_BEATS.get(fault, kind)
    pair = suffer(fault, known=known)
    assert (pair.ended.failure.kind if pair.of(Ended) and pair.ended.failure else "") == kind


# A client that gets no answer to its heartbeats while prices go on misses them, and goes on; one that keeps alive more
# often than it is asked to does not notice other terms.
ONLY_THE_CLIENT_BEATS = {"stop-pings": "", "beat-terms": "", "idle-kick": "session.closed-normal"}


@pytest.mark.parametrize(
    "name",
    [
        "silent-upgrade",
        "no-open",
        "no-join",
        "connect-error",
        "auth-refused",
        "auth-41",
        "auth-silent",
        "auth-close",
        "beat-terms",
        "kicked-elsewhere",
        "goodbye",
        "close",
        "close-after-order",
        "drop",
        "tcp-reset",
        "close-loop",
        "half-open",
        "stop-pings",
        "big-message",
    ],
)
def test_an_end_that_needs_no_diagnosis_points_to_the_finding_of_its_fault(name: str) -> None:
    failure = suffer(name).ended.failure
    assert failure is not None
    assert failure.facts.code == PROTOCOL_FAULTS[name].finding


# -- the opening --------------------------------------------------------------------------------------------------------


def test_a_challenge_page_shows_the_edge_that_sent_it() -> None:
    failure = suffer("http-status").ended.failure
    assert failure is not None
    assert failure.http_status == 403
    assert "server: cloudflare" in failure.detail
    assert "cf-ray: " in failure.detail
    assert "page title 'Just a moment...'" in failure.detail


@pytest.mark.parametrize(("code", "seconds"), [(429, 90.0), (503, 90.0), (403, None)])
def test_the_wait_that_a_status_asks_for_reaches_the_client(code: int, seconds: float | None) -> None:
    failure = suffer(f"http-status:code={code}:retry_after=1m30s").ended.failure
    assert failure is not None
    assert failure.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        ("upgrade", Phase.UPGRADING),
        ("open", Phase.OPENING),
        ("join", Phase.JOINING),
        ("auth", Phase.AUTHENTICATING),
    ],
)
def test_only_the_slow_step_is_slow(step: str, phase: Phase) -> None:
    pair = suffer(f"slow:step={step}:seconds=3s", until=10.0)
    assert {done.phase: done.seconds for done in pair.of(PhaseFinished) if done.seconds} == {phase: 3.0}
    assert pair.of(Surprise) == []


def test_after_a_slow_login_the_verdict_still_comes_first() -> None:
    pair = suffer("slow:step=auth:seconds=3s", until=4.0)
    after_joining = [meaning for meaning in meanings(pair) if not isinstance(meaning, History)][2:]
    assert isinstance(after_joining[0], Admitted)
    assert len(after_joining) > 1


def test_false_success_admits_and_tells_nothing_but_heartbeats() -> None:
    pair = suffer("false-success")
    assert [event.phase for event in pair.of(PhaseFinished)][-1] is Phase.AUTHENTICATING
    assert pair.of(QuoteArrived) == []
    assert expired(pair) == [Watch, Watch, AskBalance, AskHistory]
    assert len(pair.of(PeerBeat)) == 2
    assert balances(pair) == []


@pytest.mark.parametrize("word", ["live", "nothing"])
def test_a_balance_that_does_not_say_demo_forbids_orders(word: str) -> None:
    pair = suffer(f"lying-balance:word={word}")
    assert len(pair.refused) == 2
    assert not any(isinstance(meaning, OrderOpened) for meaning in meanings(pair))


def test_a_balance_may_lie_the_other_way_too(healthy: Sufferer) -> None:
    assert lasting(suffer("lying-balance:word=demo")) == lasting(healthy)


@pytest.mark.parametrize(("policy", "kind"), [("ignore", None), ("serve", None), ("close", "auth.closed")])
def test_what_becomes_of_an_early_request_is_a_choice(policy: str, kind: str | None) -> None:
    pair = suffer("auth-silent", f"pre-auth-events:policy={policy}", until=1.0)
    pair.wire.act(lambda now: pair.client._send(BROKER.codec().encode_intent(Watch(symbol=FIRST)), now))
    pair.run(2.0)
    assert [ended.failure and ended.failure.kind for ended in pair.of(Ended)] == ([kind] if kind else [])
    served = [event for event in pair.of(Told) if isinstance(event.meaning, History)]
    assert len(served) == (1 if policy == "serve" else 0)


# -- the end ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["close", "drop", "tcp-reset", "kicked-elsewhere", "goodbye", "big-message"])
def test_a_blow_falls_so_long_after_the_login(name: str) -> None:
    assert suffer("slow:seconds=2s", f"{name}:at=7s").ended.at == 9.0


@pytest.mark.parametrize(
    ("fault", "said_at", "open_phase"),
    [("auth-refused", 2.5, Phase.AUTHENTICATING), ("goodbye:at=5s", 7.5, Phase.LIVE)],
)
def test_whether_the_server_closes_after_its_last_word_is_a_choice(
    fault: str, said_at: float, open_phase: Phase
) -> None:
    def phase_before_the_client_can_react(fault: str) -> Phase:
        pair = Pair(misbehaviour=compose([read_fault(fault)]), latency=0.5)
        assert pair.run(said_at - 0.1).server.phase is open_phase
        return pair.run(said_at + 0.9).server.phase

    assert phase_before_the_client_can_react(fault) is Phase.CLOSING
    assert phase_before_the_client_can_react(f"{fault}:then=stay") is open_phase


def test_a_disowned_session_hears_heartbeats_and_nothing_else(healthy: Sufferer) -> None:
    pair = suffer("disowned:at=5s")
    assert pair.of(HeartbeatAnswered) == healthy.of(HeartbeatAnswered)
    assert pair.of(PeerBeat) == healthy.of(PeerBeat)
    assert max(quote.at for quote in pair.of(QuoteArrived)) < 5.0
    assert expired(pair) == [AskBalance, AskHistory, PlaceOrder, PlaceOrder]


def test_a_session_is_closed_when_its_order_settles_and_not_before() -> None:
    pair = suffer("close-after-order")
    assert [type(meaning) for meaning in meanings(pair)].count(OrdersClosed) == 1
    assert pair.ended.at == 18.0  # placed at 13 s, for 5 s


def test_a_close_has_words() -> None:
    failure = suffer("close:code=1012:reason=service restart").ended.failure
    assert failure is not None
    assert failure.close is not None
    assert (failure.close.received_code, failure.close.received_reason) == (1012, "service restart")


def test_nothing_is_sent_after_the_close() -> None:
    alone = suffer("close")
    crowded = suffer("close", "garbage:at=5s", "kicked-elsewhere", "drop")
    assert crowded.server.traffic == alone.server.traffic


def test_a_bare_goodbye_is_not_a_refusal_in_words() -> None:
    pair = suffer("auth-41")
    assert not any(isinstance(meaning, Admitted | Goodbye) for meaning in meanings(pair))


def test_every_session_of_a_close_loop_is_short() -> None:
    assert 0.3 <= suffer("close-loop").ended.at <= 2.2
    assert suffer("close-loop:soonest=1s:latest=1s").ended.at == 1.0


def test_a_client_that_keeps_alive_in_time_is_not_kicked(healthy: Sufferer) -> None:
    assert lasting(suffer("idle-kick:silence=21s")) == lasting(healthy)


def test_the_idle_clock_starts_when_the_fault_does() -> None:
    assert suffer("idle-kick:silence=10s:sweep=5s@22s").ended.at == 37.0


def test_a_half_open_session_hears_nothing_at_all_from_some_moment_on() -> None:
    pair = suffer("half-open:at=5s")
    assert max(quote.at for quote in pair.of(QuoteArrived)) < 5.0
    assert [missed.sent_at for missed in pair.of(HeartbeatMissed)] == [20.5]


def test_a_half_open_server_does_not_even_answer_a_close() -> None:
    pair = suffer("half-open:at=5s", until=6.0)
    pair.wire.act(pair.client.leave)
    pair.run(30.0)
    assert pair.ended.at == 8.0


def test_a_rate_limit_counts_requests_and_spares_heartbeats(healthy: Sufferer) -> None:
    assert lasting(suffer("rate-limit:limit=6")) == lasting(healthy)
    assert suffer("rate-limit:limit=5").ended.at == 14.0
    ignored = suffer("rate-limit:limit=5:then=ignore")
    assert (ignored.of(Ended), expired(ignored)) == ([], [PlaceOrder])
    assert lasting(suffer("rate-limit:limit=4:window=2s")) == lasting(healthy)


# -- heartbeats and prices ----------------------------------------------------------------------------------------------


def test_prices_go_on_while_the_server_pings_no_more() -> None:
    pair = suffer("stop-pings")
    assert pair.of(PeerBeat) == []
    assert len(pair.of(HeartbeatAnswered)) == 3
    assert max(quote.at for quote in pair.of(QuoteArrived)) >= 44.5


def test_a_server_that_did_not_ping_expects_no_answer() -> None:
    # a late greeting, so that a server that counted would lose patience before the client does
    pair = suffer("stop-pings", "slow:step=open:seconds=5s")
    assert (pair.kind, pair.ended.at) == ("eio.ping-timeout", 50.0)


def test_prices_go_on_while_pongs_do_not_come(healthy: Sufferer) -> None:
    pair = suffer("no-pong")
    sent = [sent.at for sent in pair.of(HeartbeatSent) if sent.name == "websocket" and sent.at < 50.0]
    assert [missed.sent_at for missed in pair.of(HeartbeatMissed)] == sent
    assert len(sent) == 3
    assert pair.of(HeartbeatAnswered) == []
    assert pair.of(QuoteArrived) == healthy.of(QuoteArrived)


def test_in_a_silent_stall_everything_but_prices_goes_on(healthy: Sufferer) -> None:
    pair = suffer("silent-stall:at=5s")
    assert pair.of(QuoteArrived) == [quote for quote in healthy.of(QuoteArrived) if quote.at < 5.0]
    assert pair.of(HeartbeatAnswered) == healthy.of(HeartbeatAnswered)
    assert pair.of(RequestAnswered) == healthy.of(RequestAnswered)


@pytest.mark.parametrize(
    ("fault", "dead"), [("one-symbol-stall", FIRST), (f"one-symbol-stall:symbol={SECOND}", SECOND)]
)
def test_one_symbol_stalls_and_the_other_goes_on(fault: str, dead: str, healthy: Sufferer) -> None:
    pair = suffer(fault)
    (alive,) = {FIRST, SECOND} - {dead}
    assert max(quote.at for quote in quotes(pair, dead)) < 5.0
    assert quotes(pair, alive) == quotes(healthy, alive)


def test_only_the_symbols_watched_last_tick() -> None:
    pair = suffer("stream-cap", until=10.0)
    assert (len(quotes(pair, FIRST)), len(quotes(pair, SECOND))) == (0, 20)
    pair.ask(Watch(symbol=FIRST))
    pair.run(20.0)
    assert (len(quotes(pair, FIRST)), len(quotes(pair, SECOND))) == (20, 20)


def test_a_stream_cap_that_comes_later_knows_what_ticks() -> None:
    pair = suffer("stream-cap@10s", until=20.0)
    assert sorted((len(quotes(pair, FIRST)), len(quotes(pair, SECOND)))) == [19, 40]


def test_every_tick_comes_twice(healthy: Sufferer) -> None:
    assert quotes(suffer("duplicate-ticks")) == [quote for quote in quotes(healthy) for _ in range(2)]


def steps_back(pair: Sufferer) -> int:
    stamps = [quote.broker_time for quote in quotes(pair)]
    return sum(after < before for before, after in pairwise(stamps))


def test_late_ticks_step_back_in_time(healthy: Sufferer) -> None:
    assert steps_back(healthy) == 0
    assert steps_back(suffer("out-of-order-ticks")) >= 10
    assert ages(suffer("out-of-order-ticks")) == {0.0, 1.2}


def test_some_ticks_are_stamped_in_the_past() -> None:
    pair = suffer("past-timestamps:seconds=1m")
    assert ages(pair) == {0.0, 60.0}
    assert steps_back(pair) == 24


def test_a_frozen_price_has_fresh_stamps() -> None:
    pair = suffer("frozen-price")
    assert {quote.price for quote in quotes(pair)} == {price_at(0.5)}
    assert ages(pair) == {0.0}


def test_a_clock_jumps_once(healthy: Sufferer) -> None:
    pair = suffer("clock-jump:at=10s:seconds=-30")
    assert {quote.at + 7200 - quote.broker_time for quote in quotes(pair) if quote.at < 10} == {0.0}
    assert {quote.at + 7200 - quote.broker_time for quote in quotes(pair) if quote.at >= 10} == {30.0}


def test_a_wrong_clock_is_wrong_from_the_first_tick() -> None:
    assert ages(suffer("clock-skew:seconds=161")) == {-161.0}


# -- answers and the account --------------------------------------------------------------------------------------------


def test_an_unanswered_order_may_stand() -> None:
    pair = suffer("order-unanswered")
    assert expired(pair) == [PlaceOrder, PlaceOrder]
    assert any(isinstance(meaning, OrdersClosed) for meaning in meanings(pair))


def test_a_late_order_is_answered_in_the_end() -> None:
    pair = suffer("order-late:seconds=16s")
    answered = [event for event in pair.of(RequestAnswered) if isinstance(event.intent, PlaceOrder)]
    assert [event.rtt_seconds for event in answered] == [16.0, 16.0]
    assert expired(pair) == []


def test_pages_of_the_past_are_not_answered_and_the_rest_is() -> None:
    pair = suffer("history-unanswered")
    assert expired(pair) == [AskHistory]
    assert any(isinstance(meaning, History) for meaning in meanings(pair))  # what follows a subscription


def test_a_settled_order_is_not_told(healthy: Sufferer) -> None:
    def settled(pair: Sufferer) -> int:
        return sum(isinstance(meaning, OrdersClosed | OrderList) for meaning in meanings(pair))

    assert settled(healthy) == 5
    assert settled(suffer("close-lost")) == 1  # the list after the login


def test_the_balance_drifts_with_each_telling() -> None:
    told = balances(suffer("balance-drift:amount=-0.5"))
    assert len(told) == 6
    assert told == [50000.0 - 0.5 * number for number in range(6)]


def test_demo_orders_beyond_the_cap_are_rejected_in_words() -> None:
    pair = suffer("demo-trade-cap:cap=1")
    answers = {
        event.intent.request_id: event.answer
        for event in pair.of(RequestAnswered)
        if isinstance(event.intent, PlaceOrder)
    }
    assert isinstance(answers[1], OrderOpened)
    assert answers[2] == OrderRejected(error="MaxDemoTrades", request_id=2, symbol=FIRST, amount=1.0)


# -- messages -----------------------------------------------------------------------------------------------------------


def test_interleaved_packets_are_still_joined_rightly(healthy: Sufferer) -> None:
    pair = suffer("interleave")
    assert pair.of(Surprise) == []
    told = [(quote.symbol, quote.broker_time, quote.price) for quote in pair.of(QuoteArrived)]
    meant = [(quote.symbol, quote.broker_time, quote.price) for quote in healthy.of(QuoteArrived)]
    assert told == meant[:-1]


def test_headers_and_other_packets_come_before_an_attachment(healthy: Sufferer) -> None:
    assert waiting_headers(healthy) == {1}
    assert waiting_headers(suffer("interleave", until=6.0)) == {1, 2}
    assert pings_before_attachments(healthy) == 0
    assert pings_before_attachments(suffer("interleave@0.2s", until=26.0)) == 1


def waiting_headers(pair: Sufferer) -> set[int]:
    """How many headers wait for their attachments when one more comes, itself included."""
    waiting, seen = 0, set()
    for line in sent_by_server(pair):
        if line.startswith("45"):
            waiting += 1
            seen.add(waiting)
        elif line.startswith(("[", "{")):
            waiting -= 1
    return seen


def pings_before_attachments(pair: Sufferer) -> int:
    return sum(
        before == "2" and after.startswith(("[", "{")) for before, after in pairwise(sent_by_server(pair))
    )


def sent_by_server(pair: Sufferer) -> list[str]:
    lines = [line.text for line in pair.server.transcript() if line.direction == ">"]
    return lines[next(index for index, line in enumerate(lines) if line.startswith("45")) :]


def test_an_attachment_is_held_back_a_second_at_most() -> None:
    pair = suffer("interleave", "silent-stall:at=0", until=20.0)
    assert [
        round(event.at - event.sent_at, 3)
        for event in pair.of(RequestAnswered)
        if isinstance(event.intent, AskBalance)
    ] == [1.0]


def test_no_attachment_is_lost_when_the_interleaving_ends(healthy: Sufferer) -> None:
    pair = suffer("interleave@0+20.3")
    assert pair.of(Surprise) == []
    assert [quote for quote in quotes(pair) if quote.at > 20.3] == [
        quote for quote in quotes(healthy) if quote.at > 20.3
    ]
    assert len(quotes(pair)) == len(quotes(healthy))


def test_what_the_interleaving_holds_is_sent_when_its_time_is_over() -> None:
    pair = suffer("interleave@0.2s+20s", "silent-stall:at=20s")
    assert max(quote.at for quote in pair.of(QuoteArrived)) == 20.2


def test_after_a_lost_attachment_others_are_charged_to_the_wrong_event() -> None:
    assert "'successupdateBalance' does not look as expected" in " ".join(
        surprise.problem for surprise in suffer("drop-attachment").of(Surprise)
    )


def test_half_an_event_is_a_surprise_and_survived() -> None:
    pair = suffer("truncate-json:every=10")
    assert "the attachment of 'updateStream' is not JSON" in pair.of(Surprise)[0].problem
    assert pair.of(Ended) == []
    assert len(pair.of(QuoteArrived)) > 200


@pytest.mark.parametrize("name", ["truncate-json", "drop-attachment"])
def test_where_every_event_is_hit_the_handshake_still_is_not(name: str) -> None:
    pair = suffer(f"{name}:every=1")
    assert pair.client.phase is Phase.LIVE
    assert pair.of(QuoteArrived) == []


def test_a_renamed_event_is_named_in_the_surprise() -> None:
    pair = suffer("rename-event:suffix=Turbo")
    assert pair.of(Surprise)[0].problem == "unknown event 'updateStreamTurbo'"
    assert pair.of(QuoteArrived) == []


@pytest.mark.parametrize("topic", ["balance", "assets", "history", "orders"])
def test_any_event_can_be_renamed(topic: str, healthy: Sufferer) -> None:
    pair = suffer(f"rename-event:of={topic}")
    assert {surprise.problem for surprise in pair.of(Surprise)} != set()
    assert all("V2" in surprise.problem for surprise in pair.of(Surprise))
    assert pair.of(QuoteArrived) == healthy.of(QuoteArrived)


def test_a_longer_row_is_still_read(healthy: Sufferer) -> None:
    pair = suffer("extra-element")
    assert "4 elements instead of 3" in pair.of(Surprise)[0].problem
    assert pair.of(QuoteArrived) == healthy.of(QuoteArrived)


def test_a_shorter_row_is_not() -> None:
    pair = suffer("missing-element")
    assert "'updateStream' does not look as expected" in pair.of(Surprise)[0].problem
    assert pair.of(QuoteArrived) == []


@pytest.mark.parametrize("name", ["garbage", "binary-garbage"])
def test_noise_is_noted_and_survived(name: str, healthy: Sufferer) -> None:
    pair = suffer(f"{name}:at=10s,every=5s")
    assert [surprise.at for surprise in pair.of(Surprise)] == [10.0 + 5 * number for number in range(11)]
    assert pair.of(QuoteArrived) == healthy.of(QuoteArrived)


def test_a_message_within_the_limit_is_only_a_surprise() -> None:
    pair = suffer("big-message:size=1MB")
    assert len(pair.of(Surprise)) == 1
    assert pair.of(Ended) == []


def test_a_flood_has_a_rate() -> None:
    pair = suffer("flood:at=1s,rate=200/s,size=10", until=10.98)
    before = suffer(until=10.98)
    assert pair.client.traffic.messages_received - before.client.traffic.messages_received == 2000


# -- values that cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("close:code=70000", "the close code must be between 1000 and 4999, not 70000"),
        ("auth-close:code=12", "the close code must be between 1000 and 4999, not 12"),
        ("session-cap:reason=" + "x" * 124, "a close frame has room for 123 bytes of words, not 124"),
        ("http-status:code=1000", "an HTTP status that refuses is between 200 and 599, not 1000"),
        ("close-loop:soonest=3s", "latest (2.2 s) is sooner than soonest (3 s)"),
    ],
)
def test_values_that_do_not_go_together_are_told_before_anything_runs(fault: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_fault(fault)
    assert problem in str(raised.value)
    assert fault.partition(":")[0] in str(raised.value)


def test_a_refused_upgrade_never_opens() -> None:
    assert suffer("http-status").of(Upgraded) == []


# -- requests that are not understood ------------------------------------------------------------------------------------


def pages(pair: Pair) -> list[History]:
    return [
        meaning for meaning in meanings(pair) if isinstance(meaning, History) and meaning.index is not None
    ]


def two_pages(*faults: str) -> list[History]:
    pair = suffer(*faults, until=20.0)
    pair.ask(AskHistory(symbol=FIRST, period=60, until=3600.0, span=600.0, index=8))
    return pages(pair.run(30.0))


def test_every_page_of_a_stuck_history_is_the_first() -> None:
    first, second = two_pages()
    assert first.ticks != second.ticks
    assert [(page.index, page.ticks) for page in two_pages("stuck-history")] == [
        (7, first.ticks),
        (8, first.ticks),
    ]


def test_a_page_of_a_short_history_keeps_its_last_rows() -> None:
    fault = protocol_fault(read_fault("short-history:rows=2"))
    candles = tuple(Candle(60.0 * number, 1.0, 1.0, 1.0, 1.0) for number in range(5))
    page = History(symbol=FIRST, period=60, index=7, candles=candles)
    assert fault.says(page, 0.0) == ((0.0, replace(page, candles=candles[3:])),)


def test_an_ignored_order_is_neither_taken_nor_answered() -> None:
    pair = suffer("order-ignored")
    assert expired(pair) == [PlaceOrder, PlaceOrder]
    assert not any(isinstance(heard, PlaceOrder) for heard in pair.desk.heard)  # type: ignore[attr-defined]


@pytest.mark.parametrize("brokers_habit", KNOWN, ids=lambda known: known.broker.name)
def test_prices_start_when_enough_requests_have_named_the_symbol(brokers_habit: Known) -> None:
    """One broker's client subscribes with one message, the other's with three, as its browser does."""
    pair = Pair(brokers_habit, misbehaviour=compose([read_fault("half-subscribed")])).run(10.0)
    asks_in_parts = len(brokers_habit.broker.codec().encode_intent(Watch(symbol=FIRST))) > 1
    assert bool(pair.of(QuoteArrived)) is asks_in_parts


def test_a_flag_in_quotes_does_not_prove_a_demo_account() -> None:
    assert len(suffer("numbers-as-text:of=balance").refused) == 2


@pytest.mark.parametrize("topic", ["ticks", "history"])
def test_numbers_in_quotes_are_read_all_the_same(topic: str, healthy: Sufferer) -> None:
    pair = suffer(f"numbers-as-text:of={topic}")
    assert lasting(pair) == lasting(healthy)
    assert pair.server.traffic.bytes_sent > healthy.server.traffic.bytes_sent


def test_an_order_is_settled_late(healthy: Sufferer) -> None:
    settled = [event.at for event in healthy.of(Told) if isinstance(event.meaning, OrdersClosed)]
    late = [
        event.at
        for event in suffer("close-late:seconds=9s").of(Told)
        if isinstance(event.meaning, OrdersClosed)
    ]
    assert late == [at + 9.0 for at in settled]


@pytest.mark.parametrize("rewriting", ["numbers-as-text", "extra-element", "missing-element"])
def test_what_one_fault_has_torn_another_leaves_as_it_is(rewriting: str, known: Known) -> None:
    pair = suffer("truncate-json:every=2", rewriting, until=20.0, known=known)
    assert pair.of(Surprise) != []
    assert pair.of(Ended) == []
