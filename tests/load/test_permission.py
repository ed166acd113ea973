"""Whom a load test may be aimed at, in every spelling."""

import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers import all_brokers
from probe.load.permission import (
    Allowed,
    Caps,
    Limits,
    Permission,
    Refusal,
    broker_behind,
    brokers_domains,
    read_address,
    read_host,
    skeleton,
    token_for,
)
from probe.model.credentials import Secret

OWN = frozenset({"staging.example", "10.0.0.5", "2001:db8::7", "po.market", "192.168.7.7"})
PERMISSION = Permission(declared=OWN, repeated=OWN)

# What the system's own reader of addresses makes of each.
SPELLINGS = {
    "127.0.0.1": ("127.0.0.1", "127.1", "127.0.1", "0x7f.0.0.1", "0x7F000001", "2130706433", "017700000001", "0177.0.0.01",
                  "127.0.0.1.", "::ffff:127.0.0.1", "::ffff:7f00:1", "[::ffff:127.0.0.1]", "0000:0:0:0:0:FFFF:127.0.0.1",
                  "１２７.0.0.1", "127。0。0。1"),
    "::1": ("::1", "[::1]", "0:0:0:0:0:0:0:1", "::0001", "::1%lo", "[::1%1]"),
    "203.0.113.7": ("203.0.113.7", "3405803783", "0xcb007107", "0313.0.0161.07", "203.28935", "203.0.28935", "::ffff:203.0.113.7",
                    "::FFFF:cb00:7107"),
    "0.0.0.0": ("0.0.0.0", "0", "0x0", "00", "::ffff:0.0.0.0"),
    "64:ff9b::7f00:1": ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
    "2002:7f00:1::": ("2002:7f00:1::", "2002:7f00:0001:0::"),
    "fe80::1%eth0": ("fe80::1%eth0", "[FE80::1%eth0]"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "address"), [(written, address) for address, each in SPELLINGS.items() for written in each]
)
def test_an_address_is_read_as_what_it_is(written: str, address: str) -> None:
    host = read_host(written)
    assert host is not None
    assert (host.name, str(host.address)) == (address, address)


@given(st.from_regex(r"(0x?)?[0-9a-f]{0,10}(\.(0x?)?[0-9a-f]{0,4}){0,4}", fullmatch=True))
@settings(max_examples=100, deadline=None)
def test_no_address_is_read_otherwise_than_the_system_reads_it(written: str) -> None:
    """Or the one that was judged would not be the one that is dialled by somebody who asks the system."""
    try:
        address = str(ipaddress.IPv4Address(socket.inet_aton(written)))
    except OSError:
        address = None
    read = read_address(written)
    assert (None if read is None else str(read)) == address


@pytest.mark.parametrize("written", SPELLINGS["127.0.0.1"] + SPELLINGS["::1"] + ("localhost", "LocalHost."))
def test_this_machine_is_allowed_in_every_spelling(written: str) -> None:
    address = read_host(written).address or ipaddress.ip_address("127.0.0.1")  # type: ignore[union-attr]
    assert Permission().of(written, [], [address]) == Allowed(loopback=True)


@pytest.mark.parametrize(
    "written",
    [
        *(each for name in ("203.0.113.7", "0.0.0.0", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0") for each in SPELLINGS[name]),
        "localhost.example", "localhost.localdomain", "127.0.0.1.example", "127.0.0.1.nip.io", "sim.test", "foo.localhost", "staging",
        "example.staging.example", "xstaging.example", "staging.example.org", "1.2.3.4.5", "08.8.8.8", "256.0.0.1", "0x", "1e7",
        "::", "bücher.example", "xn--bcher-kva.example", "::127.0.0.1",
    ],
)  # fmt: skip
def test_nothing_else_is_allowed_that_is_not_declared_in_exactly_these_words(written: str) -> None:
    refusal = PERMISSION.before_looking_up(written)
    assert refusal is not None
    assert "nothing says that this is one" in refusal.because
    assert "owned = true" in refusal.next_step


@pytest.mark.parametrize(
    "written",
    ["", ".", "a..b", "host name", "a/b", "user@host", "-" * 70, "a." * 130, "\x00", "host\n", "9" * 5000,
     "po%2emarket", "*.com", "po.market..", "127.0.0.1;a", "127.0.0.1 ", "xn--\udcff", "::1%", "fe80::1%a%b"],
)  # fmt: skip
def test_what_is_no_host_is_refused_before_anything_is_asked(written: str) -> None:
    assert Permission().before_looking_up(written) is not None


# Each is a name of one of the brokers for whoever looks up or looks at it.
LOOK_ALIKES = (
    "po.market", "api-eu.po.market", "API-EU.PO.MARKET", "api-eu.po.market.", "a.b.c.po.market", "ｐｏ．ｍａｒｋｅｔ", "po。market",
    "po․market", "ⓟⓞ.market", "рo.market", "pо.market", "po.mаrket", "ρο.market", "po.mаrкет", "api.рo.market", "pö.market",
    "po\u0301.market", "p\u200do.market", "ƿo.po.market", "qxbrοker.com", "qхbroker.com", "qxbrоkеr.com", "ԛxbroker.com",
    "ws2.market-qх.trade", "bіngx.com", "bιngx.com", "bıngx.com", "open-api.bingx.com", "metaquοtes.net", "quοtex.io",
    "pοcketoption.com", "m.pocketoptiоn.com", "xn--o-4tb.market", "XN--O-4TB.market.", "xn--qxbrker-cpf.com",
    "qxбroker.com", "qxbrok℮r.com", "bᎥngx.com", "p০.market", "xn--p-s6d.market", "⍴o.market", "x.xn--po-.market",
)  # fmt: skip


@pytest.mark.parametrize("written", LOOK_ALIKES)
def test_a_brokers_host_is_refused_in_every_spelling_and_whatever_is_configured(written: str) -> None:
    trusting = Permission(declared=OWN | {written}, repeated=OWN | {written})
    refusal = trusting.before_looking_up(written)
    assert refusal is not None
    assert "a public broker is never put under load, not with one session either" in refusal.because


@pytest.mark.parametrize(
    "name",
    ["xpo.market", "po.market.example", "p0.market.example", "bücher.example", "поле.example", "日本.market",
     "日本語.market", "market", "日本語日本ker.com", "日"],
)  # fmt: skip
def test_a_name_that_only_resembles_a_brokers_in_part_is_nobodys(name: str) -> None:
    assert broker_behind(name) is None


@pytest.mark.parametrize("broker", all_brokers(), ids=lambda each: each.name)
def test_every_endpoint_known_of_a_broker_is_in_its_domains(broker: object) -> None:
    hosts = {endpoint.address.host for endpoint in broker.endpoints}  # type: ignore[attr-defined]
    assert {broker_behind(host) for host in hosts} <= {broker.title}  # type: ignore[attr-defined]


@pytest.mark.parametrize("domain", brokers_domains())
def test_domains_are_written_as_they_are_compared(domain: str) -> None:
    assert domain == domain.lower().strip(".")
    assert broker_behind(f"x.{domain}") == brokers_domains()[domain]


def test_an_owned_host_must_be_declared_and_repeated() -> None:
    host = "staging.example"
    declared, repeated = Permission(declared=frozenset({host})), Permission(repeated=frozenset({host}))
    assert "this run has to say so, too" in declared.before_looking_up(host).because  # type: ignore[union-attr]
    assert "nothing says that this is one" in repeated.before_looking_up(host).because  # type: ignore[union-attr]
    assert PERMISSION.before_looking_up("STAGING.Example.") is None
    spelt = Permission(declared=frozenset({host}), repeated=frozenset({"Staging.EXAMPLE."}))
    assert spelt.before_looking_up(host) is None


@pytest.mark.parametrize("said", ["*.com", "com", ".com", "", "*", "a*.com", "a.com.", "b.a.com"])
def test_nothing_that_is_declared_stands_for_more_than_itself(said: str) -> None:
    generous = Permission(declared=frozenset({said}), repeated=frozenset({said}))
    allowed = [
        host for host in ("x.com", "a.com", "c.b.a.com", "ab.com") if not generous.before_looking_up(host)
    ]
    assert allowed == (["a.com"] if said == "a.com." else [])


@pytest.mark.parametrize(
    ("written", "address", "needs_token"),
    [
        ("staging.example", "10.1.2.3", False),
        ("staging.example", "172.16.0.1", False),
        ("staging.example", "100.64.0.1", False),
        ("staging.example", "fd00::1", False),
        ("staging.example", "fe80::1%eth0", False),
        ("staging.example", "::ffff:192.168.1.1", False),
        ("staging.example", "127.0.0.1", False),
        ("staging.example", "203.0.113.7", True),
        ("staging.example", "::ffff:8.8.8.8", True),
        ("staging.example", "2606:4700::1", True),
        ("staging.example", "64:ff9b::10.0.0.1", True),
        ("staging.example", "2002:a00:1::", True),
        ("10.0.0.5", "10.0.0.5", False),
        ("::ffff:10.0.0.5", "10.0.0.5", False),
    ],
)
def test_an_owned_host_on_the_internet_must_say_so_itself(
    written: str, address: str, *, needs_token: bool
) -> None:
    found = ipaddress.ip_address(address)
    expected = Allowed(loopback=address == "127.0.0.1", needs_token=needs_token)
    assert PERMISSION.of(written, [written], [found]) == expected


def test_one_address_on_the_internet_among_others_is_enough_to_need_a_token() -> None:
    found = [ipaddress.ip_address(each) for each in ("10.0.0.1", "8.8.8.8")]
    assert PERMISSION.of("staging.example", [], found) == Allowed(loopback=False, needs_token=True)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0", "169.254.169.254",
     "::ffff:169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"],
)  # fmt: skip
def test_an_address_at_which_no_server_of_ones_own_is_is_refused_for_everybody(address: str) -> None:
    verdict = PERMISSION.of(
        "staging.example", [], [ipaddress.ip_address(each) for each in ("10.0.0.1", address)]
    )
    assert isinstance(verdict, Refusal)
    assert "is the address of no server of yours" in verdict.because


def test_a_name_that_leads_to_a_broker_is_refused_wherever_the_broker_is_on_the_way() -> None:
    names = ["staging.example", "edge.cdn.example", "api-eu.po.market.", "x.cloudflare.example"]
    verdict = PERMISSION.of("staging.example", names, [ipaddress.ip_address("10.0.0.1")])
    assert isinstance(verdict, Refusal)
    assert "it leads to api-eu.po.market., which is PocketOption's" in verdict.because


def test_localhost_that_leads_elsewhere_is_not_this_machine() -> None:
    for addresses in (["8.8.8.8"], ["127.0.0.1", "10.0.0.1"], []):
        found = [ipaddress.ip_address(each) for each in addresses]
        verdict = PERMISSION.of("localhost", [], found)
        assert isinstance(verdict, Refusal)
        assert "leads somewhere else" in verdict.because


def test_look_alikes_have_one_skeleton() -> None:
    assert (
        len({skeleton(each) for each in ("qxbroker.com", "qхbrоkеr.com", "QXBR0KER.COM", "qxbroкer.com")})
        == 1
    )
    assert skeleton("qxbroker.com") != skeleton("qxbroken.com")


def test_a_token_is_of_one_host_and_one_key() -> None:
    one, other = Secret("a" * 32), Secret("b" * 32)
    assert token_for(one, "Staging.example.") == token_for(one, "staging.example")
    assert len({token_for(one, "a.example"), token_for(one, "b.example"), token_for(other, "a.example")}) == 3
    assert one.reveal() not in token_for(one, "a.example")


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 10_001])
def test_shares_together_are_the_whole(workers: int) -> None:
    whole = Limits().here
    shares = [whole.share(workers, number) for number in range(workers)]
    assert sum(each.connections for each in shares) == whole.connections
    assert sum(each.rate for each in shares) == pytest.approx(whole.rate)
    assert {each.seconds for each in shares} == {whole.seconds}


def test_a_run_that_wants_more_than_it_may_is_told_what_and_where() -> None:
    caps = Caps(connections=10, rate=5.0, seconds=60.0)
    assert caps.against(connections=10, rate=5.0, seconds=60.0) is None
    assert caps.against(connections=1, rate=None, seconds=1.0) is None
    for wanted, words in (
        ({"connections": 11}, "11 connections, and 10"),
        ({"rate": 5.5}, "5.5 messages a second, and 5"),
        ({"seconds": 61.0}, "61 seconds, and 60"),
    ):
        refusal = caps.against(**{"connections": 1, "rate": 1.0, "seconds": 1.0, **wanted})  # type: ignore[arg-type]
        assert refusal is not None
        assert words in refusal.because
        assert "[safety]" in refusal.next_step
