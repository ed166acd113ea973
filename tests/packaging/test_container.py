"""The Dockerfile, as far as it can be tried without a container engine: what it copies is there, what it runs is understood, and
its health check tells a healthy exporter from others."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from exporters import control
from exporters.watched import Watched
from probe.cli.exporter import exporter
from probe.config.keys import variables
from probe.monitor.monitor import Monitor
from tests.cli.exporting import exporting
from tests.exporters.serving import in_a_loop, serving
from tests.packaging.built import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LINES = [
    line for line in re.sub(r"\\\n\s*", "", TEXT).splitlines() if line.strip() and not line.startswith("#")
]
KEPT = "/var/lib/tradeprobe"


def told(instruction: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in LINES if line.startswith(f"{instruction} ")]


def copied() -> set[str]:
    return {word for line in told("COPY") if not line.startswith("--from") for word in line.split()[:-1]}


def environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(told("ENV"))))


def test_what_it_copies_is_there_and_reaches_the_build() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[0] == "*"
    assert {path for path in copied() if (ROOT / path).exists()} == copied()
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == copied()


def test_it_copies_all_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    about = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert {*wheel["packages"], *wheel["shared-data"], *about} <= copied()


def test_it_runs_as_nobody_and_writes_to_one_folder() -> None:
    assert told("USER") == ["10001:10001"]
    assert LINES.index("USER 10001:10001") > max(
        at for at, line in enumerate(LINES) if line.startswith(("RUN", "COPY"))
    )
    assert told("VOLUME") == told("WORKDIR") == [KEPT]
    assert {environment()[name] for name in ("HOME", "TRADEPROBE_HOME")} == {KEPT}
    assert f"install --directory --owner=10001 --group=10001 --mode=0700 {KEPT}" in TEXT


def test_its_command_and_its_variables_are_ours() -> None:
    assert json.loads(told("ENTRYPOINT")[0]) == ["probe"]
    assert json.loads(told("CMD")[0]) == [exporter.name]
    ours = {name for name in environment() if name.startswith("TRADEPROBE_")}
    assert ours <= variables().keys()
    port = environment()["TRADEPROBE_EXPORTER_LISTEN"].rpartition(":")[2]
    assert told("EXPOSE") == [port]
    assert f"'127.0.0.1', {port}, " in TEXT


def health(address: tuple[str, int] | str, *, patience: float = 5.0) -> int:
    """What the health check ends with, asked of another place than the container's own."""
    _, _, command = told("HEALTHCHECK")[0].partition("CMD ")
    program, *arguments = json.loads(command)
    assert program == "python"
    host, port = address if isinstance(address, tuple) else address.partition("://")[2].split(":")
    script = arguments.pop().replace("'127.0.0.1', 18480, timeout=5", f"'{host}', {port}, timeout={patience}")
    ran = subprocess.run([sys.executable, *arguments, script], capture_output=True, check=False)
    return ran.returncode


def test_an_exporter_that_measures_is_healthy_and_one_that_hangs_or_has_ended_is_not(tmp_path: Path) -> None:
    with exporting(tmp_path, "sim:pocketoption") as (running, url):
        assert health(url) == 0
        running.process.send_signal(19)
        assert health(url, patience=0.3) == 1
        running.process.send_signal(18)
    assert health(url) == 1


@in_a_loop
async def test_an_exporter_that_has_not_begun_is_not_healthy() -> None:
    import asyncio

    async def reload() -> str:
        return ""

    async with serving(tuple(control.routes(Watched(Monitor(()), reload)))) as served:
        assert await asyncio.to_thread(health, served.address) == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be told that its files are read-only")
def test_a_session_is_held_where_all_but_one_folder_is_read_only(tmp_path: Path) -> None:
    """As with `docker run --read-only`."""
    unshared = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshared, "true"], check=False).returncode:
        pytest.skip("this system lets nobody have mounts of their own")
    if tmp_path.stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("temporary files are not on the file system that is made read-only")
    home = tmp_path / "home"
    home.mkdir()
    inside = 'mount -o remount,bind,ro / && mount -t tmpfs none "$0" && ! touch "$0/../x" && exec "$@"'
    command = [
        *unshared,
        "sh",
        "-c",
        inside,
        str(home),
        sys.executable,
        "-m",
        "probe",
        "exporter",
        "sim:pocketoption",
    ]
    ran = subprocess.run(
        [*command, "--for", "2s", "--listen", "127.0.0.1:0"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "TRADEPROBE_HOME": str(home),
            "PATH": "/usr/bin:/bin:/usr/sbin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, "STREAMING" in ran.stdout) == (0, True), ran.stdout + ran.stderr
