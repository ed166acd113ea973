"""Which failures of the catalogue a run shows, by the rules that judge connections too."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from math import inf
from urllib.parse import urlsplit

from probe.brokers import all_brokers
from probe.diagnose.case import Case
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.diagnose.loaded import Limit, LoadFacts, Moment, Percentile, Return, Waited
from probe.load.figures import Figures, Generator
from probe.load.mergeable import Level
from probe.load.permission import read_host
from probe.load.record import Point, RunRecord
from probe.load.verdict import SHOWN
from probe.measure.histogram import Histogram

SHORTEST_PACE = 0.01  # seconds: who asks faster has no schedule that could be missed
FEW = 0.1  # of the sessions that ended at once at the worst: so many may end at any time
TCP, UPGRADE = "connecting", "upgrading"  # phases in which one waits for a listener


def causes(record: RunRecord) -> tuple[Verdict, ...]:
    """What to act on first comes first."""
    broker = next((each for each in all_brokers() if each.name == record.plan.broker), None)
    return diagnose(load_case(record), rules_for(broker)).verdicts


def unsaid(record: RunRecord) -> tuple[Verdict, ...]:
    """Those that are no reason of the run's own verdict, which says them already."""
    said = {each.slug for each in record.verdict.reasons}
    return tuple(each for each in causes(record) if each.code not in said)


def load_case(record: RunRecord) -> Case:
    """All that a run knows, of its own or of somebody else's document."""
    total, generators = record.total, record.total.generators.values()
    host = read_host(urlsplit(record.plan.url).hostname or "")
    limits = (
        Limit(code=each.code, slug=each.slug, says=each.sentence.rstrip("."))
        for each in record.verdict.reasons
        if each.slug
    )
    facts = LoadFacts(
        is_here=host is not None and host.is_this_machine,
        moments=tuple(map(_moment, record.timeline)),
        returns=tuple(_returns(list(record.timeline))),
        limits=tuple(limits),
        lag=_most(each.lag.quantile(0.99) for each in generators),
        longest_lag=_most(each.lag.quantile(1.0) for each in generators),
        cpu=_most([*map(_share, generators), *(each.share for each in record.busiest.values())]),
        others=_most(
            each.others_seconds / each.machine_seconds for each in generators if each.machine_seconds
        ),
        connect=total.connects.phases.get(TCP, Histogram()).quantile(0.99),
        upgrade=total.connects.phases.get(UPGRADE, Histogram()).quantile(0.99),
        data_again=max((each.data_again for each in generators), default=None),
        tracked=_highest(each.tracked for each in generators),
        tracked_limit=_highest(each.tracked_limit for each in generators),
        waited=_waited(record),
    )
    return Case(load=facts)


def _moment(point: Point) -> Moment:
    figures = point.figures
    connects, generators = figures.connects, figures.generators.values()
    return Moment(
        second=point.second,
        seconds=point.seconds,
        begun=connects.begun,
        opened=connects.opened,
        failed=dict(connects.failed),
        answered=_answers(figures),
        # Each of several processes on one machine counts the same.
        queue_overflows=max((each.queue_overflows for each in generators), default=0),
        syns_again=max((each.syns_again for each in generators), default=0),
    )


def _answers(figures: Figures) -> int:
    return figures.all_requests().answered + figures.all_ticks().arrived + figures.sessions.beats_answered


# -- who lost the server together --------------------------------------------------------------------------------------


def _returns(points: Sequence[Point]) -> Iterator[Return]:
    """One for each time at which many sessions ended, up to the next one."""
    most = max((_ended(each.figures) for each in points), default=0)
    many = [each for each in points if _ended(each.figures) > FEW * most]
    # What ended in the second after belongs to the same end, which a border has cut in two.
    firsts: list[Point] = []
    for each in many:
        if not firsts or each.second > firsts[-1].second + each.seconds:
            firsts.append(each)
    for first, after in zip_longest(firsts, firsts[1:]):
        last = inf if after is None else after.second
        until = [each for each in points if first.second <= each.second < last]
        ends = [
            each for each in until if each.second <= first.second + first.seconds and _ended(each.figures)
        ]
        pauses = Histogram()
        for each in until:
            pauses.merge(each.figures.sessions.pause)
        soon, middle, late = map(pauses.quantile, (0.1, 0.5, 0.9))
        yield Return(
            second=first.second,
            seconds=sum(each.seconds for each in ends),
            ended=sum(_ended(each.figures) for each in ends),
            is_planned=any(each.figures.sessions.dropped for each in ends),
            back=pauses.count,
            spread=None if soon is None or late is None else late - soon,
            pause=middle,
            failed=sum(sum(each.figures.connects.failed.values()) for each in until),
        )


def _ended(figures: Figures) -> int:
    return sum(figures.sessions.lost.values()) + figures.sessions.dropped


# -- who waited instead of asking --------------------------------------------------------------------------------------


def _waited(record: RunRecord) -> Waited | None:
    """Of users who each ask when they have their answer, and a while after they asked last."""
    plan, scenario = record.plan, record.plan.scenario
    if plan.rate is not None or plan.replay is not None or not scenario.persistent:
        return None
    asked, wanted = Histogram(), Histogram()
    for number, stage in record.stages.items():
        known = number < len(scenario.stages) and plan.search is None
        own = scenario.stages[number if known else -1].pace
        pace = scenario.pace if own is None else own
        if pace < SHORTEST_PACE:
            continue
        for name, requests in stage.figures.requests.items():
            if name in scenario.operations:
                asked.merge(requests.service)
                _add_wanted(wanted, requests.service, pace)
    if not asked.count:
        return None
    return Waited(
        asked=asked.count,
        missing=wanted.count - asked.count,
        longest=asked.largest,
        percentiles=tuple(
            Percentile(share=share, asked=asked.quantile(share) or 0.0, wanted=wanted.quantile(share) or 0.0)
            for share in SHOWN
        ),
    )


def _add_wanted(wanted: Histogram, service: Histogram, pace: float) -> None:
    """Who waited for longer than his pace would have asked again meanwhile, and waited for the rest of it each time."""
    for begins, ends, count in service.buckets():
        waited = (begins + ends) / 2
        wanted.add(waited, count)
        while (waited := waited - pace) >= pace:
            wanted.add(waited, count)


# -- small things ------------------------------------------------------------------------------------------------------


def _share(generator: Generator) -> float | None:
    return generator.cpu_seconds / generator.wall_seconds if generator.wall_seconds else None


def _most(values: Iterable[float | None]) -> float | None:
    return max((each for each in values if each is not None), default=None)


def _highest(levels: Iterable[Level]) -> int | None:
    known = _most(each.highest for each in levels if each.is_known)
    return None if known is None else int(known)
