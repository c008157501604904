"""Windows of embedded events that belong to topics."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dataflow.items.arrays import Vectors


def topic_rows(sizes: Sequence[int], seed: int, *, noise: float = 0.3, dim: int = 16) -> Vectors:
    """``(sum(sizes), dim)`` unit vectors: ``sizes[i]`` rows of the topic ``i``, in a random order.

    A topic is a direction of its own, so there are at most ``dim`` topics. ``noise``: the length of what is
    added to it. ``seed``: chooses the noise and the order.
    """
    rng = np.random.default_rng(seed)
    topics = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors: npt.NDArray[np.float64] = np.eye(dim)[topics] + noise / np.sqrt(dim) * rng.standard_normal(
        (len(topics), dim)
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def topics_of(vectors: Vectors) -> list[int]:
    """The topic of each row of :func:`topic_rows`."""
    found: list[int] = vectors.argmax(axis=1).tolist()
    return found
