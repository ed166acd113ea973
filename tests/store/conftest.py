from pathlib import Path

import pytest

from tests.store.making import Kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "data" / "store.db")
