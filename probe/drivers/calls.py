"""Runs flows of HTTP calls by httpx, in threads and on asyncio: one text of the conversation, two ways of waiting.

Of httpx only the transports are used. Its clients add headers, keep cookies, log addresses and follow redirects, and all
of that is the flow's own business.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, assert_never

import httpcore
import httpx

from probe.drivers.dial import on_a_thread
from probe.drivers.exchange import CallDone, CallSettings, Exchange
from probe.drivers.proxied_http import AsyncTransport, Transport
from probe.model.credentials import Secret
from probe.model.failures import Failure
from probe.wire.calls import Flow, HttpCall, HttpReply, Question

R = TypeVar("R")
Answer: TypeAlias = Callable[[Question], Secret | None]
OnCall: TypeAlias = Callable[[CallDone], object]

# Errors of others; the last is raised for a host name that no resolver can be asked about.
_FOREIGN = (httpx.HTTPError, OSError, UnicodeError)


def run(flow: Flow[R], settings: CallSettings, *, answer: Answer, on_call: OnCall | None = None) -> R:
    """Run a flow in this thread; cooperative where gevent has patched the standard library.

    A lookup cannot be interrupted here, and each silent address of a host may take the time of a whole call.
    """
    course = _Course(flow, settings, on_call)
    opened: list[httpcore.NetworkStream] = []
    with contextlib.closing(course.steps()) as steps, _transport(settings) as transport:
        for step in steps:
            match step:
                case _Asked():
                    step.given = answer(step.question)
                case Exchange():
                    step.finish(_perform(step, transport, opened))
                case _:
                    assert_never(step)
    return course.result


async def arun(flow: Flow[R], settings: CallSettings, *, answer: Answer, on_call: OnCall | None = None) -> R:
    """Run a flow on the loop. `answer` is asked on a thread of its own, which a cancellation leaves behind."""
    course = _Course(flow, settings, on_call)
    opened: list[httpcore.AsyncNetworkStream] = []
    with contextlib.closing(course.steps()) as steps:
        async with _async_transport(settings) as transport:
            try:
                for step in steps:
                    match step:
                        case _Asked():
                            given = on_a_thread(partial(answer, step.question))
                            step.given = await asyncio.wrap_future(given)
                        case Exchange():
                            step.finish(await _perform_async(step, transport, opened))
                        case _:
                            assert_never(step)
            finally:  # httpcore forgets one whose handshake is cancelled
                for stream in opened:
                    await stream.aclose()
    return course.result


@dataclass(slots=True)
class _Asked:
    question: Question
    given: Secret | None = None


class _Course(Generic[R]):
    """A flow on its way. Whoever iterates over its steps does them, and leaves in them what came of it."""

    result: R

    def __init__(self, flow: Flow[R], settings: CallSettings, on_call: OnCall | None) -> None:
        self._flow, self._settings, self._on_call = flow, settings, on_call

    def steps(self) -> Generator[_Asked | Exchange, None, None]:
        # At DEBUG it writes every header that comes in, and cookies are among them.
        logging.getLogger("httpcore.http11").setLevel(logging.INFO)
        until = time.monotonic() + self._settings.deadline
        came: HttpReply | Failure | Secret | None = None
        with contextlib.closing(self._flow):
            while True:
                try:
                    wanted = self._flow.send(came)
                except StopIteration as end:
                    self.result = end.value
                    return
                match wanted:
                    case Question():
                        asked_at = time.monotonic()
                        yield (asked := _Asked(wanted))
                        until += time.monotonic() - asked_at
                        came = asked.given
                    case HttpCall():
                        exchange = Exchange(wanted, self._settings, until)
                        if exchange.came is None:
                            yield exchange
                        came = exchange.came
                        if self._on_call is not None:
                            self._on_call(exchange.done())
                    case _:
                        assert_never(wanted)


def _transport(settings: CallSettings) -> httpx.HTTPTransport:
    context = settings.tls.context()
    if settings.proxy is not None:
        return Transport(settings.proxy, context)
    return httpx.HTTPTransport(verify=context, trust_env=False)


def _async_transport(settings: CallSettings) -> httpx.AsyncHTTPTransport:
    context = settings.tls.context()
    if settings.proxy is not None:
        return AsyncTransport(settings.proxy, context)
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False)


def _perform(
    exchange: Exchange, transport: httpx.BaseTransport, opened: list[httpcore.NetworkStream]
) -> Exception | None:
    """httpcore limits single reads and writes, not their sum, so a watch ends what the flow has opened."""

    def expire() -> None:
        exchange.expired = True
        for stream in list(opened):
            with contextlib.suppress(OSError):
                # The method of an SSLSocket would drop its encryption.
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def trace(name: str, info: dict[str, Any]) -> None:
        exchange.note(name)
        if isinstance(stream := info.get("return_value"), httpcore.NetworkStream):
            opened.append(stream)
            if exchange.expired:
                expire()

    exchange.request.extensions["trace"] = trace
    watch = threading.Timer(exchange.limit, expire)
    watch.daemon = True
    watch.start()
    try:
        with contextlib.closing(transport.handle_request(exchange.request)) as response:
            exchange.begin_body(response)
            for piece in response.iter_raw():
                if not exchange.take(piece):
                    break
    except _FOREIGN as problem:
        return problem
    finally:
        watch.cancel()
    return None


async def _perform_async(
    exchange: Exchange, transport: httpx.AsyncBaseTransport, opened: list[httpcore.AsyncNetworkStream]
) -> Exception | None:
    async def trace(name: str, info: dict[str, Any]) -> None:
        exchange.note(name)
        if isinstance(stream := info.get("return_value"), httpcore.AsyncNetworkStream):
            opened.append(stream)

    exchange.request.extensions["trace"] = trace
    try:
        async with asyncio.timeout(exchange.limit):
            response = await transport.handle_async_request(exchange.request)
            async with contextlib.aclosing(response):
                exchange.begin_body(response)
                async for piece in response.aiter_raw():
                    if not exchange.take(piece):
                        break
    except _FOREIGN as problem:
        return problem
    return None
