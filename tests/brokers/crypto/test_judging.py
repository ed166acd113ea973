from probe.brokers.crypto.judging import Backend, Outcome, Seen, cause_in


def test_errors_that_were_a_limiters_are_forgotten() -> None:
    backend = Backend()
    backend.see("me", Seen(outcome=Outcome.FINE, at=0.0))
    backend.see("positions", Seen(outcome=Outcome.BROKEN, at=1.0))
    assert [row.code for row in backend.troubles()] == ["http.no-upgrade"]
    backend.forget_broken()
    assert backend.troubles() == ()


def test_a_cause_is_read_from_an_errors_words_and_from_nothing_else() -> None:
    assert cause_in('{"detail":"Broker refused","broker_code":100421}') == "crypto.bingx-timestamp"
    assert cause_in('{"detail":"AutoReconnect: mongo:27017"}') == "crypto.mongo-down"
    assert cause_in('{"detail":"Internal server error","request_id":"1004211004"}') is None
