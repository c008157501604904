"""Recorded output of a flow with the null embedder: scored rows with embeddings, windows and alerts."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from bytewax.testing import run_main

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.flow import build
from dataflow.settings import Settings, load
from dataflow.sink import open_sink
from dataflow.source import open_source
from tests.support.flows import START

#: Settings with which a short stream has incidents.
SETTINGS = {
    "DRIFTLINE_SOURCE__ID_FIELD": "id",
    "DRIFTLINE_SOURCE__KEY_FIELD": "host",
    "DRIFTLINE_SOURCE__BATCH_ROWS": "100",
    "DRIFTLINE_SOURCE__MASK": "number",
    "DRIFTLINE_EMBED__KIND": "null",
    "DRIFTLINE_EMBED__DIM": "16",
    "DRIFTLINE_WINDOW__DELAY": "10m",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
    "DRIFTLINE_SCORE__KIND": "mean",
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
    "DRIFTLINE_SCORE__EXPLAIN": "1",
    "DRIFTLINE_ALERT__BUDGET": "400/d",
    "DRIFTLINE_ALERT__HISTORY": "0s",
    "DRIFTLINE_ALERT__LEAST_ANOMALY": "1",
    "DRIFTLINE_SINK__EMBEDDINGS": "true",
}


def write_events(folder: Path, events: int = 800) -> None:
    """Events of three or four keys, disordered by three minutes. Some texts come once, and some in bursts.

    The key ``g``, which has a key group of its own, is silent for every second hour.
    """
    rng, lines = np.random.default_rng(7), []
    for number in range(events):
        text = (
            f"usual {'abcdefghij'[rng.integers(10)]}" if rng.random() < 0.95 else f"odd {number} {number:x}"
        )
        if events // 2 <= number < events // 2 + 30:
            text = f"burst {'ab'[rng.integers(2)]}"
        at = START + timedelta(seconds=12 * number + int(rng.integers(3)))
        is_odd = text.startswith(("odd", "burst"))
        line = {
            "id": f"e{number}",
            "ts": at.isoformat(),
            "text": text,
            "odd": is_odd,
            "host": "abca"[rng.integers(4)] if number // 300 % 2 else "abcg"[rng.integers(4)],
        }
        lines.append(line)
    order = np.argsort(np.arange(events) + rng.uniform(0, 15, size=events))
    (folder / "0.jsonl").write_text("".join(json.dumps(lines[i]) + "\n" for i in order))


def write_drifting_events(folder: Path, events: int = 2400) -> None:
    """Events of two keys and of a key with few events, one in three seconds, with a pause of two minutes
    after each 200. What they are about changes after two thirds.
    """
    rng, lines = np.random.default_rng(3), []
    for number in range(events):
        topic = "new" if number > events * 2 // 3 and rng.random() < 0.8 else "usual"
        host = "c" if number % 50 == 0 else "ab"[rng.integers(2)]
        at = START + timedelta(seconds=3 * number + 120 * (number // 200))
        text = f"{topic} {'abcdefghijklmnopqrstuvwxyz'[rng.integers(26)]}"
        lines.append({"id": f"e{number}", "ts": at.isoformat(), "text": text, "host": host})
    (folder / "0.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))


def record(
    folder: Path, more: Mapping[str, str] = MappingProxyType({}), embedder: Embedder | None = None
) -> Settings:
    """Run the flow over the events in ``folder``. Its output is in ``folder / "out"``. ``more``: settings."""
    settings = load({**SETTINGS, **_files(folder), **more})
    source = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    sink = partial(_open_sink, settings)
    run_main(build(settings, source=source, embedder=embedder or open_embedder(settings.embed), sink=sink))
    return settings


def in_delta(folder: Path) -> Mapping[str, str]:
    """Settings with which the scored rows and the alerts are also Delta tables, and the rows JSON lines."""
    out = f"{folder}/out"
    return {
        "DRIFTLINE_SINK__SCORES": f"file:{out}/scores.parquet file:{out}/scores.jsonl delta:{out}/scores",
        "DRIFTLINE_SINK__ALERTS": f"file:{out}/alerts.jsonl delta:{out}/alerts",
    }


def _files(folder: Path) -> Mapping[str, str]:
    names = {"SCORES": "scores.parquet", "WINDOWS": "windows.parquet", "ALERTS": "alerts.jsonl"}
    names |= {"LATE": "late.jsonl", "DEAD_LETTERS": "dead_letters.jsonl"}
    sinks = {f"DRIFTLINE_SINK__{name}": f"file:{folder}/out/{file}" for name, file in names.items()}
    return {"DRIFTLINE_SOURCE__URI": f"file:{folder}/*.jsonl", **sinks}


def _open_sink(settings: Settings, stream: Any, uri: str) -> Any:
    return open_sink(uri, settings, stream=stream)


def parquet(path: Path, *by: str) -> list[dict[str, Any]]:
    """The rows of a folder of Parquet files, sorted by the columns ``by``."""
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return sorted(rows, key=lambda row: tuple(row[name] for name in by))


def alerts(path: Path) -> list[dict[str, Any]]:
    """The alerts of a file of JSON lines, by incident."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: (row["incident"], row["sequence"]))
