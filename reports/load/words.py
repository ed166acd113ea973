"""Figures and findings of a load run as a person is told them."""

from collections.abc import Iterator, Mapping, Sequence

from probe.load.bottleneck import Bottleneck, Where
from probe.load.figures import Figures
from probe.model.findings import Certainty
from reports.words import duration, share


def kinds(failed: Mapping[str, int]) -> str:
    return ", ".join(f"{times:,} {kind}" for kind, times in sorted(failed.items(), key=lambda each: -each[1]))


def where(found: Bottleneck) -> str:
    sure = {
        Certainty.CERTAIN: "It was",
        Certainty.LIKELY: "It was likely",
        Certainty.POSSIBLE: "It was possibly",
        Certainty.UNDETERMINED: "",
    }[found.certainty]
    match found.where:
        case Where.NOTHING:
            return "Nothing ran out in this run."
        case Where.UNKNOWN:
            return "Where the time went cannot be told."
        case _:
            return f"{sure} {_PLACES[found.where]}."


_PLACES = {
    Where.GENERATOR: "this side: the generator that made the load",
    Where.NETWORK: "the way between the generator and the server",
    Where.ACCEPT: "the server, where it accepts sessions",
    Where.ANSWER: "the server, where it answers",
    Where.FAN_OUT: "the server, where it pushes its stream to everybody",
}
_ADVICE = {
    Where.GENERATOR: (
        "Do not read these figures as the server's. Run it again with more workers, on more machines, or with fewer users, until the "
        "verdict is VALID."
    ),
    Where.NETWORK: (
        "Run the same from a machine beside the server. If the times fall, it is the way (distance, a proxy, a full line); if they "
        "stay, it is the server after all."
    ),
    Where.ACCEPT: (
        "Look at what the server does for a new session: TLS handshakes, the upgrade, the login's look-ups, and the length of its "
        "accept queue. A gentler ramp tells whether it is the number of sessions, or how fast they come."
    ),
    Where.ANSWER: (
        "Look at what the server does for the slowest operation in the table below, at the moments in which it was slow. Heartbeats "
        "that are slow as well mean that its whole process stood still: garbage collection, a lock, a blocking call."
    ),
    Where.FAN_OUT: (
        "Look at how the server hands a tick to all sessions: one loop over all of them, or one slow reader that all others wait for. "
        "The skew says how much later the last session had the same tick."
    ),
    Where.NOTHING: "The limit lies higher than this; a run with more users, or a search for the capacity, will find it.",
    Where.UNKNOWN: "Let it run longer, or with more users, so that there is something to hold against each other.",
}


def recommendations(total: Figures, found: Bottleneck, *, broken: Sequence[str]) -> Iterator[str]:
    """What to do next, the most urgent first."""
    yield _ADVICE[found.where]
    if found.where is Where.GENERATOR:
        return
    if broken:
        yield f"Not kept: {'; '.join(broken)}. Lower the load until it is, and compare: the step between the two is where to look."
    asked, sessions = total.all_requests(), total.sessions
    waited, served = asked.response.quantile(0.99), asked.service.quantile(0.99)
    if waited and served and waited > 1.5 * served and waited - served > 0.02:
        yield (
            f"Who counts only from sending sees p99 {duration(served)}; who wanted it at its time waited {duration(waited)}. Quote the latter."
        )
    if asked.failures and asked.due:
        yield f"{share(asked.failures, asked.due)} of what was asked failed ({kinds(asked.failed)}). Failed answers are in no percentile."
    if lost := sum(sessions.lost.values()):
        yield f"{lost:,} sessions were lost while they were live ({kinds(sessions.lost)}). Ask the server's log for the same moments."
    if sessions.beats_missed:
        yield f"{sessions.beats_missed:,} heartbeats were not answered in time: sessions that look alive and are not."
    ticks = total.all_ticks()
    if ticks.out_of_order or ticks.duplicates:
        yield f"The stream repeated {ticks.duplicates:,} ticks and turned {ticks.out_of_order:,} around. Users of it must be ready for both."
    recovered = sessions.recovery.quantile(0.99)
    if recovered is not None:
        yield f"After a loss a session was live again within {duration(recovered)} (p99); that is what an outage costs on top of itself."
