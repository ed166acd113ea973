import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model.errors import ConfigError
from probe.model.units import format_duration, parse_duration, parse_moment, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20.0),
        ("1m30s", 90.0),
        ("250ms", 0.25),
        ("0.5", 0.5),
        (".5", 0.5),
        ("20", 20.0),
        ("2h", 7200.0),
        ("1d12h", 129600.0),
        ("1.5m", 90.0),
        ("1s500ms", 1.5),
        ("3us", 3e-6),
        ("0", 0.0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "20x", "1s1m", "-1s", "1 s", "1m30", "nan", "inf", "1e3", "20S", "٣s", "9" * 400]
)
def test_what_is_not_a_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_duration(text, where="--for")
    assert str(refused.value) == (
        f"--for: {text!r} is not a duration. Write it like 20s, 1m30s, 250ms, or 0.5 for half a second."
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (0.0123456, "12.346ms"),
        (1.0, "1s"),
        (20.5, "20.5s"),
        (60.0, "1m"),
        (90.0, "1m30s"),
        (90.25, "1m30.25s"),
        (7200.0, "2h"),
        (86461.0, "1d1m1s"),
        (-0.25, "-250ms"),
    ],
)
def test_durations_are_shown_as_people_write_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**13))
def test_a_duration_shown_is_read_back_to_the_microsecond(microseconds: int) -> None:
    shown = format_duration(microseconds / 1e6)
    assert round(parse_duration(shown) * 1e6) == microseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1500", 1500), ("64KiB", 65536), ("64kB", 64000), ("1.5KiB", 1536), ("2mib", 2 * 2**20), ("7B", 7)],
)
def test_sizes_are_read_in_both_families_of_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "1.5", "-1", "64Kib/s", "1 MB", "3 apples", "9" * 400])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("200/s", 200.0), ("200", 200.0), ("30/min", 0.5), ("30/m", 0.5), ("36/h", 0.01), ("64KiB/s", 65536.0)],
)
def test_rates_are_read_per_second(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "/s", "200/", "200/day", "fast", "-1/s"])
def test_what_is_not_a_rate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a rate"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2023-11-15", 1_700_006_400.0),
        ("2023-11-15T12:00", 1_700_049_600.0),
        ("2023-11-15T12:00:00Z", 1_700_049_600.0),
        ("2023-11-15T14:00:00+02:00", 1_700_049_600.0),
        ("2h", 1_700_049_600.0 - 7200),
        ("1d12h", 1_700_049_600.0 - 129_600),
    ],
)
def test_moments_are_utc_or_so_long_ago(text: str, utc: float) -> None:
    assert parse_moment(text, 1_700_049_600.0) == utc


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-01", "-2h", "2023-11-15T25:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a moment"):
        parse_moment(text, 0.0)
