import gevent
import pytest

from loadtests.parked import LATE, Parked


def test_who_waits_gets_what_he_is_woken_with_by_another_greenlet() -> None:
    parked = Parked()
    waiting = gevent.spawn(parked.wait, 10.0)
    gevent.sleep(0)
    parked.wake("told")
    assert waiting.get(timeout=10) == "told"


def test_who_waits_too_long_is_told_so() -> None:
    assert Parked().wait(0.001) is LATE


def test_what_comes_before_somebody_waits_is_there_and_disturbs_nothing_else_he_waits_for() -> None:
    parked = Parked()
    parked.wake("early")
    gevent.sleep(0.001)  # a switch from elsewhere would be an error here
    assert parked.wait() == "early"


def test_what_comes_after_his_time_is_for_nobody() -> None:
    parked = Parked()
    parked.wait(0.001)
    parked.wake("late")
    gevent.sleep(0.001)
    gevent.get_hub().loop.run_callback(parked.wake, "later")
    gevent.sleep(0.001)


def test_one_that_is_killed_while_it_waits_is_not_woken() -> None:
    parked = Parked()
    waiting = gevent.spawn(parked.wait)
    gevent.sleep(0)
    waiting.kill()
    parked.wake("told")
    gevent.sleep(0)
    assert isinstance(waiting.value, gevent.GreenletExit)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
        Parked().wait()
