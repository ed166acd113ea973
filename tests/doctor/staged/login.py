"""Staged: logins that are refused, not answered, withdrawn, or of the wrong kind; and sign-in pages that do not let in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

from probe.brokers import find_broker
from probe.doctor.examine import Patient
from probe.doctor.pasted import pasted_of
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Credentials, PasswordLogin, Secret
from probe.model.endpoint import Account, Endpoint
from probe.monitor.knock import knock
from probe.monitor.sign_in import SignIn
from probe.session.broker import Broker, Region
from probe.simulator.run import Simulator
from probe.vault import Found
from tests.doctor.simulated import simulated
from tests.doctor.staging import Staged, travelling
from tests.doctor.upgrade_stubs import listening

BOTH = ("pocketoption", "quotex")
LIVE = (Region(name="real-eu", account=Account.LIVE, latency=0.005),)
MADE_LONG_AGO, USED_TODAY = "i:1732926685;", "i:1767780000;"  # as the broker writes it into a session
Stage = Callable[[], AbstractAsyncContextManager[Patient]]


def _bound(used: str, fault: str) -> Stage:
    """A real account's session that was made at another address, last used then."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with simulated("pocketoption", fault, at=LIVE)() as patient:
            text = patient.key.frame.reveal().replace(MADE_LONG_AGO, used)  # type: ignore[union-attr]
            found = Found(secret=Secret(text), source="an argument")
            yield replace(patient, pasted=pasted_of(found, patient.broker))

    return stage


def _second_login(broker: str) -> Stage:
    """While the session stands, the same account logs in once more."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with simulated(broker, "session-cap")() as patient:

            async def log_in() -> None:
                await asyncio.sleep(2.0)
                assert patient.broker is not None
                assert patient.endpoint is not None
                assert not isinstance(patient.key, SignIn)
                await knock(patient.broker, patient.endpoint, patient.key, tls=TlsProfile(), timeout=20.0)

            other = asyncio.create_task(log_in())
            try:
                yield patient
            finally:
                other.cancel()
                await asyncio.gather(other, return_exceptions=True)

    return stage


@asynccontextmanager
async def _serving(
    broker: Broker, answer: Callable[[str, str], bytes], **about: object
) -> AsyncIterator[Patient]:
    """A server that answers one request of each connection by its method and path."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        said = answer(method, path)
        writer.write(said)
        if b" 101 " in said:
            await reader.read()

    async with listening(script) as port:
        endpoint = Endpoint(
            broker=broker.name,
            region="own",
            url=f"ws://127.0.0.1:{port}/socket.io/?EIO={3 if broker.web else 4}&transport=websocket",
            account=Account.DEMO,
            named_by_user=True,
        )
        yield Patient(name="own", broker=broker, endpoint=endpoint, is_ours=True, **about)  # type: ignore[arg-type]


def _page(status: str, body: str, kind: str = "text/html") -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


INPUT = '<form><input name="_token" value="Zq8wF2kLmN4pR6tV9xB1cD3e"></form>'
FORM = _page("200 OK", INPUT)
TOO_MANY = _page("429 Too Many Requests", '{"message":"limit","ttl":900}', "application/json")


def _signing_in(answer_to_password: bytes, form: bytes) -> Stage:
    def answer(method: str, path: str) -> bytes:
        return answer_to_password if method == "POST" else form

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        broker = find_broker("quotex")
        assert broker.web is not None
        login = PasswordLogin(
            broker="quotex",
            user=Secret("person@example.com"),
            password=Secret("hunter22"),
            account=Account.DEMO,
        )
        key = SignIn(web=broker.web, login=login, keep=None, answer=_nobody)
        async with _serving(broker, answer, key=key) as patient:
            yield patient

    return stage


def _nobody(_: object) -> None:
    """There is no person to give a PIN."""


def _full_house(room: int, refusal: str = "403 Forbidden") -> Stage:
    """So many connections are taken, and held; each further one is refused."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        taken = 0

        def answer(method: str, path: str) -> bytes:
            nonlocal taken
            taken += 1
            if taken > room:
                return f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode()
            return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

        async with _serving(find_broker("pocketoption"), answer) as patient, AsyncExitStack() as held:
            assert patient.endpoint is not None
            for _ in range(room):
                reader, writer = await asyncio.open_connection("127.0.0.1", patient.endpoint.address.port)
                held.callback(writer.close)
                writer.write(b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
            yield patient

    return stage


def of_two(fault: str, other: Account, *beside: str, later: str = "") -> Stage:
    """A demo account, and another place for one of that kind; each place with its faults, the first with one more a while
    after the login."""
    broker = find_broker("pocketoption")

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with (
            Simulator([broker], faults=[fault] if fault else []) as here,
            Simulator([broker], faults=beside) as elsewhere,
        ):

            async def get_worse() -> None:
                await asyncio.sleep(2.0)
                await here.board.switch_on(later)

            turn = asyncio.create_task(get_worse()) if later else None
            endpoint = here.plain_endpoints()[0]
            second = next(each for each in elsewhere.plain_endpoints() if each.account is other)
            yield Patient(
                name="sim",
                broker=broker,
                endpoint=endpoint,
                key=here.key(endpoint),
                symbol=broker.house.symbol or broker.default_symbol,
                is_ours=True,
                others=((replace(second, region="elsewhere"), elsewhere.key(second)),),
            )
            if turn is not None:
                await turn

    return stage


def _bound_to_a_browser(agent: str) -> Stage:
    """A real account's session that was made here a minute ago. The server compares the browser in it with the header."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with simulated("pocketoption", at=LIVE)() as patient:
            text = patient.key.frame.reveal()  # type: ignore[union-attr]
            usual = patient.key.user_agent  # type: ignore[union-attr]
            for old, new in (("203.0.113.7", "127.0.0.1"), (usual or "", agent)):
                text = text.replace(f's:{len(old)}:\\"{old}\\"', f's:{len(new.encode())}:\\"{new}\\"')
            text = text.replace(MADE_LONG_AGO, USED_TODAY)
            assert patient.broker is not None
            key = patient.broker.read_credentials(text)
            found = Found(secret=Secret(text), source="an argument")
            async with _comparing(agent, key) as endpoint:
                yield replace(patient, endpoint=endpoint, key=key, pasted=pasted_of(found, patient.broker))

    return stage


@asynccontextmanager
async def _comparing(agent: str, key: Credentials) -> AsyncIterator[Endpoint]:
    """In front of two simulators: whoever names another browser comes to the one that refuses logins."""
    broker = find_broker("pocketoption")
    async with (
        Simulator([broker], regions=LIVE, faults=["auth-refused"]) as refusing,
        Simulator([broker], regions=LIVE) as accepting,
    ):
        world = accepting.worlds[broker.name]
        user = next(each for each in world.accounts if each.account is Account.LIVE)
        world.lend(key.token, user.user, float("inf"))

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            is_same = f"user-agent: {agent.lower()}\r\n".encode() in head.lower()
            behind = (accepting if is_same else refusing).plain_endpoints()[0]
            inner, outer = await asyncio.open_connection("127.0.0.1", behind.address.port)
            outer.write(head)
            await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))

        async with listening(script) as port:
            endpoint = accepting.plain_endpoints()[0]
            yield replace(endpoint, url=f"ws://127.0.0.1:{port}{endpoint.address.path}")


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


CASES: list[Staged] = [
    *(
        Staged(
            code=code,
            name=f"{fault} {broker}",
            play=travelling(simulated(broker, fault), code),
            certain=certain,
        )
        for broker in BOTH
        for code, fault, certain in (
            ("auth.session-expired", "auth-refused", False),
            ("auth.session-expired", "auth-outage", False),
            ("auth.rejected-41", "auth-41", True),
            ("auth.silent-after-connect", "auth-silent", False),
            ("auth.demo-real-mismatch", "auth-close", False),
            ("auth.demo-real-mismatch", "lying-balance", True),
            ("auth.logged-in-elsewhere", "kicked-elsewhere:at=3s", False),
            ("auth.false-success", "kicked-elsewhere:at=0.5s", True),
            ("auth.false-success", "false-success", False),
        )
    ),
    *(
        Staged(
            code="auth.logged-in-elsewhere",
            name=f"second login {broker}",
            play=travelling(_second_login(broker), "auth.logged-in-elsewhere"),
        )
        for broker in BOTH
    ),
    *(
        Staged(
            code=code,
            name=f"{'made at another address' if used == USED_TODAY else 'long unused'} {fault}",
            play=travelling(_bound(used, fault), code),
        )
        for used, fault, code in (
            (USED_TODAY, "auth-refused", "auth.ip-bound"),
            (USED_TODAY, "auth-41", "auth.ip-bound"),
            (USED_TODAY, "auth-close", "auth.ip-bound"),
            (USED_TODAY, "auth-silent", "auth.silent-after-connect"),
            (MADE_LONG_AGO, "auth-refused", "auth.session-expired"),
            (MADE_LONG_AGO, "auth-41", "auth.rejected-41"),
            (MADE_LONG_AGO, "auth-close", "auth.session-expired"),
            (MADE_LONG_AGO, "auth-silent", "auth.silent-after-connect"),
        )
    ),
    Staged(
        code="",
        name="made at another address and accepted",
        play=travelling(_bound(USED_TODAY, "slow:step=auth,seconds=0.1s"), ""),
    ),
    *(
        Staged(code=code, name=name, play=travelling(_full_house(room, refusal), code))
        for code, name, room, refusal in (
            ("auth.connection-cap", "the third is refused", 2, "403 Forbidden"),
            ("http.403-origin", "the second is refused", 1, "403 Forbidden"),
            ("http.429", "the third is too many", 2, "429 Too Many Requests"),
            ("http.bad-gateway", "away while others are open", 2, "503 Service Unavailable"),
        )
    ),
    Staged(
        code="auth.wrong-region",
        name="another region lets it in",
        play=travelling(of_two("auth-refused", Account.DEMO), "auth.wrong-region"),
        certain=True,
    ),
    Staged(
        code="auth.session-expired",
        name="another region refuses it too",
        play=travelling(of_two("auth-refused", Account.DEMO, "auth-refused"), "auth.session-expired"),
    ),
    Staged(
        code="auth.demo-blocked",
        name="the live account is served",
        play=travelling(of_two("false-success", Account.LIVE), "auth.demo-blocked"),
    ),
    Staged(
        code="auth.false-success",
        name="the live account is not served either",
        play=travelling(of_two("false-success", Account.LIVE, "false-success"), "auth.false-success"),
    ),
    Staged(
        code="auth.ua-bound",
        name="a browser that no header can name",
        play=travelling(_bound_to_a_browser("Mozilla/5.0 (Größe)"), "auth.ua-bound"),
    ),
    Staged(
        code="",
        name="a browser whose name is sent",
        play=travelling(_bound_to_a_browser("Mozilla/5.0 (X11)"), ""),
    ),
    *(
        Staged(code=code, name=name, play=travelling(_signing_in(answer, form), code), certain=certain)
        for code, name, answer, form, certain in (
            ("auth.login-rate-limited", "with its time to wait", TOO_MANY, FORM, True),
            ("http.429", "the sign-in page too", TOO_MANY, TOO_MANY, False),
            (
                "auth.bad-credentials",
                "the page says so",
                _page("200 OK", '<p class="hint--danger">Invalid e-mail or password</p>'),
                FORM,
                True,
            ),
            (
                "auth.2fa-pin",
                "nobody gives the PIN",
                _page("200 OK", f'{INPUT}<input name="keep_code" value="1">'),
                FORM,
                True,
            ),
            ("cfg.login-page-changed", "no form token", b"", _page("200 OK", "<form></form>"), False),
            ("cfg.login-page-changed", "leads nowhere", _page("200 OK", "<p>Hello</p>"), FORM, False),
        )
    ),
]
