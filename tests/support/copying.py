"""A dataflow of a source, decode and sinks alone: it copies records to a file."""

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow

from dataflow.decode.batch import check_format, decode_batch
from dataflow.items.schemas import Decoded
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.sink import open_sink
from dataflow.source import open_source

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def copy_flow(
    uri: str, out: str, *, rows: int = 16, watch: Callable[[Decoded], None] | None = None
) -> Dataflow:
    """Copy the events of ``uri`` to ``out``, and the dead letters to ``out`` + ``.dead.jsonl``.

    ``watch`` sees each decoded batch before the batch is written.
    """
    settings = Settings(source=SourceSettings(uri=uri, batch_rows=rows))
    flow = Dataflow("copy")
    opened = open_source(settings, clock=lambda: NOW, check_format=partial(check_format, settings))
    raw = op.input("source", flow, opened)

    def step(batch: pa.RecordBatch) -> Decoded:
        decoded = decode_batch(batch, settings, now=NOW)
        if watch:
            watch(decoded)
        return decoded

    decoded = op.map("decode", raw, step)
    good = op.map("good", decoded, lambda d: ("all", d.events.drop_columns("masked")))
    bad = op.map("bad", decoded, lambda d: ("all", d.dead_letters))
    op.output("sink", good, open_sink(out, settings, stream="late"))
    op.output("dead", bad, open_sink(f"{out}.dead.jsonl", settings, stream="dead_letters"))
    return flow
