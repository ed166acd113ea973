"""What a run of suites comes to: shares, a word for each group of promises, and what to do. The names are those that the
public testers of these brokers use in their reports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probe.verify.model import Figure, Group, Outcome, Result
from probe.verify.run import Verified

WORDS = ((90.0, "EXCELLENT"), (80.0, "GOOD"), (60.0, "FAIR"))
ENOUGH = 0.8  # of a group's tests
WELL = "Nothing: every promise that was tested is kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many of some tests came to what. Skipped ones count for nothing."""

    total: int
    passed: int
    failed: int
    errors: int
    skipped: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> "Shares":
        def count(outcome: Outcome) -> int:
            return sum(each.outcome is outcome for each in results)

        return cls(
            total=len(results),
            passed=count(Outcome.PASSED),
            failed=count(Outcome.FAILED),
            errors=count(Outcome.ERROR),
            skipped=count(Outcome.SKIPPED),
        )

    @property
    def success_rate(self) -> float | None:
        """None: nothing was judged."""
        judged = self.total - self.skipped
        return self.passed / judged if judged else None

    @property
    def health_score(self) -> float | None:
        return None if self.success_rate is None else 100.0 * self.success_rate

    @property
    def health_status(self) -> str:
        score = self.health_score
        if score is None:
            return "UNKNOWN"
        return next((word for least, word in WORDS if score >= least), "POOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """One group of promises."""

    group: Group
    shares: Shares
    details: tuple[str, ...]  # what is not kept

    @property
    def status(self) -> str:
        rate = self.shares.success_rate
        if rate is None:
            return "UNKNOWN"
        return "GOOD" if rate >= ENOUGH else "NEEDS_ATTENTION"


def assessed(results: Sequence[Result]) -> tuple[Assessed, ...]:
    return tuple(
        Assessed(
            group=group,
            shares=Shares.of(mine),
            details=tuple(
                f"{each.trial.name}: {each.evidence.words}"
                for each in mine
                if each.outcome in (Outcome.FAILED, Outcome.ERROR)
            ),
        )
        for group in Group
        for mine in [[each for each in results if each.trial.group is group]]
    )


def recommendations(verified: Verified) -> list[str]:
    """What to do, each thing once, what the most failures have in common first."""
    advice: dict[str, int] = {}
    for each in verified.of(Outcome.FAILED):
        if each.causes:
            first = each.causes[0]
            words = f"{first.cause[0].upper()}{first.cause[1:]} ({first.certainty.value}, {first.code}). {first.next_step}"
        else:
            words = f"{each.trial.name}: the doctor found nothing to explain it. Run it again alone (--only), and look at what it saw."
        advice[words] = advice.get(words, 0) + 1
    found = sorted(advice, key=lambda words: -advice[words])
    found += [
        f"{each.trial.name} itself broke: please report it with what it says."
        for each in verified.of(Outcome.ERROR)
    ]
    return found or [WELL]


def measured(results: Iterable[Result]) -> Mapping[str, Figure]:
    """Figures of times, by their name; a later test of the same name measured them anew."""
    return {
        name: value
        for each in results
        if each.outcome is not Outcome.SKIPPED
        for name, value in each.evidence.figures.items()
        if name.endswith(("_time", "_seconds", "_megabytes", "_percent", "_per_second"))
    }
