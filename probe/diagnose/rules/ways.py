"""Reaching the host: TCP, routes, firewalls, proxies."""

from dataclasses import replace
from ipaddress import ip_address

from probe.diagnose.answers import edge_code, told_as
from probe.diagnose.case import OTHER_NAME, SMALL, TLS_1_2, TLS_1_3, USUAL, Case, Control, Way
from probe.diagnose.handshaking import named
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.names import false_addresses, no_route_to_a_resolver
from probe.diagnose.rules.portal import is_captive
from probe.diagnose.words import span
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

SLOW = 1.0  # seconds that a dead family costs, from which on they are felt
BUSY_PORTS = 0.5  # of this machine's, from which on it may be our own load
# Of several addresses the first of these says most about the host.
_TELLING = ("tcp.denied-locally", "tcp.refused", "tcp.reset-in-path", "tcp.timeout", "tcp.unreachable")
_FIRST_BYTES_LATER = "TCP itself does not come about"


def _dead_ways(case: Case, code: str) -> tuple[Way, ...]:
    """Those to the host, if none leads there, or not the one that programs take, and this is the most telling reason."""
    dead = [way for way in case.ways if way.failure is not None]
    if _alive(case):
        dead = [] if _dead_ipv6(case) else [way for way in dead if way.address == _favourite(case)]
    if is_captive(case) or false_addresses(case):
        return ()
    kinds = {way.failure.kind for way in dead if way.failure is not None}
    return case.ways if next((each for each in _TELLING if each in kinds), None) == code else ()


def _alive(case: Case) -> Way | None:
    return next((way for way in case.ways if way.failure is None), None)


def _favourite(case: Case) -> str:
    """The address that a program takes which tries but one."""
    lookups = case.names.lookups if case.names else ()
    return next((each for lookup in lookups[:1] for each in lookup.addresses), "")


def _untried(case: Case) -> int:
    """Addresses of the host that nobody tried."""
    known = set(case.names.addresses) if case.names else set()
    return len(known - {way.address for way in case.ways})


def _told(case: Case, ways: tuple[Way, ...], sign: Sign) -> Sign:
    """What is dead may be one address of several."""
    alive = _alive(case)
    if ways and alive is not None:
        others = (
            f"the host's first address, {_favourite(case)}, takes no connection, and {alive.address} does"
        )
        return replace(
            sign, says=f"{others}: whoever tries only the first does not get in", advice=_ONE_IS_DEAD
        )
    if ways and (count := _untried(case)):
        evidence = (
            *sign.evidence,
            f"the host has {count} more address{'es' * (count > 1)}, which nobody tried",
        )
        return replace(
            sign, evidence=evidence, at_most=max(sign.at_most, Certainty.LIKELY, key=list(Certainty).index)
        )
    return sign


_ONE_IS_DEAD = (
    "Let the client try the next address too, or write the one that works in place of the name if the host is your own.",
    "Let the service listen at each of its addresses, IPv6 among them, if it is your own.",
    "Tell the server's owner which address is dead.",
)


def _look_failure(case: Case, code: str) -> Failure | None:
    failure = case.failure
    return failure if failure is not None and failure.code == code and not is_captive(case) else None


def _tried(ways: tuple[Way, ...]) -> tuple[str, ...]:
    return tuple(
        f"{way.address} port {way.port}: {_error(way.failure) if way.failure else 'connects'} after {span(way.seconds)}"
        for way in ways
    )


def _error(failure: Failure) -> str:
    words, name = _BRIEFLY.get(failure.kind, failure.facts.says), failure.seen.error
    return f"{words} ({name})" if name else words


_BRIEFLY = {
    "tcp.refused": "refused",
    "tcp.timeout": "no answer",
    "tcp.unreachable": "no route",
    "tcp.denied-locally": "not permitted here",
    "tcp.reset-in-path": "reset",
}


def _is_here(case: Case) -> bool:
    """All addresses are this machine's own."""
    return bool(case.ways) and all(ip_address(way.address.partition("%")[0]).is_loopback for way in case.ways)


def _reached(case: Case) -> list[Control]:
    return [each for each in case.controls if each.is_reached]


def _of_controls(case: Case) -> tuple[str, ...]:
    return tuple(
        f"the control {each.host}:{each.port} "
        + ("takes connections" if each.is_reached else "cannot be reached either")
        for each in case.controls
    )


def _went_direct(case: Case) -> bool:
    return bool(case.ways) or (case.looks is not None and not case.looks.first.proxy)


@book.of("tcp.refused")
def refused(case: Case) -> Sign | None:
    ways, failure = _dead_ways(case, "tcp.refused"), _look_failure(case, "tcp.refused")
    if not ways and failure is None:
        return None
    here, excluded = _is_here(case), {"tcp.timeout": "an answer came: the refusal"}
    if _went_direct(case):
        excluded["tcp.proxy-refused"] = "no proxy is used"
    if ways:
        address = ways[0].address
        excluded["dns.blocked"] = (
            "the host is no public name" if here else f"{address} is none that stands for nowhere"
        )
    sign = Sign(
        evidence=_tried(ways) or (str(failure),),
        excluded=excluded,
        says=f"nothing on this machine listens on port {case.ways[0].port}" if here else "",
        advice=_HERE if here else (),
    )
    return _told(case, ways, sign)


_HERE = (
    "Start the service, or give the URL the port on which it listens.",
    "Use the service's name in place of `localhost` inside a container, where `localhost` is the container itself.",
)


@book.of("tcp.timeout")
def timeout(case: Case) -> Sign | None:
    ways, failure = _dead_ways(case, "tcp.timeout"), _look_failure(case, "tcp.timeout")
    if (not ways and failure is None) or (ways and _bypasses_proxy(case)):
        return None
    excluded = {"geo.blocked": "nothing came that speaks of a country"}
    if failure is not None and failure.kind != "tcp.timeout":
        no_way = "the proxy has not opened a way to the server"
        excluded |= {
            "tls.sni-blocked": no_way,
            "http.open-timeout": no_way,
            "tcp.proxy-ignored": "it was used",
        }
        return Sign(
            evidence=(str(failure),),
            excluded=excluded,
            says=failure.facts.says,
            advice=(failure.facts.advise,),
        )
    excluded["tls.sni-blocked"] = excluded["http.open-timeout"] = _FIRST_BYTES_LATER
    if any(way.family == 4 and way.failure is not None for way in ways):
        excluded["net.ipv6-blackhole"] = "IPv4 is silent too"
    host = case.host
    if host is not None and not host.proxies:
        excluded["tcp.proxy-ignored"] = "no proxy is set on this machine"
    elif _reached(case):
        excluded["tcp.proxy-ignored"] = "other hosts are reached without a proxy"
    if (
        host is not None
        and host.ports
        and host.ports_in_use is not None
        and host.ports_in_use < host.ports * BUSY_PORTS
    ):
        excluded["load.accept-backlog"] = (
            f"this machine uses {host.ports_in_use} of its {host.ports} local ports"
        )
    sign = Sign(
        evidence=(*(_tried(ways) or (str(failure),)), *_of_controls(case)),
        excluded=excluded,
        at_most=Certainty.CERTAIN if _reached(case) else Certainty.LIKELY,
    )
    return _told(case, ways, sign)


@book.of("tcp.unreachable")
def unreachable(case: Case) -> Sign | None:
    ways, failure = _dead_ways(case, "tcp.unreachable"), _look_failure(case, "tcp.unreachable")
    if failure is not None and failure.kind != "tcp.unreachable":
        return Sign(evidence=(str(failure),), says=failure.facts.says, advice=(failure.facts.advise,))
    by_name = no_route_to_a_resolver(case) and case.names is not None and not case.names.addresses
    if not ways and failure is None and not by_name:
        return None
    excluded = {
        "tcp.timeout": "an error came back",
        "tcp.denied-locally": "the error is not about a permission",
    }
    if by_name or any(way.family == 4 and way.failure is not None for way in ways):
        excluded["net.ipv6-blackhole"] = "IPv4 has no way out either"
    by_resolver = tuple(
        f"the resolver {each.resolver} cannot be reached: {each.error}"
        for each in (case.names.asked if case.names and by_name else ())
        if each.family == 4
    )
    alike = [
        each
        for each in case.controls
        if each.way and each.way.failure and each.way.failure.kind == "tcp.unreachable"
    ]
    is_ours = by_name or (bool(alike) and not _reached(case) and _alive(case) is None)
    sign = Sign(
        evidence=(*(_tried(ways) or by_resolver or (str(failure),)), *_of_controls(case)),
        excluded=excluded,
        at_most=Certainty.CERTAIN if is_ours else Certainty.LIKELY,
    )
    return _told(case, ways, sign)


@book.of("tcp.denied-locally")
def denied_locally(case: Case) -> Sign | None:
    ways, failure = _dead_ways(case, "tcp.denied-locally"), _look_failure(case, "tcp.denied-locally")
    if failure is not None and failure.kind != "tcp.denied-locally":
        return Sign(evidence=(str(failure),), says=failure.facts.says, advice=(failure.facts.advise,))
    if not ways and failure is None:
        return None
    sign = Sign(
        evidence=(*(_tried(ways) or (str(failure),)), *_of_controls(case)),
        excluded={
            "http.403-origin": "the operating system speaks, no server does",
            "tcp.unreachable": "it is a permission that is missing, not a route",
            "tcp.timeout": "an error came, and no silence",
        },
    )
    return _told(case, ways, sign)


@book.of("tcp.reset-in-path")
def reset_in_path(case: Case) -> Sign | None:
    ways, failure = _dead_ways(case, "tcp.reset-in-path"), _look_failure(case, "tcp.reset-in-path")
    shaken = {each.how: each for each in case.handshakes}
    usual = case.handshake(USUAL)
    in_tls = usual is not None and usual.failure is not None and usual.failure.code == "tcp.reset-in-path"
    if (not ways and failure is None and not in_tls) or is_captive(case) or named(case):
        return None  # it depends on the name, or on the version
    resets = {
        how for how, each in shaken.items() if each.failure and each.failure.kind == "tcp.reset-in-path"
    }
    tried_versions = shaken.keys() & {TLS_1_2, TLS_1_3}
    excluded = {
        "session.tcp-reset": "the session was not open yet",
        "tls.eof-in-handshake": "it is a reset, not an orderly end",
    }
    if OTHER_NAME in resets:
        excluded["tls.sni-blocked"] = "with a neutral name it is reset too"
    elif ways:
        excluded["tls.sni-blocked"] = "it is reset before any name is sent"
    if len(tried_versions & resets) > 1:
        excluded["tls.version"] = "TLS 1.2 alone and TLS 1.3 alone are reset too"
    elif ways:
        excluded["tls.version"] = "it is reset before any TLS"
    if case.past is not None and len(case.past.tries) < 3:
        excluded["http.ban-disguised"] = "no burst of attempts came before it"
    times = sum(
        each.failure is not None and each.failure.kind == "tcp.reset-in-path" for each in case.handshakes
    )
    stage = (f"the TLS handshake is reset, {times} of {len(case.handshakes)} times",) if in_tls else ()
    sign = Sign(
        evidence=(*_tried(ways), *stage, *((str(failure),) if failure else ()), *_of_controls(case)),
        excluded=excluded,
        at_most=Certainty.LIKELY if _reached(case) else Certainty.POSSIBLE,
    )
    return _told(case, ways, sign)


@book.of("tcp.mtu-blackhole")
def mtu_blackhole(case: Case) -> Sign | None:
    times = small_packets_pass(case)
    if not times:
        return None
    small = "in small packets the same name at the same address answers"
    return Sign(
        evidence=(
            "TCP connects, and to the TLS handshake no answer comes",
            f"{small}, {times} of {times} times",
        ),
        excluded={
            "tls.sni-blocked": small,
            "http.open-timeout": small,
            "session.half-open": "no session had been open",
            "tcp.timeout": "TCP connects",
        },
        at_most=Certainty.CERTAIN if times > 1 else Certainty.LIKELY,
    )


def small_packets_pass(case: Case) -> int:
    """How often, where each handshake as usual stayed without an answer."""
    usual = [each for each in case.handshakes if each.how == USUAL]
    small = [each for each in case.handshakes if each.how == SMALL]
    hang = all(each.failure is not None and each.failure.kind == "tls.timeout" for each in usual)
    answered = [each for each in small if each.failure is None or each.first_bytes]
    return len(answered) if usual and hang and len(answered) == len(small) else 0


@book.of("geo.blocked")
def geo_blocked(case: Case) -> Sign | None:
    failure = case.failure
    if failure is None or told_as(case) != "geo.blocked":
        return None
    answer = failure.seen.answer
    code = edge_code(answer) if answer else None
    excluded = {"tcp.timeout": "there is an answer"}
    at_most = Certainty.POSSIBLE
    if code is not None:
        of_cloudflare = f"the page of Cloudflare's says error {code}: a whole country"
        excluded |= dict.fromkeys(
            ("http.cf-ip-reputation", "http.cf-challenge", "http.403-origin"), of_cloudflare
        )
        at_most = Certainty.LIKELY
    elif answer is not None and answer.status == 451:
        excluded["http.cf-challenge"] = "no challenge has the status 451"
        excluded["http.403-origin"] = "status 451 speaks of the law, and not of rights"
        excluded["http.cf-ip-reputation"] = "it is no page of Cloudflare's with a code"
        at_most = Certainty.LIKELY
    return Sign(evidence=(str(failure),), excluded=excluded, at_most=at_most)


@book.of("net.ipv6-blackhole")
def ipv6_blackhole(case: Case) -> Sign | None:
    dead, alive = _dead_ipv6(case), _alive(case)
    if not dead or alive is None:
        return None
    excluded = {
        "tcp.timeout": f"IPv4 connects: {alive.address} in {span(alive.seconds)}",
        "tcp.unreachable": f"it does not fail at once, but after {span(max(way.seconds for way in dead))}",
        "tcp.mtu-blackhole": "over IPv6 not even TCP connects",
    }
    names = case.names
    if names is not None and all(each.seconds < SLOW for each in names.lookups):
        excluded["dns.slow"] = (
            f"the name was looked up in {span(max(each.seconds for each in names.lookups))}"
        )
    comes_first = _favourite(case) in {way.address for way in dead}
    return Sign(
        evidence=_tried(case.ways),
        excluded=excluded,
        says=f"{_TITLE}, and it comes first: whoever tries only one address does not get in"
        if comes_first
        else "",
        state=State.FAILED if comes_first else State.DEGRADED,
    )


_TITLE = "IPv6 is offered and leads nowhere"


def _dead_ipv6(case: Case) -> list[Way]:
    """Ways that are silent, where the other family's are not. A machine without IPv6 falls back at once, and nobody notices."""
    ways = [way for way in case.ways if way.family == 6]
    silent = [
        way
        for way in ways
        if way.failure and way.failure.kind in ("tcp.timeout", "tcp.unreachable") and way.seconds >= SLOW
    ]
    return silent if len(silent) == len(ways) and _alive(case) else []


# -- proxies -----------------------------------------------------------------------------------------------------------


def _bypasses_proxy(case: Case) -> bool:
    """A proxy is set on this machine, was not used, and nothing at all is reached without it."""
    host = case.host
    return host is not None and bool(host.proxies) and _went_direct(case) and not _reached(case)


@book.of("tcp.proxy-ignored")
def proxy_ignored(case: Case) -> Sign | None:
    ways, host = _dead_ways(case, "tcp.timeout"), case.host
    if not ways or host is None or not _bypasses_proxy(case):
        return None
    return Sign(
        evidence=(
            f"a proxy is set here by {', '.join(host.proxies)}, and the connection went past it",
            *_tried(ways),
            *_of_controls(case),
        ),
        excluded={
            "cfg.socks-extra-missing": "no package is needed for a proxy here",
            "tcp.proxy-refused": "the address is the host's own, not a proxy's",
        },
    )


@book.of("tcp.proxy-refused")
def proxy_refused(case: Case) -> Sign | None:
    failure = _look_failure(case, "tcp.proxy-refused")
    if failure is None:
        return None
    excluded = {
        "tcp.refused": "the address is the proxy's",
        "tcp.timeout": "the address is the proxy's",
        "tcp.proxy-auth": "it was not answered with 407",
        "cfg.socks-extra-missing": "a connection to the proxy was attempted",
    }
    never_connected = failure.kind in ("tcp.proxy-refused", "tcp.proxy-unknown")
    proxy, error = case.looks.first.proxy if case.looks else "", failure.seen.error
    return Sign(
        evidence=(
            (f"it is the proxy {proxy}" + (f" ({error})" if error else ""))
            if never_connected
            else str(failure),
        ),
        excluded=excluded,
        says=failure.facts.says,
        advice=() if never_connected else (failure.facts.advise,),
        at_most=Certainty.CERTAIN if never_connected else Certainty.LIKELY,
    )


@book.of("tcp.proxy-auth")
def proxy_auth(case: Case) -> Sign | None:
    failure = _look_failure(case, "tcp.proxy-auth")
    if failure is None:
        return None
    before = "the proxy says so, before there is a way to the server"
    return Sign(
        evidence=(str(failure),),
        excluded={
            "http.401": before,
            "http.403-origin": before,
            "tcp.proxy-refused": "the proxy answers",
        },
    )
