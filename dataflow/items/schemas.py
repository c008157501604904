"""The Arrow schemas of the batches that move between the stages.

The item of a stream is a ``pyarrow.RecordBatch``. Sources give ``RAW``, the decode step gives ``EVENT``, the
embed step gives ``embedded_schema``, the score step gives ``SCORED`` and ``WINDOW_SUMMARY``. The two side
streams have ``LATE`` and ``DEAD_LETTER``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataflow.items.embedding import Store, embedding_field
from dataflow.items.envelope import UNKNOWN

#: The key of all events if neither the settings nor the source name a key.
DEFAULT_KEY = "all"

#: The type of all times: microseconds, UTC.
TIMESTAMP = pa.timestamp("us", tz="UTC")

#: Undecoded records, one in each row. ``partition`` and ``offset`` identify the record; ``arrival``: the wall
#: clock when the record was read; ``message_key``, ``message_ts`` and ``message_headers`` (a JSON object):
#: from sources that have them (Kafka). The schema of a batch is :func:`raw_schema`, which adds metadata.
RAW = pa.schema(
    [
        pa.field("raw", pa.binary(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("arrival", TIMESTAMP, nullable=False),
        pa.field("message_key", pa.binary()),
        pa.field("message_ts", TIMESTAMP),
        pa.field("message_headers", pa.string()),
    ]
)

#: Decoded events. ``partition`` and ``offset``: the position of the record in the source; ``attributes``: the
#: fields of the record that have no column, as a JSON object; ``masked``: the text as ``source.mask`` masks
#: it, which is embedded in place of ``text``; null if that changes nothing.
EVENT = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("ts", TIMESTAMP, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("attributes", pa.string(), nullable=False),
        pa.field("masked", pa.string()),
    ]
)

#: Records that cannot be processed. ``reason``: one of :data:`REASONS`; ``message``: which field and value
#: are wrong, why, and what to do; ``raw``: the undecoded record; ``envelope``: how the record was read, JSON
#: as :mod:`dataflow.items.envelope` describes it.
DEAD_LETTER = pa.schema(
    [
        pa.field("reason", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
        pa.field("envelope", pa.string(), nullable=False),
    ]
)

#: The reasons of dead letters. The set is closed, because the reason is a label of a metric.
REASONS = (
    "not_utf8",  # the bytes are not UTF-8
    "malformed",  # empty, not JSON, not a JSON object, or not as many CSV values as the header has columns
    "missing_field",  # a field that the settings name is absent or null
    "bad_value",  # a field has a wrong type, or is NaN
    "bad_time",  # the time cannot be read, was skipped by its zone, or is not between the years 1 and 9999
    "too_large",  # the record is longer than source.max_record_bytes
    "future",  # the event time is more than window.max_future ahead of the wall clock
    "embedding",  # the model refused the text, or returned numbers that are not finite
)

#: Events that arrived after all their windows had closed: the columns of ``EVENT`` but ``masked``, and more.
#: ``watermark``: the watermark at that moment; ``missed``: the windows of the event, as a JSON list of
#: ``[start, end]``; ``late_by_us``: how far the watermark was beyond the end of the last of these windows, in
#: microseconds (negative only for an event that falls inside a session that is closed).
LATE = pa.schema(
    [
        *(field for field in EVENT if field.name != "masked"),
        pa.field("watermark", TIMESTAMP, nullable=False),
        pa.field("late_by_us", pa.int64(), nullable=False),
        pa.field("missed", pa.string(), nullable=False),
    ]
)

#: The columns that say where the source has the record of an event.
POSITION = ("partition", "offset")

#: Scored events: one row for each event in each of its windows. ``score``: higher is more anomalous;
#: ``cluster``: -1 if the scorer makes no clusters; ``revision``: 0 when the window closes, 1, 2, ... if late
#: events change the window; ``partition``, ``offset``: as in ``EVENT``, null if a backtest knows none.
#: Settings can add the columns ``sample_share`` and ``embedding``.
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
        *(EVENT.field(name).with_nullable(True) for name in POSITION),
    ]
)

#: A column that ``SCORED`` has in addition if ``window.max_window_rows`` is set: the share of the window's
#: events that were scored, in (0, 1].
SAMPLE_SHARE = pa.field("sample_share", pa.float64(), nullable=False)

#: Columns that ``SCORED`` has in addition unless ``score.reference`` is false; null while the reference of
#: the key has too few events. ``novelty``, ``surge``, ``rarity``: higher is rarer. ``p_value``: how often the
#: chosen evidence (``score.evidence``) is as high, in [0, 1]. ``anomaly``: ``-log10`` of it, so that it can
#: be compared between windows, keys and hours.
EVIDENCE = tuple(
    pa.field(name, pa.float64()) for name in ("novelty", "surge", "rarity", "p_value", "anomaly")
)

#: A column that ``SCORED`` has in addition unless ``score.explain`` is empty or ``score.reference`` is false;
#: null for events whose ``anomaly`` is lower, or not known. ``nearest``, ``nearest_ts``, ``similarity``: the
#: most similar event of the reference, its time (null if it is pinned and has none), and the cosine of the
#: two embeddings. ``new``: the words that it does not have; ``missing``: the words that only it has.
#: ``seen``: how many events of the reference have the form of the event: the same masked text.
#: ``sentence``: all this in words.
EXPLANATION = pa.field(
    "explanation",
    pa.struct(
        [
            pa.field("nearest", pa.string(), nullable=False),
            pa.field("nearest_ts", TIMESTAMP),
            pa.field("similarity", pa.float64(), nullable=False),
            pa.field("new", pa.list_(pa.string()), nullable=False),
            pa.field("missing", pa.list_(pa.string()), nullable=False),
            pa.field("seen", pa.int64(), nullable=False),
            pa.field("sentence", pa.string(), nullable=False),
        ]
    ),
)

#: One row for each window, for ``sink.windows``. ``rows_seen``: the events in the window; ``rows``: how many
#: of them were scored; ``score_p50``, ``score_p99``, ``score_max``: the median, the 99th percentile and the
#: maximum of the scores. Settings can add the column ``clusters``.
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

_CLUSTER = [
    pa.field("cluster", pa.int32(), nullable=False),
    pa.field("state", pa.string(), nullable=False),
    pa.field("share", pa.float64(), nullable=False),
    pa.field("before", pa.float64(), nullable=False),
    pa.field("examples", pa.list_(pa.string()), nullable=False),
]
#: A column that ``WINDOW_SUMMARY`` has in addition with ``score.start = warm``: the clusters of the window.
#: ``cluster``: the stable number; ``state``: one of ``new``, ``growing``, ``fading``, ``steady``, ``gone``;
#: ``share``: the share of the window's rows, in [0, 1]; ``before``: the share in the key's window before;
#: ``examples``: up to two different texts, those of the events that are nearest to the centroid. A cluster
#: that is gone has the share 0 and no examples.
CLUSTERS = pa.field("clusters", pa.list_(pa.struct(_CLUSTER)), nullable=False)


def raw_schema(format: str, header: bytes | None = None) -> pa.Schema:
    """``RAW`` with the metadata that the decode step needs.

    ``format``: ``jsonl``, ``csv``, ``text``, ``avro`` or ``protobuf``. ``header``: the header record of CSV.

    >>> raw_schema("csv", b"ts,text").metadata
    {b'format': b'csv', b'header': b'ts,text'}
    """
    named = {} if header is None else {b"header": header}
    return RAW.with_metadata({b"format": format.encode()} | named)


def embedded_schema(dim: int, store: Store = "fp32") -> pa.Schema:
    """``EVENT`` with ``embedding`` (see :func:`embedding_field`), ``model`` and ``model_version``."""
    return pa.schema(
        [
            *EVENT,
            embedding_field(dim, store),
            pa.field("model", pa.string(), nullable=False),
            pa.field("model_version", pa.string(), nullable=False),
        ]
    )


@dataclass(frozen=True)
class Decoded:
    """The result of decoding a batch of ``RAW``: each record is in exactly one of the two batches.

    ``ambiguous_times``: how many times were read that the clock of ``source.ts_zone`` showed twice.
    """

    events: pa.RecordBatch
    dead_letters: pa.RecordBatch
    ambiguous_times: int = 0


#: Nearly each batch has none, so this is made once. (Arrow imports pandas to make an array of a list.)
_NO_DEAD_LETTERS = pa.RecordBatch.from_arrays(
    [pa.nulls(0, field.type) for field in DEAD_LETTER], schema=DEAD_LETTER
)


def dead_letters(
    rows: Sequence[tuple[str, str, str, int, bytes]], envelopes: Sequence[bytes] | None = None
) -> pa.RecordBatch:
    """A batch of ``DEAD_LETTER``; a row is ``(reason, message, partition, offset, raw)``. ``envelopes``: that
    of each row; ``None``: nothing is known of how the records were read.
    """
    if not rows:
        return _NO_DEAD_LETTERS
    columns: list[Sequence[object]] = list(zip(*rows, strict=True))
    columns.append(envelopes or [UNKNOWN.encode()] * len(rows))
    arrays = [pa.array(values, field.type) for values, field in zip(columns, DEAD_LETTER, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=DEAD_LETTER)
