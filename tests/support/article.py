"""The scores of the article, computed in the plainest way.

Spark's ``groupBy(window(ts, '10 minutes', '5 minutes'))`` with a pandas UDF: stack a window's embeddings,
``KMeans(n_clusters=8, random_state=42)``, distance of each row to the centroid of its own cluster.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tests.support.paths import Encode


def read(path: Path, time: str) -> pd.DataFrame:
    """The rows of a file of JSON lines; ``time``: the column of times."""
    frame: pd.DataFrame = pd.DataFrame(json.loads(line) for line in path.read_text().splitlines())
    frame[time] = pd.to_datetime(frame[time], format="ISO8601")
    return frame


def plainest(events: pd.DataFrame, encode: Encode) -> pd.DataFrame:
    """One row for each event and window: ``window_start``, ``id``, ``kmeans_dist``.

    ``events``: ``id``, ``ts``, ``text``. ``encode``: texts -> embeddings.
    """
    events = events.sort_values(["ts", "id"])
    events["embeddings"] = list(encode(events["text"].tolist()))
    last = events["ts"].dt.floor("5min")
    sliding = [events.assign(window_start=last - pd.Timedelta(minutes=m)) for m in (5, 0)]
    scored: list[pd.DataFrame] = []
    rows = pd.concat(sliding, ignore_index=True).sort_values(["ts", "id"])
    for _, window in rows.groupby("window_start"):
        matrix = np.stack(window["embeddings"].tolist())
        kmeans = KMeans(n_clusters=min(8, len(matrix)), random_state=42)
        # One thread: beside a busy model server, several threads wait for each other.
        with threadpool_limits(1):
            labels = kmeans.fit_predict(matrix)
        distances = np.linalg.norm(matrix - kmeans.cluster_centers_[labels], axis=1)
        scored.append(window.assign(kmeans_dist=distances))
    table: pd.DataFrame = pd.concat(scored).set_index(["window_start", "id"]).sort_index()
    return table
