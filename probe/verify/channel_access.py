"""Channels of whoever comes in: the login, what is kept of it, the line, its encryption, and the limits on both sides."""

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from probe.api.errors import ConnectionFailed, OrderRejected, TooManyRequests
from probe.api.holding import Holding
from probe.api.pace import ORDERS, Pace
from probe.api.session import Session
from probe.api.streams import Quote
from probe.drivers.exchange import CallSettings
from probe.drivers.tls import TlsProfile
from probe.kept import VERSION, SessionFile
from probe.model.credentials import Credentials, Secret, WebSession
from probe.model.errors import ConfigError, CredentialInvalid
from probe.model.failures import Blame, Layer
from probe.monitor.sign_in import RENEWED, SignIn
from probe.monitor.wanted import Wanted
from probe.safety import is_loopback
from probe.session.buckets import Limited, Rate
from probe.session.reconnect import DIALS, DIALS_WITHIN_SECONDS
from probe.simulator.run import Simulator
from probe.verify.bench import LIVE_WITHIN, Bench
from probe.verify.content import MONEY, right_balance, right_price
from probe.verify.model import Evidence, Failed, Skip, expect

RESTORED_WITHIN = 120.0
QUICK = Rate(size=5, every=0.5)  # a limit that shows within seconds
ASKED, ORDERED = 15, 4
NEVER = Rate(size=1, every=1_000.0)
EARLY = 0.02  # seconds; clocks have steps
UNHEARD_OF = 1e9  # of any account's money
UNKNOWN = "0123456789abcdef"
EXPIRED = "auth.session-expired"


async def authentication(bench: Bench) -> Evidence:
    async with bench.session() as session:
        account = session.account.value
        if bench.is_pushed:
            await right_balance(bench, session)
    if bench.simulator is None:  # nobody is to be made count a failed login
        words = f"the credential opens a session of a {account} account"
        return Evidence(words=words, figures={"wrong_ones_refused": 0})
    try:
        async with bench.session(key=_strangers(bench)):
            raise Failed("a token that the broker never gave out opens a session")
    except ConnectionFailed as refused:
        facts = refused.failure.facts
        is_told = facts.blame is Blame.CREDENTIAL or facts.layer is Layer.AUTH
        expect(is_told, f"a wrong token ends in {refused.failure.kind}, which does not name the credential")
        words = (
            f"the credential opens a session; a token that was never given out ends in {refused.failure.kind}"
        )
        return Evidence(words=words, figures={"wrong_ones_refused": 1})


def _strangers(bench: Bench) -> Credentials:
    identity = bench.identity
    token = "".join(bench.rng.choices(UNKNOWN, k=len(identity.token)))
    return bench.broker.read_credentials(bench.broker.write_credential(replace(identity, token=token)))


# -- what is kept of a login -------------------------------------------------------------------------------------------


async def session_persistence(bench: Bench) -> Evidence:
    with tempfile.TemporaryDirectory() as folder:
        place, warned = Path(folder) / "sessions", list[str]()
        keep = SessionFile(place, warn=warned.append)
        way_in = _way_in(bench, keep)
        first = await way_in.enter(bench.endpoint, CallSettings())
        if not isinstance(first.outcome, WebSession):
            raise Failed(f"signing in failed: {first.outcome}").taken_for(first.outcome.code)
        (file,) = place.glob("*.json")
        _look_at(file)
        again = await way_in.enter(bench.endpoint, CallSettings())
        expect(
            not again.calls,
            f"the second time {len(again.calls)} requests were made",
            requests=len(again.calls),
        )
        kept = again.outcome
        if not isinstance(kept, WebSession):
            raise Failed(f"what was kept cannot be used: {kept}")
        async with bench.session(key=way_in) as session:
            expect(session.is_live, "what was kept opens no session")
        await way_in.reject(kept)
        token = kept.token.reveal()
        expect(
            token not in file.read_text(encoding="utf-8"), "a token that was rejected is still in the file"
        )
        refused = keep.save(kept)
        expect(refused is not None and refused.kind == "login.stale-token", "a rejected token is kept again")
        left = keep.load(bench.broker.name, way_in.login.key)
        anew = await way_in.enter(bench.endpoint, CallSettings())
        if not isinstance(anew.outcome, WebSession):
            raise Failed(f"for a token that was rejected there is no other: {anew.outcome}").taken_for(
                anew.outcome.code
            )
        if left is not None and left.session.cookies and anew.how != RENEWED:
            raise Failed(f"its cookies won no other token, it took {anew.how}").taken_for(EXPIRED)
        expect(not warned, f"it warns: {'; '.join(warned)}")
    words = (
        f"signed in once and kept as version {VERSION}, readable for its owner only; used again without a request; "
        f"rejected, it is out of the file and never kept again; {anew.how} takes its place"
    )
    return Evidence(words=words, figures={"version": VERSION, "sign_ins": 1})


def _way_in(bench: Bench, keep: SessionFile) -> SignIn:
    web = bench.broker.web
    sign_in = next((each.sign_in for each in bench.there.accounts() if each.sign_in), None)
    login = web.read_login(sign_in.login.reveal()) if web and sign_in else None
    if web is None or sign_in is None or login is None:
        raise Skip("it needs a broker whose sessions are won with a password")
    pin: Secret | None = sign_in.pin
    return SignIn(web=web, login=login, keep=keep, answer=lambda _: pin)


def _look_at(file: Path) -> None:
    mode, folder_mode = file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777
    expect(mode == 0o600, f"the file's mode is {mode:o}", mode=f"{mode:o}")
    expect(folder_mode == 0o700, f"its folder's mode is {folder_mode:o}", mode=f"{folder_mode:o}")
    version = json.loads(file.read_text(encoding="utf-8")).get("version")
    expect(version == VERSION, f"the file says version {version}", version=version)
    left = [each.name for each in file.parent.iterdir() if each.name not in (file.name, "lock")]
    expect(not left, f"writing it left {', '.join(left)} behind")


# -- the line ----------------------------------------------------------------------------------------------------------


async def reconnection(bench: Bench) -> Evidence:
    heard: list[Quote] = []
    async with bench.session(reconnect=True) as session:
        session.subscribe(bench.symbol, heard.append)
        await bench.until(lambda: heard, RESTORED_WITHIN)
        async with bench.fault("reset"):
            await bench.until(lambda: not session.is_live, RESTORED_WITHIN)
        began = bench.now
        await bench.until(lambda: session.is_live, RESTORED_WITHIN)
        back, before = bench.now - began, len(heard)
        await bench.until(lambda: len(heard) > before, RESTORED_WITHIN)
        right_price(bench, heard[-1])
        told = session.statistics()
    expect(told.reconnects == 1, f"it reconnected {told.reconnects} times", reconnects=told.reconnects)
    words = f"a connection that was reset was made again within {back:.1f} s, and the prices went on by themselves"
    return Evidence(words=words, figures={"reconnects": 1, "attempts": told.attempts, "seconds": back})


async def tls_policy(bench: Bench) -> Evidence:
    if bench.simulator is None:
        address = bench.endpoint.address
        if not address.secure and is_loopback(address.host):
            raise Skip("the endpoint is named without encryption, and leads no further than this machine")
        async with bench.session() as session:
            agreed = session.tls
        expect(agreed, "the session is not encrypted")
        return Evidence(words=f"verified, {agreed}", figures={"tls": agreed})
    faults = map(str, bench.simulator.board.orders.values())
    async with Simulator([bench.broker], tls=True, faults=faults) as simulator:
        wanted = _encrypted(bench.wanted, simulator)
        latest = replace(wanted, tls=TlsProfile(ca_file=simulator.ca_file, minimum=_LATEST))
        agreed = await _agreed(bench, wanted)
        only = await _agreed(bench, latest)
        expect(only.startswith("TLSv1.3"), f"with 1.3 as the least it agreed on {only}", tls=only)
        unknown = await _refused(
            bench, replace(wanted, tls=TlsProfile()), "an authority that nobody knows is trusted"
        )
        await simulator.board.switch_on("tls-version")
        older = await _refused(bench, latest, "a server that cannot do 1.3 is let in where 1.3 is the least")
    words = (
        f"{agreed} by default, {only.split()[0]} where that is the least; an unknown authority ends in {unknown}, "
        f"an older server in {older}"
    )
    return Evidence(words=words, figures={"tls": agreed})


_LATEST = TlsProfile().minimum.TLSv1_3


def _encrypted(wanted: Wanted, simulator: Simulator) -> Wanted:
    scheme = wanted.endpoints[0].scheme.rstrip("s")
    endpoint = next(each for each in simulator.encrypted_endpoints() if each.scheme.rstrip("s") == scheme)
    tls = TlsProfile(ca_file=simulator.ca_file)
    return replace(wanted, endpoints=(endpoint,), key=simulator.key(endpoint), tls=tls)


async def _agreed(bench: Bench, wanted: Wanted) -> str:
    async with _opened(bench, wanted) as session:
        return session.tls or "nothing"


async def _refused(bench: Bench, wanted: Wanted, otherwise: str) -> str:
    try:
        async with _opened(bench, wanted):
            raise Failed(otherwise)
    except ConnectionFailed as refused:
        kind = refused.failure.kind
        expect(
            refused.failure.facts.layer is Layer.TLS, f"it ends in {kind}, which is not about TLS", kind=kind
        )
        return kind


@asynccontextmanager
async def _opened(
    bench: Bench, wanted: Wanted, *, pace: Pace | None = None, reconnect: bool = False
) -> AsyncIterator[Session]:
    holding = Holding(
        wanted, reconnect=reconnect, max_retries=None, phase_deadline=None, utc=bench.utc, pace=pace
    )
    await holding.open(LIVE_WITHIN)
    try:
        yield Session(holding)
    finally:
        await holding.close()


# -- limits ------------------------------------------------------------------------------------------------------------


async def rate_limits(bench: Bench) -> Evidence:
    """Our own, which keep a session polite: they let through what they promise, and nothing faster."""
    if bench.simulator is None:
        async with bench.session() as session:
            await _question(bench, session)()
            limits = session.statistics().limits
        words = "; ".join(f"{name}: {each.says}" for name, each in limits.items())
        return Evidence(
            words=words, figures={f"{name}_allowed": each.allowed for name, each in limits.items()}
        )
    async with _opened(bench, bench.wanted, pace=Pace(QUICK, ORDERS)) as session:
        question = _question(bench, session)
        asking = await bench.timed(session.batch(*(question() for _ in range(ASKED))))
        least = (ASKED - QUICK.size) * QUICK.every
        expect(asking >= least - EARLY, f"{ASKED} questions left within {asking:.2f} s", seconds=asking)
        ordering = await _order_quickly(bench, session)
        limits = session.statistics().limits
    asked = limits["requests"]
    expect(
        asked.delayed >= ASKED - QUICK.size,
        f"only {asked.delayed} questions were delayed",
        delayed=asked.delayed,
    )
    refused = await _asked_too_much(bench)
    dialling, dials = await _lost_again_and_again(bench)
    words = (
        f"requests ({QUICK}): {asked.allowed} at once, {asked.delayed} later, {ASKED} of them in {asking:.2f} s; "
        f"{ordering}{refused.refused} refused that would have waited for minutes{dialling}"
    )
    figures = {
        "requests_allowed": asked.allowed,
        "requests_delayed": asked.delayed,
        "requests_refused": refused.refused,
        "waited_seconds": asked.waited_seconds,
        "orders_delayed": limits["orders"].delayed,
        "connections": dials,
    }
    return Evidence(words=words, figures=figures)


def _question(bench: Bench, session: Session) -> Callable[[], Awaitable[object]]:
    if bench.has_history:
        return session.round_trip
    if not bench.has_account:
        raise Skip("it needs a question that the broker answers")
    return lambda: session.balance(fresh=True)


async def _order_quickly(bench: Bench, session: Session) -> str:
    if not bench.is_pushed:
        return ""
    began = bench.now
    for _ in range(ORDERED):
        await session.place_demo_order(bench.symbol, "call", 1.0, 60)
    took, least = bench.now - began, (ORDERED - 1) * ORDERS.every
    expect(took >= least - EARLY, f"{ORDERED} orders left within {took:.2f} s", seconds=took)
    return f"orders: {ORDERED} in {took:.2f} s, {ORDERS.every:g} s apart; "


async def _asked_too_much(bench: Bench) -> Limited:
    async with _opened(bench, bench.wanted, pace=Pace(NEVER, None)) as session:
        question = _question(bench, session)
        await question()
        try:
            await question()
        except TooManyRequests:
            return session.statistics().limits["requests"]
    raise Failed("a question that had to wait for a quarter of an hour was sent")


async def _lost_again_and_again(bench: Bench) -> tuple[str, int | None]:
    """For five minutes, so only where time is pretended."""
    if not (bench.pretends and bench.is_pushed):
        return "", None
    async with bench.session(reconnect=True) as session, bench.fault("drop:at=1s"):
        await bench.wait(DIALS_WITHIN_SECONDS)
        dials = session.statistics().attempts
    expect(1 < dials <= DIALS, f"{dials} connections in {DIALS_WITHIN_SECONDS:g} s", connections=dials)
    return (
        f"; {dials} connections in {DIALS_WITHIN_SECONDS:g} s of a line that is lost again and again",
        dials,
    )


async def input_validation(bench: Bench) -> Evidence:
    async with bench.session() as session:
        sent = session.statistics().requests_answered
        senseless: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: session.place_demo_order(bench.symbol, "up", 1.0, 60),
            lambda: session.place_demo_order(bench.symbol, "call", float("nan"), 60),
            lambda: session.place_demo_order(bench.symbol, "call", -1.0, 60),
            lambda: session.place_demo_order(bench.symbol, "call", 1.0, 0),
            lambda: session.candles(bench.symbol, 1),
            lambda: session.candles(bench.symbol, 60, span=-1.0),
        )
        for ask in senseless:
            try:
                await ask()
            except ConfigError:
                continue
            raise Failed("what nobody can mean was sent")
        expect(
            session.statistics().requests_answered == sent,
            "a senseless question was answered, so it was sent",
        )
        too_much = await _too_much(bench, session) if bench.simulator is not None else ""
    damaged = _damaged(bench)
    words = f"{len(senseless)} senseless questions and {damaged} damaged credentials were refused before anything was sent{too_much}"
    return Evidence(
        words=words, figures={"questions_refused": len(senseless), "credentials_refused": damaged}
    )


async def _too_much(bench: Bench, session: Session) -> str:
    before = (await session.balance()).value.amount
    try:
        await session.place_demo_order(bench.symbol, "call", UNHEARD_OF, 60)
    except OrderRejected as rejected:
        after = (await session.balance()).value.amount
        expect(
            abs(after - before) < MONEY, "a rejected order changed the balance", before=before, after=after
        )
        return f"; an order beyond all money was rejected as {rejected.words}"
    raise Failed(f"an order of {UNHEARD_OF:g} was taken")


def _damaged(bench: Bench) -> int:
    text = bench.broker.write_credential(bench.identity) if bench.simulator is not None else '{"session":'
    forms = ("", "{}", text[: len(text) // 2], text + "\x00", "[" * 5_000)
    for form in forms:
        try:
            bench.broker.read_credentials(form)
        except CredentialInvalid:
            continue
        raise Failed(f"a damaged credential of {len(form)} characters is taken for a sound one")
    return len(forms)
