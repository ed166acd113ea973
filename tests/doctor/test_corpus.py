"""Files as strangers send them: what was said of each when it was made is said of it still."""

import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probe.brokers import broker_names
from probe.cli.main import run as probe_command
from probe.cli.nameless import Net
from tests.doctor.make_corpus import CORPUS, EXPECTED
from tests.pretending import SSID, TOKEN

EXPECTATIONS: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text())
FILES = sorted(each for each in CORPUS.iterdir() if each != EXPECTED)
LARGEST = 40_000  # bytes
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
# Of tests' own making, and public: a resolver's answer, and addresses on which nobody is in a namespace of their own.
_KNOWN = ("93.184.215.14", "10.7.", "10.99.0.1", "fd00:7:")


def test_they_are_many_and_small_and_of_every_kind() -> None:
    assert len(FILES) >= 30
    assert {each.name for each in FILES} == set(EXPECTATIONS)
    assert max(each.stat().st_size for each in FILES) < LARGEST
    codes = {code for said in EXPECTATIONS.values() for code, _ in said["verdicts"]}
    layers = {code.partition(".")[0] for code in codes}
    assert layers >= {
        "cfg",
        "dns",
        "tcp",
        "tls",
        "http",
        "eio",
        "sio",
        "auth",
        "session",
        "data",
        "mt5",
        "crypto",
        "host",
    }
    healthy = [name for name, said in EXPECTATIONS.items() if said["exit_code"] == 0]
    assert all(any(broker in name for name in healthy) for broker in broker_names())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_same_is_said_of_it_as_when_it_was_made(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = probe_command(["doctor", "--from", str(file), "--json"])
    told = json.loads(capsys.readouterr().out)
    verdicts = [[each["code"], each["certainty"]] for each in told["verdicts"]]
    assert {"exit_code": code, "verdicts": verdicts} == EXPECTATIONS[file.name]


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield from (key, *texts(each))
        case list():
            for each in value:
                yield from texts(each)
        case _:
            pass


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_in_it_leads_to_anybody(file: Path) -> None:
    content = file.read_text()
    assert TOKEN not in content
    assert SSID not in content
    assert "planted" not in content
    for address in _IPV4.findall(content):
        where = ipaddress.ip_address(address)
        assert (
            where.is_loopback
            or where.is_unspecified
            or Net((), ())(address) == address
            or address.startswith(_KNOWN)
        ), address
    record = content.partition("````json\n")[2].partition("\n````")[0] or content * content.startswith("{")
    net = Net(set(_IPV4.findall(content)), ())
    for text in texts(json.loads(record)) if record else content.splitlines():
        assert net(text) == text or any(each in text for each in _KNOWN)
