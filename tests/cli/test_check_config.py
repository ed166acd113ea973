"""`probe check` with targets that the configuration names, and with a credential as an argument."""

from pathlib import Path

import pytest

from probe.cli.main import run as probe_command
from probe.config import strange_variables
from probe.model.credentials import Secret
from tests.pretending import SSID, TOKEN


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = probe_command(["check", *arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


def test_a_target_of_the_configuration_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("probe.toml").write_text('[targets.practice]\ntarget = "sim:pocketoption"\nregion = "demo-us"\n')
    code, out, err = said(capsys, "practice")
    assert (code, out.splitlines()[0].split()[:2], err) == (0, ["practice", "demo-us"], "")


def test_an_option_names_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.toml").write_text('[targets.practice]\ntarget = "sim:pocketoption"\n')
    assert said(capsys, "practice", "--config", "other.toml")[0] == 0
    code, _, err = said(capsys, "pratice", "--config", "other.toml")
    assert (code, "(did you mean 'practice'?)" in err) == (2, True)


def test_a_broken_configuration_does_not_matter_to_who_names_no_target_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("probe.toml").write_text("[monitr]\n")
    assert said(capsys, "sim:pocketoption")[0] == 0
    assert said(capsys, "practice")[0] == 2


def test_the_configured_consent_to_sign_in_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIN", '{"email": "somebody@example.org", "password": "planted0password"}')
    text = '[targets.a]\ncredentials = "env:LOGIN"\nbroker = "quotex"\nendpoints = ["ws://127.0.0.1:9/"]\n'
    for consent, words in (("", "Say --login to sign in"), ("login = true\n", "")):
        Path("probe.toml").write_text(text + consent)
        code, _, err = said(capsys, "a", "--timeout", "5s")
        assert (code == 2, words in err, "planted0password" in err) == (not consent, True, False)


def test_the_timeout_comes_from_the_environment_where_no_option_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_TIMEOUT", "soon")
    code, _, err = said(capsys, "sim:pocketoption")
    assert (code, err.startswith("error: --timeout: 'soon' is not a duration")) == (2, True)
    assert said(capsys, "sim:pocketoption", "--timeout", "20s")[0] == 0


def test_a_variable_of_ours_that_does_nothing_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_TIMOUT", "1s")
    (warning,) = strange_variables({"TRADEPROBE_TIMOUT": "1s"})
    assert f"warning: {warning}" in said(capsys, "sim:pocketoption")[2]


def test_a_credential_as_an_argument_is_hidden_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def hide(secrets: list[Secret]) -> str:
        asked.extend(each.reveal() for each in secrets)
        return "It is hidden."

    monkeypatch.setattr("probe.cli.options.hide_arguments", hide)
    _, out, err = said(capsys, SSID, "--endpoint", "ws://127.0.0.1:9/", "--timeout", "5s")
    assert (asked, TOKEN in out + err) == ([SSID], False)
    assert "warning: the credential was given as an argument" in err
    assert "warning: It is hidden." in err
    said(capsys, "ws://127.0.0.1:9/socket.io/?EIO=4", "--ssid", SSID, "--timeout", "5s")
    assert asked == [SSID, SSID]
