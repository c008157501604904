"""The events of one window of one key that stand out."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.items.arrays import Int64s
from dataflow.items.fixed import Fixed
from dataflow.items.hashes import hashes
from dataflow.items.rows import event_times


@dataclass(frozen=True)
class WindowEvents:
    """``n`` events of the window ``[start, end)``, the highest ``anomaly`` first.

    ``at``: when they are decided. ``threshold``: the ``anomaly`` that opens an incident; ``opening``: how
    many events reach that. ``size``: how many events the window has. ``hashes``: hashes of their ids. ``ts``:
    ``(n,)`` int64. ``anomaly``: ``(n,)`` float64. ``vectors``: ``(n, dim)``. ``rows``: all their columns.
    Times are microseconds since the Unix epoch, UTC.
    """

    at: int
    start: int
    end: int
    threshold: float
    opening: int
    size: int
    hashes: list[int]
    ts: Int64s
    anomaly: npt.NDArray[np.float64]
    vectors: Fixed
    rows: pa.RecordBatch

    @staticmethod
    def of(
        at: int, start: int, end: int, threshold: float, size: int, rows: pa.RecordBatch, vectors: Fixed
    ) -> "WindowEvents":
        """The events of ``rows``: columns of ``SCORED``, ``EVIDENCE`` and ``EXPLANATION``. ``vectors``:
        ``(n, dim)``, in the same order.
        """
        ids, ts, anomaly = hashes(rows.column("id")), event_times(rows), rows.column("anomaly").to_numpy()
        order = np.argsort(-anomaly, kind="stable")
        return WindowEvents(
            at=at,
            start=start,
            end=end,
            threshold=threshold,
            opening=int((anomaly >= threshold).sum()),
            size=size,
            hashes=ids[order].tolist(),
            ts=ts[order],
            anomaly=anomaly[order],
            vectors=vectors[order],
            rows=rows.take(pa.array(order)),
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def ids(self, which: Int64s) -> list[str]:
        """The ids of the events at ``which``."""
        found: list[str] = self.rows.column("id").take(pa.array(which)).to_pylist()
        return found

    def incident_id(self, row: int) -> str:
        """The id of the incident that the event at ``row`` opens: the same on each replay."""
        key, event = (self.rows.column(name)[row].as_py() for name in ("key", "id"))
        return hashlib.sha256(f"{key}\0{event}\0{self.end}".encode()).hexdigest()[:16]

    def cluster(self, row: int) -> int:
        """The cluster of the event at ``row``."""
        found: int = self.rows.column("cluster")[row].as_py()
        return found

    def examples(self, which: Int64s, most: int) -> list[dict[str, Any]]:
        """Up to ``most`` of the events at ``which`` as ``examples`` of an alert; times are integers.

        Events with an explanation come first: the score stage explains one event of each form.
        """
        is_explained = self.rows.column("explanation").is_valid().to_numpy(zero_copy_only=False)[which]
        return examples(self.rows.take(pa.array(which[np.argsort(~is_explained, kind="stable")][:most])))


def examples(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Events as ``examples`` of an alert; times are integers."""
    explanation = rows.column("explanation")
    columns = {
        "id": rows.column("id"),
        "ts": rows.column("ts").cast(pa.int64()),
        "text": rows.column("text"),
        "anomaly": rows.column("anomaly"),
        "nearest": pc.struct_field(explanation, "nearest"),
        "nearest_ts": pc.struct_field(explanation, "nearest_ts").cast(pa.int64()),
        "explanation": pc.struct_field(explanation, "sentence"),
    }
    found: list[dict[str, Any]] = pa.table(columns).to_pylist()
    return found
