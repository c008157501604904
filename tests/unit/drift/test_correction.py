"""P-values corrected for their number."""

import numpy as np

from dataflow.drift.correction import corrected


def test_corrected_p_values_are_those_of_holm() -> None:
    """The plain rule: reject in the order of the p-values while each is at most ``alpha / (tests left)``."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.random(5) ** 3
        alpha = rng.random()
        rejected = set()
        for rank, at in enumerate(np.argsort(values)):
            if values[at] > alpha / (5 - rank):
                break
            rejected.add(int(at))
        assert {i for i, p in enumerate(corrected(values.tolist())) if p <= alpha} == rejected
    assert corrected([]) == []
