"""Every endpoint that the public gateway advertises, tried once, with what its answer must hold."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from probe.brokers.mt5.answers import (
    Unreadable,
    date_of,
    read_account,
    read_amount,
    read_health,
    read_history,
    read_orders,
    read_paths,
    read_positions,
    read_price,
    read_server_time,
    read_snapshot,
)
from probe.brokers.mt5.credentials import USUAL_LENGTH
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
    object_of,
    path_of,
    promised,
    time_in,
)
from probe.wire.calls import Flow, HttpReply

T = TypeVar("T")
V1 = "/api/v1"
ACCOUNT_FIELDS = (
    "login", "balance", "equity", "profit", "margin", "margin_free", "margin_level", "leverage", "currency", "server", "company",
)  # fmt: skip
SYMBOL_FIELDS = (
    "name", "bid", "ask", "point", "digits", "spread", "volume_min", "volume_max", "volume_step", "trade_contract_size",
    "currency_base", "currency_profit", "currency_margin",
)  # fmt: skip
CENT = 0.011
LIFETIME = 86_400
TRIES = 3  # a deal or a price may come between two looks
OFFSETS = range(-12, 15)  # hours
AHEAD, BEHIND = 120.0, 5 * 86_400.0  # seconds: it tells its newest tick's time, and a long weekend has none
STRANGER = "https://stranger.example"


def _bearer(plan: ChannelPlan) -> Header:
    if plan.credentials is None:
        raise NotAsPromised("there is no token to ask with")
    return _token(plan.credentials.token.reveal())


def _token(text: str) -> Header:
    return "Authorization", Secret(f"Bearer {text}")


def _read(plan: ChannelPlan, path: str, read: Callable[[object], T]) -> Flow[tuple[T, HttpReply]]:
    reply = yield from ask(plan.base + path, _bearer(plan))
    try:
        return read(body_of(reply)), reply
    except Unreadable as problem:
        raise NotAsPromised(f"{path_of(plan.base + path)}: {problem}") from None


def _root(plan: ChannelPlan) -> Flow[Seen]:
    reply = yield from ask(plan.base + "/")
    told = object_of(reply, "name", "version", "endpoints")
    endpoints = having(told["endpoints"], "its endpoints", "login", "account")
    return Seen(
        words=f"{told['name']} {told['version']} names {len(endpoints)} endpoints",
        figures={"endpoints": len(endpoints)},
    )


def _health(plan: ChannelPlan) -> Flow[Seen]:
    reply = yield from ask(plan.base + "/health")
    told = object_of(reply, "status", "timestamp")
    sessions = read_health(told)
    promised(sessions is not None, "it does not count its sessions")
    time_in(told["timestamp"], "/health")
    return Seen(
        words=f"it says {told['status']!r}, and {sessions} sessions",
        figures={"active_sessions": sessions, "seconds": reply.seconds},
    )


def _healthz(plan: ChannelPlan) -> Flow[Seen]:
    reply = yield from ask(plan.base + "/healthz", status=(200, 404))
    if reply.status == 404:
        return Seen(words="there is none: it is the gateway's first version, or another one")
    told = object_of(reply, "status", "uptime")
    return Seen(words=f"it says {told['status']!r}, as the gateway's later version does")


def _documentation(plan: ChannelPlan) -> Flow[Seen]:
    described = yield from ask(plan.base + "/openapi.json", status=(200, 404))
    if described.status == 404:
        for page in ("/docs", "/redoc"):
            yield from ask(plan.base + page, status=404)
        return Seen(words="all three are closed, as in production", figures={"paths": 0})
    try:
        title, paths = read_paths(body_of(described))
    except Unreadable as problem:
        raise NotAsPromised(f"/openapi.json: {problem}") from None
    promised(f"{V1}/account" in paths, "/openapi.json does not describe the account")
    for page in ("/docs", "/redoc"):
        reply = yield from ask(plan.base + page)
        promised(reply.header("content-type").startswith("text/html"), f"{page} is no page")
    return Seen(
        words=f"{title!r} describes {len(paths)} paths, open to anybody", figures={"paths": len(paths)}
    )


def _account(plan: ChannelPlan) -> Flow[Seen]:
    state, reply = yield from _read(plan, f"{V1}/account", read_account)
    told = object_of(reply, *ACCOUNT_FIELDS)
    promised(
        abs(state.margin_free - (state.equity - state.margin)) < CENT,
        "equity less margin is not the free margin",
    )
    if state.margin:
        level = 100 * state.equity / state.margin
        promised(
            abs(state.margin_level - level) < 0.01 * level, "its margin level does not fit equity and margin"
        )
    promised(plan.user in (None, str(state.login)), "it is another account than the token's")
    return Seen(
        words=f"all {len(ACCOUNT_FIELDS)} fields, which fit each other: {state.balance:.2f} {told['currency']}",
        figures={"balance": state.balance, "equity": state.equity, "margin": state.margin},
    )


def _amount(name: str, plan: ChannelPlan) -> Flow[Seen]:
    amount, around = 0.0, (0.0, 0.0)
    for _ in range(TRIES):
        before, _reply = yield from _read(plan, f"{V1}/account", read_account)
        amount, _reply = yield from _read(plan, f"{V1}/{name}", lambda data: read_amount(data, name))
        after, _reply = yield from _read(plan, f"{V1}/account", read_account)
        around = (getattr(before, name), getattr(after, name))
        if min(around) - CENT < amount < max(around) + CENT:
            return Seen(words=f"{amount:.2f}, as /account shows it", figures={name: amount})
    raise NotAsPromised(
        f"it is {amount:.2f}, and /account shows {around[0]:.2f} before and {around[1]:.2f} after it"
    )


def _snapshot(plan: ChannelPlan) -> Flow[Seen]:
    positions, _reply = yield from _read(plan, f"{V1}/positions", read_positions)
    shown, reply = yield from _read(plan, f"{V1}/snapshot", read_snapshot)
    account, _reply = yield from _read(plan, f"{V1}/account", read_account)
    told = object_of(reply, "timestamp", "margin_available", "total_profit_loss")
    time_in(told["timestamp"], "/snapshot")
    promised(shown == positions, f"it shows {shown} positions, and /positions {positions}")
    promised(abs(told["balance"] - account.balance) < CENT, "its balance is not that of /account")
    promised(told["day_start_balance"] > 0, "the day began with nothing")
    return Seen(
        words=f"balance as in /account, {shown} positions as in /positions",
        figures={"positions": shown, "seconds": reply.seconds},
    )


def _positions(plan: ChannelPlan) -> Flow[Seen]:
    count, reply = yield from _read(plan, f"{V1}/positions", read_positions)
    for row in body_of(reply):
        promised(row["type"] in (0, 1), f"a position's type is {row['type']}, neither buy nor sell")
        promised(row["volume"] > 0, "a position has no volume")
    return Seen(words=f"{count} of them, each with side and volume", figures={"positions": count})


def _orders(plan: ChannelPlan) -> Flow[Seen]:
    count, _reply = yield from _read(plan, f"{V1}/orders", read_orders)
    return Seen(words=f"{count} of them, inside `orders`", figures={"orders": count})


def _history(plan: ChannelPlan) -> Flow[Seen]:
    day, _reply = yield from _read(plan, f"{V1}/history?from_days_ago=1", read_history)
    week, reply = yield from _read(plan, f"{V1}/history?from_days_ago=7", read_history)
    told = object_of(reply, "from_date", "to_date")
    span = time_in(told["to_date"], "/history") - time_in(told["from_date"], "/history")
    promised(abs(span - 7 * 86_400) < 60, f"a week is {span / 86_400:.2f} days long")
    promised(day <= week, f"{day} deals in a day, and {week} in the week that has it")
    return Seen(
        words=f"{day} deals in a day, {week} in a week; it counts them right",
        figures={"deals_of_a_day": day, "deals_of_a_week": week},
    )


def _symbol(plan: ChannelPlan) -> Flow[Seen]:
    path = f"{V1}/symbol/{quote(plan.symbol, safe='')}"
    price, reply = yield from _read(plan, path, read_price)
    told = object_of(reply, *SYMBOL_FIELDS)
    promised(told["name"] == plan.symbol, f"it is {told['name']!r}")
    promised(0 < price.bid < price.ask, f"bid {price.bid:g} is not below ask {price.ask:g}")
    spread = (price.ask - price.bid) / price.point
    promised(
        abs(spread - price.spread) <= 1.5,
        f"it says a spread of {price.spread:g} points, and {spread:.1f} are between them",
    )
    yield from ask(f"{plan.base}{V1}/symbol/NO-SUCH-SYMBOL", _bearer(plan), status=404)
    return Seen(
        words=f"{plan.symbol} at {price.bid}/{price.ask}; an unknown symbol is not found",
        figures={"bid": price.bid, "ask": price.ask, "spread_points": price.spread},
    )


def _server_time(plan: ChannelPlan) -> Flow[Seen]:
    told, reply = yield from _read(plan, f"{V1}/server-time", read_server_time)
    promised(told.offset in OFFSETS, f"an offset of {told.offset:g} hours is nowhere on earth")
    here = date_of(reply) or plan.utc
    behind = here - (told.seconds - 3_600 * told.offset)
    promised(-AHEAD < behind < BEHIND, f"it is {behind:.0f} s behind the gateway's own clock")
    return Seen(
        words=f"{behind:.0f} s behind the gateway's clock, {told.offset:+g} h from UTC",
        figures={"behind_seconds": behind, "offset_hours": told.offset},
    )


def _tokens(plan: ChannelPlan) -> Flow[Seen]:
    url = f"{plan.base}{V1}/account"
    without = yield from ask(url, status=(401, 403))
    wrong = yield from ask(url, _token("x" * USUAL_LENGTH), status=(401, 403))
    other = yield from ask(url, ("Authorization", "Basic eDp5"), status=(401, 403))
    yield from ask(url, _bearer(plan))
    statuses = (without.status, wrong.status, other.status)
    return Seen(
        words=f"HTTP {statuses[0]} without a token, {statuses[1]} with a wrong one, {statuses[2]} with another scheme"
    )


def _cors(plan: ChannelPlan) -> Flow[Seen]:
    asked: tuple[Header, ...] = (("Origin", STRANGER), ("Access-Control-Request-Method", "GET"))
    reply = yield from ask(
        f"{plan.base}{V1}/account", *asked, method="OPTIONS", status=(200, 204, 400, 403, 405)
    )
    allowed = reply.header("access-control-allow-origin")
    if allowed not in ("*", STRANGER):
        return Seen(words="a page of another origin may not ask")
    return Seen(words=f"any web page may ask (CORS {allowed}): as advertised, and not for production")


# -- in a simulator only -----------------------------------------------------------------------------------------------


def _log_in(plan: ChannelPlan) -> Flow[tuple[str, HttpReply]]:
    if plan.login is None:
        raise NotAsPromised("there is no login to try")
    number, _, server = plan.login.user.reveal().partition("@")
    body = {"account_number": int(number), "password": plan.login.password, "server": server}
    reply = yield from ask(f"{plan.base}{V1}/login", method="POST", json=body)
    told = object_of(reply, "session_token", "account_number", "server", "expires_in")
    promised(told["account_number"] == int(number), "the answer is about another account")
    promised(told["expires_in"] == LIFETIME, f"a token lives {told['expires_in']} s, not a day")
    token = told["session_token"]
    promised(isinstance(token, str) and len(token) == USUAL_LENGTH, "the token is not 32 random bytes")
    return token, reply


def _login(plan: ChannelPlan) -> Flow[Seen]:
    token, reply = yield from _log_in(plan)
    again, _reply = yield from _log_in(plan)
    promised(token != again, "two logins win the same token")
    yield from ask(f"{plan.base}{V1}/account", _token(token))
    wrong = {"account_number": 1, "password": "wrong", "server": "Nowhere"}
    refused = yield from ask(f"{plan.base}{V1}/login", method="POST", json=wrong, status=(401, 500))
    return Seen(
        words=f"a token of {USUAL_LENGTH} characters for a day opens the account; a wrong password gets HTTP {refused.status}",
        figures={"token_characters": len(token), "expires_in_seconds": LIFETIME, "seconds": reply.seconds},
    )


def _logout(plan: ChannelPlan) -> Flow[Seen]:
    token, _reply = yield from _log_in(plan)
    yield from ask(f"{plan.base}{V1}/logout", _token(token), method="POST")
    yield from ask(f"{plan.base}{V1}/account", _token(token), status=401)
    return Seen(words="HTTP 200, and 401 to the same token afterwards")


def _validation(plan: ChannelPlan) -> Flow[Seen]:
    bodies: tuple[object, ...] = (
        {},
        {"account_number": "abc", "password": "p", "server": "s"},
        {"account_number": 1, "password": 2, "server": "s"},
        [],
    )
    for body in bodies:
        reply = yield from ask(f"{plan.base}{V1}/login", method="POST", json=body, status=422)
        object_of(reply, "detail")
    yield from ask(f"{plan.base}{V1}/history?from_days_ago=many", _bearer(plan), status=422)
    return Seen(
        words=f"HTTP 422 to {len(bodies)} malformed logins and a malformed query",
        figures={"malformed": len(bodies) + 1},
    )


def _reading(name: str, promise: str, flow: Callable[[ChannelPlan], Flow[Seen]]) -> Channel:
    return Channel(name=f"GET {V1}/{name}", promise=promise, flow=flow)


CHANNELS = (
    Channel(name="GET /", promise="It names itself and its endpoints.", flow=_root, needs_account=False),
    Channel(
        name="GET /health", promise="It tells status, time and sessions.", flow=_health, needs_account=False
    ),
    Channel(name="GET /healthz", promise="The later version answers.", flow=_healthz, needs_account=False),
    Channel(
        name="GET /docs, /redoc, /openapi.json",
        promise="The documentation describes what there is, or is closed.",
        flow=_documentation,
        needs_account=False,
    ),
    Channel(
        name=f"POST {V1}/login",
        promise="A login wins a token of its own that lives a day; a wrong one does not.",
        flow=_login,
        changes=True,
    ),
    Channel(name=f"POST {V1}/logout", promise="A token ends with its logout.", flow=_logout, changes=True),
    _reading("account", "The account has all its fields, and they fit each other.", _account),
    *(
        _reading(name, "It is what the account shows.", partial(_amount, name))
        for name in ("balance", "equity")
    ),
    _reading("snapshot", "It agrees with the account and the positions.", _snapshot),
    _reading("positions", "Each position has a side and a volume.", _positions),
    _reading("orders", "The orders are a list.", _orders),
    _reading("history", "It counts its deals right, and a week has those of a day.", _history),
    _reading(
        "symbol/{symbol}",
        "Bid is below ask, the spread is right, and unknown symbols are not found.",
        _symbol,
    ),
    _reading(
        "server-time",
        "The broker's clock is not ahead of ours but for its zone, and its newest tick is of this week.",
        _server_time,
    ),
    Channel(name="Bearer tokens", promise="Nobody gets in without the right token.", flow=_tokens),
    Channel(name="CORS", promise="What web pages may do is known.", flow=_cors, needs_account=False),
    Channel(
        name="Malformed requests",
        promise="What is malformed is refused as that.",
        flow=_validation,
        changes=True,
    ),
)
