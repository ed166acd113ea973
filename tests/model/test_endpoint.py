import pytest

from probe.model.endpoint import read_url
from probe.model.errors import ConfigError

PASSWORD = "pa55w0rd"


@pytest.mark.parametrize(
    "url",
    [
        f"wss://user:{PASSWORD}@host/",
        f"ws://user:{PASSWORD}?x@host/",
        f"wss://user:{PASSWORD}/x@host/",
        f"wss://user:{PASSWORD}#x@host/",
        f"wss://{PASSWORD}@",
        f"ws://host:{PASSWORD}",
        f"ws://[{PASSWORD}",
        f"http://user:{PASSWORD}@host/?token={PASSWORD}",
    ],
)
def test_what_may_be_a_password_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_url(url)
    assert refused.value.problem
    said = str(refused.value).removeprefix(f"URL {url!r}" if "@" not in url else "")
    assert PASSWORD not in said


def test_a_host_longer_than_any_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="longer than any name"):
        read_url(f"wss://{'a.' * 130}example/")
