import socket
import sys
from pathlib import Path

import pytest

from probe.host import kernel
from probe.host.kernel import TcpCounts, tcp_counts, tracked

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
NETSTAT = "TcpExt: ListenOverflows TCPSynRetrans\nTcpExt: 12 3\nIpExt: InOctets\nIpExt: 9\n"
SNMP = "Ip: Forwarding\nIp: 1\nTcp: MaxConn RetransSegs\nTcp: -1 10\nUdp: InDatagrams\nUdp: 5\n"


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (
        ("_OF_TCP", NETSTAT),
        ("_OF_ALL", SNMP),
        ("_TRACKED", "65536\n"),
        ("_TRACKED_LIMIT", "65536\n"),
    ):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(kernel, name, tmp_path / name)
    return tmp_path


def test_counters_are_found_by_their_names(tables: Path) -> None:
    assert tcp_counts() == TcpCounts(queue_overflows=12, syns_again=3, data_again=7)
    assert tracked() == (65536, 65536)


@pytest.mark.parametrize("text", ["", "TcpExt: ListenOverflows\nTcpExt: 12\n", "TcpExt: A\nTcpExt: many\n"])
def test_what_is_not_told_is_not_called_zero(tables: Path, text: str) -> None:
    (tables / "_OF_TCP").write_text(text)
    (tables / "_TRACKED").unlink()
    assert (tcp_counts(), tracked()) == (None, None)


@LINUX
def test_a_connection_for_which_a_listener_has_no_room_is_counted() -> None:
    before = tcp_counts()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        sockets = [socket.socket() for _ in range(4)]
        for each in sockets:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        after = tcp_counts()
        for each in sockets:
            each.close()
    assert before is not None
    assert after is not None
    assert after.queue_overflows > before.queue_overflows
