"""Record batches as bytes, in Arrow's IPC format, for snapshots and for other processes."""

import copyreg
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.embedding import Store, embedding_field, stored_embeddings

#: Each different embedding is written once if there are at most this many of them for each row.
WORTH = 0.9
_NUMBER = pa.field("embedding", pa.int32(), nullable=False)


def pack(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Batches of one schema as bytes; no batches are no bytes.

    If a batch is a slice, only the rows of the slice are written.

    >>> batch = pa.record_batch({"id": ["a", "b", "c"]})
    >>> unpack(pack([batch, batch.slice(1)]))[1].column("id").to_pylist()
    ['b', 'c']
    >>> pack([])
    b''
    """
    if not batches:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(packed: bytes) -> list[pa.RecordBatch]:
    """The batches that :func:`pack` wrote, as views of ``packed``."""
    return list(pa.ipc.open_stream(packed)) if packed else []


def pickle_rows_only() -> None:
    """Make ``pickle`` write only the rows of a record batch. Bytewax pickles what it sends to other
    processes.

    Without this, Arrow writes the whole buffers that a slice refers to: 154 MB for 10 rows of 50,000.

    >>> import pickle
    >>> pickle_rows_only()
    >>> batch = pa.record_batch({"id": range(100_000)})
    >>> len(pickle.dumps(batch.slice(0, 10))) < 1000
    True
    """
    copyreg.pickle(pa.RecordBatch, lambda batch: (_unpickle, (pack([batch]),)))


def _unpickle(packed: bytes) -> pa.RecordBatch:
    (batch,) = unpack(packed)
    return batch


def pack_embedded(batches: Sequence[pa.RecordBatch]) -> dict[str, Any]:
    """Batches of ``embedded_schema`` as bytes, in two parts: ``rows`` and ``vectors``.

    If many rows share an embedding, as in a log that repeats itself, each embedding is written once. Then
    ``vectors`` has the embeddings one after the other, as ``store`` says, and ``rows`` has the number of an
    embedding in place of the embedding. Otherwise ``rows`` has everything, and ``vectors`` is empty.

    >>> from dataflow.items.embedding import embedding_field
    >>> schema = pa.schema([embedding_field(2)])
    >>> batch = pa.RecordBatch.from_pylist([{"embedding": [0.0, 1.0]}] * 1000, schema)
    >>> packed = pack_embedded([batch])
    >>> len(packed["vectors"]), unpack_embedded(packed) == [batch]
    (8, True)
    """
    numbers: dict[bytes, int] = {}
    matrices = [stored_embeddings(batch) for batch in batches]
    coded = [[numbers.setdefault(v.tobytes(), len(numbers)) for v in matrix] for matrix in matrices]
    if len(numbers) > WORTH * sum(map(len, batches)):
        return {"rows": pack(batches), "vectors": b"", "store": ""}
    store: Store = "fp16" if matrices and matrices[0].dtype == np.float16 else "fp32"
    numbered = [
        _with_embedding(batch, _NUMBER, pa.array(codes, _NUMBER.type))
        for batch, codes in zip(batches, coded, strict=True)
    ]
    return {"rows": pack(numbered), "vectors": b"".join(numbers), "store": store}


def unpack_embedded(state: Mapping[str, Any]) -> list[pa.RecordBatch]:
    """The batches that :func:`pack_embedded` wrote. Each embedding is the same to the bit."""
    batches = unpack(state["rows"])
    if not state["vectors"]:
        return batches
    count = 1 + max(pc.max(batch.column("embedding")).as_py() for batch in batches)
    store: Store = state["store"]
    dtype = np.float16 if store == "fp16" else np.float32
    vectors: npt.NDArray[Any] = np.frombuffer(state["vectors"], dtype).reshape(count, -1)
    return [_with_vectors(batch, vectors, store) for batch in batches]


def _with_vectors(batch: pa.RecordBatch, vectors: npt.NDArray[Any], store: Store) -> pa.RecordBatch:
    flat = pa.array(vectors[batch.column("embedding").to_numpy()].reshape(-1))
    field = embedding_field(vectors.shape[1], store)
    return _with_embedding(batch, field, pa.FixedSizeListArray.from_arrays(flat, type=field.type))


def _with_embedding(batch: pa.RecordBatch, field: pa.Field, column: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index("embedding"), field, column)
