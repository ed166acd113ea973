"""Which protocol faults the sessions of a listener suffer; may be changed while they run.

A session asks its own `Misbehaviour`, which looks at the board each time. What a session's faults remember is made when
that session first sees them on the board.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from probe.faults.grammar import FaultOrder
from probe.faults.misbehaviour import protocol_fault
from probe.faults.protocol import ProtocolFault, Scene
from probe.model.intents import Intent
from probe.model.meanings import Admitted, Meaning
from probe.session.behaviour import Act, Misbehaviour, Refusal, Silence, Wait
from probe.session.codec import Message
from probe.wire.websocket import CloseReceived, Ping, UpgradeRequested


@dataclass(slots=True, kw_only=True, eq=False)
class _Post:
    """One order on the board."""

    order: FaultOrder
    posted_at: float | None  # None: before the first session began
    known: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class _Part:
    """One fault of one session, and when it acts."""

    post: _Post
    fault: ProtocolFault
    begins_at: float
    ends_at: float


class MisbehaviourBoard:
    """Raises ConfigError for an order whose values do not go together."""

    def __init__(self, orders: Iterable[FaultOrder] = ()) -> None:
        self.posts: tuple[_Post, ...] = ()  # replaced, never changed
        self.began_at: float | None = None  # when the first session did
        self._post(orders, None)

    @property
    def orders(self) -> tuple[FaultOrder, ...]:
        return tuple(post.order for post in self.posts)

    def set_faults(self, orders: Iterable[FaultOrder], now: float) -> None:
        """New ones count their time from now, the same ones go on, the others stop.

        A session notices when it next does anything: call `wake` of all of them.
        """
        self._post(orders, now)

    def for_session(self) -> Misbehaviour:
        return _Troupe(self)

    def _post(self, orders: Iterable[FaultOrder], now: float | None) -> None:
        kept = list(self.posts)
        posts = []
        for order in orders:
            post = next((post for post in kept if post.order == order), None)
            if post is None:
                protocol_fault(order)  # complains now, not in the middle of a session
                post = _Post(order=order, posted_at=now)
            else:
                kept.remove(post)
            posts.append(post)
        self.posts = tuple(posts)


class _Troupe(Misbehaviour):
    """All faults of one session as one."""

    def __init__(self, board: MisbehaviourBoard) -> None:
        self._board = board
        self._posts: tuple[_Post, ...] = ()
        self._parts: list[_Part] = []
        self._acting: list[_Part] = []
        self._owed: list[Act] = []
        self._now = 0.0

    def begin(self, now: float, rng: Random) -> None:
        self._scene = Scene(began_at=now, rng=rng)
        if self._board.began_at is None:
            self._board.began_at = now
        self._faults(now)

    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal | Silence | Wait | None:
        answers = [answer for fault in self._faults(now) if (answer := fault.upgrade(request, now))]
        return next((answer for answer in answers if isinstance(answer, Wait)), next(iter(answers), None))

    def obeys(self, frame: Ping | CloseReceived, now: float) -> bool:
        return all(fault.obeys(frame, now) for fault in self._faults(now))

    def hears(self, intent: Intent, now: float) -> bool:
        faults = self._faults(now)
        policies = (fault.pre_auth_events for fault in faults)
        default = Misbehaviour.pre_auth_events
        self.pre_auth_events = next((policy for policy in policies if policy != default), default)
        heard = [fault.hears(intent, now) for fault in faults]  # each has to
        return all(heard)

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        said: Sequence[tuple[float, Meaning]] = ((0.0, meaning),)
        for fault in self._faults(now):
            said = [(delay + more, other) for delay, one in said for more, other in fault.says(one, now)]
        return said

    def writes(self, meaning: Meaning, messages: list[Message], now: float) -> list[Message]:
        for fault in self._faults(now):
            if messages:
                messages = fault.writes(meaning, messages, now)
        if isinstance(meaning, Admitted):
            self._scene.live_at = now
        return messages

    def stays_after(self, meaning: Meaning) -> bool:
        return any(fault.stays_after(meaning) for fault in self._faults(self._now))

    def next_due(self) -> float | None:
        self._faults(self._now)
        if self._owed:
            return self._now
        dues = [part.ends_at for part in self._acting if part.ends_at < inf]
        for part in self._parts:
            due = part.fault.next_due()
            if due is not None and max(due, part.begins_at) < part.ends_at:
                dues.append(max(due, part.begins_at))
        return min(dues, default=None)

    def acts(self, now: float) -> Sequence[Act]:
        faults = self._faults(now)
        acts, self._owed = self._owed, []
        for fault in faults:
            due = fault.next_due()
            if due is not None and due <= now:
                acts += fault.acts(now)
        return acts

    def _faults(self, now: float) -> list[ProtocolFault]:
        """Those that act now."""
        self._now = now
        if self._posts is not self._board.posts:
            self._recast(now)
        if not self._parts and not self._acting:
            return []
        acting = [part for part in self._parts if part.begins_at <= now < part.ends_at]
        for part in self._acting:
            if part not in acting:
                self._owed += part.fault.stop()
        self._acting = acting
        return [part.fault for part in acting]

    def _recast(self, now: float) -> None:
        self._posts = self._board.posts
        known = {part.post: part for part in self._parts}
        self._parts = [known.get(post) or self._part(post, now) for post in self._posts]

    def _part(self, post: _Post, now: float) -> _Part:
        fault = protocol_fault(post.order)
        fault.scene, fault.known = self._scene, post.known
        origin = self._board.began_at if fault.for_all_alike else self._scene.began_at
        origin = max(origin or 0.0, -inf if post.posted_at is None else post.posted_at)
        begins_at = origin + post.order.start if self._scene.rng.random() < fault.share else inf
        duration = post.order.duration
        fault.begin(max(now, begins_at), self._scene.rng)
        return _Part(
            post=post,
            fault=fault,
            begins_at=begins_at,
            ends_at=inf if duration is None else begins_at + duration,
        )
