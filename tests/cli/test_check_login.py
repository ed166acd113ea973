"""`probe check` with an e-mail address and a password, as its user meets it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bench.simulated import simulator
from tests.cli.test_check import Ran, run


@dataclass
class Place:
    url: str
    file: Path
    secrets: list[str]
    pin: str

    def check(self, *options: str, stdin: str = "", pin: str = "") -> Ran:
        arguments = ("check", f"file:{self.file}", "--broker", "quotex", "--endpoint", self.url)
        return run(*arguments, *options, stdin=stdin, environment={"A_PIN": pin})

    def leaks(self, ran: Ran) -> list[str]:
        return [secret for secret in self.secrets if secret in ran.out + ran.err]


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, str]]:
    with simulator("quotex") as found:
        endpoint = found.endpoint("ws")
        yield {"url": endpoint["url"], "credential": endpoint["credential"], **endpoint["sign_in"]}


@pytest.fixture
def place(running: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))
    file = tmp_path / "login.json"
    file.write_text(json.dumps({"email": running["email"], "password": running["password"]}))
    file.chmod(0o600)
    token = json.loads(running["credential"][2:])[1]["session"]
    return Place(running["url"], file, [running["email"], running["password"], token], running["pin"])


def test_a_password_is_not_used_without_being_asked_for(place: Place) -> None:
    ran = place.check()
    assert (ran.code, ran.out) == (2, "")
    assert "Say --login to sign in with it" in ran.err
    assert place.leaks(ran) == []


def test_a_password_without_its_broker_says_which_there_are(place: Place) -> None:
    ran = run("check", f"file:{place.file}", "--login")
    assert (ran.code, ran.out) == (2, "")
    assert "--broker quotex" in ran.err
    assert place.leaks(ran) == []


def test_signing_in_is_shown_as_a_step_and_kept_for_the_next_time(place: Place, tmp_path: Path) -> None:
    first, second = place.check("--login", "--json"), place.check("--login")
    assert (first.code, second.code) == (0, 0)
    told = first.told
    assert (told["phases"][0]["name"], told["sign_in"]["how"]) == ("sign-in", "the password")
    assert [call["status"] for call in told["sign_in"]["calls"]] == [200, 200, 302, 200, 200, 200]
    assert "by a kept session" in second.out
    assert place.leaks(first) + place.leaks(second) == []
    (kept,) = (tmp_path / "home" / "sessions").glob("*.json")
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_nothing_is_kept_where_that_is_wanted(place: Place, tmp_path: Path) -> None:
    assert place.check("--login", "--sessions", "none").code == 0
    assert not (tmp_path / "home").exists()


def test_a_wrong_password_is_said_and_where(place: Place) -> None:
    place.file.write_text(place.file.read_text().replace('"password": "', '"password": "wrong'))
    ran = place.check("--login", "--json")
    assert (ran.code, ran.told["findings"][0]["code"]) == (1, "auth.bad-credentials")
    assert ran.told["not_checked"] == ["login", "prices"]
    assert place.leaks(ran) == []


def test_without_a_terminal_a_pin_is_not_waited_for() -> None:
    with simulator("quotex", "--fault", "signin-pin") as found:
        endpoint = found.endpoint("ws")
        login = json.dumps({key: endpoint["sign_in"][key] for key in ("email", "password")})
        known = ("check", "env:A_LOGIN", "--broker", "quotex", "--endpoint", endpoint["url"], "--login")
        plain = (*known, "--sessions", "none", "--json")
        environment = {"A_LOGIN": login, "A_PIN": endpoint["sign_in"]["pin"]}
        without = run(*plain, environment=environment)
        by_variable = run(*plain, "--pin", "env:A_PIN", environment=environment)
        by_pipe = run(*plain, "--pin", "-", environment=environment, stdin=endpoint["sign_in"]["pin"] + "\n")
    assert (without.code, without.told["findings"][0]["code"]) == (1, "auth.2fa-pin")
    assert (by_variable.code, by_pipe.code) == (0, 0)
    assert endpoint["sign_in"]["pin"] not in without.out + by_variable.out + by_pipe.out
