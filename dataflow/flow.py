"""The whole graph: ``python -m bytewax.run dataflow.flow:flow``.

::

    source -> decode -> embed -> window -> score -> sink        side streams: late, dead_letters

The step ids below are a recovery format: a renamed step starts empty, a renamed flow replays all.
"""

import atexit
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflow import settings as config
from dataflow import sink as sinks
from dataflow.clock import Clock, utc_now
from dataflow.decode.batch import decode
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.embed.batch import embed_batches, one_version
from dataflow.errors import DriftlineError
from dataflow.items.rows import Rows, of_strings
from dataflow.items.schemas import DEAD_LETTER, SAMPLE_SHARE, embedded_schema
from dataflow.items.windows import ScoredWindow, WholeWindow
from dataflow.recovery.resume_log import ResumeLog
from dataflow.score.scorers import open_scorer
from dataflow.score.window import score_window
from dataflow.settings import Settings
from dataflow.sink import paths
from dataflow.sink.watched import watched
from dataflow.source import open_source, partitions_with_data
from dataflow.source.watched import WatchedSource
from dataflow.startup import _say_resume, _say_start, _say_stop, prepare_store
from dataflow.stop import Signals, Stop
from dataflow.telemetry import logs, traces
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.guard import Step, exit_on_error, last_line
from dataflow.telemetry.logs import Line
from dataflow.window import gauges
from dataflow.window.step import gather_windows

OpenSink = Callable[[sinks.Stream, str], Sink[tuple[str, pa.RecordBatch]]]


_log = logging.getLogger(__name__)


def flow() -> Dataflow:
    """The dataflow that the environment asks for.

    A mistake in the settings ends the process with one line and code 2; what goes wrong while it runs
    (a scorer that answers wrongly, a model server away for too long) with one line and code 1. SIGTERM and
    SIGINT stop it in order (see ``dataflow.stop``).
    """
    logs.start(config.load_log())
    stop = Stop()
    signals = Signals(stop)
    try:
        settings = config.load()
        journal = Digest(settings.log, time.monotonic)
        traces.start(settings.log)
        guard = exit_on_error(settings.log.texts)
        resume = ResumeLog()
        source = WatchedSource(open_source(settings, clock=utc_now), guard, stop, resume.over)
        embedder = open_embedder(settings.embed)
        prepared = prepare_store(config.bytewax_run(sys.argv[1:]), settings, source, embedder)
        built = build(
            settings,
            source=source,
            embedder=embedder,
            sink=lambda stream, uri: watched(sinks.open_sink(uri, settings, stream=stream), guard),
            guard=guard,
            journal=journal,
            stop=stop,
        )
    except DriftlineError as error:
        signals.restore()
        _log.critical(Line("error", str(error), exit_code=2))
        raise SystemExit(2) from None
    _say_start(settings, embedder)
    if prepared:
        _say_resume(prepared, embedder)
        gauges.store(prepared.folder)
        resume.start(prepared.states)
        atexit.register(prepared.lock.close)
    atexit.register(_say_stop, journal)
    sys.excepthook = last_line(settings.log.texts)
    signals.running()
    return built


def build(
    settings: Settings,
    *,
    source: Source[pa.RecordBatch],
    embedder: Embedder,
    sink: OpenSink,
    clock: Clock = utc_now,
    guard: Callable[[Step], Step] = lambda step: step,
    journal: Digest | None = None,
    stop: Stop | None = None,
) -> Dataflow:
    """The graph over given parts. ``sink(stream, uri)`` opens the sink of a stream: ``scores``,
    ``late``, ``dead_letters`` or ``windows``. ``guard`` wraps the steps that may raise while the flow
    runs. ``journal`` is told of dead letters, late events and windows. An end of the input after ``stop``
    was asked for closes no windows. Raises ``SettingsError``.
    """
    paths.check(settings)
    stop = stop or Stop()
    scorer = open_scorer(settings.score)
    journal = journal or Digest(settings.log, time.monotonic)
    tracer = traces.current()

    def decoded(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        journal.tell_when_due()
        parts: list[pa.RecordBatch] = []
        for raw in batches:
            with tracer.read(raw):
                results = gauges.decoded(raw, decode(raw, settings, now=clock()))
                parts += [tracer.marked(part) for part in results]
        return [part for part in parts if len(part)]

    def embedded(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        with tracer.span("embed", batches, model=embedder.model, model_version=embedder.version):
            events, dead = embed_batches(embedder, batches)
            parts = (*gauges.embedded(batches, events), tracer.marked(gauges.dead(dead)))
            return [part for part in parts if len(part)]

    def of_one_version(item: tuple[str, WholeWindow]) -> list[tuple[str, WholeWindow] | pa.RecordBatch]:
        key, window = item
        rows = window.rows
        with tracer.window(rows, *window.ref):
            rows, refused = one_version(embedder, rows)
            kept = [(key, replace(window, pieces=[Rows(tracer.marked(rows))]))] if len(rows) else []
            return [*kept, tracer.marked(gauges.dead(refused))] if len(refused) else kept

    extra = [SAMPLE_SHARE] if settings.window.max_window_rows else []
    if settings.sink.embeddings:
        extra.append(embedded_schema(embedder.dim).field("embedding"))

    def scored(item: tuple[str, WholeWindow]) -> tuple[str, ScoredWindow]:
        key, window = item
        with tracer.span("score", [piece.batch for piece in window.pieces], scorer=settings.score.kind):
            result = gauges.scored(window, score_window(scorer, key, window, extra), clock())
            journal.window(key, result.summary)
            return key, ScoredWindow(tracer.marked(result.rows), tracer.marked(result.summary))

    def late(rows: pa.RecordBatch) -> pa.RecordBatch:
        journal.late(rows)
        return rows

    def dead_letters(letters: pa.RecordBatch) -> tuple[str, pa.RecordBatch]:
        journal.dead_letters(letters)
        return "dead_letters", letters

    flow = Dataflow("driftline")
    raw = op.input("source", flow, source)
    events, unread = _split("decoded", op.flat_map_batch("decode", raw, guard(decoded)))
    vectors, unembedded = _split("embedded", op.flat_map_batch("embed", events, guard(embedded)))
    windowed = gather_windows(
        "window", vectors, settings.window, clock, partitions_with_data(source), guard, stop.asked
    )
    uniform = op.flat_map("one_version", windowed.whole, guard(of_one_version))
    scorable = op.branch("of_one_version", uniform, lambda item: isinstance(item, tuple))
    scores = op.map("score", scorable.trues, guard(scored))
    dead = op.merge("dead_letters", unread, unembedded, scorable.falses)
    streams: dict[sinks.Stream, Any] = {
        "scores": op.flat_map_value("scores", scores, lambda window: of_strings(window.rows)),
        "late": op.map_value("late", windowed.late, late),
        "dead_letters": op.map("dead_letters_keyed", dead, dead_letters),
        "windows": op.map_value("windows", scores, lambda window: window.summary),
    }
    for stream, items in streams.items():
        for uri in getattr(settings.sink, stream):
            op.output(paths.step_id(stream, uri), items, sink(stream, uri))
    return flow


def _split(
    step_id: str, batches: Stream[pa.RecordBatch]
) -> tuple[Stream[pa.RecordBatch], Stream[pa.RecordBatch]]:
    """Events, and dead letters."""
    split = op.branch(step_id, batches, lambda batch: batch.schema.equals(DEAD_LETTER))
    return split.falses, split.trues
