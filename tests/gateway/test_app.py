import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from probe.gateway import models
from probe.gateway.app import LONGEST_BODY
from probe.gateway.sessions import TRIES, TRIES_OF_ALL
from probe.logs import configure
from probe.model.failures import Failure
from probe.wire.calls import TerminalReply
from tests.gateway.visiting import ACCOUNT, DATA, LOGIN, OTHER, PASSWORD, SERVER, Visit, everything, play

SHORT = 0.05  # a deadline that a test can wait for


def test_every_route_has_exactly_the_fields_of_the_contract() -> None:
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

    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.terminal.open_position(ACCOUNT, "EURUSD", 0.1)
        visit.terminal.place_order(ACCOUNT, "EURUSD", 0.1, 1.0)
        told = {what: (await visit.get(what)).json() for what in DATA}
        assert {what: " ".join(told[what]) for what in fields} == fields
        assert list(told["positions"][0]) == list(models.Position.model_fields)
        assert list(told["orders"]["orders"][0]) == list(models.Order.model_fields)
        assert list(told["history"]["deals"][0]) == list(models.Deal.model_fields)
        assert list(told["snapshot"]["positions"][0]) == list(models.SnapshotPosition.model_fields)

    play(scenario)


def test_the_answers_are_the_terminals() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        account = (await visit.get("account")).json()
        assert (account["login"], account["balance"], account["server"]) == (ACCOUNT, 10_000.0, SERVER)
        assert (await visit.get("balance")).json() == {"balance": 10_000.0}
        time = (await visit.get("server-time")).json()
        late = datetime(2026, 11, 20, 12) - datetime.fromisoformat(time["server_time"])  # noqa: DTZ001 - as the broker's wall
        assert (time["timezone_offset"], timedelta(0) <= late < timedelta(seconds=30)) == (2, True)
        history = (await visit.get("history")).json()
        assert (history["deals_count"], [each["profit"] for each in history["deals"]]) == (1, [10_000.0])

    play(scenario)


def test_a_days_profit_is_what_was_closed_and_what_is_open() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        first, second = (visit.terminal.open_position(ACCOUNT, "EURUSD", 1.0) for _ in range(2))
        before = (await visit.get("snapshot")).json()
        visit.later(3600)
        visit.terminal.close_position(ACCOUNT, first)
        after = (await visit.get("snapshot")).json()
        assert [each["position_id"] for each in after["positions"]] == [str(second)]
        assert after["day_start_balance"] == before["balance"]
        assert after["day_start_equity"] == before["equity"]
        floating = after["equity"] - after["balance"]
        realised = after["balance"] - before["balance"]
        assert realised != 0
        assert after["total_profit_loss"] == pytest.approx(realised + floating)

    play(scenario)


# -- logging in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"password": "guess"}, {"account_number": OTHER}, {"server": "Broker-Real"}],
    ids=lambda each: next(iter(each)),
)
def test_a_wrong_login_is_refused_without_asking_the_broker(wrong: dict[str, object]) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.login(**wrong)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "The login is refused. Check account number, password and server."}
        assert visit.watched.asked == []

    play(scenario)


@pytest.mark.parametrize(
    "flaw",
    [
        {"account_number": 0},
        {"account_number": -1},
        {"account_number": 10**30},
        {"password": ""},
        {"server": ""},
        {"path": "C:\\evil.exe"},
        {"path": None},
        {"password": None},
    ],
    ids=str,
)
def test_nothing_may_be_empty_and_no_program_named(flaw: dict[str, object]) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.login(**flaw)
        assert answer.status_code == 422
        assert [list(each) for each in answer.json()["detail"]] == [["type", "loc", "msg"]]
        assert PASSWORD not in answer.text
        assert visit.watched.asked == []

    play(scenario)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"account_number": NaN}',
        b'{"\\ud800": 1}',
        b'{"server": "\\ud800"}',
        b"\xff\xfe",
        b'{"account_number": ' + b"9" * 5000 + b"}",
        b"[" * 8000,
    ],
)
def test_no_body_breaks_it(body: bytes) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.client.post(
            "/api/v1/login", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422)
        assert "detail" in answer.json()

    play(scenario)


def test_a_body_longer_than_any_login_is_not_read() -> None:
    async def endless() -> Any:
        while True:
            yield b"x" * 1024

    async def scenario(visit: Visit) -> None:
        for body in (b"x" * (LONGEST_BODY + 1), endless()):
            answer = await visit.client.post("/api/v1/login", content=body)
            assert (answer.status_code, "Content Too Large" in answer.text) == (413, True)

    play(scenario)


def test_a_client_may_try_a_few_logins_a_minute() -> None:
    async def scenario(visit: Visit) -> None:
        tries = [await visit.login(password="guess") for _ in range(TRIES + 1)]
        assert [each.status_code for each in tries] == [401] * TRIES + [429]
        assert tries[-1].headers["retry-after"] == "60"
        assert (await visit.login()).status_code == 429
        async with visit.from_address("127.0.0.2") as other:
            assert (await other.post("/api/v1/login", json=LOGIN)).status_code == 200
        visit.later(60)
        assert (await visit.login()).status_code == 200

    play(scenario)


def test_all_clients_together_may_not_try_for_ever() -> None:
    async def scenario(visit: Visit) -> None:
        statuses = []
        for number in range(TRIES_OF_ALL + 1):
            async with visit.from_address(f"127.0.1.{number}") as client:
                statuses.append(
                    (await client.post("/api/v1/login", json=LOGIN | {"password": "x"})).status_code
                )
        assert statuses == [401] * TRIES_OF_ALL + [429]

    play(scenario)


def test_no_terminal_is_ever_started() -> None:
    async def scenario(visit: Visit) -> None:
        visit.terminal.process_running = False
        answer = await visit.login()
        assert answer.status_code == 503
        assert answer.json() == {"detail": "The terminal is not running. Start it on its machine."}
        assert visit.watched.asked == ["look"]

    play(scenario)


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic eA=="}, {"Authorization": "Bearer made-up"}], ids=str
)
def test_nothing_is_read_without_a_token(header: dict[str, str]) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.client.headers.pop("Authorization")
        for what in DATA:
            answer = await visit.client.get(f"/api/v1/{what}", headers=header)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")

    play(scenario)


def test_a_token_lives_a_day_however_much_it_is_used() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(86_399)
        assert (await visit.get("account")).status_code == 200
        visit.later(1)
        assert (await visit.get("account")).status_code == 401

    play(scenario)


def test_a_logout_ends_one_session_and_leaves_the_terminal_alone() -> None:
    async def scenario(visit: Visit) -> None:
        first = await visit.enter()
        await visit.enter()
        assert (await visit.client.post("/api/v1/logout")).json() == {"message": "Successfully logged out"}
        assert (await visit.get("account")).status_code == 401
        visit.client.headers["Authorization"] = f"bearer {first}"
        assert (await visit.get("account")).status_code == 200
        assert "shutdown" not in visit.watched.asked

    play(scenario)


# -- a terminal that is no use -----------------------------------------------------------------------------------------


def test_a_lost_terminal_is_an_error_and_never_a_zero() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(2)
        visit.terminal.process_running = False
        assert await visit.statuses() == everything(503)
        assert (await visit.get("balance")).json() == {
            "detail": "The terminal does not answer (code -10004). See whether it runs and shows a dialog."
        }
        assert (await visit.client.get("/health")).status_code == 503

    play(scenario)


def test_a_terminal_that_comes_back_is_logged_in_again_and_no_broker_is_stormed() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.terminal.call("shutdown")
        for _ in range(20):
            visit.later(2)
            await visit.get("account")
        assert visit.watched.asked.count("initialize") == 2
        assert (await visit.get("account")).status_code == 200

    play(scenario)


def test_refused_logins_at_the_broker_are_not_repeated_at_once() -> None:
    async def scenario(visit: Visit) -> None:
        visit.terminal.init_error = (-6, "Terminal: Authorization failed")
        answers = [await visit.login() for _ in range(3)]
        words = "The broker does not accept this gateway's account. Check what it was given."
        assert [(each.status_code, each.json()["detail"]) for each in answers] == [(503, words)] * 3
        assert visit.watched.asked.count("initialize") == 1

    play(scenario)


def test_whoever_logs_in_need_not_wait_unless_the_broker_refused() -> None:
    async def scenario(visit: Visit) -> None:
        visit.terminal.process_running = False
        assert (await visit.login()).status_code == 503
        visit.terminal.process_running = True
        await visit.enter()
        visit.terminal.logged_in = OTHER
        await visit.enter()
        assert await visit.statuses() == everything(200)
        assert visit.watched.asked.count("initialize") == 2

    play(scenario)


def test_cached_data_of_a_terminal_without_its_broker_is_not_told() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(2)
        visit.terminal.connected = False
        assert await visit.statuses() == everything(503)
        assert "no connection to its broker" in (await visit.get("account")).json()["detail"]
        assert (await visit.client.get("/health")).status_code == 503
        visit.terminal.connected = True
        visit.later(2)
        assert await visit.statuses() == everything(200)
        assert (await visit.client.get("/health")).json()["status"] == "healthy"

    play(scenario)


def test_another_account_in_the_terminal_is_not_told_as_ours() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(31)
        visit.terminal.logged_in = OTHER
        assert await visit.statuses() == everything(503)
        await visit.enter()
        assert await visit.statuses() == everything(200)

    play(scenario)


@pytest.mark.parametrize(
    "value",
    [{}, [], 7, {"login": ACCOUNT, "balance": float("nan")}],
    ids=str,
)
def test_an_answer_that_makes_no_sense_is_not_passed_on(value: object) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(2)
        nonsense = TerminalReply(value=value, error=1, error_text="Success", seconds=0.0)
        visit.watched.instead = lambda name: nonsense if name == "account_info" else None
        answer = await visit.get("account")
        assert (answer.status_code, "makes no sense" in answer.json()["detail"]) == (503, True)

    play(scenario)


def test_a_bridge_that_is_gone_is_told_without_its_words() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(2)
        visit.watched.instead = lambda _: Failure(kind="tcp.refused", detail="10.1.2.3 said no")
        assert await visit.statuses() == everything(503)
        assert "10.1.2.3" not in (await visit.get("account")).text

    play(scenario)


def test_no_text_of_an_exception_leaves_the_house(capsys: pytest.CaptureFixture[str]) -> None:
    def break_(name: str) -> None:
        raise RuntimeError(f"the password is {PASSWORD}")

    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.watched.instead = break_
        answer = await visit.get("orders")
        assert (answer.status_code, answer.json()) == (
            500,
            {"detail": "The gateway broke. Its log says more."},
        )

    configure("warning", terminal=False)
    play(scenario)
    written = capsys.readouterr()
    assert "request_broke" in written.err
    assert PASSWORD not in written.err


# -- a terminal that is slow -------------------------------------------------------------------------------------------


def test_a_slow_call_ends_in_504_and_holds_nobody_else_up() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.terminal.hangs = True
        asking = asyncio.create_task(visit.get("orders"))
        root = await visit.client.get("/")
        assert (root.status_code, asking.done()) == (200, False)
        answer = await asking
        assert answer.status_code == 504
        assert "did not answer in time" in answer.json()["detail"]

    play(scenario, deadline=SHORT)


def test_health_of_a_busy_terminal_is_what_was_seen_lately_and_no_longer() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.terminal.hangs = True
        visit.later(4)
        assert (await visit.client.get("/health")).status_code == 200
        visit.later(2)
        assert (await visit.client.get("/health")).status_code == 504

    play(scenario)


def test_what_hung_is_used_again_once_it_returns() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.later(2)
        visit.terminal.hangs = True
        assert (await visit.get("orders")).status_code == 504
        visit.terminal.hangs = False
        visit.later(2)
        while (answer := await visit.get("orders")).status_code == 504:
            visit.later(2)
        assert answer.status_code == 200

    play(scenario, deadline=SHORT)


def test_only_so_many_wait_for_the_terminal() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        visit.terminal.hangs = True
        answers = await asyncio.gather(*(visit.get("orders") for _ in range(5)))
        assert sorted(each.status_code for each in answers) == [503, 503, 504, 504, 504]
        refused = next(each for each in answers if each.status_code == 503)
        assert "Too many requests wait" in refused.json()["detail"]

    play(scenario, deadline=SHORT, queue=3)


# -- single routes -----------------------------------------------------------------------------------------------------


def test_an_unknown_symbol_is_not_a_lost_terminal() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        answer = await visit.get("symbol/eurusd")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Symbol 'eurusd' not found"})

    play(scenario)


@pytest.mark.parametrize("name", ["EUR'USD", 'EUR"USD', "EUR\\USD", "E" * 33, "ЕURUSD"])
def test_a_symbol_is_a_name_and_no_program(name: str) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        asked = len(visit.watched.asked)
        path = httpx.URL("http://127.0.0.1:8000/").copy_with(path=f"/api/v1/symbol/{name}")
        assert (await visit.client.get(path)).status_code == 422
        assert len(visit.watched.asked) == asked

    play(scenario)


@pytest.mark.parametrize("days", ["-1", "abc", "3651", "9" * 30])
def test_a_history_has_a_length(days: str) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        assert (await visit.get(f"history?from_days_ago={days}")).status_code == 422

    play(scenario)


def test_the_brokers_time_is_not_guessed_from_an_old_tick() -> None:
    async def scenario(visit: Visit) -> None:
        visit.terminal.frozen_since_utc = visit.utc() - 1000
        await visit.enter()
        answer = await visit.get("server-time")
        assert (answer.status_code, "no price has moved" in answer.json()["detail"]) == (503, True)
        visit.terminal.frozen_since_utc = None
        assert (await visit.get("server-time")).json()["timezone_offset"] == 2
        visit.later(7 * 3600)
        visit.terminal.frozen_since_utc = visit.utc() - 6 * 3600
        told = (await visit.get("server-time")).json()
        assert (told["server_time"][:13], told["timezone_offset"]) == ("2026-11-20T12", 2)

    play(scenario)


def test_the_brokers_time_is_told_at_weekends_by_what_still_moves() -> None:
    async def scenario(visit: Visit) -> None:
        visit.later(24 * 3600)  # a Saturday
        await visit.enter()
        assert (await visit.get("server-time")).json()["timezone_offset"] == 2

    play(scenario)


def test_health_is_not_claimed_before_anything_is_known() -> None:
    async def scenario(visit: Visit) -> None:
        told = (await visit.client.get("/health")).json()
        assert (told["status"], told["active_sessions"]) == ("waiting for a login", 0)
        assert visit.watched.asked == []
        await visit.enter()
        told = (await visit.client.get("/health")).json()
        assert (told["status"], told["active_sessions"]) == ("healthy", 1)

    play(scenario)


# -- what is open to the world -----------------------------------------------------------------------------------------


def test_no_other_origin_is_let_in_unless_named() -> None:
    async def scenario(visit: Visit) -> None:
        asked = {"Origin": "https://page.test", "Access-Control-Request-Method": "GET"}
        answer = await visit.client.options("/api/v1/account", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-origin" not in (await visit.client.get("/", headers=asked)).headers

    async def named(visit: Visit) -> None:
        for origin, allowed in (("https://page.test", "https://page.test"), ("https://other.test", None)):
            answer = await visit.client.get("/", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert "access-control-allow-credentials" not in answer.headers

    play(scenario)
    play(named, origins=("https://page.test",))


def test_docs_are_there_only_when_asked_for() -> None:
    async def scenario(visit: Visit) -> None:
        assert [(await visit.client.get(path)).status_code for path in paths] == expected

    paths = ("/docs", "/redoc", "/openapi.json")
    expected = [404] * 3
    play(scenario)
    expected = [200] * 3
    play(scenario, docs=True)


def test_it_only_reads_and_says_what_it_may_answer() -> None:
    async def scenario(visit: Visit) -> None:
        document = (await visit.client.get("/openapi.json")).json()
        operations = {
            (method, path): set(operation["responses"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        read = {"200", "401", "503", "504"}
        assert operations == {
            ("get", "/"): {"200"},
            ("get", "/health"): {"200", "503", "504"},
            ("post", "/api/v1/login"): {"200", "400", "401", "413", "422", "429", "503", "504"},
            ("post", "/api/v1/logout"): {"200", "401"},
            **{("get", f"/api/v1/{what}"): read for what in DATA if "symbol" not in what},
            ("get", "/api/v1/history"): read | {"422"},
            ("get", "/api/v1/symbol/{symbol}"): read | {"404", "422"},
        }

    play(scenario, docs=True)


def test_no_fault_and_no_early_variant_can_be_reached_from_it() -> None:
    program = (
        "import sys, probe.gateway.app, probe.gateway.serve\n"
        "print([name for name in sys.modules if name.startswith(('probe.faults', 'probe.simulator', 'probe.monitor'))])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert ran.stdout == "[]\n"


def test_answers_are_json() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.enter()
        for path in (
            "/",
            "/nowhere",
            "/api/v1/account",
            "/api/v1/account/",
            "/api/v1/history?from_days_ago=x",
        ):
            answer = await visit.client.get(path)
            assert answer.headers["content-type"] == "application/json"
            json.loads(answer.text)

    play(scenario)
