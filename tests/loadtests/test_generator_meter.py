import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import gevent
import pytest

from loadtests import generator
from loadtests.generator import STEP, GeneratorMeter, connections_to
from probe.host.kernel import TcpCounts
from probe.load.figures import Generator

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@contextmanager
def metering(port: int | None = None) -> Iterator[GeneratorMeter]:
    meter = GeneratorMeter(port)
    meter.start()
    try:
        yield meter
    finally:
        meter.stop()


def until_beaten(meter: GeneratorMeter, times: int) -> Generator:
    """All until its timer came so often."""
    whole = Generator()
    with gevent.Timeout(60):
        while whole.lag.count < times:
            gevent.sleep(STEP)
            whole.add(meter.take(), later=True)
    return whole


def test_processor_and_wall_time_are_those_since_it_was_last_asked() -> None:
    with metering() as meter:
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        first, second = meter.take(), meter.take()
    assert first.cpu_seconds >= 0.1
    assert first.wall_seconds >= 0.09
    assert second.cpu_seconds < first.cpu_seconds


@LINUX
def test_what_the_rest_of_the_machine_took_is_told_beside_what_it_took_itself() -> None:
    def work() -> None:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass

    with metering() as meter:
        work()
        own = meter.take()
        subprocess.run([sys.executable, "-c", "i = 0\nwhile i < 10**7: i += 1"], check=True)
        others = meter.take()
    assert own.machine_seconds >= 0.3
    assert others.others_seconds >= 0.1
    assert (
        own.cpu_seconds + own.others_seconds <= own.machine_seconds + 0.1
    )  # it is told in hundredths of a second


def test_its_timer_tells_how_late_it_comes() -> None:
    with metering() as meter:
        whole = until_beaten(meter, 3)
    assert whole.lag.smallest >= 0


def test_a_hub_that_stood_still_was_late_for_every_timer_that_would_have_come() -> None:
    with metering() as meter:
        until_beaten(meter, 1)
        began = time.monotonic()
        while time.monotonic() < began + 10 * STEP:
            pass
        lag = until_beaten(meter, 1).lag
    assert lag.largest >= 8 * STEP
    assert lag.count >= 8
    assert (lag.quantile(0.5) or 0) < 0.75 * lag.largest  # those that were due later waited less


def test_when_it_is_stopped_nothing_is_left_on_the_hub() -> None:
    with metering() as meter:
        until_beaten(meter, 1)
    meter.take()
    gevent.sleep(3 * STEP)
    assert meter.take().lag.count == 0
    meter.stop()


@LINUX
def test_memory_and_handles_are_those_of_this_process() -> None:
    with metering() as meter, ExitStack() as stack:
        for _ in range(20):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        taken = meter.take()
    assert 20 <= taken.handles.last < taken.handle_limit.last
    assert taken.resident_bytes.last > 1e6


@contextmanager
def connections(count: int) -> Iterator[int]:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(server.getsockname()[1])
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stack.enter_context(server.accept()[0])
        yield port


@LINUX
def test_connections_to_a_port_are_counted_from_their_clients_side_alone() -> None:
    with connections(5) as port:
        assert 5 <= connections_to(port) < 10  # the system may remember somebody who was at this port before


@LINUX
def test_ports_towards_the_target_are_told_beside_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.generator.LOOKED_AT_EVERY", 0.0)
    with connections(3) as port, metering(port) as meter:
        taken = Generator()
        with gevent.Timeout(60):
            while not taken.ports.is_known:
                gevent.sleep(STEP)
                taken = meter.take()
    assert 3 <= taken.ports.last < 6
    assert taken.port_limit.last > 1000


def test_a_wall_clock_that_is_set_is_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with metering() as meter:
        assert meter.take().clock_steps == 0
        monkeypatch.setattr(meter._wall_clock, "_utc", lambda: time.time() + 60)
        assert [meter.take().clock_steps, meter.take().clock_steps] == [1, 0]


def alone(code: str) -> str:
    """What it prints in a process of its own, for it changes the process."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@LINUX
def test_a_process_is_given_all_handles_it_may_have() -> None:
    code = """
import resource
from loadtests.generator import raise_handle_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
raise_handle_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    assert alone(code) == "300"


def test_what_lives_already_is_not_looked_through_again() -> None:
    code = """
import gc
from loadtests.generator import settle
kept = [[each] for each in range(10_000)]
settle()
print(gc.get_freeze_count() > 10_000, gc.isenabled(), gc.get_threshold())
"""
    assert alone(code) == "True True (50000, 10, 10)"


@LINUX
def test_what_the_kernel_counted_is_told_since_it_was_last_asked() -> None:
    with (
        metering() as meter,
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        ExitStack() as stack,
    ):
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        first = meter.take()
    assert first.queue_overflows >= 1


def test_what_the_kernel_did_not_tell_for_a_while_is_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([TcpCounts(queue_overflows=1000, syns_again=0, data_again=0), None, None])
    monkeypatch.setattr(generator, "tcp_counts", lambda: next(told))
    with metering() as meter:
        assert meter.take().queue_overflows == 0
        monkeypatch.setattr(
            generator, "tcp_counts", lambda: TcpCounts(queue_overflows=1005, syns_again=0, data_again=0)
        )
        assert meter.take().queue_overflows == 5
