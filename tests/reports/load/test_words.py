"""What a load run's report advises."""

import pytest

from probe.load.bottleneck import Bottleneck, Where, bottleneck
from probe.model.findings import Certainty
from reports.load.words import recommendations, where
from tests.load.made import plan, record


@pytest.mark.parametrize("place", Where)
@pytest.mark.parametrize("certainty", Certainty)
def test_every_place_has_words_and_advice(place: Where, certainty: Certainty) -> None:
    found = Bottleneck(where=place, certainty=certainty, evidence=())
    assert where(found).endswith(".")
    assert next(iter(recommendations(record(seconds=1).total, found, broken=()))).endswith(".")


def test_who_waited_longer_than_the_server_took_is_told() -> None:
    made = record(plan(), "stall")
    made.total.requests["balance"].response.add(5.0, 500)
    advice = " ".join(recommendations(made.total, bottleneck(made), broken=["response p99 < 250ms"]))
    assert "Not kept: response p99 < 250ms." in advice
    assert "Who counts only from sending sees p99 " in advice
    assert "5 sessions were lost" not in advice
    assert "4 sessions were lost while they were live (4 ws.closed)" in advice


def test_an_invalid_run_gets_no_advice_about_the_server() -> None:
    made = record(plan(), "busy-generator")
    (only,) = recommendations(made.total, bottleneck(made), broken=["response p99 < 250ms"])
    assert only.startswith("Do not read these figures as the server's.")
