import re

from probe.gateway.sessions import CLIENTS_KEPT, LIFETIME, MOST_SESSIONS, TRIES, Sessions, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_of_the_contracts_form_and_never_the_same() -> None:
    sessions = Sessions(Clock())
    tokens = {sessions.open() for _ in range(10)}
    assert len(tokens) == 10
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_only_hashes_are_kept() -> None:
    sessions = Sessions(Clock())
    token = sessions.open()
    assert token.encode() not in b"".join(sessions._ends)
    assert token not in repr(vars(sessions))


def test_a_token_opens_nothing_after_its_day_or_its_logout() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first, second = sessions.open(), sessions.open()
    sessions.close(first)
    assert (sessions.holds(first), sessions.holds(second), sessions.count()) == (False, True, 1)
    clock.now += LIFETIME - 1
    assert sessions.holds(second)
    clock.now += 1
    assert (sessions.holds(second), sessions.count()) == (False, 0)


def test_one_session_too_many_ends_the_oldest() -> None:
    sessions = Sessions(Clock())
    tokens = [sessions.open() for _ in range(MOST_SESSIONS + 1)]
    assert [sessions.holds(token) for token in tokens] == [False] + [True] * MOST_SESSIONS


def test_no_text_can_break_the_look_up() -> None:
    sessions = Sessions(Clock())
    sessions.open()
    assert [sessions.holds(token) for token in ("", "\ud800", "x" * 100_000)] == [False] * 3


def test_the_throttle_says_how_long_to_wait_and_forgets_after_a_minute() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert [throttle.wait("a") for _ in range(TRIES)] == [0] * TRIES
    clock.now += 20.5
    assert (throttle.wait("a"), throttle.wait("b")) == (40, 0)
    clock.now += 39.5
    assert throttle.wait("a") == 0


def test_the_throttle_remembers_so_many_clients_and_no_more() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(CLIENTS_KEPT * 2):
        clock.now += 10
        throttle.wait(str(number))
    assert len(throttle._of_client) == CLIENTS_KEPT
