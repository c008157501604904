"""A server inside the test, and embedders over it."""

from collections.abc import Iterator

import pytest

from tests.support.kserve import Connect, Server, connecting, running


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def connected(server: Server) -> Iterator[Connect]:
    with connecting(server) as connect:
        yield connect
