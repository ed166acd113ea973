import base64
from collections.abc import Callable

import pytest

from probe.model.credentials import Credentials, PasswordLogin, Redactor, Secret, redactor_for
from probe.model.endpoint import Account


def redacted(text: str, *secrets: str) -> str:
    return Redactor(map(Secret, secrets))(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hunter22", "***"),
        ("ahunter22b", "a***b"),
        ("the last was hunter", "the last was ***"),
    ],
)
def test_a_secret_is_masked_wherever_it_stands_a_cut_one_included(text: str, shown: str) -> None:
    assert redacted(text, "hunter22") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4711", "***"),
        ("PIN:4711.", "PIN:***."),
        ("pin_4711", "pin_***"),
        ("at 14711.5", "at 14711.5"),
        ("x4711", "x4711"),
        ("47", "47"),
    ],
)
def test_a_short_secret_is_masked_where_no_letter_or_digit_touches_it(text: str, shown: str) -> None:
    assert redacted(text, "4711") == shown


@pytest.mark.parametrize(("secret", "shown"), [("", "a pw"), ("pw", "a pw"), ("a", "a pw")])
def test_what_is_too_short_to_protect_anything_hides_nothing(secret: str, shown: str) -> None:
    assert redacted("a pw", secret) == shown


def test_of_two_short_secrets_the_longer_one_is_masked_whole() -> None:
    assert redacted("abc-d abc", "abc", "abc-d") == "*** ***"


@pytest.mark.parametrize("length", range(1, 12))
def test_a_short_secret_at_a_cut_is_masked_and_a_part_of_a_word_is_not(length: int) -> None:
    redact = Redactor([Secret("4711")])
    assert redact.shorten("a 4711 b", length) == "a *** b"[:length]
    assert redact.shorten("a 47112 b", length) == "a 47112 b"[:length]


def test_a_short_password_is_masked_and_a_cookie_that_is_a_setting_is_not() -> None:
    login = PasswordLogin(broker="x", user=Secret("me@x.test"), password=Secret("pw1"), account=Account.DEMO)
    assert redactor_for(login)("pw1 of me@x.test") == "*** of ***"
    credentials = Credentials(
        broker="x",
        frame=Secret("frame-planted"),
        token=Secret("token-planted"),
        account=Account.DEMO,
        user=None,
        cookies=(("account", Secret("demo")), ("session", Secret("cookie-planted"))),
    )
    assert redactor_for(credentials)("demo, cookie-planted") == "demo, ***"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_that_comes_back_in_base64_is_masked(before: str, encode: Callable[[bytes], bytes]) -> None:
    secret = "séssion>?token_0123456789"
    encoded = encode(f"{before}{secret} rest".encode()).decode()
    shown = redacted(f"x {encoded}", secret)
    assert "***" in shown
    assert len(shown) - len("x ***") <= len(encoded) - len(secret.encode()) * 8 // 6 + 3
