"""The guard of a process: whom it lets dial, how much, and who may be traded with."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.message
import dns.resolver
import dns.rrset
import pytest

from loadtests import guard as guarding
from loadtests import settings as told
from loadtests.guard import Guard, guard
from loadtests.settings import RunSettings
from probe.drivers.dial import DialPlan, Found
from probe.drivers.tls import TlsProfile
from probe.load.permission import Caps, Limits
from probe.load.plan import LoadPlan, Scenario
from probe.model.credentials import Secret
from probe.model.endpoint import Address, read_url
from probe.model.errors import UnsafeTarget
from probe.model.proxy import read_proxy_url
from probe.simulator.proof import nonce_asked, proof_of
from probe.wire.heads import Head

KEY = Secret("k" * 43)
HERE = "ws://127.0.0.1:9/"
STAGING = "wss://staging.example/"


def told_of(url: str = HERE, **more: Any) -> RunSettings:
    scenario = Scenario(name="steady", title="", stages=())
    plan = LoadPlan(run="r", broker="pocketoption", url=url, users=1, rate=None, scenario=scenario)
    return RunSettings(plan=plan, **more)


def owning(url: str = STAGING, **more: Any) -> Guard:
    host = frozenset({read_url(url).host})
    return Guard(told_of(url, declared=host, owned=host, **more))


def answering(monkeypatch: pytest.MonkeyPatch, **addresses: list[str]) -> list[str]:
    """A system that knows these names; dots are written as underscores. The names that were asked."""
    asked: list[str] = []

    def look_up(host: str, port: int, *, type: int, flags: int) -> list[Any]:  # noqa: A002 - as the system has it
        if flags & socket.AI_NUMERICHOST:
            return socket.getaddrinfo(host, port, type=type, flags=flags)
        asked.append(host)
        found = addresses[host.replace(".", "_")].pop(0)
        return [(*each[:3], host, each[4]) for each in socket.getaddrinfo(found, port, type=type)]

    monkeypatch.setattr(guarding, "_look_up", look_up)
    monkeypatch.setattr(guarding, "_aliases", lambda name: [name])
    return asked


@pytest.fixture(autouse=True)
def _nobody_said_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told._Place, "settings", None)
    monkeypatch.setattr(guarding._Place, "guard", None)


# -- whom --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "::ffff:127.0.0.1", "0x7f.1"])
def test_this_machine_is_dialled_as_what_it_is_and_nobody_is_asked(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch)
    assert Guard().resolve(host, 80) == [Found(socket.AF_INET, ("127.0.0.1", 80))]
    assert asked == []


@pytest.mark.parametrize("host", ["api-eu.po.market", "staging.example", "localhost.example", "192.0.2.1", "::ffff:192.0.2.1"])  # fmt: skip
def test_what_is_refused_by_name_is_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch)
    with pytest.raises(UnsafeTarget, match="refused"):
        Guard().resolve(host, 443)
    assert asked == []


def test_localhost_is_this_machine_only_if_it_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, localhost=["127.0.0.1"])
    assert Guard().resolve("localhost", 80) == [Found(socket.AF_INET, ("127.0.0.1", 80))]
    answering(monkeypatch, localhost=["192.0.2.1"])
    with pytest.raises(UnsafeTarget, match="leads somewhere else"):
        Guard().resolve("LOCALHOST.", 80)


def test_a_name_that_changes_is_dialled_where_it_was_when_it_was_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answering(monkeypatch, staging_example=["10.0.0.1", "192.0.2.66"])
    owner = owning()
    plan = DialPlan(address=read_url(STAGING), resolve=owner.resolve)
    found = [owner.resolve("staging.example", 443) for _ in range(3)]
    assert found == [[Found(socket.AF_INET, ("10.0.0.1", 443))]] * 3
    assert asked == ["staging.example"]
    owner.check(plan, found[0])
    with pytest.raises(UnsafeTarget, match=r"none of the addresses of staging\.example that were judged"):
        owner.check(plan, [Found(socket.AF_INET, ("192.0.2.66", 443))])


def test_who_asks_while_another_does_gets_what_that_one_got(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for aliases lets others run: they must not be sent to where the name leads a moment later."""
    asked = answering(monkeypatch, staging_example=["10.0.0.1", "10.0.0.2"])
    owner, met = owning(), []

    def aliases(name: str) -> list[str]:
        if len(asked) == 1:
            met.append(owner.resolve("staging.example", 443))
        return [name]

    monkeypatch.setattr(guarding, "_aliases", aliases)
    assert owner.resolve("staging.example", 443) == met[0] == owner.resolve("staging.example", 443)


def test_a_name_of_a_thousand_addresses_is_no_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, staging_example=["10.0.0.1"])
    monkeypatch.setattr(
        guarding, "_addresses", lambda name, port: ([Found(socket.AF_INET, (f"10.0.{n // 250}.{n % 250 + 1}", port)) for n in range(1000)], [])
    )  # fmt: skip
    with pytest.raises(UnsafeTarget, match="it has 1000 addresses"):
        owning().resolve("staging.example", 443)


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, links: int, last: str) -> Iterator[None]:
    """A resolver by which any name is an alias, by so many links, of the last."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    asked, peer = server.recvfrom(4096)
                    query = dns.message.from_wire(asked)
                    answer = dns.message.make_response(query)
                    names = [
                        query.question[0].name.to_text(),
                        *(f"l{n}.example." for n in range(links)),
                        last,
                    ]
                    for one, other in pairwise(names):
                        answer.answer.append(dns.rrset.from_text(one, 0, "IN", "CNAME", other))
                    answer.answer.append(dns.rrset.from_text(last, 0, "IN", "A", "10.0.0.1"))
                    server.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "Resolver", lambda: resolver)
        yield


@pytest.mark.parametrize(("links", "words"), [(1, "it leads to po.market"), (14, "it leads to po.market"), (15, "alias of an alias"), (100, "alias of an alias")])  # fmt: skip
def test_no_chain_of_aliases_is_too_long_to_hide_a_broker(
    links: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = guarding._aliases
    answering(monkeypatch, staging_example=["10.0.0.1"])
    monkeypatch.setattr(guarding, "_aliases", aliases)
    with resolving(monkeypatch, links, "po.market."), pytest.raises(UnsafeTarget, match=words):
        owning().resolve("staging.example", 443)


def test_a_machine_without_a_resolver_has_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "Resolver", none)
    assert guarding._aliases("staging.example") == ["staging.example"]


def test_an_alias_of_a_broker_is_refused_though_its_address_is_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, staging_example=["10.0.0.1"])
    monkeypatch.setattr(guarding, "_aliases", lambda name: [name, "ws2.qxbroker.com.", "edge.example"])
    with pytest.raises(UnsafeTarget, match=r"leads to ws2\.qxbroker\.com"):
        owning().resolve("staging.example", 443)


def test_whoever_looks_it_up_an_address_elsewhere_is_not_dialled() -> None:
    plan = DialPlan(address=read_url(HERE), resolve=lambda host, port: [])
    there = Found(socket.AF_INET6, ("::ffff:192.0.2.1", 80, 0, 0))
    with pytest.raises(UnsafeTarget, match="was refused"):
        Guard().check(plan, [there])
    Guard().check(plan, [Found(socket.AF_INET6, ("::ffff:127.0.0.1", 80, 0, 0))])


def test_a_proxy_and_another_name_are_refused_even_for_this_machine() -> None:
    plan = DialPlan(address=read_url(HERE))
    proxied = replace(plan, proxy=read_proxy_url("http://127.0.0.1:3128", where=""))
    with pytest.raises(UnsafeTarget, match="it would choose the address that is loaded"):
        Guard().vet(proxied)
    with pytest.raises(UnsafeTarget, match="Leave the name out"):
        Guard().vet(replace(plan, server_name="api-eu.po.market"))
    Guard().vet(replace(plan, server_name="127.0.0.1"))


def test_who_would_ask_the_system_asks_the_guard_instead() -> None:
    one = Guard()

    def here(host: str, port: int) -> list[Found]:
        return []

    assert one.vet(DialPlan(address=read_url(HERE))).resolve == one.resolve
    assert one.vet(DialPlan(address=read_url(HERE), resolve=here)).resolve is here


def test_a_brokers_name_is_refused_even_if_somebodys_resolver_says_it_is_here() -> None:
    """It is here where a tunnel to the broker begins."""
    here = [Found(socket.AF_INET, ("127.0.0.1", 443))]
    plan = DialPlan(address=read_url("wss://api-eu.po.market/"), resolve=lambda host, port: here)
    with pytest.raises(UnsafeTarget, match="PocketOption"):
        Guard().vet(plan)


# -- on the internet ---------------------------------------------------------------------------------------------------


def test_on_the_internet_no_token_means_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, staging_example=["8.8.8.8"])
    with pytest.raises(UnsafeTarget, match="load_key in \\[safety\\]"):
        owning().resolve("staging.example", 443)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, "t0ken\n", None),
        (200, "other", "answered something else"),
        (200, "", "answered something else"),
        (301, "t0ken", "answered with status 301"),
        (404, "t0ken", "answered with status 404"),
    ],
)
def test_every_address_on_the_internet_is_asked_for_the_token(
    status: int, body: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, staging_example=["8.8.8.8"])
    asked: list[tuple[str, str]] = []

    def asking(address: Any, place: Found, tls: Any) -> tuple[int, str]:
        asked.append((place.host, f"{address.secure} {address.host_header}{address.path}"))
        return status, body

    monkeypatch.setattr(guarding, "_asked", asking)
    owner = owning(token=Secret("t0ken"))
    if said is None:
        assert owner.resolve("staging.example", 443) == [Found(socket.AF_INET, ("8.8.8.8", 443))]
    else:
        with pytest.raises(
            UnsafeTarget, match=f"{said}.*serve this line at https://staging.example/"
        ) as refused:
            owner.resolve("staging.example", 443)
        assert "t0ken" in str(refused.value)
    assert asked == [("8.8.8.8", "True staging.example/.well-known/tradeprobe-load")]


def test_one_address_that_serves_no_token_is_enough_to_refuse_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = [Found(socket.AF_INET, (each, 443)) for each in ("8.8.8.8", "10.0.0.1", "9.9.9.9")]
    answering(monkeypatch)
    monkeypatch.setattr(guarding, "_addresses", lambda name, port: (places, []))
    monkeypatch.setattr(
        guarding, "_asked", lambda address, place, tls: (200, "" if place == places[2] else "t0ken")
    )
    with pytest.raises(UnsafeTarget, match=r"9\.9\.9\.9 answered something else"):
        owning(token=Secret("t0ken")).resolve("staging.example", 443)


@contextmanager
def answering_with(*pieces: bytes, every: float = 0.0) -> Iterator[Found]:
    """One that says this to the first who comes, and then nothing more."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                opened, _ = server.accept()
                with opened:
                    opened.recv(4096)
                    for piece in pieces:
                        opened.sendall(piece)
                        if is_over.wait(every):
                            return
                    is_over.wait(5.0)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Found(socket.AF_INET, server.getsockname())
        finally:
            is_over.set()
            thread.join()


def page(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    "said",
    [
        page(b"t0ken\r\n", "Content-Length: 7"),
        page(b"\xef\xbb\xbft0ken", "Content-Length: 8"),
        page(b"2\r\nt0\r\n3\r\nken\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    ],
    ids=["plain", "with a mark in front", "in chunks"],
)
def test_a_token_is_read_however_a_server_sends_it(said: bytes) -> None:
    address = Address(secure=False, host="staging.example", port=80, path="/")
    with answering_with(said[:20], said[20:]) as place:
        status, body = guarding._asked(address, place, TlsProfile())
    assert (status, body.strip()) == (200, "t0ken")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([page(b"", "Content-Length: 100000000"), *[b"x" * 4096] * 1000], ""),
        ([b"HTTP/1.1 200 OK\r\n", *[b"X-More: 1\r\n"] * 10_000], "no HTTP"),
        ([b"x" * 100_000], "no HTTP"),
        ([b"HTTP/1.1 abc\r\n\r\n"], "no HTTP"),
        ([page(b"", "Content-Encoding: br")], "no HTTP"),
        ([page(b"zz\r\n", "Transfer-Encoding: chunked")], "no HTTP"),
    ],
    ids=["a huge page", "a head without end", "no HTTP", "no status", "packed", "bad chunks"],
)
def test_no_page_can_fill_our_memory_or_break_the_run(pieces: list[bytes], words: str) -> None:
    address = Address(secure=False, host="staging.example", port=80, path="/")
    with answering_with(*pieces) as place:
        if words:
            with pytest.raises(OSError, match=words):
                guarding._asked(address, place, TlsProfile())
        else:
            _, body = guarding._asked(address, place, TlsProfile())
            assert len(body) < 2 * guarding.ANSWER_LIMIT_BYTES


@pytest.mark.parametrize("secure", [False, True])
def test_who_answers_drop_by_drop_is_not_waited_for(secure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In TLS as well: a record of 16 KiB is announced, and comes byte by byte."""
    monkeypatch.setattr(guarding, "ANSWERS_WITHIN_SECONDS", 0.3)
    address = Address(secure=secure, host="staging.example", port=80, path="/")
    drops = [b"\x16\x03\x03\x40\x00\x02"] if secure else [b"HTTP/1.1 200 OK\r\n"]
    with answering_with(*drops, *[b"\0"] * 1000, every=0.02) as place:
        began = time.monotonic()
        with pytest.raises(OSError):  # noqa: PT011 - of any kind
            guarding._asked(address, place, TlsProfile())
        assert time.monotonic() - began < 5.0  # and not the 20 that all of it would take


# -- how much ----------------------------------------------------------------------------------------------------------

LIMITS = Limits(
    here=Caps(connections=8, rate=40.0, seconds=60.0), owned=Caps(connections=4, rate=4.0, seconds=6.0), shares=4
)  # fmt: skip


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    pretended = SimpleNamespace(now=1000.0)
    pretended.monotonic = lambda: pretended.now
    monkeypatch.setattr(guarding, "time", pretended)
    return pretended


def claimed(one: Guard) -> int:
    """So many connections it lets us have."""
    count = 0
    while one.claim_connection():
        count += 1
    return count


def test_a_process_that_was_told_nothing_takes_one_share() -> None:
    assert claimed(Guard(told_of(limits=LIMITS))) == 2
    assert claimed(Guard()) == Limits().here.connections // Limits().shares


def test_what_the_master_leaves_to_it_counts_and_never_more_than_the_whole() -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(5, 40.0, inf)
    assert claimed(one) == 5
    one.take_share(500, 40.0, inf)
    assert claimed(one) == 8 - 5
    assert one.last_refusal == "connections"
    one.release_connection()
    assert claimed(one) == 1


def test_any_other_host_than_this_machine_has_the_lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, staging_example=["10.0.0.1"])
    one = owning(limits=LIMITS)
    one.take_share(500, 500.0, inf)
    assert (one.caps, claimed(one)) == (LIMITS.owned, 4)
    mixed = Guard(
        told_of(HERE, declared=frozenset({"staging.example"}), owned=frozenset({"staging.example"}), limits=LIMITS)
    )  # fmt: skip
    assert mixed.caps == LIMITS.here
    mixed.resolve("staging.example", 443)
    assert mixed.caps == LIMITS.owned


@pytest.mark.parametrize("rate", [0.0, -1.0, -inf])
def test_a_share_of_no_rate_lets_nothing_be_sent(rate: float) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(5, rate, inf)
    assert [one.claim_message(1000.0 + step) for step in range(5)][1:] == [False] * 4


def test_a_share_that_is_no_number_is_the_whole_at_most(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(10**9, nan, nan)
    assert claimed(one) == LIMITS.here.connections
    assert one.ends_at == clock.now + LIMITS.here.seconds
    assert sum(one.claim_message(clock.now) for _ in range(1000)) == 40 * guarding.BURST_SECONDS + 1


def test_who_shares_has_no_more_than_his_part_also_where_the_master_thought_of_another_host(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master divides what counts on this machine, and a user's class goes to another host."""
    answering(monkeypatch, staging_example=["10.0.0.1"])
    own = frozenset({"staging.example"})
    one = Guard(told_of(HERE, declared=own, owned=own, limits=LIMITS))
    one.take_share(4, 20.0, inf, sharing=2)
    one.resolve("staging.example", 443)
    assert claimed(one) == LIMITS.owned.connections / 2
    assert sum(one.claim_message(clock.now + step / 100) for step in range(500)) == pytest.approx(10, abs=1)


def test_the_shorter_time_of_another_host_counts_from_the_runs_beginning(
    clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, staging_example=["10.0.0.1"])
    own = frozenset({"staging.example"})
    one = Guard(told_of(HERE, declared=own, owned=own, limits=LIMITS))
    assert one.claim_connection()
    assert one.ends_at == 1060.0
    clock.now = 1002.0
    one.resolve("staging.example", 443)
    assert one.ends_at == 1006.0


def test_who_opens_and_closes_without_end_opens_no_more_than_the_rate(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(8, 4.0, inf)
    opened = 0
    for _ in range(20_000):  # for twenty seconds
        clock.now += 0.001
        if one.claim_connection():
            opened += 1
            one.release_connection()
    assert one.last_refusal == "rate"
    assert opened == pytest.approx(8 + 4 + 20 * 4, abs=2)


def test_messages_keep_to_the_rate_over_time(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(1, 40.0, inf)
    at_once = 0
    while one.claim_message(clock.now):
        at_once += 1
    assert at_once == 40 * guarding.BURST_SECONDS + 1
    assert one.last_refusal == "rate"
    sent = sum(one.claim_message(clock.now + step / 1000) for step in range(10_000))
    assert sent == pytest.approx(400, abs=1)


def test_a_run_ends_when_its_time_is_over(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    assert one.ends_at == inf
    assert one.claim_connection()
    assert one.ends_at == 1060.0
    clock.now = 1059.9
    assert one.claim_connection()
    assert one.claim_message(clock.now)
    clock.now = 1060.0
    assert not one.claim_connection()
    assert one.last_refusal == "minutes"
    assert not one.claim_message(clock.now)
    assert one.last_refusal == "minutes"


def test_a_master_can_only_shorten_the_time(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.take_share(8, 40.0, 1030.0)
    one.claim_connection()
    one.take_share(8, 40.0, 5000.0)
    assert one.ends_at == 1030.0


def test_the_next_run_of_a_process_has_its_own_time(clock: SimpleNamespace) -> None:
    one = Guard(told_of(limits=LIMITS))
    one.claim_connection()
    clock.now = 1070.0
    assert not one.claim_connection()
    one.begin_run()
    assert one.claim_connection()
    assert one.ends_at == 1130.0


def test_the_guard_of_the_process_follows_what_the_process_is_told() -> None:
    first = guard()
    assert first.caps == Limits().here
    told.use(told_of(STAGING, limits=LIMITS))
    assert guard() is first
    assert guard().caps == LIMITS.owned


# -- trading -----------------------------------------------------------------------------------------------------------


@contextmanager
def listening(answer: Any, *, port: int = 0, keeps: bool = False) -> Iterator[tuple[str, list[str]]]:
    """One that answers each request by `answer(nonce, place)`; its URL, and what was asked. `keeps`: connections, to its end."""
    asked: list[str] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", port)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    opened, _ = server.accept()
                except OSError:
                    return
                kept.append(opened)
                line = opened.recv(4096).decode().partition("\r\n")[0]
                asked.append(line)
                nonce = nonce_asked(Head(first_line=line, headers=(), preview=b"", rest=b""))
                if (said := answer(nonce, place)) is not None:
                    opened.sendall(said.encode())
                if not keeps:
                    opened.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"ws://{place}/socket.io/", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in kept:
                each.close()


def ok(body: str) -> str:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 1}\r\n\r\n{body}\n"


def proves(nonce: str, place: str) -> str:
    return ok(proof_of(KEY, nonce, place))


def eventually_closed(kept: socket.socket | None) -> None:
    assert kept is not None
    kept.settimeout(5.0)
    assert kept.recv(1, socket.MSG_PEEK) == b""


def test_orders_go_to_a_simulator_that_proves_itself_and_it_is_asked_once() -> None:
    with listening(proves, keeps=True) as (url, asked):
        one = Guard(told_of(url, simulator_key=KEY))
        assert [one.may_trade(url) for _ in range(3)] == [True] * 3
        assert len(asked) == 1


@pytest.mark.parametrize(
    "after",
    [lambda nonce, place: ok("a broker"), lambda nonce, place: None, None],
    ids=["another", "a silent one", "nobody"],
)
def test_no_order_goes_to_who_has_the_port_of_a_simulator_that_has_ended(after: Any) -> None:
    """None: nobody has it."""
    with listening(proves, keeps=True) as (url, _):
        one = Guard(told_of(url, simulator_key=KEY))
        assert one.may_trade(url)
    port = read_url(url).port
    if after is None:
        assert not one.may_trade(url)
        return
    with listening(after, port=port) as (_, asked):
        assert [one.may_trade(url) for _ in range(3)] == [False] * 3
        assert len(asked) == 1


def test_a_simulator_that_came_back_at_the_same_port_proves_itself_again() -> None:
    with listening(proves, keeps=True) as (url, _):
        one = Guard(told_of(url, simulator_key=KEY))
        assert one.may_trade(url)
    with listening(proves, keeps=True, port=read_url(url).port) as (_, asked):
        assert [one.may_trade(url) for _ in range(3)] == [True] * 3
        assert len(asked) == 1


def test_who_keeps_no_connection_is_asked_before_each_order() -> None:
    with listening(proves) as (url, asked):
        one = Guard(told_of(url, simulator_key=KEY))
        allowed = [one.may_trade(url)]
        eventually_closed(one._proofs[url])
        allowed.append(one.may_trade(url))
        assert (allowed, len(asked)) == ([True, True], 2)


@pytest.mark.parametrize(
    "answer",
    [
        lambda nonce, place: ok(proof_of(Secret("x" * 43), nonce, place)),
        lambda nonce, place: ok(proof_of(KEY, "0" * 64, place)),
        lambda nonce, place: ok(proof_of(KEY, nonce, "127.0.0.1:1")),
        lambda nonce, place: ok("yes"),
        lambda nonce, place: f"HTTP/1.0 404 Not Found\r\n\r\n{proof_of(KEY, nonce, place)}",
        lambda nonce, place: (
            f"HTTP/1.0 302 Found\r\nLocation: http://{place}/\r\n\r\n{proof_of(KEY, nonce, place)}"
        ),
        lambda nonce, place: "what?",
        lambda nonce, place: None,
    ],
    ids=[
        "another key",
        "another challenge",
        "another port",
        "no proof",
        "an error",
        "a redirect",
        "no HTTP",
        "nothing",
    ],
)
def test_no_order_goes_to_this_machine_without_the_proof(answer: Any) -> None:
    """It may be the beginning of a tunnel to a broker."""
    with listening(answer) as (url, asked):
        assert not Guard(told_of(url, simulator_key=KEY)).may_trade(url)
        assert len(asked) == 1


def test_without_a_key_nobody_is_asked_and_nobody_may_trade() -> None:
    with listening(proves) as (url, asked):
        assert not Guard(told_of(url)).may_trade(url)
        assert not Guard().may_trade(url)
        assert asked == []


def test_no_order_goes_to_an_owned_host_whatever_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, staging_example=["10.0.0.1"])
    monkeypatch.setattr(guarding, "_asked_on", lambda *asked: pytest.fail("it was asked"))
    assert not owning(simulator_key=KEY).may_trade(STAGING)


def test_what_was_proven_to_one_run_is_not_proven_to_the_next(tmp_path: Path) -> None:
    with listening(proves) as (url, _):
        told.use(told_of(url, simulator_key=KEY))
        assert guard().may_trade(url)
        told.use(told_of(url, simulator_key=Secret("y" * 43)))
        assert not guard().may_trade(url)
