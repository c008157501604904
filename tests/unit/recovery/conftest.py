"""A new recovery store."""

from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    init_db_dir(made, 2)
    return made
