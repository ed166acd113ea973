from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers.crypto.dialect import FEWEST, Dialect
from probe.model.events import HeartbeatMissed, Phase, PhaseFinished, Surprise
from probe.model.meanings import Admitted, Balance, Effect, Figures
from probe.session.polled import PolledSession
from probe.wire.calls import HttpCall, HttpReply
from tests.brokers.crypto.asked import (
    COOKIE,
    ID,
    SLOW,
    UTC_AT_ZERO,
    Came,
    Page,
    Watched,
    healthy,
    most_in_a_minute,
    pages,
    recorded,
    reply,
    stamp,
    ticker,
    watch,
)

ERROR = reply({"detail": "Internal server error", "request_id": "r-1"}, 500)


def figures(watched: Watched, name: str) -> list[float]:
    told = [each for each in watched.told(Figures) if isinstance(each, Figures)]
    return [row.value for each in told for row in each.rows if row.name == name]


def from_second(start: float, page: Came, until: float = 1e9) -> "Switch":
    return Switch(start, until, page)


class Switch:
    """Another answer between two instants."""

    def __init__(self, start: float, until: float, page: Came) -> None:
        self.start, self.until, self.page = start, until, page

    def over(self, name: str) -> "Switch":
        self.usual = pages()[name]
        return self

    def __call__(self, call: HttpCall, now: float) -> Came:
        if self.start <= now < self.until:
            return self.page
        return self.usual(call, now) if callable(self.usual) else self.usual


# -- a backend that is well ----------------------------------------------------------------------------------------------


def test_a_backend_that_is_well_is_asked_everything_and_nothing_is_wrong() -> None:
    watched = watch(400.0)
    assert watched.failure is None
    assert watched.session.phase is Phase.LIVE
    assert [each.phase for each in watched.events if isinstance(each, PhaseFinished)] == [
        Phase.OPENING,
        Phase.AUTHENTICATING,
    ]
    assert watched.ever() == {}
    assert [each for each in watched.events if isinstance(each, Surprise)] == []
    assert {path.partition("?")[0] for path in watched.paths} == {
        "GET /health",
        "GET /openapi.json",
        "OPTIONS /me",
        *(f"GET {path}" for path in ("/me", "/market/ticker", "/portfolio", "/portfolio/snapshots")),
        *(f"GET {path}" for path in ("/positions", "/strategies", "/trades", "/broker/status")),
    }
    assert watched.told(Admitted) == [Admitted(user=ID)]
    assert watched.told(Balance)[0] == Balance(amount=1250.5, is_demo=None)
    assert watched.notices["depth"] == "L5: prices"


def test_the_cookie_goes_to_reads_and_nowhere_else() -> None:
    watched = Watched(pages(), dialect=Dialect(cookie_name="sid")).run(100.0)
    cookies = {
        (call.method, urlsplit(call.url).path): value.reveal()
        for _, call in watched.calls
        for name, value in call.headers
        if name == "Cookie" and not isinstance(value, str)
    }
    assert cookies["GET", "/me"] == f"sid={COOKIE}"
    assert cookies["GET", "/portfolio"] == f"sid={COOKIE}"
    assert ("OPTIONS", "/me") not in cookies
    assert COOKIE not in repr(watched.events) + repr(watched.session.transcript())


def test_a_price_that_did_not_move_is_no_quote() -> None:
    still = reply({"price": "91000.5", "source_time": stamp(0.0), "fetched_at": stamp(0.5)})
    watched = watch(40.0, market_ticker=still)
    assert [(each.symbol, each.broker_time, each.price) for each in watched.quotes] == [
        ("BTC-USDT", UTC_AT_ZERO, 91000.5)
    ]
    assert figures(watched, "feed_lag_seconds") == [0.5, 0.5, 0.5]


def test_the_server_tells_how_long_it_took_itself() -> None:
    timed = reply(recorded("GET", "/portfolio", 200), x_process_time="12.5ms")
    assert figures(watch(10.0, portfolio=timed), "server_process_seconds") == [0.0125]


def test_symbols_take_turns_and_are_written_as_the_backend_wants() -> None:
    watched = Watched(pages(), dialect=Dialect(symbol_style="joined"), symbols=("BTC-USDT", "ETH-USDT")).run(
        50.0
    )
    asked = [path for path in watched.paths if "ticker" in path]
    assert asked[:3] == [
        "GET /market/ticker?symbol=BTCUSDT",
        "GET /market/ticker?symbol=ETHUSDT",
        "GET /market/ticker?symbol=BTCUSDT",
    ]
    assert {each.symbol for each in watched.quotes} == {"BTC-USDT", "ETH-USDT"}


# -- the budget ----------------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    budget=st.integers(FEWEST, 200),
    symbols=st.integers(1, 6),
    delays=st.lists(st.floats(0.001, 2.0), min_size=3, max_size=9),
)
def test_no_minute_holds_more_requests_than_the_budget(
    budget: int, symbols: int, delays: list[float]
) -> None:
    def endless() -> Iterator[float]:
        while True:
            yield from delays

    watched = Watched(
        pages(),
        dialect=Dialect(requests_per_minute=str(budget)),
        symbols=tuple(f"C{place}-USDT" for place in range(symbols)),
        delays=endless(),
    ).run(700.0)
    assert most_in_a_minute(at for at, _ in watched.calls) <= budget


def test_what_a_broken_read_means_is_looked_up_within_the_budget() -> None:
    plain = reply("Internal Server Error", 500, content_type="text/plain; charset=utf-8")
    watched = watch(700.0, portfolio=plain, positions=plain, trades=plain, strategies=plain, me=plain)
    assert most_in_a_minute(at for at, _ in watched.calls) <= 10


def test_a_refusal_stops_all_requests_until_its_time_is_over_and_the_budget_holds_afterwards() -> None:
    limited = reply({"error": "Rate limit exceeded: 100 per 1 minute"}, 429, retry_after="90")
    page = from_second(20.0, limited, until=45.0).over("market/ticker")
    watched = watch(600.0, market_ticker=page)
    at = [now for now, _ in watched.calls]
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert 89.0 < max(pauses) < 91.0
    assert most_in_a_minute(at) <= 10
    assert watched.ever()["crypto.rate-limited-shared"].certain
    assert watched.codes() == []


# -- opening ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply("<html><title>Welcome</title></html>", 200), "http.200-not-101"),
        (reply("<html><title>404 Not Found</title></html>", 404), "http.wrong-path"),
        (reply({"detail": "Not Found"}, 404), "http.wrong-path"),
        (reply("", 302, location="https://elsewhere.test/"), "http.redirect"),
        (reply("<html><title>502 Bad Gateway</title></html>", 502), "http.bad-gateway"),
        (reply("<title>Just a moment...</title>", 403), "http.cf-challenge"),
    ],
)
def test_what_is_no_such_backend_is_told_at_once(answer: HttpReply, kind: str) -> None:
    watched = watch(5.0, health=answer)
    assert watched.failure == kind
    assert watched.paths == ["GET /health"]


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"a": NaN}', b"[" * 5000, b'{"id": ' + b"9" * 400 + b"}"])
def test_bodies_that_are_no_json_are_told_and_survived(body: bytes) -> None:
    assert watch(5.0, me=reply(body)).failure == "http.200-not-101"
    watched = watch(30.0, portfolio=reply(body), market_ticker=reply(body))
    assert watched.failure is None
    assert "http.200-not-101" in watched.ever()


def test_a_body_that_is_cut_is_told() -> None:
    cut = HttpReply(url="", status=200, headers=(), body=b'{"a":1', seconds=1.0, complete=False)
    assert watch(5.0, me=cut).failure == "http.200-not-101"


def test_open_documentation_is_noted_and_closed_one_is_right() -> None:
    shown = watch(5.0, **{"openapi.json": reply({"openapi": "3.1.0", "paths": {}})})
    assert [(row.code, row.effect) for row in shown.troubles()] == [("http.200-not-101", Effect.NOTED)]


@pytest.mark.parametrize("allowed", ["*", "https://foreign.example"])
def test_a_backend_that_every_page_may_call_is_noted(allowed: str) -> None:
    preflight = {"OPTIONS me": reply("OK", 200, access_control_allow_origin=allowed)}
    assert [row.code for row in watch(5.0, **preflight).troubles()] == ["http.403-origin"]


def test_a_constant_health_is_known_as_one() -> None:
    watched = watch(0.3, health=reply({"status": "healthy"}), me=reply({"detail": "Not authenticated"}, 401))
    assert watched.notices["depth"] == "L2: /health is constant"


# -- entering --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "Not authenticated"), (403, "not verified")],
)
def test_who_is_not_let_in_is_refused_in_the_backends_words(status: int, said: str) -> None:
    watched = watch(5.0, me=reply({"detail": said}, status))
    assert watched.failure == "auth.refused"
    assert watched.ended is not None
    assert watched.ended.failure is not None
    assert said in watched.ended.failure.detail


# -- health, database, broker ------------------------------------------------------------------------------------------------


def reads_fail(page: Came) -> dict[str, Came]:
    names = ("me", "portfolio", "portfolio_snapshots", "positions", "strategies", "trades")
    return dict.fromkeys(names, page)


def test_a_health_that_is_well_while_reads_fail_lies() -> None:
    watched = watch(50.0, **reads_fail(ERROR))
    (row,) = watched.troubles()
    assert (row.code, row.effect) == ("crypto.health-lies", Effect.STALLS)
    assert "request r-1" in row.sentence
    assert watched.told(Admitted) == [Admitted()]  # the market's answer, later


def test_reads_that_never_answer_do_not_end_a_session_whose_health_answers() -> None:
    watched = watch(200.0, **(reads_fail(SLOW) | {"market_ticker": SLOW, "broker_status": SLOW}))
    assert "crypto.health-lies" in watched.ever()
    assert watched.failure is None
    assert watched.told(Admitted) == []


def test_where_not_even_health_answers_the_session_ends() -> None:
    silent = reads_fail(SLOW) | {"market_ticker": SLOW}
    served = pages()
    watched = Watched(served).run(40.0)
    served |= {name.replace("_", "/"): page for name, page in silent.items()} | {"health": SLOW}
    assert watched.run(60.0).failure == "http.open-timeout"


def test_a_database_that_is_down_by_the_words_of_health() -> None:
    down = reply(
        {"status": "unhealthy", "checks": {"database": {"status": "down"}, "broker": {"status": "up"}}}, 503
    )
    watched = watch(50.0, health=down, **reads_fail(ERROR))
    assert [(row.code, row.certain, row.effect) for row in watched.troubles()] == [
        ("crypto.mongo-down", True, Effect.STALLS)
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("ServerSelectionTimeoutError: mongo:27017: [Errno 111] Connection refused", "crypto.mongo-down"),
        ("WaitQueueTimeoutError: Timed out while checking out a connection", "crypto.mongo-pool"),
        (
            "ServerSelectionTimeoutError: SSL handshake failed: TLSV1_ALERT_INTERNAL_ERROR",
            "crypto.mongo-allow-list",
        ),
    ],
)
def test_the_cause_in_an_errors_words_is_told(words: str, code: str) -> None:
    watched = watch(5.0, portfolio=reply({"detail": words}, 500))
    assert watched.codes()[:1] == [code]


def test_an_error_that_shows_the_inside_is_noted() -> None:
    trace = reply({"detail": "x", "traceback": 'Traceback (most recent call last):\n  File "/app'}, 500)
    rows = watch(5.0, portfolio=trace).troubles()
    assert [row.effect for row in rows] == [Effect.DEGRADES, Effect.NOTED]


def test_a_health_that_hangs_alone_is_no_dead_backend() -> None:
    watched = watch(100.0, health=SLOW)
    assert watched.failure is None
    assert watched.codes().count("crypto.health-hangs") == 1
    assert any(isinstance(each, HeartbeatMissed) for each in watched.events)


def test_a_backend_that_answers_nothing_ends_the_session() -> None:
    watched = watch(100.0, **dict.fromkeys(("health", "openapi.json", "OPTIONS me"), SLOW))
    assert watched.failure == "http.open-timeout"


def test_a_slow_health_is_told_apart_from_a_slow_backend() -> None:
    def late(call: HttpCall, now: float) -> HttpReply:
        came = healthy(call, now)
        return HttpReply(url="", status=200, headers=(), body=came.body, seconds=4.0)

    assert watch(60.0, health=late).codes() == ["crypto.health-hangs"]
    slow: dict[str, Page] = {
        name: page if callable(page) else _slowed(page) for name, page in pages(health=late).items()
    }
    slow["market/ticker"] = lambda call, now: _slowed(ticker(call, now))
    assert Watched(slow).run(60.0).codes() == ["http.open-timeout"]


def _slowed(came: Came) -> HttpReply:
    assert isinstance(came, HttpReply)
    return HttpReply(url="", status=came.status, headers=came.headers, body=came.body, seconds=4.0)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (reply(recorded("GET", "/market/ticker", 502), 502), "http.bad-gateway"),
        (reply({"detail": "Broker timed out"}, 504), "http.bad-gateway"),
        (reply({"detail": "Broker rate limited"}, 503), "crypto.bingx-busy"),
        (reply({"detail": "Broker refused", "broker_code": 100421}, 502), "crypto.bingx-timestamp"),
        (reply({"detail": "cryptography.fernet.InvalidToken: "}, 500), "crypto.fernet-key"),
        (ERROR, "crypto.fernet-key"),
    ],
)
def test_a_broker_behind_that_fails_stalls_and_the_backend_is_well(page: HttpReply, code: str) -> None:
    watched = watch(50.0, market_ticker=page)
    assert [(row.code, row.effect) for row in watched.troubles() if row.effect is not Effect.NOTED] == [
        (code, Effect.STALLS)
    ]
    assert watched.failure is None


def test_a_broker_that_takes_no_signed_calls_is_told_by_its_status() -> None:
    refused = {"broker": "bingx", "connected": False, "broker_code": 100421, "error": "timestamp mismatch"}
    assert watch(350.0, broker_status=reply(refused)).codes() == ["crypto.bingx-timestamp"]
    assert watch(350.0, broker_status=reply({"broker": None, "connected": False})).codes() == []


def test_a_degraded_health_names_the_broker() -> None:
    def degraded(call: HttpCall, now: float) -> HttpReply:
        return healthy(call, now, status="degraded", checks={"broker": {"status": "down"}})

    assert watch(5.0, health=degraded).codes() == ["http.bad-gateway"]


# -- data --------------------------------------------------------------------------------------------------------------------


def test_an_old_price_is_told_though_the_backend_answers() -> None:
    def old(_: HttpCall, now: float) -> HttpReply:
        return reply({"price": 1.0, "source_time": stamp(0.0), "fetched_at": stamp(now)})

    assert watch(50.0, market_ticker=old).codes() == []
    assert watch(120.0, market_ticker=old).codes() == ["data.stale-ticks"]


def test_a_kept_price_with_the_time_of_the_request_is_told() -> None:
    def kept(_: HttpCall, now: float) -> HttpReply:
        return reply({"price": 91_000.0, "source_time": stamp(now), "fetched_at": stamp(now)})

    assert watch(120.0, market_ticker=kept).codes() == ["data.cached-as-fresh"]


def test_a_price_without_its_time_is_a_surprise_and_no_quote() -> None:
    watched = watch(5.0, market_ticker=reply({"price": 1.0}))
    assert watched.quotes == []
    assert [each.problem for each in watched.events if isinstance(each, Surprise)] == [
        "the ticker of BTC-USDT has no source_time, so its age cannot be known"
    ]


@pytest.mark.parametrize(("off", "effect"), [(3.0, Effect.NOTED), (120.0, Effect.DEGRADES)])
def test_a_clock_that_is_off_is_told_and_no_price_is_called_old_for_it(off: float, effect: Effect) -> None:
    def skewed(call: HttpCall, now: float) -> HttpReply:
        return healthy(call, now, timestamp=stamp(now + off))

    watched = watch(70.0, health=skewed)
    assert [(row.code, row.effect) for row in watched.troubles()] == [("data.clock-offset", effect)]


def test_snapshots_that_are_written_no_more_are_told() -> None:
    last = reply({"items": [{"as_of": stamp(-3600.0)}]})
    assert watch(100.0, portfolio_snapshots=last).codes() == ["data.stale-history"]


def test_a_symbol_that_is_not_known_is_no_wrong_path() -> None:
    unknown = watch(5.0, market_ticker=reply({"detail": "Unknown symbol"}, 404))
    assert unknown.codes() == ["data.unknown-asset"]
    assert watch(5.0, market_ticker=reply({"detail": "Not Found"}, 404)).codes() == ["http.wrong-path"]


def test_a_wrong_path_stays_told_while_others_answer() -> None:
    watched = watch(300.0, positions=reply({"detail": "Not Found"}, 404))
    assert watched.codes() == ["http.wrong-path"]
    assert watched.failure is None


# -- sessions ------------------------------------------------------------------------------------------------------------------

GONE = reply({"detail": "Not authenticated"}, 401)


def all_reads(start: float, page: Came) -> dict[str, Switch]:
    names = ("me", "market/ticker", "portfolio", "portfolio/snapshots", "positions", "strategies")
    return {name.replace("/", "_"): from_second(start, page).over(name) for name in names}


def test_a_restart_that_forgets_all_sessions_is_the_secrets() -> None:
    def restarted(call: HttpCall, now: float) -> HttpReply:
        return healthy(call, now, uptime_seconds=now - 40.0 if now > 40.0 else 5000.0)

    watched = watch(200.0, health=restarted, **all_reads(40.0, GONE))
    assert watched.failure == "auth.revoked"
    row = watched.ever()["crypto.session-secret"]
    assert (row.effect, row.certain) == (Effect.SHUTS_OUT, True)
    assert "crypto.session-expired" not in watched.ever()


def test_a_session_that_ends_while_the_backend_runs_has_expired() -> None:
    watched = watch(200.0, **all_reads(70.0, GONE))
    assert watched.failure == "auth.revoked"
    assert watched.ever().keys() == {"crypto.session-expired"}


def test_a_session_that_some_workers_do_not_know_goes_on() -> None:
    turn = iter(range(10_000))

    def by_turns(call: HttpCall, now: float) -> Came:
        return GONE if now > 10.0 and next(turn) % 2 else ticker(call, now)

    watched = watch(300.0, market_ticker=by_turns)
    assert watched.failure is None
    assert [(row.code, row.effect) for row in watched.troubles()] == [
        ("crypto.session-secret", Effect.DEGRADES)
    ]


def test_a_cookie_that_is_issued_anew_is_sent_from_then_on() -> None:
    line = "session=another-cookie-planted; path=/; Max-Age=1209600; httponly; samesite=lax; secure"
    watched = watch(20.0, me=reply(recorded("GET", "/me", 200), set_cookie=line))
    sent = [
        value.reveal()
        for _, call in watched.calls
        for name, value in call.headers
        if name == "Cookie" and not isinstance(value, str)
    ]
    assert sent[0] == f"session={COOKIE}"
    assert set(sent[1:]) == {"session=another-cookie-planted"}
    assert str(watched.notices["session cookie"]).startswith("{'expiry': 'sliding")
    assert "another-cookie-planted" not in repr(
        [each for each in watched.events if "Upgraded" not in repr(each)]
    )


def test_the_session_is_only_read_from() -> None:
    watched = watch(700.0)
    session: PolledSession = watched.session
    session.leave(watched.now)
    assert {call.method for _, call in watched.calls} == {"GET", "OPTIONS"}
    assert session.phase is Phase.ENDED


def test_one_broken_route_is_no_lying_health() -> None:
    watched = watch(700.0, portfolio=ERROR, trades=ERROR)
    assert watched.ever().keys() == {"http.bad-gateway"}


def test_a_database_that_goes_away_later_is_told_after_three_reads() -> None:
    watched = watch(400.0, **all_reads(200.0, ERROR))
    assert watched.ever().keys() >= {"crypto.health-lies"}
    back = {
        name: from_second(200.0, ERROR, until=420.0).over(name.replace("_", "/"))
        for name in ("portfolio", "portfolio_snapshots", "positions", "strategies", "trades")
    }
    recovered = watch(1000.0, **back)
    assert "crypto.health-lies" in recovered.ever()
    assert recovered.codes() == []


def test_our_own_clock_that_is_ahead_makes_no_price_old() -> None:
    def earlier(call: HttpCall, now: float) -> HttpReply:
        return ticker(call, now - 120.0)

    def behind(call: HttpCall, now: float) -> HttpReply:
        return healthy(call, now, timestamp=stamp(now - 120.0))

    assert watch(70.0, health=behind, market_ticker=earlier).codes() == ["data.clock-offset"]


def test_a_login_that_failed_for_a_moment_is_forgotten_once_reads_work() -> None:
    watched = watch(10.0, me=ERROR)
    assert watched.codes() == []
    assert "crypto.health-lies" in watched.ever()
