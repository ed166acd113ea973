import contextlib
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec, Parameter, ParameterType, parse_fault
from probe.faults.stream import STREAM_FAULTS, Delay, Flow, StreamFault, Throttle, stream_fault
from probe.model.errors import ConfigError


class Colour(Enum):
    RED = "red"
    GREEN = "green"


def parameter(
    name: str, type_: ParameterType | type[Enum], default: str | float | Enum, minimum: float = 0.0
) -> Parameter:
    return Parameter(name=name, type=type_, default=default, help="for tests", minimum=minimum)


CATALOGUE = {
    "say": FaultSpec(
        name="say",
        kind=FaultKind.PROTOCOL,
        summary="says something",
        parameters=(
            parameter("text", ParameterType.TEXT, "hello"),
            parameter("wait", ParameterType.SECONDS, 0.5),
            parameter("times", ParameterType.COUNT, 1, minimum=1),
            parameter("shift", ParameterType.NUMBER, 0.0, minimum=float("-inf")),
            parameter("colour", Colour, Colour.RED),
        ),
        finding="session.protocol-error",
    ),
    "hush": FaultSpec(
        name="hush", kind=FaultKind.PROTOCOL, summary="says nothing", finding="session.silent-stall"
    ),
}


def order(
    name: str = "say", start: float = 0.0, duration: float | None = None, **given: str | float | Enum
) -> FaultOrder:
    spec = CATALOGUE[name]
    values = {each.name: given.get(each.name, each.default) for each in spec.parameters}
    return FaultOrder(spec=spec, values=values, start=start, duration=duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say", order()),
        ("hush", order("hush")),
        ("say:wait=20s", order(wait=20.0)),
        ("say:wait=20s,times=3", order(wait=20.0, times=3)),
        ("say:wait=20s:times=3", order(wait=20.0, times=3)),
        ("say:colour=green", order(colour=Colour.GREEN)),
        ("say:shift=-2.5", order(shift=-2.5)),
        ("say@20s", order(start=20.0)),
        ("say@1m30s+250ms", order(start=90.0, duration=0.25)),
        ("say@0.5+2", order(start=0.5, duration=2.0)),
        ("say:times=2@5s+10s", order(times=2, start=5.0, duration=10.0)),
        ("say:text=a,b:c+d:times=2", order(text="a,b:c+d", times=2)),
        ("say:text=a@b@1s", order(text="a@b", start=1.0)),
        ("say:text=", order(text="")),
    ],
)
def test_a_fault_is_read_as_it_is_written(text: str, expected: FaultOrder) -> None:
    assert parse_fault(text, CATALOGUE) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sya", "there is no fault 'sya' (did you mean 'say'?). `probe sim --list-faults` lists them all."),
        ("", "there is no fault ''. `probe sim --list-faults` lists them all."),
        (
            "sya:wait=1s",
            "there is no fault 'sya' (did you mean 'say'?). `probe sim --list-faults` lists them all.",
        ),
        ("sya:5", "there is no fault 'sya' (did you mean 'say'?). `probe sim --list-faults` lists them all."),
        ("say:5s", "'5s' is not a parameter with a value. Write it like name=value."),
        ("say:", "'' is not a parameter with a value. Write it like name=value."),
        (
            "say:wiat=5s",
            "say has no parameter 'wiat' (did you mean 'wait'?). It takes: text, wait, times, shift, colour.",
        ),
        ("hush:wait=5s", "hush has no parameter 'wait'. It takes: none."),
        ("say:wait=1s,wait=2s", "wait is given twice. Remove one of them."),
        (
            "say:wait=soon",
            "'soon' is not a duration. Write it like 20s, 1m30s, 250ms, or 0.5 for half a second.",
        ),
        ("say:times=two", "times is a whole number, not 'two'"),
        ("say:times=0", "times must be at least 1, not '0'"),
        ("say:shift=nan", "shift must be at least -inf, not 'nan'"),
        ("say:colour=gren", "colour cannot be 'gren' (did you mean 'green'?). Choose from: red, green."),
        ("say@", "'' is not a duration. Write it like 20s, 1m30s, 250ms, or 0.5 for half a second."),
        ("say@1s+", "'' is not a duration. Write it like 20s, 1m30s, 250ms, or 0.5 for half a second."),
        ("say@1s+0", "it would last no time at all. Leave +0 out, or give it time."),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_fault(text, CATALOGUE)
    assert str(refused.value) == f"fault {text!r}: {sentence}"


@given(st.text(max_size=30), st.sampled_from(["", "say:", "say:text=", "say@", "say:wait=", "say:times="]))
def test_any_text_is_read_or_refused_in_words(text: str, before: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_fault(before + text, CATALOGUE)


TIMES = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)


@given(
    wait=TIMES,
    times=st.integers(1, 10**6),
    shift=st.floats(allow_nan=False),
    colour=st.sampled_from(Colour),
    start=TIMES,
    duration=st.none() | TIMES.filter(bool),
)
def test_an_order_shown_is_read_back_as_itself(
    wait: float, times: int, shift: float, colour: Colour, start: float, duration: float | None
) -> None:
    given = order(wait=wait, times=times, shift=shift, colour=colour, start=start, duration=duration)
    assert parse_fault(str(given), CATALOGUE) == given


def test_an_order_shows_only_what_was_chosen() -> None:
    assert (
        str(parse_fault("delay:seconds=0.2,direction=down@0s+1m", STREAM_FAULTS))
        == "delay:direction=down@0s+1m"
    )


def test_every_stream_fault_of_the_catalogue_can_be_ordered_by_its_name_alone() -> None:
    built = [stream_fault(parse_fault(name, STREAM_FAULTS)) for name in STREAM_FAULTS]
    assert [fault.name for fault in built] == list(STREAM_FAULTS)
    assert list(STREAM_FAULTS) == [
        "delay",
        "jitter",
        "slice",
        "throttle",
        "freeze",
        "cut",
        "reset",
        "corrupt",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("delay:seconds=0.3:direction=down", Delay(seconds=0.3, direction=Flow.DOWN)),
        ("delay:share=0.5@20s+5s", Delay(share=0.5, start=20.0, duration=5.0)),
        ("throttle:bytes_per_second=64KiB/s", Throttle(bytes_per_second=65536.0)),
    ],
)
def test_an_order_builds_the_stream_fault_it_asks_for(text: str, fault: StreamFault) -> None:
    assert stream_fault(parse_fault(text, STREAM_FAULTS)) == fault


@pytest.mark.parametrize(
    "text", ["slice:bytes=0", "throttle:bytes_per_second=0", "corrupt:probability=1.5", "cut:share=-1"]
)
def test_a_stream_fault_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must be"):
        parse_fault(text, STREAM_FAULTS)


def test_an_impossible_stream_fault_cannot_be_made_in_code_either() -> None:
    with pytest.raises(ValueError, match="delay: seconds must be at least 0"):
        Delay(seconds=-1)
    with pytest.raises(ValueError, match="lasts more than 0 seconds"):
        Delay(duration=0)
