"""What a broker's answers showed comes out of the doctor: by the broker's own sign, by a general rule, or as it was told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from probe.brokers import find_broker
from probe.diagnose.case import Case, Look, Looks
from probe.diagnose.diagnose import diagnose, rules_for
from probe.diagnose.facts import Facts
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Told
from probe.model.failures import Blame
from probe.model.findings import Sign, State
from probe.model.meanings import Effect, Trouble, Troubles
from probe.session.broker import Broker
from probe.session.signs import BrokerSign, Shown

CODE = "data.market-closed"
OWN, GENERAL, TOLD = "the broker's own", "anybody's", "the market is closed"


def case(*tellings: Troubles) -> Case:
    facts = Facts()
    for place, each in enumerate(tellings):
        facts.add(Told(at=float(place), meaning=each))
    endpoint = Endpoint(broker="mt5", region="own", url="http://127.0.0.1:1", account=Account.NONE)
    look = Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None))
    return Case(looks=Looks(first=look))


def row(code: str = CODE, effect: Effect = Effect.DEGRADES, *, certain: bool = False) -> Trouble:
    return Trouble(
        code=code, sentence=TOLD, advice="Wait", effect=effect, blame=Blame.BROKER, certain=certain
    )


def broker(own: BrokerSign | None = None) -> Broker:
    return replace(find_broker("mt5"), signs={CODE: own} if own else {})


def saying(words: str) -> Callable[[object], Sign]:
    return lambda _: Sign(evidence=(words,))


def silent(_: Shown) -> None:
    return None


def evidence(of: Broker, seen: Case) -> tuple[str, ...]:
    sign = rules_for(of)[CODE](seen)
    return sign.evidence if sign else ()


def test_a_brokers_own_sign_is_asked_before_the_general_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.diagnose.diagnose.RULES", {CODE: saying(GENERAL)})
    assert evidence(broker(saying(OWN)), case()) == (OWN,)
    assert evidence(broker(silent), case()) == (GENERAL,)
    assert evidence(broker(), case()) == (GENERAL,)


def test_what_answers_showed_is_told_where_a_general_rule_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.diagnose.diagnose.RULES", {CODE: silent})
    assert evidence(broker(), case(Troubles(about="prices", rows=(row(),)))) == (TOLD,)
    assert evidence(broker(), case()) == ()


def test_of_one_trouble_told_twice_the_gravest_and_then_the_surest_counts() -> None:
    rows = (row(effect=Effect.NOTED), row(), row(certain=True), row(effect=Effect.NOTED))
    shown = case(*(Troubles(about=str(place), rows=(each,)) for place, each in enumerate(rows))).shown
    assert (shown.troubles[CODE], shown.well) == (row(certain=True), frozenset(("0", "3")))


def test_what_was_shown_and_is_over_is_known_as_that() -> None:
    shown = case(Troubles(about="prices", rows=(row(),)), Troubles(about="prices")).shown
    assert (shown.troubles, shown.passed) == ({}, {CODE: row()})


def test_that_nothing_comes_is_no_news_where_answers_showed_why() -> None:
    why = row("mt5.no-server-connection", Effect.STALLS, certain=True)
    seen = case(
        Troubles(about="terminal", rows=(why,)), Troubles(about="prices", rows=(row(effect=Effect.STALLS),))
    )
    verdicts = diagnose(seen, rules_for(find_broker("mt5"))).verdicts
    assert [(each.code, each.state) for each in verdicts] == [(why.code, State.FAILED)]
