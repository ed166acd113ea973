"""What a monitor makes of a network that fails: real processes and sockets, over links between two namespaces."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.monitor.namespaces import Line, dated, joined

LEARNT = 13.0  # seconds of two prices each, after which a symbol's usual gap is known
RECONNECTED = (
    8.0  # after two connections in a row that failed: up to 4 s, and the new one with its first answer
)
MTU_HOLE = 600  # smaller than what TLS and the broker's lists come in, larger than all else
NETWORK = "the network between"
SIGTERM_STATUS = 143


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    began: float  # UTC, as all times of lines
    ended: float
    lines: list[Line]

    def seconds_to(self, wanted: Callable[[Line], bool], *, since: float) -> float:
        return dated(self.first(wanted, since=since)) - since

    def first(self, wanted: Callable[[Line], bool], *, since: float = 0.0) -> Line:
        return next(each for each in self.lines if dated(each) >= since and wanted(each))

    @property
    def incidents(self) -> list[Line]:
        """Those that are over."""
        return [each for each in self.lines if incident_over(each)]


def of_state(state: str) -> Callable[[Line], bool]:
    return lambda line: line["kind"] == "state" and line["condition"]["state"] == state


streaming, stalled = of_state("streaming"), of_state("stalled")


def left_streaming(line: Line) -> bool:
    return bool(line["kind"] == "state" and line["before"] == "streaming")


def disconnected(line: Line) -> bool:
    return bool(line["kind"] == "disconnect")


def refused(line: Line) -> bool:
    return bool(line["kind"] == "attempt" and line["purpose"] == "hold" and line["failure"] is not None)


def incident_over(line: Line) -> bool:
    return bool(line["kind"] == "incident" and line["ended_utc"] is not None)


def ticked(line: Line) -> bool:
    return bool(line["kind"] == "tick")


def pinged(line: Line) -> bool:
    return bool(line["kind"] == "sample" and line["metric"] == "ws_ping_rtt_seconds")


def test_a_reset_is_noticed_within_a_second_and_made_good(tmp_path: Path) -> None:
    with joined(tmp_path, ["reset"]) as pair:
        watching = pair.watch("reset")
        watching.until(streaming)
        began = pair.reset("reset")
        left = watching.until(left_streaming, began)
        lost = watching.until(disconnected, began)
        watching.until(streaming, began)
        held = pair.client.held_sockets()
        status, complaints = watching.end()
        held_after = pair.client.held_sockets()
    assert left["at_utc"] - began < 1.0
    assert (lost["initiator"], lost["failure"]["code"]) == ("network", "session.tcp-reset")
    assert (held, held_after) == (1, 0)
    assert (status, complaints) == (SIGTERM_STATUS, "")


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fault]:
    """All at the same time, each to a session of its own; what is left behind is looked at here, for all of them."""
    with joined(tmp_path_factory.mktemp("net"), ["reset", "cut", "hole"], ["slow", "narrow"]) as pair:
        began = {"narrow": pair.worsen("narrow", longest=MTU_HOLE)}
        monitors = {name: pair.watch(name) for name in pair.links}
        for name in ("reset", "cut", "hole", "slow"):
            live = monitors[name].until(streaming)
            monitors[name].until(ticked, live["at_utc"] + LEARNT)
        began["hole"], began["cut"] = pair.blackhole("hole"), pair.cut("cut")
        began["slow"] = pair.worsen("slow", lost=0.2, delay=0.2)
        began["reset"] = ended_reset = pair.reset("reset")

        monitors["narrow"].until(refused)
        ended = {"reset": ended_reset, "narrow": pair.worsen("narrow")}
        monitors["slow"].until(pinged, began["slow"], within=60.0)  # the first may be lost
        ended["slow"] = pair.worsen("slow")
        monitors["cut"].until(refused, began["cut"])
        ended["cut"] = pair.uncut("cut")
        monitors["hole"].until(disconnected, began["hole"])
        ended["hole"] = pair.unblackhole("hole")
        for name in ("reset", "cut", "hole", "narrow"):
            monitors[name].until(incident_over, began[name])
        assert pair.client.held_sockets() == len(monitors)
        ends = {name: each.end() for name, each in monitors.items()}
        assert ends == dict.fromkeys(monitors, (SIGTERM_STATUS, ""))
        assert pair.client.held_sockets() == 0
    return {
        name: Fault(began=began[name], ended=ended[name], lines=each.lines) for name, each in monitors.items()
    }


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize(
    ("name", "code"),
    [("reset", "session.tcp-reset"), ("cut", "session.half-open"), ("hole", "session.half-open")],
)
def test_a_lost_network_is_one_incident_as_long_as_it_was_and_the_networks_fault(
    faults: dict[str, Fault], name: str, code: str
) -> None:
    fault = faults[name]
    [incident] = fault.incidents
    again = dated(fault.first(streaming, since=fault.began))
    assert (incident["cause"], incident["code"], incident["blame"]) == ("disconnected", code, NETWORK)
    assert again - fault.ended < RECONNECTED
    assert incident["ended_utc"] == pytest.approx(again, abs=0.5)
    assert incident["blind_seconds"] == pytest.approx(again - fault.began, abs=2.0)


@pytest.mark.long
@pytest.mark.alone
def test_a_reset_of_a_long_session_is_noticed_within_a_second(faults: dict[str, Fault]) -> None:
    assert faults["reset"].seconds_to(left_streaming, since=faults["reset"].began) < 1.0


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("name", ["cut", "hole"])
def test_silence_is_a_stall_within_seconds_and_the_end_within_thirty(
    faults: dict[str, Fault], name: str
) -> None:
    fault = faults[name]
    told = [each for each in fault.lines if each["kind"] == "incident"]
    assert {each["blame"] for each in told} == {"not known", NETWORK}
    assert fault.seconds_to(stalled, since=fault.began) < 5.5
    assert fault.seconds_to(disconnected, since=fault.began) < 30.0
    assert fault.first(disconnected)["initiator"] == "network"


@pytest.mark.long
@pytest.mark.alone
def test_a_link_that_is_down_is_named_while_it_is(faults: dict[str, Fault]) -> None:
    failure = faults["cut"].first(refused)["failure"]
    assert (failure["code"], failure["blame"]) == ("tcp.unreachable", NETWORK)


@pytest.mark.long
@pytest.mark.alone
def test_loss_and_delay_are_measured_and_no_disconnection(faults: dict[str, Fault]) -> None:
    fault = faults["slow"]
    assert fault.first(pinged)["value"] < 0.2
    assert fault.first(pinged, since=fault.began)["value"] > 0.3  # 0.15 s at least, each way
    # Prices may come late in bunches: that is a stall, if one at all.
    assert {each["cause"] for each in fault.lines if each["kind"] == "incident"} <= {"stalled", "degraded"}
    assert fault.seconds_to(disconnected, since=fault.began) > fault.ended - fault.began


@pytest.mark.long
@pytest.mark.alone
def test_where_only_small_packets_pass_nothing_streams_until_all_do(faults: dict[str, Fault]) -> None:
    fault = faults["narrow"]
    failure = fault.first(refused)["failure"]
    [incident] = fault.incidents
    assert (failure["layer"], failure["blame"]) == ("tls", NETWORK)
    assert dated(fault.first(streaming)) > fault.ended
    assert fault.seconds_to(streaming, since=fault.ended) < RECONNECTED
    assert incident["cause"] == "disconnected"
