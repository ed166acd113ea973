"""The channels suite passes on healthy simulators, and each of its tests can fail."""

from collections.abc import Mapping
from importlib.util import find_spec

import pytest

from probe.brokers import broker_names, find_broker
from probe.model.intents import SellOrder, WatchSentiment, WatchSignals
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from probe.verify.channels import SUITE
from probe.verify.model import Outcome, Result, Trial
from probe.verify.run import Plan, Subject, chosen_trials, run_trial

CHANNELS = Plan(suites=("channels",))
# Passed over on a simulator, for want of what the test is about; whatever else is not passed is a fault.
OF_A_SOCKET = {"Reconnection", "Input validation", "Assets", "Sentiment", "Trading signals"}
OF_ORDERS = {"Buy", "Sell before the end"}
OF_THE_PAST = {"Candles", "Candles from ticks", "Technical indicators"}
SKIPPED: Mapping[str, set[str]] = {
    "pocketoption": {"Session persistence", "Sentiment", "Sell before the end"},
    "quotex": set(),
    "mt5": OF_A_SOCKET | OF_ORDERS | OF_THE_PAST,
    "crypto": OF_A_SOCKET | OF_ORDERS | OF_THE_PAST,
    "bingx": (OF_A_SOCKET | OF_ORDERS | OF_THE_PAST | {"Authentication", "Session persistence", "Rate limits"})
    - {"Reconnection"},
}  # fmt: skip
NO_LIBRARY = set() if find_spec("talib") else {"Technical indicators"}

# One fault for each test that must fail with it.
CAUGHT = {
    "quotex": (
        ("Authentication", "auth-refused", "refused the credential"),
        ("Session persistence", "signin-stale-token", "the same token that it rejects"),
        ("TLS policy", "auth-refused", "refused the credential"),
        ("Rate limits", "history-unanswered", "did not answer AskHistory"),
        ("Input validation", "false-success", "did not answer"),
        ("Assets", "false-success", "did not answer AskAssets"),
        ("Candles", "short-history", "came"),
        ("Live prices", "duplicate-ticks", "twice"),
        ("Live prices", "past-timestamps", "after its own stamp"),
        ("Sentiment", "false-success", "did not answer"),
        ("Buy", "balance-drift", "the balance is"),
        ("Buy", "close-lost", "did not say how"),
        ("Sell before the end", "order-unanswered", "did not confirm"),
        ("Candles from ticks", "out-of-order-ticks", "not what the prices were"),
        ("Trading signals", "false-success", "did not answer"),
    ),
    "pocketoption": (("Reconnection", "clock-skew", "before its own stamp"),),
    "mt5": (
        ("GET /", "gateway-redirect", "HTTP 302"),
        ("GET /health", "gateway-html", "page (HTML)"),
        ("GET /healthz", "gateway-nginx-504", "HTTP 504"),
        ("GET /docs, /redoc, /openapi.json", "gateway-nginx-503", "HTTP 503"),
        ("POST /api/v1/login", "gateway-ipc-timeout", "HTTP 401"),
        ("POST /api/v1/logout", "gateway-terminal-closed", "HTTP 401"),
        ("GET /api/v1/account", "gateway-account-switched", "another account"),
        ("GET /api/v1/balance", "gateway-terminal-closed", "HTTP 500"),
        ("GET /api/v1/equity", "gateway-terminal-closed", "HTTP 500"),
        ("GET /api/v1/snapshot", "gateway-terminal-closed", "HTTP 500"),
        ("GET /api/v1/positions", "gateway-html", "page (HTML)"),
        ("GET /api/v1/orders", "gateway-invalid-utf8", "UTF-8"),
        ("GET /api/v1/history", "gateway-html", "page (HTML)"),
        ("GET /api/v1/symbol/{symbol}", "gateway-terminal-closed", "HTTP 404"),
        ("GET /api/v1/server-time", "gateway-bad-offset", "nowhere on earth"),
        ("Bearer tokens", "gateway-tokens-lost", "HTTP 401"),
        ("CORS", "gateway-nginx-503", "HTTP 503"),
        ("Malformed requests", "gateway-redirect", "HTTP 302"),
    ),
    "crypto": (
        ("POST /signup, /verify-otp, /complete-registration", "backend-mail:flaw=refused", "HTTP 503"),
        ("POST /signin", "backend-hash-broken", "HTTP 500"),
        ("POST /signout", "backend-cookie-signed", "HTTP 200 instead of 401"),
        ("GET /me", "backend-limit-used-up", "HTTP 429"),
        ("GET /health", "backend-database-down", "HTTP 503"),
        ("GET /market/ticker", "backend-broker-down", "HTTP 502"),
        ("GET /market/symbols, /market/klines", "backend-broker-down", "HTTP 502"),
        ("GET /portfolio", "backend-traces", "HTTP 500"),
        ("GET /portfolio/snapshots", "backend-snapshots-stopped", "min old"),
        ("GET /positions", "backend-database-failover", "HTTP 500"),
        ("GET /strategies", "backend-database-failover", "HTTP 500"),
        ("GET /trades", "backend-traces", "HTTP 500"),
        ("GET /broker/status", "backend-fernet-key", "HTTP 500"),
        ("Strategies: create, read, change, delete", "backend-database-failover", "HTTP 500"),
        ("Trades and positions", "backend-broker-clock", "HTTP 502"),
        ("Broker keys", "backend-broker-limited", "HTTP 503"),
        ("Malformed requests", "backend-limit-used-up", "HTTP 429"),
        ("A hundred requests a minute", "backend-limit:limit=20", "after 20"),
        ("CORS", "reset", "OPTIONS /me"),
        ("Production mode", "backend-docs-exposed", "HTTP 200 instead of 404"),
    ),
    "bingx": (
        ("GET swap/v2/server/time", "exchange-clock-skew", "from ours"),
        ("GET swap/v2/quote/contracts", "exchange-error:path=contracts", "code 100500"),
        ("GET swap/v2/quote/ticker", "exchange-symbol-offline", "code 109418"),
        ("GET spot/v1/ticker/24hr", "exchange-symbol-offline", "code 100490"),
        ("GET swap/v2/quote/depth", "exchange-symbol-offline", "code 109418"),
        ("GET swap/v3/quote/klines", "exchange-symbol-offline", "code 109418"),
        ("GET an unknown symbol", "exchange-limit:requests=0", "HTTP 4"),
    ),
}  # fmt: skip


def subject(broker: str) -> Subject:
    (target,) = resolve(f"sim:{broker}", TargetOptions())
    return Subject(target=target, chosen=Chosen(), key=None)


def run(broker: str, trial: Trial, *faults: str) -> Result:
    plan = Plan(suites=CHANNELS.suites, faults=faults)
    return run_trial(subject(broker), SUITE, trial, plan)


def named(broker: str, name: str) -> Trial:
    (found,) = (trial for _, trial in chosen_trials(CHANNELS, broker) if trial.name == name)
    return found


@pytest.mark.parametrize("broker", broker_names())
def test_every_channel_of_a_healthy_simulator_passes_or_says_why_there_is_none(broker: str) -> None:
    results = [run(broker, trial) for _, trial in chosen_trials(CHANNELS, broker)]
    wrong = [
        f"{each.trial.name}: {each.evidence.words}"
        for each in results
        if each.outcome in (Outcome.FAILED, Outcome.ERROR)
    ]
    assert wrong == []
    skipped = {each.trial.name for each in results if each.outcome is Outcome.SKIPPED}
    assert skipped == SKIPPED[broker] | (NO_LIBRARY if broker in ("pocketoption", "quotex") else set())
    assert all(each.evidence.words for each in results)


@pytest.mark.parametrize(
    ("broker", "name", "fault", "words"),
    [(broker, *each) for broker, rows in CAUGHT.items() for each in rows],
)
def test_a_fault_makes_the_test_of_that_channel_fail(broker: str, name: str, fault: str, words: str) -> None:
    result = run(broker, named(broker, name), fault)
    assert result.outcome is Outcome.FAILED, result.evidence.words
    assert words in result.evidence.words


def test_every_channel_over_http_has_a_fault_that_makes_it_fail() -> None:
    for broker in broker_names():
        channels = {each.name for each in find_broker(broker).channels}
        assert channels <= {name for name, *_ in CAUGHT.get(broker, ())}


def test_what_a_protocol_does_not_have_is_said_with_the_reason() -> None:
    lacks = find_broker("pocketoption").lacks
    for name, intent in (("Sentiment", WatchSentiment), ("Sell before the end", SellOrder)):
        result = run("pocketoption", named("pocketoption", name))
        assert result.outcome is Outcome.SKIPPED
        assert lacks[intent] in result.evidence.words
    assert WatchSignals not in lacks


def test_nothing_that_changes_anything_is_tried_on_what_is_not_simulated() -> None:
    changing = {
        (broker, each.name)
        for broker in broker_names()
        for each in find_broker(broker).channels
        if each.changes
    }
    guarded = {
        (trial.broker, trial.name)
        for trial in SUITE.trials
        if any(need.name == "SIMULATOR" for need in trial.needs)
    }
    assert changing
    assert changing <= guarded
