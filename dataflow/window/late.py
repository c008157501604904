"""The rows of late events: each event with the watermark, its lateness, and the windows that it missed."""

from collections.abc import Sequence

import orjson
import pyarrow as pa

from dataflow.clock import rfc3339
from dataflow.items.arrays import Int64s
from dataflow.items.schemas import EVENT, LATE


def late_rows(
    rows: pa.RecordBatch, watermark: Int64s, missed: Sequence[Sequence[tuple[int, int]]]
) -> pa.RecordBatch:
    """Late events as a batch of schema ``LATE``.

    ``watermark``: ``(n,)`` the watermark right before each event. ``missed``: for each event, the windows
    ``(start, end)`` that it belongs to, in order of their ends. Times are microseconds since the Unix epoch.
    """
    last_ends = [windows[-1][1] for windows in missed]
    late_by = [mark - end for mark, end in zip(watermark.tolist(), last_ends, strict=True)]
    as_json = [
        orjson.dumps([[rfc3339(start), rfc3339(end)] for start, end in windows]).decode()
        for windows in missed
    ]
    return pa.RecordBatch.from_arrays(
        [
            *(rows.column(name) for name in EVENT.names if name in LATE.names),
            pa.array(watermark).cast(LATE.field("watermark").type),
            pa.array(late_by, pa.int64()),
            pa.array(as_json, pa.string()),
        ],
        schema=LATE,
    )
