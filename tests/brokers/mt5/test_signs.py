"""What a sign excludes rests on what was observed in this session, and on nothing else."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from probe.brokers.mt5.signs import SIGNS
from probe.brokers.mt5.troubles import trouble
from probe.catalogue import entries
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign, State
from probe.model.meanings import Effect, Trouble
from probe.session.signs import Shown


def said(code: str, shown: Shown) -> Sign:
    sign = SIGNS[code](shown)
    assert sign is not None
    return sign


def shown(
    *rows: Trouble, well: Collection[str] = (), has_prices: bool = False, went_live: bool = True
) -> Shown:
    troubles = {each.code: each for each in rows}
    return Shown(troubles=troubles, well=frozenset(well), has_prices=has_prices, went_live=went_live)


def test_nothing_is_said_where_nothing_was_shown() -> None:
    assert [code for code, sign in SIGNS.items() if sign(Shown()) is not None] == []


def test_what_is_excluded_are_look_alikes_of_the_catalogue() -> None:
    whole = [
        shown(trouble_with(code), well=("account", "assets", "terminal"), has_prices=True) for code in SIGNS
    ]
    strangers = {
        (code, other)
        for each in whole
        for code, sign in SIGNS.items()
        if (found := sign(each)) is not None
        for other in found.excluded
        if other not in entries()[code].look_alikes
    }
    assert strangers == set()


def trouble_with(code: str, *, told: int | None = -10005, after_seconds: float | None = 0.1) -> Trouble:
    usual = trouble("mt5.gateway-500", "so it is", certain=True)
    return Trouble(
        code=code,
        sentence=usual.sentence,
        advice=usual.advice,
        effect=usual.effect,
        blame=usual.blame,
        certain=True,
        told=told,
        after_seconds=after_seconds,
    )


def test_a_bridge_that_times_out_is_told_from_one_that_hangs_only_by_what_came_afterwards() -> None:
    row = trouble_with("mt5.bridge-timeout", told=500)
    assert "mt5.bridge-hang" not in said("mt5.bridge-timeout", shown(row)).excluded
    assert "mt5.bridge-hang" in said("mt5.bridge-timeout", shown(row, well=("account",))).excluded


def test_a_refusal_that_comes_late_may_be_a_hanging_bridge() -> None:
    late = trouble_with("mt5.bridge-down", told=500, after_seconds=9.0)
    assert "mt5.bridge-hang" not in said("mt5.bridge-down", shown(late)).excluded


def test_a_gateway_that_never_opened_excludes_nothing_about_its_own_address() -> None:
    row = trouble_with("mt5.bridge-down", told=500)
    assert "tcp.refused" not in said("mt5.bridge-down", shown(row, went_live=False)).excluded


@pytest.mark.parametrize(
    "behind", ["mt5.gateway-500", "mt5.no-prices", "mt5.none-as-empty", "mt5.history-none"]
)
def test_what_lies_behind_a_broken_hop_is_not_said_beside_it(behind: str) -> None:
    hop = trouble("mt5.gateway-up-terminal-down", "no account is shown", certain=True)
    assert SIGNS[behind](shown(hop, trouble_with(behind))) is None


def test_of_two_broken_hops_the_nearer_one_is_said() -> None:
    hops = ("mt5.bridge-down", "mt5.gateway-up-terminal-down")
    both = shown(*(replace(trouble_with(hop), effect=Effect.STALLS) for hop in hops))
    assert [code for code, sign in SIGNS.items() if sign(both) is not None] == ["mt5.bridge-down"]


def test_without_any_price_what_would_only_degrade_is_a_failure() -> None:
    row = trouble_with("mt5.no-prices")
    states = [said("mt5.no-prices", shown(row, has_prices=priced)).state for priced in (False, True)]
    assert states == [State.FAILED, State.DEGRADED]


@pytest.mark.parametrize(
    ("status", "at_most", "is_random_excluded"),
    [(401, Certainty.LIKELY, True), (403, Certainty.LIKELY, False), (None, Certainty.CERTAIN, True)],
)
def test_a_token_is_surely_over_only_by_its_own_date(
    status: int | None, at_most: Certainty, is_random_excluded: bool
) -> None:
    failure = Failure(kind="auth.refused", slug="mt5.gateway-401", http_status=status)
    sign = said("mt5.gateway-401", Shown(failure=failure))
    assert (sign.at_most, "mt5.gateway-401-random" in sign.excluded) == (at_most, is_random_excluded)


def test_what_came_and_went_is_still_told() -> None:
    over = Shown(passed={"mt5.history-none": trouble_with("mt5.history-none", told=-4)}, has_prices=True)
    sign = said("mt5.history-none", over)
    assert (sign.state, "mt5.server-timezone" in sign.excluded) == (State.DEGRADED, True)


def test_an_order_that_met_a_closed_market_is_only_worth_knowing() -> None:
    row = replace(trouble_with("mt5.market-closed"), effect=Effect.NOTED)
    assert said("mt5.market-closed", shown(row)).state is State.HEALTHY


def test_a_call_that_is_only_slow_hides_nothing() -> None:
    slow = replace(trouble_with("mt5.ipc-timeout"), effect=Effect.DEGRADES)
    assert SIGNS["mt5.no-prices"](shown(slow, trouble_with("mt5.no-prices"))) is not None
