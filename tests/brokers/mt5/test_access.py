import pytest

from probe.brokers.mt5.access import AccessPoints
from probe.model.failures import Failure
from probe.model.meanings import Effect, Figure, Figures, Troubles
from probe.session.broker import AccessPoint
from probe.session.polled import Said
from probe.wire.calls import Call, Reply, Touch, Touched
from tests.brokers.mt5.replied import drive, troubles

NY = AccessPoint(name="NY-3", host="192.0.2.10", port=443)
SG = AccessPoint(name="SG-2", host="192.0.2.20", port=1950)


class Net:
    def __init__(self, *places: AccessPoint) -> None:
        self.replies: dict[str, Reply] = {}
        self.touched: list[tuple[float, str]] = []
        (self.round,) = AccessPoints(places).rounds()

    def ask(self, now: float) -> Said:
        def respond(call: Call) -> Reply:
            assert isinstance(call, Touch)
            self.touched.append((now, call.name))
            return self.replies.get(call.name, Touched(address=call.host, seconds=0.02))

        return drive(self.round.ask(now), respond)


def test_without_access_points_nothing_is_touched() -> None:
    assert AccessPoints(()).rounds() == ()


@pytest.mark.parametrize(("places", "every"), [((NY,), 30.0), ((NY, SG), 15.0)])
def test_one_place_at_a_time_and_none_sooner_than_in_half_a_minute(
    places: tuple[AccessPoint, ...], every: float
) -> None:
    net = Net(*places)
    assert (net.round.every, net.round.first_after, net.round.lane) == (every, 30.0, "access")
    assert not net.round.is_beat
    for turn in range(4):
        net.ask(30.0 + turn * every)
    names = [each.name for each in places]
    assert net.touched == [(30.0 + turn * every, names[turn % len(names)]) for turn in range(4)]


def test_a_round_that_comes_early_touches_nothing() -> None:
    net = Net(NY)
    net.ask(30.0)
    assert net.ask(45.0) == (Troubles(about="access"),)
    assert net.touched == [(30.0, "NY-3")]


def test_the_time_to_connect_is_a_figure_of_that_place() -> None:
    assert Net(NY, SG).ask(30.0) == (
        Troubles(about="access"),
        Figures(rows=(Figure("access_rtt_seconds", 0.02, "NY-3"),)),
    )


def test_a_packet_sent_again_is_loss_and_no_round_trip() -> None:
    net = Net(NY)
    net.replies["NY-3"] = Touched(address="192.0.2.10", seconds=1.04)
    said = net.ask(30.0)
    assert isinstance(said, tuple)
    assert len(said) == 1
    (trouble,) = troubles(said).values()
    assert (trouble.code, trouble.effect) == ("tcp.timeout", Effect.NOTED)


def test_one_place_that_is_away_is_noted_and_ends_no_session() -> None:
    net = Net(NY, SG)
    net.replies["NY-3"] = Failure(kind="tcp.refused")
    (trouble,) = troubles(net.ask(30.0)).values()
    assert (trouble.code, trouble.effect) == ("tcp.refused", Effect.NOTED)
    assert "NY-3 (192.0.2.10:443)" in trouble.sentence
    assert list(troubles(net.ask(45.0))) == ["tcp.refused"]  # still so, while the other is touched


def test_all_places_away_degrade_and_one_that_is_back_ends_it() -> None:
    net = Net(NY, SG)
    net.replies = {"NY-3": Failure(kind="tcp.refused"), "SG-2": Failure(kind="tcp.timeout")}
    net.ask(30.0)
    assert {each.effect for each in troubles(net.ask(45.0)).values()} == {Effect.DEGRADES}
    net.replies.clear()
    assert list(troubles(net.ask(60.0))) == ["tcp.timeout"]
    assert troubles(net.ask(75.0)) == {}
