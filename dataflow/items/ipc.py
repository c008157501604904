"""Record batches as bytes, in Arrow's IPC format: what goes to other processes, and what snapshots hold."""

import copyreg
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.schemas import embedded_schema, embeddings

#: Embeddings are written once each if they are at most this share of the rows.
WORTH = 0.9
_NUMBER = pa.field("embedding", pa.int32(), nullable=False)


def pack(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Batches of one schema; none are no bytes. Of a slice only its rows are written."""
    if not batches:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def pickle_rows_only() -> None:
    """Make pickle write the rows of a record batch, and no more. Bytewax pickles what it sends to other
    processes.

    Arrow's own pickle of a slice writes the whole buffer that the slice is cut from: 154 MB for 10 rows of
    50,000.
    """
    copyreg.pickle(pa.RecordBatch, lambda batch: (_unpickle, (pack([batch]),)))


def _unpickle(packed: bytes) -> pa.RecordBatch:
    (batch,) = unpack(packed)
    return batch


def unpack(packed: bytes) -> list[pa.RecordBatch]:
    """What :func:`pack` took, as views of ``packed``."""
    return list(pa.ipc.open_stream(packed)) if packed else []


def pack_embedded(batches: Sequence[pa.RecordBatch]) -> dict[str, bytes]:
    """Batches of ``embedded_schema`` as ``rows`` and ``vectors``.

    Where many rows have the same embedding, as in a log that repeats itself, each embedding is written once:
    ``vectors`` then holds the embeddings, and ``rows`` their numbers. Otherwise ``vectors`` is empty.
    """
    numbers: dict[bytes, int] = {}
    coded = [[numbers.setdefault(v.tobytes(), len(numbers)) for v in embeddings(batch)] for batch in batches]
    if len(numbers) > WORTH * sum(map(len, batches)):
        return {"rows": pack(batches), "vectors": b""}
    numbered = [
        _with_embedding(batch, _NUMBER, pa.array(codes, _NUMBER.type))
        for batch, codes in zip(batches, coded, strict=True)
    ]
    return {"rows": pack(numbered), "vectors": b"".join(numbers)}


def unpack_embedded(state: Mapping[str, Any]) -> list[pa.RecordBatch]:
    """What :func:`pack_embedded` took, to the bit."""
    batches = unpack(state["rows"])
    if not state["vectors"]:
        return batches
    count = 1 + max(pc.max(batch.column("embedding")).as_py() for batch in batches)
    vectors = np.frombuffer(state["vectors"], np.float32).reshape(count, -1)
    return [_with_vectors(batch, vectors) for batch in batches]


def _with_vectors(batch: pa.RecordBatch, vectors: npt.NDArray[np.float32]) -> pa.RecordBatch:
    flat = pa.array(vectors[batch.column("embedding").to_numpy()].reshape(-1))
    field = embedded_schema(vectors.shape[1]).field("embedding")
    return _with_embedding(batch, field, pa.FixedSizeListArray.from_arrays(flat, type=field.type))


def _with_embedding(batch: pa.RecordBatch, field: pa.Field, column: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index("embedding"), field, column)
