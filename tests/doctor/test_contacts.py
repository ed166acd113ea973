"""Whom an examination asks is told before it begins, and all of it."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from probe.doctor.examine import Means, Patient, contacts
from probe.drivers.proxies import ChosenProxy
from probe.model.credentials import Credentials, Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.proxy import Proxy, Scheme

KEY = Credentials(
    broker="", frame=Secret("a frame"), token=Secret("a token"), account=Account.DEMO, user=None
)
PROXY = ChosenProxy(proxy=Proxy(scheme=Scheme.HTTP, host="proxy.test", port=3128), source="--proxy")
NAME, LITERAL = "wss://ws.trading.example/", "ws://127.0.0.1:9000/"


def at(url: str) -> Patient:
    endpoint = Endpoint(broker="", region="", url=url, account=Account.NONE, named_by_user=True)
    return Patient(name=urlsplit(url).netloc, broker=None, endpoint=endpoint)


@pytest.mark.parametrize(
    ("patient", "told"),
    [
        (
            replace(at(NAME), key=KEY),
            [
                "this machine's resolver",
                "ws.trading.example (a TCP connection to each address, TLS handshakes, one session with the credential)",
            ],
        ),
        (
            at(LITERAL),
            [
                "127.0.0.1:9000 (a TCP connection, one session without a credential, and more if that leaves doubts)",
            ],
        ),
        (
            replace(at(NAME), key=KEY, proxy=PROXY),
            [f"the proxy {PROXY}", "ws.trading.example (one session with the credential)"],
        ),
        (at("terminal://local"), ["the terminal on this machine"]),
    ],
    ids=["a name", "an address", "through a proxy", "a terminal"],
)
def test_nobody_is_asked_who_was_not_named(patient: Patient, told: list[str]) -> None:
    assert contacts(patient, Means()) == told
    assert contacts(patient, Means(offline=True)) == []
