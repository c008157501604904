"""What a scorer is given and what it gives."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class Scores:
    """``values``: ``(n,)`` float64, finite, higher is more anomalous. ``cluster``: ``(n,)`` int32,
    -1 where a scorer has no clusters.
    """

    values: npt.NDArray[np.float64]
    cluster: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values: npt.ArrayLike, cluster: npt.ArrayLike | None = None) -> "Scores":
        """Scores from anything array-like; no clusters if none are given."""
        scores = np.asarray(values, np.float64)
        labels = np.full(scores.shape, -1) if cluster is None else np.asarray(cluster)
        return cls(scores, labels.astype(np.int32))


class Scorer(Protocol):
    """Scores the events of one window against each other."""

    def score(self, rows: pa.RecordBatch) -> Scores:
        """One score a row. ``rows``: at least one embedded event, in (``ts``, ``id``) order, so that a
        replay of the same window gives the same numbers.
        """
