import random

import pytest

from probe.faults.catalogue import read_fault
from probe.faults.pages import PAGE_FAULTS, PageBoard, page_fault
from probe.faults.signin import (
    Challenge,
    SettingsFlaw,
    SettingsMissing,
    SlowPages,
)
from probe.model.errors import ConfigError


def board(*faults: str, now: float = 100.0) -> PageBoard:
    made = PageBoard(random.Random(1))
    made.set_faults([read_fault(fault) for fault in faults], now)
    return made


def test_a_fault_says_what_it_was_given() -> None:
    assert page_fault(read_fault("signin-settings-missing:flaw=not-json,share=0.5")) == SettingsMissing(
        flaw=SettingsFlaw.NOT_JSON, share=0.5
    )


@pytest.mark.parametrize("name", PAGE_FAULTS)
def test_every_page_fault_can_be_made_as_it_is_in_the_catalogue(name: str) -> None:
    assert page_fault(read_fault(name)) == type(page_fault(read_fault(name)))()


@pytest.mark.parametrize("status", ["302", "503"])
def test_a_challenge_with_another_status_is_refused(status: str) -> None:
    with pytest.raises(ConfigError, match=f"a challenge comes with status 200 or 403, not {status}"):
        read_fault(f"signin-challenge:status={status}")


def test_a_fault_strikes_from_its_start_for_its_duration_counted_from_when_it_was_switched_on() -> None:
    challenged = board("signin-challenge:status=200@10s+5s")
    moments = (100.0, 109.9, 110.0, 114.9, 115.0)
    assert [challenged.strikes(Challenge, now) is not None for now in moments] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert challenged.strikes(Challenge, 110.0) == Challenge(status=200)
    assert challenged.strikes(SlowPages, 110.0) is None


def test_what_stays_switched_on_goes_on_and_the_rest_stops() -> None:
    order = read_fault("signin-challenge@10s")
    changed = board()
    changed.set_faults([order], 100.0)
    changed.set_faults([read_fault("signin-slow"), order], 105.0)
    assert changed.strikes(Challenge, 110.0) is not None
    changed.set_faults([], 111.0)
    assert changed.strikes(Challenge, 111.0) is None


def test_only_a_share_of_the_requests_suffers() -> None:
    shared = board("signin-challenge:share=0.3")
    assert 40 <= sum(shared.strikes(Challenge, 100.0) is not None for _ in range(200)) <= 80
