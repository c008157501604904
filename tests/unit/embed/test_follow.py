"""Versions: the newest is followed, and no window mixes them."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from dataflow.embed.base import Embedded, Embedder
from dataflow.embed.batch import embed_batch, one_version
from dataflow.embed.follow import FollowingEmbedder
from dataflow.embed.null import NullEmbedder
from dataflow.errors import ContractError, OutageError, VersionGoneError
from dataflow.items.schemas import DEAD_LETTER, embeddings
from tests.support.batches import events


class Version(NullEmbedder):
    """One version; its embeddings are another's turned around. ``gone``: no longer served."""

    def __init__(self, version: str, refused: str = "") -> None:
        super().__init__(4)
        self.version = version
        self.refused = refused
        self.gone = False
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Embedded:
        if self.gone:
            raise VersionGoneError(f"version {self.version} is gone")
        self.asked += texts
        vectors = np.roll(super().embed(texts).vectors, int(self.version), axis=1)
        return Embedded(vectors, self.version, {i: "no" for i, t in enumerate(texts) if t == self.refused})


class Server:
    """What a follower sees of a model server, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.newest: Version | ContractError | None = Version("1")
        self.looks: list[str] = []
        self.waits: list[int] = []
        self.said: list[str] = []
        self.ended = 0
        self.now = 0.0

    def look(self, current: str) -> Embedder | None:
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
            first,
            self.look,
            interval=timedelta(seconds=10),
            wait=self.wait,
            over=self.over,
            clock=lambda: self.now,
            log=self.said.append,
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
    assert server.said == ["null: version 2 from now on, it was 1"]
    # Back, too: what was rolled back is not the newest any more.
    server.newest, server.now = Version("1"), 20.0
    assert follower.embed([]).version == "1"


def test_a_version_that_goes_is_left_at_once(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest, first.gone = Version("2"), True
    assert follower.embed(["a"]).version == "2"
    assert server.waits == []


def test_while_no_version_is_served_it_waits_like_for_a_server_that_is_away(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest, first.gone = None, True
    with pytest.raises(OutageError, match="version 1 is gone"):
        follower.embed(["a"])
    assert server.waits == [0, 1, 2, 3]


def test_a_version_that_does_not_fit_is_told_once_and_not_taken(server: Server) -> None:
    first = Version("1")
    follower = server.follower(first)
    server.newest = ContractError("it gives 768 dimensions")
    for _ in range(3):
        server.now += 10
        assert follower.embed(["a"]).version == "1"
    assert server.said == ["null: staying with version 1: it gives 768 dimensions"]
    first.gone = True
    with pytest.raises(ContractError, match="768"):
        follower.embed(["a"])


def window(*parts: tuple[Version, list[str]]) -> pa.RecordBatch:
    batches, first = [], 0
    for embedder, texts in parts:
        rows = embed_batch(embedder, events(texts))[0]
        offset = [pa.array([f"p:{first + i:03}" for i in range(len(rows))])]
        batches.append(pa.RecordBatch.from_arrays(offset + rows.columns[1:], schema=rows.schema))
        first += len(rows)
    return pa.concat_batches(batches)


def test_a_window_of_one_version_is_left_as_it_is() -> None:
    old, new = Version("1"), Version("2")
    rows = window((old, ["a", "b"]))
    uniform, dead = one_version(new, rows)
    assert uniform is rows
    assert dead.schema == DEAD_LETTER
    assert new.asked == []


def test_a_window_that_would_mix_is_embedded_again_where_it_is_old() -> None:
    old, new = Version("1"), Version("2")
    rows = window((old, ["a", "b", "a"]), (new, ["c", "a"]))
    new.asked.clear()
    uniform, dead = one_version(new, rows)
    assert sorted(new.asked) == ["a", "b"]
    assert set(uniform.column("model_version").to_pylist()) == {"2"}
    assert len(dead) == 0
    by_id = {row["id"]: row for row in uniform.to_pylist()}
    assert {id: row["text"] for id, row in by_id.items()} == dict(
        zip(rows.column("id").to_pylist(), rows.column("text").to_pylist(), strict=True)
    )
    assert embeddings(uniform).tolist() == new.embed(uniform.column("text").to_pylist()).vectors.tolist()
    order = [(row["ts"], row["id"]) for row in uniform.to_pylist()]
    assert order == sorted(order)


def test_rows_of_the_version_in_use_win_even_if_it_is_the_lower_one() -> None:
    uniform, _ = one_version(Version("1"), window((Version("2"), ["a"]), (Version("1"), ["b"])))
    assert set(uniform.column("model_version").to_pylist()) == {"1"}


def test_what_the_newer_version_refuses_becomes_a_dead_letter() -> None:
    rows = window((Version("1"), ["a", "b"]), (Version("2"), ["c"]))
    uniform, dead = one_version(Version("2", refused="a"), rows)
    assert sorted(uniform.column("text").to_pylist()) == ["b", "c"]
    assert dead.column("raw").to_pylist() == [b"a"]


def test_a_change_while_a_window_is_embedded_again_begins_anew(server: Server) -> None:
    rows = window((Version("1"), ["a"]), (Version("2"), ["b"]))
    follower = server.follower(Version("2"))
    server.newest, server.now = Version("3"), 10.0
    uniform, _ = one_version(follower, rows)
    assert uniform.column("model_version").to_pylist() == ["3", "3"]
