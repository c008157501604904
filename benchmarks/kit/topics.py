"""Windows of made-up embeddings, where topics come and go."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Vectors

#: How many directions the events of a topic vary in, beside the noise in all directions.
_RANK = 24


@dataclass(frozen=True)
class Topics:
    """Topics on the unit sphere, as texts have them: none of them is a round blob.

    All embeddings have a direction in common. The events of a topic vary in a few directions of its own, some
    of them much more than others and with heavy tails. The shares of the topics follow Zipf's law.
    ``count``: how many topics there are. ``noise``: the length of the noise, relative to a topic's direction.
    """

    count: int
    dim: int
    noise: float = 0.5
    seed: int = 0

    def two_windows(self, rows: int) -> tuple[Vectors, Vectors]:
        """Two windows, ``(rows, dim)`` float32 each, that have half of their rows in common.

        In the new half, the largest topic but one appears, and the largest but three vanishes.
        """
        rng = np.random.default_rng(self.seed)
        centres = rng.standard_normal((self.count, self.dim))
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        common = rng.standard_normal(self.dim)
        centres += 0.7 * common / np.linalg.norm(common)
        directions = rng.standard_normal((self.count, _RANK, self.dim)) / np.sqrt(self.dim)
        directions *= 0.5 * np.exp(-np.arange(_RANK) / 6)[:, None]
        weights = 1 / np.arange(1.0, self.count + 1)
        before, after = weights.copy(), weights.copy()
        before[1] = after[3] = 0
        old = self._draw(rng, rows, before, centres, directions)
        new = self._draw(rng, rows - rows // 2, after, centres, directions)
        return old, np.concatenate([old[rows - rows // 2 :], new])[:rows]

    def _draw(
        self,
        rng: np.random.Generator,
        rows: int,
        weights: npt.NDArray[np.float64],
        centres: npt.NDArray[np.float64],
        directions: npt.NDArray[np.float64],
    ) -> Vectors:
        vectors = rng.standard_normal((rows, self.dim), np.float32)
        vectors *= self.noise / np.sqrt(self.dim)
        topics = rng.choice(self.count, rows, p=weights / weights.sum())
        for topic in range(self.count):
            at = np.flatnonzero(topics == topic)
            factors = rng.standard_t(4, (len(at), _RANK))
            vectors[at] += (centres[topic] + factors @ directions[topic]).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors
