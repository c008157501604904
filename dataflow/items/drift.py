"""What moves between the stages that compare windows with what came before, and the schema of their rows."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.items.arrays import Int64s
from dataflow.items.fixed import Fixed
from dataflow.items.schemas import TIMESTAMP

#: The version of ``DRIFT``. A change of a column increases it.
DRIFT_FORMAT = 1


@dataclass(frozen=True)
class Past:
    """A random sample of the earlier events of a key: some events of a pool.

    ``pool``: ``(p, dim)``, the vectors of the pool, which nobody changes. ``pool_texts``: ``(p,)``, strings.
    ``rows``: ``(m,)``, which events of the pool the sample has, in time order.
    """

    pool: Fixed
    pool_texts: npt.NDArray[np.object_] | pa.Array
    rows: Int64s

    @staticmethod
    def whole(vectors: Fixed, texts: npt.NDArray[np.object_]) -> "Past":
        """A sample that is its own pool, in time order."""
        return Past(vectors, texts, np.arange(len(vectors)))

    def __len__(self) -> int:
        """The number of events."""
        return len(self.rows)

    @property
    def vectors(self) -> Fixed:
        """``(m, dim)``, a copy."""
        found: Fixed = self.pool[self.rows]
        return found

    @property
    def texts(self) -> npt.NDArray[np.object_]:
        """``(m,)`` of ``str``."""
        found: npt.NDArray[np.object_]
        if isinstance(self.pool_texts, pa.Array):
            found = self.pool_texts.take(pa.array(self.rows)).to_numpy(zero_copy_only=False)
        else:
            found = self.pool_texts[self.rows]
        return found


@dataclass(frozen=True)
class WindowSample:
    """A window that has enough events for tests of drift.

    ``window``: its number in ``Judged.keys``. ``rows``: columns of ``SCORED`` and ``EVIDENCE``, in time
    order. ``vectors``: ``(n, dim)``, their embeddings. ``past``: the reference of the key; ``None``: there is
    none.
    """

    window: int
    rows: pa.RecordBatch
    vectors: Fixed
    past: Past | None


class Drift(NamedTuple):
    """What the tests of a window say. Plain data.

    ``window``: its number in ``Judged.keys``. ``tests``: how many tests there were, 1 or more. ``p_value``:
    the lowest of their p-values. ``message``: the change in words. ``examples``: ``examples`` of an alert.
    The last two are empty if the p-value is too high for any alert.
    """

    window: int
    tests: int
    p_value: float
    message: str
    examples: list[dict[str, Any]]


#: Why a window has tests or not. ``tested``; ``learning``: there is no earlier window and no reference, or
#: the window has fewer than ten blocks that hardly depend on each other, as far as is known; ``late``: the
#: window is emitted because of late events; ``overlaps``: the last window that was tested has nearly the same
#: events; ``no room``: as many keys as ``drift.keys`` allows are tested.
DRIFT_STATES = ("tested", "learning", "late", "overlaps", "no room")

_CLUSTER = [
    pa.field("cluster", pa.int32(), nullable=False),
    pa.field("share", pa.float64(), nullable=False),
    pa.field("before", pa.float64()),
    pa.field("p_before", pa.float64()),
    pa.field("reference", pa.float64()),
    pa.field("p_reference", pa.float64()),
]

#: Drift: one row for each window with enough events. ``state``: one of :data:`DRIFT_STATES`. ``rows``: the
#: scored events. ``inertia``: the mean squared distance to the centroids of the clusters. ``score_p50`` to
#: ``anomaly_p99``: quantiles. ``clusters``: the share of each cluster in this window, in the window before
#: and in the reference, with the p-values of the differences, corrected for the number of clusters. A cluster
#: keeps its number until clusters are fitted anew (``fitted``: how often they were). ``before_end``: the end
#: of the window before, with which this one shares no events. ``distance_before``, ``distance_reference``: of
#: the centroids, in [0, 2]. ``p_centroid_before`` to ``p_clusters_reference``: p-values
#: ``(1 + k) / (1 + draws)``. ``p_value``: the lowest of them, corrected for their number. ``block_rows``: the
#: rows of the blocks that trade places. ``draws_before``, ``draws_reference``: the permutations. What is not
#: known is null.
DRIFT = pa.schema(
    [
        pa.field("format", pa.int32(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("window_start", TIMESTAMP, nullable=False),
        pa.field("window_end", TIMESTAMP, nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("inertia", pa.float64()),
        *(
            pa.field(f"{column}_p{quantile}", pa.float64())
            for column in ("score", "anomaly")
            for quantile in (50, 90, 99)
        ),
        pa.field("fitted", pa.int32(), nullable=False),
        pa.field("clusters", pa.list_(pa.struct(_CLUSTER)), nullable=False),
        pa.field("before_end", TIMESTAMP),
        pa.field("distance_before", pa.float64()),
        pa.field("p_centroid_before", pa.float64()),
        pa.field("p_clusters_before", pa.float64()),
        pa.field("draws_before", pa.int64()),
        pa.field("distance_reference", pa.float64()),
        pa.field("p_centroid_reference", pa.float64()),
        pa.field("p_clusters_reference", pa.float64()),
        pa.field("draws_reference", pa.int64()),
        pa.field("p_value", pa.float64()),
        pa.field("block_rows", pa.int32()),
    ]
)
