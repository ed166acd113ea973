"""A case as plain data and back, so that it can be judged again elsewhere and later. What no rule reads and somebody could be known
by (a user's name, what an account holds, cookies) is not written."""

from dataclasses import fields, replace
from typing import Any

from probe.diagnose.case import Case, Look, Looks
from probe.diagnose.facts import Facts
from probe.model.events import Phase, RequestAnswered
from probe.model.meanings import Asset, Assets, History, Meaning, Notice
from probe.model.packing import packed, unpacked

WHOLE_SURPRISES = 3  # of the others it is known what was odd about them


def written(case: Case) -> dict[str, Any]:
    told: dict[str, Any] = packed(replace(case, looks=case.looks and _looks(case.looks)))
    return told


def read(told: object) -> Case:
    """
    Raises:
        Unreadable: it is no case.
    """
    return unpacked(Case, told)


def _looks(looks: Looks) -> Looks:
    several = {each.name: getattr(looks, each.name) for each in fields(looks)}
    return replace(looks, **{name: _look(each) for name, each in several.items() if isinstance(each, Look)})


def _look(look: Look) -> Look:
    return replace(look, facts=_facts(look.facts))


def _facts(facts: Facts) -> Facts:
    return replace(
        facts,
        upgraded=facts.upgraded and replace(facts.upgraded, headers=()),
        admitted=facts.admitted and replace(facts.admitted, user=None),
        balance=facts.balance and replace(facts.balance, amount=0.0),
        purses=None,
        surprises=[
            each if number < WHOLE_SURPRISES or each.phase is Phase.OPENING else replace(each, preview="")
            for number, each in enumerate(facts.surprises)
        ],
        assets=facts.assets and Assets(rows=tuple(map(_asset, facts.assets.rows))),
        answered=[_answered(each) for each in facts.answered],
    )


def _asset(asset: Asset) -> Asset:
    """One of nearly two hundred: which it is, and whether it can be traded."""
    return asset._replace(
        id=0, label="", kind="", digits=0, payout_percent=0, is_otc=False, opens_or_closes_at=None
    )


def _answered(request: RequestAnswered) -> RequestAnswered:
    return request._replace(answer=_answer(request.answer))


def _answer(answer: Meaning) -> Meaning:
    """That there was one; of a page of history its newest piece, too."""
    if isinstance(answer, Notice):
        return replace(answer, payload=None)
    if not isinstance(answer, History):
        return Notice(name=type(answer).__name__)
    return replace(
        answer,
        ticks=tuple(sorted(answer.ticks)[-1:]),
        candles=tuple(sorted(answer.candles, key=lambda each: each.start)[-1:]),
    )
