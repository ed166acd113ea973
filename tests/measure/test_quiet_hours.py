from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from probe.measure.quiet_hours import QuietHours
from probe.measure.records import Alert, Severity
from probe.model.errors import ConfigError

NIGHTS = ("Mon-Fri 22:00-06:00 Europe/Berlin",)


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def alert(
    name: str = "slow",
    severity: Severity = Severity.WARNING,
    *,
    over: float | None = None,
    repeated: int = 0,
) -> Alert:
    return Alert(
        name=name,
        target="demo",
        severity=severity,
        message="so it is",
        value=1.0,
        threshold=0.5,
        fired_utc=0.0,
        resolved_utc=over,
        repeated=repeated,
    )


@pytest.mark.parametrize(
    ("window", "local", "quiet"),
    [
        (NIGHTS[0], "2026-11-20T21:59", False),  # a Friday
        (NIGHTS[0], "2026-11-20T22:00", True),
        (NIGHTS[0], "2026-11-21T05:59", True),  # still the night of Friday
        (NIGHTS[0], "2026-11-21T06:00", False),
        (NIGHTS[0], "2026-11-21T23:00", False),  # Saturday night
        (NIGHTS[0], "2026-11-23T05:59", False),  # the night of Sunday
        ("Sat,Sun 00:00-24:00 Europe/Berlin", "2026-11-22T23:59", True),
        ("Sat,Sun 00:00-24:00 Europe/Berlin", "2026-11-23T00:00", False),
        ("Sat-Mon 10:00-11:00 Europe/Berlin", "2026-11-23T10:30", True),
        ("Sat-Mon 10:00-11:00 Europe/Berlin", "2026-11-24T10:30", False),
        ("daily 13:00-14:00 Europe/Berlin", "2026-11-25T13:30", True),
        ("sun 01:00-05:00 Europe/Berlin", "2026-03-29T04:59", True),  # clocks go forward at 02:00
        ("sun 01:00-05:00 Europe/Berlin", "2026-03-29T05:00", False),
        ("daily 21:00-22:00 UTC", "2026-07-01T23:30", True),
        ("daily 21:00-22:00 UTC", "2026-12-01T22:30", True),
    ],
)
def test_quiet_is_by_the_clock_on_the_wall(window: str, local: str, quiet: bool) -> None:
    assert QuietHours.parse([window]).are_now(Severity.WARNING, at(local)) == quiet


def test_a_page_passes_unless_the_window_says_all() -> None:
    utc = at("2026-11-21T12:00")
    assert QuietHours.parse(["daily 00:00-24:00 UTC"]).are_now(Severity.PAGE, utc) is False
    assert QuietHours.parse(["daily 00:00-24:00 UTC all"]).are_now(Severity.PAGE, utc) is True


def test_what_still_fires_in_the_morning_is_told_then() -> None:
    hours = QuietHours.parse(NIGHTS)
    page = alert("down", Severity.PAGE)
    assert hours.pass_on([alert(), alert("other"), page], at("2026-11-20T23:00")) == [page]
    assert hours.pass_on([alert("other", over=1.0), alert(repeated=1)], at("2026-11-21T03:00")) == []
    assert hours.pass_on([], at("2026-11-21T05:59")) == []
    assert hours.pass_on([], at("2026-11-21T06:00")) == [alert(repeated=1)]
    assert hours.pass_on([], at("2026-11-21T06:01")) == []


def test_the_end_of_what_was_told_in_the_evening_is_told_in_the_morning() -> None:
    hours = QuietHours.parse(NIGHTS)
    assert hours.pass_on([alert()], at("2026-11-20T21:00")) == [alert()]
    assert hours.pass_on([alert(repeated=1)], at("2026-11-20T22:30")) == []
    assert hours.pass_on([alert(over=1.0)], at("2026-11-20T23:00")) == []
    assert hours.pass_on([], at("2026-11-21T06:00")) == [alert(over=1.0)]
    # Told to be over: what comes and goes in the next night is nobody's business.
    assert hours.pass_on([alert()], at("2026-11-23T23:00")) == []
    assert hours.pass_on([alert(over=2.0)], at("2026-11-23T23:30")) == []
    assert hours.pass_on([], at("2026-11-24T06:00")) == []


def test_without_windows_everything_passes_in_order() -> None:
    several = [alert("b"), alert("a"), alert("c", Severity.INFO)]
    assert QuietHours().pass_on(several, 0.0) == several


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "22:00-06:00",
            "'22:00-06:00' does not consist of days, hours and a time zone, and perhaps the word all. Write it like "
            "'Mon-Fri 22:00-06:00 Europe/Berlin' or 'Sat,Sun 00:00-24:00 UTC all'.",
        ),
        (
            "Mon-Frj 22:00-06:00 UTC",
            "'Frj' in 'Mon-Frj 22:00-06:00 UTC' is no day of the week (did you mean 'Fri'?). "
            "There are Mon, Tue, Wed, Thu, Fri, Sat, Sun, ranges as Mon-Fri, lists as Sat,Sun, and daily.",
        ),
        (
            "Mon 25:00-06:00 UTC",
            "'25:00' in 'Mon 25:00-06:00 UTC' is no time of day. Write it like "
            "'Mon-Fri 22:00-06:00 Europe/Berlin' or 'Sat,Sun 00:00-24:00 UTC all'.",
        ),
        (
            "Mon 06:00-06:00 UTC",
            "'06:00-06:00' in 'Mon 06:00-06:00 UTC' is no stretch of time. A whole day is 00:00-24:00.",
        ),
        (
            "Mon 22:00-06:00 Europe/Berlinn",
            "'Europe/Berlinn' in 'Mon 22:00-06:00 Europe/Berlinn' is no time zone that this machine knows "
            "(did you mean 'Europe/Berlin'?). Write UTC or a name such as Europe/Berlin.",
        ),
    ],
)
def test_a_window_that_is_not_understood_is_explained(line: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        QuietHours.parse([line])
    assert str(caught.value) == f"alerts.quiet: {sentence}"


@pytest.mark.parametrize("zone", ["../etc/passwd", "Europe", "/etc/localtime", "\0"])
def test_a_hostile_zone_is_only_unknown(zone: str) -> None:
    with pytest.raises(ConfigError, match="no time zone"):
        QuietHours.parse([f"Mon 22:00-06:00 {zone}"])
