"""How Quotex behaves around its protocol."""

from probe.brokers.quotex.dialect import Dialect
from probe.model.meanings import Notice
from probe.session.broker import HouseRules, OrderProblem

ZONE_SECONDS = 0.0  # the stamps of ticks are UTC; the profile's offset is about what its web pages show


def house_of(dialect: Dialect) -> HouseRules:
    instruments_first = dialect.first_after_login == "instruments"
    pushed = [
        "purses",
        "balance",
        "assets",
        "open orders",
        "closed orders",
        "pending orders",
        "settings/list",
    ]
    if instruments_first:
        pushed.remove("assets")
    return HouseRules(
        before_verdict=("assets",) if instruments_first else (),
        after_login=tuple(pushed),
        login_seconds=(0.5, 1.0),  # one trace shows 0.83
        one_login_for_all_accounts=True,
        notices={"settings/list": []},
        # `pending/list` is told after the login and with each change; the answers to other murmurs have no known names.
        murmur_answers={name: Notice(name=name, payload=[]) for name in ("indicator/list", "drawing/load")},
        page_rows=199,
        recent_candles=199,
        recent_seconds=570.0,
        candles_lag=1,
        guest_balance=10_000.0,
        order_seconds=(5, 14_400),
        order_errors={OrderProblem.BALANCE: "not_money", OrderProblem.OPEN_TIME: "open_time_min"},
        silent_about=frozenset((OrderProblem.CLOSED, OrderProblem.EXPIRY, OrderProblem.ASSET)),
        sentiment_every=2.0,
        signal_words=("put", "call"),
        rows_together=dialect.quote_rows == "many",
    )
