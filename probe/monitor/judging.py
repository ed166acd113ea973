"""What judging incidents needs besides the target itself, and how much of the loop's time it may take."""

import traceback
from collections.abc import Callable, Mapping

from probe.diagnose.case import Host
from probe.diagnose.diagnose import rules_for
from probe.diagnose.rule import Rule
from probe.session.broker import Broker

NOT_JUDGED = "incident.not-judged"
A_SECOND = 20  # judgements, of 1 to 3 ms: when many targets break at once, each waits its turn


class Judging:
    """Of one monitor.

    Args:
        host: Looks at this machine; asked with whether its handles and ports shall be counted.
        utc: What a moment of the loop's clock is called.
        note: Takes a code and a sentence about the monitor itself.
    """

    def __init__(
        self,
        host: Callable[[bool], Host],
        utc: Callable[[float], float],
        note: Callable[[str, str], None],
    ) -> None:
        self._host, self.utc, self._note = host, utc, note
        self._rules: dict[str, Mapping[str, Rule]] = {}
        self._second, self._left = float("-inf"), A_SECOND

    def rules_of(self, broker: Broker) -> Mapping[str, Rule]:
        if broker.name not in self._rules:
            self._rules[broker.name] = rules_for(broker)
        return self._rules[broker.name]

    def host(self, *, counts: bool) -> Host:
        return self._host(counts)

    def has_time(self, now: float) -> bool:
        if now - self._second >= 1.0:
            self._second, self._left = now, A_SECOND
        self._left -= 1
        return self._left >= 0

    def tell(self, target: str, bug: Exception) -> None:
        *_, (frame, line) = traceback.walk_tb(bug.__traceback__)
        where = f"{frame.f_globals.get('__name__', '?')}, line {line}"
        self._note(
            NOT_JUDGED,
            f"an incident of {target} has no verdict: {type(bug).__name__} in {where}; all else goes on. Please report this.",
        )
