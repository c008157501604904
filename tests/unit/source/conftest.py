"""What each test of a source needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from dataflow.endpoints import delta
from tests.support.sources import close_built
from tests.support.tables import append


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test runs in an empty folder, and the partitions that it builds are closed."""
    monkeypatch.chdir(tmp_path)
    yield
    close_built()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three versions: 0 to 2, 3 and 4 in two partitions, 5."""
    append(tmp_path / "t", 0, 1, 2)
    append(tmp_path / "t", 3)
    append(tmp_path / "t", 4, day="b")
    return tmp_path / "t"


@pytest.fixture
def cleaned(table: Path) -> Path:
    """A table whose log begins with version 2, which has a checkpoint."""
    DeltaTable(table).create_checkpoint()
    for version in (0, 1):
        (table / delta.commit_path(version)).unlink()
    append(table, 5)
    return table
