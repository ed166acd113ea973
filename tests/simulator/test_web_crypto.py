"""The simulated crypto backend as its contract describes it, when nothing is wrong."""

import asyncio
import json
import re
from datetime import datetime
from typing import Any

import pytest

from probe.simulator.web.crypto_core import Settings
from tests.simulator.backends import DEVELOPMENT, EPOCH, ORIGIN, Visit, play

RESOURCES = (
    "/me",
    "/strategies",
    "/positions",
    "/trades",
    "/portfolio",
    "/portfolio/snapshots",
    "/market/symbols",
    "/market/ticker?symbol=BTC-USDT",
    "/market/klines?symbol=BTC-USDT",
    "/broker/status",
)
STRATEGY: dict[str, Any] = {"name": "Grid", "type": "grid", "leverage": 5, "margin": 100.0}
ORDER: dict[str, Any] = {"symbol": "ETH-USDT", "side": "BUY", "type": "MARKET", "quantity": 0.1}
NOBODY = "0" * 24


def utc(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def registered(visit: Visit, email: str = "new@sim.test", **fields: str) -> Any:
    await visit.post("/signup", email=email)
    verified = await visit.post("/verify-otp", email=email, otp=visit.outbox.otp_for(email))
    body = {"email": email, "name": "New", "phone": "+4912345678", "password": "correct horse"} | fields
    token = verified.json()["registration_token"]
    return await visit.client.post("/complete-registration", json=body | {"registration_token": token})


# -- sign-up -----------------------------------------------------------------------------------------------------------


def test_somebody_new_registers_with_the_code_that_was_mailed_and_signs_in() -> None:
    async def scenario(visit: Visit) -> None:
        sent = await visit.post("/signup", email="New@sim.test", referral_code=None)
        assert (sent.status_code, sent.json()) == (200, {"message": "OTP sent", "expires_in": 600})
        (mail,) = await visit.read("/__sim/outbox")
        assert mail == {"to": "new@sim.test", "otp": visit.outbox.otp_for("new@sim.test"), "sent_at": EPOCH}
        assert re.fullmatch("[0-9]{6}", mail["otp"])
        too_early = await visit.sign_in(email="new@sim.test")
        assert (too_early.status_code, too_early.json()["detail"]) == (403, "Account not verified")
        verified = await visit.post("/verify-otp", email="new@sim.test", otp=mail["otp"])
        assert verified.status_code == 200
        made = await visit.post(
            "/complete-registration",
            email="new@sim.test",
            name="New",
            phone="+4912345678",
            password="correct horse",
            registration_token=verified.json()["registration_token"],
        )
        assert made.status_code == 201
        answer = await visit.sign_in(email="new@sim.test", password="correct horse")
        assert answer.json()["user"] == made.json()["user"]
        assert made.json()["user"]["broker"] == {"name": None, "connected": False}
        assert (await visit.read("/portfolio"))["equity"] == 10_000.0
        taken = await visit.post("/signup", email="new@sim.test")
        assert (taken.status_code, taken.json()["detail"]) == (400, "Email already registered")

    play(scenario)


def test_a_code_can_be_wrong_used_locked_or_too_old() -> None:
    async def scenario(visit: Visit) -> None:
        async def verify(otp: str) -> tuple[int, str]:
            answer = await visit.post("/verify-otp", email="a@sim.test", otp=otp)
            return answer.status_code, answer.json().get("detail", "")

        assert await verify("000000") == (404, "No pending signup for this email")
        await visit.post("/signup", email="a@sim.test")
        otp = visit.outbox.otp_for("a@sim.test") or ""
        wrong = f"{(int(otp) + 1) % 1_000_000:06}"
        assert await verify(wrong) == (400, "Invalid OTP")
        assert await verify(otp) == (200, "")
        assert await verify(otp) == (400, "Invalid OTP")
        for _ in range(3):
            await verify(wrong)
        assert await verify(otp) == (429, "Too many attempts. Please request another code.")
        await asyncio.sleep(60)
        await visit.post("/signup", email="a@sim.test")
        otp = visit.outbox.otp_for("a@sim.test") or ""
        await asyncio.sleep(600)
        assert await verify(otp) == (400, "OTP expired")

    play(scenario)


def test_another_code_is_sent_only_after_a_minute() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.post("/signup", email="a@sim.test")
        await asyncio.sleep(20)
        again = await visit.post("/signup", email="a@sim.test")
        assert (again.status_code, again.headers["retry-after"]) == (429, "40")
        await asyncio.sleep(40)
        assert (await visit.post("/signup", email="a@sim.test")).status_code == 200
        assert len(visit.outbox.mails) == 2

    play(scenario)


def test_registration_wants_the_token_of_a_verified_address_and_a_phone_of_its_own() -> None:
    async def scenario(visit: Visit) -> None:
        body = {"email": "a@sim.test", "name": "A", "phone": "123456", "password": "12345678"}
        body["registration_token"] = "guessed"
        assert (await visit.post("/complete-registration", **body)).status_code == 404
        await visit.post("/signup", email="a@sim.test")
        unverified = await visit.post("/complete-registration", **body)
        assert (unverified.status_code, unverified.json()["detail"]) == (400, "OTP not verified")
        assert (await registered(visit, "b@sim.test", phone="123456")).status_code == 201
        twice = await registered(visit, "c@sim.test", phone="123456")
        assert (twice.status_code, twice.json()["detail"]) == (409, "Phone number already registered")

    play(scenario)


def test_whose_referral_code_it_was_is_kept() -> None:
    async def scenario(visit: Visit) -> None:
        me = await visit.read("/me")
        made = await registered(visit, referral_code=me["referral_code"])
        assert made.json()["user"]["invited_by"] == me["id"]

    play(scenario)


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_the_right_password_brings_a_cookie_that_opens() -> None:
    async def scenario(visit: Visit) -> None:
        async with visit.another_client() as stranger:
            answer = await visit.sign_in(stranger)
            assert answer.status_code == 200
            assert answer.json()["user"]["broker"] == {"name": "bingx", "connected": True}
            attributes = answer.headers["set-cookie"].partition("; ")[2]
            assert attributes == "HttpOnly; Max-Age=1209600; Path=/; SameSite=lax"
            assert (await stranger.get("/me")).json() == answer.json()["user"]

    play(scenario)


def test_a_wrong_password_and_an_unknown_address_look_the_same() -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await visit.sign_in(password="wrong"), await visit.sign_in(email="nobody@sim.test")]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert {answer.json()["detail"] for answer in answers} == {"Invalid email or password"}
        assert "set-cookie" not in answers[0].headers

    play(scenario)


def test_the_session_that_the_simulator_issued_is_open_from_the_start() -> None:
    async def scenario(visit: Visit) -> None:
        assert {(await visit.get(path)).status_code for path in RESOURCES} == {200}
        assert (await visit.read("/me"))["email"] == visit.person.email

    play(scenario)


def test_nothing_but_health_opens_without_a_session() -> None:
    async def scenario(visit: Visit) -> None:
        visit.client.cookies.clear()
        for cookie in ("", "unknown", "eyJ1c2VyX2lkIjoieCJ9.aaaaaa.bbbb", "..", "null"):
            answers = [await visit.get(path, Cookie=f"session={cookie}") for path in RESOURCES]
            assert {answer.status_code for answer in answers} == {401}
            assert {answer.json()["detail"] for answer in answers} == {"Not authenticated"}
        assert (await visit.get("/health")).status_code == 200

    play(scenario)


def test_after_signing_out_the_cookie_opens_no_more() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.post("/signout")
        assert answer.json() == {"message": "Signed out"}
        cleared = "session=null; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Path=/; SameSite=lax"
        assert answer.headers["set-cookie"] == cleared
        assert (await visit.get("/me", Cookie=f"session={visit.cookie}")).status_code == 401

    play(scenario)


def test_a_session_ends_after_fourteen_days_also_if_it_was_used() -> None:
    async def scenario(visit: Visit) -> None:
        await asyncio.sleep(14 * 86_400 - 1)
        assert (await visit.get("/me")).status_code == 200
        await asyncio.sleep(1)
        assert (await visit.get("/me")).status_code == 401

    play(scenario)


# -- trading -----------------------------------------------------------------------------------------------------------


def test_a_strategy_is_made_read_changed_and_deleted() -> None:
    async def scenario(visit: Visit) -> None:
        before = (await visit.read("/strategies"))["total"]
        made = (await visit.post("/strategies", **STRATEGY)).json()
        assert {key: made[key] for key in STRATEGY} == STRATEGY
        assert (await visit.read("/strategies"))["total"] == before + 1
        await asyncio.sleep(5)
        path = f"/strategies/{made['id']}"
        changed = (await visit.client.put(path, json=STRATEGY | {"leverage": 125.0})).json()
        assert changed == await visit.read(path)
        assert (changed["leverage"], utc(changed["updated_at"]) - utc(made["updated_at"])) == (125, 5.0)
        assert (await visit.client.delete(path)).status_code == 200
        assert (await visit.get(path)).status_code == 404

    play(scenario)


def test_a_strategy_out_of_bounds_is_refused() -> None:
    bounds: dict[str, tuple[Any, ...]] = {
        "leverage": (0, 126, "5", 1.5, None),
        "margin": (0, -1.0, 2e9, "1"),
        "name": ("", "a\0b", "x" * 101),
        "description": ("x" * 2001, "\0"),
        "is_active": ("yes", 1),
    }

    async def scenario(visit: Visit) -> None:
        before = await visit.read("/strategies")
        for field, values in bounds.items():
            for value in values:
                answer = await visit.post("/strategies", **STRATEGY | {field: value})
                told = [error["loc"] for error in answer.json()["detail"]]
                assert (answer.status_code, told) == (422, [["body", field]])
        assert await visit.read("/strategies") == before

    play(scenario)


def test_a_trade_opens_a_position_and_closing_it_books_the_difference() -> None:
    async def scenario(visit: Visit) -> None:
        before = await visit.read("/portfolio")
        trade = (await visit.post("/trades", **ORDER)).json()
        assert (trade["status"], trade["fee"]) == ("filled", round(trade["price"] * 0.1 * 0.0005, 8))
        assert await visit.read(f"/trades/{trade['id']}") == trade
        opened = (await visit.read("/positions"))["items"][-1]
        assert (opened["symbol"], opened["side"], opened["entry_price"]) == (
            "ETH-USDT",
            "LONG",
            trade["price"],
        )
        await asyncio.sleep(3_600)
        closed = (await visit.post(f"/positions/{opened['id']}/close")).json()
        assert (closed["status"], utc(closed["closed_at"]) - utc(closed["opened_at"])) == ("closed", 3_600.0)
        assert opened["id"] not in [each["id"] for each in (await visit.read("/positions"))["items"]]
        assert (await visit.post(f"/positions/{opened['id']}/close")).status_code == 409
        newest, _, seeded = (await visit.read("/trades"))["items"]
        assert (newest["side"], seeded["symbol"]) == ("SELL", "BTC-USDT")
        after = await visit.read("/portfolio")
        won = (newest["price"] - trade["price"]) * 0.1 - newest["fee"] - trade["fee"]
        booked = after["equity"] - after["unrealized_pnl"] - before["equity"] + before["unrealized_pnl"]
        assert booked == pytest.approx(won)

    play(scenario)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"symbol": "XYZ-USDT"}, 109425), ({"quantity": 1e-6}, 101400), ({"quantity": 1e6}, 101204)],
)
def test_an_order_that_the_broker_refuses_carries_its_code(wrong: dict[str, Any], code: int) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.post("/trades", **ORDER | wrong)
        assert (answer.status_code, answer.json()["broker_code"]) == (400, code)
        assert len((await visit.read("/trades"))["items"]) == 1

    play(scenario)


def test_the_same_client_order_id_is_not_traded_twice() -> None:
    async def scenario(visit: Visit) -> None:
        order = ORDER | {"client_order_id": "mine-1"}
        assert [(await visit.post("/trades", **order)).status_code for _ in range(2)] == [201, 409]

    play(scenario)


def test_a_strategy_lends_its_leverage_to_a_trade() -> None:
    async def scenario(visit: Visit) -> None:
        strategy = (await visit.post("/strategies", **STRATEGY | {"leverage": 50})).json()["id"]
        await visit.post("/trades", **ORDER | {"strategy_id": strategy})
        assert (await visit.read("/positions"))["items"][-1]["leverage"] == 50
        assert (await visit.post("/trades", **ORDER | {"strategy_id": NOBODY})).status_code == 404

    play(scenario)


def test_pages_of_trades_tell_each_once_newest_first() -> None:
    async def scenario(visit: Visit) -> None:
        made = [(await visit.post("/trades", **ORDER)).json()["id"] for _ in range(4)]
        told, path = [], "/trades?limit=2"
        while path:
            page = await visit.read(path)
            told += [trade["id"] for trade in page["items"]]
            path = page["next_cursor"] and f"/trades?limit=2&cursor={page['next_cursor']}"
        assert told[:4] == made[::-1]
        assert len(told) == 5
        assert (await visit.get(f"/trades?cursor={NOBODY}")).status_code == 404

    play(scenario)


def test_nobody_sees_what_another_has() -> None:
    async def scenario(visit: Visit) -> None:
        strategy = (await visit.read("/strategies"))["items"][0]["id"]
        await registered(visit)
        await visit.sign_in(email="new@sim.test", password="correct horse")
        assert (await visit.read("/strategies"))["items"] == []
        assert (await visit.get(f"/strategies/{strategy}")).status_code == 404

    play(scenario)


def test_a_snapshot_of_the_portfolio_is_added_every_five_minutes() -> None:
    async def scenario(visit: Visit) -> None:
        first = (await visit.read("/portfolio/snapshots"))["items"]
        await asyncio.sleep(299)
        assert (await visit.read("/portfolio/snapshots"))["items"] == first
        await asyncio.sleep(1)
        second = (await visit.read("/portfolio/snapshots"))["items"]
        assert second[:-1] == first[1:]
        assert utc(second[-1]["as_of"]) == EPOCH + 300
        assert second[-1] == await visit.read("/portfolio")

    play(scenario)


def test_snapshots_of_a_span_are_those_inside_it() -> None:
    async def scenario(visit: Visit) -> None:
        span = "from=2026-11-20T08:00:00Z&to=2026-11-20T09:10:00%2B01:00"
        times = [row["as_of"] for row in (await visit.read(f"/portfolio/snapshots?{span}"))["items"]]
        assert times == ["2026-11-20T08:00:00Z", "2026-11-20T08:05:00Z", "2026-11-20T08:10:00Z"]
        for extreme in (
            "from=0001-01-01T00:00:00%2B14:00",
            "to=9999-12-31T23:59:59-14:00",
            "to=0001-01-01T00:00:00Z",
        ):
            assert (await visit.get(f"/portfolio/snapshots?{extreme}")).status_code == 200

    play(scenario)


# -- market ------------------------------------------------------------------------------------------------------------


def test_prices_are_those_of_the_simulated_market() -> None:
    async def scenario(visit: Visit) -> None:
        await asyncio.sleep(1_000.3)
        listing = visit.world.floor.listing("BTC-USDT")
        ticker = await visit.read("/market/ticker?symbol=BTC-USDT")
        newest = listing.ticks(EPOCH + 990, EPOCH + 1_000.3)[-1]
        assert ticker["last_price"] == newest.price
        assert utc(ticker["source_time"]) == pytest.approx(newest.at)
        assert utc(ticker["fetched_at"]) == pytest.approx(EPOCH + 1_000.3)
        assert ticker["bid_price"] < ticker["last_price"] < ticker["ask_price"]
        assert ticker["low_24h"] <= ticker["last_price"] <= ticker["high_24h"]

    play(scenario)


def test_candles_end_in_the_one_that_runs() -> None:
    async def scenario(visit: Visit) -> None:
        await asyncio.sleep(90)
        answer = await visit.read("/market/klines?symbol=ETH-USDT&interval=1m&limit=3")
        assert [utc(row["open_time"]) - EPOCH for row in answer["items"]] == [-60, 0, 60]
        ticker = await visit.read("/market/ticker?symbol=ETH-USDT")
        assert answer["items"][-1]["close"] == ticker["last_price"]
        assert (await visit.get("/market/klines?symbol=ETH-USDT&limit=501")).status_code == 422

    play(scenario)


def test_every_symbol_that_is_listed_has_a_price() -> None:
    async def scenario(visit: Visit) -> None:
        symbols = [row["symbol"] for row in (await visit.read("/market/symbols"))["items"]]
        assert {"BTC-USDT", "ETH-USDT", "LINK-USDT", "SOL-USDT"} <= set(symbols)
        answers = [await visit.get(f"/market/ticker?symbol={symbol}") for symbol in symbols]
        assert {answer.status_code for answer in answers} == {200}
        assert (await visit.get("/market/ticker?symbol=XYZ-USDT")).status_code == 404

    play(scenario)


# -- broker ------------------------------------------------------------------------------------------------------------


def test_a_broker_is_connected_and_disconnected_and_its_keys_are_never_told() -> None:
    key, secret = "K" * 20, "S" * 20

    async def scenario(visit: Visit) -> None:
        assert (await visit.client.delete("/broker")).status_code == 200
        assert (await visit.read("/broker/status"))["connected"] is False
        assert (await visit.post("/trades", **ORDER)).json()["detail"] == "Broker not connected"
        bodies = [
            {"broker": "bingx", "api_key": "short", "api_secret": secret},
            {"broker": "bingx", "api_key": key, "api_secret": "short"},
            {"broker": "other", "api_key": key, "api_secret": secret},
            {"broker": "bingx", "api_key": key, "api_secret": secret},
        ]
        answers = [await visit.post("/broker/connect", **body) for body in bodies]
        assert [answer.status_code for answer in answers] == [400, 400, 422, 200]
        assert [answer.json().get("broker_code") for answer in answers[:2]] == [100413, 100001]
        answers += [await visit.get("/broker/status"), await visit.get("/me")]
        assert answers[-2].json()["connected"] is True
        assert not [answer for answer in answers if key in answer.text or secret in answer.text]

    play(scenario)


# -- what surrounds it -------------------------------------------------------------------------------------------------


def test_health_names_its_dependencies() -> None:
    async def scenario(visit: Visit) -> None:
        await asyncio.sleep(12.5)
        health = await visit.read("/health")
        assert (health["status"], health["environment"], health["uptime_seconds"]) == (
            "healthy",
            "production",
            12.5,
        )
        states = {name: check["status"] for name, check in health["checks"].items()}
        assert states == {"database": "up", "broker": "up", "smtp": "unknown"}

    play(scenario)


def test_every_answer_names_its_request_and_its_time() -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await visit.get(path) for path in ("/health", "/health", "/nowhere", "/trades?limit=0")]
        names = [answer.headers["x-request-id"] for answer in answers]
        assert len(set(names)) == 4
        assert answers[2].json() == {"detail": "Not Found", "request_id": names[2]}
        assert float(answers[0].headers["x-process-time"]) == 0.0

    play(scenario)


@pytest.mark.parametrize(("settings", "status"), [(Settings(), 404), (DEVELOPMENT, 200)])
def test_documentation_is_open_in_development_alone(settings: Settings, status: int) -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await visit.get(path) for path in ("/docs", "/redoc", "/openapi.json")]
        assert [answer.status_code for answer in answers] == [status] * 3

    play(scenario, settings=settings)


def test_the_document_leaves_out_what_only_the_simulator_has() -> None:
    async def scenario(visit: Visit) -> None:
        document = await visit.read("/openapi.json")
        assert len([1 for path in document["paths"].values() for _ in path]) == 26
        assert not [path for path in document["paths"] if path.startswith("/__sim")]
        assert document["paths"]["/me"]["get"]["security"] == [{"APIKeyCookie": []}]
        assert {"401", "429"} <= set(document["paths"]["/me"]["get"]["responses"])

    play(scenario, settings=DEVELOPMENT)


def test_only_listed_origins_are_let_in() -> None:
    async def scenario(visit: Visit) -> None:
        asks = {"Access-Control-Request-Method": "GET"}
        friend, stranger = {"Origin": ORIGIN}, {"Origin": "https://elsewhere.test"}
        allowed = await visit.get("/health", **friend)
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        foreign = await visit.get("/health", **stranger)
        assert (foreign.status_code, foreign.headers.get("access-control-allow-origin")) == (200, None)
        assert foreign.headers["access-control-allow-credentials"] == "true"
        asked = await visit.client.options("/health", headers=friend | asks)
        assert asked.status_code == 200
        refused = await visit.client.options("/health", headers=stranger | asks)
        assert (refused.status_code, refused.text) == (400, "Disallowed CORS origin")

    play(scenario)


NONSENSE = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"email":"a@b.co","password":NaN}',
    b'{"email":"\\ud800@b.co","password":"\\ud800"}',
    b'{"email":' + b"[" * 100_000,
    b'{"email":"a@b.co","password":' + b"9" * 5_000 + b"}",
)


def test_a_body_that_makes_no_sense_is_refused_and_not_repeated() -> None:
    async def scenario(visit: Visit) -> None:
        for path in ("/signin", "/strategies", "/trades"):
            for body in NONSENSE:
                kind = {"Content-Type": "application/json"}
                answer = await visit.client.post(path, content=body, headers=kind)
                assert answer.status_code in (400, 422)
                json.loads(answer.text)
                assert "input" not in answer.text
                assert len(answer.content) < 2_000

    play(scenario)


def test_an_id_that_can_be_none_is_refused() -> None:
    async def scenario(visit: Visit) -> None:
        for id_ in ("x", "0" * 23, "G" * 24, "0" * 25, "%00" * 24):
            for path in ("/strategies", "/positions", "/trades"):
                assert (await visit.get(f"{path}/{id_}")).status_code == 422

    play(scenario)
