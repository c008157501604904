"""The embed step: its two streams keep the marks of the batches."""

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflow.embed.base import Embedded
from dataflow.embed.null import NullEmbedder
from dataflow.embed.step import embed
from dataflow.items.marks import Marked
from dataflow.items.schemas import embedded_schema
from dataflow.telemetry.watch import UNWATCHED
from tests.support.batches import events


class Choosy(NullEmbedder):
    """Refuses the text ``bad``."""

    def embed(self, texts):  # type: ignore[no-untyped-def]
        failed = {row: "bad" for row, text in enumerate(texts) if text == "bad"}
        return Embedded(super().embed(texts).vectors, self.version, failed)


def test_each_event_is_embedded_or_a_dead_letter_and_batches_keep_their_marks() -> None:
    batches = [
        Marked(events(["a", "bad"]), 7, "t"),
        Marked(events(["bad"]), 8),
        Marked(events(["b", "a"]), 9),
    ]
    embedded: list[Marked] = []
    letters: list[tuple[str, Marked]] = []
    flow = Dataflow("embed")
    out = embed("embed", op.input("in", flow, TestingSource(batches)), Choosy(4), UNWATCHED)
    op.output("events", out.events, TestingSink(embedded))
    op.output("letters", out.dead_letters, TestingSink(letters))
    run_main(flow)
    found = [(batch.rows.column("text").to_pylist(), batch.arrival_us, batch.trace) for batch in embedded]
    assert found == [(["a"], 7, "t"), (["b", "a"], 9, None)]
    assert all(batch.rows.schema == embedded_schema(4) for batch in embedded)
    assert [(key, batch.rows.column("raw").to_pylist()) for key, batch in letters] == [
        ("dead_letters", [b"bad"]), ("dead_letters", [b"bad"])
    ]  # fmt: skip
