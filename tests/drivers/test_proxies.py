import os

import pytest

from probe.drivers.proxies import choose_proxy
from probe.model.endpoint import Address
from probe.model.errors import ConfigError

ELSEWHERE = Address(secure=True, host="demo.broker.example", port=443, path="/")
PLAIN = Address(secure=False, host="demo.broker.example", port=80, path="/")
HERE = Address(secure=True, host="127.0.0.1", port=443, path="/")
A, B = "http://a.example:1", "http://b.example:2"


@pytest.fixture(autouse=True)
def no_proxies_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def chosen(target: Address = ELSEWHERE, option: str | None = None) -> str | None:
    proxy = choose_proxy(target, option)
    return None if proxy is None else str(proxy)


def test_without_a_setting_there_is_no_proxy() -> None:
    assert chosen() is None


@pytest.mark.parametrize(
    ("target", "variable"),
    [
        (ELSEWHERE, "https_proxy"),
        (ELSEWHERE, "HTTPS_PROXY"),
        (ELSEWHERE, "all_proxy"),
        (ELSEWHERE, "ALL_PROXY"),
        (PLAIN, "http_proxy"),
        (PLAIN, "HTTP_PROXY"),
        (PLAIN, "all_proxy"),
    ],
)
def test_the_usual_variables_are_obeyed_and_named(
    environment: pytest.MonkeyPatch, target: Address, variable: str
) -> None:
    environment.setenv(variable, A)
    assert chosen(target) == f"{A}, from the environment variable {variable}"


@pytest.mark.parametrize(("target", "variable"), [(ELSEWHERE, "http_proxy"), (PLAIN, "https_proxy")])
def test_a_variable_for_the_other_kind_of_target_is_not_meant(
    environment: pytest.MonkeyPatch, target: Address, variable: str
) -> None:
    environment.setenv(variable, A)
    assert chosen(target) is None


def test_the_variable_for_this_kind_of_target_goes_before_the_one_for_all(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("all_proxy", A)
    environment.setenv("https_proxy", B)
    assert chosen() == f"{B}, from the environment variable https_proxy"


@pytest.mark.skipif(os.name == "nt", reason="names of variables have no case there")
def test_lower_case_wins(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("https_proxy", A)
    environment.setenv("HTTPS_PROXY", B)
    assert chosen() == f"{A}, from the environment variable https_proxy"


@pytest.mark.skipif(os.name == "nt", reason="names of variables have no case there")
def test_what_a_web_client_can_set_in_a_cgi_program_is_not_obeyed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REQUEST_METHOD", "GET")
    environment.setenv("HTTP_PROXY", A)
    assert chosen(PLAIN) is None
    environment.setenv("http_proxy", B)
    assert chosen(PLAIN) == f"{B}, from the environment variable http_proxy"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "sim.test"])
def test_the_usual_variables_never_apply_to_this_machine(environment: pytest.MonkeyPatch, host: str) -> None:
    environment.setenv("all_proxy", A)
    assert chosen(Address(secure=True, host=host, port=443, path="/")) is None


@pytest.mark.parametrize(
    ("exceptions", "host", "exempt"),
    [
        ("*", "demo.broker.example", True),
        ("*,other.example", "demo.broker.example", True),
        ("other.example, *", "192.0.2.7", True),
        ("*.broker.example", "demo.broker.example", True),
        ("other.example, *.Broker.Example:443", "demo.broker.example", True),
        ("*.broker.example:8443", "demo.broker.example", False),
        ("*.er.example", "demo.broker.example", False),
        ("*.other.example", "demo.broker.example", False),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[2001:DB8:0::1]", "2001:db8::1", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("[2001:db8::1]:8443", "2001:db8::1", False),
        ("[2001:db8::2]", "2001:db8::1", False),
        ("broker.example", "demo.broker.example", True),
        (".broker.example", "demo.broker.example", True),
        ("other.example, broker.example", "demo.broker.example", True),
        ("demo.broker.example:443", "demo.broker.example", True),
        ("demo.broker.example:8443", "demo.broker.example", False),
        ("er.example", "demo.broker.example", False),
        ("demo.broker.example.com", "demo.broker.example", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.2.7", True),
        ("198.51.100.0/24,192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/30", "192.0.2.7", False),
        ("192.0.2.0/24", "demo.broker.example", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("2001:db8::/32", "192.0.2.7", False),
    ],
)
def test_no_proxy_makes_exceptions(
    environment: pytest.MonkeyPatch, exceptions: str, host: str, exempt: bool
) -> None:
    environment.setenv("https_proxy", A)
    environment.setenv("no_proxy", exceptions)
    assert (chosen(Address(secure=True, host=host, port=443, path="/")) is None) == exempt


def test_our_own_variable_goes_before_the_usual_ones_and_applies_everywhere(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("https_proxy", A)
    environment.setenv("no_proxy", "*")
    environment.setenv("TRADEPROBE_PROXY", B)
    for target in (ELSEWHERE, PLAIN, HERE):
        assert chosen(target) == f"{B}, from the environment variable TRADEPROBE_PROXY"


def test_an_empty_variable_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRADEPROBE_PROXY", "")
    environment.setenv("https_proxy", "")
    assert chosen() is None


def test_the_option_goes_before_everything(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRADEPROBE_PROXY", B)
    for target in (ELSEWHERE, HERE):
        assert chosen(target, A) == f"{A}, from --proxy"


@pytest.mark.parametrize("off", ["none", "direct", "NONE"])
def test_it_can_be_switched_off(environment: pytest.MonkeyPatch, off: str) -> None:
    environment.setenv("https_proxy", A)
    assert chosen(option=off) is None
    environment.setenv("TRADEPROBE_PROXY", off)
    assert chosen() is None
    assert chosen(option=B) == f"{B}, from --proxy"


@pytest.mark.parametrize("variable", ["https_proxy", "TRADEPROBE_PROXY"])
def test_a_wrong_value_is_blamed_on_where_it_stands(environment: pytest.MonkeyPatch, variable: str) -> None:
    environment.setenv(variable, "https://a.example:1")
    with pytest.raises(ConfigError, match=f"the environment variable {variable}: "):
        choose_proxy(ELSEWHERE)
    with pytest.raises(ConfigError, match="--proxy: "):
        choose_proxy(ELSEWHERE, "")
