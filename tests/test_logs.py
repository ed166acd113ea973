"""One line for each unit of work, on standard error, without a secret, whatever happens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from probe.logs import configure, forget, get_logger, redact, remember
from probe.model.credentials import Credentials, PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account

PLANTED = "planted0log0secret00001"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    structlog.reset_defaults()
    remember(Secret(PLANTED))
    yield
    forget(Secret(PLANTED))
    structlog.reset_defaults()


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_is_json_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", terminal=False)
    get_logger(target="demo").info("session_ended", seconds=1.5, regions=("eu", "us"))
    (line,) = told(capsys)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info", "event": "session_ended", "target": "demo", "seconds": 1.5, "regions": ["eu", "us"],
    }  # fmt: skip


def test_a_line_for_a_person_is_one_line_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", terminal=True)
    get_logger().info("session_ended", region="eu", words="a\nb")
    out, err = capsys.readouterr()
    assert (out, "session_ended" in err, "region" in err, err.count("\n")) == ("", True, True, 1)


def test_only_warnings_are_written_before_anybody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger()
    log.info("store_opened")
    log.warning("store_failed")
    assert [line["event"] for line in told(capsys)] == ["store_failed"]


def test_a_logger_made_before_follows_what_is_configured_later(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger()
    configure("debug", terminal=False)
    log.debug("packet_read")
    configure("error", terminal=False)
    log.warning("packet_lost")
    assert [line["event"] for line in told(capsys)] == ["packet_read"]


class Telling:
    def __repr__(self) -> str:
        return f"Telling({PLANTED})"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_secret_is_in_no_line(capsys: pytest.CaptureFixture[str], terminal: bool) -> None:
    configure("debug", terminal=terminal)
    try:
        raise LookupError(PLANTED)
    except LookupError as problem:
        get_logger(bound=PLANTED).error(
            f"{PLANTED}_ended", exc_info=True, text=f"a{PLANTED}b", cut=f"cut {PLANTED[:15]}", deep=[{"a": {PLANTED: (PLANTED,)}}],
            thing=Telling(), problem=problem, escaped=json.dumps({"x": PLANTED}), raw=PLANTED.encode(), **{PLANTED: 1},
        )  # fmt: skip
    err = capsys.readouterr().err
    assert ("LookupError" in err, "***" in err, PLANTED[:15] in err) == (True, True, False)


def test_the_text_of_an_exception_is_for_who_asks_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("info", "debug"):
        configure(level, terminal=False)
        try:
            raise LookupError("details")
        except LookupError:
            get_logger().exception("session_failed")
    short, long = told(capsys)
    assert (short["exception"], "traceback" in short, "details" in str(short)) == (
        "LookupError",
        False,
        False,
    )
    assert "LookupError: details" in long["traceback"]


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


def test_what_cannot_be_written_is_told_and_raises_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", terminal=False)
    get_logger().info("thing_seen", thing=Broken())
    assert told(capsys) == [{"event": "line_lost", "problem": "RuntimeError"}]
    loop: list[object] = []
    loop.append(loop)
    get_logger().info("loop_seen", loop=loop)
    monkeypatch.setattr("sys.stderr", None)
    get_logger().info("nobody_listened")


def test_credentials_are_remembered_with_all_their_parts_and_without_their_settings() -> None:
    credentials = Credentials(
        broker="one", frame=Secret("frame-of-one"), token=Secret("token-of-one"), account=Account.DEMO, user=None,
        parts=(Secret("part-of-one"),), cookies=(("lang", Secret("en")), ("session", Secret("cookie-of-one"))),
    )  # fmt: skip
    login = PasswordLogin(
        broker="one", user=Secret("me@one.example"), password=Secret("password-of-one"), account=Account.DEMO
    )
    session = WebSession(
        broker="one",
        key="k",
        origin="o",
        token=Secret("token-of-two"),
        cookies=(("c", Secret("cookie-of-two")),),
        user_agent="",
    )
    text = "frame-of-one token-of-one part-of-one cookie-of-one me@one.example password-of-one token-of-two cookie-of-two"
    for each in (credentials, login, session):
        remember(each)
    assert redact(f"{text} en") == "*** *** *** *** *** *** *** *** en"
    for each in (credentials, login, session):
        forget(each)
    assert redact(text) == text


def test_a_secret_of_two_targets_is_forgotten_with_the_second() -> None:
    for _ in range(2):
        remember(Secret("shared-by-two"))
    forget(Secret("shared-by-two"))
    assert redact("shared-by-two") == "***"
    forget(Secret("shared-by-two"))
    assert redact("shared-by-two") == "shared-by-two"


def test_importing_it_does_not_import_the_library() -> None:
    import subprocess
    import sys

    code = "import sys, probe.logs; print('structlog' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_what_somebody_else_wrote_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", terminal=True)
    get_logger().warning("met", words="\x1b]0;mine\x07\u202e\x1b[2J")
    line = capsys.readouterr().err
    assert "\\x1b]0;mine\\x07\\u202e\\x1b[2J" in line
    assert "\x07" not in line
