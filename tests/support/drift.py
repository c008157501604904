"""Samples of rows for the tests of drift."""

from collections.abc import Callable

import numpy as np
import pytest

from dataflow.drift.blocks import cut
from dataflow.drift.comparison import Comparison, Sample, beside_reference, beside_window
from dataflow.drift.dependence import Dependence
from dataflow.items.fixed import to_fixed

DIM = 6


def sample(rng: np.random.Generator, rows: int, shift: float = 0.0) -> Sample:
    """Independent rows, ``shift`` towards the first axis; the cluster says on which side of it a row is."""
    vectors = rng.normal(size=(rows, DIM)).astype(np.float32)
    vectors[:, 0] += shift
    return Sample(to_fixed(vectors), (vectors[:, 0] > 0).astype(np.int64))


def repeated(rng: np.random.Generator, rows: int, times: int) -> Sample:
    """As :func:`sample`, but each row comes ``times`` times in a row; the first one maybe less often."""
    once = sample(rng, rows // times + 2)
    at = (np.arange(rows) + rng.integers(times)) // times
    return Sample(once.vectors[at], np.asarray(once.clusters)[at])


SINGLE = Dependence(1, 1.0)


def windows(
    before: Sample, now: Sample, blocks: Dependence | None = SINGLE, seed: int = 0
) -> Comparison | None:
    return beside_window(cut(*before, 1, 999), cut(*now, 1, 999), blocks, seed=seed, most=199)


def reference(
    before: Sample, now: Sample, blocks: Dependence | None = SINGLE, seed: int = 0
) -> Comparison | None:
    return beside_reference(before, cut(*now, 1, 999), blocks, seed=seed, most=199)


BOTH = pytest.mark.parametrize("compare", [windows, reference])
Compare = Callable[..., Comparison | None]
