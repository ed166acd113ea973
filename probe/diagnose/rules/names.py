"""Looking up the host's name."""

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from probe.diagnose.case import USUAL, Asking, Case, Lookup, Names
from probe.diagnose.rule import RuleBook
from probe.diagnose.words import span
from probe.model.findings import Certainty, Sign, State
from probe.model.standins import is_private

book = RuleBook()

SLOW = 1.0  # seconds; a resolver that has to ask around needs a tenth of it
LATE = 0.2  # seconds that a call waited in this process before it began
JUMP = 1.0  # seconds between two clocks, from which on the machine has slept
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})+\.?", re.IGNORECASE)
# Names that only exist in somebody's own network (RFC 2606, 6761, 6762, 8375, and what people use).
_PRIVATE_ENDINGS = frozenset(
    [
        "arpa",
        "corp",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localhost",
        "private",
        "test",
    ]
)


def looks_public(host: str) -> bool:
    """A name that everybody may look up, and no address."""
    *others, last = host.rstrip(".").lower().split(".")
    return bool(others) and last not in _PRIVATE_ENDINGS and not last.isdigit()


def is_false(address: str) -> bool:
    """Nobody on the internet can be there."""
    return is_nowhere(address) or is_private(ip_address(address.partition("%")[0]))


def is_nowhere(address: str) -> bool:
    """Not even somebody in this network can be there."""
    where = ip_address(address.partition("%")[0])
    return where.is_unspecified or where.is_loopback


def false_addresses(case: Case) -> tuple[str, ...]:
    """What the system was told instead of the host's address; none: nothing says that it is false."""
    names = case.names
    if names is None or not looks_public(names.host) or not names.addresses or _was_met(case):
        return ()
    told = names.addresses
    if all(is_nowhere(each) for each in told) or (all(map(is_false, told)) and not case.is_ours):
        return told
    return ()


def _was_met(case: Case) -> bool:
    """Whoever is there shows the host's certificate, or lets us in."""
    usual, facts = case.handshake(USUAL), case.facts
    return (usual is not None and usual.failure is None) or (facts is not None and facts.upgraded is not None)


# -- what resolvers said -----------------------------------------------------------------------------------------------


def _both(names: Names) -> Lookup:
    """As programs ask."""
    return names.lookups[0]


def _failed(case: Case, *kinds: str) -> Names | None:
    """The names, if the host has no address for such a reason."""
    names = case.names
    return names if names is not None and not names.addresses and _why(names) in kinds else None


def _why(names: Names) -> str:
    """By the resolvers' own codes where they were asked: not every system hands them on."""
    failure = _both(names).failure
    codes = {each.code for each in names.asked if each.is_systems}
    if failure is None or not codes:
        return failure.kind if failure else ""
    if "NXDOMAIN" in codes:
        return "dns.nxdomain"
    if codes <= {"", "SERVFAIL", "REFUSED"}:
        return "dns.temporary-failure"
    is_empty = codes == {"NOERROR"} and not any(each.addresses for each in names.asked if each.is_systems)
    return "dns.no-address" if is_empty else failure.kind


def _elsewhere(names: Names) -> dict[str, tuple[str, ...]]:
    """Addresses that resolvers gave which are not the system's, by resolver; empty ones answered without any."""
    answered = [each for each in names.asked if not each.is_systems and each.code in ("NOERROR", "NXDOMAIN")]
    return {
        resolver: tuple(address for each in rows for address in each.addresses)
        for resolver, rows in _by_resolver(answered).items()
    }


def _known_elsewhere(names: Names) -> dict[str, tuple[str, ...]]:
    public = {
        resolver: tuple(each for each in addresses if not is_false(each))
        for resolver, addresses in _elsewhere(names).items()
    }
    return {resolver: addresses for resolver, addresses in public.items() if addresses}


def _by_resolver(asked: Iterable[Asking]) -> dict[str, list[Asking]]:
    rows: dict[str, list[Asking]] = {}
    for each in asked:
        rows.setdefault(each.resolver, []).append(each)
    return rows


def _codes(names: Names, *, systems: bool) -> set[str]:
    return {each.code for each in names.asked if each.is_systems is systems and each.code}


def _answers(names: Names) -> tuple[str, ...]:
    """One sentence for each resolver that was asked past the system's."""
    return tuple(
        f"{'the system’s resolver' if rows[0].is_systems else 'the resolver'} {resolver} says {_said(rows)}"
        for resolver, rows in _by_resolver(names.asked).items()
    )


def _said(rows: list[Asking]) -> str:
    addresses = [address for each in rows for address in each.addresses]
    if addresses:
        return ", ".join(addresses)
    codes = dict.fromkeys(
        "NOERROR without an address" if each.code == "NOERROR" else each.code or each.error or "nothing"
        for each in rows
    )
    return " and ".join(codes)


def _asked_system(names: Names) -> str:
    both = _both(names)
    failure = both.failure
    name = f" ({failure.seen.error})" if failure and failure.seen.error else ""
    came = f"failed{name}" if failure else f"gave {', '.join(both.addresses) or 'nothing'}"
    return f"this machine's lookup of {names.host} {came} after {span(both.seconds)}"


def _look_failed(case: Case, code: str) -> Sign | None:
    """The session's own attempt is all there is where no step looked names up by itself, or where that one went well."""
    failure = case.failure
    if failure is None or failure.code != code:
        return None
    return Sign(evidence=(str(failure),))


def _controls_unknown(case: Case) -> list[str]:
    """Controls whose names could not be looked up either."""
    return [
        each.host for each in case.controls if each.lookup is not None and each.lookup.failure is not None
    ]


def _controls_known(case: Case) -> list[str]:
    return [
        each.host
        for each in case.controls
        if each.lookup is not None and each.lookup.addresses and each.host not in each.lookup.addresses
    ]


# -- the rules ---------------------------------------------------------------------------------------------------------


@book.of("dns.nxdomain")
def nxdomain(case: Case) -> Sign | None:
    names = _failed(case, "dns.nxdomain")
    if names is None:
        return _look_failed(case, "dns.nxdomain")
    if _known_elsewhere(names):
        return None  # blocked
    excluded = {}
    if _NAME.fullmatch(names.host):
        excluded["cfg.url-malformed"] = f"{names.host} is written as a host's name is"
    if "NXDOMAIN" in _codes(names, systems=True) | _codes(names, systems=False):
        excluded["dns.temporary-failure"] = "there is an answer, and it is NXDOMAIN"
        excluded["dns.no-address"] = "the answer is that there is no such name"
    if "NXDOMAIN" in _codes(names, systems=False):
        excluded["dns.blocked"] = "a second resolver says as well that there is no such name"
    at_most = Certainty.LIKELY if _controls_unknown(case) else Certainty.CERTAIN
    return Sign(evidence=(_asked_system(names), *_answers(names)), excluded=excluded, at_most=at_most)


@book.of("dns.temporary-failure")
def temporary_failure(case: Case) -> Sign | None:
    names = _failed(case, "dns.temporary-failure", "dns.timeout")
    if names is None and (passing := _passed(case)):
        return Sign(evidence=passing, state=State.DEGRADED)
    if names is None:
        return _look_failed(case, "dns.temporary-failure")
    if no_route_to_a_resolver(case):
        return None
    excluded = {}
    codes = _codes(names, systems=True)
    if names.asked and "NXDOMAIN" not in codes:
        excluded["dns.nxdomain"] = "no resolver of this system says that there is no such name"
    if case.host is not None and abs(case.host.clock_jump_seconds) < JUMP:
        excluded["host.suspend-resume"] = "the wall clock has not jumped against the monotonic one"
    if names.again and not names.addresses:
        excluded["dns.slow"] = "no answer came in the end, twice"
    reached = [f"{each.host}:{each.port}" for each in case.controls if each.is_reached]
    if reached:
        excluded["tcp.unreachable"] = f"{reached[0]} takes connections"
    elif others := [each.resolver for each in names.asked if not each.is_systems and each.code]:
        excluded["tcp.unreachable"] = f"the resolver {others[0]} answers"
    unknown, known = _controls_unknown(case), _controls_known(case)
    return Sign(
        evidence=(
            _asked_system(names),
            *_answers(names),
            *(f"{host} cannot be looked up either" for host in unknown),
            *(f"{host} can be looked up" for host in known),
        ),
        excluded=excluded,
        # It may be this name's own servers that do not answer.
        at_most=Certainty.LIKELY if known or not (unknown or _known_elsewhere(names)) else Certainty.CERTAIN,
    )


def _passed(case: Case) -> tuple[str, ...]:
    """It failed, and a moment later it did not."""
    names = case.names
    failure = _both(names).failure if names else None
    if names is None or failure is None or failure.kind != "dns.temporary-failure" or not names.addresses:
        return ()
    return (_asked_system(names), f"a moment later there was an answer: {', '.join(names.addresses)}")


def no_route_to_a_resolver(case: Case) -> bool:
    """The network is gone, and names with it."""
    asked = case.names.asked if case.names else ()
    return bool(asked) and all(each.error in ("ENETUNREACH", "EHOSTUNREACH") for each in asked)


@book.of("dns.no-address")
def no_address(case: Case) -> Sign | None:
    names = _failed(case, "dns.no-address")
    if names is None:
        return _look_failed(case, "dns.no-address")
    if _known_elsewhere(names):
        return None  # blocked
    excluded = {}
    if _codes(names, systems=True) == {"NOERROR"}:
        excluded["dns.nxdomain"] = "the answer is NOERROR: the name exists"
        excluded["dns.temporary-failure"] = "there is an answer"
    if _codes(names, systems=False) == {"NOERROR"}:
        excluded["dns.blocked"] = "a second resolver has no address for it either"
    return Sign(evidence=(_asked_system(names), *_answers(names)), excluded=excluded)


@book.of("dns.slow")
def slow(case: Case) -> Sign | None:
    names = case.names
    if names is None or not names.addresses:
        return None
    slow_ones = [each for each in (*names.lookups, *names.again) if each.family == 0 and _itself(each) > SLOW]
    if not slow_ones:
        return None
    apart = [
        f"IPv{each.family} alone took {span(each.seconds)}" for each in names.lookups if each.family != 0
    ]
    in_time = all(each.queued_seconds < LATE for each in slow_ones)
    excluded = {
        "net.ipv6-blackhole": "looking up was timed apart from connecting",
        "tcp.timeout": "looking up was timed apart from connecting",
        "dns.temporary-failure": f"in the end there was an answer: {', '.join(names.addresses)}",
    }
    if in_time:
        excluded["dns.resolver-saturated"] = "the lookup had a thread of its own and did not wait for it"
    return Sign(
        evidence=(
            f"looking up {names.host} took " + " and ".join(span(each.seconds) for each in slow_ones),
            *apart,
            *_answers(names),
        ),
        excluded=excluded,
        state=State.DEGRADED,
        at_most=Certainty.CERTAIN if len(slow_ones) > 1 else Certainty.LIKELY,
    )


def _itself(lookup: Lookup) -> float:
    return lookup.seconds - lookup.queued_seconds


@book.of("dns.blocked")
def blocked(case: Case) -> Sign | None:
    names = case.names
    if names is None:
        return None
    elsewhere = _known_elsewhere(names)
    false = false_addresses(case)
    denied = _failed(case, "dns.nxdomain", "dns.no-address") is not None and bool(elsewhere)
    if not false and not denied:
        return None
    excluded = {}
    nowhere = bool(false) and all(map(is_nowhere, false))
    if nowhere:
        excluded["tcp.captive-portal"] = "no login page can be at that address"
        excluded["tls.interception"] = "the address itself is not the host's"
    elif known := _controls_known(case):
        given = {address for each in case.controls if each.lookup for address in each.lookup.addresses}
        if not given & set(false):
            excluded["tcp.captive-portal"] = f"{known[0]} gets another address"
    if elsewhere:
        resolver = next(iter(elsewhere))
        excluded["tls.hostname"] = f"the resolver {resolver} gives another address"
        excluded["dns.nxdomain"] = f"the resolver {resolver} has an address for it"
        excluded["tls.interception"] = f"the address is not the one that the resolver {resolver} gives"
    stand_in = any(ip_address(each) in _STAND_INS for each in false if ":" not in each)
    tunnel = ("such addresses are handed out by proxy programs (TUN) on this machine or in the router",)
    return Sign(
        evidence=(_asked_system(names), *_answers(names), *(tunnel if stand_in else ())),
        excluded=excluded,
        # A network may have a name of its own kind for a host on purpose, and resolvers learn of a new name by and by.
        at_most=Certainty.CERTAIN if nowhere else Certainty.POSSIBLE if stand_in else Certainty.LIKELY,
    )


_STAND_INS = ip_network("198.18.0.0/15")


@book.of("dns.resolver-saturated")
def saturated(case: Case) -> Sign | None:
    names = case.names
    lookups = (*names.lookups, *names.again) if names else ()
    queued = [each for each in lookups if each.queued_seconds > SLOW]
    if not queued:
        return None
    longest = max(queued, key=lambda each: each.queued_seconds)
    excluded = {}
    if all(_itself(each) < SLOW for each in lookups):
        excluded["dns.slow"] = f"the lookup itself took {span(_itself(longest))}"
    host = case.host
    if host is not None and host.loop_lag_seconds < LATE:
        excluded["host.event-loop-blocked"] = (
            f"this program was at most {span(host.loop_lag_seconds)} late otherwise"
        )
        excluded["host.cpu-starved"] = "the rest of this program was on time"
    return Sign(
        evidence=(
            f"a lookup waited {span(longest.queued_seconds)} for a thread of this process, of {span(longest.seconds)} in all",
        ),
        excluded=excluded,
        state=State.DEGRADED,
    )
