"""All staged failures."""

from tests.doctor import healthy
from tests.doctor.staged import (
    config,
    crypto,
    data,
    engine,
    faults,
    host,
    login,
    mt5,
    names,
    past,
    session,
    tls,
    upgrade,
    ways,
)
from tests.doctor.staging import Staged

_MODULES = (
    healthy,
    config,
    host,
    names,
    ways,
    tls,
    upgrade,
    engine,
    login,
    session,
    data,
    past,
    mt5,
    crypto,
    faults,
)
ALL: list[Staged] = [each for module in _MODULES for each in module.CASES]
