"""What is known of a credential before anybody is asked about it, and where else one lies."""

import os
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.diagnose.case import Source
from probe.doctor.pasted import pasted_of, pasted_url, sources_of
from probe.model.credentials import Bound, Secret
from probe.model.endpoint import Account
from probe.vault import Found

TOKEN = "q7w6ha4u5vb1k2m9z0c3d8e7f1"
FRAME = f'42["auth",{{"session":"{TOKEN}","isDemo":1,"uid":81234567,"platform":2}}]'
FINGERPRINT = Secret(TOKEN).fingerprint()
SESSION = (
    r"a:4:{s:10:\"session_id\";s:32:\"5f3c09d1b27e4a8860aa17c3e4d29b51\";s:10:\"ip_address\";s:11:\"203.0.113.7\";"
    r"s:10:\"user_agent\";s:5:\"A/1.0\";s:13:\"last_activity\";i:1732926685;}b7e01c66f2a94d3c8810d5e6fa7392c4"
)
REAL = f'42["auth",{{"session":"{SESSION}","isDemo":0,"uid":81234567,"platform":2}}]'


def found(text: str, source: str = "an argument") -> Found:
    return Found(secret=Secret(text), source=source)


def test_no_credential_is_not_a_bad_one() -> None:
    assert pasted_of(None) is None


def test_a_good_one_tells_its_account_and_which_token_is_used() -> None:
    pasted = pasted_of(found(FRAME))
    assert pasted is not None
    assert (pasted.code, pasted.account, pasted.repairs, pasted.bound) == ("", Account.DEMO, (), None)
    assert pasted.sources == (Source(name="an argument", fingerprint=FINGERPRINT, used=True),)


def test_what_was_repaired_is_told() -> None:
    pasted = pasted_of(found(FRAME.replace('"', "“")))
    assert pasted is not None
    assert pasted.code == ""
    assert pasted.repairs != ()


def test_what_the_broker_wrote_into_a_real_session_is_told() -> None:
    pasted = pasted_of(found(REAL))
    assert pasted is not None
    assert pasted.bound == Bound(address="203.0.113.7", last_used_utc=1732926685.0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TOKEN, "cfg.ssid-raw-token"),
        ("a:4:{s:10:…}", "cfg.ssid-raw-token"),
        ("hello", "cfg.ssid-mangled"),
        ("\ud800", "cfg.ssid-mangled"),
        ("", "cfg.ssid-mangled"),
    ],
)
def test_a_text_that_is_no_brokers_is_named_without_an_exception(text: str, code: str) -> None:
    pasted = pasted_of(found(text))
    assert pasted is not None
    assert (pasted.code, bool(pasted.problem), bool(pasted.next_step)) == (code, True, True)


@pytest.mark.parametrize("text", [FRAME, FRAME[:40], TOKEN, FRAME.replace("isDemo", "demo")])
def test_the_token_is_nowhere_in_it(text: str) -> None:
    assert TOKEN[:12] not in repr(pasted_of(found(text), find_broker("pocketoption")))


def test_a_password_is_no_token_that_could_be_old() -> None:
    login = '{"email":"person@example.com","password":"hunter22"}'
    pasted = pasted_of(found(login), find_broker("quotex"))
    assert pasted is not None
    assert [each.fingerprint for each in pasted.sources] == [""]


def test_every_place_is_told_with_its_token_and_age_and_the_used_one_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ssid"
    file.write_text(FRAME)
    os.utime(file, (1000.0, 1000.0))
    monkeypatch.setenv("PO_SSID", REAL)
    monkeypatch.delenv("NOTHING", raising=False)
    places = sources_of(
        [f"file:{file}", "env:PO_SSID", "env:NOTHING", "file:/nowhere/at/all", "-"], now_utc=1060.0
    )
    pasted = pasted_of(found(FRAME, f"the file {str(file)!r}"), None, places)
    assert pasted is not None
    assert [(each.name, each.age_seconds, each.used) for each in pasted.sources] == [
        (f"the file {str(file)!r}", 60.0, True),
        ("the environment variable 'PO_SSID'", None, False),
    ]
    assert pasted.sources[0].fingerprint == FINGERPRINT
    assert pasted.sources[1].fingerprint not in ("", FINGERPRINT)


def test_one_token_written_in_two_ways_is_one(tmp_path: Path) -> None:
    plain, spaced = tmp_path / "plain", tmp_path / "spaced"
    plain.write_text(FRAME)
    spaced.write_text(FRAME.replace(",", ", "))
    assert {each.fingerprint for each in sources_of([f"file:{plain}", f"file:{spaced}"])} == {FINGERPRINT}


@pytest.mark.parametrize(
    ("url", "code"),
    [("wss://api.example.com/socket.io/", None), ("wss://wss://api.example.com/", "cfg.url-malformed")],
)
def test_a_url_is_judged_by_itself(url: str, code: str | None) -> None:
    pasted = pasted_url(url)
    assert (pasted.code if pasted else None) == code
