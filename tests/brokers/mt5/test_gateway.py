from collections import Counter
from typing import Any

import pytest

from probe.brokers.mt5.gateway import AGAIN_AFTER, HEALTH_AFTER, SYMBOL_AFTER
from probe.brokers.mt5.troubles import _TABLE
from probe.model.events import HeartbeatAnswered, Phase, RequestExpired
from probe.model.failures import Failure
from probe.model.meanings import Admitted, Balance, Effect, Figures, Notice, Quotes
from probe.wire.calls import HttpCall, Reply
from tests.brokers.mt5.asked import (
    BASE,
    MONDAY_NOON,
    TOKEN,
    Gateway,
    Held,
    Route,
    detail,
    key,
    page,
    recorded,
    reply,
    shown_to,
    slower,
)

CORS = (("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true"))
ACCOUNT, SYMBOL, TIME = "/api/v1/account", "/api/v1/symbol/EURUSD", "/api/v1/server-time"


def close_terminal(gateway: Gateway) -> None:
    """As recorded: only the account fails openly."""
    gateway.routes |= {
        ACCOUNT: reply(recorded("account-terminal-gone"), 500),
        "/api/v1/balance": reply({"balance": 0.0}),
        "/api/v1/equity": reply({"equity": 0.0}),
        "/api/v1/positions": reply([]),
        "/api/v1/orders": reply({"orders": []}),
        "/api/v1/history": reply({"deals_count": 0, "deals": []}),
        SYMBOL: reply(recorded("symbol-unknown"), 404),
        TIME: reply({"server_time": "2026-11-23T14:00:00.280559", "timezone_offset": 2}),
    }


# -- a healthy gateway ----------------------------------------------------------------------------------------------------


def test_a_healthy_gateway_is_entered_and_nothing_is_wrong_with_it() -> None:
    held = Held(Gateway()).run(400.0)

    assert held.session.phase is Phase.LIVE
    assert held.told(Admitted) == [Admitted(server="MetaQuotes-Demo", user="12345678")]
    assert held.told(Balance)[0] == Balance(amount=10000.0, is_demo=None)
    assert held.troubles == {}


def test_every_kind_of_question_is_asked_and_all_of_them_only_read() -> None:
    gateway = Gateway()
    Held(gateway).run(301.0)

    assert {call.method for call in gateway.calls} == {"GET"}
    assert set(gateway.paths(since=0.01)) == {
        "/health", ACCOUNT, SYMBOL, TIME, "/api/v1/balance", "/api/v1/equity", "/api/v1/positions", "/api/v1/orders",
        "/api/v1/snapshot", "/api/v1/history",
    }  # fmt: skip


@pytest.mark.parametrize(("symbols", "most"), [(1, 30), (3, 56), (20, 56)])
def test_a_session_stays_below_what_a_proxy_allows(symbols: int, most: int) -> None:
    gateway = Gateway()
    names = tuple(f"SYM{number}" for number in range(symbols))
    gateway.routes |= {f"/api/v1/symbol/{name}": gateway.routes[SYMBOL] for name in names}
    Held(gateway, symbols=names).run(660.0)

    minutes = Counter(int(at // 60) for at in gateway.at if at >= 60)
    assert max(minutes.values()) <= most


def test_the_token_goes_out_where_it_is_due_and_shows_nowhere() -> None:
    gateway = Gateway()
    held = Held(gateway)
    gateway.routes[ACCOUNT] = lambda call, now: detail(500, f"exploded: {shown_to(call)['Authorization']}")
    held.run(30.0)

    bare = [call.url.removeprefix(BASE) for call in gateway.calls if "Authorization" not in shown_to(call)]
    assert bare[:4] == ["/health", "/healthz", "/openapi.json", ACCOUNT]
    assert set(bare[4:]) == {"/health"}
    assert "exploded: Bearer ***" in held.troubles["mt5.gateway-500"].sentence
    assert {shown_to(call).get("Authorization", f"Bearer {TOKEN}") for call in gateway.calls} == {
        f"Bearer {TOKEN}"
    }
    assert TOKEN not in held.everything + repr(gateway.calls)


def test_leaving_says_nothing_because_a_logout_would_shut_the_terminal() -> None:
    gateway = Gateway()
    held = Held(gateway).run(10.0)
    asked = len(gateway.calls)
    held.session.leave(10.0)

    assert (held.session.phase, len(gateway.calls)) == (Phase.ENDED, asked)


# -- what is shown to anybody ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "variant"),
    [
        ({}, "a gateway that tells strangers nothing, as tradeprobe's own does"),
        ({"/health": reply(recorded("health"), headers=CORS)}, "the public gateway's first version"),
        ({"/healthz": reply({"status": "healthy"})}, "the public gateway's later version"),
        ({"/healthz": page(502, "Bad Gateway")}, "another gateway with the same paths"),
        (
            {"/openapi.json": reply({"info": {"title": "Other"}, "paths": {"/api/v1/account": {}}})},
            "another gateway with the same paths",
        ),
    ],
)
def test_versions_are_told_apart_before_anything_is_judged(routes: Any, variant: str) -> None:
    gateway = Gateway()
    gateway.routes |= routes
    [notice] = Held(gateway).told(Notice)

    assert notice.payload["variant"] == variant
    assert notice.payload["without a token"] == 403


def test_what_a_gateway_says_it_lacks_is_not_asked() -> None:
    gateway = Gateway()
    paths: dict[str, object] = {f"/api/v1/{name}": {} for name in ("account", "symbol/{symbol}")}
    gateway.routes["/openapi.json"] = reply({"info": {"title": "MT5 REST API"}, "paths": paths})
    Held(gateway).run(65.0)

    assert set(gateway.paths(since=0.01)) == {"/health", ACCOUNT, SYMBOL}


def test_a_gateway_that_lets_every_web_page_in_is_noted() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = reply(recorded("health"), headers=CORS)
    [trouble] = Held(gateway).troubles.values()

    assert trouble.effect is Effect.NOTED
    assert "any web page" in trouble.sentence


def test_a_gateway_that_wants_no_token_is_told() -> None:
    gateway = Gateway()
    bare = Held(
        lambda call, now: reply(recorded("account")) if call.url.endswith(ACCOUNT) else gateway(call, now)
    )

    assert [(each.effect, "without a token" in each.sentence) for each in bare.troubles.values()] == [
        (Effect.DEGRADES, True)
    ]


@pytest.mark.parametrize(
    ("routes", "kind", "words"),
    [
        ({"/health": detail(404, "Not Found")}, "http.wrong-path", "base URL"),
        ({"/health": page(200, "Welcome")}, "http.200-not-101", "page (HTML)"),
        ({"/health": reply([1, 2])}, "http.200-not-101", "not a gateway's"),
        ({"/health": reply({"ok": True})}, "http.200-not-101", "no status"),
        (
            {"/health": reply(b"", 301, (("location", "https://other.test/health"),))},
            "http.redirect",
            "other.test",
        ),
        ({"/health": page(503, "503")}, "http.bad-gateway", "limits requests"),
        ({"/health": reply({}, 429)}, "http.429", "429"),
        ({"/health": Failure(kind="tcp.refused")}, "tcp.refused", ""),
        ({"/healthz": Failure(kind="http.closed")}, "http.closed", ""),
    ],
)
def test_a_wrong_base_url_ends_in_words_before_any_token_is_sent(routes: Any, kind: str, words: str) -> None:
    gateway = Gateway()
    gateway.routes |= routes
    held = Held(gateway)

    assert held.failure is not None
    assert held.failure.kind == kind
    assert words in str(held.failure)
    assert not any("Authorization" in shown_to(call) for call in gateway.calls)


def test_a_server_that_has_a_health_but_no_account_is_no_gateway() -> None:
    gateway = Gateway()
    held = Held(lambda call, now: detail(404, "Not Found") if ACCOUNT in call.url else gateway(call, now))

    assert held.failure is not None
    assert held.failure.kind == "http.wrong-path"
    assert not any("Authorization" in shown_to(call) for call in gateway.calls)


# -- the login ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_a_refused_credential(status: int) -> None:
    gateway = Gateway()
    gateway.routes[ACCOUNT] = reply(recorded("token-refused"), status)
    held = Held(gateway)

    assert held.failure is not None
    assert (held.failure.kind, "Invalid or expired" in held.failure.detail) == ("auth.refused", True)


def test_a_challenge_at_the_edge_is_not_the_tokens_fault() -> None:
    gateway = Gateway()
    gateway.routes[ACCOUNT] = reply(b"<title>Just a moment...</title>", 403, (("cf-mitigated", "challenge"),))
    held = Held(gateway)

    assert held.failure is not None
    assert held.failure.kind == "http.cf-challenge"


def test_an_expired_token_is_not_presented_because_that_would_shut_the_terminal() -> None:
    gateway = Gateway()
    held = Held(gateway, credentials=key(expires=MONDAY_NOON - 1))

    assert held.failure is not None
    assert (held.failure.kind, "not presented" in held.failure.detail) == ("auth.refused", True)
    assert not any("Authorization" in shown_to(call) for call in gateway.calls)


def test_a_token_is_warned_of_half_an_hour_before_its_end_and_then_put_away() -> None:
    gateway = Gateway()
    held = Held(gateway, credentials=key(expires=MONDAY_NOON + 1900)).run(60.0)
    assert held.troubles == {}

    held.run(200.0)
    soon = held.troubles["mt5.gateway-401"]
    assert (soon.effect, soon.sentence) == (Effect.DEGRADES, "the token expires in 27 min")

    held.run(1800.0)
    assert held.failure is not None
    assert held.failure.kind == "auth.refused"
    assert (
        max(
            at
            for call, at in zip(gateway.calls, gateway.at, strict=True)
            if "Authorization" in shown_to(call)
        )
        < 1900
    )


def test_a_terminal_that_is_gone_at_the_login_does_not_refuse_the_token() -> None:
    gateway = Gateway()
    close_terminal(gateway)
    held = Held(gateway)

    assert held.session.phase is Phase.LIVE
    assert held.told(Admitted) == [Admitted(server=None, user=None)]
    assert held.troubles["mt5.gateway-up-terminal-down"].effect is Effect.STALLS


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "The terminal has no connection to its broker; what it would tell is old.",
            "mt5.no-server-connection",
        ),
        ("The terminal is logged in to another account than this gateway's.", "mt5.multi-terminal"),
        ("The broker does not accept this gateway's account.", "mt5.auth-failed"),
        ("The terminal cannot be reached. Look at the bridge to it on its machine.", "mt5.bridge-down"),
        ("The terminal does not answer (code -10004).", "mt5.gateway-up-terminal-down"),
        ("The terminal does not answer (code -10005).", "mt5.ipc-timeout"),
        ("The terminal is not running. Start it on its machine.", "mt5.gateway-up-terminal-down"),
        ("Too many requests wait for the terminal.", "mt5.bridge-hang"),
    ],
)
def test_a_gateway_that_names_the_hop_that_fails_is_believed(words: str, code: str) -> None:
    gateway = Gateway()
    gateway.routes[ACCOUNT] = detail(503, words)
    held = Held(gateway)

    assert held.session.phase is Phase.LIVE
    assert code in held.troubles


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (page(502, "502 Bad Gateway"), "http.bad-gateway"),
        (page(504, "504 Gateway Time-out"), "http.bad-gateway"),
        (reply(b"Internal Server Error", 500), "http.other-status"),
        (detail(500, "something else"), "http.other-status"),
        (reply(b"", 307, (("location", "http://elsewhere.test/"),)), "http.redirect"),
    ],
)
def test_a_proxys_error_lets_nobody_in(answer: Any, kind: str) -> None:
    gateway = Gateway()
    gateway.routes[ACCOUNT] = answer
    held = Held(gateway)

    assert held.failure is not None
    assert held.failure.kind == kind


# -- what several answers say together ------------------------------------------------------------------------------------


def test_zeros_and_empty_lists_with_200_are_a_lost_terminal_and_not_an_empty_account() -> None:
    gateway = Gateway()
    held = Held(gateway).run(62.0)
    close_terminal(gateway)
    held.run(90.0)

    troubles = held.troubles
    assert troubles["mt5.none-as-empty"].effect is Effect.STALLS
    assert troubles["mt5.gateway-up-terminal-down"].certain
    assert all(balance.amount > 0 for balance in held.told(Balance))


@pytest.mark.parametrize("name", ["balance", "equity", "positions", "snapshot", "history"])
def test_each_of_them_alone_asks_for_the_account_and_is_not_believed(name: str) -> None:
    gateway = Gateway()
    held = Held(gateway).run(64.0)
    closed = Gateway()
    close_terminal(closed)
    closed.routes["/api/v1/snapshot"] = reply(recorded("snapshot") | {"positions": []})
    gateway.routes[f"/api/v1/{name}"] = closed.routes[f"/api/v1/{name}"]
    gateway.routes[ACCOUNT] = closed.routes[ACCOUNT]
    held.run(310.0)

    rows = [row for row in held.rows if row.code == "mt5.none-as-empty"]
    assert [row.effect for row in rows if row.sentence.startswith(name)] == [Effect.STALLS]


def test_an_account_that_really_is_empty_is_believed() -> None:
    gateway = Gateway()
    empty = {"balance": 0.0, "equity": 0.0, "margin": 0.0, "margin_free": 0.0, "margin_level": 0.0}
    gateway.routes |= {
        ACCOUNT: reply(recorded("account") | empty),
        "/api/v1/balance": reply({"balance": 0.0}),
        "/api/v1/equity": reply({"equity": 0.0}),
        "/api/v1/positions": reply([]),
    }

    assert Held(gateway).run(130.0).troubles == {}


def test_positions_that_were_all_closed_are_believed() -> None:
    gateway = Gateway()
    held = Held(gateway).run(30.0)
    flat = {"equity": 10000.0, "margin": 0.0, "margin_free": 10000.0, "margin_level": 0.0}
    gateway.routes |= {ACCOUNT: reply(recorded("account") | flat), "/api/v1/positions": reply([])}

    assert held.run(90.0).troubles == {}


def test_no_positions_and_yet_margin_for_some_is_a_contradiction() -> None:
    gateway = Gateway()
    held = Held(gateway).run(30.0)
    gateway.routes["/api/v1/positions"] = reply([])

    assert held.run(60.0).troubles["mt5.none-as-empty"].effect is Effect.DEGRADES


def test_a_symbol_that_is_not_found_any_more_is_asked_about_once() -> None:
    gateway = Gateway()
    held = Held(gateway).run(31.0)
    gateway.routes[SYMBOL] = reply(recorded("symbol-unknown"), 404)
    asked = len(gateway.calls)
    held.run(13.0)

    assert "any more" in held.troubles["mt5.symbol-not-selected"].sentence
    assert Counter(gateway.paths()[asked:])[ACCOUNT] == 1


def test_a_symbol_that_never_was_is_the_name_s_fault() -> None:
    gateway = Gateway()
    held = Held(gateway, symbols=("eurusd",)).run(10.0)

    assert "eurusd" in held.troubles["mt5.symbol-not-selected"].sentence
    assert "suffix" in held.troubles["mt5.symbol-not-selected"].advice


def test_a_symbol_s_name_is_one_piece_of_a_path() -> None:
    gateway = Gateway()
    Held(gateway, symbols=("EUR/USD?x=#",)).run(2.0)

    assert f"{BASE}/api/v1/symbol/EUR%2FUSD%3Fx%3D%23" in [call.url for call in gateway.calls]


def test_another_account_shuts_us_out_and_its_balance_is_not_told() -> None:
    gateway = Gateway()
    held = Held(gateway).run(14.0)
    gateway.routes[ACCOUNT] = reply(recorded("account") | {"login": 99, "balance": 7.0, "equity": 257.5})
    held.run(5.0)

    assert held.troubles["mt5.multi-terminal"].effect is Effect.SHUTS_OUT
    assert Balance(amount=7.0, is_demo=None) not in held.told(Balance)

    gateway.routes[ACCOUNT] = reply(recorded("account"))
    assert held.run(15.0).troubles == {}


def test_a_token_of_another_account_is_noticed_at_the_login() -> None:
    held = Held(Gateway(), credentials=key(account=555))

    assert "555" in held.troubles["mt5.multi-terminal"].sentence


@pytest.mark.parametrize(
    "wrong",
    [{"margin_free": 1.0}, {"margin_level": 3.0}, {"equity": 99.0}, {"balance": None}, {"login": "x"}],
)
def test_an_account_that_contradicts_itself_is_told(wrong: Any) -> None:
    gateway = Gateway()
    held = Held(gateway).run(1.0)
    gateway.routes[ACCOUNT] = reply(recorded("account") | wrong)

    assert "mt5.bridge-type-error" in held.run(15.0).troubles


def test_the_first_versions_failure_with_an_open_position_is_known() -> None:
    gateway = Gateway()
    gateway.routes["/api/v1/positions"] = reply(recorded("positions-first-version"), 500)

    assert "position is open" in Held(gateway).run(5.0).troubles["mt5.bridge-type-error"].sentence


def test_a_history_that_miscounts_itself_is_told() -> None:
    gateway = Gateway()
    gateway.routes["/api/v1/history"] = reply(recorded("history") | {"deals_count": 4})

    assert "deals_count" in Held(gateway).run(10.0).troubles["mt5.bridge-type-error"].sentence


# -- prices and time ------------------------------------------------------------------------------------------------------


def test_a_price_is_told_when_it_is_news_and_by_the_brokers_clock() -> None:
    held = Held(Gateway()).run(60.0)

    assert held.troubles == {}
    assert len(held.quotes) == 12
    assert held.quotes[0].price == pytest.approx(1.10484, abs=1e-4)
    assert all(abs(each.broker_time - MONDAY_NOON - each.at) < 1.1 for each in held.quotes)


def test_the_first_price_of_a_terminal_that_hears_its_broker_comes_at_once() -> None:
    assert [each.at for each in Held(Gateway()).run(5.0).quotes] == [SYMBOL_AFTER]


def test_where_the_brokers_clock_stands_the_first_price_is_the_first_that_moved() -> None:
    gateway = Gateway()
    gateway.routes[TIME] = reply({"server_time": "2026-11-20T23:59:58", "timezone_offset": 2})

    assert [each.at for each in Held(gateway).run(5.0).quotes] == [AGAIN_AFTER]


def test_a_price_that_does_not_move_is_asked_for_once_more_at_the_beginning_and_then_as_usual() -> None:
    gateway = Gateway()
    gateway.moves = False
    Held(gateway).run(122.0)

    asked = [at for call, at in zip(gateway.calls, gateway.at, strict=True) if call.url.endswith(SYMBOL)]
    assert asked == sorted([SYMBOL_AFTER + 5.0 * turn for turn in range(25)] + [AGAIN_AFTER])


def test_a_question_asked_again_that_fails_is_told_by_the_usual_one_which_takes_it_back() -> None:
    gateway = Gateway()
    gateway.moves = False
    held = Held(gateway).run(2.0)
    gateway.routes[SYMBOL] = page(503, "Busy")
    held.run(1.0)
    assert held.troubles == {}
    held.run(5.0)
    assert set(held.troubles) == {"http.bad-gateway"}
    gateway.routes[SYMBOL] = reply(recorded("symbol"))
    assert held.run(5.0).troubles == {}


def test_a_price_that_stands_still_is_told_once_and_stalls_on_a_weekday() -> None:
    gateway = Gateway()
    held = Held(gateway).run(60.0)
    told = len(held.quotes)
    gateway.moves = False
    held.run(120.0)

    assert len(held.quotes) <= told + 1
    stale = held.troubles["data.stale-ticks"]
    assert (stale.effect, stale.certain) == (Effect.STALLS, False)


def test_a_terminal_that_only_remembers_is_never_fresh_though_every_status_is_200() -> None:
    gateway = Gateway()
    gateway.moves = False
    gateway.routes[TIME] = reply({"server_time": "2026-11-23T09:00:00", "timezone_offset": 2})
    held = Held(gateway).run(120.0)

    assert held.quotes == []
    assert held.told(Quotes) == []
    assert held.troubles["data.stale-ticks"].effect is Effect.STALLS


def test_a_closed_market_is_only_noted() -> None:
    gateway = Gateway()
    gateway.moves = False
    held = Held(gateway, symbols=("SAP",))
    gateway.routes["/api/v1/symbol/SAP"] = gateway.routes[SYMBOL]

    assert held.run(120.0).troubles["data.stale-ticks"].effect is Effect.NOTED


def test_one_quiet_symbol_of_a_living_terminal_is_no_stall() -> None:
    gateway = Gateway()
    gateway.routes[SYMBOL] = reply(recorded("symbol"))

    assert Held(gateway).run(120.0).troubles == {}


def test_the_gateways_own_clock_gives_a_lost_terminal_away() -> None:
    gateway = Gateway()
    held = Held(gateway).run(1.0)
    close_terminal(gateway)

    rows = [row for row in held.run(25.0).rows if "microseconds" in row.sentence]
    assert [(row.code, row.certain) for row in rows] == [("mt5.gateway-up-terminal-down", True)]


def test_an_offset_no_place_has_was_taken_from_an_old_tick() -> None:
    held = Held(Gateway(offset=-70)).run(30.0)

    assert "-70" in held.troubles["mt5.server-timezone"].sentence
    assert len(held.quotes) >= 4


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"bid": 0.0, "ask": 0.0}, "mt5.no-prices"),
        ({"bid": 1.2}, "mt5.bridge-type-error"),
        ({"spread": 500}, "mt5.bridge-type-error"),
        ({"bid": "1.1"}, "mt5.bridge-type-error"),
    ],
)
def test_a_price_that_cannot_be_is_told(wrong: Any, code: str) -> None:
    gateway = Gateway()
    gateway.routes[SYMBOL] = reply(recorded("symbol") | wrong)

    assert code in Held(gateway).run(5.0).troubles


def test_the_lag_of_a_feed_is_by_the_gateways_own_clock() -> None:
    gateway = Gateway()
    times = gateway.routes[TIME]
    gateway.routes[TIME] = lambda call, now: reply(
        {"server_time": f"2026-11-23T14:00:{int(now):02d}", "timezone_offset": 2},
        headers=(("date", f"Mon, 23 Nov 2026 12:00:{int(now) + 3:02d} GMT"),),
    )
    held = Held(gateway).run(50.0)

    assert callable(times)
    lags = [row.value for each in held.told(Figures) for row in each.rows if row.name == "feed_lag_seconds"]
    assert lags == [3.0, 3.0]


# -- the gateway itself ---------------------------------------------------------------------------------------------------


def held_up(seconds: float) -> Route:
    """/health is slow while the terminal is asked, and not alone."""
    slow, fast = (slower(reply(recorded("health")), each) for each in (seconds, 0.01))
    return lambda _, now: slow if now % 20.0 == pytest.approx(HEALTH_AFTER) else fast


def test_a_blocked_loop_is_seen_by_the_slowest_health_and_not_the_mean() -> None:
    gateway = Gateway()
    held = Held(gateway).run(200.0)
    gateway.routes["/health"] = held_up(3.55)
    held.run(25.0)
    gateway.routes["/health"] = reply(recorded("health"))
    held.run(20.0)

    assert "3.5" in held.troubles["mt5.bridge-hang"].sentence
    assert held.run(60.0).troubles == {}


def test_a_loop_that_is_always_blocked_is_not_taken_for_usual() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = held_up(3.5)

    assert "mt5.bridge-hang" in Held(gateway).run(303.0).troubles


def test_a_way_that_is_slow_for_every_question_is_no_blocked_loop() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = slower(reply(recorded("health")), 3.5)
    held = Held(gateway).run(300.0)
    gateway.routes["/health"] = reply(recorded("health"))

    assert "mt5.bridge-hang" not in held.run(100.0).troubles


def test_a_gateway_that_answers_nobody_is_named_before_the_session_ends() -> None:
    gateway = Gateway()
    held = Held(gateway).run(22.0)
    silent = Failure(kind="http.open-timeout", detail="no answer in 15 s")
    gateway.routes["/health"] = silent
    held.run(20.0)
    assert held.troubles["mt5.bridge-hang"].effect is Effect.STALLS
    assert held.failure is None

    gateway.routes |= dict.fromkeys(gateway.routes, silent)
    held.run(20.0)
    assert held.failure == silent


def test_a_far_away_gateway_is_not_a_blocked_one() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = slower(reply(recorded("health")), 0.8)

    assert Held(gateway).run(300.0).troubles == {}


def test_a_token_that_is_refused_and_accepted_in_turn_means_several_workers() -> None:
    gateway, turns = Gateway(), Counter[str]()

    def account(call: HttpCall, now: float) -> Reply:
        turns["account"] += 1
        return (
            reply(recorded("account")) if turns["account"] % 4 == 0 else reply(recorded("token-refused"), 401)
        )

    gateway.routes[ACCOUNT] = account
    held = Held(gateway).run(300.0)

    assert held.session.phase is Phase.LIVE
    assert held.troubles["mt5.gateway-401-random"].certain
    assert {shown_to(call).get("Connection") for call in gateway.calls if call.url.endswith(ACCOUNT)} == {
        None,
        "close",
    }


def test_a_token_that_is_lost_shuts_us_out_and_then_is_not_tried_any_more() -> None:
    gateway = Gateway()
    held = Held(gateway).run(20.0)
    gateway.routes[ACCOUNT] = reply(recorded("token-refused"), 401)
    held.run(12.0)

    assert held.troubles["mt5.gateway-401"].effect is Effect.SHUTS_OUT
    assert held.session.phase is Phase.LIVE

    held.run(60.0)
    assert held.failure is not None
    assert held.failure.kind == "auth.refused"
    assert max(gateway.at) <= 50.0


def test_a_count_of_sessions_that_goes_up_and_down_is_noted() -> None:
    gateway, counts = Gateway(), iter([1, 5, 1, 5, 1, 5, 1, 5])
    gateway.routes["/health"] = lambda call, now: reply(
        recorded("health") | {"active_sessions": next(counts)}
    )

    assert Held(gateway).run(110.0).troubles["mt5.gateway-401-random"].effect is Effect.NOTED


def test_sessions_that_only_add_up_are_how_this_gateway_counts() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = lambda call, now: reply(recorded("health") | {"active_sessions": int(now)})

    assert Held(gateway).run(200.0).troubles == {}


def test_an_error_that_comes_late_is_the_terminals_silence() -> None:
    gateway = Gateway()
    held = Held(gateway).run(1.0)
    gateway.routes[ACCOUNT] = slower(reply(recorded("account-terminal-gone"), 500), 30.0)

    assert "30 s" in held.run(15.0).troubles["mt5.ipc-timeout"].sentence


def test_a_question_nobody_answers_while_health_does_is_the_terminals_silence() -> None:
    gateway = Gateway()
    held = Held(gateway).run(20.0)
    gateway.routes[ACCOUNT] = Failure(kind="http.open-timeout", detail="no answer in 15 s")
    held.run(60.0)

    assert held.session.phase is Phase.LIVE
    assert held.troubles["mt5.ipc-timeout"].effect is Effect.STALLS


def test_a_gateway_that_answers_nothing_is_lost() -> None:
    gateway = Gateway()
    held = Held(gateway).run(20.0)
    gateway.routes |= dict.fromkeys(gateway.routes, Failure(kind="http.open-timeout"))
    held.run(20.0)

    assert held.failure is not None
    assert held.failure.kind == "http.open-timeout"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (page(503, "503 Service Temporarily Unavailable"), "http.bad-gateway"),
        (page(504, "504 Gateway Time-out"), "http.bad-gateway"),
        (reply({}, 429), "http.429"),
        (page(200, "Welcome"), "http.200-not-101"),
        (reply(b"{\xff}"), "http.200-not-101"),
        (reply(b"", 307, (("location", "http://elsewhere.test/"),)), "http.redirect"),
        (detail(503, "queue depth 21 exceeds max 20"), "mt5.bridge-hang"),
        (detail(503, "Failed to reconnect to MT5"), "mt5.gateway-up-terminal-down"),
        (reply({"error": "mt5 call timed out"}, 504), "mt5.ipc-timeout"),
        (detail(422, [{"loc": ["query", "x"], "msg": "bad"}]), "mt5.gateway-422"),
        (detail(500, "Error fetching orders: boom"), "mt5.gateway-500"),
        (reply({"orders": 7}), "mt5.bridge-type-error"),
    ],
)
def test_one_bad_answer_is_told_by_its_name_and_ends_nothing(answer: Any, code: str) -> None:
    gateway = Gateway()
    gateway.routes["/api/v1/orders"] = answer
    held = Held(gateway).run(30.0)

    assert held.session.phase is Phase.LIVE
    assert code in held.troubles

    gateway.routes["/api/v1/orders"] = reply(recorded("orders"))
    assert held.run(120.0).troubles == {}


def test_a_redirect_is_never_followed() -> None:
    gateway = Gateway()
    gateway.routes["/api/v1/orders"] = reply(b"", 307, (("location", f"{BASE}/stolen"),))
    Held(gateway).run(30.0)

    assert "/stolen" not in gateway.paths()


def test_health_is_the_beat_and_does_not_wait_for_other_questions() -> None:
    held = Held(Gateway()).run(100.0)

    assert len([event for event in held.events if isinstance(event, HeartbeatAnswered)]) == 5
    assert not [event for event in held.events if isinstance(event, RequestExpired)]


def test_how_long_the_gateway_itself_took_is_told() -> None:
    gateway = Gateway()
    gateway.routes["/health"] = reply(recorded("health"), headers=(("x-process-time", "0.00123"),))
    held = Held(gateway).run(1.0)

    assert held.told(Figures)[0].rows[0] == ("server_process_seconds", 0.00123, None)


def test_all_troubles_say_what_to_do_next() -> None:
    assert all(advice.endswith(".") and len(advice) > 40 for _, _, advice in _TABLE.values())


def test_what_seldom_asked_questions_said_of_a_terminal_that_was_gone_ends_when_the_account_is_shown_again() -> (
    None
):
    gateway = Gateway()
    well = dict(gateway.routes)
    for path in (ACCOUNT, "/api/v1/snapshot"):
        gateway.routes[path] = detail(500, "Failed to get account info")
    held = Held(gateway).run(22.0)
    assert held.troubles["mt5.gateway-up-terminal-down"].effect is Effect.STALLS

    gateway.routes |= well
    assert held.run(15.0).troubles == {}


def test_a_price_that_stands_still_for_a_while_is_still_one_while_the_terminal_hears_its_broker() -> None:
    gateway = Gateway()
    gateway.routes[SYMBOL] = reply(recorded("symbol"))
    held = Held(gateway).run(300.0)
    told = [event.at for event in held.quotes]

    assert len(told) == 12
    assert max(told) < 65.0


def test_a_price_that_stands_still_with_the_brokers_clock_is_none() -> None:
    gateway = Gateway()
    held = Held(gateway).run(30.0)
    gateway.moves = False
    held.run(300.0)

    assert max(event.at for event in held.quotes) < 65.0
