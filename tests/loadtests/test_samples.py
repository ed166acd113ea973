from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.samples import Samples


def test_each_listener_hears_of_each_request_whatever_the_others_do(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[dict[str, Any]] = []

    def fails(**_: Any) -> None:
        raise RuntimeError("a mistake in a listener")

    def hears(**told: Any) -> None:
        heard.append(told)

    def locusts_own(**_: Any) -> None:
        raise AssertionError("it is counted already")

    locusts_own.__module__ = "locust.runners"
    samples = Samples(SimpleNamespace(_handlers=[locusts_own, fails, hears]))
    samples.tell("balance", 1.0, 1.5, 2.0, "", "answer")
    samples.tell("balance", 1.0, None, 1.25, "not-live", None)
    assert [(each["response_time"], each["exception"], each["context"]["sent"]) for each in heard] == [
        (1000.0, None, 1.5),
        (250.0, "not-live", None),
    ]
    assert caplog.text.count("RuntimeError: a mistake in a listener") == 2
