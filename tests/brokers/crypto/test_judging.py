from probe.brokers.crypto.judging import Backend, Health, Outcome, Seen, cause_in
from probe.model.meanings import Effect


def test_errors_that_were_a_limiters_are_forgotten() -> None:
    backend = Backend()
    backend.see("me", Seen(outcome=Outcome.FINE, at=0.0))
    backend.see("positions", Seen(outcome=Outcome.BROKEN, at=1.0))
    assert [row.code for row in backend.troubles()] == ["http.bad-gateway"]
    backend.forget_broken()
    assert backend.troubles() == ()


def test_a_cause_is_read_from_an_errors_words_and_from_nothing_else() -> None:
    assert cause_in('{"detail":"Broker refused","broker_code":100421}') == "crypto.bingx-timestamp"
    assert cause_in('{"detail":"AutoReconnect: mongo:27017"}') == "crypto.mongo-down"
    assert cause_in('{"detail":"Internal server error","request_id":"1004211004"}') is None


def _health(at: float, **checks: bool) -> Health:
    return Health(at=at, seconds=0.1, checks=tuple(checks.items()))


def _failed(at: float, cause: str | None = None) -> Seen:
    return Seen(outcome=Outcome.BROKEN, at=at, cause=cause)


def _codes(backend: Backend) -> list[str]:
    return [row.code for row in backend.troubles()]


def test_a_constant_health_lies_as_soon_as_an_answer_names_its_database() -> None:
    backend = Backend()
    backend.see("portfolio", Seen(outcome=Outcome.FINE, at=0.0))
    backend.see("ticker", _failed(10.0, "crypto.mongo-down"))
    backend.hear(_health(10.1))
    assert _codes(backend) == ["crypto.health-lies", "crypto.mongo-down"]
    backend.see("portfolio", Seen(outcome=Outcome.FINE, at=20.0))
    assert _codes(backend) == []


def test_a_health_that_looked_may_be_right_again() -> None:
    backend = Backend()
    backend.see("portfolio", Seen(outcome=Outcome.FINE, at=0.0))
    backend.see("ticker", _failed(10.0, "crypto.mongo-down"))
    backend.hear(_health(10.1, database=True))
    assert _codes(backend) == ["crypto.mongo-down"]


def test_a_lucky_health_does_not_lie_about_a_crowded_pool() -> None:
    backend = Backend()
    for at in range(4):
        backend.see("portfolio", _failed(at, "crypto.mongo-pool"))
    backend.hear(_health(4.0, database=True))
    assert _codes(backend) == ["crypto.mongo-pool"]


def test_what_fails_in_the_users_name_degrades_while_prices_come() -> None:
    backend = Backend()
    backend.see("ticker", Seen(outcome=Outcome.FINE, at=1.0))
    backend.see("broker", _failed(2.0, "crypto.fernet-key"))
    assert [row.effect for row in backend.troubles()] == [Effect.DEGRADES]
    backend.see("ticker", _failed(3.0, "crypto.fernet-key"))
    assert {row.effect for row in backend.troubles()} == {Effect.STALLS}


def test_a_slow_health_is_judged_when_others_answered_since() -> None:
    backend = Backend()
    backend.see("ticker", Seen(outcome=Outcome.FINE, at=1.0, seconds=0.1))
    backend.hear(Health(at=13.0, seconds=3.0))
    assert _codes(backend) == []
    backend.see("ticker", Seen(outcome=Outcome.FINE, at=16.0, seconds=3.0))
    assert _codes(backend) == ["http.open-timeout"]
    backend.see("ticker", Seen(outcome=Outcome.FINE, at=17.0, seconds=0.1))
    assert _codes(backend) == ["crypto.health-hangs"]


def test_a_health_that_waited_for_what_it_says_is_down_does_not_hang() -> None:
    backend = Backend()
    backend.see("me", Seen(outcome=Outcome.FINE, at=12.0, seconds=0.1))
    backend.hear(
        Health(at=13.0, seconds=2.5, says_well=False, checks=(("database", True), ("broker", False)))
    )
    assert "crypto.health-hangs" not in _codes(backend)
