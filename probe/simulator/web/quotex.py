"""Quotex's web side: from e-mail and password to the token that its socket takes, and the JSON that its pages live on."""

import asyncio
import json
from random import Random
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from probe.faults.paged import PageFault
from probe.faults.pages import PageBoard
from probe.faults.signin import (
    FormMissing,
    HistoryByWord,
    PinWanted,
    RegionBlocked,
    SettingsFlaw,
    SettingsMissing,
    SignInRefused,
    StaleToken,
    WebSessionOver,
)
from probe.model.endpoint import Account
from probe.model.meanings import Direction, Order, PendingOrder
from probe.simulator.accounts import SimAccount
from probe.simulator.web.quotex_markup import (
    bare_page,
    pin_page,
    region_page,
    sign_in_page,
    trade_page,
    trade_page_with_broken_settings,
)
from probe.simulator.web.visitors import SocketTokens, Visitor, Visitors, give_cookies
from probe.simulator.world import World

ENTRANCE = "/en/sign-in"

_SIGN_IN = ("/{lang}/sign-in", "/{lang}/sign-in/", "/{lang}/sign-in/modal", "/{lang}/sign-in/modal/")
_TRADE = ("/{lang}/trade", "/{lang}/demo-trade")
_WORDS = {"demo": Account.DEMO, "live": Account.LIVE}
_NUMBERS = {"1": Account.DEMO, "0": Account.LIVE}  # as some clients ask
_COMMANDS = {Direction.CALL: 0, Direction.PUT: 1}
F = TypeVar("F", bound=PageFault)


def routes(*, world: World, board: PageBoard, rng: Random) -> list[Route]:
    site = _Site(world, board, rng)
    return [
        *(Route(path, site.show_form) for path in _SIGN_IN),
        *(Route(path, site.sign_in, methods=["POST"]) for path in _SIGN_IN),
        *(Route(path, site.trade) for path in _TRADE),
        Route("/{lang}/logout", site.sign_out),
        Route("/api/v1/cabinets/digest", site.digest),
        Route("/api/v1/cabinets/trades/history/type/{kind}", site.history),
        Route("/api/v1/trades/pending", site.pending),
        Route("/api/v1/user/profile/time_offset", site.set_time_offset, methods=["POST"]),
    ]


class _Site:
    def __init__(self, world: World, board: PageBoard, rng: Random) -> None:
        self._world, self._board = world, board
        self._visitors = Visitors(rng)
        self._tokens = SocketTokens(world)
        self._time_offsets: dict[str, int] = {}

    # -- pages -------------------------------------------------------------------------------------------------------

    async def show_form(self, request: Request) -> Response:
        visitor = self._visitors.arrive(request.cookies)
        if self._suffers(FormMissing):
            return _page(visitor, bare_page(_lang(request), "Quotex"))
        return _page(visitor, sign_in_page(_lang(request), visitor.forms[-1]))

    async def sign_in(self, request: Request) -> Response:
        visitor, lang = self._visitors.arrive(request.cookies), _lang(request)
        form = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
        if form.get("_token") not in visitor.forms:
            return _page(visitor, bare_page(lang, "Page Expired"), status=419)
        if self._suffers(RegionBlocked):
            return _page(visitor, region_page(lang))
        email, password = form.get("email", ""), form.get("password", "")
        found = self._world.sign_in(email, password)
        if found is None or self._suffers(SignInRefused):
            return _page(visitor, sign_in_page(lang, visitor.forms[-1], refused=True))
        has_code = "keep_code" in form
        if form.get("code") != self._world.pin(found.user) if has_code else self._suffers(PinWanted):
            self._visitors.new_form(visitor)
            asked = pin_page(lang, visitor.forms[-1], email=email, password=password, refused=has_code)
            return _page(visitor, asked)
        self._visitors.sign_in(visitor, found.user, remember=bool(form.get("remember")))
        return _redirect(visitor, f"/{lang}/trade")

    async def trade(self, request: Request) -> Response:
        visitor, lang = self._visitors.arrive(request.cookies), _lang(request)
        if visitor.user is None:
            return _redirect(visitor, f"/{lang}/sign-in")
        flawed = self._suffers(SettingsMissing)
        if flawed is None:
            token = self._token(visitor.user)
            return _page(visitor, trade_page(lang, token=token, form_token=visitor.forms[-1]))
        if flawed.flaw is SettingsFlaw.MISSING:
            return _page(visitor, bare_page(lang, "Trading"))
        return _page(visitor, trade_page_with_broken_settings(lang))

    async def sign_out(self, request: Request) -> Response:
        visitor = self._visitors.arrive(request.cookies)
        self._visitors.sign_out(visitor)
        return _redirect(self._visitors.arrive({}), f"/{_lang(request)}/sign-in")

    # -- JSON --------------------------------------------------------------------------------------------------------

    async def digest(self, request: Request) -> Response:
        user = self._member(request)
        if user is None:
            return _unauthenticated()
        demo, live = self._account(user, Account.DEMO), self._account(user, Account.LIVE)
        data = {
            "id": int(user),
            "nickname": f"#{user}",
            "email": demo.identity.email,
            "avatar": "",
            "country": "XX",
            "countryName": "Nowhere",
            "currencyCode": "USD",
            "currencySymbol": "$",
            "demoBalance": _money(demo.balance().amount),
            "liveBalance": _money(live.balance().amount),
            "timeOffset": self._time_offsets.get(user, 0),
            "token": self._token(user),
        }
        return JSONResponse({"data": data})

    async def set_time_offset(self, request: Request) -> Response:
        user = self._member(request)
        if user is None:
            return _unauthenticated()
        try:
            offset = json.loads(await request.body())["time_offset"]
        except (ValueError, TypeError, KeyError, RecursionError):
            offset = None
        if type(offset) is not int:
            return JSONResponse({"message": "The given data was invalid."}, status_code=422)
        self._time_offsets[user] = offset
        return JSONResponse({"data": {"timeOffset": offset}})

    async def history(self, request: Request) -> Response:
        user = self._member(request)
        if user is None:
            return _unauthenticated()
        kinds = _WORDS if self._suffers(HistoryByWord) else _WORDS | _NUMBERS
        kind = kinds.get(request.path_params["kind"])
        if kind is None:
            return JSONResponse({"message": ""}, status_code=404)
        first_page = request.query_params.get("page", "1") == "1"  # all that is kept fits on it
        closed = self._account(user, kind).closed_orders().orders
        return JSONResponse({"data": [_closed(order) for order in closed] if first_page else []})

    async def pending(self, request: Request) -> Response:
        user = self._member(request)
        if user is None:
            return _unauthenticated()
        is_live = request.query_params.get("is_demo") == "0"
        account = self._account(user, Account.LIVE if is_live else Account.DEMO)
        return JSONResponse({"data": [_pending(order) for order in account.pending_orders().orders]})

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _suffers(self, fault: type[F]) -> F | None:
        return self._board.strikes(fault, asyncio.get_running_loop().time())

    def _member(self, request: Request) -> str | None:
        """Who asks for JSON; None: nobody who is signed in."""
        visitor = self._visitors.arrive(request.cookies)
        if self._suffers(WebSessionOver):
            self._visitors.sign_out(visitor)
            return None
        return visitor.user

    def _token(self, user: str) -> str:
        token = self._tokens.dead(user) if self._suffers(StaleToken) else self._tokens.fresh(user)
        return token.reveal()

    def _account(self, user: str, kind: Account) -> SimAccount:
        account = self._world.account(user, kind)
        account.settle(self._world.floor.at(asyncio.get_running_loop().time()))
        return account


def _lang(request: Request) -> str:
    return str(request.path_params["lang"])


def _page(visitor: Visitor, markup: str, *, status: int = 200) -> Response:
    response = HTMLResponse(markup, status_code=status)
    give_cookies(response, visitor)
    return response


def _redirect(visitor: Visitor, path: str) -> Response:
    response = RedirectResponse(path, status_code=302)
    give_cookies(response, visitor)
    return response


def _unauthenticated() -> Response:
    return JSONResponse({"message": "Unauthenticated."}, status_code=401)


def _money(amount: float) -> str:
    return f"{amount:.2f}"


def _closed(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "ticket": order.id,
        "asset": order.symbol,
        "amount": _money(order.amount),
        "profitAmount": _money(order.profit or 0.0),
        "command": _COMMANDS[order.direction],
        "openTimestamp": int(order.opened_at),
        "closeTimestamp": int(order.closes_at),
        "openPrice": order.open_price,
        "closePrice": order.close_price,
    }


def _pending(order: PendingOrder) -> dict[str, object]:
    opens = {"openTime": order.open_at} if order.open_price is None else {"openPrice": str(order.open_price)}
    return {
        "ticket": order.ticket,
        "asset": order.symbol,
        "amount": _money(order.amount),
        "command": _COMMANDS[order.direction],
        "timeframe": order.duration,
        **opens,
    }
