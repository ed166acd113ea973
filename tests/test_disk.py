import sys
from pathlib import Path

import pytest

from probe.disk import data_folder


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_DATA_HOME", "tradeprobe"),
        ("win32", "LOCALAPPDATA", "tradeprobe"),
        ("linux", None, ".local/share/tradeprobe"),
        ("darwin", None, "Library/Application Support/tradeprobe"),
        ("win32", None, "AppData/Local/tradeprobe"),
    ],
)
def test_each_platform_has_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str | None, folder: str
) -> None:
    for name in ("TRADEPROBE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert data_folder() == tmp_path / folder
