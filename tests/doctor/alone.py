"""A machine of one's own: a network namespace with resolvers, routes and dead ends of our making, in which a child examines
every patient at once and tells what was said of each."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from probe.model.findings import Certainty
from tests.doctor.patients import GROUPS
from tests.doctor.staging import Said, Staged

ROOT = Path(__file__).resolve().parents[2]
TOOLS = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # `ip` is an administrator's
PATIENCE = 60.0
OPTIONS = {"quick": "timeout:1 attempts:1", "long": "timeout:2 attempts:1"}  # of the system's lookups
NOBODY = "02:00:00:00:00:99"  # a link-layer address that no interface has
LINKS = f"""
ip link set lo up
ip link add near type veth peer name far
ip address add 10.7.4.1/24 dev near
ip -6 address add fd00:7::1/64 dev near nodad
ip link set near up
ip link set far up
ip neighbour add 10.7.4.2 lladdr {NOBODY} dev near
ip -6 neighbour add fd00:7::2 lladdr {NOBODY} dev near
ip route add unreachable 10.7.1.0/24
ip route add prohibit 10.7.2.0/24
"""


@functools.cache
def told_there(module: str, group: str = "quick", keep: Path | None = None) -> Any:
    """What this module prints there, as JSON.

    Args:
        keep: A folder for what would be shared of each.
    """
    lacking = [tool for tool in ("ip", "unshare") if shutil.which(tool, path=TOOLS) is None]
    if lacking:
        pytest.skip(f"no network namespace can be made here without {' and '.join(lacking)}")
    with tempfile.TemporaryDirectory() as home:
        binds = ""
        for place, text in {
            "/etc/resolv.conf": f"nameserver 127.0.0.1\noptions {OPTIONS[group]}\n",
            "/etc/nsswitch.conf": "hosts: files dns\n",
        }.items():
            own = Path(home) / Path(place).name
            own.write_text(text)
            binds += f"mount --bind {own} {place}\n"
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        script = f"set -e\n{binds}{LINKS}echo ready\nexec {sys.executable} -m {module} {group} {keep or ''}"
        told = subprocess.run(
            ["unshare", "--net", "--mount", *user, "sh", "-c", script],
            cwd=ROOT,
            env={"PATH": TOOLS, "TRADEPROBE_HOME": home, "HOME": home},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    ready, _, answers = told.stdout.partition("\n")
    if ready != "ready":
        pytest.skip(f"no network namespace can be made here: {told.stderr.strip()}")
    assert told.returncode == 0, told.stderr
    return json.loads(answers)


def said_there(group: str, keep: Path | None = None) -> dict[str, Said]:
    return {
        name: Said(verdicts=_sure(verdicts), without=without, retold=_sure(retold))
        for name, (verdicts, without, retold) in told_there("tests.doctor.patients", group, keep).items()
    }


def _sure(verdicts: list[list[str]]) -> tuple[tuple[str, Certainty], ...]:
    return tuple((code, Certainty(word)) for code, word in verdicts)


def there(name: str, group: str) -> Callable[[], Said]:
    """What was said of a patient of `tests.doctor.patients`."""
    return lambda: said_there(group)[name]


def cases(*layers: str, certain: Collection[str]) -> list[Staged]:
    """Of the hosts there, those whose failures are of these layers; the empty one has those without a failure."""
    return [
        Staged(
            code=host.code,
            name=name,
            play=there(name, group),
            certain=name in certain,
            long=group == "long",
        )
        for group, hosts in GROUPS.items()
        for name, host in hosts.items()
        if host.code.partition(".")[0] in layers
    ]
