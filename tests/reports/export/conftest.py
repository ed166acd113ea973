from pathlib import Path

import pytest

from tests.reports.export.exporting import Exporting


@pytest.fixture
def exporting(tmp_path: Path) -> Exporting:
    return Exporting(tmp_path / "store.db", tmp_path / "tables")
