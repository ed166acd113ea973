"""What is kept, in both places alike, and what becomes of it when the place is tampered with."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from probe.kept import PIECE, REJECTED_KEPT, Kept, KeptSessions, SessionFile, SessionKeyring
from probe.model.credentials import Secret, WebSession
from probe.model.errors import ConfigError

ROOT = Path(__file__).parents[1]
SESSION = WebSession(
    origin="https://qxbroker.com",
    broker="quotex",
    key="a1b2c3",
    token=Secret("token-number-one"),
    cookies=(("laravel_session", Secret("first=cookie")), ("lang", Secret("en"))),
    user_agent="Browser/1.0",
    facts=(("signed in as", "a***@b.test"),),
)
NEWER = replace(SESSION, token=Secret("token-number-two"), cookies=(("laravel_session", Secret("second")),))


class MemoryKeyring(KeyringBackend):
    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.writes_left = 1000

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.writes_left:
            raise KeyringLocked
        self.writes_left -= 1
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("TRADEPROBE_HOME", str(folder))
    return folder


@pytest.fixture
def system() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def file(warnings: list[str]) -> SessionFile:
    return SessionFile(warn=warnings.append)


@pytest.fixture
def path(home: Path) -> Path:
    return home / "sessions" / "quotex-a1b2c3.json"


@pytest.fixture(params=["file", "keyring"])
def place(
    request: pytest.FixtureRequest, warnings: list[str], system: MemoryKeyring
) -> Iterator[KeptSessions]:
    yield (
        SessionFile(warn=warnings.append) if request.param == "file" else SessionKeyring(warn=warnings.append)
    )
    assert warnings == []


def load(place: KeptSessions) -> Kept:
    kept = place.load("quotex", "a1b2c3")
    assert kept is not None
    return kept


# -- the three verbs ---------------------------------------------------------------------------------------------------


def test_what_was_saved_is_loaded(place: KeptSessions) -> None:
    assert place.load("quotex", "a1b2c3") is None
    assert place.save(SESSION) is None
    assert load(place) == Kept(session=SESSION)
    assert load(place).has_token
    assert place.save(NEWER) is None
    assert load(place).session == NEWER


def test_each_account_of_each_broker_has_its_own(place: KeptSessions) -> None:
    others = [replace(NEWER, broker="other"), replace(NEWER, key="d4e5f6"), replace(NEWER, key="../../x/é")]
    for session in (SESSION, *others):
        place.save(session)
    for session in (SESSION, *others):
        kept = place.load(session.broker, session.key)
        assert kept is not None
        assert kept.session == session


def test_a_rejected_token_is_gone_and_the_cookies_stay(place: KeptSessions) -> None:
    place.save(SESSION)
    place.reject(SESSION)
    kept = load(place)
    assert not kept.has_token
    assert kept.session == replace(SESSION, token=Secret(""))


def test_a_cookie_that_is_the_rejected_token_itself_goes_with_it(place: KeptSessions) -> None:
    session = replace(SESSION, cookies=(("session", SESSION.token), *SESSION.cookies))
    place.save(session)
    place.reject(session)
    assert load(place).session.cookies == SESSION.cookies


def test_a_rejected_token_is_never_taken_again(place: KeptSessions) -> None:
    place.save(SESSION)
    place.reject(SESSION)
    for before in (load(place), Kept(session=NEWER, rejected=load(place).rejected)):
        failure = place.save(SESSION)
        assert failure is not None
        assert failure.kind == "login.stale-token"
        assert load(place) == before
        assert place.save(NEWER) is None


def test_a_token_that_was_never_kept_is_rejected_as_well(place: KeptSessions) -> None:
    place.reject(SESSION)
    assert load(place).session == replace(SESSION, token=Secret(""))
    assert place.save(SESSION) is not None


def test_a_newer_token_outlives_the_rejection_of_an_older_one(place: KeptSessions) -> None:
    place.save(NEWER)
    place.reject(SESSION)
    assert load(place).session == NEWER
    assert place.save(SESSION) is not None


def test_the_newest_rejections_are_remembered(place: KeptSessions) -> None:
    tokens = [replace(SESSION, token=Secret(f"token-{number}")) for number in range(REJECTED_KEPT + 1)]
    for session in tokens:
        place.reject(session)
    place.reject(tokens[-1])
    assert len(load(place).rejected) == REJECTED_KEPT
    assert [place.save(session) is None for session in tokens] == [True] + [False] * REJECTED_KEPT


def test_nothing_secret_is_shown(place: KeptSessions) -> None:
    place.save(SESSION)
    place.reject(SESSION)
    shown = f"{load(place)!r} {place.save(SESSION)!r}"
    assert not any(secret.reveal() in shown for secret in (SESSION.token, SESSION.cookies[0][1]))


# -- the file ----------------------------------------------------------------------------------------------------------


REJECT_EIGHT_OF_EACH = """
import sys
from probe.kept import SessionFile
from probe.model.credentials import Secret, WebSession
print("ready", flush=True)
sys.stdin.readline()
for key in range(10):
    for number in range(8):
        token = Secret(f"{sys.argv[1]}-{number}")
        session = WebSession(broker="quotex", key=str(key), origin="", token=token, cookies=(), user_agent="")
        SessionFile(warn=print).reject(session)
"""


def test_two_processes_at_once_lose_no_rejection(file: SessionFile) -> None:
    command = [sys.executable, "-c", REJECT_EIGHT_OF_EACH]
    processes = [
        subprocess.Popen([*command, name], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in "ab"
    ]
    for process in processes:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == ["", ""]
    for key in range(10):
        kept = file.load("quotex", str(key))
        assert kept is not None
        assert len(kept.rejected) == 16


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_nobody_else_can_read_it_at_any_time(
    file: SessionFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    umask = os.umask(0)
    try:
        file.save(SESSION)
    finally:
        os.umask(umask)
    assert seen == [0o600, 0o700]  # the file before it has its name, then the folder
    assert {each.name: rights(each) for each in path.parent.iterdir()} == {"lock": 0o600, path.name: 0o600}


@posix_only
def test_a_file_that_others_could_read_is_closed_to_them_with_a_warning(
    file: SessionFile, path: Path, warnings: list[str]
) -> None:
    file.save(SESSION)
    path.chmod(0o644)
    assert load(file).session == SESSION
    assert load(file).session == SESSION
    assert rights(path) == 0o600
    assert warnings == [
        f"the session file {str(path)!r} could be read by other users. Now it cannot any more."
    ]


def test_a_write_that_fails_leaves_what_there_was(
    file: SessionFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    file.save(SESSION)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError) as caught:
            file.save(NEWER)
    assert str(caught.value) == (
        f"sessions cannot be kept in {str(path.parent)!r} (No space left on device). "
        "Name a folder of your own that can be written with TRADEPROBE_HOME."
    )
    assert load(file).session == SESSION
    assert file.save(NEWER) is None
    assert load(file).session == NEWER


def changed(**changes: object) -> bytes:
    whole = {
        "version": 1,
        "broker": SESSION.broker,
        "key": SESSION.key,
        "origin": SESSION.origin,
        "token": "t",
    }
    rest = {"cookies": [["a", "b"]], "user_agent": "", "facts": [], "rejected": []}
    return json.dumps(whole | rest | changes).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (changed()[:-1], "is damaged"),
        (b"[1]", "is damaged"),
        (b"[" * 50_000, "is damaged"),
        (b"\xff" + changed(), "is damaged"),
        (changed(token="x" * 70_000), "is damaged"),
        (changed(token=None), "is damaged"),
        (changed(cookies=[["a"]]), "is damaged"),
        (changed(cookies=[["a", 1]]), "is damaged"),
        (changed(facts={}), "is damaged"),
        (changed(rejected=[1]), "is damaged"),
        (changed(version=2), "was written by another version of tradeprobe"),
        (b'{"version": "new"}', "was written by another version of tradeprobe"),
        (changed(key="d4e5f6"), "belongs to another account"),
        (changed(broker="other"), "belongs to another account"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_replaced(
    file: SessionFile, path: Path, warnings: list[str], content: bytes, words: str
) -> None:
    file.save(SESSION)
    path.write_bytes(content)
    assert file.load("quotex", "a1b2c3") is None
    where = f"the session file {str(path)!r}"
    assert warnings == [f"{where} {words}. It is left aside; the next sign-in replaces it."]
    assert file.save(NEWER) is None
    assert load(file).session == NEWER


def test_a_file_of_this_version_is_understood(file: SessionFile, path: Path) -> None:
    """What was written once must be read for as long as its version is 1."""
    file.save(SESSION)
    path.write_bytes(changed())
    session = replace(SESSION, token=Secret("t"), cookies=(("a", Secret("b")),), user_agent="", facts=())
    assert load(file) == Kept(session=session)


@posix_only
@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_a_link_leads_nowhere(
    file: SessionFile,
    path: Path,
    tmp_path: Path,
    warnings: list[str],
    make: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.save(SESSION)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    make(path, elsewhere)
    if make is Path.hardlink_to:  # of a file that is somebody else's
        monkeypatch.setattr(os, "geteuid", lambda: elsewhere.stat().st_uid + 1)
    assert file.load("quotex", "a1b2c3") is None
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    old = elsewhere.read_bytes()
    file.save(NEWER)
    assert elsewhere.read_bytes() == old
    assert not path.is_symlink()


@posix_only
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_waited_for(
    file: SessionFile, path: Path, warnings: list[str], make: Callable[[Path], None]
) -> None:
    path.parent.mkdir(parents=True)
    make(path)
    assert file.load("quotex", "a1b2c3") is None
    assert len(warnings) == 1
    assert f"{str(path)!r} is no file" in warnings[0]


@posix_only
def test_a_linked_lock_is_not_followed(file: SessionFile, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    (path.parent / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="cannot be kept"):
        file.save(SESSION)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="cannot be kept in"):
        SessionFile(tmp_path / "file", warn=warnings.append).load("quotex", "a1b2c3")


# -- the keyring -------------------------------------------------------------------------------------------------------


def test_no_entry_is_larger_than_windows_takes_and_none_is_left_over(
    system: MemoryKeyring, warnings: list[str]
) -> None:
    place = SessionKeyring(warn=warnings.append)
    large = replace(SESSION, cookies=(("big", Secret("ä" * 3000)),))
    for session in (large, SESSION, large, large):
        place.save(session)
        assert load(place).session == session
        assert {service for service, _ in system.entries} == {"tradeprobe"}
        assert all(len(value.encode("utf-16")) <= 2560 for value in system.entries.values())
    text = sum(len(value) for value in system.entries.values())
    assert len(system.entries) == 1 + -(-text // PIECE)


def test_a_change_that_stops_halfway_is_none(system: MemoryKeyring, warnings: list[str]) -> None:
    place = SessionKeyring(warn=warnings.append)
    place.save(SESSION)
    large = replace(NEWER, cookies=(("big", Secret("x" * 3000)),))
    for writes in range(4):
        system.writes_left = writes
        with pytest.raises(ConfigError, match="KeyringLocked"):
            place.save(large)
        assert load(place).session == SESSION
    system.writes_left = 100
    place.save(large)
    assert load(place).session == large


@pytest.mark.parametrize("header", ["x", "ab 99999999", "ab 1", "ab ab"])
def test_an_entry_that_cannot_be_used_is_named_and_replaced(
    system: MemoryKeyring, warnings: list[str], header: str
) -> None:
    place = SessionKeyring(warn=warnings.append)
    system.entries["tradeprobe", "quotex-a1b2c3"] = header
    assert place.load("quotex", "a1b2c3") is None
    assert [warning.split(" is damaged")[0] for warning in warnings] == [
        "the session 'quotex-a1b2c3' in the system's keyring"
    ]
    place.save(SESSION)
    assert load(place).session == SESSION


def test_a_system_without_a_keyring_is_told(system: MemoryKeyring, warnings: list[str]) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(ConfigError, match="no keyring service"):
        SessionKeyring(warn=warnings.append).load("quotex", "a1b2c3")


def test_a_missing_package_is_told_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'tradeprobe\[keyring\]'"):
        SessionKeyring(warn=warnings.append)
