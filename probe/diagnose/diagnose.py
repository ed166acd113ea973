"""From all that is known about a target to what is wrong with it: the earliest broken stage first, and how sure we are."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from probe.brokers import all_brokers
from probe.catalogue import Entry, entries
from probe.diagnose.case import Case
from probe.diagnose.rule import Rule
from probe.diagnose.rules import RULES
from probe.model.findings import Certainty, Sign, State
from probe.session.broker import Broker
from probe.session.signs import BrokerSign, as_told

BY_REMAINING = (Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE)  # look-alikes that are not excluded
_SURE = re.compile(r"\*(certain|likely|possible)\*")
# What is wrong with ourselves makes all else doubtful, so it is said first.
_OURSELVES = ("host", "load")  # layers
# No news where answers showed why nothing comes.
MUTE = ("auth.silent-after-connect", "session.silent-stall", "data.market-closed")
CATALOGUE = entries()  # read now: later there may be no file handle left to read it with
KNOWN = frozenset(RULES).union(*(broker.signs for broker in all_brokers()))  # failures that have a rule
OF_OTHERS = "only servers of another kind have it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One failure that was recognised."""

    code: str
    state: State
    certainty: Certainty
    says: str
    evidence: tuple[str, ...]
    excluded: Mapping[str, str]  # look-alikes, and what was observed against each
    remaining: Mapping[str, str]  # look-alikes that could not be told from it, and what would
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    state: State
    verdicts: tuple[Verdict, ...]


def rules_for(broker: Broker | None) -> dict[str, Rule]:
    """Those for everybody, and those of the broker's own folder: of one failure both may know."""
    own = broker.signs if broker else {}
    return {code: _in_turn(code, own.get(code), RULES.get(code)) for code in (*own, *RULES)}


def _in_turn(code: str, own: BrokerSign | None, general: Rule | None) -> Rule:
    def rule(case: Case) -> Sign | None:
        sign = own(case.shown) if own else None
        if sign is None and general:
            sign = general(case)
        if sign is None and not own and case.has_troubles and (trouble := case.shown.troubles.get(code)):
            sign = as_told(trouble)
        return sign

    return rule


def diagnose(case: Case, rules: Mapping[str, Rule]) -> Diagnosis:
    others = dict.fromkeys(KNOWN - RULES.keys() - rules.keys(), OF_OTHERS)
    found = [
        _verdict(CATALOGUE[code], sign, others)
        for code, rule in rules.items()
        if (sign := rule(case)) is not None
    ]
    if any(each.state is State.FAILED and each.code in case.shown.troubles for each in found):
        found = [each for each in found if each.code not in MUTE]
    found = [_beside(each, {one.code for one in found}) for each in found]
    order = {code: place for place, code in enumerate(CATALOGUE)}
    verdicts = sorted(
        found,
        key=lambda each: (
            each.state not in (State.FAILED, State.UNKNOWN),
            each.state is State.HEALTHY,
            each.code.partition(".")[0] not in _OURSELVES,
            order.get(each.code, len(order)),
        ),
    )
    return Diagnosis(state=_state(case, verdicts), verdicts=tuple(verdicts))


def _verdict(entry: Entry, sign: Sign, others: Mapping[str, str]) -> Verdict:
    """`others`: failures that a target of this kind cannot have."""
    excluded = {code: words for code, words in others.items() if code in entry.look_alikes} | {
        **sign.excluded
    }
    remaining = {code: words for code, words in entry.look_alikes.items() if code not in excluded}
    by_look_alikes = BY_REMAINING[min(len(remaining), len(BY_REMAINING) - 1)]
    return Verdict(
        code=entry.code,
        state=sign.state,
        certainty=weakest(by_look_alikes, sign.at_most, ceiling(entry)),
        says=sign.says or _begun(entry.title),
        evidence=sign.evidence,
        excluded=excluded,
        remaining=remaining,
        advice=sign.advice or entry.advice,
    )


def _beside(verdict: Verdict, said: Collection[str]) -> Verdict:
    """What is true at the same time is not called excluded, though it is not what this one is."""
    excluded = {code: words for code, words in verdict.excluded.items() if code not in said}
    return replace(verdict, excluded=excluded)


def _begun(title: str) -> str:
    """As the middle of a sentence: HTTP/2 stays what it is."""
    return title if title[1].isupper() else title[0].lower() + title[1:]


def ceiling(entry: Entry) -> Certainty:
    """How far a verdict of this kind may ever go."""
    words = _SURE.findall(entry.sure)
    return next((each for each in BY_REMAINING if each.value in words), Certainty.POSSIBLE)


def weakest(*certainties: Certainty) -> Certainty:
    return max(certainties, key=list(Certainty).index)


def _state(case: Case, verdicts: list[Verdict]) -> State:
    for state in (State.FAILED, State.UNKNOWN, State.DEGRADED):
        if any(each.state is state for each in verdicts):
            return state
    if case.looks is None:
        return State.UNKNOWN
    facts, asked = case.looks.first.facts, case.looks.first.asked
    reached = facts.went_live if asked.login else facts.upgraded is not None
    return State.HEALTHY if reached else State.UNKNOWN
