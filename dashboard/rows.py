"""Scored rows as the store takes them, whatever they were read from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import micros, rfc3339
from dataflow.items.schemas import EVIDENCE, POSITION, SCORED, TIMESTAMP

EVIDENCE_NAMES = tuple(field.name for field in EVIDENCE)
#: The most characters of a text that are kept.
TEXT_CHARACTERS = 100_000
#: The most characters of a text of an explanation, and the most words that are kept.
_CHARACTERS, _WORDS = 2000, 50
#: The most characters of the name of a partition that are kept.
_PARTITION_CHARACTERS = 1000
#: The most characters of the attributes that are kept.
_JSON_CHARACTERS = 100_000

#: A scored row in the store. ``model``: the model and its version. ``attributes`` and ``explanation``: JSON.
#: ``text_length``: the characters of the whole text. A column ``embedding`` may follow.
ROW = pa.schema(
    [
        *map(SCORED.field, ("key", "window_start", "window_end", "revision", "id", "ts", "text")),
        pa.field("text_length", pa.int32(), nullable=False),
        *map(SCORED.field, ("score", "cluster", "model", "attributes")),
        *(pa.field(name, pa.float64()) for name in EVIDENCE_NAMES),
        pa.field("explanation", pa.string()),
        # Few partitions have many rows.
        pa.field("partition", pa.dictionary(pa.int32(), pa.string())),
        SCORED.field("offset"),
    ]
)
_TIMES = ("window_start", "window_end", "ts")
_TIMES_AS = orjson.OPT_PASSTHROUGH_DATETIME
_STRAIGHT = ("key", "revision", "id", "score", "cluster")


class RowError(ValueError):
    """A row is not as the schema says. The text names the field."""


def of_objects(objects: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of ``SCORED`` in JSON as a batch of :data:`ROW`. Raises ``RowError`` if one of them is wrong."""
    columns: dict[str, Any] = {}
    try:
        for name in _STRAIGHT:
            columns[name] = pa.array([row[name] for row in objects], ROW.field(name).type)
        for name in _TIMES:
            columns[name] = pa.array([row[name] for row in objects], pa.string()).cast(TIMESTAMP)
        texts = [row["text"] for row in objects]
        columns["text_length"] = pa.array(map(len, texts), pa.int32())
        columns["text"] = pa.array([_kept(text) for text in texts], pa.string())
        columns["model"] = pa.array([f"{row['model']} {row['model_version']}" for row in objects])
        columns["attributes"] = pa.array([_json(row["attributes"]) for row in objects], pa.string())
        for name in EVIDENCE_NAMES:
            columns[name] = pa.array([row.get(name) for row in objects], pa.float64())
        explained = [row.get("explanation") for row in objects]
        columns["explanation"] = pa.array([e and _explanation(e) for e in explained], pa.string())
        columns |= _position(*(pa.array([row.get(name) for row in objects]) for name in POSITION))
        batch = pa.RecordBatch.from_arrays([columns[name] for name in ROW.names], schema=ROW)
        batch.validate()
        if any(
            column.null_count for column, field in zip(batch.columns, ROW, strict=True) if not field.nullable
        ):
            raise RowError("a field is null that must not be null")
        if all("embedding" in row for row in objects) and objects:
            batch = _with_embeddings(batch, [row["embedding"] for row in objects])
    except KeyError as error:
        raise RowError(f"the field {error.args[0]!r} is missing") from None
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise RowError(str(error).splitlines()[0][:200]) from None
    return batch


def of_arrow(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of ``SCORED`` in Arrow as a batch of :data:`ROW`. Raises ``RowError`` if a column is wrong."""
    try:
        columns = {name: batch.column(name).cast(ROW.field(name).type) for name in (*_STRAIGHT, *_TIMES)}
        text = batch.column("text").cast(pa.string())
        columns["text_length"] = pc.utf8_length(text).cast(pa.int32())
        columns["text"] = pc.utf8_slice_codeunits(text, 0, TEXT_CHARACTERS)
        model, version = (batch.column(name).cast(pa.string()) for name in ("model", "model_version"))
        columns["model"] = pc.binary_join_element_wise(model, version, " ")
        columns["attributes"] = batch.column("attributes").cast(pa.string())
        for name in (*EVIDENCE_NAMES, "explanation"):
            columns[name] = pa.nulls(len(batch), ROW.field(name).type)
        for name in set(EVIDENCE_NAMES) & set(batch.schema.names):
            columns[name] = batch.column(name).cast(pa.float64())
        if "explanation" in batch.schema.names:
            said = batch.column("explanation").to_pylist()
            columns["explanation"] = pa.array([each and _explanation(each) for each in said], pa.string())
        nothing = pa.nulls(len(batch))
        columns |= _position(*(batch[n] if n in batch.schema.names else nothing for n in POSITION))
        rows = pa.RecordBatch.from_arrays([columns[name] for name in ROW.names], schema=ROW)
    except KeyError as error:
        raise RowError(str(error.args[0])) from None
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise RowError(str(error).splitlines()[0][:200]) from None
    if "embedding" in batch.schema.names:
        vectors = batch.column("embedding")
        if pa.types.is_fixed_size_list(vectors.type):
            rows = rows.append_column("embedding", vectors)
    return rows


def _position(partition: pa.Array, offset: pa.Array) -> dict[str, pa.Array]:
    """The columns of the position, which rows of an older version do not have."""
    names = pc.utf8_slice_codeunits(partition.cast(pa.string()), 0, _PARTITION_CHARACTERS)
    return {
        "partition": names.dictionary_encode().cast(ROW.field("partition").type),
        "offset": offset.cast(pa.int64()),
    }


def _with_embeddings(batch: pa.RecordBatch, vectors: Sequence[Sequence[float]]) -> pa.RecordBatch:
    dim = len(vectors[0])
    if not dim or any(len(vector) != dim for vector in vectors):
        raise RowError("embeddings have different numbers of dimensions")
    flat = pa.array(np.array(vectors, np.float32).reshape(-1))
    return batch.append_column(
        pa.field("embedding", pa.list_(pa.float32(), dim)), pa.FixedSizeListArray.from_arrays(flat, dim)
    )


def _kept(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else text[:TEXT_CHARACTERS]


def _explanation(said: Mapping[str, Any]) -> str:
    """An explanation as JSON. Its texts are cut: it repeats those of two events."""
    return _json({name: _short(value) for name, value in said.items()})


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_CHARACTERS]
    return [_short(each) for each in value[:_WORDS]] if isinstance(value, list) else value


def _json(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=_time, option=_TIMES_AS).decode()
    return text if len(text) <= _JSON_CHARACTERS else "{}"


def _time(at: datetime) -> str:
    return rfc3339(micros(at))
