"""A password that becomes a session, and what is done when that ends: against the simulator's pages."""

from collections.abc import Iterator

import pytest

from loadtests.session import LoadSession, StepFailed
from loadtests.signing_in import RENEWAL, SIGN_IN, SigningInPolledSession, SigningInSession
from probe.brokers import find_broker
from probe.load.plan import Upset, UpsetKind
from probe.model.credentials import PasswordLogin, Secret
from probe.model.endpoint import Account
from probe.model.intents import AskAssets, AskBalance
from probe.model.meanings import Assets, Balance
from tests.loadtests.commons import Shared, eventually, shared
from tests.loadtests.simulated import Beside, simulator_beside

QUOTEX, CRYPTO = map(find_broker, ("quotex", "crypto"))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Beside]:
    with simulator_beside("quotex", "crypto") as running:
        yield running


def _login(simulator: Beside, broker: str, scheme: str) -> PasswordLogin:
    sign_in, web = simulator.endpoint(broker, scheme).sign_in, find_broker(broker).web
    assert sign_in is not None
    assert web is not None
    login = web.read_login(sign_in.login.reveal())
    assert login is not None
    return login


@pytest.fixture
def there(simulator: Beside) -> Shared:
    return shared(QUOTEX, simulator.endpoint("quotex", "ws").url, account=Account.DEMO)


@pytest.fixture
def session(simulator: Beside, there: Shared) -> Iterator[LoadSession]:
    assert QUOTEX.web is not None
    signing_in = SigningInSession(there.common, QUOTEX.web, _login(simulator, "quotex", "ws"))
    yield signing_in
    signing_in.close()
    assert there.bugs == []


def test_a_socket_opens_with_what_the_pages_gave(there: Shared, session: LoadSession) -> None:
    session.open()
    assert isinstance(session.ask(AskAssets(), "assets"), Assets)
    of_socket = session.traffic.messages_received
    assert there.figures().frames.messages_received > of_socket  # the pages are in it
    session.close()
    figures = there.figures()
    sign_in = figures.requests[SIGN_IN]
    assert (sign_in.due, sign_in.sent, sign_in.answered, sign_in.failed) == (1, 1, 1, {})
    assert sign_in.service.largest <= figures.connects.whole.largest  # it is part of the way in
    assert (figures.connects.begun, figures.connects.opened) == (1, 1)
    assert figures.connects.phases["connecting"].count == 2  # to the pages, and to the socket


def test_what_was_won_is_used_again_until_it_is_refused_and_then_renewed_without_the_password(
    simulator: Beside, there: Shared, session: LoadSession
) -> None:
    session.open()
    fault = simulator.switch_on("kicked-elsewhere:at=0.3s")  # of sessions that log in from now on
    session.upset(Upset(kind=UpsetKind.DROP))
    eventually(lambda: there.figures().sessions.reopened == 1)
    assert RENEWAL not in there.figures().requests
    eventually(lambda: RENEWAL in there.figures().requests)
    simulator.switch_off(fault)
    eventually(lambda: session.is_live)
    requests = there.figures().requests
    assert requests[RENEWAL].answered >= 1
    assert requests[SIGN_IN].answered == 1


def test_pages_that_refuse_are_a_failure_to_connect_that_says_so(simulator: Beside, there: Shared) -> None:
    assert QUOTEX.web is not None
    login = _login(simulator, "quotex", "ws")
    wrong = PasswordLogin(
        broker="quotex", user=login.user, password=Secret("planted-wrong"), account=login.account
    )
    session = SigningInSession(there.common, QUOTEX.web, wrong, reopens=False)
    with pytest.raises(StepFailed) as failed:
        session.open()
    session.close()
    assert failed.value.kind == "login.refused"
    assert there.figures().requests[SIGN_IN].failed == {"login.refused": 1}


def test_questions_are_asked_with_the_cookie_that_was_won(simulator: Beside) -> None:
    assert CRYPTO.web is not None
    there = shared(CRYPTO, simulator.endpoint("crypto").url)
    session = SigningInPolledSession(there.common, CRYPTO.web, _login(simulator, "crypto", "http"))
    session.open()
    assert isinstance(session.ask(AskBalance(), "balance"), Balance)
    session.close()
    assert there.bugs == []
    assert there.figures().requests[SIGN_IN].answered == 1
