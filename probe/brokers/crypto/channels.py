"""Every endpoint of the backend, tried once, with what its answer must hold. Paths that are somebody's own choice come from the
dialect; those of signing up, and what the simulator alone may be asked, are the usual ones."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from probe.brokers.crypto.cookie import issued, unsendable
from probe.brokers.crypto.dialect import Dialect
from probe.brokers.crypto.limits import read_limited
from probe.brokers.crypto.reading import items_of, number, price_of, utc_of
from probe.brokers.crypto.signin import AGENT, cookie_header
from probe.model.credentials import Secret
from probe.session.channels import (
    Channel,
    ChannelPlan,
    Header,
    NotAsPromised,
    Seen,
    ask,
    body_of,
    having,
    number_in,
    object_of,
    promised,
    sound_candles,
    time_in,
)
from probe.wire.calls import Flow, HttpReply

FOREIGN = "https://foreign.example"
ALLOWED_A_MINUTE = 100
NEWCOMER = "newcomer@verify.test"
PASSWORD = "correct horse battery"  # noqa: S105 - of somebody who exists in a simulator for a moment
STRATEGY = {"name": "Verified", "type": "grid", "leverage": 3, "margin": 50.0}
KEY = "k" * 40
FRESH = 60.0  # seconds
SMALLEST = 0.01  # of a coin
_PRICE = 1e-3  # of it, which two looks may differ by


class _Channels:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def all(self) -> tuple[Channel, ...]:
        chosen = self._dialect
        return (
            Channel(
                name="POST /signup, /verify-otp, /complete-registration",
                promise="Somebody new registers with the code that was mailed, and a wrong or used code does not do.",
                flow=self._register,
                changes=True,
            ),
            Channel(
                name=f"POST {chosen.signin_path}",
                promise="A password wins a cookie that scripts cannot read and other sites do not send; a wrong one does not.",
                flow=self._sign_in,
                changes=True,
            ),
            Channel(
                name="POST /signout",
                promise="A cookie ends with its sign-out.",
                flow=self._sign_out,
                changes=True,
            ),
            Channel(
                name=f"GET {chosen.me_path}",
                promise="Who is signed in is told, to nobody without a session.",
                flow=self._me,
            ),
            Channel(
                name=f"GET {chosen.health_path}",
                promise="It says how it is, and what it looked at.",
                flow=self._health,
                needs_account=False,
            ),
            self._reading(chosen.ticker_path, "A price that is fresh, between bid and ask.", self._ticker),
            Channel(
                name="GET /market/symbols, /market/klines",
                promise="The symbol is listed, and its candles are sound and end at its price.",
                flow=self._market,
                changes=True,
            ),
            self._reading(chosen.portfolio_path, "What the account is worth is a number.", self._portfolio),
            self._reading(
                chosen.snapshots_path,
                "The newest snapshot is no older than three should be.",
                self._snapshots,
            ),
            *(
                self._reading(path, "It is a list.", partial(self._listed, path))
                for path in (chosen.positions_path, chosen.strategies_path, chosen.trades_path)
            ),
            self._reading(
                chosen.broker_path, "Whether the broker behind it is connected is told.", self._broker
            ),
            Channel(
                name="Strategies: create, read, change, delete",
                promise="A strategy is as it was written, and gone when it is deleted.",
                flow=self._strategies,
                changes=True,
            ),
            Channel(
                name="Trades and positions",
                promise="A trade opens a position and costs its fee, the same order twice is refused, and closing ends it.",
                flow=self._trade,
                changes=True,
            ),
            Channel(
                name="Broker keys",
                promise="Keys connect the broker, are never told again, and can be taken away.",
                flow=self._keys,
                changes=True,
            ),
            Channel(
                name="Malformed requests",
                promise="What is malformed is refused as that.",
                flow=self._validation,
                changes=True,
            ),
            Channel(
                name="A hundred requests a minute",
                promise="A hundred requests a minute pass, and the next is refused in words.",
                flow=self._limit,
                changes=True,
            ),
            Channel(
                name="CORS", promise="A foreign origin is not let in.", flow=self._cors, needs_account=False
            ),
            Channel(
                name="Production mode",
                promise="The documentation is closed, errors are told without traces and with the request's id.",
                flow=self._production,
                needs_account=False,
            ),
        )

    def _reading(self, path: str, promise: str, flow: Callable[[ChannelPlan], Flow[Seen]]) -> Channel:
        return Channel(name=f"GET {path}", promise=promise, flow=flow)

    def _get(self, plan: ChannelPlan, path: str, status: int = 200) -> Flow[HttpReply]:
        return self._send(plan, "GET", path, status=status)

    def _send(
        self,
        plan: ChannelPlan,
        method: str,
        path: str,
        json: object = None,
        status: int | tuple[int, ...] = 200,
    ) -> Flow[HttpReply]:
        headers: list[Header] = [("User-Agent", AGENT)]
        if plan.credentials is not None:
            headers.append(cookie_header(self._dialect.cookie_name, plan.credentials.token))
        return ask(plan.base + path, *headers, method=method, json=json, status=status)

    # -- people --------------------------------------------------------------------------------------------------------

    def _register(self, plan: ChannelPlan) -> Flow[Seen]:
        yield from self._send(plan, "POST", "/signup", {"email": NEWCOMER})
        mails = body_of((yield from self._get(plan, "/__sim/outbox")))
        otp: str = next(mail["otp"] for mail in mails if mail["to"] == NEWCOMER)
        wrong = f"{(int(otp) + 1) % 1_000_000:06}"
        yield from self._send(plan, "POST", "/verify-otp", {"email": NEWCOMER, "otp": wrong}, 400)
        verified = yield from self._send(plan, "POST", "/verify-otp", {"email": NEWCOMER, "otp": otp})
        token = object_of(verified, "registration_token")["registration_token"]
        yield from self._send(plan, "POST", "/verify-otp", {"email": NEWCOMER, "otp": otp}, 400)
        whole = {
            "email": NEWCOMER,
            "registration_token": token,
            "name": "New",
            "phone": "+491234567",
            "password": PASSWORD,
        }
        made = yield from self._send(plan, "POST", "/complete-registration", whole, 201)
        user = having(
            object_of(made, "user")["user"],
            "the user",
            "id",
            "email",
            "google_id",
            "is_admin",
            "referral_code",
        )
        promised(
            (user["email"], user["is_admin"]) == (NEWCOMER, False),
            "the new user is somebody else, or an administrator",
        )
        promised(PASSWORD not in made.body.decode("utf-8", "replace"), "the password is told back")
        yield from self._send(plan, "POST", "/signin", {"email": NEWCOMER, "password": PASSWORD})
        return Seen(words="a wrong and a used code were refused, the right one made an account that signs in")

    def _signed_in(self, plan: ChannelPlan) -> Flow[tuple[Secret, HttpReply]]:
        if plan.login is None:
            raise NotAsPromised("there is no login to try")
        body = {"email": plan.login.user, "password": plan.login.password}
        reply = yield from ask(plan.base + self._dialect.signin_path, method="POST", json=body)
        cookie = issued(reply, self._dialect.cookie_name)
        if cookie is None or cookie.value is None:
            raise NotAsPromised(f"no cookie called {self._dialect.cookie_name} is set")
        described = cookie.describe().lower()
        promised(
            "httponly" in described and "samesite" in described,
            f"the cookie's attributes are {described or 'none'}",
        )
        if held_back := unsendable(cookie.attributes, plan.base):
            raise NotAsPromised(
                f"no browser would send the cookie back: {held_back}", "crypto.session-cookie"
            )
        return cookie.value, reply

    def _sign_in(self, plan: ChannelPlan) -> Flow[Seen]:
        cookie, reply = yield from self._signed_in(plan)
        header = cookie_header(self._dialect.cookie_name, cookie)
        yield from ask(plan.base + self._dialect.me_path, header)
        email = plan.login.user if plan.login else ""
        wrong = {"email": email, "password": "wrong"}
        yield from ask(plan.base + self._dialect.signin_path, method="POST", json=wrong, status=401)
        return Seen(
            words=f"a cookie with HttpOnly and SameSite in {reply.seconds:.3f} s; 401 to a wrong password",
            figures={"seconds": reply.seconds},
        )

    def _sign_out(self, plan: ChannelPlan) -> Flow[Seen]:
        cookie, _reply = yield from self._signed_in(plan)
        header = cookie_header(self._dialect.cookie_name, cookie)
        yield from ask(plan.base + "/signout", header, method="POST")
        yield from ask(plan.base + self._dialect.me_path, header, status=401)
        return Seen(words="HTTP 200, and 401 to the same cookie afterwards")

    def _me(self, plan: ChannelPlan) -> Flow[Seen]:
        user = object_of((yield from self._get(plan, self._dialect.me_path)), "id")
        promised(isinstance(user["id"], str) and user["id"], "the user has no id")
        yield from ask(plan.base + self._dialect.me_path, status=401)
        return Seen(
            words=f"{len(user)} fields about the user, and 401 without a cookie",
            figures={"fields": len(user)},
        )

    # -- reading -------------------------------------------------------------------------------------------------------

    def _health(self, plan: ChannelPlan) -> Flow[Seen]:
        reply = yield from ask(plan.base + self._dialect.health_path)
        told = object_of(reply, "status")
        promised(told["status"] in ("healthy", "ok", "up"), f"it says {told['status']!r}")
        checks = told.get("checks")
        looked = sorted(checks) if isinstance(checks, dict) else []
        return Seen(
            words=f"{told['status']!r} in {reply.seconds:.3f} s, having looked at {', '.join(looked) or 'nothing'}",
            figures={"checks": len(looked), "seconds": reply.seconds},
        )

    def _symbol(self, plan: ChannelPlan) -> str:
        return quote(self._dialect.written(plan.symbol), safe="")

    def _price(self, plan: ChannelPlan) -> Flow[tuple[float, dict[str, Any]]]:
        path = f"{self._dialect.ticker_path}?symbol={self._symbol(plan)}"
        told = object_of((yield from self._get(plan, path)))
        price = price_of(told)
        if price is None:
            raise NotAsPromised("there is no price in it")
        return price, told

    def _ticker(self, plan: ChannelPlan) -> Flow[Seen]:
        price, told = yield from self._price(plan)
        bid, ask_ = number(told.get("bid_price")), number(told.get("ask_price"))
        promised(
            bid is None or ask_ is None or bid < price < ask_, f"{price:g} is not between {bid} and {ask_}"
        )
        at = utc_of(told.get("source_time", told.get("time")))
        promised(at is None or plan.utc - at < FRESH, "it is of long ago")
        return Seen(words=f"{plan.symbol} at {price:g}", figures={"price": price})

    def _market(self, plan: ChannelPlan) -> Flow[Seen]:
        symbols = items_of(body_of((yield from self._get(plan, "/market/symbols")))) or []
        listed = [having(each, "a symbol", "symbol", "price_precision")["symbol"] for each in symbols]
        promised(plan.symbol in listed, f"{plan.symbol} is not listed")
        reply = yield from self._get(plan, f"/market/klines?symbol={self._symbol(plan)}&interval=1m&limit=50")
        rows = [
            (time_in(row["open_time"], "klines"), row["open"], row["high"], row["low"], row["close"])
            for row in items_of(body_of(reply)) or []
        ]
        sound_candles(rows, 60, "klines")
        price, _told = yield from self._price(plan)
        promised(
            abs(rows[-1][4] - price) < _PRICE * price,
            f"the last candle closes at {rows[-1][4]:g}, and the price is {price:g}",
        )
        yield from self._get(plan, "/market/ticker?symbol=NOBODY-USDT", 404)
        return Seen(
            words=f"{len(listed)} symbols, {len(rows)} candles a minute apart that end at the price; unknown symbols get 404",
            figures={"symbols": len(listed), "candles": len(rows)},
        )

    def _equity(self, plan: ChannelPlan) -> Flow[float]:
        told = object_of((yield from self._get(plan, self._dialect.portfolio_path)))
        return number_in(told, "equity", "the portfolio")

    def _portfolio(self, plan: ChannelPlan) -> Flow[Seen]:
        equity = yield from self._equity(plan)
        return Seen(words=f"an equity of {equity:.2f}", figures={"equity": equity})

    def _snapshots(self, plan: ChannelPlan) -> Flow[Seen]:
        rows = items_of(body_of((yield from self._get(plan, self._dialect.snapshots_path))))
        promised(rows, "there is none")
        times = [utc_of(row.get("as_of", row.get("created_at"))) for row in rows or []]
        known = [at for at in times if at is not None]
        promised(known, "none has a time")
        age = plan.utc - max(known)
        promised(age < self._dialect.stale_snapshot_seconds, f"the newest is {age / 60:.0f} min old")
        return Seen(
            words=f"{len(known)} of them, the newest {age / 60:.1f} min old",
            figures={"snapshots": len(known), "newest_age_seconds": age},
        )

    def _listed(self, path: str, plan: ChannelPlan) -> Flow[Seen]:
        rows = items_of(body_of((yield from self._get(plan, path))))
        promised(rows is not None, "it is no list")
        promised(all(isinstance(row, dict) and row.get("id") for row in rows or ()), "a row has no id")
        return Seen(words=f"{len(rows or ())} rows, each with an id", figures={"rows": len(rows or ())})

    def _broker(self, plan: ChannelPlan) -> Flow[Seen]:
        told = object_of((yield from self._get(plan, self._dialect.broker_path)), "connected")
        promised(told["connected"] is True, f"it is not: {told.get('error')}")
        latency = number(told.get("latency_ms"))
        return Seen(words=f"{told.get('broker')} is connected", figures={"latency_milliseconds": latency})

    # -- in a simulator only -------------------------------------------------------------------------------------------

    def _strategies(self, plan: ChannelPlan) -> Flow[Seen]:
        before = items_of(body_of((yield from self._get(plan, "/strategies")))) or []
        made = object_of((yield from self._send(plan, "POST", "/strategies", STRATEGY, 201)), "id", *STRATEGY)
        one = f"/strategies/{made['id']}"
        promised({key: made[key] for key in STRATEGY} == STRATEGY, "it is not as it was written")
        changed = object_of((yield from self._send(plan, "PUT", one, STRATEGY | {"leverage": 7})))
        read = object_of((yield from self._get(plan, one)))
        promised(changed == read and read["leverage"] == 7, "the change is not what is read")
        yield from self._send(plan, "DELETE", one)
        yield from self._get(plan, one, 404)
        after = items_of(body_of((yield from self._get(plan, "/strategies")))) or []
        promised([row["id"] for row in after] == [row["id"] for row in before], "the list is not as before")
        return Seen(
            words=f"written, read, changed and deleted beside {len(before)} others",
            figures={"strategies": len(before)},
        )

    def _trade(self, plan: ChannelPlan) -> Flow[Seen]:
        order = {
            "symbol": plan.symbol, "side": "BUY", "type": "MARKET", "quantity": SMALLEST, "client_order_id": "verify-1",
        }  # fmt: skip
        before = yield from self._equity(plan)
        trade = object_of(
            (yield from self._send(plan, "POST", "/trades", order, 201)), "id", "price", "fee", "status"
        )
        promised(trade["status"] == "filled", f"the trade is {trade['status']}")
        yield from self._send(plan, "POST", "/trades", order, 409)
        listed = items_of(body_of((yield from self._get(plan, "/trades")))) or []
        promised(listed and listed[0]["id"] == trade["id"], "the trade is not the newest")
        promised(
            object_of((yield from self._get(plan, f"/trades/{trade['id']}"))) == trade,
            "the trade is not as it was told",
        )
        positions = items_of(body_of((yield from self._get(plan, "/positions")))) or []
        mine = [row for row in positions if row["entry_price"] == trade["price"] and row["size"] == SMALLEST]
        promised(mine, "no position was opened")
        one = f"/positions/{mine[-1]['id']}"
        promised(object_of((yield from self._get(plan, one)))["status"] == "open", "the position is not open")
        closed = object_of((yield from self._send(plan, "POST", f"{one}/close")), "status")
        promised(closed["status"] == "closed", "the position is not closed")
        yield from self._send(plan, "POST", f"{one}/close", status=409)
        after = yield from self._equity(plan)
        promised(
            after < before + trade["price"] * SMALLEST, "the account has more than the trade could bring"
        )
        return Seen(
            words=f"{SMALLEST} {plan.symbol} bought at {trade['price']:g} for a fee of {trade['fee']:g}, and closed; 409 to both twice",
            figures={"price": trade["price"], "fee": trade["fee"], "equity_change": after - before},
        )

    def _keys(self, plan: ChannelPlan) -> Flow[Seen]:
        keys = {"broker": "bingx", "api_key": KEY, "api_secret": KEY[::-1]}
        reply = yield from self._send(plan, "POST", "/broker/connect", keys)
        status = yield from self._get(plan, "/broker/status")
        me = yield from self._get(plan, "/me")
        promised(not any(KEY.encode() in each.body for each in (reply, status, me)), "a key is told back")
        promised(object_of(status)["connected"] is True, "the broker is not connected")
        yield from self._send(plan, "POST", "/broker/connect", keys | {"api_key": "?"}, 400)
        yield from self._send(plan, "DELETE", "/broker")
        promised(
            object_of((yield from self._get(plan, "/broker/status")))["connected"] is False,
            "it is still connected",
        )
        return Seen(words="connected, refused with a wrong key, taken away; no answer had the key in it")

    def _validation(self, plan: ChannelPlan) -> Flow[Seen]:
        tried: Sequence[tuple[str, str, object]] = (
            ("POST", "/signup", {"email": "nobody"}),
            ("POST", "/signin", {"email": 1}),
            ("POST", "/verify-otp", {"email": NEWCOMER, "otp": "12"}),
            ("POST", "/strategies", STRATEGY | {"leverage": 1000}),
            ("POST", "/trades", {"symbol": plan.symbol, "side": "HOLD", "type": "MARKET", "quantity": 1}),
            ("GET", "/market/klines?symbol=BTC-USDT&interval=2m", None),
        )
        for method, path, body in tried:
            reply = yield from self._send(plan, method, path, body, 422)
            object_of(reply, "detail")
        return Seen(words=f"HTTP 422 to {len(tried)} malformed requests", figures={"malformed": len(tried)})

    def _limit(self, plan: ChannelPlan) -> Flow[Seen]:
        passed = 0
        while passed <= ALLOWED_A_MINUTE:
            reply = yield from self._send(plan, "GET", "/health", status=(200, 429))
            if limited := read_limited(reply, plan.utc):
                promised(passed == ALLOWED_A_MINUTE, f"it refused the request after {passed}")
                return Seen(
                    words=f"{passed} passed within a minute, the next got HTTP {limited.status} ({limited.form.value})",
                    figures={"allowed_a_minute": passed},
                )
            passed += 1
        raise NotAsPromised(f"{passed} requests passed at once, and nothing refused them")

    def _cors(self, plan: ChannelPlan) -> Flow[Seen]:
        asked: tuple[Header, ...] = (("Origin", FOREIGN), ("Access-Control-Request-Method", "GET"))
        reply = yield from ask(
            plan.base + self._dialect.me_path, *asked, method="OPTIONS", status=(200, 204, 400, 403, 405)
        )
        allowed = reply.header("access-control-allow-origin")
        promised(allowed not in ("*", FOREIGN), f"it lets {allowed} in")
        return Seen(words=f"HTTP {reply.status} to its preflight, and no leave")

    def _production(self, plan: ChannelPlan) -> Flow[Seen]:
        for page in ("/docs", "/redoc", "/openapi.json"):
            yield from ask(plan.base + page, status=404)
        refused = yield from ask(plan.base + self._dialect.me_path, status=401)
        told = object_of(refused, "detail")
        promised(b"Traceback" not in refused.body, "an error shows a trace")
        named = told.get("request_id") or refused.header("x-request-id")
        took = refused.header("x-process-time")
        return Seen(
            words=f"documentation closed; an error in words, {'with' if named else 'without'} a request id, "
            f"{'with' if took else 'without'} the time it took"
        )


def channels_of(dialect: Dialect) -> tuple[Channel, ...]:
    return _Channels(dialect).all()
