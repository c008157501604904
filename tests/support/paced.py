"""``python -m bytewax.run tests.support.paced:flow``: the flow of the environment, its source slowed down.

``PACE`` is the number of seconds between two batches of a partition.
"""

import atexit
import os
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.clock import utc_now
from dataflow.decode.batch import check_format
from dataflow.embed import open_embedder
from dataflow.flow import build
from dataflow.settings import BytewaxRun, bytewax_run, load
from dataflow.sink import open_sink
from dataflow.source import open_source, partitions_with_data
from dataflow.startup import prepare_store
from dataflow.telemetry import logs
from dataflow.telemetry.guard import exit_on_error
from dataflow.telemetry.watch import Watch


class _Paced(StatefulSourcePartition[pa.RecordBatch, Any]):
    def __init__(self, inner: StatefulSourcePartition[pa.RecordBatch, Any], pace: timedelta) -> None:
        self._inner, self._pace, self._next = inner, pace, utc_now()

    def next_batch(self) -> Any:
        self._next = utc_now() + self._pace
        return self._inner.next_batch()

    def next_awake(self) -> datetime:
        return max(self._next, self._inner.next_awake() or datetime.min.replace(tzinfo=timezone.utc))

    def snapshot(self) -> Any:
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()


class PacedSource(FixedPartitionedSource[pa.RecordBatch, Any]):
    """The source ``inner``, with at least ``pace`` between two batches of a partition."""

    def __init__(self, inner: Any, pace: timedelta) -> None:
        self._inner, self._pace = inner, pace

    def list_parts(self) -> list[str]:
        return list(self._inner.list_parts())

    def partitions_with_data(self) -> list[str]:
        return partitions_with_data(self._inner)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _Paced:
        return _Paced(self._inner.build_part(step_id, for_part, resume_state), self._pace)


def flow(run: BytewaxRun | None = None) -> Dataflow:
    """``run``: what Bytewax is asked to do, if not by the command line."""
    settings = load({k: v for k, v in os.environ.items() if k.startswith("DRIFTLINE_")})
    logs.start(settings.log)
    opened = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
    source = PacedSource(opened, timedelta(seconds=float(os.environ["PACE"])))
    embedder = open_embedder(settings.embed)
    store = None
    if prepared := prepare_store(run or bytewax_run(sys.argv[1:]), settings, source, embedder):
        atexit.register(prepared.lock.close)
        store = prepared.identity
    return build(
        settings,
        source=source,
        embedder=embedder,
        sink=lambda stream, uri: open_sink(uri, settings, stream=stream, store=store),
        watch=Watch(guard=exit_on_error(texts=False)),
    )
