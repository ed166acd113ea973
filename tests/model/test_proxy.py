import pytest

from probe.model.errors import ConfigError
from probe.model.proxy import Proxy, Scheme, read_proxy_url

WHERE = "the environment variable https_proxy"
PASSWORD = "planted0secret"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy.example:3128", (Scheme.HTTP, "proxy.example", 3128)),
        ("http://proxy.example/", (Scheme.HTTP, "proxy.example", 80)),
        ("proxy.example:3128", (Scheme.HTTP, "proxy.example", 3128)),
        ("HTTP://Proxy.Example:8080", (Scheme.HTTP, "proxy.example", 8080)),
        ("socks5://127.0.0.1:9050", (Scheme.SOCKS5, "127.0.0.1", 9050)),
        ("socks5h://proxy.example", (Scheme.SOCKS5, "proxy.example", 1080)),
        ("socks://proxy.example", (Scheme.SOCKS5, "proxy.example", 1080)),
        ("http://[::1]:3128", (Scheme.HTTP, "::1", 3128)),
        ("http://pröxy.example:1", (Scheme.HTTP, "xn--prxy-6qa.example", 1)),
    ],
)
def test_a_url_is_understood(url: str, expected: tuple[Scheme, str, int]) -> None:
    proxy = read_proxy_url(url, WHERE)
    assert (proxy.scheme, proxy.host, proxy.port, proxy.login) == (*expected, None)


def test_what_is_shown_can_be_read_again() -> None:
    for url in ("http://proxy.example:3128", "socks5://[::1]:1080"):
        assert str(read_proxy_url(url, WHERE)) == url


def login_of(url: str) -> tuple[str, str] | None:
    login = read_proxy_url(url, WHERE).login
    return None if login is None else (login.user.reveal(), login.password.reveal())


def test_a_login_is_unescaped_and_may_lack_its_password() -> None:
    assert login_of("http://some%40body:a%3Ab%2Fc@proxy.example:1") == ("some@body", "a:b/c")
    assert login_of("socks5://somebody@proxy.example") == ("somebody", "")


def test_nothing_that_shows_a_proxy_shows_its_login() -> None:
    proxy = read_proxy_url(f"http://somebody:{PASSWORD}@proxy.example:3128", WHERE)
    shown = f"{proxy} {proxy!r} {proxy:}"
    assert "http://proxy.example:3128" in shown
    assert not any(secret in shown for secret in ("somebody", PASSWORD))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://proxy.example:443", "a TLS connection to the proxy itself (https://) is not supported"),
        ("socks4://proxy.example", "not http, socks5 or socks5h"),
        ("ftp://proxy.example", "not http, socks5 or socks5h"),
        ("http://", "names no host"),
        ("", "names no host"),
        ("http://proxy.example:0", "port is 0"),
        ("http://proxy..example:3128", "host or port is not valid"),
        ("http://proxy.example:99999", "host or port is not valid"),
        (f"http://somebody:{PASSWORD}", "host or port is not valid"),
        (f"http://somebody:123/{PASSWORD}@proxy.example:3128", "something follows"),
        (f"http://somebody:123#{PASSWORD}@proxy.example:3128", "something follows"),
        (f"http://somebody:123?{PASSWORD}@proxy.example:3128", "something follows"),
        (f"http://[{PASSWORD}@proxy.example", "no URL of a proxy"),
        (f"http://some body:{PASSWORD}@proxy.example", "white space"),
        (f"http://{PASSWORD * 30}:x@proxy.example", "longer than 255 bytes"),
    ],
)
def test_a_wrong_url_is_explained_and_not_repeated(url: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_proxy_url(url, WHERE)
    text = str(caught.value)
    assert text.startswith(f"{WHERE}: ")
    assert words in text
    assert caught.value.next_step
    assert PASSWORD not in text


def test_proxies_are_compared_by_all_of_them() -> None:
    def proxy(password: str) -> Proxy:
        return read_proxy_url(f"http://a:{password}@proxy.example:1", WHERE)

    assert proxy("one") == proxy("one")
    assert proxy("one") != proxy("two")
