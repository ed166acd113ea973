"""An order needs the server's newest word that it goes to a demo account; every other word, or doubt, forbids it."""

import random
from collections.abc import Sequence

import pytest

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import Phase, Surprise
from probe.model.intents import (
    Beat,
    ChooseAccount,
    Intent,
    Login,
    Murmur,
    PlaceOrder,
    PlacePending,
    SellOrder,
)
from probe.model.meanings import (
    AccountChosen,
    AccountNotChosen,
    Admitted,
    Balance,
    Direction,
    Meaning,
    Order,
    OrderList,
    OrderOpened,
    OrdersClosed,
    Purses,
    Unrecognised,
    Welcome,
)
from probe.session.behaviour import Misbehaviour
from probe.session.proof import DemoProof
from tests.pretending import QUOTEX, Known, Pair, ScriptedDesk

DEMO, LIVE = Balance(amount=5.0, is_demo=True), Balance(amount=5.0, is_demo=False)
UNSAID = Balance(amount=5.0, is_demo=None)
BOTH, DEMO_ALONE = Purses(demo=5.0, live=0.0), Purses(demo=5.0, live=None)
UNREADABLE = Unrecognised(problem="'s_balance' does not look as expected", preview="", tells_balance=True)
TO_LIVE, TO_DEMO = ChooseAccount(account=Account.LIVE), ChooseAccount(account=Account.DEMO)
CHOSEN, NOT_CHOSEN = AccountChosen(), AccountNotChosen(error="no")


def an_order(*, is_demo: bool) -> Order:
    return Order(
        id="a", symbol="E", direction=Direction.CALL, amount=1, opened_at=0, closes_at=60, open_price=1.0,
        payout_percent=80, is_demo=is_demo,
    )  # fmt: skip


ON_LIVE = an_order(is_demo=False)

STORIES: list[tuple[str, list[Meaning | Intent], bool]] = [
    ("nothing was said", [], False),
    ("demo", [DEMO], True),
    ("live", [LIVE], False),
    ("not said which", [UNSAID], False),
    ("demo, then live", [DEMO, LIVE], False),
    ("live, then demo", [LIVE, DEMO], True),
    ("demo, then not said", [DEMO, UNSAID], False),
    ("both purses", [BOTH], False),
    ("the demo purse alone", [DEMO_ALONE], False),
    ("demo, then purses", [DEMO, DEMO_ALONE], False),
    ("purses, then demo", [BOTH, DEMO], True),
    ("a balance nobody can read", [DEMO, UNREADABLE], False),
    ("something else nobody can read", [DEMO, Unrecognised(problem="", preview="")], True),
    ("another account is asked for", [DEMO, TO_LIVE], False),
    ("a late balance of the account before", [DEMO, TO_LIVE, DEMO], False),
    ("the change is said to be done", [DEMO, TO_LIVE, CHOSEN], False),
    ("a late balance, then done", [DEMO, TO_LIVE, DEMO, CHOSEN], False),
    ("done, then the new balance", [DEMO, TO_LIVE, CHOSEN, LIVE], False),
    ("to demo, done, and said so", [LIVE, TO_DEMO, CHOSEN, DEMO], True),
    ("two changes, one done", [DEMO, TO_LIVE, TO_DEMO, CHOSEN, DEMO], False),
    ("two changes, both done", [DEMO, TO_LIVE, TO_DEMO, CHOSEN, CHOSEN, DEMO], True),
    ("the change is refused", [DEMO, TO_LIVE, NOT_CHOSEN], False),
    ("refused, and demo again", [DEMO, TO_LIVE, NOT_CHOSEN, DEMO], True),
    ("changed by somebody else", [DEMO, CHOSEN], False),
    ("changed by somebody else, and demo", [DEMO, CHOSEN, DEMO], True),
    ("an order was opened on live", [DEMO, OrderOpened(order=ON_LIVE)], False),
    ("an order was opened on demo", [DEMO, OrderOpened(order=an_order(is_demo=True))], True),
    ("an order ended on live", [DEMO, OrdersClosed(orders=(ON_LIVE,))], False),
    ("an open order on live", [DEMO, OrderList(orders=(ON_LIVE,), closed=False)], False),
    ("an old order on live", [DEMO, OrderList(orders=(ON_LIVE,), closed=True)], True),
]  # fmt: skip


def proof_after(story: list[Meaning | Intent]) -> DemoProof:
    proof = DemoProof()
    for each in story:
        if isinstance(each, ChooseAccount):
            proof.ask(each)
        else:
            proof.hear(each)  # type: ignore[arg-type]
    return proof


@pytest.mark.parametrize(
    ("story", "given"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES]
)
def test_the_proof_follows_the_servers_words(story: list[Meaning | Intent], given: bool) -> None:
    assert proof_after(story).given is given


def test_no_story_without_a_demo_balance_after_the_last_doubt_proves_anything() -> None:
    words: list[Meaning | Intent] = [
        DEMO,
        LIVE,
        UNSAID,
        BOTH,
        DEMO_ALONE,
        UNREADABLE,
        TO_LIVE,
        TO_DEMO,
        CHOSEN,
        NOT_CHOSEN,
    ]
    rng = random.Random(1)
    for _ in range(20_000):
        story: list[Meaning | Intent] = rng.choices(words, k=rng.randrange(1, 9))
        proof = proof_after(story)
        if proof.given:
            assert story[-1] is DEMO
            asked = [each for each in story if isinstance(each, ChooseAccount)]
            answered = [each for each in story if isinstance(each, AccountChosen | AccountNotChosen)]
            assert len(answered) >= len(asked)


class TellsNoBalance(ScriptedDesk):
    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        return [Admitted()]


class TellsTooEarly(Misbehaviour):
    """A demo balance before the greeting, or between it and the verdict on the login."""

    def __init__(self, *, after_greeting: bool) -> None:
        self.after_greeting = after_greeting

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        said = ((0.0, meaning),)
        if not isinstance(meaning, Welcome):
            return said
        return (*said, (0.0, DEMO)) if self.after_greeting else ((0.0, DEMO), *said)


@pytest.mark.parametrize("after_greeting", [False, True])
def test_a_balance_that_comes_before_its_time_proves_nothing(after_greeting: bool) -> None:
    early = TellsTooEarly(after_greeting=after_greeting)
    pair = Pair(QUOTEX, desk=TellsNoBalance(), misbehaviour=early, latency=0.05).run(5)
    assert pair.client.phase is Phase.LIVE
    assert len(pair.of(Surprise)) == (0 if after_greeting else 1)
    with pytest.raises(UnsafeTarget, match="the server has not said"):
        pair.client.ask(an_order_for(Account.DEMO), 5)


def an_order_for(account: Account) -> PlaceOrder:
    return PlaceOrder(
        symbol="EURUSD_otc", direction=Direction.CALL, amount=5, duration=60, request_id=7, account=account
    )


@pytest.mark.parametrize("account", [Account.LIVE, Account.NONE])
def test_an_order_that_names_another_account_never_leaves(known: Known, account: Account) -> None:
    pair = Pair(known).run(5)
    sent = pair.client.traffic
    with pytest.raises(UnsafeTarget, match="it is for a live account"):
        pair.client.ask(an_order_for(account), 5)
    assert pair.client.traffic == sent
    pair.client.ask(an_order_for(Account.DEMO), 5)  # while the same for a demo account does


@pytest.mark.parametrize(
    "intent",
    [
        an_order_for(Account.DEMO),
        SellOrder(ticket="t"),
        PlacePending(symbol="E", direction=Direction.CALL, amount=5, duration=60, open_price=1.0),
    ],
)
def test_nothing_that_costs_money_leaves_while_the_account_is_being_changed(intent: Intent) -> None:
    pair = Pair(QUOTEX).run(5)
    pair.wire.act(lambda now: pair.client.ask(TO_LIVE, now))
    pair.run(6)
    with pytest.raises(UnsafeTarget, match="the server has not said"):
        pair.client.ask(intent, 6)


@pytest.mark.parametrize(
    "intent",
    [
        Murmur(name="account/change", payload={"demo": 0, "tournamentId": 0}),
        Beat(name="tick"),
        Login(frame=Secret("x"), token=Secret("x"), account=Account.LIVE),
    ],
    ids=lambda intent: type(intent).__name__,
)
def test_what_is_no_question_cannot_be_asked(intent: Intent) -> None:
    pair = Pair(QUOTEX).run(5)
    sent = pair.client.traffic
    with pytest.raises(LocalProtocolError, match="own business"):
        pair.client.ask(intent, 5)
    assert pair.client.traffic == sent
