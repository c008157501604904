"""The scores of the flow are the scores of the article, from files to files and from table to table."""

import json
import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake
from sklearn.exceptions import ConvergenceWarning

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.settings import Settings, Source
from dataflow.source import open_source
from export.serve.sidecar import Sidecar
from tests.support.article import plainest, read
from tests.support.paths import ROOT, Encode

pytestmark = pytest.mark.integration

SHARED = ROOT.parent / "shared" / "data"
#: The events of a stream.
EVENTS = 600


@pytest.fixture(scope="module", params=["demo", "openssh.jsonl"])
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream as a file of JSON lines with ``id``, ``ts`` and ``text``, in order of arrival."""
    path = tmp_path_factory.mktemp("article") / "stream.jsonl"
    if request.param == "demo":
        path.write_bytes(b"\n".join(_demo()) + b"\n")
    elif (SHARED / request.param).exists():
        lines = (SHARED / str(request.param)).read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:EVENTS]))
    else:
        pytest.skip(f"no {request.param}: real streams are not part of this repository")
    return path


def _demo() -> list[bytes]:
    settings = Settings(source=Source(uri=f"demo:?seed=1&events={EVENTS}"))
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
    return [raw for _, raw in sorted(lines)]


@pytest.fixture(scope="module")
def expected(stream: Path, reference: Encode) -> pd.Series:
    """The score of each event in each window, as the article computes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different texts than clusters
        scores: pd.Series = plainest(read(stream, "ts"), reference)["kmeans_dist"]
    return scores


def score(source: str, sink: str, triton: Sidecar) -> None:
    env = {
        "DRIFTLINE_SOURCE__URI": source,
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_EMBED__URL": triton.url,
        "DRIFTLINE_SINK__SCORES": sink,
    }
    subprocess.run(
        [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"],
        env=os.environ | env,
        check=True,
        cwd=ROOT,
    )


def check(scored: pd.DataFrame, expected: pd.Series) -> None:
    flow = scored.set_index(["window_start", "id"])["score"].sort_index()
    assert flow.index.tolist() == expected.index.tolist()
    difference = float((flow - expected).abs().max())
    print(f"{len(flow)} rows, largest difference {difference:.2e}")
    assert difference <= 1e-4


def test_the_flow_gives_the_rows_and_scores_of_the_article(
    stream: Path, triton: Sidecar, expected: pd.Series, tmp_path: Path
) -> None:
    score(f"file:{stream}", f"file:{tmp_path}/scores.jsonl", triton)
    check(read(tmp_path / "scores.jsonl", "window_start"), expected)


def test_a_table_of_records_becomes_the_table_of_scores_of_the_article(
    stream: Path, triton: Sidecar, expected: pd.Series, tmp_path: Path
) -> None:
    """``raw_records`` is appended in several versions, as a stream writes it."""
    records = read(stream, "ts")[["id", "ts", "text"]]
    for at in range(0, len(records), 250):
        write_deltalake(tmp_path / "raw_records", records[at : at + 250], mode="append")
    score(f"delta:{tmp_path}/raw_records?tail=false", f"delta:{tmp_path}/scores", triton)
    check(DeltaTable(tmp_path / "scores").to_pandas(), expected)
