"""This machine: what is wrong with it makes all else doubtful."""

from collections.abc import Iterator
from dataclasses import replace

from probe.diagnose.answers import is_edges
from probe.diagnose.case import Case, Handshake, Host, Way
from probe.diagnose.rule import RuleBook
from probe.diagnose.words import span
from probe.model.failures import Failure, Layer
from probe.model.findings import Certainty, Sign, State
from probe.session.signs import as_told

book = RuleBook()

LATE_SECONDS = 0.25  # of the loop; from there on ages and round trips are ours, and not the broker's
STARVED, HELD_UP = (
    0.75,
    0.5,
)  # shares of the time in which the processor was wanted and not had; with a lag the second
THROTTLED = 0.25  # of a container's periods
BUSY_ITSELF = 0.5  # of a core: a process that uses more may well be its own trouble
FEW_HANDLES = 16  # one connection takes some, for sockets and files of certificates
FEW_PORTS = 0.95  # share of the range that is taken
JUMPED_SECONDS = 0.5
CLOCK_OFF_SECONDS = (
    2.0  # that much and the signatures of some brokers are refused, and ages of prices are wrong
)
CLOCK_FAR_OFF_SECONDS = 3600.0  # certificates and tokens are judged wrong too


@book.of("host.event-loop-blocked")
def event_loop_blocked(case: Case) -> Sign | None:
    host, lag = case.host, _lag(case)
    if lag < LATE_SECONDS or (
        host is not None and (_slept(host) or (_is_starved(host) and not _is_seen_working(host)))
    ):
        return None
    late = f"for {span(lag)} this program did nothing that was due"
    excluded = {
        "session.half-open": "the program itself was late",
        "session.slow-consumer": "it was late for every connection at once",
    }
    evidence = [late]
    if host is not None:
        if host.blocked_in:
            evidence.append(f"what ran meanwhile: {host.blocked_in}")
            excluded["host.cpu-starved"] = "another thread of this process had the processor meanwhile"
        if host.slept_seconds is not None:
            excluded["host.suspend-resume"] = "no clock shows a gap"
    return Sign(evidence=tuple(evidence), excluded=excluded, state=State.DEGRADED)


@book.of("host.cpu-starved")
def cpu_starved(case: Case) -> Sign | None:
    host = case.host
    if host is None or not _is_starved(host):
        return None
    evidence, excluded = [], {}
    if host.cpu_waited is not None and host.cpu_waited >= HELD_UP:
        evidence.append(f"work had to wait for the processor for {host.cpu_waited:.0%} of its time")
        excluded["host.event-loop-blocked"] = "the processor was not free"
    if host.throttled:
        evidence.append(
            f"a limit of the container held this process back in {host.throttled:.0%} of its periods"
        )
        excluded["host.event-loop-blocked"] = "the processor was withheld"
    if host.cpu_busy is not None:
        evidence.append(f"the cores that it may use were busy for {host.cpu_busy:.0%} of the time")
    if host.loop_lag_seconds >= LATE_SECONDS:
        evidence.append(f"this program was up to {span(host.loop_lag_seconds)} late with what was due")
    if host.cpu_own is not None and host.cpu_own < BUSY_ITSELF:
        excluded["load.generator-saturated"] = f"this process itself used {host.cpu_own:.0%} of a core"
    if host.slept_seconds is not None and not _slept(host):
        excluded["host.suspend-resume"] = "no clock shows a gap"
    return Sign(evidence=tuple(evidence), excluded=excluded, state=State.DEGRADED)


@book.of("host.fd-limit")
def fd_limit(case: Case) -> Sign | None:
    failed = next((each for each in _failures(case) if each.code == "host.fd-limit"), None)
    used, limit = (case.host.handles_used, case.host.handles_limit) if case.host else (None, None)
    free = limit - used if used is not None and limit is not None else None
    of_all = failed is not None and failed.seen.error == "ENFILE"
    evidence: tuple[str, ...] = () if free is None else (f"{used} of {limit} file handles are taken",)
    if failed is not None:
        evidence = (f"the system gave no handle ({failed.seen.error or 'too many open files'})", *evidence)
    elif free is None or free >= FEW_HANDLES:
        return None
    elif free > 0 or any(_tried(case)):
        few = "this process has hardly any file handles left"
        return Sign(evidence=evidence, says=few, state=State.DEGRADED)
    return Sign(
        evidence=evidence,
        excluded={
            "dns.temporary-failure": "no handle was left with which to ask",
            "load.ephemeral-ports": "it is handles that are used up, and not ports",
            "tcp.refused": "no packet left this machine",
        },
        says="all programs of this machine together have no file handles left" if of_all else "",
        advice=_OF_ALL if of_all else (),
    )


_OF_ALL = (
    "Find the program that holds so many of them, and end it.",
    "Raise the limit of the whole system (`sysctl fs.file-max`).",
)


@book.of("host.suspend-resume")
def suspend_resume(case: Case) -> Sign | None:
    host = case.host
    if host is None or not _slept(host):
        return None
    gap = f"the boot clock gained {host.slept_seconds:.1f} s"
    return Sign(
        evidence=(f"{gap} on the monotonic one, and the wall clock {host.clock_jump_seconds:+.1f} s",),
        excluded={
            "host.clock-stepped": f"{gap} too",
            "host.event-loop-blocked": "the clocks show a gap",
            "session.half-open": "the clocks show a gap",
            "tcp.unreachable": "the clocks show a gap",
        },
        state=State.UNKNOWN if any(_failures(case)) else State.DEGRADED,
    )


@book.of("host.clock-wrong")
def clock_wrong(case: Case) -> Sign | None:
    clocks = {each.source: each for each in case.clocks}.values()
    far = [each for each in clocks if abs(each.offset_seconds) > CLOCK_OFF_SECONDS + each.uncertainty_seconds]
    if not far or len(far) < len(clocks):
        return None  # one that agrees with ours is right, as ours is
    if case.host is not None and abs(case.host.clock_jump_seconds) >= JUMPED_SECONDS:
        return None  # then nobody knows what was compared
    offsets = [each.offset_seconds for each in clocks]
    agree = max(offsets) - min(offsets) <= 2 * max(each.uncertainty_seconds for each in clocks)
    worst = max(offsets, key=abs)
    excluded = {
        "tls.server-cert-expired": "the clock does not agree with others",
    }
    if len(clocks) > 1 and agree:
        excluded["data.clock-offset"] = f"{len(clocks)} clocks agree with each other"
    if case.host is not None:
        excluded["host.clock-stepped"] = "it ran evenly meanwhile"
    return Sign(
        evidence=tuple(
            f"by {each.source} it is {_off(each.offset_seconds)} (within {each.uncertainty_seconds:.1f} s)"
            for each in clocks
        ),
        excluded=excluded,
        says=f"this machine's clock is {_off(worst)}, so dates of certificates, signatures of requests and ages "
        "of prices are judged wrong",
        state=State.FAILED
        if abs(worst) >= CLOCK_FAR_OFF_SECONDS or _hangs_on_the_clock(case)
        else State.DEGRADED,
        at_most=Certainty.CERTAIN if agree else Certainty.POSSIBLE,
    )


@book.of("host.clock-stepped")
def clock_stepped(case: Case) -> Sign | None:
    host = case.host
    if host is None:
        return None
    step = host.clock_jump_seconds - (host.slept_seconds or 0.0)
    if abs(step) < JUMPED_SECONDS:
        return None
    excluded = {
        "host.clock-wrong": "the offset was not there before",
        "data.clock-offset": "only clocks of this machine were compared",
    }
    if host.slept_seconds is not None:
        excluded["host.suspend-resume"] = (
            f"it slept {abs(host.slept_seconds):.1f} s of that time, by the clock that counts since it was started"
        )
    if host.loop_lag_seconds < LATE_SECONDS:
        excluded["host.event-loop-blocked"] = (
            f"this program was at most {span(host.loop_lag_seconds)} late with what was due"
        )
    return Sign(
        evidence=(
            f"the time of day moved by {step:+.1f} s against a clock that nobody sets, during the examination",
        ),
        excluded=excluded,
        state=State.DEGRADED,
    )


@book.of("host.unreadable-file")
def unreadable_file(case: Case) -> Sign | None:
    code = "host.unreadable-file"
    trouble, failure = case.shown.troubles.get(code), case.failure
    if trouble is None and (failure is None or failure.code != code):
        return None
    excluded = {"cfg.ssid-mangled": "it could not be read at all"}
    if case.host is not None and case.host.handles_used is not None:
        excluded["host.fd-limit"] = "other files of this machine could be opened"
    if trouble is not None:
        return replace(as_told(trouble), excluded=excluded)
    return Sign(evidence=(str(failure),), excluded=excluded)


@book.of("load.ephemeral-ports")
def ephemeral_ports(case: Case) -> Sign | None:
    failed = next((each for each in _failures(case) if each.code == "load.ephemeral-ports"), None)
    host = case.host
    taken, ports = (host.ports_in_use, host.ports) if host else (None, None)
    used_up = taken is not None and ports is not None and taken >= FEW_PORTS * ports
    counted: tuple[str, ...] = ()
    if host is not None and taken is not None:
        counted = (f"{taken} of {ports} local ports are taken, {host.time_wait} of them in TIME_WAIT",)
    if failed is None and not used_up:
        return None
    if failed is None:
        few = "this machine has hardly any local ports left"
        return Sign(evidence=counted, says=few, state=State.DEGRADED)
    return Sign(
        evidence=(
            f"the system gave no local port ({failed.seen.error or 'address not available'})",
            *counted,
        ),
        excluded={
            "tcp.refused": "no packet left this machine",
            "tcp.timeout": "no packet left this machine",
            "host.fd-limit": "the socket was there, and it was a port that it lacked",
        },
        at_most=Certainty.CERTAIN if used_up else Certainty.LIKELY,
    )


def _lag(case: Case) -> float:
    """The worst, of the look at this machine and of our own heartbeats in the session."""
    beats = case.facts.heartbeats_sent if case.facts else []
    return max(
        case.host.loop_lag_seconds if case.host else 0.0, *(each.at - each.due_at for each in beats), 0.0
    )


def _is_starved(host: Host) -> bool:
    waited = host.cpu_waited or 0.0
    held_up = waited >= HELD_UP and host.loop_lag_seconds >= LATE_SECONDS and not host.blocked_in
    return waited >= STARVED or held_up or (host.throttled or 0.0) >= THROTTLED


def _is_seen_working(host: Host) -> bool:
    """Where a process hardly gets the processor, what its loop was seen in is where it had to wait."""
    return bool(host.blocked_in) and (host.cpu_waited or 0.0) < STARVED


def _slept(host: Host) -> bool:
    return (host.slept_seconds or 0.0) >= JUMPED_SECONDS


def _failures(case: Case) -> Iterator[Failure]:
    if case.failure is not None:
        yield case.failure
    lookups = (*case.names.lookups, *case.names.again) if case.names else ()
    for step in (*lookups, *_tried(case)):
        if step.failure is not None:
            yield step.failure


def _tried(case: Case) -> tuple[Way | Handshake, ...]:
    """For each of them a handle was to be had, if it does not say otherwise."""
    return (*case.ways, *case.handshakes)


def _hangs_on_the_clock(case: Case) -> bool:
    """What failed is what a wrong clock makes fail."""
    return any(
        each.facts.layer in (Layer.TLS, Layer.AUTH)
        or (each.http_status in (401, 403) and not (each.seen.answer and is_edges(each.seen.answer)))
        for each in _failures(case)
    )


def _off(seconds: float) -> str:
    units = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("s", 1.0))
    unit, length = next((each for each in units if abs(seconds) >= 2 * each[1]), units[-1])
    return f"{abs(seconds) / length:.1f} {unit} {'ahead' if seconds > 0 else 'behind'}"
