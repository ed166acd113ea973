"""Who is on a broker's web pages: sessions by cookie, as Laravel keeps them, and the socket tokens they were given."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from string import ascii_letters, digits
from typing import Any

from starlette.responses import Response

from probe.model.credentials import Secret
from probe.simulator.world import World

SESSION = "laravel_session"
REMEMBER = "remember_web_59ba36addc2b2f9401580f014c7f58ea4e30989d"  # Laravel's own, the same on all its sites
REMEMBERED_SECONDS = 400 * 86_400
KEPT = 10_000  # visitors; the oldest are forgotten
FORMS_KEPT = 10  # of one visitor
TOKENS_KEPT = 1_000  # of one user; older ones stop working


@dataclass(slots=True, kw_only=True, eq=False)
class Visitor:
    session: str
    forms: deque[str] = field(  # tokens that his forms may carry; the newest is last
        default_factory=lambda: deque(maxlen=FORMS_KEPT)
    )
    user: str | None = None
    remembered: str = ""


class Visitors:
    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._known: dict[str, Visitor] = {}
        self._remembered: dict[str, str] = {}

    def arrive(self, cookies: Mapping[str, str]) -> Visitor:
        """Whose cookies these are: somebody known, remembered or new."""
        visitor = self._known.get(cookies.get(SESSION, ""))
        if visitor is None:
            visitor = Visitor(session="")
            self._move(visitor)
            self.new_form(visitor)
            visitor.user = self._remembered.get(cookies.get(REMEMBER, ""))
            visitor.remembered = cookies[REMEMBER] if visitor.user else ""
        return visitor

    def new_form(self, visitor: Visitor) -> None:
        visitor.forms.append(self._draw(40))

    def sign_in(self, visitor: Visitor, user: str, *, remember: bool) -> None:
        self._move(visitor)
        visitor.user = user
        if remember:
            visitor.remembered = self._draw(60)
            self._remembered[visitor.remembered] = user
            _forget_oldest(self._remembered)

    def sign_out(self, visitor: Visitor) -> None:
        self._known.pop(visitor.session, None)
        self._remembered.pop(visitor.remembered, None)

    def _move(self, visitor: Visitor) -> None:
        """To a session id that nobody has seen."""
        self._known.pop(visitor.session, None)
        visitor.session = self._draw(40)
        self._known[visitor.session] = visitor
        _forget_oldest(self._known)

    def _draw(self, length: int) -> str:
        return "".join(self._rng.choices(ascii_letters + digits, k=length))


def _forget_oldest(table: dict[str, Any]) -> None:
    if len(table) > KEPT:
        del table[next(iter(table))]


def give_cookies(response: Response, visitor: Visitor) -> None:
    response.set_cookie(SESSION, visitor.session, max_age=7200, httponly=True)
    if visitor.remembered:
        response.set_cookie(REMEMBER, visitor.remembered, max_age=REMEMBERED_SECONDS, httponly=True)


class SocketTokens:
    """A new one for each time of asking."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._given: dict[str, deque[Secret]] = {}

    def fresh(self, user: str) -> Secret:
        given = self._given.setdefault(user, deque())
        given.append(self._world.fresh_token(user))
        if len(given) > TOKENS_KEPT:
            self._world.revoke(given.popleft())
        return given[-1]

    def dead(self, user: str) -> Secret:
        """The one given last, which no longer opens anything."""
        given = self._given.get(user)
        token = given[-1] if given else self.fresh(user)
        self._world.revoke(token)
        return token
