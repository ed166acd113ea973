"""Whether a load run shows what the server does, or only what the machine that made the load could do.

A rule says when the generator was at a limit, or when something is missing. A run to which one applies is INVALID: its figures are
true of the two together, and must not be shown as the server's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from probe.load.figures import Figures, Generator
from probe.load.permission import read_host
from probe.load.plan import LoadPlan
from probe.model.units import format_duration

ALONE = "alone"  # the name of the only process
FULL = 0.9  # of a core, of the handles, of the ports: beyond it everything waits for it
LATE, LAGGING = 0.010, 0.025  # seconds, at p99: what is less does not show in answers that people notice
VERY_LATE = 0.1  # seconds, at p99: such a load is not the one that was planned, whatever the figures show
OWN_SHARE = 0.1  # of a time at p99; lateness below it changes no figure by more
SHOWN = (0.5, 0.9, 0.95, 0.99)  # quantiles that people are shown
IDLE = 0.5  # of a core: who used less did not keep himself from being on time
PACKED = 0.97  # of all processors of a machine, over the whole run
CROWDED = 0.25  # of all processors of a machine, which everything else on it took
FEWEST = 10  # things that were measured, below which there is nothing to say
REACHED = 0.95  # of the messages that the plan wants
UNSENT = 0.01  # of what was due: the first session takes a moment until it is live


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Five seconds in a row of one worker, in which something was measured."""

    share: float  # of a core
    second: int  # with which they began


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the figures do not say themselves."""

    seconds: float = 0.0  # so long it went
    wanted: float | None = None  # messages by then, as the plan wants; None: it does not say
    busiest: Mapping[str, Busy] = field(default_factory=dict)  # by worker
    lost: Mapping[str, str] = field(default_factory=dict)  # workers, and what is known of it
    refused: Mapping[str, str] = field(default_factory=dict)  # workers, and their versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    code: str
    sentence: str  # what happened, where, and what to do
    slug: str = ""  # the catalogue's name for it; empty: it has none


class Told(NamedTuple):
    """By a rule. The slug stands here where it depends on more than the rule."""

    sentence: str
    slug: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    reasons: tuple[Reason, ...] = ()

    @property
    def is_valid(self) -> bool:
        return not self.reasons

    @property
    def word(self) -> str:
        return "VALID" if self.is_valid else "INVALID"

    @property
    def headline(self) -> str:
        if self.is_valid:
            return "VALID: the load was made as planned; the figures are the server's."
        more = f" (and {len(self.reasons) - 1} more)" if len(self.reasons) > 1 else ""
        return f"INVALID: the figures are not the server's. {self.reasons[0].sentence}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    figures: Figures
    plan: LoadPlan
    around: Around


def judge(figures: Figures, plan: LoadPlan, around: Around | None = None) -> Verdict:
    run = Run(figures=figures, plan=plan, around=around or Around())
    return Verdict(
        reasons=tuple(
            Reason(
                code=code,
                sentence=told.sentence[0].upper() + told.sentence[1:],
                slug=told.slug or SLUGS.get(code, ""),
            )
            for code, find in RULES.items()
            for told in find(run)
        )
    )


def _nothing_measured(run: Run) -> Iterator[Told]:
    requests, connects = run.figures.all_requests(), run.figures.connects
    measured = requests.answered + requests.failures + run.figures.all_ticks().arrived
    measured += connects.opened + sum(connects.failed.values())
    if connects.begun and not connects.opened:
        kinds = ", ".join(f"{count} {kind}" for kind, count in connects.failed.items())
        yield Told(
            f"No session was ever live: none of {connects.begun} connects came through{f' ({kinds})' if kinds else ''}. "
            "See with `probe check` what is wrong there, and run again."
        )
    elif measured < FEWEST:
        yield Told(
            f"Only {measured} things (answers, ticks, connects) were measured in {format_duration(run.around.seconds)}, too few "
            "to say anything. Run it longer, or with more users."
        )


def _busy(run: Run) -> Iterator[Told]:
    for name, generator in run.figures.generators.items():
        share = generator.cpu_seconds / generator.wall_seconds if generator.wall_seconds else 0.0
        worst = run.around.busiest.get(name)
        if share >= FULL:
            when = "over the whole run"
        elif worst is not None and worst.share >= FULL:
            share, when = worst.share, f"in the five seconds from second {worst.second}"
        else:
            continue
        yield Told(
            f"{_who(name)} used {share:.0%} of a core {when}: it had no time left to be on time. "
            "Use more workers on cores of their own, or less load."
        )


def _lagging(run: Run) -> Iterator[Told]:
    limit = max(LAGGING, _typical(run.figures) * OWN_SHARE)
    for name, generator in run.figures.generators.items():
        lag, mostly = generator.lag.quantile(0.99), generator.lag.quantile(0.9)
        if lag is not None and mostly is not None and lag > limit:
            yield Told(
                f"{_who(name)} read {_ms(lag)} late in 1 of 100 moments, and {_ms(mostly)} in 1 of 10 "
                f"(more than {_ms(limit)} shows in the figures). {_held_up_by(generator)}",
                _who_held_up(generator),
            )


def _late(run: Run) -> Iterator[Told]:
    limit = max(LATE, _typical(run.figures) * OWN_SHARE)
    for name, generator in run.figures.generators.items():
        lateness = generator.lateness.quantile(0.99)
        if lateness is not None and lateness > limit and (lateness > VERY_LATE or _shows(run.figures)):
            yield Told(
                f"{_who(name)} sent {_ms(lateness)} later than due in 1 of 100 cases (more than {_ms(limit)} shows in the figures). "
                f"{_held_up_by(generator)}",
                _who_held_up(generator),
            )


def _machine_full(run: Run) -> Iterator[Told]:
    """Whoever answers on the same machine waits for its processors as well."""
    host = read_host(urlsplit(run.plan.url).hostname or "")
    if host is None or not host.is_this_machine:
        return
    for name, generator in run.figures.generators.items():
        if generator.machine_seconds:
            busy = (generator.cpu_seconds + generator.others_seconds) / generator.machine_seconds
            if busy >= PACKED:
                yield Told(
                    f"The machine of {_who(name)} was {busy:.0%} busy, with the server on it: both waited for a processor. "
                    "Use less load, or run it where less else runs."
                )
                return


def _no_handles(run: Run) -> Iterator[Told]:
    if without := run.figures.connects.failed.get("host.fd-limit"):
        yield Told(
            f"{without} connects got no file handle. Raise the limit (ulimit -n), or use more workers."
        )
        return
    for name, generator in run.figures.generators.items():
        used, limit = generator.handles, generator.handle_limit
        if used.is_known and limit.is_known and used.highest >= FULL * limit.highest:
            yield Told(
                f"{_who(name)} had {used.highest:.0f} of {limit.highest:.0f} file handles open. "
                "Raise the limit (ulimit -n), or use more workers."
            )


def _no_ports(run: Run) -> Iterator[Told]:
    if without := run.figures.connects.failed.get("host.no-ports"):
        yield Told(
            f"{without} connects got no local port. "
            "Widen net.ipv4.ip_local_port_range, keep connections open, or use another machine as well."
        )
        return
    for name, generator in run.figures.generators.items():
        used, limit = generator.ports, generator.port_limit
        if used.is_known and limit.is_known and used.highest >= FULL * limit.highest:
            yield Told(
                f"The machine of {_who(name)} had {used.highest:.0f} of {limit.highest:.0f} local ports in use towards the target. "
                "Widen net.ipv4.ip_local_port_range, or use another machine as well."
            )


def _dropped(run: Run) -> Iterator[Told]:
    for name, generator in run.figures.generators.items():
        if generator.dropped_samples:
            yield Told(
                f"{_who(name)} could not keep {generator.dropped_samples} samples: the figures are not whole. Use less load."
            )


def _unsent(run: Run) -> Iterator[Told]:
    figures = run.figures
    unsent, due = sum(each.unsent for each in figures.generators.values()), figures.all_requests().due
    without = figures.sessions.dropped + sum(figures.sessions.lost.values())
    without += sum(figures.connects.failed.values())
    if run.plan.rate is not None and unsent > UNSENT * due and not without:
        yield Told(
            f"{unsent} of {due} messages were due when no session was live, and none had been lost. "
            "Let the users come before the rate, with a ramp or more users."
        )


def _refused(run: Run) -> Iterator[Told]:
    refused: dict[str, int] = {}
    for generator in run.figures.generators.values():
        for what, count in generator.refused.items():
            refused[what] = refused.get(what, 0) + count
    for what, count in refused.items():
        yield Told(
            f"The cap on {what} stopped {count}: less load was made than planned. "
            f"Ask for less, or raise the cap on {what} if the target's owner agrees."
        )


def _lost_workers(run: Run) -> Iterator[Told]:
    for name, why in run.around.lost.items():
        yield Told(
            f"{name} was lost ({why}): what it had not told yet is missing, and its share of the load. "
            "Look into its log, and run again."
        )


def _other_versions(run: Run) -> Iterator[Told]:
    for name, version in run.around.refused.items():
        yield Told(
            f"{name} runs version {version} of tradeprobe, not this one, and was not taken in. "
            "Install the same version on all machines."
        )


def _too_slow(run: Run) -> Iterator[Told]:
    wanted, due = run.around.wanted, run.figures.all_requests().due
    if wanted and run.plan.rate is not None and due < REACHED * wanted:
        yield Told(
            f"{due} messages were asked where the plan wanted {wanted:.0f}: the generator did not reach the rate. "
            "Use more workers, or a lower rate.",
            STARVED if _is_crowded_out(run.figures) else SATURATED,
        )


def _clock_set(run: Run) -> Iterator[Told]:
    for name, generator in run.figures.generators.items():
        if generator.clock_steps:
            yield Told(
                f"The clock of the machine of {_who(name)} was set during the run, {generator.clock_steps} times: "
                "what is told by wall clock is off. Let it settle, and run again."
            )


RULES: Mapping[str, Callable[[Run], Iterator[Told]]] = {
    "nothing-measured": _nothing_measured,
    "worker-lost": _lost_workers,
    "other-version": _other_versions,
    "cpu": _busy,
    "loop-lag": _lagging,
    "send-lateness": _late,
    "machine-full": _machine_full,
    "rate-not-reached": _too_slow,
    "unsent": _unsent,
    "caps": _refused,
    "file-handles": _no_handles,
    "local-ports": _no_ports,
    "samples-dropped": _dropped,
    "clock-set": _clock_set,
}
SATURATED, STARVED, BLOCKED = "load.generator-saturated", "host.cpu-starved", "host.event-loop-blocked"
SLUGS: Mapping[str, str] = {
    "cpu": SATURATED,
    "machine-full": STARVED,
    "file-handles": "host.fd-limit",
    "local-ports": "load.ephemeral-ports",
    "samples-dropped": SATURATED,
    "clock-set": "host.clock-stepped",
}


def _who(name: str) -> str:
    return "the generator" if name == ALONE else name


def _typical(figures: Figures) -> float:
    """The p99 of what was measured most of: lateness is large or small beside it."""
    shown = (figures.all_requests().service, figures.all_ticks().gap, figures.connects.whole)
    return next((p99 for each in shown if (p99 := each.quantile(0.99)) is not None), 0.0)


def _shows(figures: Figures) -> bool:
    """Whether the times from due are visibly longer than those from sent."""
    asked = figures.all_requests()
    for share in SHOWN:
        response, service = asked.response.quantile(share), asked.service.quantile(share)
        if response is None or service is None or response - service > max(LATE, OWN_SHARE * service):
            return True
    return False


def _who_held_up(generator: Generator) -> str:
    """The catalogue's name for why it was late."""
    if _was_busy(generator):
        return SATURATED
    return STARVED if _was_crowded_out(generator) else BLOCKED


def _was_busy(generator: Generator) -> bool:
    return generator.cpu_seconds >= IDLE * generator.wall_seconds


def _was_crowded_out(generator: Generator) -> bool:
    return generator.machine_seconds > 0 and generator.others_seconds >= CROWDED * generator.machine_seconds


def _is_crowded_out(figures: Figures) -> bool:
    generators = figures.generators.values()
    return any(map(_was_crowded_out, generators)) and not any(map(_was_busy, generators))


def _held_up_by(generator: Generator) -> str:
    """What to do about it, by who had the processor."""
    if _was_busy(generator):
        return "Give it a core of its own, use more workers, or less load."
    own = f"It used {generator.cpu_seconds / generator.wall_seconds:.0%} of a core itself"
    if not _was_crowded_out(generator):
        return f"{own}, so it is not the load: run it longer, or where less else runs."
    share = generator.others_seconds / generator.machine_seconds
    return f"{own}; everything else on its machine took {share:.0%} of all processors: run it where less else runs."


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
