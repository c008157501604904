"""The embed step: takes events, gives embedded events and dead letters."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow.embed.base import Embedder
from dataflow.embed.batch import embed_batches
from dataflow.items.embedding import Store
from dataflow.items.marks import Marked
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class EmbedOut:
    """The streams out of the embed step. No batch in them is empty."""

    #: Embedded events, schema ``embedded_schema(dim, store)``.
    events: Stream[Marked]
    #: The events whose text the model refused, schema ``DEAD_LETTER``.
    dead_letters: KeyedStream[Marked]


@dataclass(frozen=True)
class _Embedded:
    events: list[Marked]
    dead_letters: Marked


@operator
def embed(
    step_id: str, up: Stream[Marked], embedder: Embedder, watch: Watch, store: Store = "fp32"
) -> EmbedOut:
    """Embed the texts of batches with schema ``EVENT``. ``store``: as ``embed.store``.

    >>> import pyarrow as pa
    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> from dataflow.embed.null import NullEmbedder
    >>> from dataflow.items.schemas import EVENT
    >>> from dataflow.telemetry.watch import UNWATCHED
    >>> event = {"id": "p:0", "key": "all", "ts": 0, "text": "a text", "partition": "p", "offset": 0}
    >>> events = pa.RecordBatch.from_pylist([event | {"attributes": "{}"}], schema=EVENT)
    >>> flow = Dataflow("example")
    >>> up = op.input("events", flow, TestingSource([Marked(events)]))
    >>> out, found = embed("embed", up, NullEmbedder(dim=4), UNWATCHED), []
    >>> op.output("out", out.events, TestingSink(found))
    >>> run_main(flow)
    >>> found[0].rows.column("model")[0].as_py(), found[0].rows.column("embedding").type.list_size
    ('null', 4)
    """
    embedded = op.flat_map_batch("texts", up, watch.guard(partial(_embed, embedder, watch, store)))
    events = op.filter("events", op.flat_map("event_batches", embedded, lambda item: item.events), bool)
    letters = op.map("letter_batches", embedded, lambda item: item.dead_letters)
    full = op.filter("dead_letters", letters, bool)
    return EmbedOut(events, op.key_on("keyed", full, lambda _: "dead_letters"))


def _embed(embedder: Embedder, watch: Watch, store: Store, batches: list[Marked]) -> list[_Embedded]:
    with watch.tracer.span("embed", batches, model=embedder.model, model_version=embedder.version):
        rows, letters = embed_batches(embedder, [batch.rows for batch in batches], store)
        watch.dead_letters(letters)
        events = [batch.with_rows(embedded) for batch, embedded in zip(batches, rows, strict=True)]
        return [_Embedded(events, Marked(letters, trace=watch.tracer.mark()))]
