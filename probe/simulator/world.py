"""What all connections to one simulated broker share: its floor, and the accounts by the tokens that open them."""

import random
from string import ascii_lowercase, digits

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.session.broker import Broker, SimulatedAccount
from probe.simulator.accounts import SimAccount
from probe.simulator.floor import Floor

LIVE_BALANCE = 1_000.0


class World:
    """One broker behind all its listeners. The same seed gives the same prices, accounts and tokens.

    Args:
        broker: Whose house rules and credentials.
        seed: Another seed gives another world.
        epoch: UTC seconds at monotonic 0.
        skew_seconds: How wrong the broker's clock is, besides its zone.

    Attributes:
        accounts: All that were issued; one demo and one live account from the start.
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
        self.floor = Floor(
            seed=seed, epoch=epoch, zone_seconds=broker.zone_seconds, skew_seconds=skew_seconds
        )
        self.house = broker.house
        self.names_server = names_server
        self.sessions_per_account = sessions_per_account
        self.accounts: list[SimulatedAccount] = []
        self._broker = broker
        self._seed = seed
        self._by_token: dict[Secret, SimAccount] = {}
        self._chart_tokens: set[Secret] = set()
        self.issue(Account.DEMO)
        self.issue(Account.LIVE)

    def issue(self, kind: Account) -> SimulatedAccount:
        """One more account."""
        draw = random.Random(f"{self._seed}/{kind.value}/{len(self.accounts)}")
        if kind is Account.DEMO:
            token = "".join(draw.choices(ascii_lowercase + digits, k=26))
        else:
            token = f"{draw.getrandbits(128):032x}"
        identity = SimulatedAccount(account=kind, user=_user(draw), token=token)
        # A credential may wrap the token; what a login will show is known to the broker's folder alone.
        credentials = self._broker.read_credentials(self._broker.write_credential(identity))
        balance = self.house.guest_balance if kind is Account.DEMO else LIVE_BALANCE
        self._add(credentials.token, identity, balance)
        self._chart_tokens.add(Secret(token))
        self.accounts.append(identity)
        return identity

    def find(self, token: Secret) -> SimAccount | None:
        return self._by_token.get(token)

    def find_guest(self, token: Secret) -> SimAccount:
        """A guest brings a token of its own making; the first time there is a new demo account behind it."""
        found = self._by_token.get(token)
        if found is not None:
            return found
        user = _user(random.Random(f"{self._seed}/guest/{token.reveal()}"))
        identity = SimulatedAccount(account=Account.DEMO, user=user, token=token.reveal())
        return self._add(token, identity, self.house.guest_balance)

    def knows_chart_token(self, token: Secret) -> bool:
        return token in self._chart_tokens

    def _add(self, token: Secret, identity: SimulatedAccount, balance: float) -> SimAccount:
        account = SimAccount(identity=identity, balance=balance, floor=self.floor, house=self.house)
        self._by_token[token] = account
        return account


def _user(draw: random.Random) -> str:
    return str(draw.randrange(10_000_000, 100_000_000))
