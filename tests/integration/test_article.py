"""The scores of the flow are the scores of the article, from files to files and from table to table."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.settings import Settings, Source
from dataflow.source import open_source
from export.serve.sidecar import Sidecar
from tests.support.article import plainest, read
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


def check(scored: pd.DataFrame, stream: Path, encode: Encode) -> None:
    flow = scored.set_index(["window_start", "id"])["score"].sort_index()
    expected = plainest(read(stream, "ts"), encode)["kmeans_dist"]
    assert flow.index.tolist() == expected.index.tolist()
    difference = float((flow - expected).abs().max())
    print(f"{stream.name}: {len(flow)} rows, largest difference {difference:.2e}")
    assert difference <= 1e-4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_flow_gives_the_rows_and_scores_of_the_article(
    stream: Path, triton: Sidecar, reference: Encode, tmp_path: Path
) -> None:
    score(f"file:{stream}", f"file:{tmp_path}/scores.jsonl", triton)
    check(read(tmp_path / "scores.jsonl", "window_start"), stream, reference)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_table_of_records_becomes_the_table_of_scores_of_the_article(
    stream: Path, triton: Sidecar, reference: Encode, tmp_path: Path
) -> None:
    """``raw_records`` is appended in several versions, as a stream writes it."""
    records = read(stream, "ts")[["id", "ts", "text"]]
    for at in range(0, len(records), 250):
        write_deltalake(tmp_path / "raw_records", records[at : at + 250], mode="append")
    score(f"delta:{tmp_path}/raw_records?tail=false", f"delta:{tmp_path}/scores", triton)
    check(DeltaTable(tmp_path / "scores").to_pandas(), stream, reference)
