"""The interface of a scorer."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True)
class Scores:
    """The scores of the rows of a window."""

    #: ``(n,)`` float64, finite. A higher value is more anomalous.
    values: npt.NDArray[np.float64]
    #: ``(n,)`` int32: the cluster of each row; -1 if the scorer has no clusters.
    cluster: npt.NDArray[np.int32]

    @classmethod
    def of(cls, values: npt.ArrayLike, cluster: npt.ArrayLike | None = None) -> "Scores":
        """Make scores from array-likes; without ``cluster``, the rows have no clusters.

        >>> Scores.of([0.5, 2]).cluster.tolist()
        [-1, -1]
        """
        scores = np.asarray(values, np.float64)
        labels = np.full(scores.shape, -1) if cluster is None else np.asarray(cluster)
        return cls(scores, labels.astype(np.int32))


class Scorer(Protocol):
    """Scores the events of a window against each other."""

    def score(self, rows: pa.RecordBatch) -> Scores:
        """Score each row. ``rows``: at least one embedded event, in (``ts``, ``id``) order.

        The order makes a replay of a window give the same scores.
        """
