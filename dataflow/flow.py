"""The whole graph: ``python -m bytewax.run dataflow.flow:flow``.

::

    source -> decode -> embed -> window -> score -> drift -> alert -> sink    side streams: late, dead_letters

The step ids in :func:`build` are part of the recovery format: a renamed step starts without state, and a
renamed flow reads the source from its start.
"""

import atexit
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflow import sink as sinks
from dataflow import startup
from dataflow.alert.step import alert
from dataflow.clock import Clock, utc_now
from dataflow.decode.batch import check_format
from dataflow.decode.step import decode
from dataflow.drift.step import drift
from dataflow.embed import open_embedder
from dataflow.embed.base import Embedder
from dataflow.embed.batch import one_version
from dataflow.embed.step import embed
from dataflow.errors import DriftlineError
from dataflow.marks.open import open_marks
from dataflow.recovery.resume_log import ResumeLog
from dataflow.reference.again import EmbedsSamples, follows
from dataflow.reference.pinned import open_pinned
from dataflow.score.emission import OneModel
from dataflow.score.scorers import open_scorer
from dataflow.score.step import score
from dataflow.settings import Settings, bytewax_run, load, load_log
from dataflow.sink.conflicts import refuse_conflicts
from dataflow.sink.step_ids import step_id
from dataflow.sink.watched import watched
from dataflow.source import open_source, partitions_with_data
from dataflow.source.watched import WatchedSource
from dataflow.stop import Signals, Stop
from dataflow.telemetry import logs
from dataflow.telemetry.digest import Digest
from dataflow.telemetry.guard import exit_on_error, last_line
from dataflow.telemetry.logs import Line
from dataflow.telemetry.traces import open_tracer
from dataflow.telemetry.watch import Watch
from dataflow.window import gauges
from dataflow.window.step import gather_windows

OpenSink = Callable[[sinks.Stream, str], Sink[tuple[str, pa.RecordBatch]]]

_log = logging.getLogger(__name__)


def flow() -> Dataflow:
    """The dataflow that the environment asks for.

    A wrong setting ends the process with one line and code 2. An error while the flow runs (a scorer that
    returns nonsense, a model server that is unreachable for too long) ends the process with one line and code
    1. SIGTERM and SIGINT end the process in order (see ``dataflow.stop``).
    """
    logs.start(load_log())
    stop = Stop()
    signals = Signals(stop)
    resume_log = ResumeLog(gauges.count)
    try:
        settings = load()
        tracer = open_tracer(settings.log)
        guard = exit_on_error(settings.log.texts, before_exit=tracer.stop)
        watch = Watch(Digest(settings.log, time.monotonic), tracer, guard)
        opened = open_source(settings, clock=utc_now, check_format=partial(check_format, settings))
        source = WatchedSource(opened, guard, stop.asked, polled=resume_log.over)
        embedder = open_embedder(settings.embed, tracer)
        prepared = startup.prepare_store(bytewax_run(sys.argv[1:]), settings, source, embedder)
        built = build(
            settings,
            source=source,
            embedder=embedder,
            sink=partial(_open_sink, settings),
            watch=watch,
            stopping=stop.asked,
        )
    except DriftlineError as error:
        signals.restore()
        _log.critical(Line("error", str(error), exit_code=2))
        raise SystemExit(2) from None
    startup.log_start(settings, embedder)
    if prepared:
        startup.resume(prepared, embedder, resume_log)
    atexit.register(startup.log_stop, watch)
    sys.excepthook = last_line(settings.log.texts)
    signals.running(before_exit=tracer.stop)
    return built


def _open_sink(settings: Settings, stream: sinks.Stream, uri: str) -> Sink[tuple[str, pa.RecordBatch]]:
    return sinks.open_sink(uri, settings, stream=stream)


def build(
    settings: Settings,
    *,
    source: Source[pa.RecordBatch],
    embedder: Embedder,
    sink: OpenSink,
    clock: Clock = utc_now,
    watch: Watch | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Dataflow:
    """The graph over given parts. ``sink(stream, uri)`` opens the sink of a stream: ``scores``, ``alerts``,
    ``drift``, ``late``, ``dead_letters`` or ``windows``. While ``stopping`` returns true, the end of the
    input closes no windows. Raises ``SettingsError``.
    """
    refuse_conflicts(settings)
    watch = watch or Watch(Digest(settings.log, time.monotonic))
    scorer = open_scorer(settings.score)
    partitions = partitions_with_data(source)
    pinned = open_pinned(settings, embedder)
    unify = partial(one_version, embedder, newest=follows(settings.score))
    marks = open_marks(settings, embedder)
    one_model = OneModel(embedder.dim, unify, pinned, EmbedsSamples(settings, embedder), marks)

    flow = Dataflow("driftline")
    raw = op.input("source", flow, source)
    decoded = decode("decode", raw, settings, clock, watch)
    embedded = embed("embed", decoded.events, embedder, watch)
    windows = gather_windows("window", embedded.events, settings.window, clock, partitions, watch, stopping)
    scored = score("score", windows.whole, scorer, settings, one_model, clock, watch)
    dead = op.merge("dead_letters", decoded.dead_letters, embedded.dead_letters, scored.dead_letters)
    streams: dict[sinks.Stream, Any] = {}
    if settings.score.reference:
        drifted = drift("drift", scored.judged, settings, watch)
        streams["drift"] = drifted.rows
        streams["alerts"] = alert("alert", drifted.judged, windows.passed, settings, watch, marks, stopping)
    streams |= {
        "scores": scored.scores,
        "late": windows.late,
        "dead_letters": dead,
        "windows": scored.windows,
    }
    for stream, items in streams.items():
        for uri in getattr(settings.sink, stream):
            op.output(step_id(stream, uri), items, watched(sink(stream, uri), watch))
    return flow
