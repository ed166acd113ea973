"""One session in a process of its own, so that what it takes is its own: memory and processor, as JSON on standard output.

Started as `python -m probe.verify.alone`; what to connect to comes as JSON on standard input, because a credential is in it.
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from probe.api.session import Session, open_session
from probe.api.streams import Quote
from probe.monitor.own import resident_megabytes

STATUS = Path("/proc/self/status")
SETTLES = 2.0  # seconds after the login, which is not what running takes


async def measured(wanted: dict[str, Any]) -> dict[str, float | int | None]:
    heard: list[Quote] = []
    async with open_session(**wanted["session"]) as session:
        leave = session.subscribe(wanted["symbol"], heard.append)
        await asyncio.sleep(SETTLES)
        began, worked, before = time.monotonic(), time.process_time(), _messages(session)
        await asyncio.sleep(wanted["seconds"])
        lasted = time.monotonic() - began
        told = {
            "own_megabytes": own_megabytes(),
            "resident_megabytes": resident_megabytes(),
            "processor_share": (time.process_time() - worked) / lasted,
            "messages_per_second": (_messages(session) - before) / lasted,
            "prices": len(heard),
        }
        leave()
    return told


def own_megabytes() -> float | None:
    """What is resident without the pages of files, which all processes share. None: this system does not say."""
    try:
        status = STATUS.read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else None


def _messages(session: Session) -> int:
    traffic = session.statistics().traffic
    return traffic.messages_sent + traffic.messages_received


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(json.loads(sys.stdin.read())))))  # noqa: T201 - it is what it is for
