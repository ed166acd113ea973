"""Who has it and who does not: a cause that concerns one address family, region, symbol, account or process is not averaged
over all of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from probe.diagnose.case import Case, Look, Try
from probe.diagnose.rules.flow import control_flows, overdue
from probe.diagnose.words import span

LATELY = 3600.0  # seconds; what was before says nothing of now
FEW = 3  # attempts of a region, before their share says anything


def scope_of(case: Case, code: str) -> tuple[str, ...]:
    """Of a failure of this name, in sentences without their full stop; none: nobody else was looked at, or all have it."""
    layer = code.partition(".")[0]
    if layer in _OURS:
        return ()
    return tuple(
        found for each, layers in _SCOPES.items() if not layers or layer in layers for found in each(case)
    )


def _families(case: Case) -> Iterator[str]:
    dead = [way for way in case.ways if way.failure is not None]
    alive = [way for way in case.ways if way.failure is None]
    for way in dead:
        if way.family not in {each.family for each in alive} and alive:
            other = alive[0]
            yield (
                f"only over IPv{way.family} ({way.address}); IPv{other.family} ({other.address}) connects in"
                f" {span(other.seconds)}"
            )
            return


def _regions(case: Case) -> Iterator[str]:
    looks = case.looks
    other = looks.elsewhere if looks else None
    if looks is not None and other is not None and _went_in(other) and not _went_in(looks.first):
        yield f"only in the region {looks.first.endpoint.region}; {other.endpoint.region} lets in"
        return
    rows: dict[str, list[Try]] = {}
    for each in case.past.tries if case.past else ():
        if each.endpoint and each.ago_seconds <= LATELY:
            rows.setdefault(each.endpoint, []).append(each)
    known = {name: tries for name, tries in rows.items() if len(tries) >= FEW}
    bad = {name: tries for name, tries in known.items() if all(each.code for each in tries)}
    well = {name: tries for name, tries in known.items() if not any(each.code for each in tries)}
    if bad and well:
        yield (
            f"only in the region {_listed(bad)}, where all {sum(map(len, bad.values()))} attempts of the last hour failed;"
            f" in {_listed(well)} none of {sum(map(len, well.values()))} did"
        )


def _went_in(look: Look) -> bool:
    return look.facts.went_live if look.asked.login else look.facts.upgraded is not None


def _symbols(case: Case) -> Iterator[str]:
    look = case.looks.first if case.looks else None
    if look is None or case.failure is not None or not look.facts.went_live:
        return
    if overdue(look, look.asked.symbol) is not None and control_flows(look):
        yield f"only {look.asked.symbol}; prices of {look.control_symbol} come over the same connection"


def _accounts(case: Case) -> Iterator[str]:
    others = case.past.neighbours if case.past else ()
    well = [each.name for each in others if each.code == ""]
    ill = [f"{each.name} ({each.code})" for each in others if each.code]
    if well and not ill:
        yield f"only this target; {_listed(well)}, which the same monitor watches, {'is' if len(well) == 1 else 'are'} well"
    elif well:
        yield f"this target and {_listed(ill)}; {_listed(well)} {'is' if len(well) == 1 else 'are'} well"
    elif ill:
        yield f"not this target alone: {_listed(ill)} too"


def _processes(case: Case) -> Iterator[str]:
    count, looks = case.own_connections, case.looks
    if not count or looks is None or looks.first.facts.went_live:
        return
    yield (
        f"only this connection; {count} other{'s' if count > 1 else ''} of this machine's programs to the same place"
        f" stand{'' if count > 1 else 's'}"
    )


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


_OURS = frozenset(("cfg", "host", "load"))  # layers whose failures are those of this machine
# What a failure can be confined to, and the only layers of which that says anything; none: all others.
_SCOPES: Mapping[Callable[[Case], Iterator[str]], frozenset[str]] = {
    _families: frozenset(("tcp", "net")),
    _regions: frozenset(),
    _symbols: frozenset(("session", "data")),
    _accounts: frozenset(),
    _processes: frozenset(),
}
