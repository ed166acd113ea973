"""What is learned of this machine; and where it cannot be learned, that is said."""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from probe.host import load, ports, ways_out
from probe.host.handles import handles_limit, handles_used
from probe.host.lag import watch_lag
from probe.host.load import Periods, Ticks, read_periods, read_ticks
from probe.host.look import look_at_host
from probe.host.ports import Ports, read_ports
from tests.virtual.travelling import run

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it in /proc")
NOWHERE = Path("/nowhere")
PASSWORD = "hunter2"


@pytest.fixture
def no_handle_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, before[1]))
    try:
        while True:
            try:
                taken.append(os.dup(taken[0]))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in taken:
            os.close(each)


@linux
def test_all_of_a_linux_machine_can_be_learned() -> None:
    host = asyncio.run(look_at_host(seconds=0.05))
    assert host.unreadable == ()
    assert host.handles_used is not None
    assert host.ports is not None
    assert host.cpu_waited is not None
    assert host.slept_seconds == pytest.approx(0.0, abs=0.01)
    assert host.clock_jump_seconds == pytest.approx(0.0, abs=0.2)


def test_in_next_to_no_time_no_share_of_it_is_told() -> None:
    host = run(look_at_host(seconds=30.0))
    assert (host.cpu_busy, host.cpu_own, host.cpu_waited, host.throttled) == (None, None, None, None)


@linux
def test_where_nothing_can_be_read_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_STAT", NOWHERE)
    monkeypatch.setattr(load, "_OWN_GROUPS", NOWHERE)
    monkeypatch.setattr(ports, "_RANGE", NOWHERE)
    monkeypatch.setattr(ways_out, "_RESOLVERS", NOWHERE)
    host = run(look_at_host())
    assert host.unreadable == ("load of the processor", "limits of the container", "local ports", "resolver")
    assert (host.cpu_busy, host.ports, host.nameservers) == (None, None, ())


@linux
def test_handles_are_counted() -> None:
    before = handles_used()
    with Path(os.devnull).open("rb"):
        assert handles_used() == before + 1


@linux
def test_when_no_handle_is_left_to_count_them_with_all_are_taken(no_handle_left: None) -> None:
    assert handles_used() == handles_limit()


def test_whoever_holds_the_loop_up_is_named() -> None:
    async def held_up() -> str:
        async def selfish() -> None:
            await asyncio.sleep(0.02)
            time.sleep(0.4)  # noqa: ASYNC251 - that is the fault

        other = asyncio.create_task(selfish())
        lag = await watch_lag(0.1)
        await other
        assert lag.seconds > 0.3
        return lag.blocked_in

    assert "selfish, line" in asyncio.run(held_up())


def test_a_loop_that_only_waits_is_held_up_by_nobody() -> None:
    assert asyncio.run(watch_lag(0.2)).blocked_in == ""


def test_shares_are_of_what_passed_in_between() -> None:
    assert Ticks(busy=130, all=240).busy_since(Ticks(busy=100, all=200)) == 0.75
    assert Ticks(busy=100, all=200).busy_since(Ticks(busy=100, all=200)) is None
    assert Periods(all=14, throttled=3).throttled_since(Periods(all=10, throttled=2)) == 0.25


@pytest.mark.parametrize(
    ("own", "folder"),
    [("0::/pod/one\n", "pod/one"), ("0::/../outside\n", ""), ("4:memory:/a\n3:cpu,cpuacct:/b\n", "cpu/b")],
    ids=["version 2", "seen from inside", "version 1"],
)
def test_a_limit_of_the_container_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, folder: str
) -> None:
    groups = tmp_path / "groups"
    (groups / folder).mkdir(parents=True)
    (groups / folder / "cpu.stat").write_text("nr_periods 12\nnr_throttled 5\nthrottled_time 9\n")
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(load, "_CGROUPS", groups)
    monkeypatch.setattr(load, "_OWN_GROUPS", tmp_path / "own")
    assert read_periods() == Periods(all=12, throttled=5)


def test_only_the_cores_that_may_be_used_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu 9 9 9 9 9 9 9 9 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 10 0 5 60 5 0 0 20 0 0\nintr 7\n"
    )
    monkeypatch.setattr(load, "_STAT", stat)
    monkeypatch.setattr(load, "cores", lambda: {1})
    assert read_ticks() == Ticks(busy=35, all=100)


def test_local_ports_of_the_range_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        "0100007F:9C40 0100007F:01BB 01",
        "0100007F:9C40 0200007F:01BB 06",
        "0100007F:01BB 0100007F:9C40 01",
    )
    (tmp_path / "tcp").write_text("heading\n" + "".join(f"{at}: {row} 0:0\n" for at, row in enumerate(rows)))
    (tmp_path / "range").write_text("40000\t40049\n")
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")
    monkeypatch.setattr(ports, "_TABLES", (tmp_path / "tcp", tmp_path / "tcp6"))
    assert read_ports() == Ports(in_use=1, all=50, time_wait=1)


def test_of_proxies_only_the_names_of_variables_are_kept() -> None:
    environment = {
        "HTTPS_PROXY": f"http://me:{PASSWORD}@proxy",
        "no_proxy": "x",
        "all_proxy": "",
        "wss_proxy": "y",
    }
    assert ways_out.proxies(environment) == ("HTTPS_PROXY", "wss_proxy")
