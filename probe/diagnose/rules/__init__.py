"""All rules, a module for each layer in which a connection can fail."""

from collections.abc import Mapping
from itertools import chain

from probe.diagnose.rule import Rule
from probe.diagnose.rules import (
    accounts,
    away,
    clients,
    config,
    data,
    edge,
    ends,
    engine,
    host,
    load,
    login,
    names,
    past,
    pings,
    portal,
    session,
    signing_in,
    slow,
    tls,
    upgrade,
    ways,
)

_BOOKS = (
    config.book,
    names.book,
    ways.book,
    portal.book,
    tls.book,
    edge.book,
    away.book,
    upgrade.book,
    engine.book,
    login.book,
    accounts.book,
    signing_in.book,
    session.book,
    pings.book,
    ends.book,
    past.book,
    clients.book,
    slow.book,
    data.book,
    host.book,
)


def _either(one: Rule, other: Rule | None) -> Rule:
    return one if other is None else lambda case: one(case) or other(case)


_USUAL: Mapping[str, Rule] = dict(chain.from_iterable(book.items() for book in _BOOKS))
# A load run may show what one connection shows as well.
_OF_LOAD = {code: _either(rule, _USUAL.get(code)) for code, rule in load.book.items()}
RULES: Mapping[str, Rule] = {**_USUAL, **_OF_LOAD}
