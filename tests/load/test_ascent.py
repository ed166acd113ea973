from dataclasses import dataclass, field

from probe.load.ascent import JUDGED_WITHIN, Ascent, arrives_within
from probe.load.capacity import SearchEnd
from probe.load.figures import Figures, Generator, Requests
from probe.load.plan import LoadPlan, Scenario, SearchBy, SearchPlan, Stage
from probe.load.thresholds import read_threshold

THRESHOLDS = ("response p99 < 250ms", "connect-success >= 99%")


@dataclass
class Server:
    """Answers fast up to so many users or messages a second; each second of the run is told `late` seconds after it."""

    capacity: float
    most_sessions: float = 1e9
    late: int = 2
    busy_above: float = 1e9  # where the generator has no time left
    levels: dict[int, float] = field(default_factory=dict)  # by second
    now: int = 0
    is_silent: bool = False

    def told(self, first: int, until: int) -> Figures | None:
        if self.is_silent or self.now < until - 1 + self.late:
            return None
        whole = Figures()
        for second in range(first, until):
            level = self.levels[second]
            figures = Figures(requests={"balance": Requests()}, generators={"one": Generator()})
            balance = figures.requests["balance"]
            balance.due = balance.sent = balance.answered = max(1, round(level))
            seconds = 0.02 if level <= self.capacity else 0.4
            balance.response.add_all([seconds] * balance.answered)
            balance.service.add_all([seconds] * balance.answered)
            figures.generators["one"].wall_seconds = 1.0
            figures.generators["one"].cpu_seconds = 0.95 if level > self.busy_above else 0.2
            if second - 1 not in self.levels or level > self.levels[second - 1]:  # those that came new
                figures.connects.begun = figures.connects.opened = 5
            whole.add(figures, later=True)
        return whole


def plan(by: SearchBy, most: float, thresholds: tuple[str, ...] = THRESHOLDS) -> LoadPlan:
    return LoadPlan(
        run="r",
        broker="pocketoption",
        url="ws://127.0.0.1:1",
        users=10,
        rate=5.0 if by is SearchBy.RATE else None,
        scenario=Scenario(
            name="made",
            title="Made for a test.",
            stages=(Stage(name="All", seconds=10),),
            thresholds=tuple(map(read_threshold, thresholds)),
        ),
        search=SearchPlan(by=by, most=most),
    )


def climbed(
    server: Server,
    *,
    by: SearchBy = SearchBy.USERS,
    most: float = 1000,
    thresholds: tuple[str, ...] = THRESHOLDS,
) -> tuple[Ascent, int]:
    """And how many seconds that took."""
    ascent = Ascent(plan(by, most, thresholds), server.told)
    for second in range(20_000):
        server.now = second
        level = ascent.level
        if level is None:
            return ascent, second
        live = int(min(ascent.users, server.most_sessions))
        ascent.advance(float(second), live)
        if ascent.level is not None:
            server.levels[second] = ascent.level.value
    raise AssertionError("it does not come to an end")


def test_the_capacity_is_found_by_users() -> None:
    result = climbed(Server(capacity=90))[0].result
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.FOUND, 88, 96)
    assert result.broken_by == ("response p99 < 250ms",)


def test_the_capacity_is_found_by_rate_while_users_stay() -> None:
    ascent, _ = climbed(Server(capacity=310), by=SearchBy.RATE)
    assert (ascent.result.end, ascent.result.highest_held, ascent.users) == (SearchEnd.FOUND, 304, 10)


def test_each_level_settles_before_its_window() -> None:
    ascent = Ascent(plan(SearchBy.USERS, 8), Server(capacity=9).told)
    asked: list[tuple[int, int]] = []
    ascent._told = lambda first, until: asked.append((first, until))
    for second in range(20):
        ascent.advance(float(second), 1)
    assert asked[:2] == [(0, 13), (3, 13)]  # settles three seconds, and is judged by the ten after them


def test_users_who_do_not_come_break_a_level() -> None:
    result = climbed(Server(capacity=1e9, most_sessions=50), most=200)[0].result
    assert (result.end, result.highest_held, result.lowest_broken) == (SearchEnd.FOUND, 48, 52)
    assert result.broken_by == ("only 50 of 52 sessions were live",)


def test_it_waits_for_users_who_are_on_their_way() -> None:
    ascent = Ascent(plan(SearchBy.USERS, 8), lambda first, until: None)
    ascent.advance(0.0, 0)
    assert ascent._window is None
    ascent.advance(4.0, 1)
    assert ascent._window == (7, 17)


def test_it_does_not_wait_for_ever() -> None:
    ascent = Ascent(plan(SearchBy.USERS, 8), lambda first, until: None)
    for second in range(17):
        ascent.advance(float(second), 0)
    assert ascent._window == (int(arrives_within(1) + 0.99) + 3, int(arrives_within(1) + 0.99) + 13)


def test_a_busy_generator_ends_it() -> None:
    result = climbed(Server(capacity=1e9, busy_above=100))[0].result
    assert (result.end, result.highest_held, result.is_confirmed) == (SearchEnd.GENERATOR, 64, False)
    assert [each.level.value for each in result.tried[-2:]] == [128, 128]
    assert "used 95% of a core" in result.tried[-1].judged.broken[0]


def test_a_window_that_lies_a_message_off_is_not_taken_for_a_slow_generator() -> None:
    class OneLess(Server):
        def told(self, first: int, until: int) -> Figures | None:
            whole = super().told(first, until)
            if whole is not None:
                whole.requests["balance"].due = round(self.levels[first] * (until - first)) - self.missing
            return whole

        missing = 1

    assert climbed(OneLess(capacity=20), by=SearchBy.RATE, most=50)[0].result.end is SearchEnd.FOUND
    OneLess.missing = 3
    assert climbed(OneLess(capacity=20), by=SearchBy.RATE, most=50)[0].result.end is SearchEnd.GENERATOR


def test_figures_that_never_come_end_it() -> None:
    server = Server(capacity=1e9, is_silent=True)
    ascent, seconds = climbed(server)
    assert ascent.result.end is SearchEnd.NOT_JUDGED
    assert seconds <= 2 * (3 + 10 + JUDGED_WITHIN + 2)


def test_a_threshold_on_connects_looks_at_how_the_level_came_about() -> None:
    result = climbed(Server(capacity=90))[0].result
    first = result.tried[0].judged.evidence
    assert any(said.startswith("connect-success >= 99%: held") for said in first)


def test_a_level_for_which_nobody_had_to_connect_is_not_asked_how_that_went() -> None:
    """The confirmation has the users that the level before it had."""
    result = climbed(Server(capacity=90), thresholds=("connect-success >= 99%", "connect p99 < 1s"), most=90)[
        0
    ].result
    assert (result.end, result.highest_held, result.is_confirmed) == (SearchEnd.NO_LIMIT, 90, True)
    assert result.tried[-1].judged.held
    assert result.tried[-1].judged.evidence == ()


def test_a_search_of_a_minute_and_more_takes_as_long_as_its_windows() -> None:
    ascent, seconds = climbed(Server(capacity=90))
    windows = sum(each.level.seconds for each in ascent.result.tried)
    assert seconds <= windows + len(ascent.result.tried) * (3 + 2 + 2)
