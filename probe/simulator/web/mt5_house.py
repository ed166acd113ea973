"""What is behind the simulated public gateway: its one terminal, its sessions, and what faults make of both.

As there, one terminal serves all sessions: a login switches it for everybody, a logout closes it for everybody, and while it
works nothing else is answered. A token that the simulator gave out beforehand opens its session when it is first shown.
"""

import asyncio
import base64
import uuid
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any, TypeVar

from probe.brokers.mt5.credentials import SIMULATED_SERVER
from probe.faults.gateway import (
    AccountSwitched,
    AlgoOff,
    BlockedLoop,
    BrokerLinkDown,
    FrozenFeed,
    InvestorAccount,
    IpcTimeout,
    OtherLoggedOut,
    SeveralWorkers,
    TerminalClosed,
    TokensLost,
)
from probe.faults.paged import PageFault
from probe.faults.pages import PageBoard
from probe.model.credentials import Secret
from probe.session.broker import SimulatedAccount
from probe.simulator.terminal import SimulatedTerminal, TerminalAccount
from probe.simulator.terminal_quotes import SYMBOLS
from probe.simulator.world import World
from probe.wire.calls import TerminalCall, TerminalReply

LIFETIME = 86_400
HOUR = 3600
OFFSET_HOURS = 2
STRANGER = 900_000_001  # nobody of this world: its users' numbers have eight digits

_NOT_FOUND = (-10003, "IPC initialize failed, MetaTrader 5 x64 not found")
_TIMED_OUT = (-10005, "IPC timeout")
_KNOBS = (
    "account_trade_allowed", "call_error", "call_seconds", "connected", "frozen_since_utc", "init_error", "process_running",
    "trade_allowed",
)  # fmt: skip

F = TypeVar("F", bound=PageFault)


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    began_at: float
    expires_at: float
    worker: int
    offset_hours: int
    day: tuple[str, float, float] = (
        "",
        0.0,
        0.0,
    )  # of the newest tick, and what the account had when it began


class House:
    def __init__(self, world: World, board: PageBoard, rng: Random) -> None:
        self._world, self._board, self._rng = world, board, rng
        self.busy = asyncio.Lock()  # held while the terminal works, for it blocks the whole gateway
        accounts = [_account(world, each) for each in world.accounts]
        stranger = TerminalAccount(
            login=STRANGER, password=self.new_id(), server=SIMULATED_SERVER, balance=12_345.67
        )
        self.terminal = SimulatedTerminal(
            accounts={each.login: each for each in (*accounts, stranger)},
            floor=world.floor,
            utc=self.utc,
            offset_seconds=OFFSET_HOURS * HOUR,
        )
        self._home = accounts[0]  # who logged in last
        self.terminal.call("initialize", login=self._home.login, **_key(self._home))
        self._sound = {knob: getattr(self.terminal, knob) for knob in _KNOBS}
        self._sessions: dict[str, Session] = {}
        self._logged_out: set[str] = set()
        self._since: dict[type[PageFault], float] = {}  # when a fault was first felt
        self._is_in = True
        self._is_shut = False  # on purpose, until the next login

    # -- time, chance and faults -------------------------------------------------------------------------------------

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> float:
        return self._world.floor.utc(self.now())

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def suffers(self, fault: type[F]) -> F | None:
        return self._board.strikes(fault, self.now())

    def _suffers_since(self, fault: type[PageFault]) -> float | None:
        """UTC."""
        if self.suffers(fault) is None:
            self._since.pop(fault, None)
            return None
        return self._since.setdefault(fault, self.utc())

    async def settle(self) -> None:
        """The terminal becomes what the faults of this moment make of it."""
        knobs = dict(self._sound)
        if self.suffers(TerminalClosed):
            knobs |= {"process_running": False, "init_error": _NOT_FOUND}
            self._is_in = False
        if (since := self._suffers_since(FrozenFeed)) is not None:
            knobs["frozen_since_utc"] = since
        if (since := self._suffers_since(BrokerLinkDown)) is not None:
            knobs |= {"connected": False, "frozen_since_utc": since}
        if blocked := self.suffers(BlockedLoop):
            knobs["call_seconds"] = blocked.seconds
        if late := self.suffers(IpcTimeout):
            knobs |= {"init_error": _TIMED_OUT, "call_error": _TIMED_OUT, "call_seconds": late.seconds}
        if self.suffers(AlgoOff):
            knobs["trade_allowed"] = False
        if self.suffers(InvestorAccount):
            knobs["account_trade_allowed"] = False
        for knob, value in knobs.items():
            setattr(self.terminal, knob, value)
        await self._settle_others()
        if not (self._is_in or self._is_shut or knobs["init_error"]):
            await self._enter(self._home)

    async def _settle_others(self) -> None:
        """What other sessions do to the terminal."""
        was_shut = OtherLoggedOut in self._since
        if self._suffers_since(OtherLoggedOut) is not None:
            if not was_shut:
                await self.shut()
        elif was_shut:
            self._is_shut = False
        was_switched = AccountSwitched in self._since
        if self._suffers_since(AccountSwitched) is not None:
            self.terminal.logged_in = STRANGER
        elif was_switched:
            self.terminal.logged_in = self._home.login

    # -- the terminal ------------------------------------------------------------------------------------------------

    async def call(self, function: str, *arguments: object, **named: object) -> Any:
        """What it returned: None is its word for "failed"."""
        reply = await self.terminal.ask(TerminalCall(function=function, arguments=arguments, named=named))
        return reply.value if isinstance(reply, TerminalReply) else None

    async def shut(self) -> None:
        await self.call("shutdown")
        self._is_in, self._is_shut = False, True

    async def log_in(self, number: int, password: str, server: str, *, in_two_steps: bool) -> bool:
        """What is left out is the operator's own, as there."""
        operator = self._world.accounts[0]
        account = TerminalAccount(
            login=number or int(operator.user),
            password=password or operator.password,
            server=server or SIMULATED_SERVER,
            balance=0.0,
        )
        if not in_two_steps:
            return await self._enter(account)
        if not await self.call("initialize"):
            return False
        self._is_in = bool(await self.call("login", account.login, **_key(account)))
        if self._is_in:
            self._home, self._is_shut = account, False
        else:
            await self.shut()
        return self._is_in

    async def _enter(self, account: TerminalAccount) -> bool:
        entered = bool(await self.call("initialize", login=account.login, **_key(account)))
        if entered:
            self._home, self._is_in, self._is_shut = account, True, False
        return entered

    async def tick(self) -> Any:
        """The newest of the first symbol, by which the public server tells the time. There, too, it takes two calls."""
        known = await self.call("symbols_total")
        return await self.call("symbol_info_tick", next(iter(SYMBOLS))) if known else None

    # -- sessions ----------------------------------------------------------------------------------------------------

    async def open(self) -> str:
        tick = await self.tick()
        token = base64.urlsafe_b64encode(self._rng.randbytes(32)).decode().rstrip("=")
        now = self.utc()
        self._sessions[token] = Session(
            began_at=now,
            expires_at=now + LIFETIME,
            worker=self._rng.getrandbits(16),
            offset_hours=round((tick["time"] - now) / HOUR) if tick else 0,
        )
        return token

    async def find(self, token: str) -> Session | None:
        session = self._sessions.get(token) or self._given_out(token)
        lost_since = self._suffers_since(TokensLost)
        if session is None or (lost_since is not None and session.began_at <= lost_since):
            return None
        if workers := self.suffers(SeveralWorkers):
            return session if session.worker % workers.n == self._rng.randrange(workers.n) else None
        if session.expires_at <= self.utc():
            del self._sessions[token]  # only now, and its end is a logout
            await self.shut()
            return None
        return session

    def _given_out(self, token: str) -> Session | None:
        purses = None if token in self._logged_out else self._world.find(Secret(token))
        if not purses:
            return None
        self._home = _account(self._world, next(iter(purses.values())).identity)
        if AccountSwitched not in self._since:
            self.terminal.logged_in = self._home.login  # as if it had logged in before
        session = self._sessions[token] = Session(
            began_at=-inf,
            expires_at=inf,
            worker=self._rng.getrandbits(16),
            offset_hours=OFFSET_HOURS,
        )
        return session

    async def close(self, token: str) -> None:
        self._sessions.pop(token, None)
        self._logged_out.add(token)
        await self.shut()

    def count(self) -> int:
        """As `/health` tells it: the dead ones that nobody has asked for since are among them."""
        lost_since = self._suffers_since(TokensLost)
        kept = [each for each in self._sessions.values() if lost_since is None or each.began_at > lost_since]
        if workers := self.suffers(SeveralWorkers):
            asked = self._rng.randrange(workers.n)
            return sum(each.worker % workers.n == asked for each in kept)
        return len(kept)


def _account(world: World, identity: SimulatedAccount) -> TerminalAccount:
    return TerminalAccount(
        login=int(identity.user),
        password=identity.password,
        server=SIMULATED_SERVER,
        balance=world.account(identity.user, identity.account).balance().amount,
    )


def _key(account: TerminalAccount) -> dict[str, str]:
    return {"password": account.password, "server": account.server}
