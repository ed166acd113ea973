import asyncio
import base64
import threading
from collections.abc import Callable

import bcrypt

from exporters.guard import users as module
from exporters.guard.rates import MOST_CLIENTS, Rates, client_of
from exporters.guard.users import MOST_KNOWN, MOST_WAITING, Users, Verdict
from probe.model.credentials import Secret
from tests.exporters.certified import HASH, PASSWORD
from tests.exporters.serving import in_a_loop

IN, OUT = Verdict(allowed=True), Verdict()
CHEAP = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()


def login(name: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


class Counted:
    """bcrypt, counted; and a clock that is moved."""

    def __init__(self, **hashes: str) -> None:
        self.checks: list[bytes] = []
        self.now = 0.0
        self.hold: Callable[[], object] = lambda: None
        self.users = Users(
            {name: Secret(text) for name, text in (hashes or {"admin": HASH}).items()},
            check=self._check,
            clock=lambda: self.now,
        )

    def _check(self, password: bytes, hashed: bytes) -> bool:
        self.hold()
        self.checks.append(hashed)
        return bcrypt.checkpw(password, hashed)

    async def ask(self, name: str, password: str, client: str = "192.0.2.1") -> Verdict:
        return await self.users.verdict(login(name, password), client)


@in_a_loop
async def test_the_right_password_comes_in_and_is_checked_once() -> None:
    counted = Counted()
    for _ in range(20):
        assert await counted.ask("admin", PASSWORD) == IN
    assert len(counted.checks) == 1


@in_a_loop
async def test_a_browser_that_asks_six_times_at_once_is_checked_once() -> None:
    counted = Counted()
    assert await asyncio.gather(*(counted.ask("admin", PASSWORD) for _ in range(6))) == [IN] * 6
    assert len(counted.checks) == 1


@in_a_loop
async def test_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    counted = Counted()
    assert await counted.ask("admin", "wrong") == OUT
    assert await counted.ask("nobody", "wrong") == OUT
    assert counted.checks == [HASH.encode()] * 2


@in_a_loop
async def test_somebody_elses_password_is_not_ones_own() -> None:
    counted = Counted()
    assert await counted.ask("nobody", PASSWORD) == OUT
    counted = Counted(admin=HASH, reader=CHEAP)
    assert await counted.ask("reader", PASSWORD) == OUT
    assert await counted.ask("reader", "other") == IN


@in_a_loop
async def test_what_is_no_login_costs_nothing() -> None:
    counted = Counted()
    for header in (
        b"",
        b"Basic",
        b"Basic !!!",
        b"Bearer abc",
        b"Basic " + base64.b64encode(b"no colon"),
        b"\xff\xfe",
    ):
        assert await counted.users.verdict(header, "192.0.2.1") == OUT
    assert counted.checks == []


@in_a_loop
async def test_the_name_of_the_scheme_may_be_written_small() -> None:
    counted = Counted()
    assert (
        await counted.users.verdict(login("admin", PASSWORD).replace(b"Basic", b"basic"), "192.0.2.1") == IN
    )


@in_a_loop
async def test_wrong_passwords_of_one_client_are_throttled_and_those_of_others_are_not() -> None:
    counted = Counted()
    for number in range(10):
        assert await counted.ask("admin", f"wrong {number}") == OUT
    assert await counted.ask("admin", "wrong") == Verdict(wait=2)
    assert len(counted.checks) == 10
    assert await counted.ask("admin", "wrong", "192.0.2.2") == OUT
    counted.now += 2
    assert await counted.ask("admin", "wrong") == OUT


@in_a_loop
async def test_wrong_passwords_of_all_clients_together_are_throttled() -> None:
    counted = Counted()
    verdicts = [await counted.ask("admin", "wrong", f"192.0.2.{number}") for number in range(40)]
    assert verdicts.count(OUT) == len(counted.checks) == 30


@in_a_loop
async def test_who_is_in_stays_in_while_others_guess() -> None:
    counted = Counted()
    assert await counted.ask("admin", PASSWORD) == IN
    for number in range(40):
        await counted.ask("admin", f"wrong {number}")
    assert await counted.ask("admin", PASSWORD) == IN


@in_a_loop
async def test_right_passwords_do_not_count_as_wrong_ones() -> None:
    counted = Counted(**{f"user{number}": HASH for number in range(40)})
    for number in range(40):
        assert await counted.ask(f"user{number}", PASSWORD) == IN


@in_a_loop
async def test_no_more_wait_for_the_thread_than_can_soon_be_checked() -> None:
    counted, go = Counted(), threading.Event()
    counted.hold = lambda: go.wait(20)
    asked = [
        asyncio.create_task(counted.ask("admin", f"wrong {number}", f"192.0.2.{number}"))
        for number in range(20)
    ]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result() for task in done} == {Verdict(wait=1)}
    go.set()
    verdicts = await asyncio.gather(*asked)
    assert verdicts.count(OUT) == len(counted.checks) == MOST_WAITING


@in_a_loop
async def test_one_who_gives_up_does_not_take_the_others_answer_away() -> None:
    counted, go = Counted(), threading.Event()
    counted.hold = lambda: go.wait(20)
    *left, stays = [asyncio.create_task(counted.ask("admin", PASSWORD)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    go.set()
    assert await stays == IN


@in_a_loop
async def test_a_new_file_forgets_who_was_in() -> None:
    counted = Counted()
    assert await counted.ask("admin", PASSWORD) == IN
    counted.users.change({"admin": Secret(CHEAP)})
    assert await counted.ask("admin", PASSWORD) == OUT
    assert await counted.ask("admin", "other") == IN


@in_a_loop
async def test_a_check_that_began_before_a_new_file_lets_nobody_in_for_longer() -> None:
    counted, go = Counted(), threading.Event()
    counted.hold = lambda: go.wait(20)
    early = asyncio.create_task(counted.ask("admin", PASSWORD))
    await asyncio.sleep(0)
    counted.users.change({"admin": Secret(CHEAP)})
    go.set()
    await early
    assert await counted.ask("admin", PASSWORD) == OUT


@in_a_loop
async def test_what_is_remembered_is_bounded() -> None:
    counted = Counted(**{f"user{number}": HASH for number in range(MOST_KNOWN + 40)})
    counted.users._check = lambda password, _: password == b"x"
    for number in range(MOST_KNOWN + 40):
        assert await counted.ask(f"user{number}", "x") == IN
    assert len(counted.users._known) == MOST_KNOWN


@in_a_loop
async def test_a_password_beyond_what_bcrypt_looks_at_is_no_error() -> None:
    long = "x" * 100
    counted = Counted(admin=bcrypt.hashpw(long[:72].encode(), bcrypt.gensalt(4)).decode())
    assert await counted.ask("admin", long) == IN
    assert await counted.ask("admin", "y" * 100) == OUT
    assert await counted.ask("admin", "with\0zero") == OUT


@in_a_loop
async def test_without_users_everybody_comes_in() -> None:
    assert await Users({}).verdict(b"", "192.0.2.1") == IN


def test_nothing_of_it_shows_a_password() -> None:
    counted = Counted()
    assert HASH not in repr(vars(counted.users)["_known"])
    assert "planted" not in repr(module.Verdict())


def test_a_bucket_fills_again_and_never_beyond_its_size() -> None:
    rates = Rates(each_second=2, burst=3)
    assert [rates.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert [rates.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 1]
    assert rates.take("b", 100.0) == 0


def test_clients_that_are_remembered_are_bounded() -> None:
    rates = Rates(each_second=1, burst=1)
    for number in range(MOST_CLIENTS + 100):
        rates.take(str(number), 0.0)
    assert len(rates._left) == MOST_CLIENTS


def test_one_client_is_one_address_or_one_network_of_ipv6() -> None:
    assert client_of("192.0.2.7") == "192.0.2.7"
    assert client_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert client_of("2001:db8:1:2:3::4") == client_of("2001:db8:1:2::5") == "2001:db8:1:2::/64"
    assert client_of("fe80::1%eth0") == "fe80::/64"
    assert client_of("") == ""
