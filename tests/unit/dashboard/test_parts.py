"""The parts of the store equal simple references."""

import numpy as np
import pyarrow as pa
import pytest

from dashboard.projection import fitted
from dashboard.rows import _position
from dashboard.store.identities import Identities, mixed
from dashboard.store.layout import FIT_EVENTS, LEAST_EVENTS, Floats, Layout
from dashboard.store.texts import Texts
from dashboard.store.vectors import Vectors
from dataflow.items.schemas import POSITION
from tests.support.page import clustered


@pytest.mark.parametrize("seed", range(4))
def test_identities_are_a_dictionary(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, expected, row = Identities(), dict[int, int](), 0
    for _ in range(40):
        hashes = np.unique(rng.integers(0, 500, rng.integers(1, 80)).astype(np.uint64))
        rng.shuffle(hashes)
        rows = np.arange(row, row + len(hashes))
        found.add(hashes, rows)
        expected |= dict(zip(hashes.tolist(), rows.tolist(), strict=True))
        row += len(hashes)
    asked = np.arange(600).astype(np.uint64)
    assert found.find(asked).tolist() == [expected.get(each, -1) for each in range(600)]
    found.forget(row // 2)
    kept = {hash: at for hash, at in expected.items() if at >= row // 2}
    assert found.find(asked).tolist() == [kept.get(each, -1) for each in range(600)]


def test_hashes_depend_on_each_column_and_on_their_order() -> None:
    numbers = np.arange(1000)
    zeros = np.zeros(1000, np.int64)
    every = np.concatenate([mixed(numbers, zeros + 1), mixed(zeros + 1, numbers), mixed(numbers, numbers)])
    # The only pair that comes twice is (1, 1), three times.
    assert len(np.unique(every)) == len(every) - 2


def test_texts_are_a_list() -> None:
    rng = np.random.default_rng(0)
    texts, everything = Texts(), list[str]()
    for _ in range(50):
        some = [f"text {rng.integers(0, 99)}" for _ in range(rng.integers(1, 200))]
        texts = texts.plus(len(everything), pa.record_batch({"text": some}))
        everything += some
    asked = rng.integers(0, len(everything), 300)
    assert texts.take(asked, ("text",))["text"].to_pylist() == [everything[at] for at in asked]
    assert len(texts.chunks) < 15
    shorter = texts.without(len(everything) // 2)
    late = asked[asked >= len(everything) // 2]
    assert shorter.take(late, ("text",))["text"].to_pylist() == [everything[at] for at in late]
    assert len(texts.take([], ("text",))) == 0


def test_the_name_of_a_partition_is_kept_once_for_many_rows() -> None:
    rng = np.random.default_rng(0)
    texts, everything = Texts(), list[object]()
    for _ in range(60):
        some = [f"a long name of a partition: {rng.integers(0, 5)}" for _ in range(500)]
        rows = [{"partition": name, "offset": 1} for name in some] if rng.random() < 0.9 else [{}] * 500
        batch = pa.RecordBatch.from_arrays(
            list(_position(*(pa.array([row.get(name) for row in rows]) for name in POSITION)).values()),
            names=list(POSITION),
        )
        texts = texts.plus(len(everything), batch)
        everything += [row.get("partition") for row in rows]
    assert texts.nbytes < 17 * len(everything)
    asked = rng.integers(0, len(everything), 300)
    assert texts.take(asked, POSITION)["partition"].to_pylist() == [everything[at] for at in asked]


def test_vectors_keep_the_cosine() -> None:
    exact, vectors = clustered(500, 384), Vectors()
    for at in range(0, 500, 37):
        vectors = vectors.plus(10 + at, exact[at : at + 37])
    rows = np.random.default_rng(0).permutation(np.arange(0, 520))
    places, found = vectors.take(rows)
    assert sorted(rows[places].tolist()) == list(range(10, 510))
    cosine = (found * exact[rows[places] - 10]).sum(axis=1) / np.linalg.norm(found, axis=1)
    assert cosine.min() > 0.999
    assert len(vectors.without(400).take(np.array([399, 400]))[0]) >= 1


def places(layout: Layout, vectors: Floats, batch: int) -> dict[int, tuple[float, ...]]:
    """Row -> its place. Fails if a place changes."""
    found: dict[int, tuple[float, ...]] = {}
    for at in range(0, len(vectors), batch):
        some = vectors[at : at + batch]
        events = np.arange(at, at + len(some)).astype(np.uint64)
        for start, xy in layout.add(at, events, some):
            for row, place in enumerate(xy.tolist(), start):
                assert row not in found
                found[row] = tuple(place)
    return found


@pytest.mark.parametrize("batch", [3, 100, 5000])
def test_places_do_not_depend_on_how_rows_come(batch: int) -> None:
    vectors = clustered(FIT_EVENTS + 500)
    found = places(Layout(fitted), vectors, batch)
    again = places(Layout(fitted), vectors, FIT_EVENTS)
    assert found.keys() == again.keys() == set(range(len(vectors)))
    assert np.allclose([found[row] for row in found], [again[row] for row in found], atol=1e-5)


def test_few_events_get_places_when_the_map_is_asked_for() -> None:
    layout = Layout(fitted)
    vectors = clustered(LEAST_EVENTS)
    assert not places(layout, vectors[:-1], 10)
    assert layout.settle() == []
    layout.add(LEAST_EVENTS - 1, np.array([LEAST_EVENTS - 1], np.uint64), vectors[-1:])
    assert sum(len(xy) for _, xy in layout.settle()) == LEAST_EVENTS
    assert layout.settle() == []


def test_rows_of_one_event_count_once_for_the_fit() -> None:
    layout, vectors = Layout(fitted), clustered(FIT_EVENTS)
    for turn in range(3):
        layout.add(turn * 100, np.arange(100).astype(np.uint64), vectors[:100])
    assert layout.events == 100
    layout.settle()
    assert layout.projection is not None
    assert layout.projection.events == 100


def test_embeddings_of_another_dimension_have_no_place() -> None:
    layout = Layout(fitted)
    layout.add(0, np.arange(FIT_EVENTS).astype(np.uint64), clustered(FIT_EVENTS))
    ((_, xy),) = layout.add(FIT_EVENTS, np.arange(3).astype(np.uint64), clustered(3, dim=8))
    assert np.isnan(xy).all()


def test_the_map_keeps_clusters_apart() -> None:
    vectors = clustered(400)
    xy = fitted(vectors).places(vectors)
    near = np.argsort(((xy[:, None] - xy[None]) ** 2).sum(-1), axis=1)[:, 1:6]
    assert (vectors[near] @ vectors[:, :, None]).mean() > 0.8
    assert fitted(clustered(60, dim=1)).places(clustered(3, dim=1)).shape == (3, 2)
