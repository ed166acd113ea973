"""What is read out of a credential's text and its surroundings, where no staged failure comes by."""

import pytest

from probe.catalogue import entries
from probe.diagnose.case import Case, Look, Looks, Package, Pasted, Source
from probe.diagnose.facts import Facts
from probe.diagnose.rules import RULES
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, PhaseFinished, Surprise, Traffic
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign, State
from probe.model.meanings import Admitted, Balance

USED = Source(name="the file 'a'", fingerprint="aaaaaa", age_seconds=900.0, used=True)
NEWER = Source(name="the file 'b'", fingerprint="bbbbbb", age_seconds=60.0)


def look(
    account: Account,
    claimed: Account,
    *,
    live: bool,
    is_demo: bool | None = None,
    failure: Failure | None = None,
) -> Look:
    facts = Facts()
    facts.add(Ended(at=2.0, phase=Phase.AUTHENTICATING, failure=failure, traffic=Traffic()))
    if live:
        facts.add(PhaseFinished(at=1.0, phase=Phase.AUTHENTICATING, began_at=0.5))
        facts.admitted = Admitted()
    if is_demo is not None:
        facts.balance = Balance(amount=1.0, is_demo=is_demo)
    endpoint = Endpoint(broker="one", region="eu", url="wss://eu.test/", account=account)
    return Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol="A", account=claimed))


def said(code: str, case: Case) -> Sign | None:
    return RULES[code](case)


@pytest.mark.parametrize(
    ("code", "begins_as_frame", "at_most"),
    [
        ("cfg.ssid-raw-token", False, Certainty.CERTAIN),
        ("cfg.ssid-raw-token", True, Certainty.LIKELY),
        ("cfg.ssid-mangled", True, Certainty.CERTAIN),
        ("cfg.ssid-mangled", False, Certainty.LIKELY),
        ("cfg.ssid-wrong-frame", True, Certainty.CERTAIN),
        ("cfg.ssid-wrong-frame", False, Certainty.CERTAIN),
    ],
)
def test_only_the_shape_that_the_catalogue_names_makes_it_certain(
    code: str, begins_as_frame: bool, at_most: Certainty
) -> None:
    pasted = Pasted(code=code, problem="It is odd", next_step="Do it.", begins_as_frame=begins_as_frame)
    sign = said(code, Case(pasted=pasted))
    assert sign is not None
    assert sign.at_most is at_most
    may_be_bare = code == "cfg.ssid-mangled" and not begins_as_frame
    assert set(entries()[code].look_alikes) - set(sign.excluded) == (
        {"cfg.ssid-raw-token"} if may_be_bare else set()
    )


@pytest.mark.parametrize(
    "sources",
    [
        (),
        (USED,),
        (USED, Source(name="the file 'b'", fingerprint="aaaaaa", age_seconds=60.0)),
        (USED, Source(name="the file 'b'", fingerprint="bbbbbb", age_seconds=1000.0)),
        (USED, Source(name="a variable", fingerprint="bbbbbb")),
        (Source(name="a variable", fingerprint="aaaaaa", used=True), NEWER),
    ],
)
def test_what_is_used_is_old_only_if_another_token_is_known_to_be_newer(sources: tuple[Source, ...]) -> None:
    assert said("cfg.ssid-stale-cache", Case(pasted=Pasted(sources=sources))) is None


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (None, State.HEALTHY),
        (Failure(kind="auth.refused"), State.FAILED),
        (Failure(kind="http.403"), State.DEGRADED),
    ],
)
def test_an_older_session_is_to_blame_only_if_the_login_is_refused(
    failure: Failure | None, state: State
) -> None:
    looks = Looks(first=look(Account.DEMO, Account.DEMO, live=failure is None, failure=failure))
    sign = said("cfg.ssid-stale-cache", Case(pasted=Pasted(sources=(USED, NEWER)), looks=looks))
    assert sign is not None
    assert sign.state is state


@pytest.mark.parametrize(
    ("account", "claimed", "kind", "state"),
    [
        (Account.DEMO, Account.LIVE, "auth.refused", State.FAILED),
        (Account.DEMO, Account.LIVE, "http.403", State.DEGRADED),
        (Account.LIVE, Account.DEMO, "", State.DEGRADED),
        (Account.DEMO, Account.DEMO, "auth.refused", None),
        (Account.NONE, Account.DEMO, "auth.refused", None),
        (Account.DEMO, Account.NONE, "auth.refused", None),
    ],
)
def test_a_setting_contradicts_the_frame_only_where_both_name_an_account(
    account: Account, claimed: Account, kind: str, state: State | None
) -> None:
    first = look(account, claimed, live=not kind, failure=Failure(kind=kind) if kind else None)
    sign = said("cfg.ssid-field-override", Case(looks=Looks(first=first)))
    assert (sign.state if sign else None) is state


def test_the_servers_word_decides_between_a_setting_and_a_session_of_the_other_kind() -> None:
    agrees = Case(looks=Looks(first=look(Account.DEMO, Account.DEMO, live=True, is_demo=False)))
    differs = Case(looks=Looks(first=look(Account.LIVE, Account.DEMO, live=True, is_demo=True)))
    assert said("auth.demo-real-mismatch", agrees) is not None
    assert said("cfg.ssid-field-override", agrees) is None
    assert said("auth.demo-real-mismatch", differs) is None
    assert said("cfg.ssid-field-override", differs) is not None


def test_a_library_beside_which_nothing_is_wrong_is_not_mentioned() -> None:
    packages = (Package(name="websockets", version="17.4"),)
    assert said("cfg.library-version", Case(packages=packages)) is None


@pytest.mark.parametrize(("live", "state"), [(True, State.FAILED), (False, State.DEGRADED)])
def test_strange_messages_fail_a_session_that_stays_without_prices(live: bool, state: State) -> None:
    first = look(Account.DEMO, Account.DEMO, live=live)
    first.facts.add(Surprise(at=2.0, phase=Phase.LIVE, problem="unknown event", preview=""))
    sign = said("cfg.client-outdated", Case(looks=Looks(first=first)))
    assert sign is not None
    assert sign.state is state
    assert sign.at_most is Certainty.POSSIBLE


def test_a_bridge_of_another_version_is_a_client_too_old_or_too_new() -> None:
    first = look(Account.NONE, Account.NONE, live=False)
    failure = Failure(kind="terminal.bridge-version")
    first.facts.add(Ended(at=1.0, phase=Phase.OPENING, failure=failure, traffic=Traffic()))
    sign = said("cfg.client-outdated", Case(looks=Looks(first=first)))
    assert sign is not None
    assert sign.state is State.FAILED
