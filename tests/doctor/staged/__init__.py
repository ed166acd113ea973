"""All staged failures."""

from tests.doctor import healthy
from tests.doctor.staged import (
    clients,
    config,
    crypto,
    data,
    engine,
    faults,
    host,
    kept,
    load,
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
    clients,
    host,
    kept,
    load,
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
