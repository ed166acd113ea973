"""Each fault of the simulated crypto backend does what it promises, and nothing else."""

import asyncio
from datetime import datetime

import pytest

from probe.faults.backend import BACKEND_FAULTS
from probe.simulator.web.crypto_core import Settings
from tests.simulator.backends import DEVELOPMENT, EPOCH, ORIGIN, PLENTY, Answer, Visit, play

DATA = ("/me", "/strategies", "/positions", "/trades", "/portfolio", "/portfolio/snapshots")
MARKET = ("/market/symbols", "/market/ticker?symbol=BTC-USDT", "/market/klines?symbol=BTC-USDT")
ORDER = {"symbol": "ETH-USDT", "side": "BUY", "type": "MARKET", "quantity": 0.1}
LIMITED = Settings(requests_per_minute=3)


async def statuses(visit: Visit, *paths: str) -> list[int]:
    return [(await visit.get(path)).status_code for path in paths]


def utc(answer: Answer, name: str) -> float:
    return datetime.fromisoformat(answer.json()[name]).timestamp()


def test_a_fault_that_is_switched_off_leaves_nothing_behind() -> None:
    async def scenario(visit: Visit) -> None:
        for name in BACKEND_FAULTS:
            visit.suffer(name)
            for path in ("/health", *DATA, *MARKET, "/broker/status"):
                await visit.get(path)
            await visit.sign_in(visit.another_client())
            visit.suffer()
            await asyncio.sleep(60)
            assert (name, set(await statuses(visit, "/health", *DATA, *MARKET))) == (name, {200})
            assert (await visit.read("/health"))["status"] == "healthy"
            assert (await visit.read("/broker/status"))["connected"] is True

    play(scenario)


# -- the database ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("backend-database-down", "mongo:27017: [Errno 111] Connection refused"),
        ("backend-database-allow-list", "TLSV1_ALERT_INTERNAL_ERROR"),
    ],
)
def test_without_a_database_requests_hang_and_then_tell_its_drivers_words(fault: str, words: str) -> None:
    async def scenario(visit: Visit) -> None:
        for path in DATA:
            seconds, answer = await visit.timed(visit.get(path))
            assert (seconds, answer.status_code) == (30.0, 500)
            assert answer.json()["detail"].startswith("ServerSelectionTimeoutError: mongo:27017: ")
            assert words in answer.json()["detail"]
            assert "Timeout: 30s, Topology Description: <Topology" in answer.json()["detail"]
        seconds, health = await visit.timed(visit.get("/health"))
        assert (seconds, health.status_code, health.json()["status"]) == (2.0, 503, "unhealthy")
        assert health.json()["checks"]["database"]["status"] == "down"
        assert words in health.json()["checks"]["database"]["error"]

    play(scenario, fault)


def test_without_a_database_nobody_signs_in_and_who_is_nobody_is_told_so_at_once() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.sign_in()).status_code == 500
        seconds, answer = await visit.timed(visit.another_client().get("/me"))
        assert (seconds, answer.status_code) == (0.0, 401)

    play(scenario, "backend-database-down:seconds=5s")


def test_an_error_may_be_kept_terse_except_in_development() -> None:
    async def terse(visit: Visit) -> None:
        answer = await visit.get("/me")
        assert answer.json() == {
            "detail": "Internal server error",
            "request_id": answer.headers["x-request-id"],
        }
        assert "error" not in (await visit.get("/health")).json()["checks"]["database"]

    async def full(visit: Visit) -> None:
        assert "ServerSelectionTimeoutError" in (await visit.get("/me")).text

    play(terse, "backend-database-down:tells=terse")
    play(full, "backend-database-down:tells=terse", settings=DEVELOPMENT)


def test_while_there_is_no_primary_requests_fail_at_once_and_then_all_is_well() -> None:
    async def scenario(visit: Visit) -> None:
        seconds, answer = await visit.timed(visit.get("/portfolio"))
        assert (seconds, answer.status_code) == (0.0, 500)
        assert answer.json()["detail"].startswith("AutoReconnect: mongo:27017")
        assert "NotPrimaryError" in answer.json()["detail"]
        await asyncio.sleep(10)
        assert await statuses(visit, "/portfolio", "/health") == [200, 200]

    play(scenario, "backend-database-failover@0+10s")


def test_a_slow_database_delays_what_needs_it() -> None:
    async def scenario(visit: Visit) -> None:
        seconds, answer = await visit.timed(visit.get("/portfolio"))
        assert (seconds, answer.status_code) == (1.5, 200)
        assert (await visit.read("/health"))["checks"]["database"]["latency_ms"] == 1_500.0

    play(scenario, "backend-database-slow:seconds=1.5")


def test_with_all_connections_in_use_every_request_waits_and_some_for_nothing() -> None:
    async def scenario(visit: Visit) -> None:
        came = [await visit.timed(visit.get("/portfolio")) for _ in range(40)]
        assert {seconds for seconds, _ in came} == {1.0}
        failed = [answer for _, answer in came if answer.status_code == 500]
        assert 10 <= len(failed) <= 30
        assert failed[0].json()["detail"].startswith("WaitQueueTimeoutError: Timed out while checking out")
        visit.suffer("backend-pool-exhausted:timeouts=0")
        assert set(await statuses(visit, *DATA)) == {200}

    play(scenario, "backend-pool-exhausted")


# -- health, documentation, errors -------------------------------------------------------------------------------------


def test_health_may_be_a_constant() -> None:
    async def scenario(visit: Visit) -> None:
        assert await visit.read("/health") == {"status": "healthy"}
        assert (await visit.get("/portfolio")).status_code == 500

    play(scenario, "backend-health:depth=constant", "backend-database-down:seconds=1s")


def test_health_may_have_no_timeout_of_its_own() -> None:
    async def scenario(visit: Visit) -> None:
        seconds, answer = await visit.timed(visit.get("/health"))
        assert (seconds, answer.status_code) == (30.0, 503)

    play(scenario, "backend-health:depth=unbounded", "backend-database-down")


def test_health_lies_while_all_that_needs_the_database_fails() -> None:
    async def scenario(visit: Visit) -> None:
        assert await visit.read("/health") == {"status": "healthy"}
        assert set(await statuses(visit, *DATA)) == {500}

    play(scenario, "backend-health-lies")


def test_health_hangs_alone() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.timed(visit.get("/health")))[0] == 30.0
        assert (await visit.timed(visit.get("/portfolio")))[0] == 0.0

    play(scenario, "backend-health-hangs")


def test_documentation_may_be_open_by_mistake() -> None:
    async def scenario(visit: Visit) -> None:
        assert await statuses(visit, "/docs", "/redoc", "/openapi.json") == [200] * 3
        assert (await visit.read("/health"))["environment"] == "production"

    play(scenario, "backend-docs-exposed")


def test_a_traceback_may_be_shown_to_everybody() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get("/portfolio")
        assert answer.status_code == 500
        assert answer.json()["traceback"].startswith("Traceback (most recent call last):\n")
        assert await statuses(visit, "/trades", "/positions", "/me", "/health") == [500, 200, 200, 200]

    play(scenario, "backend-traces")


def test_work_that_keeps_the_processor_makes_all_others_wait() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("backend-busy:by=sign-in,seconds=0.3")
        others = [visit.timed(visit.sign_in(visit.another_client())) for _ in range(10)]
        waited = await asyncio.gather(*others, visit.timed(visit.get("/health")))
        assert [round(seconds, 1) for seconds, _ in waited[:10]] == [round(0.3 * n, 1) for n in range(1, 11)]
        assert round(waited[-1][0], 1) == 3.0
        assert (await visit.timed(visit.get("/health")))[0] == 0.0
        visit.suffer("backend-busy:seconds=0.5")
        both = await asyncio.gather(visit.timed(visit.get("/me")), visit.timed(visit.get("/health")))
        assert [seconds for seconds, _ in both] == [0.5, 1.0]

    play(scenario)


# -- sign-up and sign-in -----------------------------------------------------------------------------------------------


def test_a_broken_hash_keeps_everybody_out_who_is_not_in() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in()
        assert answer.status_code == 500
        assert answer.json()["detail"].startswith("ValueError: password cannot be longer than 72 bytes")
        assert (await visit.get("/me")).status_code == 200
        await visit.post("/signup", email="a@sim.test")
        verified = await visit.post("/verify-otp", email="a@sim.test", otp=visit.outbox.otp_for("a@sim.test"))
        token = verified.json()["registration_token"]
        body = {"email": "a@sim.test", "name": "A", "phone": "123456", "password": "12345678"}
        made = await visit.post("/complete-registration", **body, registration_token=token)
        assert made.status_code == 500

    play(scenario, "backend-hash-broken")


@pytest.mark.parametrize(
    ("flaw", "status", "seconds", "mails"),
    [("refused", 503, 0.0, 0), ("lost", 200, 0.0, 0), ("slow", 200, 10.0, 1)],
)
def test_mail_can_be_refused_lost_or_slow(flaw: str, status: int, seconds: float, mails: int) -> None:
    async def scenario(visit: Visit) -> None:
        asked = visit.post("/signup", email="a@sim.test")
        took, answer = await visit.timed(asked)
        assert (took, answer.status_code, len(visit.outbox.mails)) == (seconds, status, mails)

    play(scenario, f"backend-mail:flaw={flaw}")


@pytest.mark.parametrize(
    ("flaw", "attributes"),
    [
        ("secure", "HttpOnly; Max-Age=1209600; Path=/; SameSite=none; Secure"),
        ("path", "HttpOnly; Max-Age=1209600; Path=/signin; SameSite=lax"),
        ("domain", "Domain=app.sim.test; HttpOnly; Max-Age=1209600; Path=/; SameSite=lax"),
    ],
)
def test_a_cookie_that_clients_do_not_send_back(flaw: str, attributes: str) -> None:
    async def scenario(visit: Visit) -> None:
        async with visit.another_client() as stranger:
            answer = await visit.sign_in(stranger)
            assert answer.status_code == 200
            assert answer.headers["set-cookie"].partition("; ")[2] == attributes
            assert (await stranger.get("/me")).status_code == 401

    play(scenario, f"backend-cookie:flaw={flaw}")


def test_a_cookie_that_is_only_signed_still_opens_after_signing_out() -> None:
    async def scenario(visit: Visit) -> None:
        async with visit.another_client() as stranger:
            await visit.sign_in(stranger)
            cookie = stranger.cookies["session"]
            assert cookie.count(".") == 2
            assert (await stranger.post("/signout")).status_code == 200
            assert (await visit.get("/me", Cookie=f"session={cookie}")).status_code == 200
            tampered = cookie[:-1] + ("A" if cookie[-1] != "A" else "B")
            assert (await stranger.get("/me", headers={"Cookie": f"session={tampered}"})).status_code == 401
            visit.suffer()
            await asyncio.sleep(14 * 86_400)
            assert (await stranger.get("/me", headers={"Cookie": f"session={cookie}"})).status_code == 401

    play(scenario, "backend-cookie-signed")


def test_sessions_may_end_early() -> None:
    async def scenario(visit: Visit) -> None:
        await asyncio.sleep(19.5)
        assert (await visit.get("/me")).status_code == 200
        await asyncio.sleep(0.5)
        assert await statuses(visit, "/me", "/health") == [401, 200]
        await visit.sign_in()
        assert (await visit.get("/me")).status_code == 200

    play(scenario, "backend-session-short:seconds=20s")


@pytest.mark.parametrize("also", [(), ("backend-cookie-signed",)])
def test_a_restart_logs_everybody_out_and_lets_them_in_again(also: tuple[str, ...]) -> None:
    async def scenario(visit: Visit) -> None:
        async with visit.another_client() as stranger:
            await visit.sign_in(stranger)
            await asyncio.sleep(100)
            visit.suffer(*also, "backend-restarted")
            assert (await visit.sign_in()).status_code == 200
            await asyncio.sleep(1)
            assert (await visit.get("/me")).status_code == 200
            assert (await stranger.get("/me")).status_code == 401
            await asyncio.sleep(5)
            assert (await visit.read("/health"))["uptime_seconds"] == 6.0

    play(scenario, *also)


def test_with_a_secret_for_each_worker_a_session_is_known_to_some() -> None:
    async def scenario(visit: Visit) -> None:
        came = await statuses(visit, *["/me"] * 60)
        assert 15 <= came.count(401) <= 45
        assert came.count(401) + came.count(200) == 60

    play(scenario, "backend-many-secrets")


# -- the broker behind it ----------------------------------------------------------------------------------------------


def test_a_lost_key_breaks_what_needs_the_stored_keys_for_those_who_have_some() -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await visit.get("/broker/status"), await visit.post("/trades", **ORDER)]
        assert [answer.status_code for answer in answers] == [500, 500]
        assert {answer.json()["detail"] for answer in answers} == {"cryptography.fernet.InvalidToken"}
        assert set(await statuses(visit, *DATA, *MARKET, "/health")) == {200}
        await visit.client.delete("/broker")
        assert (await visit.get("/broker/status")).status_code == 200

    play(scenario, "backend-fernet-key")


@pytest.mark.parametrize(
    ("fault", "status", "seconds", "code"),
    [
        ("backend-broker-limited", 503, 0.0, 100410),
        ("backend-broker-down", 502, 0.0, None),
        ("backend-broker-down:flaw=silent", 504, 10.0, None),
    ],
)
def test_without_the_broker_market_and_trades_fail_and_the_rest_is_well(
    fault: str, status: int, seconds: float, code: int | None
) -> None:
    async def scenario(visit: Visit) -> None:
        for path in MARKET:
            took, answer = await visit.timed(visit.get(path))
            assert (took, answer.status_code, answer.json().get("broker_code")) == (seconds, status, code)
        assert (await visit.post("/trades", **ORDER)).status_code == status
        assert set(await statuses(visit, *DATA)) == {200}
        told = await visit.read("/broker/status")
        assert (told["connected"], told["broker_code"]) == (False, code)
        health = await visit.read("/health")
        assert health["status"] == ("healthy" if code else "degraded")

    play(scenario, fault)


def test_a_wrong_clock_spoils_what_is_signed_alone() -> None:
    async def scenario(visit: Visit) -> None:
        told = await visit.read("/broker/status")
        assert (told["connected"], told["broker_code"]) == (False, 100421)
        refused = await visit.post("/trades", **ORDER)
        assert (refused.status_code, refused.json()["broker_code"]) == (502, 100421)
        assert set(await statuses(visit, *DATA, *MARKET)) == {200}

    play(scenario, "backend-broker-clock")


def test_stale_market_data_stand_still_together_with_their_time() -> None:
    async def scenario(visit: Visit) -> None:
        first = await visit.get(MARKET[1])
        await asyncio.sleep(300)
        second = await visit.get(MARKET[1])
        assert second.json()["last_price"] == first.json()["last_price"]
        assert utc(second, "source_time") == utc(first, "source_time")
        assert utc(second, "fetched_at") - utc(first, "fetched_at") == 300.0

    play(scenario, "backend-market-stale")


def test_cached_market_data_stand_still_and_look_fresh() -> None:
    async def scenario(visit: Visit) -> None:
        first = await visit.get(MARKET[1])
        await asyncio.sleep(300)
        second = await visit.get(MARKET[1])
        assert second.json()["last_price"] == first.json()["last_price"]
        assert [utc(each, "source_time") - EPOCH for each in (first, second)] == [0.0, 300.0]

    play(scenario, "backend-market-cached")


def test_snapshots_stop_and_the_portfolio_goes_on() -> None:
    async def scenario(visit: Visit) -> None:
        ages = []
        for _ in range(2):
            newest = (await visit.read("/portfolio/snapshots"))["items"][-1]["as_of"]
            ages.append(EPOCH + visit.now - datetime.fromisoformat(newest).timestamp())
            assert utc(await visit.get("/portfolio"), "as_of") == EPOCH + visit.now
            await asyncio.sleep(900)
        assert ages == [3_600.0, 4_500.0]

    play(scenario, "backend-snapshots-stopped")


# -- the limiter -------------------------------------------------------------------------------------------------------


def test_a_hundred_requests_a_minute_are_allowed_if_nobody_says_otherwise() -> None:
    async def scenario(visit: Visit) -> None:
        assert await statuses(visit, *["/health"] * 101) == [200] * 100 + [429]
        assert (await visit.read("/__sim/outbox")) == []

    play(scenario, settings=Settings())


def test_addresses_are_counted_apart_whatever_they_forward() -> None:
    async def scenario(visit: Visit) -> None:
        assert await statuses(visit, *["/health"] * 4) == [200, 200, 200, 429]
        assert (await visit.get("/health", **{"X-Forwarded-For": "192.0.2.9"})).status_code == 429
        async with visit.another_client("127.0.0.2") as other:
            assert (await other.get("/health")).status_code == 200

    play(scenario, settings=LIMITED)


def test_the_sliding_window_forgets_each_request_after_a_minute_and_counts_all_routes() -> None:
    async def scenario(visit: Visit) -> None:
        for path in ("/health", "/me", "/nowhere"):
            await visit.get(path)
            await asyncio.sleep(10)
        refused = await visit.get("/me", Origin=ORIGIN)
        assert (refused.status_code, refused.json()) == (429, {"detail": "Too many requests"})
        assert "access-control-allow-origin" not in refused.headers
        assert "retry-after" not in refused.headers
        await asyncio.sleep(30)
        assert await statuses(visit, "/me", "/me") == [200, 429]

    play(scenario, "backend-limit:limit=3")


def test_a_middleware_that_raises_shows_as_a_broken_server() -> None:
    async def scenario(visit: Visit) -> None:
        await statuses(visit, *["/health"] * 3)
        refused = await visit.get("/health", Origin=ORIGIN)
        assert (refused.status_code, refused.text) == (500, "Internal Server Error")
        assert refused.headers["content-type"] == "text/plain; charset=utf-8"
        assert "access-control-allow-origin" not in refused.headers

    play(scenario, "backend-limit:limit=3,form=sliding-500")


def test_the_library_counts_each_route_apart_in_a_fixed_window() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.get("/me")
        await asyncio.sleep(50)
        assert await statuses(visit, *["/me"] * 3, *["/health"] * 3) == [200, 200, 429, 200, 200, 200]
        refused = await visit.get("/me", Origin=ORIGIN)
        assert refused.json() == {"error": "Rate limit exceeded: 3 per 1 minute"}
        assert refused.headers["access-control-allow-origin"] == ORIGIN
        assert not [name for name in refused.headers if name.startswith(("x-ratelimit", "retry"))]
        assert await statuses(visit, *["/nowhere"] * 4) == [404] * 4
        await asyncio.sleep(10)
        assert await statuses(visit, *["/me"] * 4) == [200, 200, 200, 429]

    play(scenario, "backend-limit:limit=3,form=per-route")


def test_the_library_may_count_all_routes_together() -> None:
    async def scenario(visit: Visit) -> None:
        assert await statuses(visit, "/me", "/health", "/trades", "/portfolio") == [200, 200, 200, 429]

    play(scenario, "backend-limit:limit=3,form=shared")


def test_the_library_may_tell_in_headers_what_is_left() -> None:
    async def scenario(visit: Visit) -> None:
        left = []
        for _ in range(4):
            answer = await visit.get("/me")
            left.append((answer.status_code, answer.headers["x-ratelimit-remaining"]))
            assert answer.headers["x-ratelimit-limit"] == "3"
            assert float(answer.headers["x-ratelimit-reset"]) == EPOCH + 60
            assert answer.headers["retry-after"] == "60"
        assert left == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]

    play(scenario, "backend-limit:limit=3,form=headers")


def test_the_proxy_refuses_with_its_own_page_and_lets_a_drop_through_at_a_time() -> None:
    async def scenario(visit: Visit) -> None:
        assert await statuses(visit, *["/health"] * 5) == [200] * 4 + [503]
        refused = await visit.get("/health")
        assert refused.headers["server"] == "nginx"
        assert "<title>503 Service Temporarily Unavailable</title>" in refused.text
        assert "x-request-id" not in refused.headers
        await asyncio.sleep(3)
        assert await statuses(visit, "/health", "/health") == [200, 503]

    play(scenario, "backend-limit:limit=20,form=nginx")


def test_others_may_have_used_up_a_limit_that_we_are_far_from() -> None:
    async def scenario(visit: Visit) -> None:
        answers = [await visit.get("/me") for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 10 <= len(refused) <= 30
        assert refused[0].headers["x-ratelimit-limit"] == "100"
        assert refused[0].headers["x-ratelimit-remaining"] == "0"

    play(scenario, "backend-limit-used-up", "backend-limit:limit=100,form=headers", settings=PLENTY)
