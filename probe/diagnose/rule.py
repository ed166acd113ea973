"""Rules by the slug of the failure that they know: small functions from what is known to what they saw of it, or nothing."""

from collections.abc import Callable

from probe.diagnose.case import Case
from probe.model.findings import Sign

Rule = Callable[[Case], Sign | None]


class RuleBook(dict[str, Rule]):
    """The rules of one module."""

    def of(self, code: str) -> Callable[[Rule], Rule]:
        def noted(function: Rule) -> Rule:
            if code in self:
                raise ValueError(f"{code} has two rules")
            self[code] = function
            return function

        return noted
