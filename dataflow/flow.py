"""The whole graph: ``python -m bytewax.run dataflow.flow:flow``.

::

    source -> decode -> embed -> window -> score -> sink        side streams: late, dead_letters

The step ids below are a recovery format: a renamed step starts empty, a renamed flow replays all.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import wraps
from importlib import import_module
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflow import observe, sinks
from dataflow import settings as config
from dataflow.cache import CachedEmbedder
from dataflow.chunks import WholeWindow
from dataflow.decode import decode
from dataflow.embed import Embedder, embed_batches, one_version
from dataflow.errors import DriftlineError
from dataflow.events import DEAD_LETTER, SAMPLE_SHARE, embedded_schema
from dataflow.operators import Clock, by_key, windows
from dataflow.pieces import Piece
from dataflow.score import ScoredWindow, score_window
from dataflow.scorers import open_scorer
from dataflow.settings import Settings
from dataflow.sources import open_source, speaking

Step = Callable[[Any], Any]
OpenSink = Callable[[sinks.Stream, str], Sink[tuple[str, pa.RecordBatch]]]

#: embed.kind -> the module whose ``connect(settings.Embed)`` gives an embedder; imported when it is used.
EMBEDDERS = {
    "triton": "dataflow.triton",
    "onnx": "dataflow.onnx_session",
    "null": "dataflow.embed",
}


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def flow() -> Dataflow:
    """The dataflow that the environment asks for.

    A mistake in the settings ends the process with one line and code 2; what goes wrong while it runs
    (a scorer that answers wrongly, a model server away for too long) with one line and code 1.
    """
    try:
        settings = config.load()
        return build(
            settings,
            source=open_source(settings, clock=utc_now),
            embedder=open_embedder(settings.embed),
            sink=lambda stream, uri: sinks.open_sink(uri, settings, stream=stream),
            guard=_end_the_process,
        )
    except DriftlineError as error:
        print(f"driftline: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def open_embedder(options: config.Embed) -> Embedder:
    """The embedder that the settings ask for, with its cache."""
    embedder: Embedder = import_module(EMBEDDERS[options.kind]).connect(options)
    # What null computes costs less than to look it up.
    if options.kind == "null" or not options.cache_rows:
        return embedder
    return CachedEmbedder(embedder, options.cache_rows)


def _end_the_process(step: Step) -> Step:
    @wraps(step)
    def guarded(item: Any) -> Any:
        try:
            return step(item)
        except DriftlineError as error:
            # Raised, it would pass through bytewax as a panic with three tracebacks. To end at once is what
            # recovery is made for.
            print(f"driftline: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    return guarded


def build(
    settings: Settings,
    *,
    source: Source[pa.RecordBatch],
    embedder: Embedder,
    sink: OpenSink,
    clock: Clock = utc_now,
    guard: Callable[[Step], Step] = lambda step: step,
) -> Dataflow:
    """The graph over given parts. ``sink(stream, uri)`` opens the sink of a stream: ``scores``,
    ``late``, ``dead_letters`` or ``windows``. ``guard`` wraps the steps that may raise a
    ``DriftlineError`` while the flow runs. Raises ``SettingsError``.
    """
    scorer = open_scorer(settings.score)

    def decoded(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        parts = [observe.decoded(raw, decode(raw, settings, now=clock())) for raw in batches]
        return [part for each in parts for part in each if len(part)]

    def embedded(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        events, dead = embed_batches(embedder, batches)
        return [part for part in (*observe.embedded(batches, events), observe.dead(dead)) if len(part)]

    def of_one_version(item: tuple[str, WholeWindow]) -> list[tuple[str, WholeWindow] | pa.RecordBatch]:
        key, window = item
        rows, refused = one_version(embedder, window.rows)
        kept = [(key, replace(window, pieces=[Piece(rows)]))] if len(rows) else []
        return [*kept, observe.dead(refused)] if len(refused) else kept

    extra = [SAMPLE_SHARE] if settings.window.max_window_rows else []
    if settings.sink.embeddings:
        extra.append(embedded_schema(embedder.dim).field("embedding"))

    def scored(item: tuple[str, WholeWindow]) -> tuple[str, ScoredWindow]:
        key, window = item
        return key, observe.scored(window, score_window(scorer, key, window, extra), clock())

    flow = Dataflow("driftline")
    raw = op.input("source", flow, source)
    events, unread = _split("decoded", op.flat_map_batch("decode", raw, decoded))
    vectors, unembedded = _split("embedded", op.flat_map_batch("embed", events, guard(embedded)))
    keyed = op.flat_map("by_key", vectors, by_key)
    windowed = windows("window", keyed, settings.window, clock, speaking(source))
    uniform = op.flat_map("one_version", windowed.whole, guard(of_one_version))
    scorable = op.branch("of_one_version", uniform, lambda item: isinstance(item, tuple))
    scores = op.map("score", scorable.trues, guard(scored))
    dead = op.merge("dead_letters", unread, unembedded, scorable.falses)
    streams: dict[sinks.Stream, Any] = {
        "scores": op.map_value("scores", scores, lambda window: window.rows),
        "late": windowed.late,
        "dead_letters": op.map("dead_letters_keyed", dead, lambda letters: ("dead_letters", letters)),
        "windows": op.map_value("windows", scores, lambda window: window.summary),
    }
    for stream, items in streams.items():
        for number, uri in enumerate(getattr(settings.sink, stream)):
            op.output(f"sink_{stream}_{number}", items, sink(stream, uri))
    return flow


def _split(
    step_id: str, batches: Stream[pa.RecordBatch]
) -> tuple[Stream[pa.RecordBatch], Stream[pa.RecordBatch]]:
    """Events, and dead letters."""
    split = op.branch(step_id, batches, lambda batch: batch.schema.equals(DEAD_LETTER))
    return split.falses, split.trues
