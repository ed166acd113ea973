"""What the terminal's Python package returns: its named tuples, field by field in its own order, and its error codes."""

from collections import namedtuple
from typing import Any


def _shape(name: str, fields: str, defaults: tuple[object, ...] = ()) -> Any:
    """Without types: what matters is the order, and up to 96 annotations would hide it."""
    return namedtuple(name, fields, defaults=defaults)  # noqa: PYI024


TerminalInfo = _shape(
    "TerminalInfo",
    "community_account community_connection connected dlls_allowed trade_allowed tradeapi_disabled email_enabled "
    "ftp_enabled notifications_enabled mqid build maxbars codepage ping_last community_balance retransmission company "
    "name language path data_path commondata_path",
)
AccountInfo = _shape(
    "AccountInfo",
    "login trade_mode leverage limit_orders margin_so_mode trade_allowed trade_expert margin_mode currency_digits "
    "fifo_close balance credit profit equity margin margin_free margin_level margin_so_call margin_so_so "
    "margin_initial margin_maintenance assets liabilities commission_blocked name server currency company",
)
Tick = _shape("Tick", "time bid ask last volume time_msc flags volume_real")
TradePosition = _shape(
    "TradePosition",
    "ticket time time_msc time_update time_update_msc type magic identifier reason volume price_open sl tp "
    "price_current swap profit symbol comment external_id",
)
TradeOrder = _shape(
    "TradeOrder",
    "ticket time_setup time_setup_msc time_done time_done_msc time_expiration type type_time type_filling state magic "
    "position_id position_by_id reason volume_initial volume_current price_open sl tp price_current price_stoplimit "
    "symbol comment external_id",
)
TradeDeal = _shape(
    "TradeDeal",
    "ticket order time time_msc type entry magic position_id reason volume price commission swap profit fee symbol "
    "comment external_id",
)
TradeRequest = _shape(
    "TradeRequest",
    "action magic order symbol volume price stoplimit sl tp deviation type type_filling type_time expiration comment "
    "position position_by",
)
OrderCheckResult = _shape(
    "OrderCheckResult", "retcode balance equity profit margin margin_free margin_level comment request"
)

_FLAGS = ("custom", "select", "visible", "spread_float", "margin_hedged_use_leg")
_WHOLE = (
    "custom chart_mode select visible session_deals session_buy_orders session_sell_orders volume volumehigh volumelow "
    "time digits spread spread_float ticks_bookdepth trade_calc_mode trade_mode start_time expiration_time "
    "trade_stops_level trade_freeze_level trade_exemode swap_mode swap_rollover3days margin_hedged_use_leg "
    "expiration_mode filling_mode order_mode order_gtc_mode option_mode option_right"
)
_DECIMAL = (
    "bid bidhigh bidlow ask askhigh asklow last lasthigh lastlow volume_real volumehigh_real volumelow_real "
    "option_strike point trade_tick_value trade_tick_value_profit trade_tick_value_loss trade_tick_size "
    "trade_contract_size trade_accrued_interest trade_face_value trade_liquidity_rate volume_min volume_max volume_step "
    "volume_limit swap_long swap_short margin_initial margin_maintenance session_volume session_turnover "
    "session_interest session_buy_orders_volume session_sell_orders_volume session_open session_close session_aw "
    "session_price_settlement session_price_limit_min session_price_limit_max margin_hedged price_change "
    "price_volatility price_theoretical price_greeks_delta price_greeks_theta price_greeks_gamma price_greeks_vega "
    "price_greeks_rho price_greeks_omega price_sensitivity"
)
_WORDS = "basis category currency_base currency_profit currency_margin bank description exchange formula isin name page path"
SymbolInfo = _shape(
    "SymbolInfo",
    f"{_WHOLE} {_DECIMAL} {_WORDS}",
    defaults=(
        *(False if name in _FLAGS else 0 for name in _WHOLE.split()),
        *(0.0 for _ in _DECIMAL.split()),
        *("" for _ in _WORDS.split()),
    ),
)

SUCCESS = (1, "Success")
CALL_FAILED = (-1, "Terminal: Call failed")
INVALID_PARAMS = (-2, "Terminal: Invalid params")
NOT_FOUND = (-4, "Terminal: Not found")
AUTH_FAILED = (-6, "Terminal: Authorization failed")
API_DISABLED = (-8, "Auto-Trading using Python API disabled in Terminal")
NO_IPC = (-10004, "No IPC connection")

# Seconds of its time frames: minutes as they are, hours and days with a bit set.
TIMEFRAMES = {minutes: minutes * 60 for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)} | {
    0x4000 | hours: hours * 3600 for hours in (1, 2, 3, 4, 6, 8, 12, 24)
}

RETCODES = {  # of a trade server about a request
    0: "Done",
    10013: "Invalid request",
    10014: "Invalid volume",
    10017: "Trade is disabled",
    10018: "Market is closed",
    10019: "No money",
    10021: "No prices",
    10026: "AutoTrading disabled by server",
    10027: "AutoTrading disabled by client",
    10031: "No connection",
}
