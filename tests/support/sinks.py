"""Sinks opened and written in a test, without a flow."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bytewax.outputs import FixedPartitionedSink

from dataflow.settings import Settings
from dataflow.sink import Stream, open_sink

#: A file of each kind, as the path of a sink.
FILE_SINKS = ["a.jsonl", "a.parquet"]

_built: list[Any] = []


def build(uri: str, state: int | None = None, stream: Stream = "scores") -> Any:
    """The partition of a file sink, which :func:`close_built` closes."""
    sink = open_sink(uri, Settings(), stream=stream)
    assert isinstance(sink, FixedPartitionedSink)
    (name,) = sink.list_parts()
    _built.append(sink.build_part("s", name, state))
    return _built[-1]


def close_built() -> None:
    while _built:
        _built.pop().close()


def written_ids(path: str) -> list[str]:
    """The ids of the rows in a file of JSON lines or a folder of Parquet files."""
    if path.endswith(".parquet"):
        ids: list[str] = pq.read_table(path)["id"].to_pylist() if os.listdir(path) else []
        return ids
    return [json.loads(row)["id"] for row in Path(path).read_bytes().splitlines()]
