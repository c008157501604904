"""The cache in front of an embedder: same answers, fewer questions, bounded memory."""

import tracemalloc
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.base import Embedded
from dataflow.embed.batch import embed_batches
from dataflow.embed.cache import Cache, CachedEmbedder
from dataflow.embed.follow import FollowingEmbedder
from dataflow.embed.half import HalfEmbedder
from dataflow.embed.null import NullEmbedder
from dataflow.items.embedding import Store
from tests.support.batches import events
from tests.support.versions import Version

KEYS = st.lists(st.integers(0, 12).map(lambda n: bytes([n])), max_size=8, unique=True)


@given(st.integers(1, 6), st.lists(KEYS))
def test_it_keeps_what_was_used_last_and_no_more(rows: int, batches: list[list[bytes]]) -> None:
    cache, model = Cache(rows, 1), OrderedDict[bytes, None]()
    for keys in batches:
        vectors = np.full((len(keys), 1), -1, np.float32)
        missing = cache.get(keys, vectors)
        assert missing == [place for place, key in enumerate(keys) if key not in model]
        assert all(vectors[place, 0] == keys[place][0] for place in set(range(len(keys))) - set(missing))
        for key in keys:
            if key in model:
                model.move_to_end(key)
        new = np.array([[keys[place][0]] for place in missing], np.float32).reshape(-1, 1)
        cache.put([keys[place] for place in missing], new)
        for place in missing:
            model[keys[place]] = None
            model.move_to_end(keys[place])
        while len(model) > rows:
            model.popitem(last=False)
        assert len(cache) == len(model)


class Changing(NullEmbedder):
    """Refuses "bad"; changes its version, and with it its answers, on the text ``change_on``."""

    def __init__(self) -> None:
        super().__init__(4)
        self.version = "1"
        self.asked: list[list[str]] = []
        self.change_on: str | None = None

    def embed(self, texts: Sequence[str]) -> Embedded:
        if texts:
            self.asked.append(list(texts))
        if self.change_on in texts:
            self.version = "2"
        vectors = super().embed([f"{self.version} {text}" for text in texts]).vectors
        return Embedded(vectors, self.version, {i: "bad" for i, text in enumerate(texts) if text == "bad"})


def test_texts_that_differ_only_where_they_are_masked_share_a_vector() -> None:
    model = Changing()
    cached = CachedEmbedder(model, 10)
    for text in ("port 1", "port 2", "port 3"):
        embed_batches(cached, [events([text], masked=["port <number>"])])
    assert model.asked == [["port <number>"]]
    assert (cached.hits, cached.misses) == (2, 1)


def vectors(version: str, texts: Sequence[str]) -> list[list[float]]:
    made: list[list[float]] = NullEmbedder(4).embed([f"{version} {text}" for text in texts]).vectors.tolist()
    return made


def test_only_what_is_new_is_asked_and_all_is_counted() -> None:
    inner = Changing()
    embedder = CachedEmbedder(inner, 100)
    embedder.embed(["a", "b"])
    answer = embedder.embed(["b", "c", "a"])
    assert inner.asked == [["a", "b"], ["c"]]
    assert answer.vectors.tolist() == vectors("1", ["b", "c", "a"])
    assert (embedder.hits, embedder.misses) == (2, 3)


def test_a_refusal_is_not_remembered() -> None:
    inner = Changing()
    embedder = CachedEmbedder(inner, 100)
    assert embedder.embed(["a", "bad"]).failed == {1: "bad"}
    assert embedder.embed(["bad", "a"]).failed == {0: "bad"}
    assert inner.asked == [["a", "bad"], ["bad"]]


def test_another_version_remembers_nothing_of_the_former() -> None:
    inner = Changing()
    embedder = CachedEmbedder(inner, 100)
    embedder.embed(["a", "b"])
    inner.version = "2"
    answer = embedder.embed(["a"])
    assert (answer.version, answer.vectors.tolist()) == ("2", vectors("2", ["a"]))


def test_an_answer_is_of_one_version_even_if_it_changes_in_between() -> None:
    inner = Changing()
    embedder = CachedEmbedder(inner, 100)
    embedder.embed(["a", "b"])
    inner.change_on = "new"
    answer = embedder.embed(["a", "new", "b"])
    assert (answer.version, answer.vectors.tolist()) == ("2", vectors("2", ["a", "new", "b"]))


def test_a_newer_version_is_found_although_all_texts_are_cached() -> None:
    class Versions:
        def newer(self, current: str) -> Version | None:
            return None if current == "2" else Version("2")

        def wait(self, cause: str, attempt: int) -> None:
            raise AssertionError

        def over(self) -> None:
            raise AssertionError

    now = [0.0]
    following = FollowingEmbedder(Version("1"), Versions(), timedelta(seconds=10), lambda: now[0], print)
    embedder = CachedEmbedder(following, 100)
    assert embedder.embed(["a"]).version == embedder.embed(["a"]).version == "1"
    now[0] = 10.0
    answer = embedder.embed(["a"])
    assert answer.version == embedder.version == "2"
    assert answer.vectors.tolist() == Version("2").embed(["a"]).vectors.tolist()


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_threads_may_share_it(rows: int) -> None:
    embedder = CachedEmbedder(NullEmbedder(8), rows)
    texts = [f"text {i % 7}" for i in range(50)]
    expected = NullEmbedder(8).embed(texts).vectors.tolist()
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(embedder.embed, [texts] * 40):
            assert answer.vectors.tolist() == expected


def test_a_cache_of_half_the_bytes_gives_the_same_vectors() -> None:
    inner = HalfEmbedder(NullEmbedder(8))
    embedder = CachedEmbedder(inner, 100, "fp16")
    texts = [f"text {number}" for number in range(50)]
    fresh, cached = embedder.embed(texts), embedder.embed(texts)
    assert embedder.hits == len(texts)
    assert fresh.vectors.tobytes() == cached.vectors.tobytes() == inner.embed(texts).vectors.tobytes()
    assert cached.vectors.dtype == np.float32


def test_a_cache_takes_the_bytes_that_it_says() -> None:
    def allocated(store: Store) -> int:
        tracemalloc.start()
        kept = Cache(10_000, 100, store)
        found = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(kept) == 0
        return found

    assert abs(allocated("fp32") - 4_000_000) < 10_000
    assert abs(allocated("fp16") - 2_000_000) < 10_000
