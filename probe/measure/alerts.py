"""Which alerts fire: each told once, again while it lasts, and when it is over.

A rule fires when its condition held at *every* look for `for_seconds` (as in Prometheus: a look at which it was not measured
breaks the row). One that fires is resolved when it was *measured* clear at every look for `clear_seconds`; without
measurements it neither ends nor is told again, because no data is not health.

What another firing alert explains is not told, but it is if it still holds when that one is resolved. A resolution is told
of everything that was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.measure.alert_rules import RULES, Readings, Rule, Unit
from probe.measure.records import Alert
from probe.model.units import format_duration


@dataclass(slots=True)
class _Standing:
    """A rule whose condition was met: pending, or firing."""

    rule: Rule
    since: float
    holds: bool | None = True
    value: float | None = None
    limit: float | None = None
    fired_at: float | None = None  # None: pending
    fired_utc: float = 0.0
    clear_since: float | None = None
    told_at: float | None = None
    repeated: int = 0

    def look(self, readings: Readings, now: float, now_utc: float) -> bool:
        """Whether it still stands."""
        rule = self.rule
        if self.holds:
            self.value, self.limit = rule.figure(readings), rule.limit(readings)
        if self.fired_at is None:
            if not self.holds:
                return False
            if now - self.since >= rule.for_seconds:
                self.fired_at, self.fired_utc = now, now_utc
            return True
        if self.holds is not False:
            self.clear_since = None
            return True
        if self.clear_since is None:
            self.clear_since = now
        return now - self.clear_since < rule.clear_seconds

    def is_due(self, now: float, repeat_seconds: float) -> bool:
        if self.fired_at is None or not self.holds:
            return False
        every = repeat_seconds if self.rule.repeat_seconds is None else self.rule.repeat_seconds
        return self.told_at is None or now - self.told_at >= every

    def told(self, target: str | None, now: float) -> Alert:
        self.repeated += self.told_at is not None
        self.told_at = now
        return self.alert(target)

    def alert(self, target: str | None, over: tuple[float, float] | None = None) -> Alert:
        """`over`: the monotonic instant and the UTC of the end."""
        rule, value, limit = self.rule, self.value, self.limit
        figure, threshold = ("–" if each is None else rule.words(each) for each in (value, limit))
        message = rule.says.format(figure=figure, limit=threshold)
        if over is None or self.fired_at is None:
            message = f"{message}. {rule.advise}"
        else:
            message = f"over after {format_duration(round(over[0] - self.fired_at))}: {message}"
        is_flag = rule.unit is Unit.FLAG
        return Alert(
            name=rule.name,
            target=target,
            severity=rule.severity,
            message=message,
            value=None if is_flag else value,
            threshold=None if is_flag else limit,
            fired_utc=self.fired_utc,
            resolved_utc=over[1] if over else None,
            repeated=self.repeated,
        )


class AlertEngine:
    def __init__(self, rules: Sequence[Rule] = RULES, *, repeat_seconds: float = 3600.0) -> None:
        self._of_targets = tuple(rule for rule in rules if not rule.of_monitor)
        self._of_monitor = tuple(rule for rule in rules if rule.of_monitor)
        self._repeat_seconds = repeat_seconds
        self._standing: dict[str | None, dict[str, _Standing]] = {}

    def evaluate(self, target: str | None, readings: Readings, now: float, now_utc: float) -> list[Alert]:
        """What is to be told now. `target` None: the monitor itself; look at it before the targets, since its alerts may
        explain theirs."""
        standing = self._standing.setdefault(target, {})
        told: list[Alert] = []
        for rule in self._of_monitor if target is None else self._of_targets:
            one = standing.get(rule.name)
            if one is None:
                if not rule.holds(readings):
                    continue
                one = standing[rule.name] = _Standing(rule=rule, since=now)
            else:
                one.holds = rule.holds(readings, firing=one.fired_at is not None)
            if not one.look(readings, now, now_utc):
                del standing[rule.name]
                if one.told_at is not None:
                    told.append(one.alert(target, (now, now_utc)))
        due = [one for one in standing.values() if one.is_due(now, self._repeat_seconds)]
        if due:
            silenced = self._silenced(target)
            told += [one.told(target, now) for one in due if one.rule.name not in silenced]
        return told

    def forget(self, target: str | None) -> None:
        """It is not watched any more: nothing is told of it, not even an end."""
        self._standing.pop(target, None)

    def active(self, target: str | None) -> tuple[Alert, ...]:
        """What was told and is not over."""
        standing = self._standing.get(target, {})
        return tuple(one.alert(target) for one in standing.values() if one.told_at is not None)

    def _silenced(self, target: str | None) -> set[str]:
        return {
            name
            for about in {target, None}
            for one in self._standing.get(about, {}).values()
            if one.fired_at is not None
            for name in one.rule.silences
        }
