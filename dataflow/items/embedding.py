"""The column ``embedding`` of a batch: its type, and its vectors as a matrix.

The state of windows can have float16. Whatever computes with embeddings gets float32.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Vectors

#: How the state of windows has embeddings, as ``embed.store`` says.
Store = Literal["fp32", "fp16"]
_STORED: dict[Store, pa.DataType] = {"fp32": pa.float32(), "fp16": pa.float16()}


def embedding_field(dim: int, store: Store = "fp32") -> pa.Field:
    """The column ``embedding``: ``dim`` numbers in each row, of float32, or of float16 with ``fp16``.

    >>> embedding_field(384)
    pyarrow.Field<embedding: fixed_size_list<item: float>[384] not null>
    >>> embedding_field(384, "fp16")
    pyarrow.Field<embedding: fixed_size_list<item: halffloat>[384] not null>
    """
    return pa.field("embedding", pa.list_(_STORED[store], dim), nullable=False)


def embeddings(batch: pa.RecordBatch) -> Vectors:
    """The embeddings of ``batch``: a ``(n, dim)`` float32 matrix. If the batch has float32, the matrix is a
    view and nothing is copied.

    >>> vectors = pa.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], embedding_field(2).type)
    >>> batch = pa.RecordBatch.from_arrays([vectors], schema=pa.schema([embedding_field(2)]))
    >>> embeddings(batch.slice(1)).tolist()
    [[2.0, 3.0], [4.0, 5.0]]
    """
    return stored_embeddings(batch).astype(np.float32, copy=False)


def stored_embeddings(batch: pa.RecordBatch) -> npt.NDArray[np.floating[Any]]:
    """The embeddings of ``batch`` as they are stored: ``(n, dim)`` float32 or float16, always a view."""
    column = batch.column("embedding")
    # Of a slice, flatten() returns the rows of the slice; values would return the rows before it, too.
    flat: npt.NDArray[np.floating[Any]] = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)


def embedding_bytes(batch: pa.RecordBatch) -> int:
    """The bytes of one embedding in ``batch``."""
    type = batch.schema.field("embedding").type
    return int(type.list_size * type.value_type.bit_width // 8)


def of_float32(rows: pa.RecordBatch) -> pa.RecordBatch:
    """``rows`` with embeddings of float32; the same batch if they are."""
    at = rows.schema.get_field_index("embedding")
    if at < 0 or rows.schema.field(at).type.value_type == pa.float32():
        return rows
    vectors = embeddings(rows)
    field = embedding_field(vectors.shape[1])
    return rows.set_column(
        at, field, pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=field.type)
    )
