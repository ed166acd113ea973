import pytest

from probe.brokers.mt5.codes import LAST_ERRORS, TRADE_CODES, last_error, trade_code, words
from probe.model.failures import Blame
from probe.model.meanings import Effect

SLUGS = {
    -1: "mt5.none-as-empty",
    -4: "mt5.history-none",
    -5: "mt5.version-mismatch",
    -6: "mt5.auth-failed",
    -7: "mt5.version-mismatch",
    -8: "mt5.algo-off",
    -10000: "mt5.ipc-contention",
    -10001: "mt5.terminal-crashed",
    -10002: "mt5.terminal-crashed",
    -10003: "mt5.terminal-not-found",
    -10004: "mt5.no-ipc",
    -10005: "mt5.ipc-timeout",
}


@pytest.mark.parametrize(("code", "slug"), SLUGS.items())
def test_each_code_has_its_verdict(code: int, slug: str) -> None:
    assert last_error(code, "").slug == slug


def test_only_a_lost_way_stalls_and_is_worth_another_attempt() -> None:
    lost = {code for code, each in LAST_ERRORS.items() if each.is_lost}
    assert lost == set(range(-10005, -9999))
    assert all(LAST_ERRORS[code].effect is Effect.STALLS for code in lost)


def test_a_second_factor_is_told_from_a_wrong_password_by_its_words() -> None:
    text = "Unsupported authorization mode, OTP or certificate password needed"
    found = last_error(-2, text)
    assert (found.slug, found.effect, found.blame) == (
        "mt5.auth-mode-unsupported",
        Effect.SHUTS_OUT,
        Blame.CREDENTIAL,
    )


def test_a_terminal_that_starts_and_does_not_answer_was_found() -> None:
    assert (
        last_error(-10003, "IPC initialize failed, Pipe server didn't answer in 60 sec").slug
        == "mt5.ipc-timeout"
    )
    assert (
        last_error(-10003, "IPC initialize failed, MetaTrader 5 x64 not found").slug
        == "mt5.terminal-not-found"
    )


def test_nothing_with_success_is_still_a_failure() -> None:
    trouble = last_error(1, "Success").trouble("positions_get", 1, "Success")
    assert trouble.code == "mt5.none-as-empty"
    assert trouble.sentence == (
        "positions_get failed: the terminal returned nothing and calls it a success (1, 'Success')"
    )


def test_a_code_that_is_not_known_is_told_with_its_number() -> None:
    assert "-777, 'odd'" in last_error(-777, "odd").trouble("account_info", -777, "odd").sentence


def test_no_sign_of_the_terminal_steers_ours() -> None:
    assert words(-1, "a\x1b[2Jb" + "c" * 500) == "-1, " + repr("a?[2Jb" + "c" * 114)


def test_no_documented_return_code_is_missing() -> None:
    assert set(TRADE_CODES) == {10004, *range(10006, 10037), *range(10038, 10047)}


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Requote", 10004),
        ("Off quotes", 10021),
        ("Not enough money", 10019),
        ("Invalid stops", 10016),
        ("Market closed", 10018),
        ("Activation rejected", 10041),
        ("Rejected", 10006),
        ("AutoTrading disabled by client", 10027),
        ("No connection", 10031),
    ],
)
def test_the_journals_words_stand_for_a_return_code(reason: str, code: int) -> None:
    assert trade_code(reason) is TRADE_CODES[code]


def test_other_words_stand_for_none() -> None:
    assert trade_code("the dealer sleeps") is None


def test_every_trouble_of_an_order_says_what_to_do() -> None:
    assert [code for code, each in TRADE_CODES.items() if each.slug and not each.advice] == []
