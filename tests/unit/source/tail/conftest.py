"""What the tests of sequences of files share."""

from collections.abc import Iterator

import pytest

from dataflow.source import waiting
from dataflow.source.tail import cursor


@pytest.fixture(scope="module")
def listed_at_once() -> Iterator[None]:
    """A follower lists files whenever it has read all, and no read waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursor, "LIST_EVERY_S", 0.0)
        patch.setattr(cursor, "SHARE_OF_LISTINGS", float("inf"))
        patch.setattr(waiting, "WAIT_S", 0.0)
        yield
