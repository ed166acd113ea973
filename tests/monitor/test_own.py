"""What this process takes is known where the system says it."""

from pathlib import Path

import pytest

from probe.monitor import own


def test_what_is_resident_now_is_told_in_megabytes() -> None:
    resident = own.resident_megabytes()
    assert resident is not None
    assert 10 < resident < 10_000


@pytest.mark.parametrize("text", ["", "12", "12 many"])
def test_elsewhere_it_is_not_known(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "STATM", tmp_path / "statm")
    assert own.resident_megabytes() is None
    own.STATM.write_text(text)
    assert own.resident_megabytes() is None
