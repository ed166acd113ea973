"""What a load run shows: of whoever made the load, of the way, and of what the load did to the server."""

from collections.abc import Callable, Mapping

from probe.diagnose.case import Case
from probe.diagnose.loaded import LoadFacts, Moment, Return, failed_in
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.edge import ruled_out
from probe.diagnose.rules.host import LATE_SECONDS
from probe.diagnose.words import span
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

SATURATED, FULL_QUEUE, NO_PORTS = "load.generator-saturated", "load.accept-backlog", "load.ephemeral-ports"
UNANSWERED = ("tcp.timeout",)
NOT_TAKEN = (*UNANSWERED, "http.open-timeout", "http.closed")  # a queue that is full may take and say nothing
SENT_AGAIN_AFTER = 1.0  # seconds: a SYN that nobody answered (RFC 6298)
LATER = 5.0  # times our own lag: so much later is not our doing
FEW_LOST = (
    0.01  # of the packets of standing connections that are sent again on a sound way, for each SYN that was
)
CALM = 0.25  # of the most connects a second: so few are no ramp
OPENLY, BY_POLICY = "http.429", ("http.429", "http.403", "http.cf-challenge", "session.policy-1008")
AS_AN_OUTAGE = ("http.bad-gateway", "tcp.reset-in-path", "http.closed")
FEWEST_REFUSED = 5  # connects: fewer are no ban that anybody could tell
MANY = 20  # clients, which are a herd if they come together
TOGETHER = 1.0  # seconds in which 8 of 10 came back
SHARE_BACK = 0.8  # of those who ended, seen to connect again
HIDDEN, HIDDEN_SECONDS = 2.0, 0.05  # so many times the p99, and so much longer
FEWEST_MISSING = 10
FULL = 0.9  # of a core

OfLoad = Callable[[LoadFacts], Sign | None]


def _of(code: str) -> Callable[[OfLoad], OfLoad]:
    def noted(function: OfLoad) -> OfLoad:
        def rule(case: Case) -> Sign | None:
            return function(case.load) if case.load is not None else None

        book.of(code)(rule)
        return function

    return noted


# -- whoever made the load ---------------------------------------------------------------------------------------------


@_of(SATURATED)
def generator_saturated(load: LoadFacts) -> Sign | None:
    told = load.because(SATURATED)
    if not told:
        return None
    busy = load.cpu is not None and load.cpu >= FULL
    is_late = bool(told.keys() & {"loop-lag", "send-lateness", "rate-not-reached"})
    cpu = f"one of its processes used {load.cpu:.0%} of a core" if load.cpu is not None else ""
    return Sign(
        evidence=tuple(told.values()),
        excluded=ruled_out(
            {
                "load.coordinated-omission": f"{cpu}, so it did not merely wait for answers" if busy else "",
                "host.cpu-starved": f"{cpu}: it is this load that uses the processor" if busy else "",
                FULL_QUEUE: "what was sent over connections that stood left late, too"
                if is_late
                else "no listener's queue overflowed here"
                if load.is_here and not load.queue_overflows
                else "",
            }
        ),
        state=State.DEGRADED,
        at_most=Certainty.CERTAIN if busy and is_late else Certainty.LIKELY,
    )


@_of("host.cpu-starved")
def cpu_starved(load: LoadFacts) -> Sign | None:
    told = load.because("host.cpu-starved")
    if not told:
        return None
    others = (
        load.others is not None and f"everything else on the machine took {load.others:.0%} of all processors"
    )
    own = (
        load.cpu is not None
        and load.cpu < FULL
        and f"no process of the load used more than {load.cpu:.0%} of a core"
    )
    return Sign(
        evidence=tuple(told.values()),
        excluded=ruled_out(
            {
                "host.event-loop-blocked": others or "",
                SATURATED: own or "",
                "host.suspend-resume": _evenly(load),
            }
        ),
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,  # nobody measured how long it waited for a processor
    )


@_of("host.event-loop-blocked")
def event_loop_blocked(load: LoadFacts) -> Sign | None:
    told = load.because("host.event-loop-blocked")
    if not told:
        return None
    others = (
        load.others is not None and f"everything else on the machine took {load.others:.0%} of all processors"
    )
    return Sign(
        evidence=tuple(told.values()),
        excluded=ruled_out(
            {
                "host.cpu-starved": others or "",
                "session.half-open": "the program itself was late",
                "session.slow-consumer": "it was late for every connection at once",
                "host.suspend-resume": _evenly(load),
            }
        ),
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,
    )


@_of("host.fd-limit")
def fd_limit(load: LoadFacts) -> Sign | None:
    told = load.because("host.fd-limit")
    refused = load.failed("host.fd-limit")
    return _used_up(
        told,
        {
            "dns.temporary-failure": "addresses were known: other connects came through"
            if load.opened
            else "",
            NO_PORTS: "it is handles that are used up, and not ports",
            "tcp.refused": "no packet left this machine",
        },
        was_refused=refused > 0,
    )


@_of(NO_PORTS)
def ephemeral_ports(load: LoadFacts) -> Sign | None:
    return _used_up(
        load.because(NO_PORTS),
        {
            "tcp.refused": "no packet left this machine",
            "tcp.timeout": "no packet left this machine",
            "host.fd-limit": "the socket was there, and it was a port that it lacked",
        },
        was_refused=load.failed("host.no-ports") > 0,
    )


def _late_by(load: LoadFacts, less_than: float) -> str:
    """That our own loop did not stand still for so long."""
    known = load.longest_lag is not None and load.longest_lag < less_than
    return f"its own loop was late by {span(load.longest_lag or 0.0)} at most" if known else ""


def _evenly(load: LoadFacts) -> str:
    return "" if load.because("host.clock-stepped") else "no clock shows a gap"


def _used_up(told: Mapping[str, str], excluded: Mapping[str, str], *, was_refused: bool) -> Sign | None:
    if not told:
        return None
    return Sign(
        evidence=tuple(told.values()),
        excluded=ruled_out(excluded) if was_refused else {},
        state=State.FAILED if was_refused else State.DEGRADED,
        at_most=Certainty.CERTAIN if was_refused else Certainty.LIKELY,
    )


@_of("host.clock-stepped")
def clock_stepped(load: LoadFacts) -> Sign | None:
    told = load.because("host.clock-stepped")
    if not told:
        return None
    return Sign(
        evidence=tuple(told.values()),
        excluded={
            "host.clock-wrong": "the offset was not there before",
            "data.clock-offset": "only clocks of one machine were compared",
        }
        | ruled_out({"host.event-loop-blocked": _late_by(load, LATE_SECONDS)}),
        state=State.DEGRADED,
    )


@_of("load.coordinated-omission")
def coordinated_omission(load: LoadFacts) -> Sign | None:
    waited = load.waited
    if waited is None or waited.missing < FEWEST_MISSING:
        return None
    hidden = max(waited.percentiles, key=lambda each: each.wanted - HIDDEN * each.asked)
    if hidden.wanted < max(HIDDEN * hidden.asked, hidden.asked + HIDDEN_SECONDS):
        return None
    return Sign(
        evidence=(
            f"{waited.missing} questions were due while an answer was waited for, up to {span(waited.longest)}, and were never "
            f"asked; {waited.asked} were",
            f"of those that were asked {hidden.share:.0%} were answered within {span(hidden.asked)}; of all that were wanted, "
            f"counted from when they were due, within {span(hidden.wanted)}",
        ),
        excluded=ruled_out(
            {
                SATURATED: "" if load.because(SATURATED) else _late_by(load, waited.longest),
                "host.event-loop-blocked": _late_by(load, waited.longest / 2),
            }
        ),
        says="the users waited while the server stood still, and what they would have asked meanwhile is missing from the percentiles",
        state=State.DEGRADED,
    )


# -- the way, and the server's door ------------------------------------------------------------------------------------


@_of(FULL_QUEUE)
def accept_backlog(load: LoadFacts) -> Sign | None:
    stuck = load.failed(*NOT_TAKEN)
    slowest = max(load.connect or 0.0, load.upgrade or 0.0)
    if not stuck and slowest < SENT_AGAIN_AFTER:
        return None
    harm = (
        f"{stuck} of {load.begun} connects were not taken in time"
        if stuck
        else f"1 of 100 connects waited {span(slowest)} or longer to be taken"
    )
    if load.is_here and any(each.queue_overflows and each.begun for each in load.moments):
        return _counted(load, harm, is_failed=stuck > 0)
    return _inferred(load, harm, is_failed=stuck > 0)


def _counted(load: LoadFacts, harm: str, *, is_failed: bool) -> Sign:
    seconds = [each.second for each in load.moments if each.queue_overflows]
    counted = f"the kernel of the server's machine counted {load.queue_overflows} times that a listen queue had no room"
    return Sign(
        evidence=(f"{counted}, from second {seconds[0]} to {seconds[-1]} of the run", harm),
        excluded=ruled_out(
            {
                "tcp.timeout": "they came as far as the server's listener, which had no room for them",
                "load.conntrack-full": "they came as far as the server's listener",
                NO_PORTS: "they came as far as the server's listener",
                SATURATED: _on_time(load),
            }
        ),
        says="the server's listen queue overflowed: connections came faster than it takes them",
        state=State.FAILED if is_failed else State.DEGRADED,
        # The kernel counts for all listeners; that these were ours is seen by how long TCP took.
        at_most=Certainty.CERTAIN
        if load.syns_again and (load.failed(*UNANSWERED) or _is_slow(load))
        else Certainty.LIKELY,
    )


def _is_slow(load: LoadFacts) -> bool:
    """TCP itself was, and not only we."""
    return load.connect is not None and load.connect >= max(SENT_AGAIN_AFTER, LATER * (load.lag or 0.0))


def _inferred(load: LoadFacts, harm: str, *, is_failed: bool) -> Sign | None:
    """From this end alone: SYNs were sent again, and only while many connects began."""
    if not load.syns_again or load.is_here:
        return None
    most = max((each.begun / each.seconds for each in load.moments), default=0.0)
    calm = [each for each in load.moments if 0 < each.begun / each.seconds <= CALM * most]
    if not calm or any(
        each.opened < each.begun or each.syns_again or failed_in(each, *NOT_TAKEN) for each in calm
    ):
        return None
    few = sum(each.begun for each in calm)
    sound = load.data_again is not None and load.data_again <= max(1, FEW_LOST * load.syns_again)
    return Sign(
        evidence=(
            harm,
            f"{load.syns_again} SYNs had to be sent again while up to {most:.0f} connects a second began",
            f"of {few} connects in calmer seconds each came through, the first time",
        ),
        excluded=ruled_out(
            {
                "tcp.timeout": f"{few} connects in calmer seconds came through",
                NO_PORTS: "SYNs left this machine",
                SATURATED: _on_time(load),
            }
        ),
        state=State.FAILED if is_failed else State.DEGRADED,
        at_most=Certainty.LIKELY if sound else Certainty.POSSIBLE,  # a bad way loses packets of all kinds
    )


def _on_time(load: LoadFacts) -> str:
    if load.because(SATURATED) or load.lag is None:
        return ""
    return f"the generator itself was late by {span(load.lag)} at most in 99 of 100 moments"


@_of("load.conntrack-full")
def conntrack_full(load: LoadFacts) -> Sign | None:
    tracked, limit = load.tracked, load.tracked_limit
    if tracked is None or limit is None or tracked < limit:
        return None
    lost = load.failed(*UNANSWERED)
    return Sign(
        evidence=(
            f"the firewall of this machine remembered {tracked} connections, and {limit} are all it can",
            *((f"{lost} of {load.begun} connects were not answered",) if lost else ()),
        ),
        excluded=ruled_out(
            {
                FULL_QUEUE: "it is the table that drops whatever is new, before it leaves this machine",
                "tcp.timeout": f"{load.opened} connects came through before the table was full"
                if load.opened
                else "",
                "tcp.unreachable": ""
                if load.failed("tcp.unreachable")
                else "no connect was answered with an ICMP message",
                NO_PORTS: "" if load.failed("host.no-ports") else "each connect got a local port",
            }
        ),
        state=State.FAILED if lost else State.DEGRADED,
    )


# -- what the load did to the server -----------------------------------------------------------------------------------


@_of("http.429")
def too_many(load: LoadFacts) -> Sign | None:
    """A limit that lets some in all the time, or one that was there before the test began."""
    refused = load.failed(OPENLY)
    if not refused or _ban(load, (OPENLY,)) is not None:
        return None
    return Sign(
        evidence=(
            f"{refused} of {load.begun} connects were answered with 429, and {load.opened} were let in",
        ),
        excluded={
            "http.ban-disguised": "the status says it openly: 429",
            "auth.login-rate-limited": "it is the endpoint itself that refuses",
        },
        state=State.DEGRADED if load.opened else State.FAILED,
        at_most=Certainty.LIKELY,  # whose requests used it up
    )


@_of("load.self-inflicted-ban")
def self_inflicted_ban(load: LoadFacts) -> Sign | None:
    openly = _ban(load, BY_POLICY)
    begun = openly or _ban(load, AS_AN_OUTAGE)
    if begun is None:
        return None
    kinds = BY_POLICY if openly else AS_AN_OUTAGE
    said = {kind: count for kind in kinds if (count := load.failed(kind))}
    answered = sum(each.answered for each in load.moments if each.second > begun.second)
    if not openly and not answered:
        return None  # it is away for those whom it had let in, too
    served = (
        f"sessions that it had let in before were still served: {answered} answers and prices came meanwhile"
    )
    return Sign(
        evidence=(
            f"{load.opened} connects were let in, and none from second {begun.second} of the run on; {sum(said.values())} were refused ({', '.join(said)})",
            *((served,) if answered else ()),
        ),
        excluded=ruled_out(
            {
                "http.429": f"the refusals began within the test, after {load.opened} connects that were let in",
                "http.ban-disguised": "a load test ran from this address when it began",
                "http.bad-gateway": "they are refusals, and no word of a server that is away"
                if openly
                else "",
                "crypto.rate-limited-shared": f"this test alone began {load.begun} connects",
            }
        ),
        at_most=Certainty.LIKELY if openly else Certainty.POSSIBLE,
    )


def _ban(load: LoadFacts, kinds: tuple[str, ...]) -> Moment | None:
    """When it began: after the last connect that was let in, and since then one after another was refused."""
    last = max((each.second for each in load.moments if each.opened), default=None)
    later = [each for each in load.moments if last is not None and each.second > last]
    refused = sum(failed_in(each, *kinds) for each in later)
    return (
        next((each for each in later if failed_in(each, *kinds)), None) if refused >= FEWEST_REFUSED else None
    )


@_of("load.reconnect-herd")
def reconnect_herd(load: LoadFacts) -> Sign | None:
    herds = [each for each in load.returns if _is_herd(each)]
    if not herds:
        return None
    herd = max(herds, key=lambda each: each.back)
    fell_again = f"{herd.failed} connects failed from then on" if herd.failed else ""
    whose = "were cut by this test" if herd.is_planned else "ended"
    return Sign(
        evidence=(
            f"in second {herd.second} of the run {herd.ended} sessions {whose}",
            f"{herd.back} clients came back, 8 of 10 of them within {span(herd.spread or 0.0)}, about "
            f"{span(herd.pause or 0.0)} after they had lost the server",
            *((fell_again,) if fell_again else ()),
        ),
        excluded={
            FULL_QUEUE: f"{herd.ended} sessions had ended at once before, so it is no ramp",
            "session.reconnect-storm": f"they were {herd.back} clients, each of which came once",
            "http.bad-gateway": "the server had let them all in before",
        },
        says=f"{herd.back} clients that had lost the server together came back together",
        state=State.FAILED if herd.failed > herd.back / 2 else State.DEGRADED,
        at_most=Certainty.CERTAIN if herd.seconds <= 2 else Certainty.LIKELY,
    )


def _is_herd(one: Return) -> bool:
    return (
        one.ended >= MANY
        and one.back >= SHARE_BACK * one.ended
        and one.spread is not None
        and one.spread <= TOGETHER
    )
