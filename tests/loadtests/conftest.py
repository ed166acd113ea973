"""A simulator beside the tests of a module, and one user's session to it."""

from collections.abc import Iterator

import pytest

from loadtests.session import LoadSession
from probe.brokers import find_broker
from tests.loadtests.commons import Shared, shared
from tests.loadtests.simulated import Beside, simulator_beside

BROKER = find_broker("pocketoption")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Beside]:
    with simulator_beside("pocketoption", "bingx") as running:
        yield running


@pytest.fixture
def there(simulator: Beside) -> Iterator[Shared]:
    endpoint = simulator.endpoint("pocketoption", "ws")
    key = BROKER.read_credentials(endpoint.credential.reveal())
    found = shared(BROKER, endpoint.url, key, account=endpoint.account)
    yield found
    assert found.bugs == []


@pytest.fixture
def session(there: Shared) -> Iterator[LoadSession]:
    opened = LoadSession(there.common)
    opened.open()
    yield opened
    opened.close()
