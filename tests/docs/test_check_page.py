"""docs/check.md tells programs every key they get."""

import asyncio
import re
from pathlib import Path

from probe.brokers import find_broker
from probe.cli.check_report import as_data
from probe.drivers.tls import TlsProfile
from probe.monitor.knock import knock
from probe.simulator.run import Simulator

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


def test_every_key_of_the_json_has_its_line() -> None:
    async def look() -> dict[str, object]:
        async with Simulator(["pocketoption"]) as simulator:
            endpoint = simulator.plain_endpoints()[0]
            return as_data(
                await knock(find_broker("pocketoption"), endpoint, None, tls=TlsProfile(), timeout=5), "sim"
            )

    table = PAGE.read_text().split("| key | what |")[1]
    first_column = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert re.findall(r"`(\w+)`", first_column) == list(asyncio.run(look()))
