"""The Arrow schemas of everything that moves between the stages, and the few frozen records.

The item of the stream is a ``pyarrow.RecordBatch``: ``RAW`` from the sources, ``EVENT`` after decode,
``EVENT`` plus the embedding columns after embed, ``SCORED`` after score. Two side streams carry
``LATE`` and ``DEAD_LETTER`` rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: The key of events for which the settings and the source name none: all are compared with all.
DEFAULT_KEY = "all"

#: The type of all times.
TIMESTAMP = pa.timestamp("us", tz="UTC")

#: What a source emits: one row a record, undecoded. ``arrival`` is the wall clock at reading;
#: ``message_key`` and ``message_ts`` are set by transports that have them (Kafka). The schema's
#: metadata holds ``format`` (``jsonl``, ``csv`` or ``text``) and, for CSV, ``header`` (the header
#: line's bytes); see :func:`raw_schema`.
RAW = pa.schema(
    [
        pa.field("raw", pa.binary(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("arrival", TIMESTAMP, nullable=False),
        pa.field("message_key", pa.binary()),
        pa.field("message_ts", TIMESTAMP),
    ]
)

#: A decoded event. ``partition`` and ``offset`` are its source position; ``attributes`` is the rest
#: of the record as a JSON object.
EVENT = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
    ]
)

#: A record that cannot be processed. ``reason`` is one of :data:`REASONS`; ``message`` names the
#: field, the value and what to do; ``raw`` is the record as it was read.
DEAD_LETTER = pa.schema(
    [
        pa.field("reason", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)

#: Why a record became a dead letter. A closed set, so that it can be a metric label.
REASONS = (
    "not_utf8",  # bytes are not UTF-8
    "malformed",  # not JSON, not an object, or not a CSV record of the header's width
    "missing_field",  # a field that the settings name is absent or null
    "bad_value",  # a field has the wrong type or is NaN
    "bad_time",  # the time cannot be read, never was in its zone, or lies outside the years 1 to 9999
    "too_large",  # the record is longer than source.max_record_bytes
    "future",  # stamped more than window.max_future ahead of the wall clock
    "embedding",  # the model refused this text, or answered with something that is not finite
)

#: An event that came after every window that it belongs to had closed. ``watermark``: where it stood;
#: ``late_by_us``: microseconds by which it had passed the end of the last of them (negative only for an
#: event that falls inside a session that is gone); ``missed``: those windows, as a JSON list of
#: ``[start, end]``.
LATE = pa.schema(
    [
        *EVENT,
        pa.field("watermark", TIMESTAMP, nullable=False),
        pa.field("late_by_us", pa.int64(), nullable=False),
        pa.field("missed", pa.string(), nullable=False),
    ]
)

#: One row an event and window. ``score``: higher is more anomalous. ``cluster`` is -1 where the
#: scorer has none. ``embedding`` is there on request only.
SCORED = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("window_start", TIMESTAMP, nullable=False),
        pa.field("window_end", TIMESTAMP, nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("cluster", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
    ]
)

#: Beside ``SCORED`` where ``window.max_window_rows`` is set: the share of the window's events that were
#: scored, in (0, 1].
SAMPLE_SHARE = pa.field("sample_share", pa.float64(), nullable=False)

#: One row a window, for ``sink.windows``. ``rows_seen``: its events, of which ``rows`` were scored.
WINDOW_SUMMARY = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("window_start", TIMESTAMP, nullable=False),
        pa.field("window_end", TIMESTAMP, nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("rows_seen", pa.int64(), nullable=False),
        pa.field("score_p50", pa.float64(), nullable=False),
        pa.field("score_p99", pa.float64(), nullable=False),
        pa.field("score_max", pa.float64(), nullable=False),
    ]
)


def raw_schema(format: str, header: bytes | None = None) -> pa.Schema:
    """``RAW`` with the metadata that decode needs: the record format and, for CSV, its header line."""
    metadata = {b"format": format.encode()}
    if header is not None:
        metadata[b"header"] = header
    return RAW.with_metadata(metadata)


def embedding_field(dim: int) -> pa.Field:
    """The column ``embedding``: ``fixed_size_list<float32>[dim]``."""
    return pa.field("embedding", pa.list_(pa.float32(), dim), nullable=False)


def embedded_schema(dim: int) -> pa.Schema:
    """``EVENT`` plus ``embedding`` (``embedding_field``), ``model`` and ``model_version``."""
    return pa.schema(
        [
            *EVENT,
            embedding_field(dim),
            pa.field("model", pa.string(), nullable=False),
            pa.field("model_version", pa.string(), nullable=False),
        ]
    )


def embeddings(batch: pa.RecordBatch) -> npt.NDArray[np.float32]:
    """The batch's embeddings as a ``(n, dim)`` float32 matrix, a view of its buffer (no copy)."""
    column = batch.column("embedding")
    # flatten() minds the offset of a slice, values would not.
    flat: npt.NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)


@dataclass(frozen=True)
class Decoded:
    """What decode makes of a ``RAW`` batch: every row is in exactly one of the two. ``ambiguous_times``: how
    many times were read that the clock of ``source.ts_zone`` showed twice.
    """

    events: pa.RecordBatch
    dead_letters: pa.RecordBatch
    ambiguous_times: int = 0


def dead_letters(
    rows: list[tuple[str, str, str, int, bytes]],
) -> pa.RecordBatch:
    """A ``DEAD_LETTER`` batch of ``(reason, message, partition, offset, raw)`` rows."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(DEAD_LETTER)
    return pa.RecordBatch.from_arrays(
        [pa.array(values, f.type) for values, f in zip(columns, DEAD_LETTER, strict=True)],
        schema=DEAD_LETTER,
    )
