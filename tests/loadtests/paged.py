"""Locust with its web page, started as a person starts it, against a simulator of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import httpx

PATIENCE = 60.0


@cache
def client() -> httpx.Client:
    """Making one takes longer than what is asked with it."""
    return httpx.Client(trust_env=False, timeout=PATIENCE)


@contextmanager
def locust_page(*words: str, workers: int = 0, **environment: str) -> Iterator[str]:
    """The page's URL, without a slash at its end."""
    port = free_port()
    if workers:
        meet = str(free_port())
        words += ("--processes", str(workers), "--master-bind-port", meet, "--master-port", meet)
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "locust",
                "-f",
                "loadtests/locustfile.py",
                "--web-port",
                str(port),
                *words,
            ],
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | environment,
        )
        try:
            until = time.monotonic() + PATIENCE
            while not _answers(url):
                said.seek(0)
                assert process.poll() is None, said.read()
                assert time.monotonic() < until, said.read()
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        said.seek(0)
        assert "Traceback" not in (told := said.read()), told


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return client().get(f"{url}/tradeprobe/record").status_code == 200
    except httpx.TransportError:
        return False
