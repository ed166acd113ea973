"""A monitor with the configuration's channels, rules and store around it; whatever of these is broken, watching goes on."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from probe.config import Settings, load_settings
from probe.measure.periods import Lately
from probe.measure.records import Notice, Record, SessionState
from probe.model.errors import CredentialMissing
from probe.monitor.assembly import assembled, channels, common, engine
from probe.monitor.monitor import Monitor
from probe.monitor.own import Own
from probe.store.reader import StoreReader
from tests.monitor.linked import Place, place
from tests.virtual.travelling import run


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))

    def read(text: str) -> Settings:
        path = tmp_path / "probe.toml"
        path.write_text(text)
        return load_settings(path, environ={"TRADEPROBE_MAX_RETRIES": "3", "TRADEPROBE_TIMEOUT": "7s"})

    return read


def clock(at: Place) -> Callable[[], float]:
    """For any thread."""
    loop, epoch = asyncio.get_running_loop(), at.utc() - asyncio.get_running_loop().time()
    return lambda: epoch + loop.time()


async def ten_minutes(at: Place, settings: Settings, told: list[Record]) -> Monitor:
    async with assembled([at.wanted()], settings, sinks=[told.append], utc=clock(at)) as monitor:
        task = asyncio.create_task(monitor.run())
        await asyncio.sleep(600)
        (condition,) = monitor.conditions().values()
        assert condition.state is SessionState.STREAMING
        monitor.stop()
        await task
    return monitor


def codes(told: list[Record]) -> list[str]:
    return [each.code for each in told if isinstance(each, Notice)]


def test_what_was_seen_and_learnt_is_kept_for_the_next_run(
    configured: Callable[[str], Settings], tmp_path: Path
) -> None:
    async def twice() -> None:
        settings, told = configured(""), list[Record]()
        async with place() as at:
            await ten_minutes(at, settings, told)
            with closing(StoreReader(tmp_path / "home" / "store.db")) as store:
                assert store.targets() == ["one"]
                minutes = store.periods("one", 0, at.utc(), step="minute")
                assert len(minutes) in (10, 11)
                assert store.learned("quiet/one") is not None
                remembered = Lately()
                for minute in minutes:
                    remembered.add(minute)
            assert (tmp_path / "home" / "endpoints.json").is_file()
            async with assembled([at.wanted()], settings, utc=clock(at)) as monitor:
                task = asyncio.create_task(monitor.run())
                await asyncio.sleep(1)
                assert monitor._held["one"].watch.measurements.lately.sums == remembered.sums
                monitor.stop()
                await task
        assert codes(told) == []

    run(twice())


def test_a_second_monitor_on_one_store_is_told_and_goes_on(configured: Callable[[str], Settings]) -> None:
    async def both() -> None:
        settings, told = configured(""), list[Record]()
        async with place() as at, assembled([at.wanted()], settings, utc=clock(at)):
            await ten_minutes(at, settings, told)
        assert codes(told) == ["store.busy"]

    run(both())


def test_without_history_nothing_is_written(configured: Callable[[str], Settings], tmp_path: Path) -> None:
    async def look() -> None:
        async with place() as at:
            await ten_minutes(at, configured("[store]\nenabled = false\n"), [])
        assert not (tmp_path / "home").exists()

    run(look())


def test_what_became_of_channels_and_history_can_be_asked(configured: Callable[[str], Settings]) -> None:
    async def ask(text: str) -> Own:
        async with place() as at, assembled([at.wanted()], configured(text), utc=clock(at)) as monitor:
            return monitor.own()

    channel = '[[alerts.channels]]\nname = "c"\ncommand = ["true"]\n'
    assert run(ask(channel)) == Own(delivered={"c": (0, 0)}, store_failing=False, store_dropped=0)
    assert run(ask("[store]\nenabled = false\n")) == Own()


def test_a_reference_that_points_to_nothing_stops_the_start_before_anything_is_opened(
    configured: Callable[[str], Settings], tmp_path: Path
) -> None:
    async def start(text: str) -> None:
        async with place() as at:
            with pytest.raises(CredentialMissing):
                async with assembled([at.wanted()], configured(text), utc=clock(at)):
                    pass
        assert not (tmp_path / "home" / "store.db").exists()

    run(start('[monitor]\ndeadman = "env:NO_SUCH_VARIABLE"\n'))
    run(start('[[alerts.channels]]\nname = "x"\nwebhook = "env:NO_SUCH_VARIABLE"\n'))


def test_the_configuration_arrives(
    configured: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL", "https://host.test/planted")
    settings = configured(
        '[monitor]\ncontrol = "[::1]:443"\ndeadman = "env:URL"\ndeadman_every = "2m"\nstall_reconnect = "30s"\n'
        '[alerts.rules.slow_response]\nenabled = false\n'
        '[[alerts.channels]]\nname = "a"\nurl = "env:URL"\nseverity = "page"\n'
        '[[alerts.channels]]\nname = "b"\nwebhook = "env:URL"\n'
        '[[alerts.channels]]\nname = "c"\ncommand = ["true"]\n'
    )  # fmt: skip
    shared = common(settings)
    assert (shared.control, shared.deadman_every, shared.stall_reconnect) == (("::1", 443), 120.0, 30.0)
    assert (shared.max_retries, shared.phase_deadline) == (3, 7.0)
    assert shared.deadman is not None
    assert "planted" not in repr(shared)
    assert [(each.name, type(each.way).__name__, each.severity.value) for each in channels(settings)] == [
        ("a", "Service", "page"),
        ("b", "Webhook", "warning"),
        ("c", "Command", "warning"),
    ]
    assert "slow_response" not in {rule.name for rule in engine(settings)._of_targets}
