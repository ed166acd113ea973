"""A broker that gives its simulator less to do, so that thousands of sessions fit on one core."""

from dataclasses import replace

from probe.session.broker import Broker

RECENT_SECONDS, RECENT_CANDLES = 60.0, 10


def ticking(broker: Broker, seconds: float) -> Broker:
    """Each session is told one price of a symbol so often, counted from when it asked. Left out is also what thousands of
    sessions that are told little would take most for: a look each second at the account, and eleven minutes of past ticks."""
    house = broker.house
    lighter = replace(
        house,
        prices_every=seconds,
        look_every=max(seconds, house.look_every),
        recent_seconds=min(house.recent_seconds, RECENT_SECONDS),
        recent_candles=min(house.recent_candles, RECENT_CANDLES),
    )
    return replace(broker, house=lighter)


def near(broker: Broker) -> Broker:
    """Its regions are all here: no byte is held back."""
    regions = tuple(replace(region, latency=0.0) for region in broker.house.regions)
    return replace(broker, house=replace(broker.house, regions=regions))
