"""Windows of a key group whose topics come and go, and the clusters that a plain loop follows in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.items.rows import Rows, segments
from dataflow.items.schemas import dead_letters
from dataflow.items.windows import KeyWindow, WholeWindows, WindowRef
from dataflow.score.clusters import ClusterTracker, KeyClusters, Tracked
from dataflow.settings import Settings
from tests.support.batches import embedded_batch, events
from tests.support.topics import topic_rows

DIM = 8
MINUTE = 60_000_000
#: A key starts again after five minutes, and events may be late by three.
SETTINGS: dict[str, Any] = {
    "score": {"start": "warm", "clusters": 3, "half_life": "5m", "reference": False},
    "window": {"kind": "tumbling", "length": "1m", "allowed_lateness": "3m"},
}
REFUSED = "refused"


def warm(**score: object) -> Settings:
    """Settings with warm clusters, and without a reference unless ``score`` says so."""
    return Settings.model_validate({**SETTINGS, "score": {**SETTINGS["score"], **score}})


def window_rows(key: str, end: int, seed: int, text: str = "text") -> pa.RecordBatch:
    """The rows of a window of a minute: a few rows of some of five topics."""
    sizes = np.random.default_rng(seed).integers(0, 6, 5).tolist()
    vectors = topic_rows(sizes if any(sizes) else [3], seed, dim=DIM)
    n = len(vectors)
    rows = events(
        [f"{text} {row}" for row in range(n)],
        ids=[f"{key} {end} {row:03}" for row in range(n)],
        keys=[key] * n,
        times_us=[end - MINUTE + row for row in range(n)],
    )
    return embedded_batch(rows, vectors)


def emission(
    number: int, end: int, revisions: dict[str, int], seed: int = 0, text: str = "text"
) -> WholeWindows:
    """A window of each key, all with the same ``end``. ``revisions``: the revision of each key's window."""
    parts = [Rows(window_rows(key, end, 7919 * seed + place, text)) for place, key in enumerate(revisions)]
    windows = {key: KeyWindow(WindowRef(end - MINUTE, end, revision)) for key, revision in revisions.items()}
    return WholeWindows(windows, parts, emission=number)


def emissions(seed: int, count: int) -> list[WholeWindows]:
    """Emissions of a group: keys are quiet now and then, some for long, and some windows are late.

    A late window is a revision, or one that had no events when it closed. In some emissions, the model
    refuses all rows.
    """
    rng = np.random.default_rng(seed)
    made, end = [], 0
    for number in range(count):
        is_late = number > 3 and rng.random() < 0.25
        if not is_late:
            end += MINUTE * int(rng.choice([1, 1, 1, 1, 4, 7]))
        at = end - 2 * MINUTE if is_late else end
        keys = [key for key in "abc" if rng.random() < 0.6] or ["a"]
        revisions = {key: int(is_late and rng.random() < 0.6) for key in keys}
        text = REFUSED if rng.random() < 0.1 else "text"
        made.append(emission(number, at, revisions, seed + number, text))
    return made


def unify(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """A model that refuses the texts of some emissions."""
    if not rows.column("text")[0].as_py().startswith(REFUSED):
        return rows, dead_letters([])
    return rows.slice(0, 0), dead_letters([("embedding", "", "p", 0, b"")] * len(rows))


def plain(tracker: ClusterTracker, made: Sequence[WholeWindows], half_life_us: int) -> list[list[Tracked]]:
    """The windows of each emission, from a loop over them in their order that forgets nothing."""
    last: dict[str, tuple[int, KeyClusters]] = {}
    found: list[list[Tracked]] = []
    for windows in made:
        rows, _ = unify(windows.gather())
        of_emission: list[Tracked] = []
        for key, batch in by_key(rows):
            ref = windows.window(key).ref
            end, before = last.get(key, (None, None))
            if end is not None and end + half_life_us < ref.end:
                end, before = None, None
            tracked = tracker.track(batch, before)
            of_emission.append(tracked)
            if not ref.revision and (end is None or end < ref.end):
                last[key] = ref.end, tracked.clusters
        found.append(of_emission)
    return found


def by_key(rows: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """The rows of each key, by key."""
    if not len(rows):
        return []
    found = segments(rows)
    starts, stops = found.offsets[:-1].tolist(), found.offsets[1:].tolist()
    bounds = zip(found.keys.to_pylist(), starts, stops, strict=True)
    return [(key, rows.slice(start, stop - start)) for key, start, stop in bounds]
