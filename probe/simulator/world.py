"""What all connections to one simulated broker share: its floor, and the people with their accounts and tokens."""

import random
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from string import ascii_letters, ascii_lowercase, digits

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.session.broker import Broker, SimulatedAccount
from probe.simulator.accounts import SimAccount
from probe.simulator.floor import Floor

LIVE_BALANCE = 1_000.0

Accounts = Mapping[Account, SimAccount]  # what one login opens


class World:
    """One broker behind all its listeners. The same seed gives the same prices, accounts and tokens.

    Args:
        broker: Whose house rules and credentials.
        seed: Another seed gives another world.
        epoch: UTC seconds at monotonic 0.
        skew_seconds: How wrong the broker's clock is, besides its zone.

    Attributes:
        accounts: All that were issued; one demo and one live account from the start. Where one login opens both,
            they come in pairs with the same user and token.
        names_server: Whether a login's success names the server. None: for live accounts only, as in captures;
            there are clients that ask for nothing until it does.
        sessions_per_account: How many connections an account may have; a further one ends the oldest.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        seed: int,
        epoch: float,
        skew_seconds: float = 0.0,
        names_server: bool | None = None,
        sessions_per_account: int | None = None,
    ) -> None:
        self._seed = f"{seed}/{broker.name}"
        self.floor = Floor(
            seed=f"{seed}/{broker.house.market or broker.name}",
            epoch=epoch,
            zone_seconds=broker.zone_seconds,
            skew_seconds=skew_seconds,
            listings=broker.house.listings,
        )
        self.broker = broker
        self.house = broker.house
        self.names_server = names_server
        self.sessions_per_account = sessions_per_account
        self.accounts: list[SimulatedAccount] = []
        self._by_token: dict[Secret, Accounts] = {}
        self._by_user: dict[str, Accounts] = {}
        self._ends_at: dict[Secret, float] = {}  # of tokens that do not last, by the floor's `at`
        self._chart_tokens: set[Secret] = set()
        self._renewals = 0
        self.issue(Account.DEMO)
        if not self.house.one_login_for_all_accounts:
            self.issue(Account.LIVE)

    # -- people ------------------------------------------------------------------------------------------------------

    def issue(self, kind: Account) -> SimulatedAccount:
        """One more account, together with the other one that its login opens, if it does."""
        draw = random.Random(f"{self._seed}/{kind.value}/{len(self.accounts)}")
        token, user = self._draw_token(kind, draw), _user(draw)
        password = "".join(draw.choices(ascii_letters + digits, k=12))
        issued = {
            each: SimulatedAccount(
                account=each, user=user, token=token, email=f"trader-{user}@sim.test", password=password
            )
            for each in ((Account.DEMO, Account.LIVE) if self.house.one_login_for_all_accounts else (kind,))
        }
        self._by_user[user] = {each: self._purse(identity) for each, identity in issued.items()}
        self._admit(user, token)
        self.accounts += issued.values()
        return issued[kind]

    def sign_in(self, email: str, password: str) -> SimulatedAccount | None:
        """Who has these."""
        given = (email, password)
        return next((each for each in self.accounts if (each.email, each.password) == given), None)

    def pin(self, user: str) -> str:
        """What would have come by mail."""
        return f"{random.Random(f'{self._seed}/pin/{user}').randrange(1_000_000):06}"

    def account(self, user: str, kind: Account) -> SimAccount:
        return self._by_user[user][kind]

    # -- tokens ------------------------------------------------------------------------------------------------------

    def fresh_token(self, user: str) -> Secret:
        """One more token for somebody; earlier ones stay valid."""
        self._renewals += 1
        draw = random.Random(f"{self._seed}/{user}/{self._renewals}")
        token = self._draw_token(next(iter(self._by_user[user])), draw)
        self._admit(user, token)
        return Secret(token)

    def revoke(self, token: Secret) -> None:
        """From now on a login with it is refused; sessions that it opened stay."""
        self._by_token.pop(token, None)
        self._chart_tokens.discard(token)

    def lend(self, token: Secret, user: str, until: float) -> None:
        """One more token for somebody, of the caller's making; or a longer life for one that was lent."""
        self._by_token[token] = self._by_user[user]
        self._ends_at[token] = until

    def ends_at(self, token: Secret) -> float:
        """When a token stops being one; never, if it was not lent."""
        return self._ends_at.get(token, inf)

    def find(self, token: Secret) -> Accounts | None:
        """What a login with this token opens."""
        return self._by_token.get(token)

    def find_guest(self, token: Secret) -> Accounts:
        """A guest brings a token of its own making; the first time there is a new demo account behind it."""
        found = self._by_token.get(token)
        if found is None:
            user = _user(random.Random(f"{self._seed}/guest/{token.reveal()}"))
            identity = SimulatedAccount(account=Account.DEMO, user=user, token=token.reveal())
            found = self._by_token[token] = {Account.DEMO: self._purse(identity)}
        return found

    def knows_chart_token(self, token: Secret) -> bool:
        return token in self._chart_tokens

    def _admit(self, user: str, token: str) -> None:
        purses = self._by_user[user]
        for purse in purses.values():
            # A credential may wrap the token; what a login will show is known to the broker's folder alone.
            credential = self.broker.write_credential(replace(purse.identity, token=token))
            self._by_token[self.broker.read_credentials(credential).token] = purses
        self._chart_tokens.add(Secret(token))

    def _purse(self, identity: SimulatedAccount) -> SimAccount:
        balance = self.house.guest_balance if identity.account is Account.DEMO else LIVE_BALANCE
        return SimAccount(identity=identity, balance=balance, floor=self.floor, house=self.house)

    def _draw_token(self, kind: Account, draw: random.Random) -> str:
        if self.house.one_login_for_all_accounts:
            return "".join(draw.choices(ascii_letters + digits, k=40))
        if kind is Account.DEMO:
            return "".join(draw.choices(ascii_lowercase + digits, k=26))
        return f"{draw.getrandbits(128):032x}"


def _user(draw: random.Random) -> str:
    return str(draw.randrange(10_000_000, 100_000_000))
