"""The scores of the flow are the scores of the article, which the test computes in the plainest way.

Spark's ``groupBy(window(ts, '10 minutes', '5 minutes'))`` with a pandas UDF: stack a window's embeddings,
``KMeans(n_clusters=8, random_state=42)``, distance of each row to the centroid of its own cluster.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.settings import Settings, Source
from dataflow.source import open_source
from export.serve.sidecar import Sidecar
from tests.support.paths import ROOT, Encode

pytestmark = pytest.mark.integration

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(params=["demo", "openssh.jsonl"])
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A stream as a file of JSON lines with ``id``, ``ts`` and ``text``, in order of arrival."""
    if request.param != "demo":
        if not (SHARED / request.param).exists():
            pytest.skip(f"no {request.param}: real streams are not part of this repository")
        return SHARED / str(request.param)
    settings = Settings(source=Source(uri="demo:?seed=1&events=600"))
    source: Any = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    lines = []
    for name in source.list_parts():
        partition = source.build_part("source", name, None)
        try:
            while True:
                lines += [
                    (json.loads(raw)["ts"], raw)
                    for batch in partition.next_batch()
                    for raw in batch.column("raw").to_pylist()
                ]
        except StopIteration:
            pass
    path = tmp_path / "demo.jsonl"
    path.write_bytes(b"".join(raw + b"\n" for _, raw in sorted(lines)))
    return path


def read(path: Path, time: str) -> pd.DataFrame:
    frame: pd.DataFrame = pd.DataFrame(json.loads(line) for line in path.read_text().splitlines())
    frame[time] = pd.to_datetime(frame[time], format="ISO8601")
    return frame


def plainest(stream: Path, encode: Encode) -> pd.DataFrame:
    """One row for each event and window: ``window_start``, ``id``, ``kmeans_dist``."""
    events = read(stream, "ts").sort_values(["ts", "id"])
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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_flow_gives_the_rows_and_scores_of_the_article(
    stream: Path, triton: Sidecar, reference: Encode, tmp_path: Path
) -> None:
    out = tmp_path / "scores.jsonl"
    env = {
        "DRIFTLINE_SOURCE__URI": f"file:{stream}",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__URL": triton.url,
        "DRIFTLINE_SINK__SCORES": f"file:{out}",
    }
    subprocess.run(
        [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"],
        env=os.environ | env,
        check=True,
        cwd=ROOT,
    )
    flow = read(out, "window_start").set_index(["window_start", "id"])["score"].sort_index()
    expected = plainest(stream, reference)["kmeans_dist"]
    assert flow.index.tolist() == expected.index.tolist()
    difference = float((flow - expected).abs().max())
    print(f"{stream.name}: {len(flow)} rows, largest difference {difference:.2e}")
    assert difference <= 1e-4
