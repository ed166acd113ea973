"""Runs a session of questions and answers on asyncio: every call goes to whoever can carry it out, and what came of it is told.

At most a few calls are on their way at once, each on a task of its own that goes on with the next one while there is one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from math import inf
from typing import assert_never

from probe.drivers.asking import AskingPump
from probe.drivers.dial import DialPlan, NotDialled
from probe.drivers.limits import FLUSH_SECONDS, GIVEN_UP
from probe.drivers.polling_http import Web
from probe.drivers.pump import OnEvent
from probe.drivers.tail import Tail
from probe.drivers.terminal import Terminal, open_terminal
from probe.drivers.touch import touch
from probe.model.errors import LocalProtocolError
from probe.model.events import Ended, TcpFacts
from probe.model.failures import Failure
from probe.session.polled import Answered, PolledSession
from probe.wire.calls import Call, HttpCall, LookForProcess, ReadLines, Reply, TerminalCall, Touch

CALL_SECONDS = 15.0
MOST_CALLS = 4  # at once
_NOT_DIALLED = ("bridge", "terminal")


def is_dialled(url: str) -> bool:
    """Whether there is a connection before the first question."""
    return url.partition("://")[0] not in _NOT_DIALLED


class Conversation(AskingPump):
    """One session and whoever carries out its calls. Made by `converse`."""

    __slots__ = (
        "_done",
        "_ending",
        "_loop",
        "_open_terminal",
        "_plan",
        "_staying",
        "_tail",
        "_tasks",
        "_terminal",
        "_web",
    )

    def __init__(
        self,
        session: PolledSession,
        plan: DialPlan,
        on_event: OnEvent,
        open_terminal: Callable[[], Terminal] | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(session, on_event, self._loop.time)
        self._done: asyncio.Future[Ended] = self._loop.create_future()
        self._plan, self._open_terminal = plan, open_terminal
        self._web: Web | None = None
        self._terminal: Terminal | None = None
        self._tail = Tail()
        self._tasks: set[asyncio.Task[None]] = set()
        self._staying = 0  # tasks that will look for the next call by themselves
        self._ending: asyncio.Task[None] | None = None

    # -- for whoever uses the session ----------------------------------------------------------------------------------

    async def ended(self) -> Ended:
        """Wait until the session ended and everything it used is closed.

        Raises:
            Exception: whatever the session, an executor or the event callback raised; all was dropped then.
        """
        return await asyncio.shield(self._done)

    def abort(self, failure: Failure = GIVEN_UP) -> None:
        """Drop everything now. The session is told that it ended, and why."""
        self._drive(self._tell_end, failure)
        if self._web is not None:
            self._web.abort()

    def tcp_facts(self) -> TcpFacts | None:
        """The kernel's view of the newest connection, while there is one."""
        return None if self._web is None else self._web.tcp_facts()

    # -- the driver's one duty -----------------------------------------------------------------------------------------

    def _begin(self, web: Web | None) -> None:
        self._web = web
        self._session.begin(self._now())
        self._flush()

    def _carry_on(self) -> None:
        while len(self._waiting) > self._staying and len(self._tasks) < MOST_CALLS:
            self._tasks.add(self._loop.create_task(self._carry_out_all()))
            self._staying += 1

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._drive, self._wake)
        self._wakes_at = inf if due is None else due

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def _carry_out_all(self) -> None:
        try:
            while self._waiting and not self._closing:
                asked = self._waiting.popleft()
                self._staying -= 1
                try:
                    reply = await self._carry_out(asked.call)
                finally:
                    self._staying += 1
                self._drive(self._receive, Answered(number=asked.number, reply=reply))
        except Exception as bug:  # noqa: BLE001 - see _drive
            self._break(bug)
        finally:
            self._staying -= 1
            self._tasks.discard(asyncio.current_task())

    async def _carry_out(self, call: Call) -> Reply:
        match call:
            case HttpCall():
                if self._web is None:
                    raise LocalProtocolError(
                        "this endpoint is no web server, and a call to one was asked for"
                    )
                return await self._web.ask(call)
            case TerminalCall() | LookForProcess():
                return await self._at_hand().ask(call)
            case Touch():
                return await touch(call, self._plan)
            case ReadLines():
                return await self._tail.read(call)
            case _:
                assert_never(call)

    def _at_hand(self) -> Terminal:
        if self._terminal is None:
            if self._open_terminal is None:
                raise LocalProtocolError("this endpoint is no terminal, and a call to one was asked for")
            self._terminal = self._open_terminal()
        return self._terminal

    # -- the end -------------------------------------------------------------------------------------------------------

    def _break(self, bug: Exception) -> None:
        self._bug = self._bug or bug
        self._flushing = True  # the session is not used again
        self._close()

    def _close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._set_timer(None)
        self._waiting.clear()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._tasks or self._web is not None or self._terminal is not None:
            self._ending = self._loop.create_task(self._see_off())
        else:
            self._finish()

    async def _see_off(self) -> None:
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._web is not None:
                await self._web.aclose()
            if self._terminal is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._terminal.close()
        except Exception as bug:  # noqa: BLE001 - see _drive
            self._bug = self._bug or bug
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._done.done():
            return
        try:
            self._done.set_result(self._outcome())
        except Exception as bug:  # noqa: BLE001 - see _drive
            self._done.set_exception(bug)


async def converse(
    session: PolledSession,
    plan: DialPlan,
    *,
    url: str,
    on_event: OnEvent,
    terminal: Callable[[], Terminal] | None = None,
    call_seconds: float = CALL_SECONDS,
) -> Conversation:
    """Dial, if one dials to that URL, and run the session. If dialling fails or is cancelled, the session is told so and
    never begins: whatever happens, the last event is its `Ended`.

    Args:
        terminal: Opens the terminal, when the first call to one is asked for. None: the one at the URL.

    Raises:
        ConfigError: the plan's file of certificate authorities cannot be used.
        Exception: whatever the event callback raised while dialling.
    """
    dials = is_dialled(url)
    if terminal is None and not dials:
        terminal = lambda: open_terminal(url)  # noqa: E731 - it has a name already
    conversation = Conversation(session, plan, on_event, terminal)
    web = None
    if dials:
        web = Web(plan, timeout=call_seconds)
        try:
            await web.dial(on_event)
        except NotDialled as end:
            conversation.abort(end.failure)
            return conversation
        except asyncio.CancelledError:
            conversation.abort(web.given_up)
            raise
    conversation._drive(conversation._begin, web)  # noqa: SLF001 - the other half of the same thing
    return conversation
