"""The cause of a drift, in words."""

import numpy as np
import pyarrow as pa

from dataflow.drift.comparison import Comparison
from dataflow.drift.explained import explained
from dataflow.drift.rows import Finding
from dataflow.items.drift import Past, WindowSample
from dataflow.items.fixed import to_fixed

TOPICS, DIM = 8, 32
#: There is a drift, whatever the numbers say.
FOUND = Comparison(0.1, 0.001, 0.001, 0.001, (), 1, 999)


def test_a_new_topic_is_named_beside_a_reference_that_is_much_larger() -> None:
    """With the new topic, there are more topics than clusters."""
    rng = np.random.default_rng(3)
    topics = np.eye(DIM)
    topics[TOPICS] += topics[0]

    def vectors(
        which: np.ndarray[tuple[int], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
        noisy = topics[which] + rng.normal(size=(len(which), DIM)) / 20
        return to_fixed((noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32))

    then = rng.integers(0, TOPICS, 2000)
    now = np.where(rng.random(150) < 0.25, TOPICS, rng.integers(0, TOPICS, 150))
    past = Past.whole(vectors(then), np.array([f"topic {each}" for each in then], np.object_))
    rows = pa.RecordBatch.from_pydict(
        {
            "id": [str(number) for number in range(len(now))],
            "ts": pa.array(np.arange(len(now)), pa.timestamp("us", "UTC")),
            "text": ["new" if each == TOPICS else f"topic {each}" for each in now],
            "anomaly": pa.nulls(len(now), pa.float64()),
        }
    )
    sample = WindowSample(0, rows, vectors(now), past)
    message, examples = explained(Finding("k", 0, 150, sample, "tested", reference=FOUND), 8)
    assert '("new"' in message.split(";")[0]
    assert examples[0]["text"] == "new"
