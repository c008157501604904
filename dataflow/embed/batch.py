"""Embeds batches of events, and makes the rows of a window comparable. Pure: the embedder is passed in."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.embed.base import Embedder
from dataflow.items.arrays import Vectors
from dataflow.items.embedding import Store
from dataflow.items.envelope import of_events
from dataflow.items.rows import Rows, in_order, model_of
from dataflow.items.schemas import EVENT, dead_letters, embedded_schema


def embed_batches(
    embedder: Embedder, batches: Sequence[pa.RecordBatch], store: Store = "fp32"
) -> tuple[list[pa.RecordBatch], pa.RecordBatch]:
    """Embed several ``EVENT`` batches in one call, so that requests are full. Equal texts are embedded once.

    The masked text is embedded in place of the text where there is one.

    Returns one batch (``embedded_schema(dim, store)``) for each batch, with the rows that did not fail in
    their order, and one ``DEAD_LETTER`` batch of the rows that failed (reason ``embedding``, ``raw`` is the
    text, and ``envelope`` has the rest of the event).
    """
    texts = [pc.coalesce(batch.column("masked"), batch.column("text")) for batch in batches]
    encoded = pa.chunked_array(texts, pa.string()).combine_chunks().dictionary_encode()
    result = embedder.embed(encoded.dictionary.to_pylist())
    # For each row of all batches, the row of ``result`` that answers it.
    answers = encoded.indices.to_numpy()
    # If no text comes twice, the rows of the result are those of the batch, and are not copied.
    is_distinct = len(batches) == 1 and len(encoded.dictionary) == len(answers)
    letters: list[tuple[str, str, str, int, bytes]] = []
    envelopes: list[bytes] = []
    embedded, first = [], 0
    for batch in batches:
        answer, vectors = answers[first : first + len(batch)], result.vectors if is_distinct else None
        first += len(batch)
        good, kept = ~np.isin(answer, list(result.failed)), batch
        if not good.all():
            refused = batch.filter(pa.array(~good))
            letters += _letters(refused, answer[~good], result.failed)
            envelopes += of_events(refused)
            kept, answer, vectors = batch.filter(pa.array(good)), answer[good], None
        if vectors is None:
            vectors = result.vectors[answer]
        embedded.append(_with_vectors(kept, vectors, embedder.model, result.version, store))
    return embedded, dead_letters(letters, envelopes)


def one_version(
    embedder: Embedder, rows: pa.RecordBatch, *, newest: bool = False
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Make all embeddings in the ``rows`` of windows come from one version of one model.

    Returns the rows in (``key``, ``ts``, ``id``) order, and dead letters. Nearly always the rows are
    ``rows``. After a change of version, or a restart with another version, the embedder embeds again the rows
    that its current version did not embed. The rows that it refuses become dead letters. ``newest``:
    the one version is the current version of the embedder, even if all rows are of another one.
    """
    while not _is_one(rows, f"{embedder.model} {embedder.version}" if newest else None):
        current = pa.scalar(f"{embedder.model} {embedder.version}")
        is_current = pc.equal(_models(rows), current)
        old = rows.filter(pc.invert(is_current)).select(EVENT.names)
        (fresh,), refused = embed_batches(embedder, [old])
        # If the embedder changed its version meanwhile, start again: by now the cache holds most texts.
        if len(fresh) and _models(fresh)[0] != current:
            continue
        whole = pa.concat_batches([rows.filter(is_current), fresh])
        return in_order([Rows(whole)]), refused
    return rows, dead_letters([])


def _is_one(rows: pa.RecordBatch, model: str | None) -> bool:
    """Whether one version of one model embedded ``rows``, and it is ``model``; ``None``: any."""
    if any(len(pc.unique(rows.column(name))) > 1 for name in ("model", "model_version")):
        return False
    return model is None or not len(rows) or model_of(rows) == model


def _models(rows: pa.RecordBatch) -> pa.Array:
    """Model and version of each row, as one text."""
    return pc.binary_join_element_wise(rows.column("model"), rows.column("model_version"), " ")


def _letters(
    events: pa.RecordBatch, answer: npt.NDArray[np.int32], failed: Mapping[int, str]
) -> list[tuple[str, str, str, int, bytes]]:
    return [
        ("embedding", failed[int(row)], event["partition"], event["offset"], event["text"].encode())
        for event, row in zip(events.select(["partition", "offset", "text"]).to_pylist(), answer, strict=True)
    ]


def _with_vectors(
    batch: pa.RecordBatch, vectors: Vectors, model: str, version: str, store: Store
) -> pa.RecordBatch:
    schema = embedded_schema(vectors.shape[1], store)
    dtype = np.float16 if store == "fp16" else np.float32
    flat = pa.array(np.ascontiguousarray(vectors, dtype).reshape(-1))
    names = [pa.repeat(pa.scalar(name, pa.string()), len(batch)) for name in (model, version)]
    embedding = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("embedding").type)
    return pa.RecordBatch.from_arrays([*batch.columns, embedding, *names], schema=schema)
