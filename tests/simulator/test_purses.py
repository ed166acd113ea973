"""A house where one login opens all accounts of a person."""

import pytest

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.intents import AskBalance, ChooseAccount, PlacePending
from probe.model.meanings import (
    AccountChosen,
    AccountNotChosen,
    Admitted,
    Assets,
    Balance,
    Direction,
    Goodbye,
    Meaning,
    OrderList,
    OrderOpened,
    OrdersClosed,
    PendingList,
    Purses,
    Refused,
)
from probe.simulator.world import World
from tests.simulator.desks import (
    NOON,
    OTC,
    ZONE,
    Visit,
    a_world,
    account_of,
    login_of,
    only,
    order,
    other_login,
)

DEMO, LIVE = Account.DEMO, Account.LIVE
AFTER_LOGIN = ("purses", "balance", "open orders", "closed orders", "pending orders")


def one_login_world(**house: object) -> World:
    rules = {"one_login_for_all_accounts": True, "after_login": AFTER_LOGIN}
    return a_world(house=rules | house)


def a_visit(world: World, kind: Account = DEMO, *, listener: Account = DEMO, now: float = 0.0) -> Visit:
    return Visit(world, listener=listener, login=login_of(account_of(world, kind)), now=now)


def told(visit: Visit) -> list[Meaning]:
    return [meaning for _, meaning in visit.said]


@pytest.mark.parametrize("listener", [DEMO, LIVE])
@pytest.mark.parametrize("kind", [DEMO, LIVE])
def test_the_login_chooses_the_purse_on_every_listener(kind: Account, listener: Account) -> None:
    visit = a_visit(one_login_world(), kind, listener=listener)
    assert [type(meaning) for meaning in told(visit)] == [
        Admitted,
        Purses,
        Balance,
        OrderList,
        OrderList,
        PendingList,
    ]
    held = {DEMO: 50_000.0, LIVE: 1_000.0}
    assert visit.of(Purses) == [Purses(demo=50_000.0, live=1_000.0)]
    assert visit.of(Balance) == [Balance(amount=held[kind], is_demo=kind is DEMO)]


def test_a_login_that_chooses_no_purse_gets_that_of_the_listener() -> None:
    world = one_login_world()
    token = account_of(world, DEMO).token
    visit = Visit(world, listener=LIVE, login=other_login(token, account=Account.NONE))
    assert [balance.is_demo for balance in visit.of(Balance)] == [False]


def test_another_purse_is_told_with_its_balance_and_its_orders() -> None:
    world = one_login_world()
    visit = a_visit(world)
    opened = only(OrderOpened, visit.ask(order(amount=20.0))).order
    waiting = PlacePending(
        symbol=OTC, direction=Direction.PUT, amount=5.0, duration=60, open_at=NOON + ZONE + 900
    )
    visit.ask(waiting)
    assert visit.ask(ChooseAccount(account=LIVE)) == [
        AccountChosen(),
        Balance(amount=1_000.0, is_demo=False),
        OrderList(orders=(), closed=False),
        OrderList(orders=(), closed=True),
        PendingList(orders=()),
    ]
    chosen, balance, opened_list, closed_list, pending_list = visit.ask(ChooseAccount(account=DEMO))
    assert [chosen, balance] == [AccountChosen(), Balance(amount=49_980.0, is_demo=True)]
    assert [opened_list, closed_list] == [
        OrderList(orders=(opened,), closed=False),
        OrderList(orders=(), closed=True),
    ]
    assert isinstance(pending_list, PendingList)
    assert [pending.amount for pending in pending_list.orders] == [5.0]


def test_orders_are_placed_in_the_chosen_purse_and_told_to_those_who_use_it() -> None:
    world = one_login_world()
    demo, live = a_visit(world), a_visit(world, LIVE)
    demo.ask(ChooseAccount(account=LIVE))
    placed = only(OrderOpened, demo.ask(order(amount=10.0, duration=30))).order
    assert placed.is_demo is False
    live.run(10)
    assert live.of(OrderOpened) == [OrderOpened(order=placed)]
    assert live.of(Balance)[-1] == Balance(amount=990.0, is_demo=False)
    demo.ask(ChooseAccount(account=DEMO))
    demo.run(40)
    live.run(40)
    assert (demo.of(OrdersClosed), live.times_of(OrdersClosed)) == ([], [30.0])
    assert demo.of(Balance)[-1] == Balance(amount=50_000.0, is_demo=True)


def test_what_was_told_about_the_old_purse_comes_before_the_new_one_is_confirmed() -> None:
    world = one_login_world()
    one, two = a_visit(world), a_visit(world)
    two.ask(order(amount=7.0))
    kinds = [type(meaning) for meaning in one.ask(ChooseAccount(account=LIVE))]
    assert kinds[:3] == [OrderOpened, Balance, AccountChosen]


def test_choosing_the_purse_that_is_in_use_does_not_double_what_is_told() -> None:
    visit = a_visit(one_login_world())
    visit.ask(ChooseAccount(account=DEMO))
    assert len(visit.ask(order())) == 2


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (ChooseAccount(account=LIVE, tournament=77), "UNKNOWN_TOURNAMENT"),
        (ChooseAccount(account=Account.NONE), "UNKNOWN_ACCOUNT"),
    ],
)
def test_a_purse_that_there_is_not_leaves_the_one_in_use(asked: ChooseAccount, error: str) -> None:
    visit = a_visit(one_login_world())
    assert visit.ask(asked) == [AccountNotChosen(error=error)]
    assert only(Balance, visit.ask(AskBalance())).is_demo is True


def test_where_each_account_has_its_login_the_other_one_cannot_be_chosen() -> None:
    visit = Visit(a_world())
    assert visit.ask(ChooseAccount(account=LIVE)) == [AccountNotChosen(error="UNKNOWN_ACCOUNT")]


def test_asked_for_the_balance_it_says_what_it_pushes_about_money() -> None:
    visit = a_visit(one_login_world())
    assert visit.ask(AskBalance()) == [
        Purses(demo=50_000.0, live=1_000.0),
        Balance(amount=50_000.0, is_demo=True),
    ]


def test_the_purses_count_what_ended_in_the_one_that_nobody_looks_at() -> None:
    world = one_login_world()
    visit = a_visit(world)
    visit.ask(order(direction=Direction.CALL, amount=10.0, duration=30))
    visit.ask(ChooseAccount(account=LIVE))
    visit.run(31)
    purses = only(Purses, visit.ask(AskBalance()))
    assert purses == Purses(demo=50_009.2, live=1_000.0)


# -- thinking about it --------------------------------------------------------------------------------------------------


def test_a_login_is_thought_about_and_then_all_is_said_at_once() -> None:
    house = {"login_seconds": (0.5, 1.0), "before_verdict": ("assets",)}
    visits = [Visit(a_world(house=house), seed=seed) for seed in range(20)]
    assert [visit.said for visit in visits] == [[]] * 20
    verdicts = []
    for visit in visits:
        visit.run(3)
        assert [type(meaning) for meaning in told(visit)][:3] == [Assets, Admitted, Balance]
        ((at, _),) = [(at, meaning) for at, meaning in visit.said if isinstance(meaning, Admitted)]
        assert visit.times_of(Assets)[0] == at
        verdicts.append(at)
    assert all(0.5 <= at <= 1.0 for at in verdicts)
    assert len(set(verdicts)) == 20


def test_a_refusal_takes_its_time_too_and_nothing_comes_before_it() -> None:
    world = a_world(house={"login_seconds": (0.75, 0.75), "before_verdict": ("assets",)})
    visit = Visit(world, login=other_login("a" * 26)).run(5)
    assert visit.said == [(0.75, Refused(reason="NotAuthorized"))]
    assert visit.desk.next_due() is None


def test_whoever_leaves_before_the_verdict_is_told_nothing_and_leaves_nothing_behind() -> None:
    world = a_world(house={"login_seconds": (0.75, 0.75)}, sessions_per_account=1)
    visit = Visit(world)
    visit.desk.leave(0.4)
    assert visit.desk.next_due() is None
    assert visit.desk.due(2.0) == []
    assert Visit(world, now=3.0, seed=2).run(9).of(Goodbye) == []


def test_of_two_logins_before_the_verdict_the_second_is_judged_at_the_time_of_the_first() -> None:
    world = a_world(house={"login_seconds": (0.75, 0.75)})
    visit = Visit(world, login=other_login("a" * 26))
    assert visit.desk.admit(login_of(account_of(world, DEMO)), 0.5) == []
    visit.run(3)
    assert visit.times_of(Admitted) == [0.75]
    assert visit.of(Refused) == []


def test_a_login_after_the_verdict_is_answered_again_and_doubles_nothing() -> None:
    world = a_world()
    visit = Visit(world)
    again = visit.desk.admit(login_of(account_of(world, DEMO)), 1.0)
    assert isinstance(again[0], Admitted)
    visit.now = 1.0
    assert [type(meaning) for meaning in visit.ask(order())] == [OrderOpened, Balance]


def test_a_refused_second_login_closes_the_account_of_the_first() -> None:
    visit = Visit(a_world())
    assert visit.desk.admit(other_login("a" * 26), 1.0) == [Refused(reason="NotAuthorized")]
    assert visit.ask(AskBalance()) == []


def test_a_revoked_token_is_refused_while_sessions_that_it_opened_go_on() -> None:
    world = one_login_world()
    visit = a_visit(world)
    world.revoke(Secret(account_of(world, DEMO).token))
    assert told(a_visit(world)) == [Refused(reason="NotAuthorized")]
    only(OrderOpened, visit.ask(order()))
