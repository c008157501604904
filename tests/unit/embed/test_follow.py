"""The embedder that follows the newest version of a model."""

from datetime import timedelta

import pytest

from dataflow.embed.base import Embedder
from dataflow.embed.follow import FollowingEmbedder
from dataflow.errors import ContractError, OutageError
from tests.support.versions import Version


class Server:
    """The versions at a model server, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.newest: Version | ContractError | None = Version("1")
        self.looks: list[str] = []
        self.waits: list[int] = []
        self.logged: list[str] = []
        self.ended = 0
        self.now = 0.0

    def newer(self, current: str) -> Embedder | None:
        self.looks.append(current)
        if isinstance(self.newest, ContractError):
            raise self.newest
        return None if self.newest is None or self.newest.version == current else self.newest

    def wait(self, cause: str, attempt: int) -> None:
        self.waits.append(attempt)
        if attempt == 3:
            raise OutageError(cause)

    def over(self) -> None:
        self.ended += 1

    def follower(self, first: Version) -> FollowingEmbedder:
        return FollowingEmbedder(
            first, self, timedelta(seconds=10), clock=lambda: self.now, log=self.logged.append
        )


@pytest.fixture
def server() -> Server:
    return Server()


def test_it_looks_every_interval_and_changes_between_calls(server: Server) -> None:
    follower = server.follower(Version("1"))
    server.newest = Version("2")
    server.now = 9.9
    assert follower.embed(["a"]).version == "1"
    assert server.looks == []
    server.now = 10.0
    assert follower.embed(["a"]).version == follower.version == "2"
    assert server.logged == ["null: version 2 from now on, it was 1"]
    # A version that is rolled back is not the newest any more.
    server.newest, server.now = Version("1"), 20.0
    assert follower.embed([]).version == "1"


def test_a_version_that_goes_is_left_at_once(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest, first.gone = Version("2"), True
    assert follower.embed(["a"]).version == "2"
    assert server.waits == []


def test_while_no_version_is_served_the_embedder_waits_as_in_an_outage(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest, first.gone = None, True
    with pytest.raises(OutageError, match="version 1 is gone"):
        follower.embed(["a"])
    assert server.waits == [0, 1, 2, 3]


def test_a_version_that_does_not_fit_is_logged_once_and_not_taken(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest = ContractError("it gives 768 dimensions")
    for _ in range(3):
        server.now += 10
        assert follower.embed(["a"]).version == "1"
    assert server.logged == ["null: staying with version 1: it gives 768 dimensions"]
    first.gone = True
    with pytest.raises(ContractError, match="768"):
        follower.embed(["a"])
