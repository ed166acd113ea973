import resource

import pytest

from tests.soak.sessions import run


@pytest.mark.long
@pytest.mark.alone
def test_a_thousand_sessions_are_held_without_one_lost() -> None:
    hold(1_000, minutes=0.5)


def test_a_few_sessions_are_held_without_one_lost() -> None:
    hold(20, minutes=0.03)


def hold(sessions: int, minutes: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < sessions + 100:
        pytest.skip(f"a process may open {hard} files here, and {sessions} sessions need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, sessions + 100), hard))
    figures = run(sessions, minutes, settle_seconds=60.0 if sessions > 100 else 0.0)
    print("\n".join(("", *figures.lines())))
    assert (figures.streaming, figures.lost, figures.incidents) == (sessions, 0, 0)
    assert figures.ticks > sessions * (
        1.8 * figures.seconds - 2
    )  # two a second each, and the edges of the look
    assert figures.growth < 0.05
    # Five times what is promised on a machine at rest, beside what this one does to a process that does nothing.
    assert figures.lag_p99 < 0.1 + figures.idle_lag_p99
