"""The metrics of a run count what the run wrote."""

import random
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import orjson
import pytest
from bytewax.testing import cluster_main
from prometheus_client import REGISTRY

from dataflow import settings, sink
from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed.null import NullEmbedder
from dataflow.flow import build
from dataflow.source import open_source
from tests.support.flows import START, rows

STREAMS = get_args(sink.Stream)


def write(path: Path, events: int) -> None:
    rng = random.Random(7)
    with path.open("wb") as file:
        for n in range(events):
            late = rng.choice((0, 0, 0, 0, 100, 2000))
            event = {"ts": START + timedelta(seconds=n - late), "host": f"h{n % 3}", "text": f"text {n}"}
            if n % 11 == 10:
                event["ts"] = "yesterday"
            file.write(orjson.dumps(event) + b"\n")


def counted() -> dict[tuple[str, ...], float]:
    """The counters, and how many values the histograms have."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith("driftline_") and sample.name.endswith(("_total", "_count"))
    }


def counted_by(env: dict[str, str], workers: int) -> dict[tuple[str, ...], float]:
    """What a run of the flow counts."""
    read = settings.load(env)
    flow = build(
        read,
        source=open_source(read, clock=utc_now, check_format=partial(check_format, read)),
        embedder=NullEmbedder(8),
        sink=lambda stream, uri: sink.open_sink(uri, read, stream=stream),
    )
    before = counted()
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    return {
        key: value - before.get(key, 0) for key, value in counted().items() if value != before.get(key, 0)
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_counted_is_what_was_written(tmp_path: Path, workers: int) -> None:
    write(tmp_path / "in.jsonl", 3000)
    env = {
        "DRIFTLINE_SOURCE__URI": f"file:{tmp_path}/in.jsonl",
        "DRIFTLINE_SOURCE__KEY_FIELD": "host",
        "DRIFTLINE_SOURCE__BATCH_ROWS": "100",
        "DRIFTLINE_WINDOW__DELAY": "10s",
        "DRIFTLINE_WINDOW__ALLOWED_LATENESS": "5m",
        "DRIFTLINE_SCORE__KIND": "mean",
        "DRIFTLINE_ALERT__HISTORY": "0s",
        **{f"DRIFTLINE_SINK__{stream.upper()}": f"file:{tmp_path}/{stream}.jsonl" for stream in STREAMS},
    }
    new = counted_by(env, workers)
    out = {stream: rows(tmp_path / f"{stream}.jsonl") for stream in STREAMS}
    first = sum(window["revision"] == 0 for window in out["windows"])
    assert first < len(out["windows"])
    assert len(out["late"]) > 100
    # Windows that the input's end closed have no arrival. The size of a snapshot depends on its moment.
    assert 0 < new.pop(("driftline_arrival_latency_seconds_count",)) < len(out["windows"])
    assert new.pop(("driftline_snapshot_bytes_total",)) > 0
    # No row tells of an event that the budget had no room for.
    assert new.pop(("driftline_alerts_suppressed_total",), 1) > 0
    alerts = Counter(str(alert["state"]) for alert in out["alerts"])
    assert alerts["open"] > 0
    expected: dict[tuple[str, ...], float] = {
        ("driftline_records_total",): 3000,
        ("driftline_batch_records_count",): 30,
        ("driftline_scored_rows_total",): len(out["scores"]),
        ("driftline_score_count",): len(out["scores"]),
        ("driftline_event_latency_seconds_count",): len(out["scores"]),
        ("driftline_dead_letters_total", "bad_time"): len(out["dead_letters"]),
        ("driftline_late_events_total", "closed"): len(out["late"]),
        ("driftline_late_by_seconds_count",): len(out["late"]),
        ("driftline_windows_closed_total",): first,
        ("driftline_window_revisions_total",): len(out["windows"]) - first,
    }
    # Rows do not tell of tests one by one.
    for name in ("tests", "alarms"):
        new.pop((f"driftline_drift_{name}_total",), 0)
    drift = Counter(str(row["state"]) for row in out["drift"])
    expected |= {("driftline_drift_windows_total", state): n for state, n in drift.items()}
    expected |= {("driftline_alerts_total", state): n for state, n in alerts.items()}
    assert new == expected
