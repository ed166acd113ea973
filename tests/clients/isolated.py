"""Runs a command where the network is loopback and nothing else, or not at all.

What runs here is not ours and goes looking for a real broker when something fails. So a new network namespace is not
trusted but tried: this file is started in it as a script, looks for ways out, and becomes the command if it finds none.
"""

import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PASSED_ON = ("PATH", "LANG", "LC_ALL", "CI")  # no proxies, and nothing that a stranger's code should not read
OUTSIDE = (
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)  # addresses kept for documentation
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
ISOLATED = b"isolated: loopback and nothing else\n"  # the last word before the command

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: int  # negative: the signal that ended it
    output: str  # both streams
    cut_short: str  # why it was not left to end by itself, or nothing


def run(
    command: Sequence[str | Path],
    *,
    home: Path,
    cwd: Path | None = None,
    most_seconds: float,
    most_bytes: int = 1_000_000,
) -> Outcome:
    """Skips the test, and says why, where no such namespace can be made.

    Args:
        command: Ended, with all it started, when it is done, takes too long or says too much.
        home: Of its own, and where it works unless `cwd` says otherwise.
        most_bytes: Of output.
    """
    import pytest  # the script does not need it

    if sys.platform != "linux":
        pytest.skip("network namespaces are a thing of Linux")
    until = time.monotonic() + most_seconds
    as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    try:
        process = subprocess.Popen(
            ["unshare", *as_root, "--net", sys.executable, "-I", __file__, *command],
            cwd=cwd or home,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as missing:
        pytest.skip(f"no network namespace can be made here: {missing}")
    with process:
        try:
            said, cut_short = _listen(process, until, most_bytes)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
    if not cut_short and not said.startswith(ISOLATED):
        pytest.skip(f"no network namespace can be made here: {said.decode(errors='replace').strip()}")
    output = said.removeprefix(ISOLATED).decode(errors="replace")
    return Outcome(status=process.returncode, output=output, cut_short=cut_short)


def _listen(process: subprocess.Popen[bytes], until: float, most_bytes: int) -> tuple[bytes, str]:
    """What it says until it is done, or until why it must end."""
    assert process.stdout is not None
    said, pipe, done = bytearray(), process.stdout.fileno(), os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            selector.register(done, selectors.EVENT_READ)
            while ready := [key.fd for key, _ in selector.select(max(0.0, until - time.monotonic()))]:
                if pipe not in ready:
                    return bytes(said), ""
                chunk = os.read(pipe, 65_536)
                said += chunk
                if len(said) > most_bytes:
                    return bytes(said[:most_bytes]), f"it said more than {most_bytes:,} bytes"
                if not chunk:
                    selector.unregister(pipe)
            return bytes(said), "it took too long"
    finally:
        os.close(done)


# -- inside ----------------------------------------------------------------------------------------------------------


def main(command: list[str]) -> None:
    raise_loopback()
    if way := next(ways_out(), None):
        sys.exit(f"{way}, so {command[0]} was not started")
    os.write(1, ISOLATED)
    os.execvp(command[0], command)


def raise_loopback() -> None:
    """What `ip link set lo up` does, where there is no `ip`."""
    import fcntl  # not on Windows

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = b"lo".ljust(40, b"\0")  # struct ifreq: 16 bytes of name, then the flags
        flags = int.from_bytes(fcntl.ioctl(asking, SIOCGIFFLAGS, request)[16:18], sys.byteorder)
        raised = (flags | IFF_UP).to_bytes(2, sys.byteorder)
        fcntl.ioctl(asking, SIOCSIFFLAGS, request[:16] + raised + request[18:])


def ways_out(tables: Path = Path("/proc/self/net")) -> Iterator[str]:
    """Everything that could lead to another machine. Whoever stops at the first has sent nothing: tables come first."""
    for line in _lines(tables / "dev")[2:]:
        if (interface := line.partition(":")[0].strip()) != "lo":
            yield f"there is an interface {interface}"
    routes = [line.split()[0] for line in _lines(tables / "route")[1:]]
    routes += [line.split()[-1] for line in _lines(tables / "ipv6_route")]
    for interface in routes:
        if interface != "lo":
            yield f"there is a route over {interface}"
    for family, address in OUTSIDE:
        problem = _connect(family, address)
        if problem != errno.ENETUNREACH and not (family == socket.AF_INET6 and problem in NO_IPV6):
            yield f"connecting to {address} gave {errno.errorcode.get(problem, problem)} and not ENETUNREACH"
    # A resolver on this machine may be asked over a socket in the file system, and that is open to every namespace.
    try:
        socket.getaddrinfo("isolated.invalid", None)
    except socket.gaierror as problem:
        if problem.errno == socket.EAI_AGAIN:
            return
    yield "a resolver answers"


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines() if table.exists() else []  # no IPv6, no table for it


def _connect(family: socket.AddressFamily, address: str) -> int:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as outward:
            outward.settimeout(1.0)
            return outward.connect_ex((address, 9))
    except OSError as refused:  # not even a socket
        return refused.errno or 0


if __name__ == "__main__":
    main(sys.argv[1:])
