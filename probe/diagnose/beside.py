"""How others fare beside the target that is judged: other accounts at the same broker."""

from probe.diagnose.case import Case, Neighbour, Try
from probe.diagnose.rules.config import REFUSALS
from probe.model.endpoint import Account

TOGETHER = 900.0  # seconds between two first refusals that may have one cause


def refused_beside(case: Case) -> list[Neighbour]:
    """Other targets of the broker that had been let in, and are refused since about the time at which this one was."""
    if case.past is None:
        return []
    since = _refused_since(case.past.tries)
    found = []
    for each in case.past.neighbours:
        began = _refused_since(each.tries)
        let_in = any(one.kind not in REFUSALS and not one.code for one in each.tries)
        if began is not None and let_in and (since is None or abs(since - began) <= TOGETHER):
            found.append(each)
    return found


def _refused_since(tries: tuple[Try, ...]) -> float | None:
    """How long ago the first of the last refusals in a row was; None: the last attempt was none."""
    since = None
    for each in reversed(tries):
        if each.kind not in REFUSALS:
            break
        since = each.ago_seconds
    return since


def is_blocked_demo(case: Case) -> bool:
    """Nothing that this demo account asks for is answered, and what a live one asks for is."""
    looks = case.looks
    if (
        looks is None
        or looks.elsewhere is None
        or case.failure is not None
        or not looks.first.facts.went_live
    ):
        return False
    accounts = (looks.first.endpoint.account, looks.elsewhere.endpoint.account)
    asked = looks.first.facts.expired and not looks.first.facts.answered
    return accounts == (Account.DEMO, Account.LIVE) and bool(asked) and bool(looks.elsewhere.facts.answered)
