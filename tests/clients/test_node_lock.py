"""The lock file of the clients in JavaScript keeps the promises of those in requirements/."""

import json
from pathlib import Path
from typing import Any

NODE = Path(__file__).with_name("node")


def read(name: str) -> Any:
    return json.loads((NODE / name).read_text(encoding="utf-8"))


def test_every_package_has_its_hash_and_none_its_registry() -> None:
    packages = {path: package for path, package in read("package-lock.json")["packages"].items() if path}
    assert packages
    assert [path for path, each in packages.items() if "integrity" not in each or "resolved" in each] == []


def test_the_lock_fits_what_is_asked_for() -> None:
    assert read("package-lock.json")["packages"][""]["dependencies"] == read("package.json")["dependencies"]
