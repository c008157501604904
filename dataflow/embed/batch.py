"""Texts to vectors: the ``Embedder`` protocol, and what a micro-batch of events becomes.

Pure: the embedder that computes the vectors is passed in.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.embed.base import Embedder
from dataflow.items.arrays import Vectors
from dataflow.items.schemas import EVENT, dead_letters, embedded_schema


def embed_batch(embedder: Embedder, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """One ``EVENT`` batch -> its rows with their embeddings (``embedded_schema(dim)``), and dead letters."""
    embedded, dead = embed_batches(embedder, [batch])
    return embedded[0], dead


def embed_batches(
    embedder: Embedder, batches: Sequence[pa.RecordBatch]
) -> tuple[list[pa.RecordBatch], pa.RecordBatch]:
    """Several ``EVENT`` batches at once, so that requests are full; equal texts are embedded once.

    Returns as many batches, each with its rows in order less those that failed, and one ``DEAD_LETTER``
    batch of those that did (reason ``embedding``, ``raw`` the text).
    """
    texts = pa.chunked_array([batch.column("text") for batch in batches], pa.string())
    encoded = texts.combine_chunks().dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    result = embedder.embed(distinct)
    which = encoded.indices.to_numpy()
    rows: list[tuple[str, str, str, int, bytes]] = []
    embedded, first = [], 0
    for batch in batches:
        mine = which[first : first + len(batch)]
        first += len(batch)
        good, kept = ~np.isin(mine, list(result.failed)), batch
        if not good.all():
            rows += _dead(batch, mine, ~good, result.failed)
            kept, mine = batch.filter(pa.array(good)), mine[good]
        embedded.append(_with_vectors(kept, result.vectors[mine], embedder.model, result.version))
    return embedded, dead_letters(rows)


def one_version(embedder: Embedder, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """A window's embedded ``rows``, all as one version of one model made them, and dead letters.

    Nearly always ``rows`` itself. Around a change of version, and after a restart with another, the rows
    that the embedder's version of now did not make are embedded again; those that it refuses are dead
    letters. (``ts``, ``id``) order.
    """
    while len(pc.unique(_makers(rows))) > 1:
        now = pa.scalar(f"{embedder.model} {embedder.version}")
        current = pc.equal(_makers(rows), now)
        (fresh,), refused = embed_batches(embedder, [rows.filter(pc.invert(current)).select(EVENT.names)])
        # The embedder may have changed meanwhile: then it all begins anew, with few texts not in the cache.
        if len(fresh) and _makers(fresh)[0] != now:
            continue
        whole = pa.concat_batches([rows.filter(current), fresh])
        order = pc.sort_indices(whole, sort_keys=[("ts", "ascending"), ("id", "ascending")])
        return whole.take(order), refused
    return rows, dead_letters([])


def _makers(rows: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")


def _dead(
    batch: pa.RecordBatch, which: npt.NDArray[np.int32], bad: npt.NDArray[np.bool_], failed: Mapping[int, str]
) -> list[tuple[str, str, str, int, bytes]]:
    lost = batch.filter(pa.array(bad)).select(["partition", "offset", "text"]).to_pylist()
    return [
        ("embedding", failed[int(row)], event["partition"], event["offset"], event["text"].encode())
        for event, row in zip(lost, which[bad], strict=True)
    ]


def _with_vectors(batch: pa.RecordBatch, vectors: Vectors, model: str, version: str) -> pa.RecordBatch:
    schema = embedded_schema(vectors.shape[1])
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    names = [pa.repeat(pa.scalar(name, pa.string()), len(batch)) for name in (model, version)]
    embedding = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("embedding").type)
    return pa.RecordBatch.from_arrays([*batch.columns, embedding, *names], schema=schema)
