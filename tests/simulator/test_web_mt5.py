"""The simulated public gateway answers as both variants of the real one were seen to, and each fault does what it promises."""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from probe.brokers import find_broker
from probe.brokers.mt5.credentials import SIMULATED_SERVER
from probe.faults.catalogue import read_fault
from probe.faults.gateway import GATEWAY_FAULTS
from probe.faults.pages import PageBoard
from probe.model.errors import ConfigError
from probe.simulator.run import Simulator
from probe.simulator.web.mt5_house import STRANGER
from probe.simulator.web.pages import pages_of
from probe.simulator.world import World
from probe.wire.calls import TerminalCall

EPOCH = 1_795_168_800.0  # a Friday, 10:00 UTC
V0, V0_403, V1_403 = "gateway-variant:v=v0", "gateway-variant:v=v0,auth=403", "gateway-variant:auth=403"
VARIANTS = pytest.mark.parametrize("variant", [V0, "gateway-variant"])
DATA = (
    "account", "balance", "equity", "snapshot", "positions", "orders", "history", "symbol/EURUSD", "server-time",
)  # fmt: skip
UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
NAIVE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"


class Visit:
    def __init__(self, *faults: str) -> None:
        loop = asyncio.get_running_loop()
        broker = find_broker("mt5")
        self.ahead = 0.0
        self.board = PageBoard(random.Random(1))
        self.suffer(*faults)
        self.world = World(broker=broker, seed=1, epoch=EPOCH - loop.time())
        real_utc = self.world.floor.utc
        self.world.floor.utc = lambda now: real_utc(now) + self.ahead  # type: ignore[method-assign]
        self.app = pages_of(broker, world=self.world, board=self.board, rng=random.Random(1))
        self.person = self.world.accounts[0]
        self.terminal = self.app.state.terminal
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test:8000")
        self.token = broker.read_credentials(broker.write_credential(self.person)).token.reveal()
        self.carry(self.token)

    def carry(self, token: str) -> None:
        self.client.headers["Authorization"] = f"Bearer {token}"

    def suffer(self, *faults: str) -> None:
        self.board.set_faults([read_fault(fault) for fault in faults], asyncio.get_running_loop().time())

    @property
    def login_body(self) -> dict[str, object]:
        return {
            "account_number": int(self.person.user),
            "password": self.person.password,
            "server": SIMULATED_SERVER,
        }

    async def login(self, **fields: object) -> httpx.Response:
        return await self.client.post("/api/v1/login", json=self.login_body | fields)

    async def get(self, what: str) -> httpx.Response:
        return await self.client.get(f"/api/v1/{what}")

    async def statuses(self) -> dict[str, int]:
        return {what: (await self.get(what)).status_code for what in DATA}

    async def sessions(self) -> int:
        count: int = (await self.client.get("/health")).json()["active_sessions"]
        return count


def play(scenario: Callable[[Visit], Awaitable[None]], *faults: str) -> None:
    async def whole() -> None:
        visit = Visit(*faults)
        async with visit.client:
            await scenario(visit)

    asyncio.run(whole())


# -- transport ---------------------------------------------------------------------------------------------------------


@VARIANTS
def test_the_entrance_is_as_it_was_seen(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        root = await visit.client.get("/")
        assert root.text == (
            '{"name":"MT5 REST API","version":"1.0.0","status":"operational","endpoints":{"login":"/api/v1/login",'
            '"logout":"/api/v1/logout","account":"/api/v1/account","positions":"/api/v1/positions",'
            '"orders":"/api/v1/orders","snapshot":"/api/v1/snapshot"}}'
        )
        assert root.headers["server"] == "uvicorn"
        health = await visit.client.get("/health")
        assert re.fullmatch(
            rf'\{{"status":"healthy","timestamp":"{NAIVE}","active_sessions":0\}}', health.text
        )
        assert health.headers["content-type"] == "application/json"

    play(scenario, variant)


@VARIANTS
def test_head_is_refused_and_a_trailing_slash_redirected(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        head = await visit.client.head("/health")
        assert (head.status_code, head.headers["allow"]) == (405, "GET")
        slash = await visit.client.get("/health/")
        assert (slash.status_code, slash.headers["location"], slash.content) == (
            307, "http://gateway.test:8000/health", b"",
        )  # fmt: skip
        unknown = await visit.client.get("/nowhere")
        assert (unknown.status_code, unknown.text) == (404, '{"detail":"Not Found"}')
        wrong = await visit.client.post("/health")
        assert (wrong.status_code, wrong.text) == (405, '{"detail":"Method Not Allowed"}')

    play(scenario, variant)


def test_cors_is_open_as_old_frameworks_write_it() -> None:
    async def scenario(visit: Visit) -> None:
        asked = {
            "Origin": "https://page.test",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        preflight = await visit.client.options("/api/v1/account", headers=asked)
        cors = {name: value for name, value in preflight.headers.items() if name.startswith("access-")}
        assert (preflight.status_code, preflight.text, preflight.headers["vary"]) == (200, "OK", "Origin")
        assert cors == {
            "access-control-allow-origin": "https://page.test",
            "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
            "access-control-max-age": "600",
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": "authorization",
        }
        origin = {"Origin": "https://page.test"}
        simple = await visit.client.get("/health", headers=origin)
        assert simple.headers["access-control-allow-origin"] == "*"
        assert simple.headers["access-control-allow-credentials"] == "true"
        with_cookie = await visit.client.get("/health", headers=origin | {"Cookie": "a=b"})
        assert with_cookie.headers["access-control-allow-origin"] == "https://page.test"
        assert "access-control-allow-origin" not in (await visit.client.get("/health")).headers

    play(scenario)


def test_the_variants_can_be_told_apart() -> None:
    async def scenario(visit: Visit) -> None:
        for variant, healthz, paths, marked in ((V0, 404, 13, False), ("gateway-variant", 200, 15, True)):
            visit.suffer(variant)
            answer = await visit.client.get("/healthz")
            assert answer.status_code == healthz
            document = (await visit.client.get("/openapi.json")).json()
            assert (len(document["paths"]), document["openapi"]) == (paths, "3.1.0")
            assert document["info"] == {
                "title": "MT5 REST API",
                "description": "REST API for MetaTrader 5 client authentication and operations",
                "version": "1.0.0",
            }
            assert ("/healthz" in document["paths"], "/scan" in document["paths"]) == (marked, marked)
            for method, path in (
                ("GET", "/"),
                ("GET", "/nowhere"),
                ("OPTIONS", "/health"),
                ("POST", "/health"),
            ):
                headers = (await visit.client.request(method, path)).headers
                assert ("x-request-id" in headers, "x-process-time" in headers) == (marked, marked)
                if marked:
                    assert re.fullmatch(UUID4, headers["x-request-id"])
                    assert float(headers["x-process-time"]) >= 0

    play(scenario)


def test_healthz_is_as_it_was_seen() -> None:
    async def scenario(visit: Visit) -> None:
        text = (await visit.client.get("/healthz")).text
        assert re.fullmatch(rf'\{{"status":"healthy","timestamp":"{NAIVE}","uptime":"operational"\}}', text)

    play(scenario)


@VARIANTS
def test_the_docs_need_somebody_elses_host(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        page = await visit.client.get("/docs")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "https://cdn.jsdelivr.net/" in page.text
        assert (await visit.client.get("/redoc")).status_code == 200

    play(scenario, variant)


# -- who may ask -------------------------------------------------------------------------------------------------------


STYLES: tuple[tuple[str, str, tuple[int, str, str | None]], ...] = (
    ("gateway-variant", "", (401, "Not authenticated", "Bearer")),
    (V0, "", (401, "Not authenticated", "Bearer")),
    (V1_403, "", (403, "Not authenticated", None)),
    (V0_403, "", (403, "Not authenticated", None)),
    ("gateway-variant", "Basic eA==", (401, "Not authenticated", "Bearer")),
    (V1_403, "Basic eA==", (403, "Invalid authentication credentials", None)),
    ("gateway-variant", "Bearer made-up", (401, "Invalid or expired session token", None)),
    (V0_403, "Bearer made-up", (401, "Invalid or expired session token", None)),
)


def test_who_has_no_token_is_refused_in_each_style() -> None:
    async def scenario(visit: Visit) -> None:
        for variant, header, expected in STYLES:
            visit.suffer(variant)
            visit.client.headers["Authorization"] = header
            for what in DATA:
                answer = await visit.get(what)
                told = (answer.status_code, answer.json()["detail"], answer.headers.get("www-authenticate"))
                assert told == expected

    play(scenario)


def test_a_token_given_out_beforehand_is_valid_and_counts_once_it_was_shown() -> None:
    async def scenario(visit: Visit) -> None:
        assert await visit.sessions() == 0
        assert await visit.statuses() == dict.fromkeys(DATA, 200)
        visit.client.headers["Authorization"] = f"bearer {visit.token}"
        account = (await visit.get("account")).json()
        assert (account["login"], account["server"]) == (int(visit.person.user), SIMULATED_SERVER)
        assert await visit.sessions() == 1

    play(scenario)


def test_each_accounts_token_opens_its_own_account() -> None:
    async def scenario(visit: Visit) -> None:
        broker = find_broker("mt5")
        for person in visit.world.accounts:
            visit.carry(broker.read_credentials(broker.write_credential(person)).token.reveal())
            assert (await visit.get("account")).json()["login"] == int(person.user)

    play(scenario)


@VARIANTS
def test_a_login_is_answered_with_what_was_sent_and_a_token(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.login(account_number=visit.person.user)  # a number as text will do
        told = answer.json()
        assert answer.status_code == 200
        assert list(told) == ["session_token", "account_number", "server", "expires_in"]
        assert (told["account_number"], told["server"], told["expires_in"]) == (
            int(visit.person.user), SIMULATED_SERVER, 86_400,
        )  # fmt: skip
        assert re.fullmatch("[A-Za-z0-9_-]{43}", told["session_token"])
        visit.carry(told["session_token"])
        assert (await visit.get("account")).status_code == 200

    play(scenario, variant)


@pytest.mark.parametrize(
    ("variant", "status", "words"),
    [
        (V0, 500, "Login failed: 401: Failed to connect to MT5. Check credentials and server."),
        ("gateway-variant", 401, "Failed to connect to MT5. Check credentials and server."),
    ],
)
def test_a_wrong_login_is_told_in_each_variants_way(variant: str, status: int, words: str) -> None:
    wrong = (
        {"password": "x"},
        {"account_number": 1},
        {"account_number": -1},
        {"account_number": 10**30},
        {"server": "x"},
    )

    async def scenario(visit: Visit) -> None:
        for fields in wrong:
            answer = await visit.login(**fields)
            assert (answer.status_code, answer.json()) == (status, {"detail": words})

    play(scenario, variant)


def test_a_failed_login_of_v0_loses_the_terminal_for_everybody_and_of_v1_for_nobody() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.login(password="wrong")
        assert (await visit.get("account")).status_code == 200
        visit.suffer(V0)
        await visit.login(password="wrong")
        assert (await visit.get("account")).status_code == 500

    play(scenario)


def test_what_is_left_empty_is_taken_from_the_operator() -> None:
    async def scenario(visit: Visit) -> None:
        empty = {"account_number": 0, "password": "", "server": ""}
        answer = await visit.login(**empty)
        assert answer.status_code == 200
        visit.carry(answer.json()["session_token"])
        assert (await visit.get("account")).json()["login"] == int(visit.person.user)

    play(scenario)


MISSING = '{{"type":"missing","loc":["body","{}"],"msg":"Field required","input":{}}}'


MALFORMED = (
    (b"{}", ",".join(MISSING.format(name, "{}") for name in ("account_number", "password", "server"))),
    (
        b'{"account_id":1,"password":"p","server":"s"}',
        MISSING.format("account_number", '{"account_id":1,"password":"p","server":"s"}'),
    ),
    (
        b'{"account_number":"abc","password":"p","server":"s"}',
        '{"type":"int_parsing","loc":["body","account_number"],"msg":"Input should be a valid integer, '
        'unable to parse string as an integer","input":"abc"}',
    ),
    (
        b'{"account_number":5.5,"password":"p","server":"s"}',
        '{"type":"int_from_float","loc":["body","account_number"],"msg":"Input should be a valid integer, '
        'got a number with a fractional part","input":5.5}',
    ),
    (
        b'{"account_number":5,"password":null,"server":"s"}',
        '{"type":"string_type","loc":["body","password"],"msg":"Input should be a valid string","input":null}',
    ),
    (
        b"{x",
        '{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":'
        '"Expecting property name enclosed in double quotes"}}',
    ),
    (b"", '{"type":"missing","loc":["body"],"msg":"Field required","input":null}'),
)


@VARIANTS
def test_a_malformed_login_is_told_as_it_was_seen(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        for body, detail in MALFORMED:
            answer = await visit.client.post("/api/v1/login", content=body)
            assert (answer.status_code, answer.text) == (422, f'{{"detail":[{detail}]}}')

    play(scenario, variant)


def test_a_form_is_no_login() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.client.post("/api/v1/login", data={"account_number": "1"})
        flaw = answer.json()["detail"][0]
        assert (answer.status_code, flaw["type"], flaw["loc"]) == (422, "model_attributes_type", ["body"])

    play(scenario)


def test_a_logout_ends_the_token_and_the_terminal_of_everybody() -> None:
    async def scenario(visit: Visit) -> None:
        other = (await visit.login()).json()["session_token"]
        answer = await visit.client.post("/api/v1/logout")
        assert (answer.status_code, answer.text) == (200, '{"message":"Successfully logged out"}')
        assert (await visit.client.post("/api/v1/logout")).status_code == 401
        visit.carry(other)
        assert await visit.statuses() == GONE

    play(scenario)


def test_a_token_ends_after_a_day_and_counts_until_it_is_shown_again() -> None:
    async def scenario(visit: Visit) -> None:
        visit.carry((await visit.login()).json()["session_token"])
        visit.ahead = 86_395.0
        assert (await visit.get("account")).status_code == 200
        visit.ahead = 86_400.0
        assert await visit.sessions() == 1
        answer = await visit.get("account")
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or expired session token"})
        assert await visit.sessions() == 0
        visit.carry(visit.token)
        assert (await visit.get("account")).status_code == 500  # the expired one took the terminal with it

    play(scenario)


def test_a_second_login_switches_the_terminal_for_everybody() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.get("account")).json()["login"] == int(visit.person.user)
        other = visit.world.accounts[1]
        await visit.login(account_number=int(other.user), password=other.password)
        assert (await visit.get("account")).json()["login"] == int(other.user)

    play(scenario)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_what_is_read_has_the_fields_that_were_seen() -> None:
    fields = {
        "account": "login balance equity profit margin margin_free margin_level leverage currency server company",
        "balance": "balance",
        "equity": "equity",
        "snapshot": "timestamp balance equity margin_used margin_available total_profit_loss day_start_balance "
        "day_start_equity positions",
        "orders": "orders",
        "history": "from_date to_date deals_count deals",
        "symbol/EURUSD": "name bid ask point digits spread volume_min volume_max volume_step trade_contract_size "
        "currency_base currency_profit currency_margin",
        "server-time": "server_time timezone_offset",
    }
    rows = {
        "positions": "ticket time type magic identifier reason volume price_open price_current sl tp profit swap "
        "symbol comment",
        "orders": "ticket time_setup type state magic volume_initial volume_current price_open sl tp price_current "
        "symbol comment",
        "deals": "ticket order time type entry magic position_id volume price commission swap profit symbol comment",
        "held": "position_id symbol volume entry_price current_price profit_loss side",
    }

    async def scenario(visit: Visit) -> None:
        visit.terminal.open_position(int(visit.person.user), "EURUSD", 0.1)
        visit.terminal.place_order(int(visit.person.user), "EURUSD", 0.1, 1.0)
        visit.ahead = 3 * 3600.0  # the host's clock is behind the broker's: the newest hours are missing
        told = {what: (await visit.get(what)).json() for what in DATA}
        assert {what: " ".join(told[what]) for what in fields} == fields
        assert " ".join(told["positions"][0]) == rows["positions"]
        assert " ".join(told["orders"]["orders"][0]) == rows["orders"]
        assert " ".join(told["history"]["deals"][0]) == rows["deals"]
        assert told["history"]["deals_count"] == len(told["history"]["deals"]) > 0
        assert " ".join(told["snapshot"]["positions"][0]) == rows["held"]
        assert (await visit.get("symbol/EURUSD")).text.count('"point":1e-05') == 1

    play(scenario)


def test_money_adds_up() -> None:
    async def scenario(visit: Visit) -> None:
        visit.terminal.open_position(int(visit.person.user), "EURUSD", 0.5)
        visit.ahead = 600.0
        account = (await visit.get("account")).json()
        assert account["profit"] != 0
        assert account["equity"] == pytest.approx(account["balance"] + account["profit"])
        assert account["margin_free"] == pytest.approx(account["equity"] - account["margin"])
        assert account["margin_level"] == pytest.approx(100 * account["equity"] / account["margin"], abs=0.01)
        symbol = (await visit.get("symbol/EURUSD")).json()
        assert round((symbol["ask"] - symbol["bid"]) / symbol["point"]) == symbol["spread"] > 0

    play(scenario)


def test_an_open_position_breaks_v0_and_not_v1() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.get("positions")).text == "[]"
        visit.terminal.open_position(int(visit.person.user), "EURUSD", 0.1)
        words = "'TradePosition' object has no attribute 'commission'"
        for what, about in (
            ("positions", "Error fetching positions"),
            ("snapshot", "Error creating snapshot"),
        ):
            answer = await visit.get(what)
            assert (answer.status_code, answer.json()) == (500, {"detail": f"{about}: {words}"})
        visit.suffer()
        assert len((await visit.get("positions")).json()) == 1

    play(scenario, V0)


UNREADABLE = (
    ("symbol/eurusd", 404, '{"detail":"Symbol \'eurusd\' not found"}'),
    ("symbol/EUR%2FUSD", 404, '{"detail":"Not Found"}'),
    ("history?from_days_ago=999999", 500, '{"detail":"Error fetching history: date value out of range"}'),
    (
        "history?from_days_ago=abc",
        422,
        '{"detail":[{"type":"int_parsing","loc":["query","from_days_ago"],"msg":"Input should be a valid integer, '
        'unable to parse string as an integer","input":"abc"}]}',
    ),
)


@VARIANTS
def test_what_cannot_be_read_is_told_as_it_was_seen(variant: str) -> None:
    async def scenario(visit: Visit) -> None:
        for what, status, text in UNREADABLE:
            answer = await visit.get(what)
            assert (answer.status_code, answer.text) == (status, text)

    play(scenario, variant)


def test_the_future_has_no_history() -> None:
    async def scenario(visit: Visit) -> None:
        told = (await visit.get("history?from_days_ago=-3")).json()
        assert (told["deals_count"], told["from_date"] > told["to_date"]) == (0, True)

    play(scenario)


def test_the_servers_time_is_the_newest_ticks_and_the_offset_the_logins() -> None:
    async def scenario(visit: Visit) -> None:
        time = (await visit.get("server-time")).json()
        assert re.fullmatch(r"2026-11-20T1[12]:\d\d:\d\d", time["server_time"])
        assert time["timezone_offset"] == 2
        visit.ahead = 60.0
        later = (await visit.get("server-time")).json()
        assert (later["server_time"] > time["server_time"], later["timezone_offset"]) == (True, 2)

    play(scenario)


def test_a_login_on_an_old_tick_has_an_absurd_offset() -> None:
    async def scenario(visit: Visit) -> None:
        visit.ahead = 47 * 3600.0  # Sunday: the last tick is of Friday evening
        visit.carry((await visit.login()).json()["session_token"])
        assert (await visit.get("server-time")).json()["timezone_offset"] == 2 - 35

    play(scenario)


# -- faults ------------------------------------------------------------------------------------------------------------

GONE = dict.fromkeys(DATA, 200) | {"account": 500, "snapshot": 500, "symbol/EURUSD": 404}


@pytest.mark.parametrize("fault", ["gateway-terminal-closed", "gateway-other-logged-out"])
def test_a_lost_terminal_shows_as_zeros(fault: str) -> None:
    async def scenario(visit: Visit) -> None:
        assert await visit.statuses() == dict.fromkeys(DATA, 200)
        visit.suffer(fault)
        assert await visit.statuses() == GONE
        assert (await visit.get("balance")).text == '{"balance":0.0}'
        assert (await visit.get("equity")).text == '{"equity":0.0}'
        assert (await visit.get("positions")).text == "[]"
        assert (await visit.get("orders")).text == '{"orders":[]}'
        assert (await visit.get("history")).json()["deals"] == []
        assert (await visit.get("account")).text == '{"detail":"Failed to retrieve account information"}'
        assert (await visit.get("snapshot")).text == (
            '{"detail":"Error creating snapshot: Failed to get account info"}'
        )
        assert re.fullmatch(NAIVE, (await visit.get("server-time")).json()["server_time"])
        assert (await visit.client.get("/health")).json()["status"] == "healthy"
        visit.suffer()
        assert await visit.statuses() == dict.fromkeys(DATA, 200)

    play(scenario)


def test_a_login_does_not_bring_a_closed_terminal_back_but_one_that_was_logged_out() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-terminal-closed")
        assert (await visit.login()).status_code == 401
        visit.suffer("gateway-other-logged-out")
        answer = await visit.login()
        visit.carry(answer.json()["session_token"])
        assert await visit.statuses() == dict.fromkeys(DATA, 200)

    play(scenario)


def test_without_its_broker_all_is_answered_from_what_was_known() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-broker-down")
        before = [(await visit.get(what)).json() for what in ("account", "symbol/EURUSD", "server-time")]
        visit.ahead = 3600.0
        assert await visit.statuses() == dict.fromkeys(DATA, 200)
        assert before == [
            (await visit.get(what)).json() for what in ("account", "symbol/EURUSD", "server-time")
        ]
        assert (await visit.login()).status_code == 401
        visit.suffer()
        assert (await visit.get("server-time")).json() != before[2]
        assert (await visit.login()).status_code == 200

    play(scenario)


def test_a_frozen_feed_stands_still() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-frozen-feed")
        before = (await visit.get("server-time")).json()
        visit.ahead = 3600.0
        assert (await visit.get("server-time")).json() == before
        visit.suffer()
        assert (await visit.get("server-time")).json() != before

    play(scenario)


def test_another_session_takes_the_terminal() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-account-switched")
        assert (await visit.get("account")).json()["login"] == STRANGER
        assert (await visit.get("balance")).json() == {"balance": 12_345.67}
        visit.suffer()
        assert (await visit.get("account")).json()["login"] == int(visit.person.user)

    play(scenario)


def test_a_restart_loses_the_tokens_from_before_and_takes_new_ones() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-tokens-lost")
        assert await visit.statuses() == dict.fromkeys(DATA, 401)
        assert await visit.sessions() == 0
        visit.carry((await visit.login()).json()["session_token"])
        assert await visit.statuses() == dict.fromkeys(DATA, 200)
        assert await visit.sessions() == 1

    play(scenario)


def test_each_of_several_workers_knows_its_own_tokens_only() -> None:
    async def scenario(visit: Visit) -> None:
        statuses = [(await visit.get("balance")).status_code for _ in range(400)]
        assert set(statuses) == {200, 401}
        assert 60 <= statuses.count(200) <= 140  # a quarter
        assert {await visit.sessions() for _ in range(40)} == {0, 1}

    play(scenario, "gateway-workers")


def test_while_the_terminal_works_nothing_at_all_is_answered() -> None:
    async def scenario(visit: Visit) -> None:
        loop = asyncio.get_running_loop()
        visit.suffer("gateway-blocked:seconds=0.2")
        began_at = loop.time()
        reading = asyncio.create_task(visit.get("balance"))
        await asyncio.sleep(0)
        while not visit.terminal._turn.locked():  # noqa: ASYNC110 - it is busy with the reading then
            await asyncio.sleep(0.001)
        assert (await visit.client.get("/health")).status_code == 200
        assert loop.time() - began_at >= 0.2
        assert reading.done() or (await reading).status_code == 200

    play(scenario)


def test_an_ipc_timeout_comes_late_and_looks_like_a_wrong_password() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-ipc-timeout:seconds=0.05")
        answer = await visit.login()
        assert answer.status_code == 401
        assert answer.elapsed.total_seconds() >= 0.05
        assert (await visit.get("account")).status_code == 500
        visit.suffer()
        assert (await visit.get("account")).status_code == 200

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "call", "field"),
    [
        ("gateway-algo-off", "terminal_info", "trade_allowed"),
        ("gateway-investor", "account_info", "trade_allowed"),
    ],
)
def test_what_may_not_be_traded_shows_in_the_terminal(fault: str, call: str, field: str) -> None:
    async def scenario(visit: Visit) -> None:
        for faults, expected in (((), True), ((fault,), False), ((), True)):
            visit.suffer(*faults)
            await visit.client.get("/health")
            reply = await visit.terminal.ask(TerminalCall(function=call))
            assert reply.value[field] is expected

    play(scenario)


def test_an_offset_can_be_absurd_and_a_history_long() -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.get("server-time")).json()["timezone_offset"] == -70
        history = (await visit.get("history")).json()
        assert (history["deals_count"], len({each["ticket"] for each in history["deals"]})) == (5000, 5000)

    play(scenario, "gateway-bad-offset", "gateway-long-history:rows=5000")


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        ("gateway-nginx-503", "503 Service Temporarily Unavailable"),
        ("gateway-nginx-504", "504 Gateway Time-out"),
    ],
)
def test_nginx_refuses_with_its_own_page(fault: str, title: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get("account")
        assert answer.status_code == int(title[:3])
        assert (answer.headers["content-type"], answer.headers["server"]) == ("text/html", "nginx")
        assert f"<title>{title}</title>" in answer.text
        assert "retry-after" not in answer.headers

    play(scenario, fault)


def test_pages_and_redirects_come_instead() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-html")
        answer = await visit.get("account")
        assert (answer.status_code, answer.text[:15]) == (200, "<!doctype html>")
        visit.suffer("gateway-redirect:to=http://other.test")
        answer = await visit.get("account")
        assert (answer.status_code, answer.headers["location"]) == (302, "http://other.test/api/v1/account")

    play(scenario)


def test_bodies_can_be_spoilt() -> None:
    async def scenario(visit: Visit) -> None:
        visit.suffer("gateway-big-body:size=100000")
        answer = await visit.get("account")
        assert len(answer.content) > 100_000
        assert answer.json()["login"] == int(visit.person.user)
        visit.suffer("gateway-invalid-utf8")
        with pytest.raises(UnicodeDecodeError):
            (await visit.get("account")).content.decode()
        visit.suffer("gateway-wild-numbers")
        assert json.loads((await visit.get("balance")).content, parse_constant=str) == {"balance": "NaN"}
        visit.suffer("gateway-wild-numbers:kind=digits")
        assert (await visit.get("balance")).content == b'{"balance":' + b"9" * 400 + b"}"

    play(scenario)


async def told_until(visit: Visit, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
    """The pieces of one answer, heard until there are enough of them."""
    pieces: list[bytes] = []
    left = asyncio.Event()
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if asked:
            return asked.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            pieces.append(message["body"])
        else:
            assert "http.response.start" in message["type"]
        if enough(pieces):
            left.set()

    scope = {
        "type": "http", "method": "GET", "path": "/health", "raw_path": b"/health", "query_string": b"", "headers": [],
        "scheme": "http", "server": ("gateway.test", 80), "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    await visit.app(scope, receive, send)
    return pieces


def test_an_endless_body_ends_when_nobody_listens() -> None:
    async def scenario(visit: Visit) -> None:
        pieces = await told_until(visit, lambda heard: sum(map(len, heard)) > 200_000)
        assert json.loads(b"".join(pieces))["status"] == "healthy"

    play(scenario, "gateway-endless-body")


def test_a_body_can_come_byte_by_byte() -> None:
    async def scenario(visit: Visit) -> None:
        pieces = await told_until(visit, lambda _: False)
        assert {len(piece) for piece in pieces[:-1]} == {1}
        assert json.loads(b"".join(pieces))["status"] == "healthy"

    play(scenario, "gateway-drip:every=0.0001")


def test_a_missing_token_has_two_answers_and_no_third() -> None:
    with pytest.raises(ConfigError, match="401 or 403"):
        read_fault("gateway-variant:auth=404")


def test_every_fault_is_for_this_broker_only() -> None:
    assert {fault.brokers for fault, _, _ in GATEWAY_FAULTS.values()} == {("mt5",)}


# -- served ------------------------------------------------------------------------------------------------------------


def test_the_simulator_serves_it_at_the_address_it_names() -> None:
    async def scenario() -> None:
        async with Simulator(["mt5"], pages=True) as simulator:
            url = simulator.endpoints[0].url
            async with httpx.AsyncClient(base_url=url) as client:
                answer = await client.get("/health")
                assert (answer.status_code, answer.headers.get_list("server")) == (200, ["uvicorn"])
                head = await client.head("/health")
                assert (head.status_code, head.content) == (405, b"")

    asyncio.run(scenario())
