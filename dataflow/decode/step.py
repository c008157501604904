"""The decode step: undecoded records in, events and dead letters out."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from dataflow.clock import Clock
from dataflow.decode.batch import decode_batch
from dataflow.decode.dead_letter_rate import DeadLetterRate
from dataflow.items.marks import Marked
from dataflow.settings import Settings
from dataflow.telemetry import metrics
from dataflow.telemetry.watch import Watch


@dataclass(frozen=True)
class DecodeOut:
    """The streams of the decode step. No batch is empty.

    ``events``: schema ``EVENT``. ``dead_letters``: schema ``DEAD_LETTER``, all with one key.
    """

    events: Stream[Marked]
    dead_letters: KeyedStream[Marked]


@dataclass(frozen=True)
class _Decoded:
    events: Marked
    dead_letters: Marked


@operator
def decode(
    step_id: str, up: Stream[pa.RecordBatch], settings: Settings, clock: Clock, watch: Watch
) -> DecodeOut:
    """Decode batches of ``raw_schema``: each record goes to one of the two streams of the result.

    ``settings.source`` says where a record holds the event. ``clock`` is the wall clock: an event that is
    more than ``settings.window.max_future`` ahead of it is a dead letter. ``watch`` counts and traces. More
    dead letters than ``settings.source.max_dead_letter_rate`` allows end the flow.

    >>> from datetime import datetime, timezone
    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> from dataflow.items.schemas import raw_schema
    >>> from dataflow.telemetry.watch import UNWATCHED
    >>> noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    >>> records = [b'{"ts": "2026-11-23T11:00:00Z", "text": "disk is full"}', b"not JSON"]
    >>> rows = [
    ...     {"raw": raw, "partition": "p", "offset": offset, "arrival": noon}
    ...     for offset, raw in enumerate(records)
    ... ]
    >>> batch = pa.RecordBatch.from_pylist(rows, schema=raw_schema("jsonl"))

    >>> events, dead_letters = [], []
    >>> flow = Dataflow("example")
    >>> raw = op.input("source", flow, TestingSource([batch]))
    >>> decoded = decode("decode", raw, Settings(), lambda: noon, UNWATCHED)
    >>> op.output("events", decoded.events, TestingSink(events))
    >>> op.output("dead_letters", decoded.dead_letters, TestingSink(dead_letters))
    >>> run_main(flow)

    >>> [event.rows.column("text").to_pylist() for event in events]
    [['disk is full']]
    >>> [(key, letter.rows.column("reason").to_pylist()) for key, letter in dead_letters]
    [('dead_letters', ['malformed'])]
    """
    rate = DeadLetterRate(settings.source.max_dead_letter_rate)
    decoded = op.flat_map_batch("records", up, watch.guard(partial(_decode, settings, clock, watch, rate)))
    events = op.filter("events", op.map("event_batches", decoded, lambda item: item.events), bool)
    letters = op.map("letter_batches", decoded, lambda item: item.dead_letters)
    full = op.filter("dead_letters", letters, bool)
    return DecodeOut(events, op.key_on("keyed", full, lambda _: "dead_letters"))


def _decode(
    settings: Settings, clock: Clock, watch: Watch, rate: DeadLetterRate, batches: list[pa.RecordBatch]
) -> list[_Decoded]:
    watch.digest.report_when_due()
    return [_decode_one(settings, clock, watch, rate, raw) for raw in batches if len(raw)]


def _decode_one(
    settings: Settings, clock: Clock, watch: Watch, rate: DeadLetterRate, raw: pa.RecordBatch
) -> _Decoded:
    with watch.tracer.read(raw):
        result = decode_batch(raw, settings, now=clock())
        metrics.RECORDS.inc(len(raw))
        metrics.BATCH_RECORDS.observe(len(raw))
        metrics.AMBIGUOUS_TIMES.inc(result.ambiguous_times)
        watch.dead_letters(result.dead_letters)
        rate.check(raw, result.dead_letters)
        arrival_us, trace = raw.column("arrival")[0].value, watch.tracer.mark()
        return _Decoded(Marked(result.events, arrival_us, trace), Marked(result.dead_letters, trace=trace))
