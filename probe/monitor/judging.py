"""What judging incidents needs besides the target itself, and how much of the loop's time it may take."""

from collections.abc import Callable, Mapping

from probe.diagnose.case import Host
from probe.diagnose.diagnose import rules_for
from probe.diagnose.rule import Rule
from probe.session.broker import Broker

A_SECOND = 20  # judgements, of 1 to 3 ms: when many targets break at once, each waits its turn


class Judging:
    """Of one monitor.

    Args:
        host: Looks at this machine; asked with whether its handles and ports shall be counted.
        utc: What a moment of the loop's clock is called.
    """

    def __init__(self, host: Callable[[bool], Host], utc: Callable[[float], float]) -> None:
        self._host, self.utc = host, utc
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
