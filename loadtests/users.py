"""Locust users over real sessions: `self.ask`, `self.expect` and `self.tell` in tasks, with the intents of `probe.model.intents`.

A class without tasks of its own does the operations of the run's scenario. With a rate the run's pacer asks, over all sessions,
and a user only keeps its session open.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, ClassVar

import gevent
from locust import User
from locust.exception import RescheduleTask

from loadtests import plugin, session
from loadtests.guard import guard
from loadtests.session import LoadSession
from probe.model.intents import Intent
from probe.model.meanings import Meaning

PARKED_SECONDS = 86_400.0


class StepFailed(session.StepFailed, RescheduleTask):
    """Recorded already: Locust goes on with the next task."""


class BrokerUser(User):
    """
    Attributes:
        broker: Whose protocol it speaks.
        host: A URL to go to instead of the run's target.
    """

    abstract = True
    broker: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Who has tasks of his own does not inherit ours."""
        cls.tasks = [each for each in cls.tasks if each is not BrokerUser.operate] or [BrokerUser.operate]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.running = plugin.running(environment)
        self._broker = self.running.broker(self.broker)
        self._playback = self.running.playback()
        self._operations = () if self._has_tasks else self.running.operations(self._broker)
        self._session: LoadSession | None = None
        self._was_opened = False
        self._began = monotonic()  # the present task
        self._stage, self._done = -1, 0  # operations in this stage

    # -- what tasks use ------------------------------------------------------------------------------------------------

    @property
    def session(self) -> LoadSession:
        if self._session is None:
            self._session = self._new_session(reopens=True)
        return self._session

    def ask(self, intent: Intent, *, name: str | None = None, within: float | None = None) -> Meaning:
        """The answer. The time it took is recorded under the name, or that there was none.

        Raises:
            StepFailed: there was none; the task ends.
        """
        live = self._live()
        try:
            answer: Any = live.ask(intent, name or _named(intent), within=within)
        except session.StepFailed as failed:
            raise StepFailed(failed.step, failed.kind) from None
        return answer  # type: ignore[no-any-return]

    def ping(self, *, within: float | None = None) -> None:
        """Ask for a sign of life, as a heartbeat does."""
        self._step(lambda: self._live().ask(None, "ping", within=within))

    def expect(
        self, wanted: type | Callable[[Meaning], bool], *, within: float = 10.0, name: str | None = None
    ) -> Meaning:
        """The next thing of this kind that the broker says unasked, or the oldest it has said already. Recorded if it has a name.

        Raises:
            StepFailed: nothing of the kind came.
        """
        found: Meaning = self._step(lambda: self._live().expect(wanted, within=within, name=name))
        return found

    def tell(self, intent: Intent) -> None:
        """Say something without waiting. If an answer comes, `expect` finds it."""
        self._step(lambda: self._live().tell(intent))

    # -- what Locust calls ---------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Who has one of his own calls this first."""
        if self._has_tasks or self.running.plan.scenario.persistent:
            self._open()
            if not self.running.is_open_model:  # not all at once
                gevent.sleep(self.running.rng.uniform(0.0, self.running.pace))

    def on_stop(self) -> None:
        if self._session is not None:
            self._session.close()

    def wait_time(self) -> float:
        """The scenario's pace, counted from when the task began."""
        if self._is_parked:
            return PARKED_SECONDS
        if self._playback is not None:
            return 0.0
        return max(0.0, self._began + self.running.pace - monotonic())

    def operate(self) -> None:
        """One operation of the scenario, or a recorded connection, once."""
        self._began = monotonic()
        if self._playback is not None:
            self._playback.play(self.session, may_trade=guard().may_trade(self._url))
            return
        if self._is_parked or self._has_done_enough():
            return
        operation = self.running.choose(self._operations)
        if self.running.plan.scenario.persistent:
            self._step(lambda: self.session.ask(operation.intent(), operation.name))
            return
        only_for_this = self._new_session(reopens=False)
        try:
            self._step(only_for_this.open)
            self._step(lambda: only_for_this.ask(operation.intent(), operation.name))
        finally:
            only_for_this.close()

    tasks = [operate]  # noqa: RUF012 - as Locust declares it; of a class that has none

    # -- small things --------------------------------------------------------------------------------------------------

    @property
    def _has_tasks(self) -> bool:
        return BrokerUser.operate not in self.tasks

    @property
    def _is_parked(self) -> bool:
        if self._has_tasks or self._playback is not None:
            return False
        return self.running.is_open_model or not self._operations

    def _has_done_enough(self) -> bool:
        """In this stage; and one more is about to be done if not."""
        stage, most = self.running.stage, self.running.operations_per_user
        if stage != self._stage:
            self._stage, self._done = stage, 0
        if most is None:
            return False
        if self._done == most:
            return True
        self._done += 1
        if self._done == most:
            self.running.finish(stage)
        return False

    @property
    def _url(self) -> str:
        return self.host or self.running.plan.url

    def _live(self) -> LoadSession:
        """Opened now, where `on_start` did not do it."""
        self._began = monotonic()
        if not self._was_opened:
            self._open()
        return self._session or self.session

    def _open(self) -> None:
        with suppress(session.StepFailed):  # recorded, and tried again; a step that wants it fails, too
            self.session.open()
        self._was_opened = True

    def _new_session(self, *, reopens: bool) -> LoadSession:
        return self.running.session(self._broker, self._url, remembers=self._has_tasks, reopens=reopens)

    def _step(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except session.StepFailed as failed:
            raise StepFailed(failed.step, failed.kind) from None


def _named(intent: Intent) -> str:
    return type(intent).__name__


class PocketOptionUser(BrokerUser):
    abstract = True
    broker = "pocketoption"


class QuotexUser(BrokerUser):
    abstract = True
    broker = "quotex"


class BingxUser(BrokerUser):
    abstract = True
    broker = "bingx"


class Mt5User(BrokerUser):
    abstract = True
    broker = "mt5"


class CryptoUser(BrokerUser):
    abstract = True
    broker = "crypto"
