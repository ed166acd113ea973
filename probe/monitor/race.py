"""Which of a few endpoints answers first: all are dialled at once, and none of them sees a credential."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from probe.measure.records import Attempt, Trigger
from probe.model.endpoint import Endpoint
from probe.model.events import Phase
from probe.monitor.endpoints import Dialler, Visit

RUNNERS = 4  # more would be noticed
RACE_WITHIN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    winner: Endpoint | None  # None: nobody arrived
    attempts: tuple[Attempt, ...]  # in the order of the endpoints; who lost did not fail


class Race:
    """As far as the transport's greeting. Who is first there ends it: the others leave, and so does the winner, to be
    dialled again for good."""

    def __init__(
        self, dialler: Dialler, endpoints: Sequence[Endpoint], *, trigger: Trigger | None = None
    ) -> None:
        self._winner: Endpoint | None = None
        self._visits = [
            Visit(
                dialler,
                dialler.trial(endpoint, "race", trigger),
                goal=Phase.OPENING,
                on_arrival=partial(self._arrived, endpoint),
            )
            for endpoint in endpoints[:RUNNERS]
        ]

    async def run(self) -> Raced:
        """
        Raises:
            ConfigError: the proxy or the file of authorities cannot be used.
        """
        try:
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(visit.run(RACE_WITHIN)) for visit in self._visits]
        except ExceptionGroup as problems:  # all of them have the same settings
            raise problems.exceptions[0] from None
        return Raced(winner=self._winner, attempts=tuple(run.result() for run in runs))

    def _arrived(self, endpoint: Endpoint) -> None:
        if self._winner is not None:
            return
        self._winner = endpoint
        for visit in self._visits:
            if visit.trial.endpoint is not endpoint:
                visit.leave()
