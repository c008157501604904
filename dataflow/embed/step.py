"""The embed step: events in, embedded events and dead letters out."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow.embed.base import Embedder
from dataflow.embed.batch import embed_batches
from dataflow.items.marks import Marked
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class EmbedOut:
    """``events``: schema ``embedded_schema(dim)``. ``dead_letters``: schema ``DEAD_LETTER``. No item is
    empty.
    """

    events: Stream[Marked]
    dead_letters: KeyedStream[Marked]


@dataclass(frozen=True)
class _Embedded:
    events: list[Marked]
    dead_letters: Marked


@operator
def embed(step_id: str, up: Stream[Marked], embedder: Embedder, watch: Watch) -> EmbedOut:
    """Embed batches of schema ``EVENT``."""
    embedded = op.flat_map_batch("texts", up, watch.guard(partial(_embed, embedder, watch)))
    events = op.filter("events", op.flat_map("event_batches", embedded, lambda item: item.events), bool)
    letters = op.map("letter_batches", embedded, lambda item: item.dead_letters)
    full = op.filter("dead_letters", letters, bool)
    return EmbedOut(events, op.key_on("keyed", full, lambda _: "dead_letters"))


def _embed(embedder: Embedder, watch: Watch, batches: list[Marked]) -> list[_Embedded]:
    with watch.tracer.span("embed", batches, model=embedder.model, model_version=embedder.version):
        rows, letters = embed_batches(embedder, [batch.rows for batch in batches])
        watch.dead_letters(letters)
        events = [batch.with_rows(embedded) for batch, embedded in zip(batches, rows, strict=True)]
        return [_Embedded(events, Marked(letters, trace=watch.tracer.mark()))]
