"""The integration suite: ten phases, from the first connection to a session that stays."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

from probe.api.errors import ConnectionFailed, NotConnected, SessionLost, Unanswered
from probe.api.session import Session
from probe.measure.records import Metric
from probe.model.errors import ConfigError, CredentialInvalid, LocalProtocolError
from probe.session.broker import SimulatedAccount
from probe.verify.bench import Bench
from probe.verify.content import operation, right_balance, right_candles, right_price, same_candle
from probe.verify.model import Evidence, Failed, Group, Need, Suite, Trial, expect

OPERATIONS = 10
CLIENTS, EACH = 3, 5
AT_ONCE_CLIENTS = 2
MUST_OPEN = ("as it is", "with space around it")
BEATS_EVERY, POLLS_EVERY = 20.0, 30.0  # seconds, at the most, between two keep-alives
POLL_GAP, PUSH_GAP = 60.0, 10.0  # seconds without a price while the market is open
SLOWEST = 2.0  # seconds, of one operation
LEAST_RATE, LONGEST_LOAD = 1.0, 30.0  # operations a second; seconds
LEAST_SCORE = 70.0
RESTORED_WITHIN = 120.0
NOTICED_WITHIN = 90.0


async def basic_connectivity(bench: Bench) -> Evidence:
    async with bench.session() as session:
        quote = await bench.next_quote(session.quotes(bench.symbol))
        right_price(bench, quote)
        balance = (await right_balance(bench, session)).amount if bench.has_account else None
        seconds = session.statistics().first_connect_seconds or 0.0
    has = "" if balance is None else f", the account holds {balance:.2f}"
    words = f"live after {seconds:.3f} s, {bench.symbol} came at {quote.price:g}{has}"
    return Evidence(
        words=words, figures={"connect_seconds": seconds, "price": quote.price, "balance": balance}
    )


async def credential_forms(bench: Bench) -> Evidence:
    """As a person may have pasted it, and what nobody can have meant."""
    if bench.wanted.key is None:
        async with bench.session():
            return Evidence(
                words="it is open to everybody, and opens without a credential",
                figures={"forms_opened": 0, "forms_refused": 0},
            )
    identity = next(
        (each for each in bench.world.accounts if each.account is bench.endpoint.account),
        bench.world.accounts[0],
    )
    text = bench.broker.write_credential(identity)
    forms = {
        "as it is": text,
        "with space around it": f"  {text}\n",
        "in quotes": f"'{text}'",
        "on two lines": text.replace(",", ",\n", 1),
    }
    opened, declined = [], []
    for name, form in forms.items():
        try:
            key = bench.broker.read_credentials(form)
        except CredentialInvalid as refused:
            expect(
                name not in MUST_OPEN,
                f"the credential {name} is not understood: {refused.problem}",
                form=name,
            )
            declined.append(name)
            continue
        async with bench.session(key=key) as session:
            right_price(bench, await bench.next_quote(session.quotes(bench.symbol)))
        opened.append(name)
    problem = _refused_offline(bench, identity, text)
    not_understood = f"; {' and '.join(declined)} it is refused in words" if declined else ""
    words = f"it opens a session {', '.join(opened)}{not_understood}; half of it is refused before anybody is asked: {problem}"
    return Evidence(words=words, figures={"forms_opened": len(opened), "forms_refused": len(declined)})


def _refused_offline(bench: Bench, identity: SimulatedAccount, text: str) -> str:
    try:
        bench.broker.read_credentials(text[: len(text) // 2])
    except CredentialInvalid as refused:
        expect(
            identity.token not in str(refused), "what is said of a credential that is cut in half shows it"
        )
        return refused.problem
    raise Failed("half a credential is taken for a whole one")


async def persistent_connection(bench: Bench) -> Evidence:
    async with bench.session() as session:
        seconds = []
        for _ in range(OPERATIONS):
            seconds.append(await operation(bench, session))
            await bench.wait(1.0)
        await _one_connection(session)
    words = f"{OPERATIONS} of {OPERATIONS} operations on one connection, the slowest in {max(seconds):.3f} s"
    return Evidence(
        words=words, figures={"operations": OPERATIONS, "slowest_seconds": max(seconds), "connections": 1}
    )


async def _one_connection(session: Session) -> None:
    told = session.statistics()
    again = f", and opened {told.successes - 1} times again" if told.successes > 1 else ""
    words = f"the session was lost meanwhile{again}"
    expect(
        session.is_live and told.successes == 1 and not told.disconnects, words, connections=told.successes
    )


async def keep_alive(bench: Bench) -> Evidence:
    """Longer than brokers wait for a client that says nothing."""
    seconds = bench.lasting(pretended=200.0, real=65.0)
    async with bench.session() as session:
        await bench.wait(seconds)
        told = session.statistics()
        await _one_connection(session)
        answered = told.round_trips[Metric.WS_RTT].count
        due = int(seconds // (BEATS_EVERY if bench.is_pushed else POLLS_EVERY))
        words = f"of {due} keep-alives in {seconds:g} s {answered} were answered"
        expect(answered >= due - 1, words, due=due, answered=answered)
        right_price(bench, await bench.next_quote(session.quotes(bench.symbol), within=POLL_GAP))
    longest = max((each.largest or 0.0 for each in told.round_trips.values()), default=0.0)
    return Evidence(
        words=f"{answered} keep-alives in {seconds:g} s were answered, the slowest after {longest:.3f} s, and prices still come",
        figures={"answered": answered, "due": due, "seconds": seconds, "slowest_seconds": longest},
    )


async def monitoring(bench: Bench) -> Evidence:
    """The monitor sees that all is well, and sees it when it is not."""
    async with bench.monitor() as monitor:
        await bench.wait(bench.lasting(pretended=300.0, real=90.0))
        (now,) = monitor.snapshots()
        if now.incidents:
            first = now.incidents[0]
            told = Failed(
                f"the monitor has an incident where nothing was made to happen: {first.sentence.removesuffix('.')}"
            )
            raise told.taken_for(first.code)
        score = now.score.value
        if score is None:
            raise Failed(
                "the monitor has no score, for it has not seen enough", messages=now.traffic.messages_received
            )
        if score <= LEAST_SCORE:
            told = Failed(
                f"the monitor's score is {score:.0f} of 100: {now.condition.sentence.removesuffix('.')}",
                score=score,
            )
            raise told.taken_for(now.condition.code or "")
        expect(now.traffic.messages_received, "the monitor counted no message")
        stalled = [each.symbol for each in now.symbols if each.stalled]
        expect(not stalled, f"the monitor says that {', '.join(stalled)} stands still")
        if bench.simulator is None:
            words = (
                f"the monitor's score is {score:.0f} of 100, after {now.traffic.messages_received} messages"
            )
            return Evidence(words=words, figures={"score": score, "messages": now.traffic.messages_received})
        began = bench.now
        async with bench.fault("freeze"):
            await _come_true(
                bench,
                lambda: any(each.ended_utc is None for each in monitor.snapshots()[0].incidents),
                "a line on which nothing arrives any more is no incident to the monitor",
            )
            noticed = bench.now - began
        await _come_true(
            bench,
            lambda: all(each.ended_utc is not None for each in monitor.snapshots()[0].incidents),
            "the monitor's incident is not over, though its cause is",
        )
    words = f"the monitor's score is {score:.0f} of 100; a frozen line is an incident after {noticed:.1f} s, and over when it thaws"
    return Evidence(
        words=words,
        figures={"score": score, "messages": now.traffic.messages_received, "noticed_seconds": noticed},
    )


async def _come_true(bench: Bench, condition: Callable[[], object], words: str) -> None:
    try:
        await bench.until(condition, RESTORED_WITHIN)
    except TimeoutError:
        raise Failed(f"{words} within {RESTORED_WITHIN:g} s") from None


async def multi_client(bench: Bench) -> Evidence:
    standing = 0

    async def client(number: int) -> tuple[float | None, int]:
        nonlocal standing
        async with bench.session() as session:
            standing += 1
            right_price(bench, await bench.next_quote(session.quotes(bench.symbol)))
            for _ in range(EACH):
                await operation(bench, session)
            amount = (await right_balance(bench, session)).amount if bench.has_account else None
            await together.wait()
            await _one_connection(session)
            return amount, number

    together = asyncio.Barrier(CLIENTS)
    try:
        told = await asyncio.gather(*map(client, range(CLIENTS)))
    except ConnectionFailed as refused:
        if not standing:
            raise
        told_so = Failed(f"beside {standing} that stood another session was not let in: {refused.cause}")
        raise told_so.taken_for("auth.connection-cap") from None
    except SessionLost as lost:
        told_so = Failed(f"of {CLIENTS} sessions at once one was lost: {lost.cause}")
        raise told_so.taken_for("auth.logged-in-elsewhere") from None
    amounts = {amount for amount, _ in told}
    expect(
        len(amounts) == 1,
        f"{CLIENTS} sessions of one account are told different balances: {sorted(amounts, key=str)}",
    )
    words = f"{CLIENTS} sessions at once, {CLIENTS * EACH} operations, all of them answered"
    return Evidence(words=words, figures={"clients": CLIENTS, "operations": CLIENTS * EACH})


async def error_recovery(bench: Bench) -> Evidence:
    """Two real losses; then a question that makes no sense."""
    restored = {}
    async with bench.session(reconnect=True) as session:
        right_price(bench, await bench.next_quote(session.quotes(bench.symbol)))
        for fault in ("cut", "reset"):
            async with bench.fault(fault):
                await _noticed(bench, session, fault)
            began = bench.now
            await _restored(bench, session)
            restored[fault] = bench.now - began
        if bench.has_account:
            await right_balance(bench, session)
        await _senseless(session)
        lost = session.statistics().disconnects
    words = f"after {' and '.join(restored)} the session came back by itself, within {max(restored.values()):.1f} s, and a senseless question did it no harm"
    return Evidence(words=words, figures={"losses": lost, "slowest_recovery_seconds": max(restored.values())})


async def _noticed(bench: Bench, session: Session, fault: str) -> None:
    """That it is told: by the loss of the session, or, where each question goes its own way, by one without an answer."""
    before, until = session.statistics(), bench.now + NOTICED_WITHIN
    while bench.now < until:
        now = session.statistics()
        if now.disconnects > before.disconnects or now.requests_expired > before.requests_expired:
            return
        await bench.wait(1.0)
        if not bench.is_pushed:
            try:
                await operation(bench, session)
            except (NotConnected, SessionLost, Unanswered):
                return
    raise Failed(f"{fault}: nobody noticed it within {NOTICED_WITHIN:g} s", fault=fault)


async def _restored(bench: Bench, session: Session) -> None:
    try:
        await session.ready(RESTORED_WITHIN)
    except TimeoutError:
        raise Failed(f"the session did not come back within {RESTORED_WITHIN:g} s") from None
    stream = session.quotes(bench.symbol)
    right_price(bench, await bench.next_quote(stream, within=POLL_GAP))
    stream.close()


async def _senseless(session: Session) -> None:
    try:
        rows = (await session.candles("NO-SUCH-SYMBOL", 60, count=5)).value
    except (
        ConfigError,
        LocalProtocolError,
        Unanswered,
    ):  # the broker has no such question at all, or no answer
        rows = ()
    expect(not rows, "a symbol that there is not has candles")
    expect(session.is_live, "a question about a symbol that there is not ended the session")


async def under_load(bench: Bench) -> Evidence:
    async def client(_: int) -> list[float]:
        async with bench.session() as session:
            await together.wait()
            return [await operation(bench, session) for _ in range(EACH)]

    together = asyncio.Barrier(AT_ONCE_CLIENTS)
    began = bench.now
    seconds = [each for told in await asyncio.gather(*map(client, range(AT_ONCE_CLIENTS))) for each in told]
    lasted = bench.now - began
    figures = {
        "operations": len(seconds),
        "seconds": lasted,
        "slowest_seconds": max(seconds),
        "operations_per_second": len(seconds) / max(lasted, 1e-3),
    }
    words = f"{len(seconds)} operations of {AT_ONCE_CLIENTS} clients took {lasted:.1f} s, the slowest {max(seconds):.2f} s"
    expect(
        len(seconds) > LEAST_RATE * lasted and lasted < LONGEST_LOAD and max(seconds) < SLOWEST,
        words,
        **figures,
    )
    return Evidence(words=words, figures=figures)


async def data_consistency(bench: Bench) -> Evidence:
    """Two connections that know nothing of each other are told the same."""
    async with bench.session() as one, bench.session() as other:
        streams = [each.quotes(bench.symbol) for each in (one, other)]
        balances = (
            [(await right_balance(bench, each)).amount for each in (one, other)] if bench.has_account else []
        )
        expect(len(set(balances)) < 2, f"two sessions of one account are told {balances}")
        candles = 0
        if bench.has_history:
            pages = await asyncio.gather(*(right_candles(bench, each, bench.symbol) for each in (one, other)))
            same = all(same_candle(*pair) for pair in zip(*pages, strict=True))
            expect(same, "two sessions are told different candles of the same minutes")
            candles = len(pages[0])
        told = []
        for stream in streams:
            quotes = [await bench.next_quote(stream, within=POLL_GAP) for _ in range(OPERATIONS)]
            for quote in quotes:
                right_price(bench, quote)
            expect(
                all(one.broker_time < later.broker_time for one, later in pairwise(quotes)),
                "prices come twice, or out of order",
            )
            told.append({quote.broker_time: quote.price for quote in quotes})
        common = told[0].keys() & told[1].keys()
        differing = sum(told[0][at] != told[1][at] for at in common)
        expect(
            not differing,
            f"of {len(common)} prices of the same moments {differing} differ between two sessions",
            differing=differing,
        )
        expect(
            common or not bench.is_pushed or bench.broker.house.prices_every,
            "two sessions have no price in common",
        )
    said = [f"{2 * OPERATIONS} prices, {len(common)} of them of the same moments"]
    said += [f"{candles} candles"] * bool(candles) + ["the balance"] * bool(balances)
    figures = {"prices": 2 * OPERATIONS, "prices_in_common": len(common), "candles": candles}
    return Evidence(words=f"two sessions agree about {', '.join(said)}", figures=figures)


async def stability(bench: Bench) -> Evidence:
    lasts, every = bench.lasting(pretended=3600.0, real=60.0), bench.lasting(pretended=120.0, real=6.0)
    arrivals: list[float] = []
    async with bench.session() as session:
        leave = session.subscribe(bench.symbol, lambda _: arrivals.append(bench.now))
        began = bench.now
        operations = 0
        while bench.now < began + lasts:
            await operation(bench, session)
            operations += 1
            await bench.wait(every)
        await _one_connection(session)
        leave()
        arrivals.append(bench.now)
    longest = max(later - one for one, later in pairwise([began, *arrivals]))
    limit = PUSH_GAP if bench.is_pushed else POLL_GAP
    figures = {
        "seconds": lasts,
        "operations": operations,
        "prices": len(arrivals) - 1,
        "longest_gap_seconds": longest,
    }
    expect(longest <= limit, f"for {longest:.1f} s no price of {bench.symbol} came", **figures)
    words = f"{lasts / 60:g} min on one connection, {operations} operations, {len(arrivals) - 1} prices, never more than {longest:.1f} s apart"
    return Evidence(words=words, figures=figures)


SUITE = Suite(
    name="integration",
    trials=(
        Trial(
            name="Basic Connectivity",
            promise="A session opens, says what the account holds, and brings a price of now.",
            run=basic_connectivity,
            group=Group.CONNECTIVITY,
        ),
        Trial(
            name="SSID Format Compatibility",
            promise="A credential opens a session however it was pasted, or is refused in words; half of one before anybody is asked.",
            run=credential_forms,
            group=Group.CONNECTIVITY,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Persistent Connection Integration",
            promise="Ten operations in a row are answered on one connection.",
            run=persistent_connection,
            group=Group.CONNECTIVITY,
        ),
        Trial(
            name="Keep-Alive Functionality",
            promise="A session on which nobody asks for anything stays, and its keep-alives are answered.",
            run=keep_alive,
            group=Group.RELIABILITY,
        ),
        Trial(
            name="Monitoring Integration",
            promise="The monitor finds the target well, and tells when it no longer is.",
            run=monitoring,
            group=Group.MONITORING,
            within=900.0,
        ),
        Trial(
            name="Multi-Client Operations",
            promise="Three sessions at once are all served, and told the same.",
            run=multi_client,
            group=Group.PERFORMANCE,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Error Recovery",
            promise="After a connection that was cut, and one that was reset, the session comes back by itself.",
            run=error_recovery,
            group=Group.RELIABILITY,
            needs=frozenset({Need.SIMULATOR}),
            within=900.0,
        ),
        Trial(
            name="Performance Under Load",
            promise="Two sessions that ask at once are answered, each question within two seconds.",
            run=under_load,
            group=Group.PERFORMANCE,
            needs=frozenset({Need.SIMULATOR}),
        ),
        Trial(
            name="Data Consistency",
            promise="Two sessions are told the same balance, the same candles and the same prices.",
            run=data_consistency,
            group=Group.RELIABILITY,
            needs=frozenset({Need.SIMULATOR}),
            within=900.0,
        ),
        Trial(
            name="Long-Running Stability",
            promise="A session stays for an hour (a minute where time is real), and its prices never pause.",
            run=stability,
            group=Group.RELIABILITY,
            within=5000.0,
        ),
    ),
)
