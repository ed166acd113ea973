"""What may be done to whom."""

import pytest

from probe.model.endpoint import Account, Endpoint, Sureness
from probe.safety import is_loopback, withheld_from


def endpoint(url: str, sureness: Sureness = Sureness.AGREED, *, named: bool = False) -> Endpoint:
    return Endpoint(
        broker="any", region="any", url=url, account=Account.DEMO, sureness=sureness, named_by_user=named
    )


@pytest.mark.parametrize("host", ["localhost", "sim.test", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_known_by_its_names_and_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "192.0.2.1", "0.0.0.0", "::", "example", "2130706433"]
)
def test_look_alikes_of_this_machine_are_not_it(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("named", [True, False])
def test_a_credential_never_goes_out_unencrypted_to_another_machine(*, named: bool) -> None:
    withheld = withheld_from(endpoint("ws://host.example/", named=named))
    assert withheld is not None
    assert "unencrypted" in withheld.reason


@pytest.mark.parametrize("sureness", [Sureness.CLAIMED, Sureness.INFERRED])
def test_a_host_that_one_source_names_gets_a_credential_only_if_the_user_names_it(sureness: Sureness) -> None:
    withheld = withheld_from(endpoint("wss://host.example/", sureness))
    assert withheld is not None
    assert "--endpoint 'wss://host.example/'" in withheld.next_step
    assert withheld_from(endpoint("wss://host.example/", sureness, named=True)) is None


@pytest.mark.parametrize("sureness", [Sureness.CAPTURED, Sureness.AGREED])
def test_a_well_known_host_may_receive_it(sureness: Sureness) -> None:
    assert withheld_from(endpoint("wss://host.example/", sureness)) is None


def test_a_terminal_on_this_machine_may_have_its_login_and_one_behind_an_open_bridge_may_not() -> None:
    assert withheld_from(endpoint("terminal://local", named=True)) is None
    assert withheld_from(endpoint("bridge://127.0.0.1:18812", named=True)) is None
    withheld = withheld_from(endpoint("bridge://192.0.2.7:18812", named=True))
    assert withheld is not None
    assert "tunnel" in withheld.next_step
