import json
from collections.abc import Mapping
from typing import Any

import pytest

from probe.brokers.mt5.terminal import RULES, TerminalSurvey
from probe.model.credentials import Credentials, Secret, redactor_for
from probe.model.endpoint import Account
from probe.model.events import Ended, Event, HeartbeatMissed, Phase, QuoteArrived, Told
from probe.model.failures import Failure
from probe.model.intents import AskBalance
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    Direction,
    Effect,
    Figure,
    Figures,
    OrderList,
    Quote,
    Quotes,
    Refused,
    Troubles,
)
from probe.session.broker import AccessPoint
from probe.session.polled import Answered, Asked, PolledSession, PollPlan, Said
from probe.wire.calls import Call, NewLines, ReadLines, Reply, TerminalCall
from tests.brokers.mt5.replied import (
    ACCOUNT,
    INFO,
    MONDAY_UTC,
    NO_IPC,
    PLAN,
    SATURDAY_UTC,
    ZONE,
    Desk,
    Sitting,
    drive,
    kinds,
    plan,
    reply,
    troubles,
)

BRIDGE = plan(base="bridge://127.0.0.1:18812")
PASSWORD = "planted-pa55word"


def login(**fields: Any) -> Credentials:
    text = json.dumps({"account": 12345678, "password": PASSWORD, "server": "Broker-Demo"} | fields)
    return Credentials(
        broker="mt5", frame=Secret(text), token=Secret(PASSWORD), account=Account.NONE, user=None
    )


def elsewhere(desk: Desk) -> Desk:
    """The terminal shows another account until somebody logs in."""
    desk.values["account_info"] = lambda: (
        ACCOUNT | ({} if "login" in desk.functions else {"login": 99, "server": "Other-Real"})
    )
    return desk


def told(said: Said, kind: type) -> list[Any]:
    assert isinstance(said, tuple)
    return [each for each in said if isinstance(each, kind)]


# -- whether a terminal is there -----------------------------------------------------------------------------------------


def test_nothing_is_called_where_no_terminal_runs() -> None:
    desk = Desk(running=False)
    sitting = Sitting(desk)
    assert desk.functions == ["look"]
    (trouble,) = troubles(sitting.opened).values()
    assert (trouble.code, trouble.effect, trouble.certain) == ("mt5.terminal-crashed", Effect.STALLS, True)
    assert Admitted not in kinds(sitting.entered)
    for name in ("account", "tick EURUSD", "positions", "symbols", "assets"):
        assert troubles(sitting.ask(name)) == {}
    assert desk.functions == ["look"]


def test_the_process_is_looked_for_before_any_call() -> None:
    desk = Desk()
    Sitting(desk)
    assert desk.functions == ["look", "terminal_info", "account_info"]


def test_a_running_terminal_is_attached_to_without_a_login() -> None:
    desk = Desk()
    desk.is_attached = False
    sitting = Sitting(desk)
    assert desk.functions[:4] == ["look", "terminal_info", "initialize", "terminal_info"]
    (call,) = [
        each for each in desk.asked if isinstance(each, TerminalCall) and each.function == "initialize"
    ]
    assert (call.arguments, dict(call.named)) == ((), {"timeout": 12_000})
    assert troubles(sitting.opened) == {}


def test_a_bridge_whose_process_cannot_be_seen_is_never_told_to_attach() -> None:
    desk = Desk(running=None)
    desk.is_attached = False
    sitting = Sitting(desk, BRIDGE)
    assert desk.functions == ["look", "terminal_info"]
    (trouble,) = troubles(sitting.opened).values()
    assert (trouble.code, trouble.effect) == ("mt5.no-ipc", Effect.STALLS)
    assert "cannot be seen" in trouble.sentence


def test_a_bridge_that_is_attached_is_asked_like_any_terminal() -> None:
    desk = Desk(running=None)
    sitting = Sitting(desk, BRIDGE)
    assert troubles(sitting.opened) == {}
    assert Admitted in kinds(sitting.entered)


def test_a_terminal_that_does_not_let_itself_be_attached_to_stalls() -> None:
    desk = Desk()
    desk.is_attached = desk.can_attach = False
    (trouble,) = troubles(Sitting(desk).opened).values()
    assert (trouble.code, trouble.effect) == ("mt5.ipc-timeout", Effect.STALLS)
    assert trouble.sentence.startswith("initialize failed: the terminal runs and does not answer")


def test_versions_that_do_not_fit_are_told_only_when_the_terminal_says_so() -> None:
    desk = Desk()
    desk.replies["terminal_info"] = reply(None, (-5, "Terminal: Incompatible versions"))
    assert list(troubles(Sitting(desk).opened)) == ["mt5.version-mismatch"]
    desk = Desk()
    desk.values["terminal_info"]["build"] = 1
    assert troubles(Sitting(desk).opened) == {}


def test_a_terminal_that_is_restarted_is_attached_to_again() -> None:
    desk = Desk()
    sitting = Sitting(desk)
    desk.running, desk.is_attached = False, False
    assert list(troubles(sitting.ask("account"))) == ["mt5.no-ipc"]
    desk.asked.clear()
    assert list(troubles(sitting.ask("terminal"))) == ["mt5.terminal-crashed"]
    assert desk.functions == ["look"]
    desk.running = True
    assert troubles(sitting.ask("terminal")) == {}
    assert desk.functions == ["look", "look", "terminal_info", "initialize", "terminal_info"]
    assert troubles(sitting.ask("account")) == {}


def test_a_terminal_that_is_started_later_admits_later() -> None:
    desk = Desk(running=False)
    sitting = Sitting(desk)
    desk.running = True
    sitting.ask("terminal")
    said = sitting.ask("account")
    assert kinds(said) == [Balance, Troubles, Admitted]
    assert Admitted not in kinds(sitting.ask("account"))


def test_a_call_that_nobody_answers_ends_the_attempt() -> None:
    desk = Desk()
    desk.replies["terminal_info"] = Failure(kind="local.timeout")
    assert drive(Sitting(Desk()).survey.open(0.0), desk) == Failure(kind="local.timeout")


# -- the account ---------------------------------------------------------------------------------------------------------


def test_without_a_credential_whatever_is_logged_in_is_watched() -> None:
    sitting = Sitting(Desk())
    assert sitting.entered == (
        Balance(amount=10_000.0, is_demo=True),
        Troubles(about="account"),
        Admitted(user="12345678", server="Broker-Demo"),
    )
    assert "login" not in sitting.desk.functions
    assert RULES.needs_login is False


def test_a_token_logs_in_nowhere() -> None:
    desk = elsewhere(Desk())
    token = Secret('{"token": "x", "account": 12345678}')
    credentials = Credentials(broker="mt5", frame=token, token=token, account=Account.NONE, user="12345678")
    sitting = Sitting(desk, credentials=credentials)
    assert "login" not in desk.functions
    assert list(troubles(sitting.entered)) == ["mt5.multi-terminal"]


def test_a_login_is_made_with_what_the_credential_says_and_hides_it() -> None:
    desk = elsewhere(Desk())
    sitting = Sitting(desk, credentials=login())
    (call,) = [each for each in desk.asked if isinstance(each, TerminalCall) and each.function == "login"]
    assert call.arguments == (12345678,)
    assert call.named == {"password": Secret(PASSWORD), "server": "Broker-Demo", "timeout": 12_000}
    assert PASSWORD not in repr(desk.asked)
    assert Admitted in kinds(sitting.entered)


def test_an_account_that_is_shown_already_is_not_logged_in_to_again() -> None:
    desk = Desk()
    assert Admitted in kinds(Sitting(desk, credentials=login()).entered)
    assert "login" not in desk.functions


def test_the_same_number_at_another_server_is_another_account() -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | {"server": "Other-Real"}
    Sitting(desk, credentials=login())
    assert "login" in desk.functions


def test_a_refused_login_is_refused_with_words_and_not_repeated() -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | {"login": 99}
    desk.replies["login"] = reply(False, (-6, "Terminal: Authorization failed"))
    sitting = Sitting(desk, credentials=login())
    assert isinstance(sitting.entered, tuple)
    (refused,) = told(sitting.entered, Refused)
    assert "compare the server's name" in refused.reason.lower()
    assert list(troubles(sitting.entered)) == ["mt5.auth-failed"]
    sitting.ask("account")
    assert desk.functions.count("login") == 1


def test_a_login_that_is_not_answered_is_no_refusal() -> None:
    desk = elsewhere(Desk())
    desk.replies["login"] = reply(False, (-10005, "IPC timeout"))
    entered = Sitting(desk, credentials=login()).entered
    assert isinstance(entered, Failure)
    assert entered.kind == "local.timeout"


def test_a_login_that_could_only_be_tried_later_and_is_refused_ends_the_session() -> None:
    desk = elsewhere(Desk(running=False))
    desk.replies["login"] = reply(False, (-6, "Terminal: Authorization failed"))
    sitting = Sitting(desk, credentials=login())
    assert "login" not in desk.functions
    desk.running = True
    sitting.ask("terminal")
    said = sitting.ask("account")
    assert isinstance(said, Failure)
    assert said.kind == "auth.refused"


@pytest.mark.parametrize("value", [None, {"login": 0, "server": ""}])
def test_a_terminal_without_a_login_shuts_out(value: object) -> None:
    desk = Desk()
    desk.replies["account_info"] = reply(
        value, (-1, "Terminal: Call failed") if value is None else (1, "Success")
    )
    entered = Sitting(desk).entered
    (trouble,) = troubles(entered).values()
    assert (trouble.code, trouble.effect) == ("mt5.auth-failed", Effect.SHUTS_OUT)
    assert Admitted not in kinds(entered)


@pytest.mark.parametrize("other", [{"login": 99}, {"server": "Other-Real"}])
def test_another_account_shuts_out_and_its_money_is_not_told(other: dict[str, object]) -> None:
    desk = Desk()
    sitting = Sitting(desk)
    desk.values["account_info"] = ACCOUNT | other
    said = sitting.ask("account")
    (trouble,) = troubles(said).values()
    assert (trouble.code, trouble.effect, trouble.certain) == ("mt5.multi-terminal", Effect.SHUTS_OUT, True)
    assert kinds(said) == [Troubles]


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"trade_allowed": False}, "mt5.investor-password"), ({"trade_expert": False}, "mt5.algo-off-server")],
)
def test_rights_that_never_were_are_noted_and_lost_ones_degrade(fields: dict[str, object], code: str) -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | fields
    sitting = Sitting(desk)
    assert [(each.code, each.effect) for each in troubles(sitting.entered).values()] == [(code, Effect.NOTED)]
    desk.values["account_info"] = ACCOUNT
    assert troubles(sitting.ask("account")) == {}
    desk.values["account_info"] = ACCOUNT | fields
    assert [each.effect for each in troubles(sitting.ask("account")).values()] == [Effect.DEGRADES]


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"margin_level": 99.0}, ["mt5.trade-disabled"]),
        ({"margin_level": 0.0, "margin": 0.0}, []),
        ({"margin_so_mode": 1, "margin_so_call": 11_000.0}, ["mt5.trade-disabled"]),
        ({"margin_so_mode": 1, "margin_level": 1.0}, []),
    ],
)
def test_a_margin_call_is_noted_in_the_brokers_own_unit(fields: dict[str, object], codes: list[str]) -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | fields
    assert list(troubles(Sitting(desk).entered)) == codes


@pytest.mark.parametrize(("mode", "is_demo"), [(0, True), (1, True), (2, False), (7, None)])
def test_the_terminal_says_whether_the_money_is_real(mode: int, is_demo: bool | None) -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | {"trade_mode": mode}
    assert told(Sitting(desk).entered, Balance) == [Balance(amount=10_000.0, is_demo=is_demo)]


# -- the link to the broker ----------------------------------------------------------------------------------------------


def beats(desk: Desk, sitting: Sitting, *changes: Mapping[str, object]) -> list[Said]:
    said: list[Said] = []
    for place, change in enumerate(changes):
        desk.values["terminal_info"] = {**INFO, **change}
        said.append(sitting.ask("terminal", 10.0 * (place + 1)))
    return said


def test_a_healthy_terminal_has_no_trouble_in_any_round() -> None:
    desk = Desk()
    desk.values["symbol_info_tick"] = lambda _: {"time_msc": 1, "bid": 1.1, "ask": 1.2}
    desk.values["symbol_info"] = lambda _: {"trade_mode": 4, "select": True}
    sitting = Sitting(desk)
    names = [each.name for each in sitting.survey.rounds()]
    assert names == [
        "terminal", "account", "tick EURUSD", "tick GBPUSD", "positions", "orders", "deals", "deals again", "symbols",
        "assets",
    ]  # fmt: skip
    assert [troubles(sitting.ask(name)) for name in names] == [{}] * len(names)


def test_a_terminal_without_its_broker_stalls_and_its_old_money_is_not_told() -> None:
    desk = Desk()
    sitting = Sitting(desk)
    (said,) = beats(desk, sitting, {"connected": False})
    (trouble,) = troubles(said).values()
    assert (trouble.code, trouble.effect, trouble.certain) == (
        "mt5.no-server-connection",
        Effect.STALLS,
        True,
    )
    assert kinds(sitting.ask("account")) == [Troubles]


def test_a_ping_is_a_figure_once_and_none_is_none() -> None:
    desk = Desk()
    sitting = Sitting(desk)
    assert told(sitting.opened, Figures) == [Figures(rows=(Figure("terminal_ping_seconds", 0.07785),))]
    said = beats(desk, sitting, {}, {"ping_last": 0}, {"ping_last": 80_000}, {"ping_last": 80_000})
    assert [len(told(each, Figures)) for each in said] == [0, 0, 1, 0]


def usual_pings(desk: Desk, sitting: Sitting) -> None:
    beats(desk, sitting, *({"ping_last": 20_000 + each} for each in range(20)))


def test_one_high_ping_alone_is_no_trouble_and_two_are() -> None:
    desk = Desk()
    desk.values["terminal_info"] = INFO | {"ping_last": 20_000}
    sitting = Sitting(desk)
    usual_pings(desk, sitting)
    said = beats(desk, sitting, *({"ping_last": each} for each in (300_000, 300_000, 310_000, 20_001)))
    assert [list(troubles(each)) for each in said] == [[], [], ["mt5.ping-high"], []]


def test_a_high_ping_with_lost_packets_is_trouble_at_once() -> None:
    desk = Desk()
    desk.values["terminal_info"] = INFO | {"ping_last": 20_000}
    sitting = Sitting(desk)
    usual_pings(desk, sitting)
    (said,) = beats(desk, sitting, {"ping_last": 300_000, "retransmission": 2.5})
    (trouble,) = troubles(said).values()
    assert trouble.sentence == (
        "the terminal's ping to its broker is 300 ms, and usually 20 ms, and 2.5 % of this machine's packets had to be sent again"
    )


@pytest.mark.parametrize(("percent", "codes"), [(2.0, []), (2.1, ["mt5.ping-high"])])
def test_lost_packets_degrade_from_two_percent_on(percent: float, codes: list[str]) -> None:
    desk = Desk()
    (said,) = beats(desk, Sitting(desk), {"retransmission": percent})
    assert list(troubles(said)) == codes


@pytest.mark.parametrize("off", [{"trade_allowed": False}, {"tradeapi_disabled": True}])
def test_algo_trading_off_is_noted_and_degrades_when_it_was_on(off: dict[str, object]) -> None:
    desk = Desk()
    desk.values["terminal_info"] = INFO | off
    sitting = Sitting(desk)
    assert [(each.code, each.effect) for each in troubles(sitting.opened).values()] == [
        ("mt5.algo-off", Effect.NOTED)
    ]
    said = beats(desk, sitting, {}, off)
    assert [[each.effect for each in troubles(one).values()] for one in said] == [[], [Effect.DEGRADES]]


@pytest.mark.parametrize("value", [[], "yes", 7, {"connected": "yes"}, {}])
def test_an_answer_of_another_shape_is_told_and_raises_nothing(value: object) -> None:
    desk = Desk()
    sitting = Sitting(desk)
    desk.replies = dict.fromkeys(
        ("terminal_info", "positions_get", "symbol_info_tick", "symbol_info"), reply(value)
    )
    names = ["terminal", "positions", "tick EURUSD"]
    codes = {code for name in names for code in troubles(sitting.ask(name))}
    assert "mt5.bridge-type-error" in codes
    assert codes <= {"mt5.bridge-type-error", "mt5.no-prices"}


@pytest.mark.parametrize(
    "fields",
    [
        {"login": "12345678"},
        {"login": True},
        {"login": float("nan")},
        {"balance": 10**400, "margin": "x", "trade_allowed": None, "server": 7, "trade_mode": []},
    ],
)
def test_an_account_of_odd_fields_raises_nothing(fields: dict[str, object]) -> None:
    desk = Desk()
    desk.values["account_info"] = ACCOUNT | fields
    assert isinstance(Sitting(desk).entered, tuple)


# -- prices --------------------------------------------------------------------------------------------------------------


class Tape:
    """Two symbols that tick once a second, until they are stopped."""

    def __init__(self, utc_at_zero: float = MONDAY_UTC, zone: float = ZONE) -> None:
        self.utc_at_zero, self.zone, self.now, self.late = utc_at_zero, zone, 0.0, 0.0
        self.frozen: dict[str, float] = {}
        desk = Desk()
        desk.values["symbol_info_tick"] = self.tick
        desk.values["symbol_info"] = lambda symbol: {
            "trade_mode": 4, "select": True, "digits": 5, "description": f"{symbol} here", "path": "Forex\\Major",
        }  # fmt: skip
        self.desk = desk
        self.sitting = Sitting(desk, plan(utc_at_zero=utc_at_zero))

    def tick(self, symbol: str) -> dict[str, object]:
        at = self.frozen.get(symbol, self.now)
        msc = round((self.utc_at_zero + self.zone + at - self.late) * 1000)
        return {"time": msc // 1000, "time_msc": msc, "bid": 1.1, "ask": 1.2, "last": 0.0}

    def run(self, seconds: int, *symbols: str) -> list[Said]:
        said: list[Said] = []
        for _ in range(seconds):
            self.now += 1.0
            said += [self.sitting.ask(f"tick {each}", self.now) for each in symbols or PLAN.symbols]
        return said

    def stop(self, *symbols: str) -> None:
        self.frozen = dict.fromkeys(symbols or PLAN.symbols, self.now)

    def offset(self) -> float | None:
        return self.sitting.survey._market.offset_seconds

    def beat(self) -> dict[str, Any]:
        return troubles(self.sitting.ask("terminal", self.now))


def test_a_price_counts_when_its_time_went_on() -> None:
    tape = Tape()
    first, _, second, _ = tape.run(2)
    assert kinds(first) == [Troubles]
    assert told(second, Quotes) == [Quotes((Quote("EURUSD", MONDAY_UTC + ZONE + 2.0, 1.1),))]
    tape.stop()
    assert kinds(tape.run(1)[0]) == [Troubles]


def test_no_more_than_five_symbols_are_asked_for() -> None:
    sitting = Sitting(Desk(), plan(symbols=tuple("ABCDEFG")))
    names = [each.name for each in sitting.survey.rounds() if each.name.startswith("tick")]
    assert names == [f"tick {each}" for each in "ABCDE"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ((-4, "Terminal: Not found"), "data.unknown-asset"),
        ((-1, "Terminal: Call failed"), "mt5.symbol-not-selected"),
        (NO_IPC, "mt5.no-ipc"),
    ],
)
def test_a_symbol_without_a_tick_is_told_by_its_cause(error: tuple[int, str], code: str) -> None:
    desk = Desk()
    desk.replies["symbol_info_tick"] = reply(None, error)
    assert list(troubles(Sitting(desk).ask("tick EURUSD"))) == [code]


def test_a_symbol_without_a_price_yet_is_told() -> None:
    desk = Desk()
    desk.values["symbol_info_tick"] = {"time_msc": 0, "time": 0, "bid": 0.0, "ask": 0.0, "last": 0.0}
    assert list(troubles(Sitting(desk).ask("tick EURUSD"))) == ["mt5.no-prices"]


def test_prices_that_stand_still_on_a_trading_day_stall() -> None:
    tape = Tape()
    tape.run(5)
    tape.stop()
    tape.run(100)
    assert tape.beat() == {}
    tape.run(30)
    (trouble,) = tape.beat().values()
    assert (trouble.code, trouble.effect) == ("data.stale-ticks", Effect.STALLS)


def test_prices_that_stand_still_because_the_broker_is_away_are_told_as_that() -> None:
    tape = Tape()
    tape.run(5)
    tape.stop()
    tape.run(130)
    tape.desk.values["terminal_info"] = INFO | {"connected": False}
    assert list(tape.beat()) == ["mt5.no-server-connection"]


@pytest.mark.parametrize(
    "utc", [SATURDAY_UTC, MONDAY_UTC + 12 * 3600]
)  # a weekend; the pause at the end of a day
def test_a_closed_market_is_no_frozen_feed(utc: float) -> None:
    tape = Tape(utc)
    tape.run(1)
    tape.stop()
    tape.run(130)
    assert tape.beat() == {}


def test_at_a_weekend_what_ticks_is_open_and_the_rest_is_closed() -> None:
    tape = Tape(SATURDAY_UTC)
    tape.stop("GBPUSD")
    tape.run(6)
    (assets,) = told(tape.sitting.ask("assets", tape.now), Assets)
    assert [(each.symbol, each.is_open) for each in assets.rows] == [("EURUSD", True), ("GBPUSD", False)]
    (first, _) = assets.rows
    assert (first.label, first.kind, first.digits) == ("EURUSD here", "Forex", 5)


def test_the_brokers_offset_is_learnt_and_late_prices_are_told() -> None:
    tape = Tape()
    tape.run(2)
    assert tape.offset() is None  # one look may be wrong
    tape.run(3)
    assert tape.offset() == ZONE
    assert tape.beat() == {}
    tape.late = 90.0
    tape.run(200)
    (trouble,) = tape.beat().values()
    assert (trouble.code, trouble.effect) == ("data.stale-ticks", Effect.DEGRADES)
    assert trouble.sentence == "prices come, and are 90 s old when they come"


def test_one_symbol_teaches_no_offset_and_neither_does_a_weekend() -> None:
    alone = Tape()
    alone.run(20, "EURUSD")
    assert alone.offset() is None
    resting = Tape(SATURDAY_UTC)
    resting.run(20)
    assert resting.offset() is None


def test_daylight_saving_moves_the_offset_and_is_noted() -> None:
    tape = Tape()
    tape.run(5)
    tape.zone = ZONE + 3600.0
    tape.run(10)
    assert [(each.code, each.effect) for each in tape.beat().values()] == [
        ("mt5.server-timezone", Effect.NOTED)
    ]
    assert tape.offset() == ZONE + 3600.0


def test_a_symbol_that_may_not_be_traded_is_closed() -> None:
    tape = Tape()
    tape.desk.values["symbol_info"] = lambda _: {"trade_mode": 0, "select": True}
    tape.run(3)
    said = tape.sitting.ask("assets", tape.now)
    assert [each.is_open for each in told(said, Assets)[0].rows] == [False, False]
    assert list(troubles(said)) == ["mt5.trade-disabled"]


# -- lists, slow calls, journal, access points ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["positions", "orders", "deals"])
def test_none_is_a_failure_and_never_empty(name: str) -> None:
    desk = Desk()
    sitting = Sitting(desk)
    function = {"positions": "positions_get", "orders": "orders_get", "deals": "history_deals_get"}[name]
    assert troubles(sitting.ask(name)) == {}
    desk.replies[function] = reply(None, (-1, "Terminal: Call failed"))
    said = sitting.ask(name)
    assert list(troubles(said)) == ["mt5.none-as-empty"]
    assert kinds(said) == [Troubles]
    desk.replies[function] = reply([], (-10005, "IPC timeout"))  # somebody in between made it empty
    assert [(each.code, each.certain) for each in troubles(sitting.ask(name)).values()] == [
        ("mt5.none-as-empty", True)
    ]


def test_positions_are_told_as_open_orders() -> None:
    desk = Desk()
    desk.values["positions_get"] = [
        {
            "ticket": 7,
            "symbol": "EURUSD",
            "type": 1,
            "volume": 0.1,
            "time": 1.5e9,
            "price_open": 1.1,
            "profit": -2.5,
        }
    ]
    (orders,) = told(Sitting(desk).ask("positions"), OrderList)
    (order,) = orders.orders
    assert (order.id, order.direction, order.amount, order.profit, order.is_demo) == (
        "7", Direction.PUT, 0.1, -2.5, True,
    )  # fmt: skip


def test_a_terminal_that_knows_no_symbols_is_told() -> None:
    desk = Desk()
    desk.values["symbols_total"] = 0
    assert list(troubles(Sitting(desk).ask("symbols"))) == ["mt5.no-prices"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trade_mode": 3}, "mt5.trade-disabled"),
        ({"select": False, "trade_mode": 4}, "mt5.symbol-not-selected"),
    ],
)
def test_a_restricted_symbol_is_told(fields: dict[str, object], code: str) -> None:
    desk = Desk()
    desk.values["symbol_info"] = lambda _: fields
    assert list(troubles(Sitting(desk).ask("assets"))) == [code]


@pytest.mark.parametrize(("where", "code"), [(PLAN, "mt5.ipc-timeout"), (BRIDGE, "mt5.bridge-timeout")])
def test_a_slow_call_degrades(where: Any, code: str) -> None:
    desk = Desk()
    sitting = Sitting(desk, where)
    desk.replies["orders_get"] = reply([], seconds=3.0)
    (trouble,) = troubles(sitting.ask("orders")).values()
    assert (trouble.code, trouble.effect) == (code, Effect.DEGRADES)


def test_all_calls_share_one_lane_and_only_the_beat_is_one() -> None:
    rounds = Sitting(Desk()).survey.rounds()
    assert {each.lane for each in rounds} == {"terminal"}
    assert [each.name for each in rounds if each.is_beat] == ["terminal"]


def journal_said(*lines: str, connected: bool) -> Said:
    desk = Desk()
    sitting = Sitting(desk, plan(journal="logs"))
    beats(desk, sitting, {"connected": connected})

    def respond(call: Call) -> Reply:
        assert call == ReadLines(folder="logs")
        return NewLines(file="20261123.log", lines=lines, is_first=False)

    (each,) = [each for each in sitting.survey.rounds() if each.name == "journal"]
    assert (each.every, each.lane) == (5.0, "journal")
    return drive(each.ask(20.0), respond)


LOST = "PE\t0\t10:00:00.000\tNetwork\t'1': connection to Broker-Demo lost"


def test_the_journal_is_read_and_the_terminals_word_about_now_stands_above_it() -> None:
    assert list(troubles(journal_said(LOST, connected=False))) == ["mt5.no-server-connection"]
    assert troubles(journal_said(LOST, connected=True)) == {}


def test_a_journal_that_cannot_be_read_is_only_noted() -> None:
    sitting = Sitting(Desk(), plan(journal="logs"))
    (each,) = [each for each in sitting.survey.rounds() if each.name == "journal"]
    said = drive(each.ask(20.0), lambda _: Failure(kind="local.timeout"))
    assert [each.effect for each in troubles(said).values()] == [Effect.NOTED]


def test_access_points_are_a_round_of_their_own() -> None:
    place = AccessPoint(name="NY-3", host="192.0.2.10", port=443)
    rounds = Sitting(Desk(), plan(access_points=(place,))).survey.rounds()
    assert [(each.name, each.lane) for each in rounds][-1] == ("access", "access")


# -- in a session --------------------------------------------------------------------------------------------------------


def session(desk: Desk, credentials: Credentials | None, seconds: int) -> list[Event]:
    polled = PolledSession(
        survey=TerminalSurvey(PLAN),
        credentials=credentials,
        plan=PollPlan(account=Account.NONE),
        redact=redactor_for(credentials),
    )
    polled.begin(0.0)
    events: list[Event] = []
    for tenth in range(seconds * 10):
        now = tenth / 10
        polled.wake(now)
        while calls := [each for each in polled.outgoing() if isinstance(each, Asked)]:
            for each in calls:
                polled.receive(Answered(number=each.number, reply=desk(each.call)), now)
        events += polled.events()
    assert PASSWORD not in repr(polled.transcript())
    return events


def test_a_session_without_a_credential_lives_and_brings_prices() -> None:
    desk = Desk()
    clock = iter(range(1, 10_000))
    desk.values["symbol_info_tick"] = lambda _: {"time_msc": next(clock) * 1000, "bid": 1.1, "ask": 1.2}
    events = session(desk, None, 30)
    assert not [each for each in events if isinstance(each, Ended)]
    assert sum(isinstance(each, QuoteArrived) for each in events) > 40
    assert [
        each.meaning.user for each in events if isinstance(each, Told) and isinstance(each.meaning, Admitted)
    ] == ["12345678"]
    assert {"initialize", "login", "shutdown", "symbol_select"}.isdisjoint(desk.functions)


def test_a_session_with_a_wrong_password_ends_at_the_login() -> None:
    desk = elsewhere(Desk())
    desk.replies["login"] = reply(False, (-6, "Terminal: Authorization failed"))
    (ended,) = [each for each in session(desk, login(), 60) if isinstance(each, Ended)]
    assert ended.failure is not None
    assert (ended.phase, ended.failure.kind) == (Phase.AUTHENTICATING, "auth.refused")
    assert desk.functions.count("login") == 1


def test_a_session_whose_terminal_hangs_misses_its_beat() -> None:
    class Hanging(Desk):
        def __call__(self, call: Call) -> Reply:
            came = super().__call__(call)
            return Failure(kind="local.timeout") if self.functions.count("terminal_info") > 2 else came

    assert not [each for each in session(Desk(), None, 15) if isinstance(each, HeartbeatMissed)]
    assert [each for each in session(Hanging(), None, 15) if isinstance(each, HeartbeatMissed)]


def test_the_balance_can_be_asked_for() -> None:
    (account,) = [each for each in Sitting(Desk()).survey.rounds() if isinstance(each.intent, AskBalance)]
    assert account.name == "account"
