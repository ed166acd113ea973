"""Staged: load runs, and what they do."""

from collections.abc import Iterable
from functools import partial

from probe.diagnose.case import Case
from probe.diagnose.loaded import Limit, LoadFacts, Moment, Percentile, Return, Waited
from tests.doctor import loads
from tests.doctor.loads import said_alone, said_of
from tests.doctor.staging import SECOND_FORM, Staged, on_paper

SLOW = 9.0
BUSY = (
    Limit(code="cpu", slug="load.generator-saturated", says="The generator used 98% of a core"),
    Limit(
        code="send-lateness", slug="load.generator-saturated", says="The generator sent 2 s later than due"
    ),
)


def saturated() -> Case:
    return Case(load=LoadFacts(limits=BUSY, cpu=0.98, lag=0.4, longest_lag=2.0))


def ramp(*rows: tuple[int, int], overflows: int = 0, again: int = 0) -> tuple[Moment, ...]:
    """Connects begun and opened, second by second; what the kernel counted goes to the first."""
    return tuple(
        Moment(
            second=second,
            begun=begun,
            opened=opened,
            failed={"tcp.timeout": begun - opened} if begun > opened else {},
            queue_overflows=0 if second else overflows,
            syns_again=0 if second else again,
        )
        for second, (begun, opened) in enumerate(rows)
    )


def overflowing() -> Case:
    facts = LoadFacts(
        is_here=True, moments=ramp((100, 20), (2, 2), overflows=80, again=70), connect=SLOW, lag=0.002
    )
    return Case(load=facts)


def overflowing_elsewhere() -> Case:
    """Only the near end is seen: a table on the way may be full as well."""
    facts = LoadFacts(moments=ramp((100, 60), (4, 4), (4, 4), again=90), data_again=0, lag=0.002)
    return Case(load=facts)


def full_table() -> Case:
    facts = LoadFacts(
        moments=ramp((200, 60), (200, 0)), connect=SLOW, tracked=65_536, tracked_limit=65_536, lag=0.002
    )
    return Case(load=facts)


def stood_still() -> Case:
    waited = Waited(
        asked=5000,
        missing=2500,
        longest=5.0,
        percentiles=(Percentile(share=0.99, asked=0.02, wanted=4.6),),
    )
    return Case(load=LoadFacts(waited=waited, longest_lag=0.01))


def refused(*counts: int, kind: str = "http.429", answered: int = 0) -> tuple[Moment, ...]:
    return tuple(
        Moment(second=second, begun=count, failed={kind: count}, answered=answered)
        for second, count in enumerate(counts, 1)
    )


def refused_openly() -> Case:
    return Case(load=LoadFacts(moments=(Moment(second=0, begun=40, opened=40), *refused(20, 20))))


def refused_as_if_away() -> Case:
    """Who is in is served, and for whoever comes the server is away."""
    moments = refused(20, 20, kind="http.bad-gateway", answered=300)
    return Case(load=LoadFacts(moments=(Moment(second=0, begun=40, opened=40), *moments)))


def limited() -> Case:
    rows = (Moment(second=each, begun=20, opened=10, failed={"http.429": 10}) for each in range(5))
    return Case(load=LoadFacts(moments=tuple(rows)))


def came_back(spread: float, **about: int) -> Case:
    one = {"second": 30, "seconds": 1, "ended": 500, "back": 500, "failed": 0} | about
    herd = Return(**one, is_planned=False, spread=spread, pause=1.5)
    return Case(load=LoadFacts(returns=(herd,)))


def healthy(name: str, cases: Iterable[Case]) -> list[Staged]:
    return [
        Staged(code="", name=f"{name} {number}", play=on_paper(lambda case=case: case, "", why=SECOND_FORM))  # type: ignore[misc]
        for number, case in enumerate(cases, 1)
    ]


NO_CORE_TO_SPARE = "with two cores the server takes the other one, and then it is the machine that is full"
ONE_TABLE = "the table's size is the whole machine's, and a namespace of a test's own cannot have another"
SATURATED, QUEUE, TABLE, OMISSION, BAN, HERD = (
    "load.generator-saturated",
    "load.accept-backlog",
    "load.conntrack-full",
    "load.coordinated-omission",
    "load.self-inflicted-ban",
    "load.reconnect-herd",
)
CASES: list[Staged] = [
    Staged(code="", name="a load run", play=said_of(loads.fine, ""), long=True),
    Staged(
        code=SATURATED,
        name="used up and late",
        play=on_paper(saturated, SATURATED, why=NO_CORE_TO_SPARE),
        certain=True,
    ),
    Staged(
        code="host.cpu-starved",
        name="a load run beside others",
        play=said_of(loads.beside_others, "host.cpu-starved"),
        long=True,
    ),
    Staged(
        code="host.fd-limit",
        name="of a load run",
        play=said_of(loads.without_handles, "host.fd-limit"),
        certain=True,
        long=True,
    ),
    Staged(
        code="load.ephemeral-ports",
        name="of a load run",
        play=said_alone("ports", loads.NARROW, "load.ephemeral-ports"),
        certain=True,
        long=True,
    ),
    Staged(
        code=QUEUE,
        name="a short queue",
        play=said_alone("crowded", loads.ALONE, QUEUE),
        certain=True,
        long=True,
    ),
    Staged(
        code=QUEUE,
        name="counted by the server",
        play=on_paper(overflowing, QUEUE, why=SECOND_FORM),
        certain=True,
    ),
    Staged(
        code=QUEUE, name="seen from this end", play=on_paper(overflowing_elsewhere, QUEUE, why=SECOND_FORM)
    ),
    Staged(code=TABLE, name="counted", play=on_paper(full_table, TABLE, why=ONE_TABLE), certain=True),
    Staged(
        code=OMISSION,
        name="a server that stood still",
        play=said_of(loads.stalled, OMISSION),
        certain=True,
        long=True,
    ),
    Staged(
        code=OMISSION, name="on paper", play=on_paper(stood_still, OMISSION, why=SECOND_FORM), certain=True
    ),
    Staged(
        code="",
        name="asked by the clock while a server stood still",
        play=said_of(partial(loads.stalled, "--rate", "50/s"), OMISSION),
        long=True,
    ),
    Staged(code=BAN, name="a door with a counter", play=said_of(loads.banned, BAN)),
    Staged(
        code=BAN,
        name="a door that pretends to be broken",
        play=said_of(partial(loads.banned, "503 Service Unavailable"), BAN),
        long=True,
    ),
    Staged(code=BAN, name="said openly", play=on_paper(refused_openly, BAN, why=SECOND_FORM)),
    Staged(code=BAN, name="as if it were away", play=on_paper(refused_as_if_away, BAN, why=SECOND_FORM)),
    Staged(
        code="http.429", name="a limit that lets some in", play=on_paper(limited, "http.429", why=SECOND_FORM)
    ),
    Staged(
        code=HERD,
        name="cut at once and back at once",
        play=said_of(partial(loads.planned_herd, "0s"), HERD),
        certain=True,
        long=True,
    ),
    Staged(code=HERD, name="dropped by the server", play=said_of(loads.herd, HERD), certain=True, long=True),
    Staged(
        code=HERD,
        name="within a second",
        play=on_paper(partial(came_back, 0.8), HERD, why=SECOND_FORM),
        certain=True,
    ),
    Staged(
        code="",
        name="cut at once and back within six seconds",
        play=said_of(partial(loads.planned_herd, "6s"), HERD),
        long=True,
    ),
    *healthy(
        "a load run",
        (
            came_back(12.0),
            came_back(0.2, ended=5, back=5),
            Case(load=LoadFacts(is_here=True, moments=ramp((100, 100), overflows=3), connect=0.01)),
            Case(load=LoadFacts(moments=ramp((100, 20)), connect=SLOW)),  # nobody knows why
            Case(load=LoadFacts(tracked=100, tracked_limit=65_536)),
        ),
    ),
]
