"""On a machine that is itself sick the examination comes to its end in time, and says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.examined import WITHIN, examined, examined_alone
from tests.host.sick import NAME
from tests.monitor.namespaces import NOBODY, ROOT

DEAD, SILENT = "2001:db8::9", "10.9.0.9"  # there is a route to them, and nobody
LINK = (
    "ip link add here type veth peer name there && ip link set here up && ip link set there up "
    "&& ip address add 2001:db8::1/64 dev here nodad && ip address add 10.9.0.1/24 dev here"
)


def test_without_a_file_handle_that_is_what_is_said() -> None:
    told = examined("handles")
    assert told["said"][0] == ["host.fd-limit", "certain"]
    assert told["rungs"]["session"] == "not checked"


def test_with_too_few_handles_to_begin_one_sentence_says_so() -> None:
    command = [sys.executable, "-m", "probe", "doctor", "ws://127.0.0.1:9/", "--broker", "pocketoption"]
    ran = subprocess.run(
        ["sh", "-c", 'ulimit -n 5; exec "$@"', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert [line.partition(" (")[0] for line in ran.stderr.splitlines()] == [
        "error: this process has no file handles left"
    ]


@pytest.mark.long
def test_beside_a_saturated_core_it_is_said_and_the_session_is_seen_all_the_same() -> None:
    told = examined("processor")
    assert ["host.cpu-starved", "certain"] in told["said"]
    assert told["rungs"]["session"] == "ok"
    assert told["state"] == "degraded"


@pytest.mark.long
@pytest.mark.parametrize("resolver", ["", f"nameserver {SILENT}\n"], ids=["none", "silent"])
def test_without_a_resolver_no_name_is_looked_up_and_nothing_behind_is_called_well(
    tmp_path: Path, resolver: str
) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(resolver)
    setup = f"mount --bind {file} /etc/resolv.conf && {LINK} && ip neighbour add {SILENT} lladdr {NOBODY} dev here"
    told = examined_alone("names", setup)
    assert told["said"][0][0].startswith("dns.")
    assert told["rungs"]["names"] == "broken"
    assert {told["rungs"][each] for each in ("TCP", "TLS", "session")} == {"not checked"}


@pytest.mark.long
def test_a_family_of_addresses_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 {NAME}\n{DEAD} {NAME}\n")
    setup = (
        f"mount --bind {hosts} /etc/hosts && {LINK} && ip -6 neighbour add {DEAD} lladdr {NOBODY} dev here"
    )
    told = examined_alone("ipv6", setup)
    assert told["said"][0] == ["net.ipv6-blackhole", "certain"]
    assert told["state"] == "failed"
    assert (told["rungs"]["TCP"], told["rungs"]["session"]) == ("ok", "ok")
