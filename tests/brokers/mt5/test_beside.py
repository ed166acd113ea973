"""What a gateway's session sees of the terminal and its broker without the gateway."""

import pytest

from probe.brokers.mt5.gateway import GatewaySurvey
from probe.brokers.mt5.watching import DAY
from probe.session.broker import AccessPoint, SurveyPlan


def survey(symbols: int = 1, **more: object) -> GatewaySurvey:
    names = tuple(f"S{number}" for number in range(symbols))
    plan = SurveyPlan(base="http://127.0.0.1:1", symbols=names, utc_at_zero=0.0, **more)  # type: ignore[arg-type]
    return GatewaySurvey(plan)


def test_access_points_and_a_journal_are_looked_at_where_somebody_named_them() -> None:
    usual = {each.name for each in survey().rounds()}
    point = AccessPoint(name="eu", host="127.0.0.1", port=443)
    named = {each.name for each in survey(access_points=(point,), journal="/logs").rounds()}
    assert named - usual == {"access", "journal"}


@pytest.mark.parametrize(("symbols", "every"), [(1, 5.0), (3, 5.0), (20, 20 * 60 / 36)])
def test_more_symbols_are_asked_for_less_often_and_their_limits_know_it(symbols: int, every: float) -> None:
    asked = survey(symbols)
    assert asked.rules.data_every == pytest.approx(every)
    paces = {round(each.every, 3) for each in asked.rounds() if each.name.startswith("symbol ")}
    assert paces == {round(every, 3), DAY}  # and at the beginning, once
