"""What can go wrong while a session is used. Connections that fail are data inside; here they are raised, once, with cause
and advice."""

from probe.model.errors import ProbeError
from probe.model.failures import Failure


class _Failed(ProbeError):
    exit_code = 1
    what = ""

    def __init__(self, target: str, failure: Failure) -> None:
        self.target, self.failure = target, failure
        super().__init__(target, failure)

    @property
    def cause(self) -> str:
        return str(self.failure)

    @property
    def advice(self) -> str:
        return self.failure.facts.advise

    def __str__(self) -> str:
        return f"{self.what} {self.target}: {self.cause}. {self.advice} [{self.failure.code}]"


class ConnectionFailed(_Failed):
    """A session was never live."""

    what = "no session to"


class SessionLost(_Failed):
    """A session that was live ended, and no other takes its place."""

    what = "lost the session to"


class SessionClosed(ProbeError):
    """It was closed by its user."""

    def __init__(self, target: str) -> None:
        super().__init__(f"the session to {target} is closed. Open another one.")


class NotConnected(ProbeError):
    """There is no live session now, and one is being made."""

    exit_code = 1

    def __init__(self, target: str) -> None:
        super().__init__(
            f"the session to {target} is being restored; nothing was sent. Wait for it with `await session.ready()`."
        )


class Unanswered(ProbeError):
    """A question that the broker did not answer in time. Whether it had an effect is not known."""

    exit_code = 1

    def __init__(self, target: str, question: str, seconds: float, *, instead: str = "") -> None:
        self.question, self.seconds = question, seconds
        said = f"answered {question} with something else" if instead else f"did not answer {question}"
        words = f": {instead}" if instead else ""
        super().__init__(
            f"{target} {said} within {seconds:.1f} s{words}. Ask again, or look at session.statistics()."
        )


class OrderRejected(ProbeError):
    """The broker said no, in its own words."""

    exit_code = 1

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(f"the broker rejected the order: {words}. Nothing was opened.")


class TooManyRequests(ProbeError):
    """Our own limit: more was asked at once than can leave within a minute. Nothing was sent."""

    exit_code = 1

    def __init__(self, target: str, question: str, limit: str) -> None:
        super().__init__(
            f"{question} was not sent to {target}: too much waits there already (limit: {limit}). Ask more slowly."
        )


class SaleRejected(ProbeError):
    """The broker did not end an order before its time, in its own words."""

    exit_code = 1

    def __init__(self, words: str) -> None:
        self.words = words
        super().__init__(f"the broker did not sell the order: {words}. It goes on until its end.")


class PoolTimeout(ProbeError):
    exit_code = 1

    def __init__(self, size: int, in_use: int, seconds: float) -> None:
        self.size, self.in_use, self.seconds = size, in_use, seconds
        next_step = (
            "Give them back sooner, wait longer, or make it larger."
            if in_use >= size
            else "Opening one took too long: look at the target with probe check."
        )
        super().__init__(
            f"the pool had no session within {seconds:g} s: {in_use} of {size} are in use. {next_step}"
        )
