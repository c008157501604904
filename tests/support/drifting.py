"""Streams of windows for the tests of the drift stage."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.drift import Past, WindowSample
from dataflow.items.fixed import to_fixed
from dataflow.items.judged import Judged
from tests.support.judged import MINUTE, Seen, judged

DIM = 6


def vectors(rng: np.random.Generator, rows: int, shift: float = 0.0) -> Any:
    """Directions around the axes, ``shift`` of them towards the first one."""
    found = rng.normal(size=(rows, DIM)).astype(np.float32)
    found[rng.random(rows) < shift] = [9, 0, 0, 0, 0, 0]
    return to_fixed(found)


def sample(window: int, number: int, found: Any, past: Any, revision: int = 0) -> WindowSample:
    """The events ``found`` of the window with this number. ``past``: of earlier events; may be none."""
    n = len(found)
    texts = [f"text {row.argmax()}" for row in found]
    rows = pa.record_batch(
        {
            "id": [f"e{number}-{i}" for i in range(n)],
            "ts": pa.array(np.full(n, number * MINUTE), pa.timestamp("us", tz="UTC")),
            "text": texts,
            "revision": np.full(n, revision, np.int32),
            "score": np.linspace(0, 1, n),
            "anomaly": pa.array(np.full(n, np.nan), from_pandas=True),
        }
    )
    old = np.array([f"text {row.argmax()}" for row in past], dtype=object)
    return WindowSample(window, rows, found, Past.whole(past, old) if len(past) else None)


def windows(
    shifts: Mapping[str, list[float]], rows: int = 120, *, first: int = 0, late: bool = False, seed: int = 0
) -> Iterator[Judged]:
    """An emission for each minute: windows of two minutes of all keys. ``shifts``: of each minute."""
    keys = sorted(shifts)
    rng = {key: np.random.default_rng([seed, place]) for place, key in enumerate(keys)}
    minutes: dict[str, list[Any]] = {key: [] for key in keys}
    for number in range(len(shifts[keys[0]])):
        end, samples = number + 1, []
        for at, key in enumerate(keys):
            minutes[key].append(vectors(rng[key], rows // 2, shifts[key][number]))
            past = np.concatenate([np.empty((0, DIM), np.int16), *minutes[key][:-2]])[-1000:]
            samples.append(sample(at, number, np.concatenate(minutes[key][-2:]), past))
        if number:
            seen = {key: Seen((end - 2) * MINUTE, end * MINUTE, (), rows, late) for key in keys}
            said = judged(first + number - 1, seen)
            yield said.__class__(**{**vars(said), "samples": samples})
