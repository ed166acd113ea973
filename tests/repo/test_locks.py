"""The lock files name every version and its hashes, fit pyproject.toml, and know no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ASKED_FOR = {
    "runtime": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]],
    "dev": PROJECT["dependency-groups"]["dev"],
    "audit": PROJECT["dependency-groups"]["audit"],
    "docs": PROJECT["dependency-groups"]["docs"],
    "clients": PROJECT["dependency-groups"]["clients"],
}


def locked(name: str) -> dict[str, str]:
    """Package: the rest of its line, continuation lines joined."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.partition("==")[0]: line.partition("==")[2] for line in lines}


def test_there_is_a_lock_for_each_environment() -> None:
    assert [lock.stem for lock in LOCKS] == sorted(ASKED_FOR)


@pytest.mark.parametrize("name", ASKED_FOR)
def test_every_requirement_has_an_exact_version_and_hashes(name: str) -> None:
    pinned = re.compile(r"([0-9]+!)?[0-9][\w.]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert [package for package, rest in locked(name).items() if not pinned.fullmatch(rest)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_names_an_index(lock: Path) -> None:
    found = re.findall(r"://|--(?:index|extra|find|trusted)\S*", lock.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_lock_fits_what_pyproject_asks_for(name: str) -> None:
    """`make lock` was not forgotten after a dependency changed."""
    versions = {package: rest.split()[0] for package, rest in locked(name).items()}
    wanted = [Requirement(asked) for asked in ASKED_FOR[name]]
    assert [str(need) for need in wanted if versions.get(need.name.lower(), "0") not in need.specifier] == []


def test_what_stands_in_two_locks_has_one_version() -> None:
    runtime, dev = (
        {
            package: (rest.split()[0], set(re.findall(r"sha256:\w+", rest)))
            for package, rest in locked(name).items()
        }
        for name in ("runtime", "dev")
    )
    shared = runtime.keys() & dev.keys()
    assert {name: dev[name] for name in shared} == {name: runtime[name] for name in shared}
