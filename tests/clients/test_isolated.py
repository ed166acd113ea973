import errno
import json
import os
import select
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.clients.isolated import run, ways_out

TRY = """
import json, os, socket, sys
def tried(*address):
    with socket.socket() as outward:
        return outward.connect_ex(address)
with socket.create_server(("127.0.0.1", 0)) as inside:
    print(json.dumps([tried(*inside.getsockname()), tried("127.0.0.1", int(sys.argv[1])), tried("192.0.2.1", 443)]))
"""
ONLY_LOOPBACK = {
    "dev": "Inter-| Receive\n face |bytes\n    lo: 0 0\n",
    "route": "Iface\tDestination\tGateway\n",
    "ipv6_route": "00000000000000000000000000000001 80 00000000000000000000000000000000 00 80200001       lo\n",
}


def test_something_isolated_reaches_its_own_loopback_and_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        outcome = run([sys.executable, "-c", TRY, str(port)], home=tmp_path, most_seconds=20)
    assert json.loads(outcome.output) == [0, errno.ECONNREFUSED, errno.ENETUNREACH]


@pytest.mark.parametrize(
    ("table", "line", "way"),
    [
        ("dev", "  eth0: 0 0\n", "there is an interface eth0"),
        ("route", "eth0\t00000000\t0100000A\n", "there is a route over eth0"),
        ("ipv6_route", f"{0:032x} 00 {0:032x} 00 00000001     eth0\n", "there is a route over eth0"),
    ],
)
def test_a_way_out_is_seen_before_anything_is_sent(tmp_path: Path, table: str, line: str, way: str) -> None:
    for name, text in ONLY_LOOPBACK.items():
        (tmp_path / name).write_text(text + line * (name == table))
    assert next(ways_out(tmp_path)) == way


def test_something_isolated_is_told_nothing_of_its_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("TRADEPROBE_SECRET", "planted")
    show = "import json, os; print(json.dumps([os.getcwd(), dict(os.environ)]))"
    cwd, environment = json.loads(run([sys.executable, "-c", show], home=tmp_path, most_seconds=20).output)
    known = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "CI") if name in os.environ}
    given = {name: value for name, value in environment.items() if name != "LC_CTYPE"}  # Python's own
    assert (cwd, given) == (str(tmp_path), known | {"HOME": str(tmp_path)})


def test_something_isolated_that_talks_without_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reading = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    script = "exec 3> held; sleep 60 & yes"
    outcome = run(["sh", "-c", script], home=tmp_path, most_seconds=20, most_bytes=50_000)
    let_go, _, _ = select.select([reading], [], [], 20)
    os.close(reading)
    assert (outcome.status, outcome.cut_short) == (-9, "it said more than 50,000 bytes")
    assert (len(outcome.output) <= 50_000, let_go) == (True, [reading])


def test_something_isolated_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    began_at = time.monotonic()
    outcome = run(["sleep", "60"], home=tmp_path, most_seconds=0.5)
    assert (outcome.status, outcome.cut_short) == (-9, "it took too long")
    assert time.monotonic() - began_at < 20
