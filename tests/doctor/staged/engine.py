"""The openings of Engine.IO and Socket.IO."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from probe.doctor.examine import Patient
from tests.doctor.simulated import simulated
from tests.doctor.staged.upgrade import ENGINE_OPEN, JSON, NGINX, PAGE, staged
from tests.doctor.staging import Staged, travelling
from tests.doctor.upgrade_stubs import Script, Stage, answers, at, engine, greeting
from tests.pretending import QUOTEX


def _polling(script: Script) -> Stage:
    """A patient whose URL asks for polling, without a credential."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with at(script, key=None)() as patient:
            assert patient.endpoint is not None
            url = patient.endpoint.url.replace("transport=websocket", "transport=polling")
            yield replace(patient, endpoint=replace(patient.endpoint, url=url))

    return stage


def _for_websockets_only(refusal: Script) -> Script:
    """Whoever asks for polling is refused, upgrade or not."""
    usual = engine(greeting())

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        again = asyncio.StreamReader()
        again.feed_data(head)
        await (refusal if b"transport=polling" in head else usual)(again, writer)
        await reader.read()

    return script


JOINED = '40{"sid":"def"}'
ELSE = "3"  # anything but a heartbeat of the server's own

CASES = [
    staged("eio.version", "refused", answers("400 Bad Request", *JSON, body='{"code":5,"message":"Unsupported protocol version"}'), certain=True),
    staged("eio.version", "a server of version 3", engine(greeting(version=3), "40", every=1.9, beats=[ELSE]), certain=True),
    staged("eio.version", "a server of version 4", engine(greeting(every=25, late=20)), known=QUOTEX, certain=True),
    staged("eio.ping-direction", "no ping at all", engine(greeting(), JOINED, every=1.9, beats=[ELSE]), certain=True),
    Staged(code="eio.ping-direction", name="a simulated one", play=travelling(simulated("pocketoption", "beat-terms:interval=1s:timeout=1s"), "eio.ping-direction"), certain=True),
    staged("eio.ping-timeout", "pings that stop", engine(greeting(), JOINED, every=0.9, beats=["2", "2", ELSE, ELSE]), certain=True),
    staged("eio.sid-unknown", "refused", answers("400 Bad Request", *JSON, body='{"code":1,"message":"Session ID unknown"}'), certain=True),
    Staged(code="eio.sid-unknown", name="a simulated one", play=travelling(simulated("quotex", "http-status:code=400"), "eio.sid-unknown"), certain=True),
    staged("eio.polling-only", "a greeting for polling", answers("200 OK", "Content-Type: text/plain", body=ENGINE_OPEN % "[]"), certain=True),
    staged("eio.polling-only", "one of version 3", answers("200 OK", "Content-Type: text/plain", body="73:" + ENGINE_OPEN % "[]" + "2:40"), certain=True),
    *(
        Staged(code="eio.websocket-only", name=name, play=travelling(_polling(_for_websockets_only(refusal)), "eio.websocket-only"), certain=True)
        for name, refusal in (
            ("an unknown transport", answers("400 Bad Request", *JSON, body='{"code":0,"message":"Transport unknown"}')),
            ("forbidden", answers("403 Forbidden", *NGINX)),
            ("a page", answers("200 OK", *NGINX, body=PAGE)),
        )
    ),
    Staged(code="http.wrong-path", name="polling is asked for where nothing is", play=travelling(_polling(answers("404 Not Found", *NGINX)), "http.wrong-path")),
    staged("eio.no-open", "silence", engine()),
    staged("eio.no-open", "hello", engine("hello"), certain=True, beside="cfg.client-outdated"),
    Staged(code="eio.no-open", name="a simulated one", play=travelling(simulated("quotex", "no-open"), "eio.no-open")),
    staged("sio.connect-error", "not authorized", engine(greeting(every=25), '44{"message":"Not authorized"}'), certain=True),
    staged("sio.namespace", "invalid", engine(greeting(every=25), '44{"message":"Invalid namespace"}'), certain=True),
    Staged(code="sio.namespace", name="a simulated one", play=travelling(simulated("pocketoption", "connect-error"), "sio.namespace"), certain=True),
    staged("sio.connect-silent", "while it pings", engine(greeting(), every=0.9, beats=["2"] * 20), certain=True),
    Staged(code="sio.connect-silent", name="a simulated one", play=travelling(simulated("pocketoption", "no-join"), "sio.connect-silent")),
    *(
        Staged(code="sio.binary-placeholder", name=f"attachments that {broker} drops", play=travelling(simulated(broker, "drop-attachment:every=3"), "sio.binary-placeholder"), beside=frozenset({"session.request-no-reply"}))
        for broker in ("pocketoption", "quotex")
    ),
]  # fmt: skip
