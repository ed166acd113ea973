"""Where settings come from, what beats what, and that everything wrong is told at once."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from probe.config import (
    BadSettings,
    ChannelSettings,
    DoctorSettings,
    Given,
    KeepSettings,
    MonitorSettings,
    RuleSettings,
    Settings,
    TargetSettings,
    VantageSettings,
    load_settings,
    strange_variables,
)
from probe.config.keys import KEYS, keys_of
from probe.load.permission import Limits
from probe.model.credentials import Secret
from probe.model.errors import ConfigError
from tests.config.corpus import SECRET

TWO = '[targets.one]\ntarget = "sim:quotex"\n[targets.two]\ncredentials = "env:PO"\nconnect = "race"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "probe.toml"
    path.write_text(TWO)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a data folder with nothing in them."""
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def loaded(text: str, folder: Path, **environ: str) -> Settings:
    path = folder / "other.toml"
    path.write_text(text)
    return load_settings(path, environ=environ)


def problem(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(text, folder)
    return str(refused.value)


def test_without_a_file_everything_is_a_default(elsewhere: Path) -> None:
    settings = load_settings(environ={})
    assert (settings.file, dict(settings.targets), set(settings.origin.values())) == (None, {}, {"default"})
    assert (settings.log_level, settings.max_retries, settings.monitor.control) == ("warning", None, None)


def test_the_file_is_looked_for_here_and_then_where_data_is_kept(elsewhere: Path) -> None:
    (elsewhere / "home" / "probe.toml").write_text('[vantage]\nlabel = "kept"\n')
    assert load_settings(environ={}).vantage.label == "kept"
    Path("probe.toml").write_text('[vantage]\nlabel = "here"\n')
    assert load_settings(environ={}).vantage.label == "here"


def test_a_variable_names_the_file_and_the_option_beats_it(elsewhere: Path) -> None:
    for name in ("variable", "option"):
        Path(f"{name}.toml").write_text(f'[vantage]\nlabel = "{name}"\n')
    environ = {"TRADEPROBE_CONFIG": "variable.toml"}
    assert load_settings(environ=environ).vantage.label == "variable"
    assert load_settings("option.toml", environ=environ).vantage.label == "option"


def test_a_named_file_that_is_not_there_is_an_error(elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml \(named by TRADEPROBE_CONFIG\): it cannot be read"):
        load_settings(environ={"TRADEPROBE_CONFIG": "no.toml"})
    with pytest.raises(ConfigError, match=r"no\.toml \(named by --config\)"):
        load_settings("no.toml", environ={})


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in (".", "pipe"):
        with pytest.raises(ConfigError, match=r"this is no file|it cannot be read"):
            load_settings(tmp_path / name, environ={})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[targets.a]\nbroker = pocketoption\n", "line 2: this is not TOML: invalid value"),
        (b"[a]\n[a]\n", "line 2: this is not TOML: cannot declare ('a',) twice"),
        (f"[{SECRET}]\n[{SECRET}]\n".encode(), "line 2: this is not TOML: a table or key stands twice"),
        (b"# \xff\n", "line 1: this is not UTF-8"),
        (b'\n\nx = "a\n', "line 3: this is not TOML"),
        (b"x = " + b"[" * 5000, "this is not TOML"),
        (b"#" * (1024 * 1024 + 1), "it is larger than 1 MiB"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_told_with_its_line(text: bytes, words: str, file: Path) -> None:
    file.write_bytes(text)
    with pytest.raises(ConfigError) as refused:
        load_settings(file, environ={})
    assert words in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_mark_at_the_beginning_is_no_error(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[monitor]\n")
    assert load_settings(file, environ={}).file == file


def test_everything_wrong_is_told_together(tmp_path: Path) -> None:
    told = problem("[monitor]\ncontrl = 1\nstall_reconnect = false\n[store]\npath = 1\n", tmp_path)
    assert told.splitlines()[0] == "the configuration is wrong in 3 places"
    assert [line.split(": ")[1] for line in told.splitlines()[1:]] == [
        "monitor.contrl",
        "monitor.stall_reconnect",
        "store.path",
    ]


def test_a_target_whose_credential_is_wrong_does_not_also_miss_one(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        loaded(f'[targets.demo]\ncredentials = "{SECRET}"\n', tmp_path)
    assert len(refused.value.problems) == 1


def test_the_environment_beats_the_file_and_options_beat_both(file: Path) -> None:
    file.write_text('[store]\npath = "file.db"\n')
    environ = {"TRADEPROBE_STORE": "/variable.db"}
    by_file = load_settings(file, environ={})
    by_variable = load_settings(file, environ=environ)
    by_option = load_settings(file, environ=environ, options={"store.path": ("--store", "/option.db")})
    assert [(each.store.path, each.origin["store.path"]) for each in (by_file, by_variable, by_option)] == [
        (file.parent / "file.db", "probe.toml"),
        (Path("/variable.db"), "TRADEPROBE_STORE"),
        (Path("/option.db"), "--store"),
    ]


def test_none_turns_the_store_off_and_a_path_turns_it_on(file: Path) -> None:
    file.write_text("[store]\nenabled = false\n")
    assert load_settings(file, environ={"TRADEPROBE_STORE": "/a.db"}).store.enabled
    off = load_settings(
        file, options={"store.path": ("--store", "none")}, environ={"TRADEPROBE_STORE": "/a.db"}
    )
    assert (off.store.enabled, off.origin["store.enabled"]) == (False, "--store")


def test_an_option_holds_for_every_target(file: Path) -> None:
    settings = load_settings(file, environ={}, options={"targets.*.connect": ("--connect", "fallback")})
    assert [each.connect for each in settings.targets.values()] == ["fallback", "fallback"]
    assert settings.origin["targets.two.connect"] == "--connect"


def test_a_proxy_in_the_environment_is_referred_to_and_not_copied(file: Path) -> None:
    environ = {"TRADEPROBE_PROXY": f"http://me:{SECRET}@proxy.example:3128"}
    settings = load_settings(file, environ=environ)
    assert settings.targets["one"].proxy == Given(
        value=Secret("env:TRADEPROBE_PROXY"), is_reference=True, shown="env:TRADEPROBE_PROXY"
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TRADEPROBE_TIMEOUT": "soon"}, "TRADEPROBE_TIMEOUT: 'soon' is not a duration"),
        ({"TRADEPROBE_MAX_RETRIES": "-1"}, "TRADEPROBE_MAX_RETRIES: -1 is out of range"),
        ({"TRADEPROBE_MAX_RETRIES": "many"}, "TRADEPROBE_MAX_RETRIES: this is not a whole number"),
        ({"TRADEPROBE_LOG_LEVEL": "warn"}, "TRADEPROBE_LOG_LEVEL: 'warn' is not one of the words that can stand here (did you mean 'warning'?)"),
        ({"TRADEPROBE_DOCTOR_CONTROLS": "127.0.0.1:1,nowhere"}, "TRADEPROBE_DOCTOR_CONTROLS: this is no HOST:PORT"),
        ({"TRADEPROBE_DEBUG": "perhaps"}, "TRADEPROBE_DEBUG: this is text, not true or false"),
    ],
)  # fmt: skip
def test_a_variable_is_checked_as_strictly(environ: dict[str, str], words: str, file: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        load_settings(file, environ=environ)
    assert words in str(refused.value)


def test_the_four_variables_set_what_they_say(file: Path) -> None:
    environ = {"TRADEPROBE_TIMEOUT": "1m", "TRADEPROBE_MAX_RETRIES": "3", "TRADEPROBE_LOG_LEVEL": "info"}
    settings = load_settings(file, environ=environ)
    assert (settings.timeout, settings.max_retries, settings.log_level, settings.debug) == (
        60.0,
        3,
        "info",
        False,
    )


def test_a_list_in_a_variable_is_divided_by_commas(file: Path) -> None:
    environ = {
        "TRADEPROBE_DOCTOR_CONTROLS": "192.0.2.1:443, [2001:db8::1]:443",
        "TRADEPROBE_DOCTOR_RESOLVERS": "192.0.2.53",
    }
    doctor = load_settings(file, environ=environ).doctor
    assert doctor == DoctorSettings(
        controls=("192.0.2.1:443", "[2001:db8::1]:443"), resolvers=("192.0.2.53",)
    )


def test_what_a_load_test_may_do_and_to_whom_is_read_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "probe.toml"
    file.write_text(
        '[targets.ours]\nbroker = "quotex"\nendpoints = ["wss://Staging.example:8443/"]\nowned = true\n'
        '[targets.theirs]\nbroker = "quotex"\nendpoints = ["wss://other.example/"]\n'
        '[safety]\nload_connections = 5\nowned_rate = 2.5\nowned_time = "1m"\nload_shares = 2\n'
    )
    settings, usual = load_settings(file, environ={}), Limits()
    assert settings.owned_hosts == {"staging.example"}
    assert settings.safety.limits == Limits(
        here=dataclasses.replace(usual.here, connections=5),
        owned=dataclasses.replace(usual.owned, rate=2.5, seconds=60.0),
        shares=2,
    )


def test_debugging_logs_everything_unless_a_level_is_said(file: Path) -> None:
    debugging = {"TRADEPROBE_DEBUG": "1"}
    settings = load_settings(file, environ=debugging)
    assert (settings.debug, settings.log_level, settings.origin["log_level"]) == (
        True,
        "debug",
        "TRADEPROBE_DEBUG",
    )
    assert load_settings(file, environ=debugging | {"TRADEPROBE_LOG_LEVEL": "error"}).log_level == "error"
    assert load_settings(file, environ={"TRADEPROBE_DEBUG": "0"}).log_level == "warning"


def test_a_variable_that_does_nothing_draws_a_warning() -> None:
    assert strange_variables({"TRADEPROBE_TIMOUT": "1", "TRADEPROBE_HOME": "/", "HOME": "/"}) == [
        "TRADEPROBE_TIMOUT in the environment does nothing; did you mean TRADEPROBE_TIMEOUT?"
    ]
    assert strange_variables({"TRADEPROBE_SSID": SECRET}, ["env:TRADEPROBE_SSID"]) == []


def test_a_variable_that_a_target_refers_to_is_the_users_own(tmp_path: Path) -> None:
    text = '[targets.a]\ncredentials = "env:TRADEPROBE_MINE"\n'
    assert loaded(text, tmp_path, TRADEPROBE_MINE=SECRET).warnings == ()


def test_files_are_found_from_the_configuration_and_not_from_where_it_is_started(tmp_path: Path) -> None:
    text = '[targets.a]\ncredentials = "file:ssid.txt"\nca = "/etc/ca.pem"\n[store]\npath = "h.db"\n'
    settings = loaded(text, tmp_path)
    assert settings.targets["a"].credentials == f"file:{tmp_path / 'ssid.txt'}"
    assert (settings.targets["a"].ca, settings.store.path) == (Path("/etc/ca.pem"), tmp_path / "h.db")


def test_zero_is_never(tmp_path: Path) -> None:
    settings = loaded(
        '[targets.a]\ntarget = "sim:quotex"\nknock_every = 0\n[monitor]\nstall_reconnect = "0s"\n', tmp_path
    )
    assert (settings.targets["a"].knock_every, settings.monitor.stall_reconnect) == (None, None)


def test_two_targets_with_one_credential_draw_a_warning(tmp_path: Path) -> None:
    (warning,) = loaded(
        '[targets.a]\ncredentials = "env:X"\n[targets.b]\ncredentials = "env:X"\n', tmp_path
    ).warnings
    assert warning.startswith(
        "targets.a and targets.b have the same credentials (env:X): a second login can end"
    )


def test_a_notification_url_in_the_clear_draws_a_warning_and_is_a_secret(tmp_path: Path) -> None:
    settings = loaded(f'[[alerts.channels]]\nname = "c"\nurl = "tgram://{SECRET}/1"\n', tmp_path)
    (warning,) = settings.warnings
    (channel,) = settings.alerts.channels
    assert "alerts.channels[0].url stands in the file in the clear" in warning
    assert (SECRET in repr(settings) + warning, channel.url and channel.url.shown) == (False, "tgram://***")
    assert channel.url is not None
    assert channel.url.read().secret.reveal() == f"tgram://{SECRET}/1"


def test_access_points_that_no_watching_looks_at_draw_a_warning(file: Path) -> None:
    file.write_text(
        '[targets.a]\ntarget = "sim:quotex"\naccess_points = ["eu=192.0.2.1:443"]\n'
        '[targets.b]\ntarget = "sim:mt5"\naccess_points = ["eu=192.0.2.1:443"]\n'
    )
    assert load_settings(file, environ={}).warnings == (
        "targets.a.access_points are measured by probe endpoints only: watching Quotex does not look at them.",
    )


def test_a_file_that_others_can_change_draws_a_warning(file: Path) -> None:
    file.chmod(0o666)
    assert load_settings(file, environ={}).warnings == (
        f"{file} can be changed by other users, and it can name commands: chmod 644 it.",
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_read_unasked(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("probe.toml").write_text("")
    os.chown("probe.toml", 65534, 65534)
    with pytest.raises(ConfigError, match="it belongs to another user, so it is not read unasked"):
        load_settings(environ={})
    assert load_settings("probe.toml", environ={}).file == Path("probe.toml")


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("vantage", VantageSettings),
        ("targets.*", TargetSettings),
        ("monitor", MonitorSettings),
        ("doctor", DoctorSettings),
        ("alerts.rules.*", RuleSettings),
        ("alerts.channels", ChannelSettings),
        ("store.keep", KeepSettings),
    ],
)
def test_the_table_and_the_settings_have_the_same_keys(section: str, kind: type[Any]) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields - {"name"} == {key.field for key in keys_of(section).values()} - {"name"}


def test_no_default_is_out_of_its_own_range(tmp_path: Path) -> None:
    for key in KEYS:
        if isinstance(key.default, (bool, float, str)):
            assert key.kind.read(key.default, tmp_path) == key.default


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[targets.a]\nobjective = " + "9" * 400, "this is not a number"),
        ("[targets.a]\nobjective = " + "9" * 5000, "a number in it is too long"),
        ("[targets.a]\nknock_every = 0x" + "f" * 6000, "this is not a duration"),
        ('[targets.a]\nca = "~nobody-of-that-name/x"', "nobody here has that home directory"),
        ('[targets.a]\ncredentials = "file:~nobody-of-that-name/x"', "nobody here has that home directory"),
        (".".join(["a"] * 100_000) + " = 1", "more than 200 dots stand here"),
    ],
    ids=[
        "huge",
        "too many digits",
        "huge in hexadecimal",
        "home",
        "home of a reference",
        "a key of many parts",
    ],
)
def test_what_would_break_the_reader_is_told(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_settings(path, environ={})


def test_a_row_of_dots_in_a_comment_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text(f"# {'.' * 300}\n")
    assert load_settings(path, environ={}).targets == {}


def test_thousands_of_problems_are_not_all_printed(tmp_path: Path) -> None:
    path = tmp_path / "probe.toml"
    path.write_text("\n".join(f"a{number} = 1" for number in range(100)))
    with pytest.raises(BadSettings) as caught:
        load_settings(path, environ={})
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (52, "  and 50 more")


@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000])
def test_a_variable_may_be_too_large_for_a_number(elsewhere: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="this is not a whole number"):
        load_settings(environ={"TRADEPROBE_MAX_RETRIES": value})
