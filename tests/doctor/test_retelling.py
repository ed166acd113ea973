"""What is taken out of a shared file changes nothing that is said of it."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest

from probe.brokers import find_broker
from probe.cli.share import shared
from probe.diagnose.case import Asking, Case, Look, Looks, Lookup, Names, Pasted, Way
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.diagnose.written import read, written
from probe.model.credentials import Bound
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Dialled, Ended, Phase, PhaseFinished, Told, Traffic
from probe.model.failures import Failure
from probe.model.meanings import Admitted, Asset, Assets, Balance, Purses
from probe.model.standins import is_private, is_public, stand_in
from tests.doctor.retelling import examination_of, retold

MT5, POCKET = find_broker("mt5"), find_broker("pocketoption")
PRIVATE, ALSO_PRIVATE, PUBLIC, ALSO_PUBLIC = "10.20.30.40", "fd12::5", "9.9.9.9", "2a00:1450::5"


def said(case: Case, broker: str) -> tuple[tuple[str, object], ...]:
    return _named(diagnose(case, rules_for(find_broker(broker))).verdicts)


def _named(verdicts: Sequence[Verdict]) -> tuple[tuple[str, object], ...]:
    return tuple((each.code, each.certainty) for each in verdicts)


def looked_up(host: str, *addresses: str, second: tuple[str, ...]) -> Case:
    """A gateway of the user's own, and what two resolvers say of it."""
    endpoint = Endpoint(broker="mt5", region="own", url=f"https://{host}:8443", account=Account.NONE)
    ended = Ended(at=1.0, phase=Phase.CONNECTING, failure=Failure(kind="tcp.refused"), traffic=Traffic())
    facts = Facts(ended=ended)
    asked = (
        Asking(resolver="192.168.7.1", is_systems=True, family=4, code="NOERROR", addresses=addresses),
        Asking(resolver="8.8.4.4", is_systems=False, family=4, code="NOERROR", addresses=second),
    )
    return Case(
        names=Names(host=host, lookups=(Lookup(family=4, addresses=addresses, seconds=0.01),), asked=asked),
        ways=tuple(
            Way(address=each, port=8443, family=4, seconds=0.1, failure=Failure(kind="tcp.refused"))
            for each in addresses
        ),
        looks=Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None))),
    )


@pytest.mark.parametrize("host", ["gateway.anns.example", "gateway.anns.lan", "gateway"])
@pytest.mark.parametrize("address", [PRIVATE, PUBLIC, "0.0.0.0", "198.18.0.9"])
@pytest.mark.parametrize("second", [(), (PUBLIC,), (PRIVATE,)])
def test_a_name_and_its_addresses_are_judged_as_they_were(
    host: str, address: str, second: tuple[str, ...]
) -> None:
    case = looked_up(host, address, second=second)
    assert _named(retold(case, MT5)) == said(case, "mt5")
    text = shared(examination_of(case, MT5), str)
    for private in ("anns", PRIVATE, PUBLIC, "192.168.7.1", "8.8.4.4"):
        assert private not in text


def test_such_names_are_told_apart_at_all() -> None:
    codes = {
        said(looked_up("gateway.anns.example", each, second=(PUBLIC,)), "mt5")[0][0]
        for each in (PRIVATE, PUBLIC)
    }
    assert codes == {"dns.blocked", "tcp.refused"}


def refused_from(ours: str, bound: str) -> Case:
    """A login that was refused, made at an address and used at one."""
    endpoint = replace(POCKET.endpoints[0])
    facts = Facts()
    for phase in (Phase.CONNECTING, Phase.UPGRADING, Phase.OPENING, Phase.JOINING):
        facts.add(PhaseFinished(at=1.0, phase=phase, began_at=0.5))
    facts.add(
        Dialled(at=0.5, addresses=(PUBLIC,), address=PUBLIC, local_port=1, tls=None, local_address=ours)
    )
    failure = Failure(kind="auth.refused")
    facts.add(Ended(at=1.5, phase=Phase.AUTHENTICATING, failure=failure, traffic=Traffic()))
    look = Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None))
    return Case(pasted=Pasted(bound=Bound(address=bound)), looks=Looks(first=look))


@pytest.mark.parametrize("ours", [PRIVATE, "5.6.7.8", ALSO_PUBLIC])
@pytest.mark.parametrize("bound", ["5.6.7.8", "7.7.7.7", ALSO_PUBLIC])
def test_the_address_in_a_session_is_compared_as_it_was(ours: str, bound: str) -> None:
    case = refused_from(ours, bound)
    assert _named(retold(case, POCKET)) == said(case, "pocketoption")
    assert bound not in shared(examination_of(case, POCKET), str)


@pytest.mark.parametrize("address", [PRIVATE, ALSO_PRIVATE, PUBLIC, ALSO_PUBLIC, "169.254.1.1", "fe80::1"])
def test_what_is_true_of_an_address_is_true_of_its_stand_in(address: str) -> None:
    real, shown = ip_address(address), ip_address(stand_in(ip_address(address), 300))
    assert (is_private(shown), shown.version) == (is_private(real), real.version)
    assert is_public(shown) is is_public(real)


def test_what_no_rule_needs_and_somebody_is_known_by_is_not_written() -> None:
    case = refused_from(PRIVATE, PUBLIC)
    facts = case.facts
    assert facts is not None
    for meaning in (
        Admitted(user="87654321"),
        Balance(amount=4711.5, is_demo=False),
        Purses(demo=1234.5, live=4321.5),
        Assets(rows=(Asset(7, "EURUSD", "Euro", "currency", 5, 82, is_otc=False, is_open=True),)),
    ):
        facts.add(Told(at=1.2, meaning=meaning))
    text = str(written(case))
    assert [each for each in ("87654321", "4711.5", "1234.5", "4321.5", "Euro") if each in text] == []
    again = read(written(case)).facts
    assert again is not None
    assert (again.balance and again.balance.is_demo, again.is_open("EURUSD")) == (False, True)
    assert again.admitted == Admitted()
