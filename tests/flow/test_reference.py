"""Evidence of the whole flow: of earlier events alone, and the same in any number of processes and runs."""

import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.kit.offline import Events, novelties, scikit_learn
from benchmarks.quality import run as run_here
from dataflow.embed import open_embedder
from dataflow.items.fixed import LENGTH, to_fixed
from dataflow.items.hashes import hashes
from dataflow.items.schemas import EVIDENCE, SCORED, TIMESTAMP
from dataflow.settings import load
from tests.support.flows import START, environment, recovery, rows, run, write_stream

SETTINGS = {
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
    "DRIFTLINE_SCORE__HALF_LIFE": "1h",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
}


#: Many alerts of few events.
ALERTS = {
    "DRIFTLINE_ALERT__BUDGET": "500/d",
    "DRIFTLINE_ALERT__HISTORY": "0s",
    "DRIFTLINE_ALERT__LEAST_ANOMALY": "1",
}
STREAMS = ("scores", "alerts", "drift")
#: Tests of small windows.
DRIFT = {
    "DRIFTLINE_DRIFT__LEAST_ROWS": "10",
    "DRIFTLINE_DRIFT__BLOCK_ROWS": "1",
    "DRIFTLINE_DRIFT__ALPHA": "0.2",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "200",
}


def scored(folder: Path, stream: str = "scores") -> list[dict[str, Any]]:
    return sorted(rows(folder / f"out/{stream}.jsonl"), key=lambda row: json.dumps(row, sort_keys=True))


def test_neither_processes_nor_restarts_change_the_evidence_and_the_alerts(tmp_path: Path) -> None:
    write_stream(tmp_path, 1500)
    sink = {f"DRIFTLINE_SINK__{name.upper()}": f"file:{tmp_path}/out/{name}.jsonl" for name in STREAMS[1:]}
    once = environment(tmp_path, **(SETTINGS | ALERTS | DRIFT | sink))
    run(once)
    undisturbed, alerts, drift = (scored(tmp_path, stream) for stream in STREAMS)
    assert sum(row["state"] == "tested" for row in drift) > 20
    assert any(row["p_centroid_reference"] for row in drift)
    assert {row["state"] for row in alerts} >= {"open", "updated"}
    assert len({row["key"] for row in alerts}) > 1
    columns = {*SCORED.names, *(field.name for field in EVIDENCE), "explanation"}
    assert all(set(row) == columns for row in undisturbed)
    known = [row["anomaly"] for row in undisturbed if row["anomaly"] is not None]
    assert len(known) > len(undisturbed) / 4
    for stream in STREAMS:
        (tmp_path / f"out/{stream}.jsonl").unlink()
    lines = {path: path.read_text().splitlines(keepends=True) for path in tmp_path.glob("*.jsonl")}
    flags = recovery(tmp_path / "store")
    for share, processes in ((0.3, 2), (0.6, 1), (1.0, 2)):
        for path, all_lines in lines.items():
            path.write_text("".join(all_lines[: int(share * len(all_lines))]))
        on_eof = "close" if share == 1.0 else "keep"
        run(once | {"DRIFTLINE_WINDOW__ON_EOF": on_eof}, *flags, processes=processes)
    assert scored(tmp_path) == undisturbed
    assert scored(tmp_path, "alerts") == alerts
    assert scored(tmp_path, "drift") == drift


def test_a_store_without_a_reference_is_refused_in_one_line(tmp_path: Path) -> None:
    write_stream(tmp_path, 30)
    flags = recovery(tmp_path / "store")
    run(environment(tmp_path, DRIFTLINE_SCORE__REFERENCE="false"), *flags)
    said = run(environment(tmp_path), *flags, code=2)
    assert "its state was made with score.reference=false, and now it is true; set this back, or" in said


def write_events(folder: Path, seed: int) -> list[dict[str, Any]]:
    """Write events of two keys with different texts, disordered within the delay; some start a window."""
    rng = np.random.default_rng(seed)
    lines = [
        {
            "id": f"e{i}",
            "host": str(rng.choice(["a", "b"])),
            "ts": (START + timedelta(minutes=int(rng.integers(180)))).isoformat(),
            "text": f"{i}",
        }
        for i in range(400)
    ]
    lines.sort(key=lambda line: str(line["ts"]))
    order = np.argsort(np.arange(400) + rng.uniform(0, 3, size=400))
    (folder / "0.jsonl").write_text("".join(json.dumps(lines[i]) + "\n" for i in order))
    return lines


@settings(max_examples=3)
@given(seed=st.integers(0, 1000), batch_rows=st.sampled_from([1, 7, 400]))
def test_an_event_is_compared_with_earlier_events_alone_whatever_the_batches(
    seed: int, batch_rows: int
) -> None:
    more = {
        "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
        "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
        "DRIFTLINE_SCORE__HALF_LIFE": "1h",
        "DRIFTLINE_SCORE__QUARANTINE": "30m",
        "DRIFTLINE_WINDOW__DELAY": "10m",
        "DRIFTLINE_SOURCE__BATCH_ROWS": str(batch_rows),
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines, options = write_events(folder, seed), load(environment(folder, **more))
        embedder = open_embedder(options.embed)
        run_here(options, embedder)
        found = sorted(rows(folder / "out/scores.jsonl"), key=lambda row: str(row["window_start"]))
    surge = {row["id"]: row["surge"] for row in found}
    expected: dict[tuple[str, int], float] = {}
    for key in "ab":
        mine = [line for line in lines if line["host"] == key]
        ids, ts = [line["id"] for line in mine], pa.array([line["ts"] for line in mine]).cast(TIMESTAMP)
        vectors = to_fixed(embedder.embed([line["text"] for line in mine]).vectors) / LENGTH
        events = Events(
            vectors,
            hashes(pa.array(ids)),
            ts.cast(pa.int64()).to_numpy(),
            np.array([surge[each] for each in ids], np.float64),
        )
        for window in novelties(events, options, {"scikit-learn": scikit_learn}):
            values = window.novelty["scikit-learn"].tolist()
            expected |= {
                (ids[row], window.start): value for row, value in zip(window.rows, values, strict=True)
            }
    known = [row for row in found if row["novelty"] is not None]
    starts = pa.array([row["window_start"] for row in known]).cast(TIMESTAMP).cast(pa.int64()).to_pylist()
    novelty: dict[Any, Any] = {
        (row["id"], start): row["novelty"] for row, start in zip(known, starts, strict=True)
    }
    assert len(novelty) > 300
    assert novelty.keys() == expected.keys()
    assert np.allclose([novelty[each] for each in expected], list(expected.values()))
