"""The integration suite: ten phases, from the first connection to a session that stays."""

from probe.verify.bench import Bench
from probe.verify.model import Evidence, Group, Suite, Trial, expect


async def basic_connectivity(bench: Bench) -> Evidence:
    async with bench.session() as session:
        stream = session.quotes(bench.symbol)
        first = await bench.next_quote(stream)
        expect(first.price > 0, f"the first price of {bench.symbol} is {first.price:g}", price=first.price)
        seconds = session.statistics().first_connect_seconds
    words = f"live in {seconds or 0.0:.3f} s, and {bench.symbol} came at {first.price:g}"
    return Evidence(words=words, figures={"connect_seconds": seconds, "price": first.price})


SUITE = Suite(
    name="integration",
    trials=(
        Trial(
            name="Basic Connectivity",
            promise="A session opens, and a price comes.",
            run=basic_connectivity,
            group=Group.CONNECTIVITY,
        ),
    ),
)
