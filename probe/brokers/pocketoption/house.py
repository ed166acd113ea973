"""How PocketOption behaves around its protocol, and what a credential of it looks like when the simulator issues one."""

import hashlib
import json

from probe.model.credentials import Credentials
from probe.model.endpoint import Account, Address
from probe.model.meanings import Notice
from probe.session.broker import HouseRules, OrderProblem, SimulatedAccount

ZONE_SECONDS = 7200.0  # the broker's clock is UTC plus two hours, summer and winter
ORIGIN = "https://pocketoption.com"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"

_EMPTY_LISTS: dict[str, object] = {"list": [], "favorites": []}

HOUSE = HouseRules(
    after_login=("balance", "open orders", "closed orders", "assets", "updateCharts"),
    notices={
        "updateCharts": [{"chart_id": "chart-1", "settings": '{"chartId":"chart-1","symbol":"EURUSD_otc"}'}]
    },
    murmur_answers={
        name: Notice(name=f"success{name}", payload=_EMPTY_LISTS)
        for name in ("indicator/load", "favorite/load", "price-alert/load")
    }
    | {
        "signals/stats": Notice(name="successsignals/stats", payload=[]),
    },
    stream_cap=4,
    signal_words=("0", "1", "2", "3", "4"),
    page_tick_seconds=2_000.0,  # the captured page of ticks spans 1998 s
    # the two that were captured
    order_errors={OrderProblem.TOO_MANY: "MaxDemoTrades", OrderProblem.OPEN_TIME: "OPEN_TIME"},
)


def request_headers(credentials: Credentials | None, _: Address) -> tuple[tuple[str, str], ...]:
    """A real session is bound to the browser that made it, so its own user agent is sent."""
    agent = (credentials.user_agent if credentials else None) or BROWSER
    return (("Origin", ORIGIN), ("User-Agent", agent), ("Cache-Control", "no-cache"))


def write_credential(account: SimulatedAccount) -> str:
    """The frame a browser would have sent for this account."""
    session = account.token if account.account is Account.DEMO else _php_session(account)
    fields = {
        "session": session,
        "isDemo": int(account.account is Account.DEMO),
        "uid": int(account.user),
        "platform": 2,
        "isFastHistory": True,
        "isOptimized": True,
    }
    return "42" + json.dumps(["auth", fields], separators=(",", ":"))


def _php_session(account: SimulatedAccount) -> str:
    """The signed session of a real account, as PHP serialises it; lengths are byte counts."""
    agent = account.user_agent or BROWSER
    fields = (("session_id", account.token), ("ip_address", "203.0.113.7"), ("user_agent", agent))
    inside = "".join(
        f's:{len(name)}:"{name}";s:{len(value.encode())}:"{value}";' for name, value in fields
    )  # the documentation's address range: never a person's
    body = f'a:4:{{{inside}s:13:"last_activity";i:1732926685;}}'
    return body + hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
