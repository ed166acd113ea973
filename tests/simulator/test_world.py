from probe.model.credentials import Secret
from probe.model.endpoint import Account
from tests.pretending import BROKER
from tests.simulator.desks import a_world, account_of, login_of


def test_there_is_a_demo_and_a_live_account_from_the_start() -> None:
    assert [account.account for account in a_world().accounts] == [Account.DEMO, Account.LIVE]


def test_the_seed_decides_accounts_and_tokens() -> None:
    assert a_world().accounts == a_world().accounts
    tokens = {account.token for account in a_world().accounts}
    assert len(tokens) == 2


def test_tokens_look_like_those_of_their_kind() -> None:
    world = a_world()
    demo, live = (account_of(world, kind).token for kind in (Account.DEMO, Account.LIVE))
    assert (len(demo), demo.isalnum(), demo.lower()) == (26, True, demo)
    assert (len(live), live) == (32, f"{int(live, 16):032x}")


def test_every_credential_that_is_issued_reads_without_a_warning_and_opens_its_account() -> None:
    world = a_world()
    for kind in (Account.DEMO, Account.LIVE):
        identity = world.issue(kind)
        assert BROKER.read_credentials(BROKER.write_credential(identity)).warnings == ()
        found = world.find(login_of(identity).token)
        assert found is not None
        assert found.identity is identity


def test_more_accounts_are_different_ones() -> None:
    world = a_world()
    for _ in range(50):
        world.issue(Account.DEMO)
    assert len({account.token for account in world.accounts}) == 52
    assert len({account.user for account in world.accounts}) == 52


def test_the_token_inside_a_wrapped_credential_opens_nothing_by_itself() -> None:
    world = a_world()
    assert world.find(Secret(account_of(world, Account.LIVE).token)) is None
