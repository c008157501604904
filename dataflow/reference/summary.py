"""Says what a reference holds: for each key its size, its age, and clusters with example texts."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.clock import micros, rfc3339
from dataflow.items.arrays import Vectors
from dataflow.items.embedding import embeddings
from dataflow.telemetry.logs import visible

#: The most clusters that are shown of a key, the example texts of each, and the characters of a text.
MOST_CLUSTERS, EXAMPLES, CHARACTERS = 8, 2, 100


def summary(rows: pa.RecordBatch, now: datetime) -> Iterator[str]:
    """The lines that describe ``rows`` of ``PINNED`` or ``pinned_schema``. ``now``: ages are relative to it.

    The lines hold no control characters.
    """
    keys = rows.column("key").dictionary_encode("encode")
    codes = keys.indices.to_numpy()
    for code, key in enumerate(keys.dictionary.to_pylist()):
        of_key = rows.filter(pa.array(codes == code))
        name = "all keys" if key is None else f"key {visible(key)}"
        yield f"{name}: {len(of_key)} texts; {_age(of_key.column('ts'), now)}"
        yield from _clusters(of_key)


def _age(ts: pa.Array, now: datetime) -> str:
    known = pc.drop_null(ts).cast(pa.int64()).to_numpy()
    if not len(known):
        return "no times"
    first, last = (rfc3339(int(us), "s") for us in (known.min(), known.max()))
    median = timedelta(microseconds=micros(now) - int(np.median(known)))
    return f"from {first} to {last}, median age {_shown(median)}"


def _shown(age: timedelta) -> str:
    """Days, or hours and minutes below two days.

    >>> _shown(timedelta(days=3, hours=7)), _shown(timedelta(hours=30, minutes=5))
    ('3 d', '30 h 5 min')
    """
    minutes = age // timedelta(minutes=1)
    return f"{age.days} d" if age.days >= 2 else f"{minutes // 60} h {minutes % 60} min"


def _clusters(rows: pa.RecordBatch) -> Iterator[str]:
    if "embedding" not in rows.schema.names:
        yield "  no embeddings, so no clusters; `import` makes a file that has them"
        return
    vectors, texts = embeddings(rows), rows.column("text").to_pylist()
    centroids, labels = _fit(vectors)
    counts = np.bincount(labels)
    for cluster in np.argsort(-counts, kind="stable").tolist():
        members = np.flatnonzero(labels == cluster)
        distance = np.square(vectors[members] - centroids[cluster]).sum(axis=1)
        nearest = members[np.argsort(distance, kind="stable")].tolist()
        examples = list(dict.fromkeys(texts[row] for row in nearest))[:EXAMPLES]
        shown = "  ".join(f'"{_cut(text)}"' for text in examples)
        yield f"  {counts[cluster] / len(rows):4.0%}  {shown}"


def _fit(vectors: Vectors) -> tuple[Vectors, "np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    """The centroids of up to ``MOST_CLUSTERS`` clusters, and the cluster of each row."""
    from sklearn.cluster import KMeans  # noqa: PLC0415  takes a second to import

    clusters = min(MOST_CLUSTERS, len(np.unique(vectors, axis=0)))
    found = KMeans(clusters, n_init=4, random_state=0).fit(vectors)
    return found.cluster_centers_, found.labels_


def _cut(text: str) -> str:
    return visible(text if len(text) <= CHARACTERS else text[:CHARACTERS] + "...")
