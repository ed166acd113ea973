"""The simulated exchange over HTTP: what clients of all three families ask for is there, and each fault leads to its finding."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from probe.brokers.bingx import BROKER
from probe.brokers.bingx.rest import BingxSurvey
from probe.faults.catalogue import read_fault
from probe.faults.exchange import EXCHANGE_FAULTS
from probe.faults.pages import PageBoard
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.model.intents import Login
from probe.model.meanings import Admitted, Quotes, Troubles
from probe.session.broker import SurveyPlan
from probe.session.polled import Said
from probe.simulator.desk import WorldDesk
from probe.simulator.web.pages import pages_of
from probe.simulator.world import World
from probe.wire.calls import Asking, HttpCall, HttpReply

EPOCH = 1_795_168_860.0  # no candle begins just then
BTC = "BTC-USDT"
TICKER = f"swap/v2/quote/ticker?symbol={BTC}"


class Loop(asyncio.SelectorEventLoop):
    """Its clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Visit:
    def __init__(self, *faults: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        self.loop = loop
        self.board = PageBoard(random.Random(1))
        self.suffer(*faults)
        self.epoch = EPOCH - loop.time()
        self.world = World(broker=BROKER, seed=1, epoch=self.epoch)
        app = pages_of(BROKER, world=self.world, board=self.board, rng=random.Random(1))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://sim.test")
        self.survey = BingxSurvey(
            SurveyPlan(base="https://sim.test", symbols=(BTC,), utc_at_zero=self.epoch, simulated=True)
        )

    def suffer(self, *faults: str) -> None:
        self.board.set_faults([read_fault(fault) for fault in faults], self.loop.time())

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(f"/openApi/{path}")

    async def data(self, path: str) -> Any:
        answer = (await self.get(path)).json()
        assert answer["code"] == 0, answer
        return answer["data"]

    async def run(self, flow: Asking[Any]) -> Said:
        """What a flow makes of the answers."""
        try:
            call = next(flow)
            while True:
                assert isinstance(call, HttpCall)
                came = await self.client.get(call.url)
                headers = tuple(came.headers.items())
                reply = HttpReply(
                    url=call.url, status=came.status_code, headers=headers, body=came.content, seconds=0.01
                )
                call = flow.send(reply)
        except StopIteration as end:
            said: Said = end.value
            return said

    async def survey_once(self) -> list[Said]:
        """The opening, and then every round."""
        said = [await self.run(self.survey.open(self.loop.time()))]
        return said + [await self.run(each.ask(self.loop.time())) for each in self.survey.rounds()]


def play(scenario: Callable[[Visit], Awaitable[None]], *faults: str) -> None:
    async def whole() -> None:
        visit = Visit(*faults)
        async with visit.client:
            await scenario(visit)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(whole())


def codes(said: list[Said]) -> set[str]:
    """Of all that is wrong."""
    return {each.kind for each in said if isinstance(each, Failure)} | {
        row.code
        for answer in said
        if not isinstance(answer, Failure)
        for each in answer
        if isinstance(each, Troubles)
        for row in each.rows
    }


# -- health -------------------------------------------------------------------------------------------------------------


def test_the_survey_finds_nothing_wrong_and_reads_a_price() -> None:
    async def scenario(visit: Visit) -> None:
        said = await visit.survey_once()
        assert codes(said) == set()
        (quotes,) = (
            each
            for answer in said
            if not isinstance(answer, Failure)
            for each in answer
            if isinstance(each, Quotes)
        )
        assert (quotes.rows[0].symbol, quotes.rows[0].price > 0) == (BTC, True)

    play(scenario)


@pytest.mark.parametrize("family", ["swap/v2", "spot/v1"])
def test_the_time_is_the_simulators(family: str) -> None:
    async def scenario(visit: Visit) -> None:
        told = (await visit.data(f"{family}/server/time"))["serverTime"] / 1000
        assert abs(told - EPOCH) < 5.0

    play(scenario)


def test_one_price_is_told_in_every_place() -> None:
    async def scenario(visit: Visit) -> None:
        symbol = f"symbol={BTC}"
        swap, [spot], [coin] = [
            await visit.data(path)
            for path in (
                f"swap/v2/quote/ticker?{symbol}",
                f"spot/v1/ticker/24hr?{symbol}",
                "cswap/v1/market/ticker?symbol=BTC-USD",
            )
        ]
        book = (await visit.data(f"swap/v2/quote/bookTicker?{symbol}"))["book_ticker"]
        [spot_book] = await visit.data(f"spot/v1/ticker/bookTicker?{symbol}")
        price = float(swap["lastPrice"])
        for each in (spot, coin):
            assert float(each["lastPrice"]) == pytest.approx(price, rel=0.001)
        for each in (book, spot_book):
            assert float(each["bidPrice"]) < float(each["askPrice"])
            assert float(each["askPrice"]) == pytest.approx(price, rel=0.001)
        assert float(swap["lowPrice"]) <= price <= float(swap["highPrice"])
        mark = await visit.data(f"swap/v2/quote/premiumIndex?{symbol}")
        assert float(mark["markPrice"]) == pytest.approx(price, rel=0.001)

    play(scenario)


def test_candles_trades_and_books_have_as_many_rows_as_were_asked_for() -> None:
    async def scenario(visit: Visit) -> None:
        candles = await visit.data(f"swap/v3/quote/klines?symbol={BTC}&interval=15m&limit=5")
        starts = [candle["time"] for candle in candles]
        assert starts == [starts[0] - 900_000 * back for back in range(5)]
        spot = await visit.data(f"spot/v2/market/kline?symbol={BTC}&interval=15min&limit=5")
        assert [candle[0] for candle in spot] == starts
        trades = await visit.data(f"swap/v2/quote/trades?symbol={BTC}&limit=7")
        assert len(trades) == 7
        assert trades == sorted(trades, key=lambda trade: -trade["time"])
        for path in ("swap/v2/quote/depth", "spot/v1/market/depth"):
            book = await visit.data(f"{path}?symbol={BTC}&limit=5")
            bids, asks = ([float(price) for price, _ in book[side]] for side in ("bids", "asks"))
            assert (len(bids), len(asks), max(bids) < min(asks)) == (5, 5, True)
        assert len(await visit.data(f"swap/v2/quote/fundingRate?symbol={BTC}&limit=3")) == 3
        assert float((await visit.data(f"swap/v2/quote/openInterest?symbol={BTC}"))["openInterest"]) > 0

    play(scenario)


def test_without_a_symbol_all_tickers_are_told() -> None:
    async def scenario(visit: Visit) -> None:
        symbols = {row["symbol"] for row in await visit.data("swap/v2/quote/ticker")}
        assert symbols == {row["symbol"] for row in await visit.data("swap/v2/quote/contracts")}
        assert symbols == {row["symbol"] for row in (await visit.data("spot/v1/common/symbols"))["symbols"]}
        assert BTC in symbols

    play(scenario)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("swap/v2/quote/ticker?symbol=NONE-USDT", 109425),
        ("spot/v1/ticker/24hr?symbol=NONE-USDT", 100204),
        ("swap/v2/quote/depth", 109425),
        (f"swap/v3/quote/klines?symbol={BTC}&interval=7m", 100400),
    ],
)
def test_what_cannot_be_had_is_refused_inside_of_a_success(path: str, code: int) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get(path)
        assert (answer.status_code, answer.json()["code"]) == (200, code)

    play(scenario)


def test_each_answer_says_how_many_requests_are_left_and_until_when() -> None:
    async def scenario(visit: Visit) -> None:
        left = [int((await visit.get(TICKER)).headers["x-ratelimit-requests-remain"]) for _ in range(3)]
        assert left == [499, 498, 497]
        visit.loop.ahead += 11.0
        answer = await visit.get(TICKER)
        assert int(answer.headers["x-ratelimit-requests-remain"]) == 499
        expires = int(answer.headers["x-ratelimit-requests-expire"]) / 1000
        assert expires - (visit.epoch + visit.loop.time()) == pytest.approx(10.0, abs=1.0)

    play(scenario)


# -- faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "finding"),
    [
        ("exchange-clock-skew", "crypto.bingx-timestamp"),
        ("exchange-clock-skew:seconds=-30", "crypto.bingx-timestamp"),
        ("exchange-error", "crypto.bingx-busy"),
        ("exchange-error:code=109500,status=500", "crypto.bingx-busy"),
        ("exchange-error:code=999", "crypto.bingx-200-with-error"),
        ("exchange-error:code=109400,path=ticker", "crypto.bingx-timestamp"),
        ("exchange-limit:requests=1", "http.429"),
        ("exchange-symbol-offline", "crypto.bingx-symbol-offline"),
    ],
)
def test_each_fault_leads_to_its_finding(fault: str, finding: str) -> None:
    async def scenario(visit: Visit) -> None:
        assert codes(await visit.survey_once()) == {finding}

    play(scenario, fault)


def test_the_findings_are_those_the_catalogue_promises() -> None:
    assert {name: finding for name, (_, finding, _) in EXCHANGE_FAULTS.items()} == {
        "exchange-clock-skew": "crypto.bingx-timestamp",
        "exchange-error": "crypto.bingx-busy",
        "exchange-old-codes": "",
        "exchange-limit": "http.429",
        "exchange-symbol-offline": "crypto.bingx-symbol-offline",
    }


def test_futures_can_speak_the_older_codes() -> None:
    async def scenario(visit: Visit) -> None:
        for path, code in (("quote/ticker?symbol=NONE-USDT", 100204), (f"quote/ticker?symbol={BTC}", 100490)):
            assert (await visit.get(f"swap/v2/{path}")).json()["code"] == code

    play(scenario, "exchange-old-codes", "exchange-symbol-offline")


def test_another_symbol_is_not_offline() -> None:
    async def scenario(visit: Visit) -> None:
        assert codes(await visit.survey_once()) == set()
        rows = {row["symbol"]: row["status"] for row in await visit.data("swap/v2/quote/contracts")}
        assert (rows["ETH-USDT"], rows[BTC]) == (0, 1)

    play(scenario, "exchange-symbol-offline:symbol=ETH-USDT")


def test_going_on_after_a_429_is_banned_and_recovers_after_five_minutes() -> None:
    async def scenario(visit: Visit) -> None:
        statuses = [(await visit.get(TICKER)).status_code for _ in range(7)]
        assert statuses == [200, 200, 429, 429, 429, 418, 418]
        visit.loop.ahead += 290.0
        assert (await visit.get(TICKER)).status_code == 418
        visit.loop.ahead += 11.0
        assert (await visit.get(TICKER)).status_code == 200

    play(scenario, "exchange-limit:requests=2,patience=3")


def test_whoever_waits_as_long_as_a_429_says_is_served_again() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.get(TICKER)
        said = await visit.run(visit.survey.open(visit.loop.time()))
        assert isinstance(said, Failure)
        assert said.retry_after_seconds == pytest.approx(10.0, abs=1.0)
        assert "code 109429" in said.detail
        visit.loop.ahead += (said.retry_after_seconds or 0.0) + 0.1
        assert not isinstance(await visit.run(visit.survey.open(visit.loop.time())), Failure)

    play(scenario, "exchange-limit:requests=1")


def test_switching_the_limit_off_ends_the_ban() -> None:
    async def scenario(visit: Visit) -> None:
        assert [(await visit.get(TICKER)).status_code for _ in range(2)] == [418, 418]
        for faults in ((), ("exchange-limit",)):
            visit.suffer(*faults)
            assert (await visit.get(TICKER)).status_code == 200

    play(scenario, "exchange-limit:requests=0,patience=0")


def test_an_error_can_be_that_of_one_path() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.get(TICKER)).json()["code"] == 100500
        assert (await visit.get("swap/v2/server/time")).json()["code"] == 0

    play(scenario, "exchange-error:path=ticker")


# -- listen keys --------------------------------------------------------------------------------------------------------

KEYS = "/openApi/user/auth/userDataStream"
HALF_AN_HOUR = 1800.0


async def keyed(visit: Visit, method: str, key: str = "", api_key: str = "any") -> httpx.Response:
    named = {"listenKey": key} if key else {}
    return await visit.client.request(method, KEYS, params=named, headers={"X-BX-APIKEY": api_key})


async def made(visit: Visit) -> str:
    key = (await keyed(visit, "POST")).json()["listenKey"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    return str(key)


def opens(visit: Visit, key: str) -> bool:
    """Whether a session gets in with it now."""
    desk = WorldDesk(visit.world, account_kind=Account.NONE, rng=random.Random(1))
    login = Login(frame=Secret(key), token=Secret(key), account=Account.NONE)
    return isinstance(desk.admit(login, visit.loop.time())[0], Admitted)


def test_a_listen_key_lives_for_an_hour_and_each_renewal_gives_it_another() -> None:
    async def scenario(visit: Visit) -> None:
        left, renewed = await made(visit), await made(visit)
        assert left != renewed
        for _ in range(3):
            assert opens(visit, renewed)
            visit.loop.ahead += HALF_AN_HOUR
            assert (await keyed(visit, "PUT", renewed)).status_code == 200
        assert (opens(visit, left), opens(visit, renewed)) == (False, True)
        assert (await keyed(visit, "PUT", left)).status_code == 404

    play(scenario)


def test_a_listen_key_that_was_deleted_opens_nothing() -> None:
    async def scenario(visit: Visit) -> None:
        key = await made(visit)
        assert [(await keyed(visit, "DELETE", key)).status_code for _ in range(2)] == [200, 404]
        assert not opens(visit, key)

    play(scenario)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_listen_key_has_to_be_named_and_known(method: str) -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await keyed(visit, method, key) for key in ("", "0" * 64)]
        assert [answer.status_code for answer in answers] == [204, 404]

    play(scenario)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_without_an_api_key_there_is_no_listen_key(method: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await keyed(visit, method, "0" * 64, api_key="")
        assert (answer.status_code, answer.json()["code"]) == (200, 100413)

    play(scenario)


def test_the_key_that_the_simulator_shows_is_never_ended() -> None:
    async def scenario(visit: Visit) -> None:
        shown = BROKER.write_credential(visit.world.accounts[0])
        for method in ("PUT", "DELETE"):
            assert (await keyed(visit, method, shown)).status_code == 200
        visit.loop.ahead += 3 * HALF_AN_HOUR
        assert opens(visit, shown)

    play(scenario)
