"""When to connect again and where, as a pure decision."""

import random

import pytest

from probe.model.failures import KINDS, Blame, Failure, Layer, Retry
from probe.session.reconnect import (
    CAP_SECONDS,
    DIALS,
    DIALS_WITHIN_SECONDS,
    HOP_CAP_SECONDS,
    LONGEST_HEEDED_SECONDS,
    REFUSED_CAP_SECONDS,
    DialRate,
    decide,
    is_final,
)

DROPPED = Failure(kind="session.tcp-reset")
REFUSED = Failure(kind="tcp.refused")


def delays(failure: Failure | None, attempt: int, left: int = 0) -> list[float]:
    """Of many clients in the same trouble."""
    decisions = [decide(failure, attempt, random.Random(seed), endpoints_left=left) for seed in range(500)]
    return [each.delay_seconds for each in decisions if each.delay_seconds is not None]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("failure", [DROPPED, None], ids=["dropped", "on demand"])
def test_waiting_doubles_up_to_a_minute(failure: Failure | None) -> None:
    means = [mean(delays(failure, attempt)) for attempt in range(1, 8)]
    assert means == pytest.approx([1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5], rel=0.1)
    assert max(delays(failure, 10_000)) <= CAP_SECONDS


def test_clients_in_the_same_trouble_do_not_come_back_together() -> None:
    spread = sorted(delays(DROPPED, 5))
    assert spread[0] < 3
    assert spread[-1] > 30
    assert len(set(spread)) == 500


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_is_tried_again_within_a_second(kind: str) -> None:
    for attempt in (1, 2, 50):
        for left in (0, 3):
            tried = delays(Failure(kind=kind), attempt, left)
            assert min(tried, default=1.0) >= 1


REJECTED = [
    "auth.refused",
    "auth.rejected-41",
    "auth.closed",
    "auth.revoked",
    "http.401",
    "login.refused",
    "login.region",
]
UNVOUCHED = [
    "tls.unknown-ca",
    "tls.server-cert-expired",
    "tls.not-yet-valid",
    "tls.hostname",
    "tls.version",
    "tls.alert",
]
PASSING = [
    "tls.timeout",
    "tls.eof-in-handshake",
    "session.tls-broken",
    "auth.silent-after-connect",
    "http.cf-challenge",
]


@pytest.mark.parametrize("kind", REJECTED + UNVOUCHED)
def test_a_rejected_credential_and_a_bad_certificate_end_it(kind: str) -> None:
    decision = decide(Failure(kind=kind, retry_after_seconds=5.0), 1, random.Random(1), endpoints_left=9)
    assert (decision.delay_seconds, decision.other_endpoint) == (None, False)
    assert KINDS[kind].says in decision.why


@pytest.mark.parametrize("kind", PASSING)
def test_trouble_that_may_pass_does_not_end_it(kind: str) -> None:
    assert decide(Failure(kind=kind), 1, random.Random(1)).delay_seconds is not None


def test_everything_final_is_the_credentials_or_tls() -> None:
    final = {kind for kind in KINDS if is_final(Failure(kind=kind))}
    assert {KINDS[kind].layer for kind in final} == {Layer.TLS, Layer.AUTH, Layer.UPGRADE}
    assert {kind for kind in final if KINDS[kind].layer is Layer.UPGRADE} == {"http.401"}
    blamed = {kind for kind, facts in KINDS.items() if facts.blame is Blame.CREDENTIAL}
    assert blamed <= final


def test_where_a_person_should_look_it_is_tried_rarely() -> None:
    challenged = Failure(kind="http.cf-challenge")
    assert 60 <= min(delays(challenged, 1)) <= max(delays(challenged, 1)) <= 120
    assert 200 < max(delays(challenged, 9)) <= 300


def test_refused_upgrades_are_waited_for_longer() -> None:
    refused = Failure(kind="http.bad-gateway", http_status=502)
    assert CAP_SECONDS < max(delays(refused, 12)) <= REFUSED_CAP_SECONDS


def test_a_server_that_said_nothing_has_refused_nothing() -> None:
    assert max(delays(Failure(kind="http.open-timeout"), 12)) <= CAP_SECONDS


@pytest.mark.parametrize("asked", [0.0, 7.0, 90.0, 3600.0])
def test_what_the_server_asks_for_is_the_least(asked: float) -> None:
    waited = delays(Failure(kind="http.429", retry_after_seconds=asked), 1, left=3)
    assert asked <= min(waited)
    assert max(waited) <= max(asked * 1.1, asked + 1, 2)
    assert len(set(waited)) > 400


def test_nobody_waits_for_more_than_an_hour_because_a_server_says_so() -> None:
    waited = delays(Failure(kind="http.bad-gateway", retry_after_seconds=1e7), 1)
    assert LONGEST_HEEDED_SECONDS <= min(waited) <= max(waited) <= LONGEST_HEEDED_SECONDS * 1.1


def test_a_server_that_asks_to_wait_is_not_left_for_its_neighbour() -> None:
    asked = Failure(kind="http.bad-gateway", retry_after_seconds=5.0)
    assert not any(decide(asked, n, random.Random(n), endpoints_left=3).other_endpoint for n in range(1, 9))


def test_a_region_that_is_the_problem_is_left_soon() -> None:
    assert all(decide(REFUSED, n, random.Random(n), endpoints_left=1).other_endpoint for n in range(1, 9))
    assert max(delays(REFUSED, 9, left=1)) <= HOP_CAP_SECONDS


def test_when_no_other_region_is_left_waiting_grows() -> None:
    assert not decide(REFUSED, 6, random.Random(1)).other_endpoint
    assert mean(delays(REFUSED, 6)) == pytest.approx(30.5, rel=0.1)


@pytest.mark.parametrize(
    "kind", [kind for kind, facts in KINDS.items() if facts.retry is not Retry.OTHER_REGION]
)
def test_only_what_comes_before_a_login_ever_makes_it_walk(kind: str) -> None:
    walks = {
        n
        for n in range(1, 10)
        if decide(Failure(kind=kind), n, random.Random(n), endpoints_left=3).other_endpoint
    }
    facts = KINDS[kind]
    if facts.layer in (Layer.AUTH, Layer.CLOSING, Layer.DATA, Layer.HEARTBEAT, Layer.PROXY, Layer.LOCAL):
        assert walks == set()
    assert walks in (set(), {3, 6, 9})
    if kind == "http.bad-gateway":
        assert walks == {3, 6, 9}


def test_it_gives_up_after_as_many_as_it_was_told() -> None:
    told = [decide(DROPPED, attempt, random.Random(1), max_retries=2).delay_seconds for attempt in (1, 2, 3)]
    assert [each is None for each in told] == [False, False, True]
    assert decide(DROPPED, 1, random.Random(1), max_retries=0).delay_seconds is None


def test_one_endpoint_is_dialled_so_often_and_no_oftener() -> None:
    rate = DialRate()
    assert rate.earliest("a") == 0.0
    for number in range(DIALS):
        rate.note("a", 100.0 + number)
        assert rate.earliest("b") == 0.0
        if number < DIALS - 1:
            assert rate.earliest("a") == 101.0 + number
    assert rate.earliest("a") == 100.0 + DIALS_WITHIN_SECONDS
    rate.note("a", 400.0)
    assert rate.earliest("a") == 401.0


def test_connections_and_what_their_limit_made_them_wait_are_counted() -> None:
    rate = DialRate()
    for number in range(3):
        rate.note("a", 100.0 + number)
    rate.held_back(0.0)
    rate.held_back(-5.0)
    assert (rate.figures.allowed, rate.figures.delayed) == (3, 0)
    rate.held_back(40.0)
    told = rate.figures
    assert (told.allowed, told.delayed, told.waited_seconds) == (2, 1, 40.0)
    assert told.says == "10 to one endpoint in 300 s, 1 s apart"
