import pytest

from probe.brokers import all_brokers, find_broker
from probe.cli import main
from probe.model.meanings import Quotes
from probe.simulator.lighter import near, ticking
from probe.simulator.streams import Streams
from probe.simulator.world import World

NOW = 1_800_000_000.0


def test_a_session_is_told_one_price_of_a_symbol_so_often() -> None:
    broker = ticking(find_broker("pocketoption"), 5.0)
    world = World(broker=broker, seed=0, epoch=NOW)
    streams, at = Streams(world.floor, world.house), world.floor.at(0.0)
    streams.watch(broker.default_symbol, at)
    told = [streams.due(at + seconds) for seconds in (4.9, 5.0, 9.9, 10.0)]
    assert [[due - at for due, _ in each] for each in told] == [[], [5.0], [], [10.0]]
    assert all(isinstance(meaning, Quotes) for each in told for _, meaning in each)


def test_no_region_of_a_near_broker_holds_bytes_back() -> None:
    for broker in all_brokers():
        assert {region.latency for region in near(broker).house.regions} <= {0.0}
        assert [region.name for region in near(broker).house.regions] == [
            region.name for region in broker.house.regions
        ]


def test_prices_without_any_time_between_them_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = main.run(["sim", "pocketoption", "--tick-every", "0"])
    assert (code, "Write it like 5s or 100ms." in capsys.readouterr().err) == (2, True)
