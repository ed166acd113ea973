"""Quotex's simulated pages: what clients of the broker look for is there, and each page fault serves what it promises."""

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import httpx
import pytest

from probe.brokers import find_broker
from probe.brokers.quotex.credentials import write_frame
from probe.brokers.quotex.signin import WEB, renew, sign_in
from probe.cli import sim as cli
from probe.faults.catalogue import read_fault
from probe.faults.pages import PAGE_FAULTS, PageBoard
from probe.model.credentials import PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.model.intents import PlaceOrder, PlacePending
from probe.model.meanings import Direction
from probe.session.broker import Region
from probe.simulator import run
from probe.simulator.control import Control, control_api
from probe.simulator.run import Simulator
from probe.simulator.web import pages, visitors
from probe.simulator.web.visitors import REMEMBER, SESSION
from probe.simulator.world import World
from probe.wire.calls import Flow, HttpCall, HttpReply, Question
from tests.simulator.clients import PATIENCE, calling
from tests.simulator.markup import tree, with_classes

Answer = httpx.Response
T = TypeVar("T")
R = TypeVar("R")
REGION = Region(name="demo", account=Account.DEMO)
ORIGIN = "https://sim.test"
EPOCH = 1_795_168_800.0


class Visit:
    """A browser on the pages, in memory."""

    def __init__(self, *faults: str, seed: int = 1) -> None:
        self.now = asyncio.get_running_loop().time()
        self.board = PageBoard(random.Random(seed))
        self.suffer(*faults)
        self.world = World(broker=find_broker("quotex"), seed=seed, epoch=EPOCH - self.now)
        self.app = pages.pages_of(
            find_broker("quotex"), world=self.world, board=self.board, rng=random.Random(seed)
        )
        self.person = self.world.accounts[0]
        self.browser = self.another_browser()

    def another_browser(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="https://sim.test", follow_redirects=True)

    def suffer(self, *faults: str) -> None:
        self.board.set_faults([read_fault(fault) for fault in faults], self.now)

    async def get(self, path: str) -> Answer:
        return await self.browser.get(path)

    async def form_token(self) -> str:
        page = tree((await self.get("/en/sign-in/modal/")).text)
        field = page.find(".//input[@name='_token']")
        assert field is not None
        return field.get("value", "")

    async def sign_in(self, path: str = "/en/sign-in/", **fields: str) -> Answer:
        form = {"email": self.person.email, "password": self.person.password, "remember": "1"} | fields
        if "_token" not in form:
            form["_token"] = await self.form_token()
        return await self.browser.post(path, data=form)

    async def digest(self) -> dict[str, object]:
        answer = await self.get("/api/v1/cabinets/digest")
        assert answer.status_code == 200
        data: dict[str, object] = answer.json()["data"]
        return data

    def opens(self, token: object) -> bool:
        """Whether the socket would take it."""
        credentials = find_broker("quotex").read_credentials(write_frame(str(token), Account.DEMO))
        return self.world.find(credentials.token) is not None


def play(scenario: Callable[[Visit], Awaitable[None]], *faults: str) -> None:
    async def whole() -> None:
        visit = Visit(*faults)
        async with visit.browser:
            await scenario(visit)

    asyncio.run(whole())


def settings_of(answer: Answer) -> dict[str, str]:
    """As the most used client reads them: the first script, without semicolons, after the equals sign."""
    script = tree(answer.text).find(".//script[@type='text/javascript']")
    assert script is not None
    text = (script.text or "").strip().replace(";", "").removeprefix("window.settings = ")
    settings: dict[str, str] = json.loads(text)
    return settings


def newest_error(page: Element) -> Element | None:
    """``#tab-1 form > div:nth-child(2) > div``"""
    form = page.find(".//*[@id='tab-1']//form")
    assert form is not None
    assert form[1].tag == "div"
    return form[1].find("div")


def only(found: Iterable[T]) -> T:
    (one,) = found
    return one


# -- signing in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/en/sign-in", "/pt/sign-in/", "/en/sign-in/modal", "/en/sign-in/modal/"])
def test_the_form_is_where_clients_look_for_it(path: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get(path)
        page, lang = tree(answer.text), path[1:3]
        form = page.find(".//*[@id='tab-1']/form")
        assert form is not None
        assert form.get("action") == f"/{lang}/sign-in/"
        assert {
            form.find(f".//input[@name='{name}']") is None for name in ("_token", "email", "password")
        } == {False}
        for name in ("email", "password"):
            assert page.findall(f".//input[@name='{name}']")[1] is form.find(f".//input[@name='{name}']")
        assert newest_error(page) is None
        assert with_classes(page, "hint--danger") == []
        token = only(form.findall("input[@name='_token']")).get("value")
        assert settings_of(answer) == {"csrf": token}
        assert "laravel_session" in answer.cookies

    play(scenario)


@pytest.mark.parametrize("path", ["/en/sign-in", "/en/sign-in/", "/en/sign-in/modal", "/en/sign-in/modal/"])
def test_the_right_password_leads_to_the_trade_page_and_a_token_for_the_socket(path: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in(path)
        assert [each.status_code for each in answer.history] == [302]
        assert answer.url.path == "/en/trade"
        settings = settings_of(answer)
        assert len(settings["token"]) == 40
        assert settings["csrf"]
        assert visit.opens(settings["token"])
        assert set(visit.browser.cookies) == {SESSION, REMEMBER}

    play(scenario)


def test_the_cookies_of_a_session_are_for_no_script_to_read() -> None:
    async def scenario(visit: Visit) -> None:
        cookies = (await visit.sign_in()).history[0].headers.get_list("set-cookie")
        assert len(cookies) == 2
        assert all("httponly" in cookie.lower() for cookie in cookies)

    play(scenario)


def test_the_script_with_the_settings_is_the_first_and_holds_no_other_semicolon() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        for path in ("/en/trade", "/en/demo-trade"):
            scripts = tree((await visit.get(path)).text).findall(".//script")
            text = scripts[0].text or ""
            assert scripts[0].get("type") == "text/javascript"
            assert text.startswith('window.settings = {"token":"')
            assert text.endswith("};")
            assert text.count(";") == 1

    play(scenario)


@pytest.mark.parametrize("form_token", [None, "", "stale"])
def test_a_form_without_the_right_token_has_expired(form_token: str | None) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.form_token()
        form = {"email": visit.person.email, "password": visit.person.password}
        answer = await visit.browser.post(
            "/en/sign-in/", data=form | ({} if form_token is None else {"_token": form_token})
        )
        assert (answer.status_code, "Page Expired" in answer.text) == (419, True)

    play(scenario)


def test_a_form_token_is_good_for_the_session_it_was_given_to_only() -> None:
    async def scenario(visit: Visit) -> None:
        token = await visit.form_token()
        visit.browser.cookies.clear()
        assert (await visit.sign_in(_token=token)).status_code == 419

    play(scenario)


@pytest.mark.parametrize("wrong", [{"email": "nobody@sim.test"}, {"password": "wrong"}, {"password": ""}])
def test_wrong_credentials_are_told_in_every_markup_that_was_seen(wrong: dict[str, str]) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in(**wrong)
        page = tree(answer.text)
        assert (answer.status_code, answer.url.path) == (200, "/en/sign-in/")
        newest = newest_error(page)
        assert newest is not None
        assert newest.text == "These credentials do not match our records."
        assert with_classes(page, "hint--danger") == [newest]
        assert with_classes(page, "input-control-cabinet__hint") == [newest]
        assert (await visit.get("/en/trade")).url.path == "/en/sign-in"

    play(scenario)


@pytest.mark.parametrize("path", ["/en/trade", "/en/demo-trade"])
def test_trade_pages_send_strangers_to_the_sign_in_page(path: str) -> None:
    async def scenario(visit: Visit) -> None:
        assert (await visit.get(path)).url.path == "/en/sign-in"

    play(scenario)


def test_signing_out_ends_the_web_session_with_all_its_cookies() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        cookies = httpx.Cookies(visit.browser.cookies)
        assert (await visit.get("/en/logout")).url.path == "/en/sign-in"
        visit.browser.cookies = cookies
        assert (await visit.get("/en/trade")).url.path == "/en/sign-in"

    play(scenario)


def test_who_was_remembered_needs_no_password_when_the_session_is_lost() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        visit.browser.cookies.delete(SESSION)
        assert (await visit.get("/en/trade")).url.path == "/en/trade"
        visit.browser.cookies.clear()
        visit.browser.cookies.set(REMEMBER, "made-up", domain="sim.test")
        assert (await visit.get("/en/trade")).url.path == "/en/sign-in"

    play(scenario)


def test_the_same_seed_gives_the_same_cookies_and_tokens() -> None:
    async def handed_out(seed: int) -> tuple[dict[str, str], dict[str, str]]:
        visit = Visit(seed=seed)
        async with visit.browser:
            settings = settings_of(await visit.sign_in())
            return settings, dict(visit.browser.cookies)

    first = asyncio.run(handed_out(1))
    assert asyncio.run(handed_out(1)) == first
    other = asyncio.run(handed_out(2))
    assert not {*first[0].values(), *first[1].values()} & {*other[0].values(), *other[1].values()}


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/cabinets/digest"),
        ("POST", "/api/v1/user/profile/time_offset"),
        ("GET", "/api/v1/cabinets/trades/history/type/demo?page=1"),
        ("GET", "/api/v1/trades/pending?is_demo=1&page=1"),
    ],
)
def test_the_json_calls_are_for_members(method: str, path: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.browser.request(method, path)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthenticated."})

    play(scenario)


def test_the_digest_shows_balances_as_text_and_renews_the_token() -> None:
    async def scenario(visit: Visit) -> None:
        first = settings_of(await visit.sign_in())["token"]
        digest = await visit.digest()
        assert (digest["demoBalance"], digest["liveBalance"]) == ("10000.00", "1000.00")
        assert (digest["id"], digest["email"]) == (int(visit.person.user), visit.person.email)
        assert digest["token"] != first
        assert visit.opens(digest["token"])
        assert visit.opens(first)  # a session that reconnects may still have it

    play(scenario)


def test_tokens_of_long_ago_stop_working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "TOKENS_KEPT", 2)

    async def scenario(visit: Visit) -> None:
        tokens: list[object] = [settings_of(await visit.sign_in())["token"]]
        tokens += [(await visit.digest())["token"] for _ in range(2)]
        assert [visit.opens(token) for token in tokens] == [False, True, True]

    play(scenario)


def test_the_time_offset_is_kept_in_the_profile() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        path = "/api/v1/user/profile/time_offset"
        answer = await visit.browser.post(path, json={"time_offset": -10800})
        assert answer.json() == {"data": {"timeOffset": -10800}}
        assert (await visit.digest())["timeOffset"] == -10800
        wrong = [
            await visit.browser.post(path, content=content)
            for content in (b"", b"{}", b"[]", b'{"time_offset":"x"}')
        ]
        assert {answer.status_code for answer in wrong} == {422}

    play(scenario)


@pytest.mark.parametrize(("demo", "live"), [("demo", "live"), ("1", "0")])
def test_the_history_shows_settled_orders_of_its_account(demo: str, live: str) -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        order = PlaceOrder(
            symbol="EURUSD_otc",
            amount=5.0,
            direction=Direction.CALL,
            duration=60,
            request_id=7,
            account=Account.DEMO,
        )
        account = visit.world.account(visit.person.user, Account.DEMO)
        at = visit.world.floor.at(visit.now)
        account.place(order, at - 100.0, random.Random(1))
        base = "/api/v1/cabinets/trades/history/type"
        (row,) = (await visit.get(f"{base}/{demo}?page=1")).json()["data"]
        (closed,) = account.closed_orders().orders
        assert (row["ticket"], row["asset"], row["amount"]) == (closed.id, "EURUSD_otc", "5.00")
        assert row["profitAmount"] == f"{closed.profit:.2f}"
        assert (row["command"], row["openTimestamp"]) == (0, int(closed.opened_at))
        for path in (f"{demo}?page=2", live):
            assert (await visit.get(f"{base}/{path}")).json() == {"data": []}
        assert (await visit.get(f"{base}/both")).status_code == 404

    play(scenario)


def test_the_history_may_know_no_numbers() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        base = "/api/v1/cabinets/trades/history/type"
        answers = [await visit.get(f"{base}/{kind}") for kind in ("demo", "live", "1", "0")]
        assert [answer.status_code for answer in answers] == [200, 200, 404, 404]

    play(scenario, "history-by-word")


def test_pending_orders_are_listed() -> None:
    async def scenario(visit: Visit) -> None:
        await visit.sign_in()
        account = visit.world.account(visit.person.user, Account.DEMO)
        at = visit.world.floor.at(visit.now)
        pending = PlacePending(
            symbol="EURUSD_otc", amount=5.0, direction=Direction.PUT, duration=60, open_price=9.5
        )
        account.place_pending(pending, at, random.Random(1))
        (row,) = (await visit.get("/api/v1/trades/pending?is_demo=1&page=1")).json()["data"]
        assert (row["asset"], row["command"], row["openPrice"]) == ("EURUSD_otc", 1, "9.5")
        assert (await visit.get("/api/v1/trades/pending?is_demo=0&page=1")).json() == {"data": []}

    play(scenario)


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("path", ["/en/sign-in", "/en/trade", "/api/v1/cabinets/digest", "/"])
def test_a_challenge_stands_before_every_page(status: int, path: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get(path)
        assert answer.status_code == status
        assert "<title>Just a moment...</title>" in answer.text
        assert 17_000 < len(answer.content) < 20_000
        assert answer.headers["server"] == "cloudflare"
        assert answer.headers["cf-ray"]
        assert answer.headers.get("cf-mitigated") == ("challenge" if status == 403 else None)
        assert "accept-ch" in answer.headers
        assert "__cf_bm" in answer.cookies

    play(scenario, f"signin-challenge:status={status}")


def test_a_page_without_its_form_has_no_form_token_either() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.get("/en/sign-in/modal/")
        assert answer.status_code == 200
        assert tree(answer.text).find(".//input") is None

    play(scenario, "signin-form-missing")


def test_a_blocked_region_is_told_after_the_password() -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in()
        assert (answer.status_code, answer.url.path) == (200, "/en/sign-in/")
        page = tree(answer.text)
        only(with_classes(page, "modal-sign__not-avalible"))
        title = page.find(".//*[@id='tab-1']/div/div[@class='modal-sign__not-avalible__title']")
        assert title is not None
        assert "region" in (title.text or "")
        assert page.find(".//form") is None
        assert (await visit.get("/en/trade")).url.path == "/en/sign-in"

    play(scenario, "signin-region-blocked")


def test_a_pin_is_asked_for_and_taken() -> None:
    async def scenario(visit: Visit) -> None:
        before = await visit.form_token()
        asked = await visit.sign_in(_token=before)
        page = tree(asked.text)
        assert page.find(".//input[@name='keep_code']") is not None
        prompt = page.find(".//main[@class='auth__body']/p")
        assert prompt is not None
        assert prompt.text == "Please enter the PIN-code we've just sent to your email"
        fresh = page.find(".//input[@name='_token']")
        assert fresh is not None
        assert fresh.get("value") not in ("", before)
        pin = visit.world.pin(visit.person.user)
        # Some clients send the form token they began with, others the fresh one.
        for token in (before, fresh.get("value", "")):
            answer = await visit.sign_in("/en/sign-in/modal", _token=token, keep_code="1", code=pin)
            assert answer.url.path == "/en/trade"

    play(scenario, "signin-pin")


@pytest.mark.parametrize("code", ["", "12345", "0000000"])
def test_a_wrong_pin_is_told_on_the_page_that_asks_again(code: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in("/en/sign-in/modal", keep_code="1", code=code)
        page = tree(answer.text)
        assert answer.url.path == "/en/sign-in/modal"
        assert page.find(".//input[@name='keep_code']") is not None
        assert only(with_classes(page, "hint", "hint--danger")).text == "The PIN-code is wrong"

    play(scenario, "signin-pin")


def test_the_right_password_is_refused_like_a_wrong_one() -> None:
    async def scenario(visit: Visit) -> None:
        page = tree((await visit.sign_in()).text)
        assert len(with_classes(page, "hint--danger")) == 1

    play(scenario, "signin-refused")


@pytest.mark.parametrize("flaw", ["missing", "not-json"])
def test_the_settings_of_the_trade_page_are_missing_or_no_json(flaw: str) -> None:
    async def scenario(visit: Visit) -> None:
        answer = await visit.sign_in()
        assert answer.url.path == "/en/trade"
        if flaw == "missing":
            assert tree(answer.text).find(".//script") is None
        else:
            with pytest.raises(json.JSONDecodeError):
                settings_of(answer)

    play(scenario, f"signin-settings-missing:flaw={flaw}")


def test_pages_and_digest_hand_out_the_same_dead_token() -> None:
    async def scenario(visit: Visit) -> None:
        good = settings_of(await visit.sign_in())["token"]
        visit.suffer("signin-stale-token")
        told = [(await visit.digest())["token"], settings_of(await visit.get("/en/trade"))["token"]]
        assert told == [good, good]
        assert not visit.opens(good)
        visit.suffer()
        assert visit.opens((await visit.digest())["token"])

    play(scenario)


def test_a_stale_token_is_dead_from_the_first_sign_in_on() -> None:
    async def scenario(visit: Visit) -> None:
        token = settings_of(await visit.sign_in())["token"]
        assert not visit.opens(token)
        assert (await visit.digest())["token"] == token

    play(scenario, "signin-stale-token")


def test_an_expired_session_cannot_be_renewed_but_one_can_sign_in_again() -> None:
    async def scenario(visit: Visit) -> None:
        assert visit.opens(settings_of(await visit.sign_in())["token"])
        answer = await visit.get("/api/v1/cabinets/digest")
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthenticated."})
        assert (await visit.get("/en/trade")).url.path == "/en/sign-in"
        assert (await visit.sign_in()).url.path == "/en/trade"

    play(scenario, "signin-expired")


def test_slow_pages_come_late() -> None:
    async def scenario(visit: Visit) -> None:
        began_at = asyncio.get_running_loop().time()
        assert (await visit.get("/")).status_code == 200
        assert asyncio.get_running_loop().time() - began_at >= 0.05

    play(scenario, "signin-slow:seconds=50ms")


def test_every_page_fault_leaves_the_others_alone() -> None:
    """Ten minutes later none of them acts, be they all on."""

    async def scenario(visit: Visit) -> None:
        visit.suffer(*(f"{name}@10m" for name in PAGE_FAULTS))
        assert visit.opens(settings_of(await visit.sign_in())["token"])
        assert visit.opens((await visit.digest())["token"])

    play(scenario)


def test_a_part_of_the_requests_may_be_challenged() -> None:
    async def scenario(visit: Visit) -> None:
        statuses = [(await visit.get("/en/sign-in")).status_code for _ in range(40)]
        assert set(statuses) == {200, 403}

    play(scenario, "signin-challenge:share=0.5")


# -- our own client ----------------------------------------------------------------------------------------------------


async def converse(visit: Visit, flow: Flow[R], pin: Secret | None = None) -> R:
    transport = httpx.ASGITransport(visit.app)
    came: HttpReply | Secret | None = None
    while True:
        try:
            wanted = flow.send(came)
        except StopIteration as end:
            result: R = end.value
            return result
        match wanted:
            case Question():
                came = pin
            case HttpCall():
                came = await reply_to(wanted, transport)


async def reply_to(call: HttpCall, transport: httpx.ASGITransport) -> HttpReply:
    def shown(value: str | Secret) -> str:
        return value.reveal() if isinstance(value, Secret) else value

    headers = [(name, shown(value)) for name, value in call.headers]
    form = None if call.form is None else {name: shown(value) for name, value in call.form}
    request = httpx.Request(call.method, call.url, headers=headers, data=form)
    answer = await transport.handle_async_request(request)
    return HttpReply(
        url=call.url,
        status=answer.status_code,
        headers=tuple(answer.headers.multi_items()),
        body=await answer.aread(),
        seconds=0.0,
    )


def login_of(visit: Visit, *, password: str | None = None, account: Account = Account.DEMO) -> PasswordLogin:
    return PasswordLogin(
        broker="quotex",
        user=Secret(visit.person.email),
        password=Secret(password or visit.person.password),
        account=account,
    )


@pytest.mark.parametrize("account", [Account.DEMO, Account.LIVE])
@pytest.mark.parametrize("faults", [(), ("signin-slow:seconds=1ms",), ("signin-expired",)])
def test_our_client_signs_in(account: Account, faults: tuple[str, ...]) -> None:
    async def scenario(visit: Visit) -> None:
        session = await converse(visit, sign_in(login_of(visit, account=account), ORIGIN))
        assert isinstance(session, WebSession)
        assert visit.opens(session.token.reveal())

    play(scenario, *faults)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("signin-challenge:status=403", "http.cf-challenge"),
        ("signin-challenge:status=200", "http.cf-challenge"),
        ("signin-form-missing", "login.page-changed"),
        ("signin-region-blocked", "login.region"),
        ("signin-pin", "login.pin-wanted"),
        ("signin-refused", "login.refused"),
        ("signin-settings-missing:flaw=missing", "login.page-changed"),
        ("signin-settings-missing:flaw=not-json", "login.page-changed"),
    ],
)
def test_our_client_names_what_stops_it(fault: str, kind: str) -> None:
    async def scenario(visit: Visit) -> None:
        failure = await converse(visit, sign_in(login_of(visit), ORIGIN))
        assert isinstance(failure, Failure)
        assert failure.kind == kind
        verdict = read_fault(fault).spec.finding
        assert failure.facts.code == verdict

    play(scenario, fault)


def test_our_client_says_that_the_password_is_wrong() -> None:
    async def scenario(visit: Visit) -> None:
        failure = await converse(visit, sign_in(login_of(visit, password="wrong"), ORIGIN))
        assert isinstance(failure, Failure)
        assert failure.kind == "login.refused"
        assert "These credentials do not match our records." in failure.detail

    play(scenario)


def test_our_client_gives_the_pin() -> None:
    async def scenario(visit: Visit) -> None:
        pin = visit.world.pin(visit.person.user)
        session = await converse(visit, sign_in(login_of(visit), ORIGIN), Secret(pin))
        assert isinstance(session, WebSession)
        failure = await converse(visit, sign_in(login_of(visit), ORIGIN), Secret(pin + "0"))
        assert isinstance(failure, Failure)
        assert failure.kind == "login.pin-refused"

    play(scenario, "signin-pin")


def test_our_client_renews_its_token_while_the_web_session_lives() -> None:
    async def scenario(visit: Visit) -> None:
        session = await converse(visit, sign_in(login_of(visit), ORIGIN))
        assert isinstance(session, WebSession)
        renewed = await converse(visit, renew(session, ORIGIN))
        assert isinstance(renewed, WebSession)
        assert renewed.token != session.token
        assert visit.opens(renewed.token.reveal())
        visit.suffer("signin-stale-token")
        stale = await converse(visit, renew(renewed, ORIGIN))
        assert isinstance(stale, WebSession)
        assert stale.token == renewed.token
        visit.suffer("signin-expired")
        failure = await converse(visit, renew(session, ORIGIN))
        assert isinstance(failure, Failure)
        assert failure.kind == "login.signed-out"
        assert failure.facts.code == PAGE_FAULTS["signin-expired"].finding

    play(scenario)


# -- in the simulator --------------------------------------------------------------------------------------------------


def test_the_front_page_leads_to_the_form() -> None:
    async def scenario(visit: Visit) -> None:
        link = tree((await visit.get("/")).text).find(".//a")
        assert link is not None
        assert (await visit.get(link.get("href", ""))).url.path == "/en/sign-in"

    play(scenario)


def test_the_simulator_tells_what_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = replace(find_broker("quotex"), web=WEB)
    monkeypatch.setattr(run, "find_broker", lambda name: broker)

    async def scenario() -> None:
        async with Simulator(["quotex"], regions=(REGION,)) as sim:
            person, pin = sim.worlds["quotex"].accounts[0], sim.worlds["quotex"].pin
            key = {"email": person.email, "password": person.password, "pin": pin(person.user)}
            told, live = ({**key, "account": kind} for kind in ("demo", "live"))
            logins = [*(each.sign_in for each in sim.endpoints), *(each.sign_in for each in sim.accounts())]
            assert [login.revealed() for login in logins if login] == [told, told, live]
            transport = httpx.ASGITransport(control_api(sim, port=9, token="t"))
            bearer = {"Authorization": "Bearer t"}
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9") as api:
                accounts = (await api.get("/accounts", headers=bearer)).json()
            assert [account["sign_in"] for account in accounts] == [told, live]
            control = Control(url="http://127.0.0.1:9", token=Secret("t"))
            endpoint, _ = map(json.loads, cli._as_json(sim, control))
            assert endpoint["sign_in"] == told
            lines = [line for line in cli._as_text(sim, control) if told["password"] in line]
            assert [all(word in line for word in told.values()) for line in lines] == [True]

    asyncio.run(scenario())


# -- over sockets ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("with_tls")
def test_password_page_token_and_socket_share_a_port_with_tls() -> None:
    async def scenario() -> None:
        async with Simulator(["quotex"], tls=True, pages=True, regions=(REGION,)) as sim:
            endpoint = sim.endpoints[1]
            person = sim.worlds["quotex"].accounts[0]
            trust = ssl.create_default_context(cafile=sim.ca_file)
            origin = f"https://127.0.0.1:{urlsplit(endpoint.url).port}"
            async with httpx.AsyncClient(
                base_url=origin, verify=trust, trust_env=False, timeout=PATIENCE, follow_redirects=True
            ) as browser:
                # One connection, kept alive. Some clients send these headers twice.
                twice = [("User-Agent", "a"), ("user-agent", "b"), ("Origin", origin), ("Origin", origin)]
                page = tree((await browser.get("/en/sign-in", headers=twice)).text)
                token = only({each.get("value", "") for each in page.findall(".//input[@name='_token']")})
                form = {"_token": token, "email": person.email, "password": person.password}
                answer = await browser.post("/en/sign-in/", data=form, headers=twice)
                digest = await browser.get("/api/v1/cabinets/digest", headers=twice)
            assert answer.url.path == "/en/trade"
            token = digest.json()["data"]["token"]
            frame = write_frame(token, Account.DEMO)
            async with calling(endpoint, watch=(), credential=frame) as caller:
                await caller.live()
                await sim.board.switch_on("signin-challenge")
                async with httpx.AsyncClient(verify=trust, trust_env=False) as browser:
                    assert (await browser.get(f"{origin}/en/sign-in")).status_code == 403
                assert caller.session.phase.value == "live"

    asyncio.run(scenario())
