"""The suites can fail: each fault of the simulator is planted, and the right tests say so, with its name."""

import pytest

from probe.faults.catalogue import FAULTS
from probe.verify.model import Outcome
from tests.verify.mutations import CALLED_OTHERWISE, UNCAUGHT, kept, planted
from tests.verify.subjects import tried

SOME = [
    ("http-status", "quotex", "Basic Connectivity", "http.cf-challenge"),
    ("auth-41", "pocketoption", "Basic Connectivity", "auth.rejected-41"),
    ("refuse", "bingx", "Basic Connectivity", "tcp.refused"),
    ("lying-balance", "pocketoption", "Basic Connectivity", "auth.demo-real-mismatch"),
    ("backend-broker-down", "crypto", "Basic Connectivity", "http.bad-gateway"),
    ("silent-stall", "pocketoption", "Keep-Alive", "session.silent-stall"),
    ("duplicate-ticks", "quotex", "Data Consistency Test", "data.duplicates"),
    ("gateway-frozen-feed", "mt5", "Data Consistency Test", "data.stale-ticks"),
    ("stuck-history", "pocketoption", "Data Consistency Test", "data.stale-history"),
    ("order-unanswered", "quotex", "Rapid Trading", "session.request-no-reply"),
    ("close-after-order", "pocketoption", "Rapid Trading", "session.closed-1005"),
    ("session-cap", "pocketoption", "Multi-Client", "auth.logged-in-elsewhere"),
    ("connection-cap:cap=1", "pocketoption", "Multi-Client", "auth.connection-cap"),
    ("idle-kick", "pocketoption", "Keep-Alive", "session.idle-timeout"),
    ("backend-market-cached", "crypto", "Data Consistency Test", "data.cached-as-fresh"),
    ("backend-cookie", "crypto", "POST /signin", "crypto.session-cookie"),
    ("signin-stale-token", "quotex", "Session persistence", "auth.reconnect-stale-token"),
    ("signin-expired", "quotex", "Session persistence", "auth.session-expired"),
    ("tls-certificate", "bingx", "Basic Connectivity", "tls.server-cert-expired"),
    ("tls-version", "pocketoption", "TLS policy", "tls.version"),
]


@pytest.mark.parametrize(
    ("fault", "broker", "name", "code"), SOME, ids=[f"{row[0]}-{row[1]}" for row in SOME]
)
def test_a_fault_makes_the_right_test_fail_and_the_verdict_names_it(
    fault: str, broker: str, name: str, code: str
) -> None:
    result = tried(broker, name, fault)
    assert result.outcome is Outcome.FAILED, result.evidence.words
    assert code in [cause.code for cause in result.causes]


def names_of(fault: str) -> set[str]:
    """What it may be called: its own name, or the surest of what it was called. Empty: it has no name, or makes nothing fail."""
    known, own = kept()[fault], FAULTS[fault].finding
    return {own, *known.codes[:1]} if known.tests and own else set()


@pytest.mark.long
@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in UNCAUGHT])
def test_a_planted_fault_makes_the_test_fail_that_the_page_names_first_and_is_called_so(fault: str) -> None:
    known = kept()[fault]
    found = planted(fault, known.tests[:1])
    assert (found.fault, found.broker, found.tests) == (known.fault, known.broker, known.tests[:1])
    assert not names_of(fault) or names_of(fault) & set(found.codes)


@pytest.mark.long
@pytest.mark.patient
@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_page_says_of_a_fault_is_still_so(fault: str) -> None:
    known, found = kept()[fault], planted(fault)
    assert (found.fault, found.broker, bool(found.tests)) == (known.fault, known.broker, bool(known.tests))
    assert set(known.tests[:1]) <= set(found.tests)
    assert not names_of(fault) or names_of(fault) & set(found.codes)


def test_every_fault_was_planted_and_what_no_test_catches_has_its_reason() -> None:
    assert list(kept()) == list(FAULTS)
    assert {fault for fault, caught in kept().items() if not caught.tests} == set(UNCAUGHT)
    assert [fault for fault, reason in UNCAUGHT.items() if len(reason) < 20] == []


def test_what_is_caught_is_called_what_it_is_or_it_is_said_why_not() -> None:
    found = {name: FAULTS[name].finding for name, caught in kept().items() if caught.tests}
    unnamed = {name for name, code in found.items() if code and code not in kept()[name].codes}
    assert unnamed == set(CALLED_OTHERWISE)
