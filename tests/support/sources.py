"""Sources opened and read in a test, without a flow."""

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflow.decode.batch import check_format
from dataflow.settings import Settings
from dataflow.settings import Source as SourceOptions
from dataflow.source import open_source

#: When records are read.
NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
#: The offset and the bytes of each record.
Records = Sequence[tuple[int, bytes]]

_built: list[Any] = []


def opened(uri: str, **options: Any) -> FixedPartitionedSource[pa.RecordBatch, Any]:
    settings = Settings(source=SourceOptions(uri=uri, **options))
    return open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))


def build(uri: str, part: str, state: int | None = None, **options: Any) -> Any:
    """A partition, which :func:`close_built` closes."""
    _built.append(opened(uri, **options).build_part("s", part, state))
    return _built[-1]


def close_built() -> None:
    while _built:
        _built.pop().close()


def rows(part: StatefulSourcePartition[pa.RecordBatch, Any], batches: int = 10_000) -> Records:
    """The records of up to ``batches`` batches, or to the end of the partition."""
    found: list[tuple[int, bytes]] = []
    for _ in range(batches):
        try:
            for batch in part.next_batch():
                found += zip(batch["offset"].to_pylist(), batch["raw"].to_pylist(), strict=True)
        except StopIteration:
            break
    return found
