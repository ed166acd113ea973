"""The gateway on a port: loopback, or anywhere over TLS."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from probe.model.errors import ConfigError
from probe.safety import is_loopback

MOST_CONNECTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    certificate: Path
    key: Path


class Server(uvicorn.Server):
    """Leaves the signals to the program it is part of, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def place(host: str, port: int, *, tls: bool) -> socket.socket:
    """A socket bound to it; port 0 is any that is free.

    Raises:
        ConfigError: it cannot be had, or passwords and tokens would cross a network in the clear.
    """
    if not tls and not is_loopback(host):
        raise ConfigError(
            f"without TLS the gateway listens on this machine only, not on {host}",
            next_step="Give it a certificate: --tls-cert FILE --tls-key FILE. Or leave --host out.",
        )
    try:
        return _listening(host, port)
    except (OSError, OverflowError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "ports go from 1 to 65535"
        raise ConfigError(
            f"the gateway cannot listen on {host}, port {port} ({why})", next_step="Choose another --port."
        ) from None


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    try:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()
    except BaseException:
        bound.close()
        raise
    return bound


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket, tls: TlsFiles | None) -> AsyncIterator[None]:
    """Answer on this socket for as long as the block lasts.

    Raises:
        ConfigError: the certificate and its key are no such pair.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        proxy_headers=False,  # or a client could name itself, and be throttled under another name each time
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    try:
        config.load()
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"the certificate cannot be used with this key ({type(problem).__name__})",
            next_step="Both are PEM files that belong together; the key has no password.",
        ) from None
    server = Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listening.wait()
        yield
    finally:
        server.should_exit = True
        await running
