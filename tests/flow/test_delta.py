"""A flow from a Delta table to Delta tables gives each row once: killed, and while tables are compacted."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from dataflow.embed.null import NullEmbedder
from dataflow.sink import Stream
from tests.support.article import plainest
from tests.support.flows import ALERTING, PACED, START, Row, environment, recovery, run, start, write_stream
from tests.support.processes import Process, killed

COMMITS = 20


def write_table(folder: Path, events: int = 600) -> dict[Row, int]:
    """The stream of ``write_stream`` as a table of many versions. Returns the rows to expect."""
    (folder / "lines").mkdir()
    expected = write_stream(folder / "lines", events)
    lines = [
        json.loads(line) for path in (folder / "lines").iterdir() for line in path.read_text().splitlines()
    ]
    rows = [line | {"ts": datetime.fromisoformat(line["ts"])} for line in lines]
    rows.sort(key=lambda row: row["ts"])
    size = -(-len(rows) // COMMITS)
    for at in range(0, len(rows), size):
        write_deltalake(folder / "raw", pa.Table.from_pylist(rows[at : at + size]), mode="append")
    return expected


def tables(folder: Path, **settings: str) -> dict[str, str]:
    names = ("scores", "windows", "late", "dead_letters")
    sinks = {f"DRIFTLINE_SINK__{name.upper()}": f"delta:{folder}/out/{name}" for name in names}
    uri = {"DRIFTLINE_SOURCE__URI": f"delta:{folder}/raw?tail=false"}
    return environment(folder, **uri, **sinks, DRIFTLINE_DELTA__APPEND_EVERY="0s", **settings)


def table(path: Path) -> pa.Table:
    return DeltaTable(path).to_pyarrow_table()


def scored(path: Path) -> dict[Row, int]:
    names = ("key", "window_start", "id")
    rows = zip(*(table(path)[name].to_pylist() for name in names), strict=True)
    return dict(Counter((key, start.isoformat(), event) for key, start, event in rows))


def version(path: Path) -> int:
    return int(DeltaTable(path).version()) if DeltaTable.is_deltatable(path) else -1


def wait_until_it_appends(cluster: Sequence[Process], path: Path) -> None:
    """Return when ``path`` has a new version, or the flow has reached the end of its input."""
    before = version(path)
    while version(path) <= before and any(process.poll() is None for process in cluster):
        time.sleep(0.02)


def identities(folder: Path, stream: str, *names: str) -> Counter[Any]:
    columns = [table(folder / "out" / stream)[name].to_pylist() for name in names]
    return Counter(zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("flags", "processes"),
    [((), 1), (("-w", "2"), 1), ((), 2)],
    ids=["1 worker", "2 threads", "2 processes"],
)
def test_killed_at_random_moments_each_table_has_each_row_once(
    tmp_path: Path, flags: tuple[str, ...], processes: int
) -> None:
    rng = random.Random(processes)
    expected = write_table(tmp_path)
    out = tmp_path / "out/scores"
    flags = (*recovery(tmp_path / "recovery"), *flags)
    env = tables(tmp_path, PACE="0.03", DRIFTLINE_SOURCE__BATCH_ROWS="20")
    for writes in (True, False, True, True):
        with killed(start(env, *flags, processes=processes, flow=PACED)) as cluster:
            if writes:
                wait_until_it_appends(cluster, out)
            time.sleep(rng.uniform(0, 0.5))
    run(env | {"PACE": "0"}, *flags, processes=processes, flow=PACED)
    assert scored(out) == expected
    assert set(identities(tmp_path, "windows", "key", "window_start", "revision").values()) == {1}
    assert sum(identities(tmp_path, "windows", "key").values()) == len({row[:2] for row in expected})


def test_a_table_that_is_compacted_and_vacuumed_while_the_flow_writes_has_each_row_once(
    tmp_path: Path,
) -> None:
    expected = write_table(tmp_path)
    out = tmp_path / "out/scores"
    flags = recovery(tmp_path / "recovery")
    env = tables(tmp_path, PACE="0.03", DRIFTLINE_SOURCE__BATCH_ROWS="20")
    compacted = 0
    with killed(start(env, *flags, flow=PACED)) as (process,):
        for _ in range(3):
            wait_until_it_appends([process], out)
            output = DeltaTable(out)
            compacted += output.optimize.compact()["numFilesRemoved"]
            output.vacuum(0, dry_run=False, enforce_retention_duration=False)
            output.create_checkpoint()
        assert process.wait() == 0
    assert compacted > 0
    assert scored(out) == expected


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_scores_in_a_table_are_those_of_the_article(tmp_path: Path) -> None:
    write_table(tmp_path)
    env = tables(tmp_path, DRIFTLINE_SCORE__KIND="kmeans", DRIFTLINE_SCORE__CLUSTERS="8")
    del env["DRIFTLINE_SOURCE__KEY_FIELD"]
    run(env)
    events = DeltaTable(tmp_path / "raw").to_pandas()[["id", "ts", "text"]]
    expected = plainest(events, lambda texts: NullEmbedder(8).embed(texts).vectors)["kmeans_dist"]
    found = DeltaTable(tmp_path / "out/scores").to_pandas().set_index(["window_start", "id"])["score"]
    assert found.sort_index().index.tolist() == expected.index.tolist()
    assert float((found.sort_index() - expected).abs().max()) < 1e-6


def test_every_stream_is_a_table(tmp_path: Path) -> None:
    write_table(tmp_path, 3000)
    names = get_args(Stream)
    sinks = {f"DRIFTLINE_SINK__{name.upper()}": f"delta:{tmp_path}/out/{name}" for name in names}
    late = {"DRIFTLINE_WINDOW__DELAY": "0s", "DRIFTLINE_SOURCE__TS_FIELD": "ts"}
    raw = pa.table({"id": ["old", "bad"], "host": ["a", "a"], "ts": [START, None], "text": ["x", "x"]})
    write_deltalake(tmp_path / "raw", raw, mode="append")
    run(tables(tmp_path, **ALERTING, **late) | sinks)
    assert all(table(tmp_path / "out" / name).num_rows for name in names)
