"""What a key remembers of the clusters of its last window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflow.items.arrays import Int64s, Vectors
from dataflow.score.clusters.lloyd import Doubles

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class KeyClusters:
    """The ``k`` clusters of the last window of a key, by ascending number; ``k`` is 1 to ``score.clusters``.

    As a snapshot this takes ``k * (4 * dim + 24)`` bytes and a few more, whatever the number of rows and of
    windows: 25 KB for 8 clusters of 768 floats.
    """

    #: ``(k,)`` int64: the stable number of each cluster, 0 or more, ascending.
    numbers: Int64s
    #: ``(k,)`` int64: the rows of each cluster in that window, 1 or more.
    sizes: Int64s
    #: ``(k,)`` float64: the mean squared distance of these rows to their centroid, 0 or more.
    spreads: Doubles
    #: ``(k, dim)`` float32: the mean of these rows.
    centroids: Vectors
    #: The number of the next new cluster. It is greater than each number that the key has ever used.
    next_number: int
    #: The model and the version that embedded the rows.
    model: str

    @property
    def shares(self) -> Doubles:
        """``(k,)`` float64, each cluster's share of the rows of the window, in (0, 1]. The sum is 1."""
        shares: Doubles = self.sizes / self.sizes.sum()
        return shares

    def snapshot(self) -> dict[str, Any]:
        """The clusters as plain data: numbers, and the bytes of the centroids, little-endian.

        >>> sizes, centroids = np.array([3]), np.array([[1, 0]], np.float32)
        >>> clusters = KeyClusters(np.array([4]), sizes, np.array([0.5]), centroids, 5, "m")
        >>> clusters.snapshot()["next_number"]
        5
        """
        return {
            "format": _FORMAT,
            "numbers": self.numbers.tolist(),
            "sizes": self.sizes.tolist(),
            "spreads": self.spreads.tolist(),
            "centroids": self.centroids.astype("<f4").tobytes(),
            "next_number": self.next_number,
            "model": self.model,
        }

    @classmethod
    def from_snapshot(cls, snapshot: Mapping[str, Any]) -> "KeyClusters":
        """The clusters of which :meth:`snapshot` made ``snapshot``. Raises ``ValueError`` for another format.

        >>> sizes, centroids = np.array([3]), np.array([[1, 0]], np.float32)
        >>> clusters = KeyClusters(np.array([4]), sizes, np.array([0.5]), centroids, 5, "m")
        >>> KeyClusters.from_snapshot(clusters.snapshot()).centroids.tolist()
        [[1.0, 0.0]]
        """
        if snapshot["format"] != _FORMAT:
            raise ValueError(f"the clusters have the format {snapshot['format']}; only {_FORMAT} can be read")
        numbers = np.array(snapshot["numbers"], np.int64)
        return cls(
            numbers,
            np.array(snapshot["sizes"], np.int64),
            np.array(snapshot["spreads"], np.float64),
            np.frombuffer(snapshot["centroids"], "<f4").astype(np.float32).reshape(len(numbers), -1),
            snapshot["next_number"],
            snapshot["model"],
        )
