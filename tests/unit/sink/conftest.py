"""What each test of a sink needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sinks import close_built


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test runs in an empty folder, and the partitions that it builds are closed."""
    monkeypatch.chdir(tmp_path)
    yield
    close_built()
