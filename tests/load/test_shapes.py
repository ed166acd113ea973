import pytest

from probe.load.plan import Scenario, Stage, Upset, UpsetKind
from probe.load.shapes import (
    Change,
    begins_of,
    happenings,
    in_vain,
    most_rate,
    most_users,
    next_happening,
    rate_at,
    stage_at,
    users_at,
)


def scenario(*stages: Stage) -> Scenario:
    return Scenario(name="made", title="Made for a test.", stages=stages)


UP_AND_DOWN = scenario(
    Stage(name="Up", seconds=10, ramp=4),
    Stage(name="More", seconds=5, users=2, rate=1.5),
    Stage(name="Down", seconds=10, users=0.5, ramp=10, rate=0),
)


def all_of(made: Scenario) -> list[tuple[float, str, int]]:
    return [(each.at, each.change.name, each.stage) for each in happenings(made, after=-1, until=1e9)]


def test_a_stage_begins_with_its_first_moment_and_is_over_with_the_next() -> None:
    assert begins_of(UP_AND_DOWN) == (0, 10, 15, 25)
    moments = (-0.1, 0, 9.999, 10, 14.999, 15, 24.999, 25, 1e9)
    assert [stage_at(UP_AND_DOWN, at) for at in moments] == [None, 0, 0, 1, 1, 2, 2, None, None]


def test_a_ramp_is_a_straight_line_that_is_exact_at_its_ends() -> None:
    moments = (0, 1, 2, 3.99, 4, 9.99, 10, 15, 20, 24.99)
    assert [users_at(UP_AND_DOWN, 100, at) for at in moments] == [1, 25, 50, 100, 100, 100, 200, 200, 125, 50]


def test_a_step_is_taken_at_its_moment_and_not_before() -> None:
    assert [users_at(UP_AND_DOWN, 8, at) for at in (9.999999, 10.0)] == [8, 16]


def test_before_and_after_there_is_nobody() -> None:
    assert [users_at(UP_AND_DOWN, 100, at) for at in (-1, 25, 26)] == [0, 0, 0]
    assert rate_at(UP_AND_DOWN, 100, 25) == 0


def test_the_rate_goes_the_same_way() -> None:
    assert [rate_at(UP_AND_DOWN, 40, at) for at in (0, 2, 4, 10, 15, 20)] == [0, 20, 40, 60, 60, 30]


def test_somebody_is_there_from_the_first_moment_of_a_ramp_and_nobody_at_the_end_of_one_to_nothing() -> None:
    made = scenario(Stage(name="Up", seconds=9, ramp=9), Stage(name="Down", seconds=9, ramp=8, users=0))
    assert [users_at(made, 3, at) for at in (0, 1, 8.9, 9, 16, 17)] == [1, 1, 3, 3, 0, 0]


@pytest.mark.parametrize(("users", "there"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (0, 0)])
def test_a_third_of_few_users_is_at_least_one(users: int, there: int) -> None:
    assert users_at(scenario(Stage(name="Ramp Up", seconds=1, users=1 / 3)), users, 0) == there


def test_the_most_is_that_of_the_highest_stage() -> None:
    assert (most_users(UP_AND_DOWN, 7), most_rate(UP_AND_DOWN, 10)) == (14, 15)


def test_upsets_that_last_end_after_their_time_or_with_their_stage_and_others_do_not_end() -> None:
    made = scenario(
        Stage(name="First", seconds=10),
        Stage(
            name="Second",
            seconds=20,
            upsets=(
                Upset(kind=UpsetKind.LOST_PONG, at=2, seconds=5),
                Upset(kind=UpsetKind.DROP, at=3),
                Upset(kind=UpsetKind.HALF_OPEN, at=4),
            ),
        ),
        Stage(name="Third", seconds=1),
    )
    assert all_of(made) == [
        (0, "STAGE_BEGINS", 0),
        (10, "STAGE_BEGINS", 1),
        (12, "UPSET_BEGINS", 1),
        (13, "UPSET_BEGINS", 1),
        (14, "UPSET_BEGINS", 1),
        (17, "UPSET_ENDS", 1),
        (30, "UPSET_ENDS", 1),
        (30, "STAGE_BEGINS", 2),
        (31, "END", 2),
    ]


def test_a_fault_of_two_stages_in_a_row_stays_on() -> None:
    made = scenario(
        Stage(name="First", seconds=1, faults=("delay", "freeze")),
        Stage(name="Second", seconds=1, faults=("delay",)),
        Stage(name="Third", seconds=1),
    )
    found = happenings(made, after=-1, until=9)
    assert [(each.at, each.change, each.faults) for each in found if each.faults] == [
        (0, Change.FAULTS_ON, ("delay", "freeze")),
        (1, Change.FAULTS_OFF, ("freeze",)),
        (2, Change.FAULTS_OFF, ("delay",)),
    ]


def test_nothing_happens_twice_or_never_however_time_is_cut() -> None:
    made = scenario(*(Stage(name=str(number), seconds=0.7) for number in range(9)))
    cut = [
        each
        for step in range(80)
        for each in happenings(made, after=step * 0.1 - 0.1 if step else -1, until=step * 0.1)
    ]
    assert cut == happenings(made, after=-1, until=1e9)


def test_what_happens_next_and_where_ramps_end() -> None:
    moments = (-1, 0, 4, 9, 10, 24, 25)
    soonest = [next_happening(UP_AND_DOWN, after=at) for at in moments]
    assert soonest == [0, 4, 10, 10, 15, 25, None]


def test_what_is_over_before_a_server_can_notice_it_is_said() -> None:
    def said(kind: UpsetKind, seconds: float | None) -> list[str]:
        upset = Upset(kind=kind, at=5, seconds=seconds)
        stages = (Stage(name="Silent", seconds=60, upsets=(upset,)),)
        return list(in_vain(Scenario(name="made", title="", stages=stages)))

    (only,) = said(UpsetKind.HALF_OPEN, 10)
    assert only.startswith("half-open lasts 10s in stage 'Silent'. A server notices it")
    assert said(UpsetKind.LOST_PONG, None) == said(UpsetKind.DROP, 1) == []
