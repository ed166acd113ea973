import pytest

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.session.broker import SimulatedAccount
from probe.simulator.accounts import SimAccount
from probe.simulator.world import World
from tests.pretending import BROKER
from tests.simulator.desks import a_world, account_of, login_of

DEMO, LIVE = Account.DEMO, Account.LIVE


def one_login_world() -> World:
    return a_world(house={"one_login_for_all_accounts": True})


def opened_by(world: World, identity: SimulatedAccount) -> dict[Account, SimAccount]:
    found = world.find(login_of(identity, world.broker).token)
    assert found is not None
    return dict(found)


def test_there_is_a_demo_and_a_live_account_from_the_start() -> None:
    assert [account.account for account in a_world().accounts] == [DEMO, LIVE]
    assert [account.account for account in one_login_world().accounts] == [DEMO, LIVE]


def test_the_seed_decides_accounts_and_tokens() -> None:
    assert a_world().accounts == a_world().accounts
    tokens = {account.token for account in a_world().accounts}
    assert len(tokens) == 2


def test_tokens_look_like_those_of_their_kind() -> None:
    world = a_world()
    demo, live = (account_of(world, kind).token for kind in (DEMO, LIVE))
    assert (len(demo), demo.isalnum(), demo.lower()) == (26, True, demo)
    assert (len(live), live) == (32, f"{int(live, 16):032x}")
    both = account_of(one_login_world(), DEMO).token
    assert (len(both), both.isalnum()) == (40, True)


def test_every_credential_that_is_issued_reads_without_a_warning_and_opens_its_account() -> None:
    world = a_world()
    for kind in (DEMO, LIVE):
        identity = world.issue(kind)
        assert BROKER.read_credentials(BROKER.write_credential(identity)).warnings == ()
        assert opened_by(world, identity) == {kind: world.account(identity.user, kind)}
        assert world.account(identity.user, kind).identity is identity


@pytest.mark.parametrize("kind", [DEMO, LIVE])
def test_where_one_login_opens_all_one_more_account_is_one_more_person(kind: Account) -> None:
    world = one_login_world()
    issued = world.issue(kind)
    demo, live = world.accounts[2:]
    assert issued is {DEMO: demo, LIVE: live}[kind]
    assert (demo.account, live.account) == (DEMO, LIVE)
    assert (demo.user, demo.token, demo.email) == (live.user, live.token, live.email)
    expected = {each: world.account(issued.user, each) for each in (DEMO, LIVE)}
    assert [opened_by(world, identity) for identity in (demo, live)] == [expected, expected]


def test_more_accounts_are_different_ones() -> None:
    world = a_world()
    for _ in range(50):
        world.issue(DEMO)
    for name in ("token", "user", "email", "password"):
        assert len({getattr(account, name) for account in world.accounts}) == 52


def test_the_token_inside_a_wrapped_credential_opens_nothing_by_itself() -> None:
    world = a_world()
    assert world.find(Secret(account_of(world, LIVE).token)) is None


# -- the ways in of a person --------------------------------------------------------------------------------------------


def test_a_fresh_token_opens_the_same_accounts_and_the_old_one_stays_valid() -> None:
    world = one_login_world()
    identity = account_of(world, DEMO)
    tokens = [world.fresh_token(identity.user) for _ in range(3)]
    assert len({identity.token, *(token.reveal() for token in tokens)}) == 4
    assert [world.find(token) for token in tokens] == [opened_by(world, identity)] * 3
    assert [len(token.reveal()) for token in tokens] == [40] * 3


def test_fresh_tokens_are_the_same_in_the_same_world() -> None:
    one, two = one_login_world(), one_login_world()
    user = account_of(one, DEMO).user
    assert [one.fresh_token(user) for _ in range(3)] == [two.fresh_token(user) for _ in range(3)]


def test_a_fresh_token_of_a_separate_account_is_wrapped_as_its_own_was() -> None:
    world = a_world()
    identity = account_of(world, LIVE)
    fresh = SimulatedAccount(
        account=LIVE, user=identity.user, token=world.fresh_token(identity.user).reveal()
    )
    assert opened_by(world, fresh) == opened_by(world, identity)


def test_a_revoked_token_opens_nothing_and_the_others_of_the_person_do() -> None:
    world = one_login_world()
    identity = account_of(world, DEMO)
    kept, revoked = (world.fresh_token(identity.user) for _ in range(2))
    for _ in range(2):
        world.revoke(revoked)
    assert world.find(revoked) is None
    assert world.find(kept) == opened_by(world, identity)
    assert world.fresh_token(identity.user) != revoked


def test_a_revoked_chart_token_is_not_known_any_more() -> None:
    world = a_world()
    token = Secret(account_of(world, LIVE).token)
    world.revoke(token)
    assert world.knows_chart_token(token) is False


def test_a_person_signs_in_with_the_right_mail_address_and_password() -> None:
    world = one_login_world()
    person, other = account_of(world, DEMO), world.issue(DEMO)
    assert person.email == f"trader-{person.user}@sim.test"
    assert world.sign_in(person.email, person.password) is person
    assert world.sign_in(other.email, other.password) is other
    assert world.sign_in(person.email, other.password) is None
    assert world.sign_in("", "") is None


def test_the_pin_is_six_digits_of_ones_own() -> None:
    world = a_world()
    users = [world.issue(DEMO).user for _ in range(20)]
    pins = [world.pin(user) for user in users]
    assert all(len(pin) == 6 and pin.isdigit() for pin in pins)
    assert len(set(pins)) == 20
    assert [world.pin(user) for user in users] == pins
