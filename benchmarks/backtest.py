"""``python -m benchmarks.backtest``: how fast are recorded events decided again from stored scores?

A day of one key: SMS without spam at random times, each in two windows of the default settings, with the
embeddings of the model in ``model_repo/``. The anomalies are random, as p-values are by chance. So the rows
are made in a moment, and nothing but the backtest is measured.
"""

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kit import weeks
from benchmarks.kit.corpus import SHARED, is_here
from benchmarks.kit.figures import middle, report
from benchmarks.kit.measure import medians, race, table
from benchmarks.kit.weeks import DAY_US, START_US
from dataflow.backtest.recorded import open_recorded
from dataflow.backtest.stored import decide
from dataflow.clock import micros
from dataflow.embed import open_embedder
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import EVIDENCE, SCORED
from dataflow.settings import Embed, Window, load

#: Events/s that are wanted.
GOAL = 30_000
SETTINGS = {
    "drift.enabled = false": {"DRIFTLINE_DRIFT__ENABLED": "false"},
    "with drift": {},
}


def record(path: Path, events: int) -> None:
    """Write the scored rows of a day to a Parquet file."""
    rng = np.random.default_rng(0)
    texts, _ = weeks.prose()
    embedded = open_embedder(Embed(kind="onnx", cache_rows=100_000)).embed(texts).vectors
    which = rng.integers(len(texts), size=events)
    ts = np.sort(rng.integers(DAY_US, size=events)) + START_US
    step = micros(Window().step)
    # An event is in the window that starts before it, and in the one before.
    starts = np.concatenate([(ts // step - 1) * step, ts // step * step])
    rows = np.concatenate([np.arange(events)] * 2)
    order = np.lexsort((ts[rows], starts))
    starts, rows = starts[order], rows[order]
    anomaly = rng.exponential(size=len(rows)) / np.log(10)
    values: dict[str, Any] = {
        "key": ["all"] * len(rows),
        "window_start": starts,
        "window_end": starts + micros(Window().length),
        "revision": np.zeros(len(rows), np.int32),
        "id": [f"e{row:06d}" for row in rows.tolist()],
        "ts": ts[rows],
        "text": [texts[each] for each in which[rows].tolist()],
        "score": rng.random(len(rows)),
        "cluster": np.zeros(len(rows), np.int32),
        "model": ["m"] * len(rows),
        "model_version": ["1"] * len(rows),
        "attributes": ["{}"] * len(rows),
        "partition": ["benchmark"] * len(rows),
        "offset": rows,
        "p_value": 10.0**-anomaly,
    }
    schema = pa.schema([*SCORED, *EVIDENCE])
    values |= {field.name: anomaly for field in EVIDENCE if field.name not in values}
    columns = [_column(field, values[field.name]) for field in schema]
    dim = embedded.shape[1]
    embeddings = pa.FixedSizeListArray.from_arrays(pa.array(embedded[which[rows]].ravel()), dim)
    found = pa.Table.from_arrays([*columns, embeddings], schema=schema.append(embedding_field(dim)))
    pq.write_table(found, path, row_group_size=8192)


def _column(field: pa.Field, values: Any) -> pa.Array:
    if pa.types.is_timestamp(field.type):
        return pa.array(values, pa.int64()).cast(field.type)
    return pa.array(values, field.type)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest")
    parser.add_argument("--events", type=int, default=50_000, help="of the day; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each; default: %(default)s")
    arguments = parser.parse_args()
    if not is_here(SHARED):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, "scores.parquet")
        record(path, arguments.events)
        recorded = open_recorded(f"file:{path}")
        runs = {name: partial(decide, recorded, load(environ)) for name, environ in SETTINGS.items()}
        raced = race(arguments.rounds, runs, warm_up=True)
    took = medians(raced)
    least = min(each.cpu for each in took.values())
    table(
        f"{arguments.events:,} events, stored scores; medians of {arguments.rounds}",
        ("settings", "s of CPU", "events/s", "times as long"),
        [
            (name, f"{each.cpu:.2f}", f"{arguments.events / each.cpu:,.0f}", f"{each.cpu / least:.1f}")
            for name, each in took.items()
        ],
    )
    speeds = {name: [arguments.events / each.cpu for each in runs] for name, runs in raced.items()}
    report([middle(f"a backtest, {name}", speeds[name], "events/s of one core", GOAL) for name in SETTINGS])


if __name__ == "__main__":
    main()
