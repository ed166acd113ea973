"""Names are looked up within their time, whatever some of the answers do."""

import asyncio
import socket
import threading
from typing import Any
from unittest.mock import patch

from probe.diagnose.case import Names
from probe.doctor import names

PUBLIC = "93.184.215.14"


def test_what_one_family_answers_survives_the_silence_of_the_other() -> None:
    given_up = threading.Event()

    def resolver(host: Any, port: int, family: int = 0, flags: int = 0, **kind: int) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        if family != socket.AF_INET:
            given_up.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "too late")
        return [(family, kind["type"], 0, "", (PUBLIC, port))]

    async def looked_up() -> Names:
        found = await names.look_up("ws.trading.example", 443, resolvers=(), within=0.2)
        given_up.set()
        return found

    with (
        patch.object(socket, "getaddrinfo", resolver),
        patch.object(names, "_systems_resolvers", tuple),
    ):
        found = asyncio.run(looked_up())
    kinds = {each.family: each.failure.kind if each.failure else "" for each in found.lookups}
    assert kinds == {0: "dns.timeout", 4: "", 6: "dns.timeout"}
    assert [each.failure.kind for each in found.again if each.failure] == ["dns.timeout"]
    assert found.addresses == (PUBLIC,)
