"""Brokers of other packages are found by their entry points, and a broken one is told of by its package's name."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probe.brokers import _outside, all_brokers, broker_names, find_broker
from probe.model.errors import ConfigError

KESTREL = Path(__file__).parents[2] / "examples" / "outside-broker"
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays the metadata of a package that is called as the first argument says and brings what the second does."""

    def lay(package: str, brings: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[tradeprobe.brokers]\n{brings}\n")
        _forget()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(KESTREL)
    yield lay
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for known in (broker_names, find_broker, _outside):
        known.cache_clear()


def test_what_a_package_brings_stands_beside_ours(install: Install) -> None:
    ours = broker_names()
    install("kestrel-probe", "kestrel = kestrel_probe:BROKER")
    assert broker_names() == tuple(sorted((*ours, "kestrel")))
    assert find_broker("kestrel").title == "Kestrel"
    assert find_broker("kestrel") in all_brokers()


@pytest.mark.parametrize(
    ("brings", "says"),
    [
        ("gone = no_such_module:BROKER", "the broker 'gone' cannot be loaded (ModuleNotFoundError: "),
        ("gone = kestrel_probe:NOTHING", "the broker 'gone' cannot be loaded (AttributeError: "),
        ("odd = kestrel_probe:RULES", "the broker 'odd' is DialectRules and no Broker: kestrel_probe:RULES"),
        ("falcon = kestrel_probe:BROKER", "the broker 'falcon' calls itself 'kestrel'"),
    ],
)
def test_a_package_that_is_broken_is_named_with_what_to_do(install: Install, brings: str, says: str) -> None:
    install("falcon-probe", brings)
    with pytest.raises(ConfigError) as refused:
        all_brokers()
    assert str(refused.value).startswith(f"package falcon-probe: {says}")
    assert str(refused.value).endswith("Update that package, or take it away: pip uninstall falcon-probe.")


def test_nobody_takes_the_name_of_another_broker(install: Install) -> None:
    install("falcon-probe", "quotex = kestrel_probe:BROKER")
    with pytest.raises(ConfigError, match="brings a broker called 'quotex', and so does tradeprobe itself"):
        broker_names()


def test_two_packages_cannot_bring_the_same_broker(install: Install) -> None:
    install("falcon-probe", "kestrel = kestrel_probe:BROKER")
    install("kestrel-probe", "kestrel = kestrel_probe:BROKER")
    with pytest.raises(ConfigError, match=r"kestrel.*, and so does (falcon|kestrel)-probe"):
        find_broker("kestrel")
