"""The survey in pretend time: what is asked how often, and what answers mean whose HTTP status says nothing."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.brokers.bingx import BROKER
from probe.brokers.bingx.rest import CONTRACTS, TICKER, TIME
from probe.model.credentials import redactor_for
from probe.model.endpoint import Account
from probe.model.events import (
    Ended,
    Event,
    HeartbeatAnswered,
    Phase,
    QuoteArrived,
    RequestAnswered,
    Surprise,
    Told,
)
from probe.model.meanings import Asset, Assets, Effect, Figures, Notice, Trouble, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import Answered, Asked, PolledSession, PollPlan
from probe.wire.calls import HttpCall, HttpReply

UTC = 1_795_000_000.0
BASE = "https://exchange.test"
BTC, ETH = "BTC-USDT", "ETH-USDT"
TAKES = 0.2  # seconds, for an answer

Server = Callable[[str, dict[str, str], float], "Reply"]


class Reply:
    def __init__(self, body: object, status: int = 200, **headers: str) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())


def ok(data: object) -> Reply:
    return Reply({"code": 0, "msg": "", "data": data})


def contract(symbol: str, **more: object) -> dict[str, object]:
    row = {"contractId": "100", "symbol": symbol, "pricePrecision": 1, "status": 1, "apiStateOpen": "true"}
    return row | {"apiStateClose": "true", "maintainTime": 0, "offTime": 0} | more


class Exchange:
    """What it answers, by path; a test may put something else in the place of an answer."""

    def __init__(self, *, skew: float = 0.0, state: dict[str, object] | None = None) -> None:
        self.skew = skew
        self.contracts: list[dict[str, object]] = [contract(BTC, **(state or {})), contract(ETH)]
        self.instead: dict[str, Reply] = {}
        self.asked: list[tuple[float, str, dict[str, str]]] = []
        self.price = 68_000.0

    def __call__(self, path: str, query: dict[str, str], now: float) -> Reply:
        self.asked.append((now, path, query))
        if path in self.instead:
            return self.instead[path]
        at = round((UTC + now + TAKES / 2 + self.skew) * 1000)
        match path:
            case "/openApi/swap/v2/server/time":
                return ok({"serverTime": at})
            case "/openApi/swap/v2/quote/contracts":
                return ok(self.contracts)
            case _:
                row = {
                    "symbol": query["symbol"],
                    "lastPrice": str(self.price),
                    "closeTime": at // 10_000 * 10_000,
                }
                return ok(row)


class Polled:
    """A session and its exchange, each answer on its way for a while."""

    def __init__(self, exchange: Exchange, *symbols: str) -> None:
        plan = SurveyPlan(base=BASE, symbols=symbols, utc_at_zero=UTC)
        self.exchange, self.told = exchange, list[Event]()
        self.session = PolledSession(
            survey=BROKER.surveys["https"](plan),
            credentials=None,
            plan=PollPlan(account=Account.NONE),
            redact=redactor_for(None),
        )
        self.due: list[tuple[float, int, HttpReply]] = []
        self.session.begin(0.0)
        self._carry(0.0)

    def run(self, until: float) -> "Polled":
        while True:
            wake = self.session.next_wake()
            at = min([each[0] for each in self.due] + ([] if wake is None else [wake]), default=until + 1)
            if at > until:
                return self
            if self.due and self.due[0][0] <= at:
                _, number, reply = self.due.pop(0)
                self.session.receive(Answered(number=number, reply=reply), at)
            else:
                self.session.wake(at)
            self._carry(at)

    def _carry(self, now: float) -> None:
        for asked in self.session.outgoing():
            if isinstance(asked, Asked):
                assert isinstance(asked.call, HttpCall)
                parts = urlsplit(asked.call.url)
                assert f"{parts.scheme}://{parts.netloc}" == BASE
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                reply = self.exchange(parts.path, query, now)
                came = HttpReply(
                    url=asked.call.url,
                    status=reply.status,
                    headers=reply.headers,
                    body=reply.body,
                    seconds=TAKES,
                )
                self.due.append((now + TAKES, asked.number, came))
        self.told += self.session.events()

    def meanings(self) -> list[Any]:
        events = (each for each in self.told if isinstance(each, Told))
        return [each.meaning for each in events]

    def troubles(self, about: str) -> tuple[Trouble, ...]:
        """As they stand."""
        return [each.rows for each in self.meanings() if isinstance(each, Troubles) and each.about == about][
            -1
        ]

    def trouble(self, about: str) -> Trouble:
        (trouble,) = self.troubles(about)
        return trouble

    @property
    def ended(self) -> Ended:
        (ended,) = (each for each in self.told if isinstance(each, Ended))
        return ended

    def times(self, path: str, symbol: str | None = None) -> list[float]:
        asked = self.exchange.asked
        return [at for at, there, query in asked if there == path and query.get("symbol") == symbol]


def gaps(times: list[float]) -> set[float]:
    return {round(after - before, 3) for before, after in pairwise(times)}


# -- health -------------------------------------------------------------------------------------------------------------


def test_a_healthy_exchange_is_asked_for_an_hour_without_a_complaint() -> None:
    polled = Polled(Exchange(), BTC, ETH).run(3600.0)
    assert polled.session.phase is Phase.LIVE
    rows = [row for each in polled.meanings() if isinstance(each, Troubles) for row in each.rows]
    assert (rows, [each for each in polled.told if isinstance(each, Surprise)]) == ([], [])
    assert {about for each in polled.meanings() if isinstance(each, Troubles) for about in [each.about]} >= {
        "time",
        "contracts",
        "ticker BTC-USDT",
        "ticker ETH-USDT",
    }
    assert len([each for each in polled.told if isinstance(each, HeartbeatAnswered)]) == 240


def test_each_thing_is_asked_at_its_own_pace() -> None:
    polled = Polled(Exchange(), BTC, ETH).run(300.0)
    assert gaps(polled.times(TIME)[1:]) == {15.0}
    assert gaps(polled.times(CONTRACTS)) == {60.0}
    assert gaps(polled.times(TICKER, BTC)) == {5.0}
    assert {int(query["timestamp"]) // 1000 - int(UTC + at) for at, _, query in polled.exchange.asked} <= {
        0,
        1,
    }


def test_no_endpoint_is_asked_more_than_once_a_second_however_many_symbols_are_watched() -> None:
    symbols = [f"C{number}-USDT" for number in range(20)]
    polled = Polled(Exchange(), *symbols).run(120.0)
    asked = [at for at, path, _ in polled.exchange.asked if path == TICKER]
    assert min(gaps(asked)) >= 1.0
    assert gaps(polled.times(TICKER, symbols[7])) == {20.0}


def test_prices_are_told_when_they_changed_with_the_exchanges_time() -> None:
    polled = Polled(Exchange(), BTC).run(60.0)
    quotes = [each for each in polled.told if isinstance(each, QuoteArrived)]
    assert gaps([quote.broker_time for quote in quotes]) == {10.0}
    polled.exchange.price += 1
    polled.run(66.0)
    assert [each.price for each in polled.told if isinstance(each, QuoteArrived)][-1] == 68_001.0


def test_without_a_symbol_the_usual_one_is_watched() -> None:
    assert Polled(Exchange()).run(10.0).times(TICKER, BTC) != []


def test_contracts_become_assets() -> None:
    polled = Polled(Exchange(), BTC).run(10.0)
    answers = [each.answer for each in polled.told if isinstance(each, RequestAnswered)]
    (assets,) = [each for each in answers if isinstance(each, Assets)]
    assert assets.rows[0] == Asset(100, BTC, BTC, "perpetual", 1, 0, False, True)


def test_rate_headers_are_told() -> None:
    exchange = Exchange()
    exchange.instead[TIME] = Reply(
        {"code": 0, "data": {"serverTime": 1}},
        X_RateLimit_Requests_Remain="499",
        X_RateLimit_Requests_Expire="17",
    )
    notices = [each for each in Polled(exchange).run(1.0).meanings() if isinstance(each, Notice)]
    assert notices[0] == Notice(name="rate limit", payload={"remain": "499", "expire": "17"})


# -- the clock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "is_trouble"), [(0.0, False), (1.9, False), (-2.0, False), (2.5, True), (-30.0, True)]
)
def test_a_clock_further_off_than_two_seconds_is_trouble(skew: float, is_trouble: bool) -> None:
    polled = Polled(Exchange(skew=skew)).run(40.0)
    figures = [dict(row[:2] for row in each.rows) for each in polled.meanings() if isinstance(each, Figures)]
    assert figures[-1] == pytest.approx({"access_rtt_seconds": TAKES, "clock_skew_seconds": skew}, abs=0.01)
    assert [each.code for each in polled.troubles("time")] == ["crypto.bingx-timestamp"] * is_trouble


def test_a_clock_set_right_again_is_no_trouble_any_more() -> None:
    polled = Polled(Exchange(skew=30.0)).run(40.0)
    polled.exchange.skew = 0.0
    assert polled.troubles("time") != ()
    assert polled.run(80.0).troubles("time") == ()


def test_a_connection_made_on_the_way_is_no_skew() -> None:
    """It takes time before the request is sent, and nobody sees how much."""
    polled = Polled(Exchange()).run(20.0)
    polled.exchange.skew = 4.0
    assert polled.run(31.0).troubles("time") == ()


# -- contracts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "says", "effect"),
    [
        ({"status": 0}, "status 0", Effect.STALLS),
        ({"offTime": (UTC - 60) * 1000}, "delisted", Effect.STALLS),
        ({"maintainTime": (UTC - 60) * 1000}, "maintenance", Effect.DEGRADES),
        ({"apiStateOpen": "false"}, "apiStateOpen", Effect.DEGRADES),
        ({"offTime": (UTC + 86_400) * 1000}, "going to be", Effect.NOTED),
    ],
)
def test_the_state_of_a_watched_contract_is_told(more: dict[str, object], says: str, effect: Effect) -> None:
    polled = Polled(Exchange(state=more), BTC).run(10.0)
    trouble = polled.trouble("contracts")
    assert (trouble.code, trouble.effect) == ("crypto.bingx-symbol-offline", effect)
    assert says in trouble.sentence
    (assets,) = (
        each.answer
        for each in polled.told
        if isinstance(each, RequestAnswered) and isinstance(each.answer, Assets)
    )
    assert assets.rows[0].is_open is (effect is not Effect.STALLS)


def test_a_symbol_that_is_not_in_the_list_is_told_and_one_nobody_watches_is_not() -> None:
    exchange = Exchange()
    exchange.contracts = [contract(ETH, status=0)]
    trouble = Polled(exchange, BTC).run(10.0).trouble("contracts")
    assert trouble.sentence == "BTC-USDT is not in the list of contracts"


def test_one_odd_contract_does_not_cost_the_others() -> None:
    exchange = Exchange()
    exchange.contracts.append({"symbol": None})
    polled = Polled(exchange, BTC).run(10.0)
    assert polled.troubles("contracts") == ()
    assert len([each for each in polled.told if isinstance(each, Surprise)]) == 1


# -- errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words", "slug"),
    [
        (100500, "busy", "crypto.bingx-busy"),
        ("109500", "busy", "crypto.bingx-busy"),
        (109425, "no such symbol", "crypto.bingx-symbol-offline"),
        (100204, "", "crypto.bingx-symbol-offline"),
        (109400, "timestamp is invalid", "crypto.bingx-timestamp"),
        (109400, "invalid parameter", "crypto.bingx-200-with-error"),
        (999, "?", "crypto.bingx-200-with-error"),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_code_inside_counts_more_than_the_status(code: object, words: str, slug: str, status: int) -> None:
    exchange = Exchange()
    exchange.instead[TICKER] = Reply({"code": code, "msg": words, "data": {}}, status)
    polled = Polled(exchange, BTC).run(20.0)
    trouble = polled.trouble("ticker BTC-USDT")
    assert (trouble.code, str(code) in trouble.sentence) == (slug, True)
    assert polled.session.phase is Phase.LIVE
    del exchange.instead[TICKER]
    assert polled.run(30.0).troubles("ticker BTC-USDT") == ()


def test_a_refusal_that_names_an_instant_is_heeded_by_the_exchanges_clock() -> None:
    exchange = Exchange(skew=60.0)
    polled = Polled(exchange, BTC).run(20.0)
    until = round((UTC + 100.0 + exchange.skew) * 1000)
    words = f"code:100410:The endpoint trigger frequency limit rule is currently in the disabled period and will be unblocked after {until}"
    exchange.instead[TICKER] = Reply({"code": 100410, "msg": words})
    polled.run(21.0)
    del exchange.instead[TICKER]
    polled.run(200.0)
    asked = [at for at, _, _ in exchange.asked if at > 20.9]
    assert 99.0 < asked[0] < 101.5


def test_a_ban_is_waited_for_five_minutes() -> None:
    exchange = Exchange()
    polled = Polled(exchange, BTC).run(20.0)
    exchange.instead[TICKER] = Reply(b"", 418)
    polled.run(300.0)
    del exchange.instead[TICKER]
    polled.run(400.0)
    later = [at for at, _, _ in exchange.asked if at > 21.0]
    assert 320.0 < later[0] < 322.0


def test_a_ban_at_the_door_ends_the_session_with_the_time_to_wait() -> None:
    exchange = Exchange()
    exchange.instead[TIME] = Reply(b"", 418)
    failure = Polled(exchange).run(5.0).ended.failure
    assert failure is not None
    assert (failure.kind, failure.http_status, failure.retry_after_seconds) == ("http.429", 418, 300.0)


def test_429_and_418_are_told_apart() -> None:
    exchange = Exchange()
    exchange.instead[TIME] = Reply({"code": 109429, "msg": "too many"}, 429)
    failure = Polled(exchange).run(5.0).ended.failure
    assert failure is not None
    assert (failure.kind, failure.http_status, failure.retry_after_seconds) == ("http.429", 429, None)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(b"<html><title>Welcome</title></html>"), "http.wrong-path"),
        (Reply({"status": "healthy"}), "http.wrong-path"),
        (Reply([]), "http.wrong-path"),
        (Reply(b"", 404), "http.wrong-path"),
        (Reply(b"", 503), "http.bad-gateway"),
        (Reply(b"<title>Just a moment...</title>", 403), "http.cf-challenge"),
    ],
)
def test_what_is_not_the_exchange_ends_the_session_at_once(reply: Reply, kind: str) -> None:
    exchange = Exchange()
    exchange.instead[TIME] = reply
    failure = Polled(exchange).run(5.0).ended.failure
    assert failure is not None
    assert failure.kind == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["code", "msg", "data", "symbol", "closeTime", "lastPrice", "serverTime", "pricePrecision"]
            )
            | st.sampled_from(["status", "offTime", "contractId"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from([TIME, CONTRACTS, TICKER]), st.sampled_from([200, 429, 500]))
def test_whatever_comes_the_session_survives_or_ends_in_order(body: object, path: str, status: int) -> None:
    exchange = Exchange()
    polled = Polled(exchange, BTC).run(1.0)
    exchange.instead[path] = Reply(body, status)
    polled.run(70.0)
    assert polled.session.phase in (Phase.LIVE, Phase.ENDED)
